"""What surrounds the assignment: edited records, decisions, new ids, and an audit that finds what is wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unittest.mock import patch

import pyarrow as pa
import pytest
from identity_world import (
    Scene,
    State,
    clusters_frame,
    frames,
    keys_frame,
    on,
    play,
    rows,
    scene,
    touched_keys,
)
from pyspark.sql import functions as F

from pipelines.identity import audit as audit_module
from pipelines.identity import frames as identity_frames
from pipelines.identity.audit import audit
from pipelines.identity.build import decided_records, edited_records
from pipelines.identity.concerned import concerned_records
from pipelines.identity.mint import minted_id
from pipelines.identity.tables import CAUSES, EVENT_KINDS, EVENTS
from pipelines.linkage.decisions import DECISIONS
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.standard_form import with_digest

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RECORDS = ("source", "record_id", "party_type", "match_given", "match_surname", "match_phones", "city")


def said(spark: SparkSession, *rows: tuple[object, ...]) -> DataFrame:
    """silver/customer_records of the columns in ``RECORDS``."""
    records = [dict(zip(RECORDS, ("crm", *row), strict=True)) for row in rows]
    return with_digest(spark.createDataFrame(pa.Table.from_pylist(records, schema=CUSTOMER_RECORDS.arrow)))


def test_only_matching_content_makes_an_edit_and_nulls_have_their_place(spark: SparkSession) -> None:
    before = said(
        spark,
        ("same", "person", "ana", None, ["1", "2"], "Puebla"),
        ("city only", "person", "ana", "gil", None, "Puebla"),
        ("name moved", "person", None, "ana", None, None),
        ("phone gone", "person", "ana", "gil", ["1"], None),
        ("phone emptied", "person", "ana", "gil", None, None),
        ("kind", "unknown", "ana", "gil", None, None),
        ("deleted", "person", "ana", "gil", None, None),
    )
    now = said(
        spark,
        ("same", "person", "ana", None, ["1", "2"], "Puebla"),
        ("city only", "person", "ana", "gil", None, "Oaxaca"),
        ("name moved", "person", "ana", None, None, None),
        ("phone gone", "person", "ana", "gil", None, None),
        ("phone emptied", "person", "ana", "gil", [], None),
        ("kind", "company", "ana", "gil", None, None),
        ("new", "person", "ana", "gil", None, None),
    )
    edited = ["kind", "name moved", "phone emptied", "phone gone"]
    assert sorted(r["record_id"] for r in rows(edited_records(now, before))) == edited
    touched = keys_frame(spark, [("crm", "kind"), ("crm", "same"), ("crm", "deleted")])
    assert rows(edited_records(now, before, touched)) == [{"source": "crm", "record_id": "kind"}]
    # A release of before there were digests says nothing about change.
    assert rows(edited_records(now, before.withColumn("matching_digest", F.lit(None).cast("long")))) == []


def test_a_decision_concerns_the_records_that_it_or_what_it_revokes_names(spark: SparkSession) -> None:
    at = on(0)
    told = [
        ("d1", "no_match", ["crm:1"], ["web:a:b"], None),
        ("d2", "match", ["crm:7"], ["pos:8"], None),
        ("d3", "revoke", [], None, "d1"),
    ]
    decisions = spark.createDataFrame(
        [(i, k, left, right, revokes, "ana", at, None) for i, k, left, right, revokes in told],
        "decision_id string, kind string, left_records array<string>, right_records array<string>, "
        "revokes string, decided_by string, decided_at date, reason string",
    ).select(*DECISIONS.names)

    def concerned(tonight: list[str], before: list[str]) -> list[tuple[str, str]]:
        parts = [decisions.filter(F.col("decision_id").isin(ids)) for ids in (tonight, before)]
        return sorted((r["source"], r["record_id"]) for r in rows(decided_records(*parts)))

    assert concerned(["d1", "d2"], []) == [("crm", "1"), ("crm", "7"), ("pos", "8"), ("web", "a:b")]
    assert concerned(["d1", "d2", "d3"], ["d1", "d2"]) == [("crm", "1"), ("web", "a:b")]
    assert concerned(["d1", "d2", "d3"], ["d1", "d2", "d3"]) == []


def test_a_new_id_depends_on_all_it_is_made_of(spark: SparkSession) -> None:
    def minted(day: int, publications: int, record: str, salt: str) -> str:
        origin = [
            F.lit(on(day)),
            F.lit(publications),
            F.struct(F.lit("crm").alias("s"), F.lit(record).alias("r")),
        ]
        found = spark.range(1).select(minted_id(*origin, salt=salt).alias("id")).collect()
        return str(found[0]["id"])

    ids = [minted(0, 0, "1", "x"), minted(1, 0, "1", "x"), minted(0, 1, "1", "x"), minted(0, 0, "2", "x")]
    assert len({*ids, minted(0, 0, "1", "y")}) == 5
    assert minted(0, 0, "1", "x") == ids[0]


@pytest.mark.parametrize("records", [0, identity_frames.ONE_TASK + 1])
def test_the_audit_counts_what_breaks_the_contract(spark: SparkSession, records: int) -> None:
    tonight = scene("crm", "a b | c | d | e | f")
    first = play(spark, State(), on(0), tonight)
    ids = {record: customer for (_, record), customer in first.ids.items()}

    def violations(broken: State, clusters: Scene = tonight) -> dict[str, int]:
        tables = frames(spark, first), frames(spark, broken), clusters_frame(spark, clusters)
        found = audit(*tables, on(1), records=records)
        return {r["invariant"]: r["violations"] for r in rows(found) if r["violations"]}

    # c has an id that nobody ever had, d that of e, and f none.
    given = {**ids, "c": "Cnew", "d": ids["e"]}
    wrong = [{**r, "customer_id": given[r["record_id"]]} for r in first.assignments if r["record_id"] != "f"]
    assert violations(replace(first, assignments=wrong)) == {
        "untouched_customers_keep_their_id": 2,
        "every_change_has_an_event": 3,
        "a_merge_keeps_one_id": 1,
        "every_move_has_an_alias": 2,
        "a_customer_is_one_cluster": 1,
        "a_record_has_one_id": 1,
        "replay_gives_the_map": 3,
        "history_gives_the_map": 3,
    }
    # Cx leads to Cy, which is no customer any more.
    link = {"customer_id": "Cx", "became": "Cy", "kind": "merged", "valid_from": on(0), "valid_to": None}
    chain = [link, {**link, "customer_id": "Cy", "became": ids["a"]}]
    assert violations(replace(first, aliases=chain)) == {"aliases_lead_to_customers": 1}
    # All tables say the same of every record, and yet a and b are no cluster any more.
    assert violations(first, scene("crm", "a | b | c | d | e | f")) == {"a_customer_is_one_cluster": 1}
    assert violations(first) == {}
    # Where most may be wrong, all are looked at.
    with patch.object(audit_module, "FEW", 0):
        assert violations(replace(first, aliases=chain)) == {"aliases_lead_to_customers": 1}
        assert violations(first, scene("crm", "a | b | c | d | e | f")) == {"a_customer_is_one_cluster": 1}


def test_events_and_causes_are_a_closed_list_that_the_table_holds() -> None:
    assert EVENTS.check is not None
    assert all(f"'{word}'" in EVENTS.check for word in (*EVENT_KINDS, *CAUSES))


def test_a_night_looks_only_at_whom_it_can_move(spark: SparkSession) -> None:
    """``new`` joins a and b. ``back`` held Y last, c holds it, and c held W once, which w holds now."""
    past = [
        ("a", "X", "created"),
        ("b", "X", "created"),
        ("back", "Y", "created"),
        ("c", "W", "created"),
        ("w", "W", "created"),
        ("x", "X", "created"),
        ("z", "Z", "created"),
        ("back", None, "retired"),
        ("c", "Y", "split"),
        ("x", "V", "split"),
    ]
    holds = {"a": "X", "b": "X", "c": "Y", "w": "W", "x": "V", "z": "Z"}
    register = State(
        assignments=[{"source": "crm", "record_id": r, "customer_id": c} for r, c in holds.items()],
        events=[
            {"source": "crm", "record_id": r, "customer_id": c, "event": event, "cause": "linkage"}
            for r, c, event in past
        ],
    )
    prior = frames(spark, register)

    def concerned(text: str, marked: str, most: int = 9) -> str | None:
        tonight = scene("crm", text)
        touched, decided = touched_keys(register, tonight), [("crm", name) for name in marked.split()]
        marks = [keys_frame(spark, touched), keys_frame(spark, decided)]
        found = concerned_records(clusters_frame(spark, tonight), prior, marks, most)
        return None if found is None else " ".join(sorted({row["record_id"] for row in rows(found)}))

    assert concerned("a b | c | w | x | z", "") == ""
    assert concerned("a b | c | w | x | z", "z unknown") == "unknown z"
    assert concerned("a b new | c | w | x | z", "") == "a b new"
    assert concerned("a b | c | w | x | z | back", "") == "back c w"
    with patch.object(identity_frames, "ONE_TASK", 0):
        assert concerned("a b | c | w | x | z | back", "") == "back c w"
    assert concerned("a b | c | w | x", "") == "z"
    assert concerned("a | b | c | w | x z", "") == "a b x z"
    assert concerned("a | b | c | w | x z", "", most=3) is None
    assert concerned("a | b | c | w | x z", "", most=4) == "a b x z"
