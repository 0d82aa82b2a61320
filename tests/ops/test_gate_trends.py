"""What a gate measured in the nights before stands beside what it says tonight."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tiny_night import PEOPLE, tiny

from pipelines.cli import execute
from pipelines.ops.gate_trends import gate_trends, nights_before
from pipelines.stages import Inputs


def row(day: int, gate: str, value: float | None, run: int = 1, hour: int = 3) -> dict[str, Any]:
    """A verdict in a run of that day; those of one gate and hour were written at once."""
    night = date(2026, 7, day)
    at = datetime(2026, 7, day, hour, tzinfo=UTC)
    return {"run_id": f"{night}.{run}", "business_date": night, "at": at, "gate": gate, "value": value}


def test_a_night_counts_once_as_its_last_run_judged_it_last() -> None:
    rows = [
        row(1, "volume_high erp/customers", 9.0),
        row(1, "volume_high", 1.5, run=2, hour=4),
        row(1, "volume_high", 1.2, run=2, hour=5),
        row(2, "volume_high", 2.0),
    ]
    first, second = ("2026-07-01", 1.2), ("2026-07-02", 2.0)
    assert gate_trends(rows, date(2026, 7, 2)) == {"volume_high": (first, second)}
    assert gate_trends(rows, date(2026, 7, 1)) == {"volume_high": (first,)}
    assert gate_trends(rows, date(2026, 7, 2), {"2026-07-02.1"}) == {"volume_high": (first,)}


def test_what_was_judged_again_with_its_stage_replaces_what_was_noted_without_it() -> None:
    rows = [
        row(1, "volume_low o/o", 3.0),
        {**row(1, "volume_low", 1.0, run=2, hour=4), "stage": "bronze.land"},
        {**row(1, "new_columns", 0.0, run=2, hour=4), "stage": "bronze.land"},
        {**row(1, "new_columns o/o", 2.0, run=2, hour=5), "stage": "silver.build"},
    ]
    found = gate_trends(rows, date(2026, 7, 1))
    assert {name: points[-1][1] for name, points in found.items()} == {
        "volume_low": 1.0,
        "new_columns": 0.0,
        "new_columns o/o": 2.0,
    }


def test_a_part_has_its_own_values_and_those_of_all_where_nothing_was_said_of_it() -> None:
    rows = [
        row(1, "quarantine", 0.002),
        row(2, "quarantine erp/customers", 0.2),
        row(2, "quarantine crm/contacts", 0.02),
        row(3, "quarantine crm/contacts", 0.03),
        row(3, "contract gold/rfm expect_column_values_to_be_between r_score", 0.0),
        row(3, "model", None),
    ]
    found = gate_trends(rows, date(2026, 7, 3))
    assert [value for _, value in found["quarantine crm/contacts"]] == [0.002, 0.02, 0.03]
    assert [value for _, value in found["quarantine erp/customers"]] == [0.002, 0.2]
    assert found.keys() == {"quarantine", "quarantine erp/customers", "quarantine crm/contacts"}


def test_a_line_tells_the_newest_nights_before() -> None:
    points = [(f"2026-07-0{day}", float(day)) for day in range(1, 9)]
    assert nights_before(points, date(2026, 7, 8)) == " (the nights before: 3, 4, 5, 6, 7)"
    assert nights_before(points[:2], date(2026, 7, 2)) == " (the night before: 1)"
    assert nights_before(points, date(2026, 7, 1)) == ""


def test_a_run_shows_what_its_gates_measured_before(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def crowded(inputs: Inputs) -> list[dict[str, Any]]:
        value = float(inputs.rows(PEOPLE))
        status = "warned" if value > 2 else "passed"
        told = {"gate": "crowd", "status": status, "severity": "warn", "value": value, "bound": 2.0}
        return [{**told, "message": f"{value:.0f} people."}]

    shop = tiny(monkeypatch, tmp_path, {"silver.build": crowded})
    shop.deliver("2026-07-01", {"1": "ana"})
    shop.run()
    shop.deliver("2026-07-02", {"2": "eva", "3": "leo"})
    shop.run()
    assert execute(["runs", "2026-07-02.1", "--warehouse", str(shop.warehouse)]) == 0
    assert "gate crowd: warned 3 people. (the night before: 1)" in capsys.readouterr().out
