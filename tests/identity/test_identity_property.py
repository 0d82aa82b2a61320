"""The identity contract on random histories, checked by plain Python that knows nothing of how ids are assigned.

The oracle remembers what was published night by night; it reads the tables only to hold them against that.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING
from unittest.mock import patch

import identity_histories
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from identity_histories import authors
from identity_world import (
    DAYS,
    Key,
    Scene,
    State,
    clusters_frame,
    frames,
    keys_frame,
    on,
    played,
    rows,
    together,
)
from identity_world import after as state_after

from pipelines.identity import frames as identity_frames
from pipelines.identity.assign import assign
from pipelines.identity.audit import audit
from pipelines.identity.events import replay
from pipelines.identity.frames import ONE_TASK

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHTS = range(len(DAYS))


class Memory:
    """What a reader who kept every publication knows just before a night."""

    def __init__(self, states: list[State], night: int) -> None:
        self.before = states[night - 1].ids if night else {}
        self.now = states[night].ids
        self.holders: dict[str, set[Key]] = defaultdict(set)
        for state in states[:night]:
            for record, customer in state.ids.items():
                self.holders[customer].add(record)
        self.clusters = [set(c) for author in authors().values() for c in author.nights[night].clusters]
        self.records_before: dict[str, set[Key]] = defaultdict(set)
        for record, customer in self.before.items():
            self.records_before[customer].add(record)

    def customers(self, records: set[Key]) -> set[str]:
        return {self.now[r] for r in records if r in self.now}

    def is_new(self, customer: str) -> bool:
        return customer not in self.holders


@pytest.fixture(scope="module")
def states(spark: SparkSession) -> list[State]:
    """After each night, the part of the random histories."""
    return random_states(spark)


def random_states(spark: SparkSession) -> list[State]:
    names = set(authors())

    def ours(state: State) -> State:
        events = [e for e in state.events if e["source"] in names]
        ids = {e[c] for e in events for c in ("customer_id", "old_customer_id")}
        return State(
            [r for r in state.assignments if r["source"] in names],
            [r for r in state.assignment_history if r["source"] in names],
            [r for r in state.aliases if r["customer_id"] in ids],
            events,
            [e for e in state.tonight if e["source"] in names],
        )

    return [ours(state) for state in played(spark)]


@pytest.fixture(params=NIGHTS)
def night(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def test_customers_that_nothing_touched_keep_their_id(states: list[State], night: int) -> None:
    known = Memory(states, night)
    for cluster in known.clusters:
        owners = {known.before.get(r) for r in cluster}
        (owner, *others) = owners
        if owner is not None and not others and known.records_before[owner] == cluster:
            assert known.customers(cluster) == {owner}


def test_an_event_stands_for_every_change_and_for_nothing_else(states: list[State], night: int) -> None:
    known = Memory(states, night)
    told = {(e["source"], e["record_id"]): e for e in states[night].tonight}
    assert len(told) == len(states[night].tonight)
    edited = {key for author in authors().values() for key in author.nights[night].edited}
    changed = {r for r in known.before.keys() | known.now.keys() if known.before.get(r) != known.now.get(r)}
    assert changed <= told.keys() <= changed | edited
    for record, event in told.items():
        assert event["customer_id"] == known.now.get(record)
        assert event["cause"] is not None
        if record in known.before:
            assert event["old_customer_id"] == known.before[record]
        if event["event"] in ("created", "added"):
            assert not any(record in holders for holders in known.holders.values())
        if event["event"] in ("created", "added") and known.is_new(event["customer_id"]):
            assert event["event"] == "created"


def test_an_id_is_new_or_returns_to_records_that_held_it(states: list[State], night: int) -> None:
    known = Memory(states, night)
    members: dict[str, set[Key]] = defaultdict(set)
    for record, customer in known.now.items():
        members[customer].add(record)
    for customer, records in members.items():
        assert known.is_new(customer) or records & known.holders[customer]


def test_a_merge_keeps_one_of_the_ids_and_leads_the_others_to_it(states: list[State], night: int) -> None:
    known = Memory(states, night)
    for cluster in known.clusters:
        priors = {known.before[r] for r in cluster if r in known.before}
        whole = {p for p in priors if known.records_before[p] & known.now.keys() <= cluster}
        if whole:
            (kept_id,) = known.customers(cluster)
            assert not known.is_new(kept_id)
            for other in whole - {kept_id}:
                assert states[night].leads_to(other) >= {kept_id}


def test_a_split_keeps_the_id_in_one_part_or_gives_parts_their_own_back(
    states: list[State], night: int
) -> None:
    known = Memory(states, night)
    for customer, records in known.records_before.items():
        parts = [c for c in known.clusters if c & records]
        if len(parts) > 1:
            given = [known.customers(part) for part in parts]
            assert all(len(ids) == 1 for ids in given)
            assert given.count({customer}) <= 1
            assert not all(known.is_new(i) for ids in given for i in ids)
            assert states[night].leads_to(customer) >= set().union(*given)


def test_a_live_record_has_one_customer_and_a_customer_is_one_cluster(
    states: list[State], night: int
) -> None:
    known = Memory(states, night)
    assert len(states[night].assignments) == len(known.now)
    assert known.now.keys() == {r for cluster in known.clusters for r in cluster}
    owners = [known.customers(cluster) for cluster in known.clusters]
    assert all(len(ids) == 1 for ids in owners)
    assert max(Counter(i for ids in owners for i in ids).values()) == 1


def test_undoing_a_merge_brings_the_ids_of_before_back(states: list[State], night: int) -> None:
    undone = 0
    for author in authors().values():
        if night in author.undone:
            before = states[author.undone[night]].ids
            undone += 1
            for record in author.nights[night].live:
                assert states[night].ids[record] == before[record], author.name
    assert undone > 10 or night < 2


def test_every_id_ever_published_leads_to_where_its_people_are(states: list[State], night: int) -> None:
    known, state = Memory(states, night), states[night]
    was_away = {
        (name, record)
        for name, author in authors().items()
        for record in {r for s in author.nights for _, r in s.live}
        for first in [next(n for n in NIGHTS if (name, record) in author.nights[n].live)]
        if any((name, record) not in author.nights[n].live for n in range(first, night + 1))
    }
    open_rows = [a for a in state.aliases if a["valid_to"] is None]
    retired = {a["customer_id"] for a in open_rows if a["kind"] == "merged"}
    ever = {r["customer_id"] for r in state.assignment_history}
    live = set(known.now.values())
    assert not retired & live
    assert len({(a["customer_id"], a["became"]) for a in open_rows}) == len(open_rows)
    for customer in known.holders.keys() | live:
        leads = state.leads_to(customer)
        assert leads & (live | ever) - retired == leads
        stayed = (known.holders[customer] & known.now.keys()) - was_away
        assert leads >= known.customers(stayed)
        if leads != {customer} and customer in live:
            assert customer in leads


def test_the_history_gives_every_publication_by_its_date(states: list[State]) -> None:
    last = {on(night): states[night].ids for night in NIGHTS}
    history = states[-1].assignment_history
    keys = [(r["source"], r["record_id"], r["valid_from"]) for r in history]
    assert len(keys) == len(set(keys))
    for day, published in last.items():
        valid = [
            r for r in history if r["valid_from"] <= day and (r["valid_to"] is None or r["valid_to"] > day)
        ]
        assert len(valid) == len(published)
        assert {(r["source"], r["record_id"]): r["customer_id"] for r in valid} == published
    for row in history:
        if row["valid_to"] == row["valid_from"]:
            assert (row["source"], row["record_id"]) not in last[row["valid_from"]]


def test_numbers_follow_on_within_a_business_date(states: list[State], spark: SparkSession) -> None:
    events = played(spark)[-1].events
    numbers: dict[date, list[int]] = defaultdict(list)
    for event in events:
        numbers[event["business_date"]].append(event["sequence"])
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in numbers.values())
    assert {e["publication"] for e in events if e["business_date"] == on(3)} == {1, 2}


def test_the_log_replays_to_the_map_and_the_audit_finds_nothing(spark: SparkSession) -> None:
    # The night that publishes a date again.
    states, night = played(spark), 3
    before, now = frames(spark, states[night - 1]), frames(spark, states[night])
    for records in (0, ONE_TASK + 1):
        found = rows(audit(before, now, clusters_frame(spark, everything(night)), on(night), records=records))
        assert len(found) == 11
        assert {r["invariant"]: r["violations"] for r in found if r["violations"]} == {}
    replayed = rows(replay(now.events))
    assert {(r["source"], r["record_id"]): r["customer_id"] for r in replayed} == states[night].ids


def everything(night: int) -> Scene:
    """The night of all stories that ``played`` plays."""
    from identity_stories import STORIES
    from identity_world import scene

    told = [[scene(name, text) for text in nights] for name, nights in STORIES.items()]
    written = [s[night] if night < len(s) else Scene(s[-1].clusters) for s in told]
    return together([*written, *(author.nights[night] for author in authors().values())])


def test_neither_order_nor_partitions_nor_looking_at_everybody_matters(spark: SparkSession) -> None:
    assigned_to_everybody(spark, 4)


def assigned_to_everybody(spark: SparkSession, night: int) -> None:
    """A night by all records, in another order and by many tasks: the same tables as by those alone that it can move."""
    states, scene = played(spark), everything(night)
    rng = random.Random(7)

    def shuffled(found: list[dict[str, object]]) -> list[dict[str, object]]:
        return rng.sample(found, len(found))

    prior = states[night - 1]
    mixed = State(
        *[shuffled(getattr(prior, n)) for n in ("assignments", "assignment_history", "aliases", "events")]
    )
    identity = frames(spark, mixed)
    with patch.object(identity_frames, "ONE_TASK", 0):
        made = assign(
            clusters_frame(spark, scene).repartition(5, "record_id"),
            identity,
            on(night),
            edited=keys_frame(spark, scene.edited),
            decided=keys_frame(spark, scene.decided).selectExpr("*", "'d1' AS decision_id"),
        )
        again = state_after(made, prior)
    for table in ("assignments", "assignment_history", "aliases", "tonight", "changes"):
        assert sorted(map(str, getattr(again, table))) == sorted(map(str, getattr(states[night], table)))


@contextmanager
def other_histories(seed: int) -> Iterator[None]:
    """Other random histories than those that every run of the tests plays."""
    before = identity_histories.SEED
    for cached in (authors, played):
        cached.cache_clear()
    identity_histories.SEED = seed
    try:
        yield
    finally:
        identity_histories.SEED = before
        for cached in (authors, played):
            cached.cache_clear()


@pytest.mark.soak
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_the_contract_holds_on_any_histories(spark: SparkSession, seed: int) -> None:
    """Ten times 220 histories of six nights, in an order that hypothesis chooses and can repeat."""
    by_night = (
        test_customers_that_nothing_touched_keep_their_id,
        test_an_event_stands_for_every_change_and_for_nothing_else,
        test_an_id_is_new_or_returns_to_records_that_held_it,
        test_a_merge_keeps_one_of_the_ids_and_leads_the_others_to_it,
        test_a_split_keeps_the_id_in_one_part_or_gives_parts_their_own_back,
        test_a_live_record_has_one_customer_and_a_customer_is_one_cluster,
        test_every_id_ever_published_leads_to_where_its_people_are,
    )
    with other_histories(seed):
        found = random_states(spark)
        for night in NIGHTS:
            for holds in by_night:
                holds(found, night)
            if night:
                assigned_to_everybody(spark, night)
        test_the_history_gives_every_publication_by_its_date(found)
        test_the_log_replays_to_the_map_and_the_audit_finds_nothing(spark)
