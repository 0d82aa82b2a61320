"""What stewards decide: it holds over the model's clusters, in both directions, until it is taken back."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from linkage_people import CONF, decisions, record, table, together

from pipelines.linkage.config import Linkage
from pipelines.linkage.decided import decide, named_records
from pipelines.linkage.decisions import DECISION_STATES, standing
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Linked, link_night

NIGHT = date(2026, 7, 1)


ANA = {"given": "ana", "surname": "garcia", "birth_date": date(1980, 3, 1), "phones": ["+525551110001"]}
LUIS = {"given": "luis", "surname": "navez", "birth_date": date(1971, 9, 9), "phones": ["+525551110002"]}
ROWS = [
    record("crm", "A1", **ANA, emails=["ana.garcia@mail.com"], tax_id="GAAA800301AB1", tax_id_type="rfc"),
    record("erp", "A2", **ANA, emails=["ana.garcia@mail.com"]),
    record("web", "A3", **ANA, emails=["ana.garcia@mail.com"]),
    record("crm", "L1", **LUIS, emails=["luis.navez@mail.com"]),
    record("erp", "L2", **LUIS, emails=["luis.navez@mail.com"], tax_id="NALU710909CD2", tax_id_type="rfc"),
    record("crm", "C1", party_type="company", company_name="tornillos garcia"),
]


@pytest.fixture(scope="module")
def first() -> Linked:
    return link_night(table(ROWS), None, CONF, NIGHT)


@pytest.fixture(scope="module")
def generation(first: Linked) -> Generation:
    return first.generation


class Night:
    """The records, clustered by their first letter as linkage clusters them, and what decisions make of that."""

    def __init__(
        self, generation: Generation, made: pa.Table, rows: list[Any] = ROWS, conf: Linkage = CONF
    ) -> None:
        by_rules: dict[str, str] = {}
        for row in sorted(rows, key=lambda row: (row["source"], row["record_id"])):
            by_rules.setdefault(row["record_id"][0], f"{row['source']}:{row['record_id']}")
        homes = pa.array([by_rules[row["record_id"][0]] for row in rows])
        decided = decide(table(rows).append_column("cluster_rules", homes), made, generation, conf)
        self.final = {
            f"{r['source']}:{r['record_id']}": r["cluster_final"] for r in decided.final.to_pylist()
        }
        self.found = {row["decision_id"]: row for row in decided.states.to_pylist()}
        self.states = {name: row["state"] for name, row in self.found.items()}
        self.decided = decided

    def together(self, *names: str) -> bool:
        return len({self.final[name] for name in names}) == 1


def test_a_night_puts_decisions_over_what_model_and_rules_made(first: Linked) -> None:
    """One record out of a cluster; the others, the layers below and the rest of the register stay."""
    assert first.clusters["cluster_final"].equals(first.clusters["cluster_rules"])
    assert first.decision_states.schema.names == list(DECISION_STATES.names)
    made = decisions(("d1", "no_match", "web:A3", "crm:A1 erp:A2"))
    night = link_night(table(ROWS), first.generation, CONF, NIGHT, decisions=made)
    assert together(night.clusters, "crm:A1", "erp:A2")
    assert together(night.clusters, "crm:L1", "erp:L2")
    assert not together(night.clusters, "crm:A1", "web:A3")
    for layer in ("cluster_model", "cluster_rules"):
        assert night.clusters[layer].equals(first.clusters[layer])
        assert together(night.clusters, "crm:A1", "erp:A2", "web:A3", column=layer)
    assert night.decision_states["state"].to_pylist() == ["active"]
    # Somebody has decided: the pairs do not wait for a steward again.
    assert not [
        row for row in night.review_queue.to_pylist() if "A3" in (row["record_id_l"], row["record_id_r"])
    ]


def test_a_match_joins_two_whole_clusters(generation: Generation) -> None:
    rows = [row for row in ROWS if row["record_id"] != "A1"]
    night = Night(generation, decisions(("d1", "match", "web:A3", "crm:L1")), rows)
    assert {night.final[name] for name in ("erp:A2", "web:A3", "crm:L1", "erp:L2")} == {"crm:L1"}
    # A record that joins either side later comes along.
    late = record("pos", "L3", **LUIS, emails=["luis.navez@mail.com"])
    night = Night(generation, decisions(("d1", "match", "web:A3", "crm:L1")), [*rows, late])
    assert night.together("erp:A2", "web:A3", "crm:L1", "pos:L3")


def test_what_never_goes_together_leaves_and_the_matched_stay(generation: Generation) -> None:
    """A1 and L2 have two tax ids; the steward matched A3 with L1, which have none."""
    night = Night(generation, decisions(("d1", "match", "web:A3", "crm:L1")))
    assert night.states == {"d1": "active"}
    assert night.together("web:A3", "crm:L1")
    assert not night.together("crm:A1", "erp:L2")


def test_a_match_against_never_evidence_is_held(generation: Generation) -> None:
    night = Night(generation, decisions(("d1", "match", "crm:A1", "erp:L2")))
    assert (night.together("crm:A1", "web:A3"), night.together("crm:A1", "erp:L2")) == (True, False)
    held = night.found["d1"]
    assert (held["state"], held["against"]) == ("contradicted", ["never"])
    assert (held["left_record"], held["right_record"]) == ("crm:A1", "erp:L2")


def test_the_newest_of_two_that_contradict_is_held_and_names_the_chain(generation: Generation) -> None:
    made = decisions(
        ("d1", "match", "erp:A2", "crm:L1"),
        ("d2", "match", "crm:L1", "web:A3"),
        ("d3", "no_match", "erp:A2", "web:A3"),
    )
    night = Night(generation, made)
    assert night.states == {"d1": "active", "d2": "active", "d3": "contradicted"}
    assert night.found["d3"]["against"] == ["d1", "d2"]
    assert night.together("erp:A2", "web:A3", "crm:L1")
    # Once the older one is taken back, the newest holds.
    night = Night(generation, pa.concat_tables([made, decisions(("d4", "revoke", "d2", None))]))
    assert night.states == {"d1": "active", "d2": "revoked", "d3": "active"}
    assert not night.together("erp:A2", "web:A3")


def test_a_match_that_an_older_no_match_forbids_is_held(generation: Generation) -> None:
    made = decisions(
        ("d1", "no_match", "web:A3", "crm:L1"),
        ("d2", "match", "web:A3", "erp:L2"),
        ("d3", "match", "erp:L2", "crm:L1"),
    )
    held = Night(generation, made).found["d3"]
    assert (held["state"], held["against"]) == ("contradicted", ["d1", "d2"])


def test_no_decision_joins_what_cannot_be_one(generation: Generation) -> None:
    """A person and a company; two records of a source that has each person once; far too many records."""
    night = Night(generation, decisions(("d1", "match", "crm:A1", "crm:C1")))
    assert night.found["d1"]["against"] == ["party_type"]
    assert not night.together("crm:A1", "crm:C1")
    free = CONF.model_copy(update={"duplicate_free": ("crm",)})
    night = Night(generation, decisions(("d1", "match", "crm:A1", "crm:L1")), conf=free)
    assert night.found["d1"]["against"] == ["duplicate_free"]
    small = CONF.model_copy(update={"max_component": 4})
    night = Night(generation, decisions(("d1", "match", "erp:A2", "crm:L1")), conf=small)
    assert night.found["d1"]["against"] == ["max_component"]
    assert not night.together("erp:A2", "crm:L1")


def test_a_decision_sleeps_while_a_side_is_gone_and_wakes(generation: Generation) -> None:
    made = decisions(("d1", "no_match", "web:A3", "crm:A1"))
    gone = [row for row in ROWS if row["record_id"] != "A3"]
    assert Night(generation, made, gone).states == {"d1": "dormant"}
    assert not Night(generation, made).together("crm:A1", "web:A3")
    nobody = Night(generation, decisions(("d1", "match", "web:X8", "web:X9")))
    assert nobody.states == {"d1": "dormant"}


def test_the_order_of_rows_changes_nothing(generation: Generation) -> None:
    made = decisions(
        ("d1", "match", "web:A3", "crm:L1"),
        ("d2", "no_match", "erp:A2", "crm:A1"),
        ("d3", "match", "erp:A2", "erp:L2"),
    )
    night, other = Night(generation, made), Night(generation, made.take([2, 0, 1]), ROWS[::-1])
    assert other.final == night.final
    assert other.found == night.found


def test_revoked_and_unknown_rows_name_nobody() -> None:
    made = decisions(
        ("d1", "match", "crm:A1", "crm:L1"), ("d2", "revoke", "d1", None), ("d3", "match", "a:1 a:2", None)
    )
    assert named_records(made) == ["a:1", "a:2"]
    assert [d.revoked_by for d in standing(made)] == ["d2", None]
    assert standing(None) == []
