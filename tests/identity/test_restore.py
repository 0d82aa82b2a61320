"""A release taken back: the older customers again, by events, and no published id lost.

Over all written stories and random histories of the other tests at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from identity_world import (
    DAYS,
    TABLES,
    Scene,
    State,
    after,
    arrow_frame,
    clusters_frame,
    frames,
    on,
    play,
    played,
    rows,
)

from pipelines.identity.assign import Identity
from pipelines.identity.audit import audit
from pipelines.identity.events import replay
from pipelines.identity.restore import restored
from pipelines.identity.tables import ASSIGNMENTS
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LAST = len(DAYS) - 1


def taken_back(spark: SparkSession, now: State, to: State, night: int) -> State:
    wanted = arrow_frame(spark, to.assignments, arrow_schema(ASSIGNMENTS))
    return after(restored(frames(spark, now), wanted, on(night)), now)


@pytest.fixture(scope="module", params=[1, pytest.param(3, marks=pytest.mark.soak)])
def rolled_back(spark: SparkSession, request: pytest.FixtureRequest) -> tuple[State, State, State]:
    """The older state, the newest one, and what taking it back made of it."""
    states = played(spark)
    older, newest = states[request.param], states[LAST]
    return older, newest, taken_back(spark, newest, older, LAST)


def test_every_record_has_its_older_customer_again(
    spark: SparkSession, rolled_back: tuple[State, State, State]
) -> None:
    older, newest, now = rolled_back
    assert newest.ids != older.ids
    assert now.ids == older.ids
    replayed = rows(replay(frames(spark, now).events))
    assert {(r["source"], r["record_id"]): r["customer_id"] for r in replayed} == older.ids
    open_stays = [r for r in now.assignment_history if r["valid_to"] is None]
    assert {(r["source"], r["record_id"]): r["customer_id"] for r in open_stays} == older.ids
    assert len(open_stays) == len(older.ids)


def test_what_was_published_in_between_stays_and_every_change_says_that_it_was_taken_back(
    rolled_back: tuple[State, State, State],
) -> None:
    _, newest, now = rolled_back
    assert now.events[: len(newest.events)] == newest.events
    assert {e["cause"] for e in now.tonight} == {"rollback"}
    changed = {key for key in newest.ids.keys() | now.ids.keys() if newest.ids.get(key) != now.ids.get(key)}
    assert {(e["source"], e["record_id"]) for e in now.tonight} == changed


def test_every_id_ever_published_resolves(rolled_back: tuple[State, State, State]) -> None:
    _, _, now = rolled_back
    published = {e["customer_id"] for e in now.events} - {None}
    retired = {a["customer_id"] for a in now.aliases if a["kind"] == "merged" and a["valid_to"] is None}
    assert not retired & set(now.ids.values()), "a customer is nobody's alias"
    for customer in published:
        assert not (now.leads_to(customer) & retired), "in one step to customers"


def test_the_nights_go_on_from_there(spark: SparkSession, rolled_back: tuple[State, State, State]) -> None:
    _, newest, now = rolled_back
    clusters: dict[str, set[tuple[str, str]]] = {}
    for record, customer in newest.ids.items():
        clusters.setdefault(customer, set()).add(record)
    again = Scene(frozenset(frozenset(c) for c in clusters.values()))
    later = play(spark, now, on(LAST), again)
    whole = Identity(*[arrow_frame(spark, getattr(later, t.name), arrow_schema(t)) for t in TABLES])
    found = audit(frames(spark, now), whole, clusters_frame(spark, again), on(LAST))
    assert {r["invariant"]: r["violations"] for r in rows(found) if r["violations"]} == {}
    same = sum(later.ids[key] == customer for key, customer in newest.ids.items())
    assert same / len(newest.ids) > 0.9, "ids published in between come back to those who had them"
