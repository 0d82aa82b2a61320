"""The gates that find a fault of the program: ids that break their contract, money lost, tables not as declared."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pipelines.config import Project
from pipelines.linkage.clusters import CLUSTERS
from pipelines.ops.checks import IDENTITY, identity_kept, money_reconciled, schemas

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "identity"))
from identity_world import State, clusters_frame, frames, on, play, scene

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.identity.assign import Identity

SETTINGS = SimpleNamespace(project=Project())


def _tables(identity: Identity) -> dict[Any, Any]:
    parts = (identity.assignments, identity.assignment_history, identity.aliases, identity.events)
    return dict(zip(IDENTITY, parts, strict=True))


def test_ids_that_break_their_contract_stop_the_night(spark: SparkSession) -> None:
    told = scene("crm", "a b | c")
    state = play(spark, State(), on(0), told)
    clusters = clusters_frame(spark, told)

    def judged(tonight: State) -> dict[str, Any]:
        current = {**_tables(frames(spark, tonight)), CLUSTERS: clusters}
        inputs: Any = SimpleNamespace(
            settings=SETTINGS,
            night=SimpleNamespace(business_date=on(1)),
            arrow=lambda table: None,
            previous=_tables(frames(spark, state)).get,
            frame=current.get,
            rows=lambda table: 3,
        )
        (found,) = identity_kept(inputs)
        return found

    kept = judged(state)
    assert (kept["gate"], kept["status"], kept["value"]) == ("identity_contract", "passed", 0)
    broken = judged(replace(state, assignments=[r for r in state.assignments if r["record_id"] != "c"]))
    assert (broken["gate"], broken["status"]) == ("identity_contract", "blocked")
    assert broken["value"] >= 1
    assert "a record has one id: 1 times not" in broken["message"]
    assert broken["message"].endswith("keep the tables and report it.")


def test_money_that_neither_customers_nor_unassigned_hold_stops_the_night(spark: SparkSession) -> None:
    def judged(*rows: tuple[str, str, int, int, int]) -> dict[str, Any]:
        names = "measure string, source string, in_customers long, unassigned long, source_total long"
        inputs: Any = SimpleNamespace(
            settings=SETTINGS, frame=lambda table: spark.createDataFrame(rows, names)
        )
        (found,) = money_reconciled(inputs)
        return found

    balanced = ("orders", "web", 7, 3, 10)
    kept = judged(balanced)
    assert (kept["gate"], kept["status"], kept["value"]) == ("reconciliation", "passed", 0)
    lost = judged(balanced, ("gross", "pos", 7, 2, 10))
    assert (lost["gate"], lost["status"], lost["value"]) == ("reconciliation", "blocked", 1)
    assert lost["message"].startswith("gross of pos: ")
    assert lost["message"].endswith("keep the tables and report it.")


def test_a_table_that_is_not_as_declared_stops_the_night() -> None:
    def judged(differences: list[str]) -> dict[str, Any]:
        found = {IDENTITY[0]: differences}
        inputs: Any = SimpleNamespace(settings=SETTINGS, differences=lambda table: found.get(table, []))
        (verdict,) = schemas((CLUSTERS, IDENTITY[0]))(inputs)
        return verdict

    kept = judged([])
    assert (kept["gate"], kept["status"], kept["value"]) == ("schema", "passed", 0)
    wrong = judged(["isbn is missing", "pages has another type"])
    assert (wrong["gate"], wrong["status"], wrong["value"]) == ("schema", "blocked", 1)
    assert wrong["message"].startswith(f"{IDENTITY[0].path}: isbn is missing. ")
    assert wrong["message"].endswith("keep the tables and report it.")
