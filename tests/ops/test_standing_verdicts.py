"""Of all that was recorded of a run's gates, what holds."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from pipelines.ops.judgements import standing
from pipelines.ops.record import Record, rows_of
from pipelines.ops.tables import GATES
from pipelines.storage import Warehouse

LAND, SILVER = "bronze.land", "silver.build"


def row(hour: int, stage: str | None, gate: str, status: str) -> dict[str, Any]:
    """A verdict; those of one hour and stage were written at once."""
    return {"at": datetime(2026, 7, 1, hour, tzinfo=UTC), "stage": stage, "gate": gate, "status": status}


def held(*rows: dict[str, Any]) -> dict[str, str]:
    found = standing(rows)
    assert len({r["gate"] for r in found}) == len(found)
    return {r["gate"]: r["status"] for r in found}


def test_what_was_corrected_holds_no_more() -> None:
    assert held(
        row(1, LAND, "volume_high crm/contacts", "blocked"),
        row(1, LAND, "freshness erp", "warned"),
        row(2, LAND, "volume_high", "passed"),
        row(2, LAND, "freshness", "passed"),
        row(3, SILVER, "quarantine", "passed"),
    ) == {"volume_high": "passed", "freshness": "passed", "quarantine": "passed"}


def test_gates_of_one_name_after_two_stages_hold_both() -> None:
    assert held(
        row(1, LAND, "new_columns crm", "warned"), row(2, SILVER, "new_columns crm/contacts", "warned")
    ) == {"new_columns crm": "warned", "new_columns crm/contacts": "warned"}


def test_what_somebody_agreed_to_stands_in_the_place_of_what_stopped() -> None:
    stopped = (row(1, LAND, "volume_high crm/contacts", "blocked"), row(1, LAND, "freshness erp", "warned"))
    agreed = row(2, LAND, "volume_high crm/contacts", "approved")
    expected = {"volume_high crm/contacts": "approved", "freshness erp": "warned"}
    assert held(*stopped, agreed) == expected
    # The same run goes on, and its gate is asked again: what is not said any more is gone.
    again = (row(3, LAND, "volume_high crm/contacts", "approved"),)
    assert held(*stopped, agreed, *again) == {"volume_high crm/contacts": "approved"}


def test_of_two_verdicts_of_one_name_the_worse_one_holds() -> None:
    twice = [row(1, LAND, "volume_high crm/contacts", status) for status in ("blocked", "warned")]
    assert held(*twice) == held(*reversed(twice)) == {"volume_high crm/contacts": "blocked"}


def test_a_stage_that_is_asked_again_replaces_what_was_noted_without_it() -> None:
    assert held(
        row(1, None, "quarantine shop/o", "blocked"),
        row(1, None, "freshness erp", "warned"),
        row(2, SILVER, "quarantine", "passed"),
    ) == {"freshness erp": "warned", "quarantine": "passed"}


def test_without_a_stage_the_last_verdict_of_each_name_holds() -> None:
    assert held(
        row(1, None, "volume_high crm/contacts", "blocked"),
        row(1, None, "freshness erp", "warned"),
        row(2, None, "volume_high crm/contacts", "passed"),
    ) == {"volume_high crm/contacts": "passed", "freshness erp": "warned"}


def test_gates_that_ask_nothing_any_more_pass_under_their_own_names(tmp_path: Path) -> None:
    """The job of a layer that runs again after the gates of its stage were switched off."""
    record = Record(Warehouse(str(tmp_path)), date(2026, 7, 1), {})
    passed = {"gate": "profile_drift", "status": "passed", "value": 0.0}
    warned = {"gate": "unmapped_codes shop/o: status", "status": "warned", "value": 0.4, "message": "2 codes"}
    record.gates("bronze.profile", [passed, warned])
    for stage in ("bronze.land", "bronze.profile", "bronze.profile"):
        record.gates(stage, [])
    rows = rows_of(record.warehouse, GATES.path)
    assert [(r["gate"], r["status"], r["value"]) for r in standing(rows)] == [
        ("unmapped_codes shop/o: status", "passed", None)
    ]
    assert len(rows) == 3, "it is told once, and of a stage that never asked anything nothing is"
