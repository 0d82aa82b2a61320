"""What a gate measured in the nights before stands beside what it says tonight."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tiny_night import PEOPLE, tiny

from pipelines.cli import execute
from pipelines.ops.gate_trends import gate_trends, nights_before
from pipelines.stages import Inputs


def row(day: int, gate: str, value: float | None, run: int = 1) -> dict[str, Any]:
    at = date(2026, 7, day)
    return {"run_id": f"{at}.{run}", "business_date": at, "gate": gate, "value": value}


def test_a_night_counts_once_as_its_last_run_judged_it() -> None:
    rows = [row(1, "volume_high", 9.0), row(1, "volume_high", 1.5, run=2), row(2, "volume_high", 2.0)]
    assert gate_trends(rows, date(2026, 7, 2)) == {
        "volume_high": (("2026-07-01", 1.5), ("2026-07-02", 2.0)),
    }
    assert gate_trends(rows, date(2026, 7, 1)) == {"volume_high": (("2026-07-01", 1.5),)}


def test_of_several_parts_the_highest_counts_and_a_contract_is_a_gate_of_its_own() -> None:
    rows = [
        row(1, "quarantine", 0.002),
        row(2, "quarantine erp/customers", 0.2),
        row(2, "quarantine crm/contacts", 0.1),
        row(2, "contract gold/rfm between r_score", 3.0),
        row(2, "contract gold/rfm between recency_days", 0.0),
        row(2, "model", None),
    ]
    found = gate_trends(rows, date(2026, 7, 2))
    assert found["quarantine"] == (("2026-07-01", 0.002), ("2026-07-02", 0.2))
    assert found["contract gold/rfm between r_score"] == (("2026-07-02", 3.0),)
    assert "model" not in found


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
