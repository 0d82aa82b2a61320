"""Declared renames: records go on under another name and keep their customer, over any chain of names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from identity_world import (
    Rows,
    Scene,
    State,
    after,
    clusters_frame,
    frames,
    keys_frame,
    on,
    rows,
    touched_keys,
)

from pipelines.gold.ownership import record_owners, with_former_names
from pipelines.identity.assign import WORTH_A_LOOK, assign
from pipelines.identity.audit import audit
from pipelines.identity.events import replay
from pipelines.identity.renamed import named
from pipelines.silver.renames import SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def clusters(*told: str) -> Scene:
    """A night of clusters: ``"web:a web:b"`` is one."""
    return Scene(
        frozenset(
            frozenset((source, key) for source, _, key in (name.partition(":") for name in cluster.split()))
            for cluster in told
        )
    )


def renames(*told: tuple[str, str, int]) -> pa.Table:
    """Rows of silver/renames: (old, new, night), each a source, or source:record_id."""
    found = []
    for old, new, night in told:
        (source, _, key), (new_source, _, new_key) = old.partition(":"), new.partition(":")
        found.append(
            {
                "source": source,
                "record_id": key or None,
                "new_source": new_source,
                "new_record_id": new_key or None,
                "since": on(night),
                "business_date": on(night),
            }
        )
    return pa.Table.from_pylist(found, schema=SCHEMA)


def night(
    spark: SparkSession,
    prior: State,
    number: int,
    scene: Scene,
    known: pa.Table,
    begun: int,
    *,
    register: int = 0,
) -> tuple[State, dict[str, int]]:
    """The state after a night on which the last ``begun`` of the ``known`` renames begin; what the audit counts."""
    before = frames(spark, prior)
    renamed = (
        named(before, known, known.slice(known.num_rows - begun), on(number)) if known.num_rows else None
    )
    nobody = keys_frame(spark, [])
    made = assign(
        clusters_frame(spark, scene),
        before,
        on(number),
        edited=nobody,
        decided=nobody.selectExpr("*", "'' AS decision_id"),
        touched=keys_frame(spark, touched_keys(prior, scene)),
        renamed=renamed,
        register=register,
    )
    state = after(made, prior)
    if not begun:
        return state, {}
    assert renamed is not None
    counted = audit(renamed.prior, frames(spark, state), clusters_frame(spark, scene), on(number))
    return state, {r["invariant"]: r["violations"] for r in rows(counted) if r["violations"]}


def said(state: State) -> list[str]:
    return sorted(f"{e['source']}:{e['record_id']} {e['event']} {e['cause']}" for e in state.tonight)


def open_stays(state: State) -> dict[tuple[str, str], str]:
    return {
        (r["source"], r["record_id"]): r["customer_id"]
        for r in state.assignment_history
        if r["valid_to"] is None
    }


def owners_of(spark: SparkSession, state: State, known: pa.Table) -> dict[str, str]:
    tables = frames(spark, state)
    owners = record_owners(tables.assignments, tables.assignment_history, tables.aliases)
    found: Rows = rows(with_former_names(owners, known))
    return {f"{r['source']}:{r['record_id']}": r["customer_id"] for r in found}


def test_records_keep_their_customer_through_a_chain_of_names(spark: SparkSession) -> None:
    none = renames()
    first, _ = night(spark, State(), 0, clusters("shop:a shop:b", "crm:c"), none, 0)
    ab, c = first.ids["shop", "a"], first.ids["crm", "c"]

    # A renamed source: told twice, and nobody's customer changes.
    web = renames(("shop", "web", 1))
    second, broken = night(spark, first, 1, clusters("web:a web:b", "crm:c"), web, 1)
    assert second.ids == {("web", "a"): ab, ("web", "b"): ab, ("crm", "c"): c}
    assert said(second) == [
        "shop:a retired rename",
        "shop:b retired rename",
        "web:a added rename",
        "web:b added rename",
    ]
    assert broken == {}
    assert open_stays(second) == second.ids
    assert second.changes == []

    # The next night, the source has yet another name, a record another key, and both join crm:c.
    app = pa.concat_tables([web, renames(("web", "app", 2), ("app:a", "app:x", 2))])
    third, broken = night(spark, second, 2, clusters("app:x app:b crm:c"), app, 2, register=WORTH_A_LOOK)
    assert third.ids == {("app", "x"): ab, ("app", "b"): ab, ("crm", "c"): ab}
    assert said(third) == [
        "app:b added rename",
        "app:x added rename",
        "crm:c merged linkage",
        "web:a retired rename",
        "web:b retired rename",
    ]
    assert broken == {}
    assert {
        (r["source"], r["record_id"]): r["customer_id"] for r in rows(replay(frames(spark, third).events))
    } == third.ids

    # The same date again, the renames declared still: the merge is undone across all names, nothing is told twice.
    fourth, _ = night(spark, third, 3, clusters("app:x app:b", "crm:c"), app, 0)
    assert fourth.ids == {("app", "x"): ab, ("app", "b"): ab, ("crm", "c"): c}
    assert said(fourth) == ["crm:c revived linkage"]

    # An order that names the record as it was called at first is its customer's.
    owners = owners_of(spark, third, app)
    assert {name: owners[name] for name in ("shop:a", "web:a", "app:x")} == dict.fromkeys(
        ("shop:a", "web:a", "app:x"), ab
    )


def test_keys_that_move_up_one_place_take_their_customers_along(spark: SparkSession) -> None:
    first, _ = night(spark, State(), 0, clusters("shop:a", "shop:b"), renames(), 0)
    a, b = first.ids["shop", "a"], first.ids["shop", "b"]
    shift = renames(("shop:a", "shop:b", 1), ("shop:b", "shop:c", 1))
    second, broken = night(spark, first, 1, clusters("shop:b", "shop:c"), shift, 2)
    assert second.ids == {("shop", "b"): a, ("shop", "c"): b}
    assert broken == {}
    assert open_stays(second) == second.ids
    assert second.changes == []


@pytest.mark.soak
def test_a_rename_declared_late_moves_the_same_records_in_a_large_register(spark: SparkSession) -> None:
    """Both names were delivered for a while: by the names of now the record was there, and went."""
    past = [(0, "old", "A", "created"), (1, "new", "A", "added"), (2, "old", None, "retired")]
    state = State(
        assignments=[{"source": "shop", "record_id": "new", "customer_id": "A"}],
        assignment_history=[
            {
                "source": "shop",
                "record_id": "old",
                "customer_id": "A",
                "valid_from": on(0),
                "valid_to": on(2),
            },
            {"source": "shop", "record_id": "new", "customer_id": "A", "valid_from": on(1), "valid_to": None},
        ],
        events=[
            {
                "source": "shop",
                "record_id": record,
                "customer_id": customer,
                "event": event,
                "business_date": on(number),
                "publication": 1,
                "sequence": 1,
                "cause": "linkage",
            }
            for number, record, customer, event in past
        ],
    )
    late, scene = renames(("shop:old", "shop:new", 4)), clusters("shop:new")
    few, whole = (night(spark, state, 4, scene, late, 0, register=n)[0] for n in (WORTH_A_LOOK, 0))
    assert said(few) == said(whole) == ["shop:new revived new_record"]
    for table in ("assignments", "assignment_history", "aliases", "changes"):
        assert sorted(map(str, getattr(few, table))) == sorted(map(str, getattr(whole, table)))
