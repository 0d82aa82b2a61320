"""``padron plan``: what would change, and that nothing does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from stewards_house import ANA_ID, HUGO_ID, stewards_house

from pipelines.cli import execute
from pipelines.linkage.generations import GENERATIONS, newest
from pipelines.ops.generations import keep
from pipelines.ops.releases import required
from pipelines.storage import Warehouse

HEADER = "kind,left_records,right_records,revokes,decided_by,decided_at,reason\n"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    return Warehouse(stewards_house(tmp_path_factory.mktemp("house")))


def planned(house: Warehouse, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert execute(["plan", "--warehouse", house.root, "--json", *words]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_decisions_of_a_file_are_planned_and_not_taken(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = required(house).tables
    path = tmp_path / "decisions.csv"
    path.write_text(
        HEADER
        + "match,web:W2;web:W3,,,ana,2026-07-01T09:00:00Z,asked\n"
        + "no_match,web:W1,crm:C1;erp:E1,,ana,2026-07-01T09:01:00Z,asked\n"
        + "match,crm:C1,crm:C2,,ana,2026-07-01T09:02:00Z,asked\n",
        encoding="utf-8",
    )
    found = planned(house, capsys, "--decisions", str(path))
    assert found["decisions"] == 3
    assert list(found["troubled"].values()) == ["contradicted"]
    assert found["customers"] == {"merged": 2, "split": 1, "rearranged": 0}
    assert found["customers_after"] == found["customers_before"]
    moved = {row["record"]: row["becomes"] for row in found["records"]}
    assert moved == {"web:W3": HUGO_ID, "web:W1": None}
    assert (found["orders"], found["money"]) == (2, [{"currency": "MXN", "net": "150.5000"}])
    # Ana has 150.50 MXN in all, of which all move; what she cancelled is no revenue. Hugo's deleted record has 7.
    revenue = {row["currency"]: (float(row["touched"]), float(row["total"])) for row in found["revenue"]}
    assert revenue == {"EUR": (20.0, 20.0), "MXN": (157.5, 957.5)}
    assert execute(["plan", "--warehouse", house.root, "--decisions", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "Nothing was changed." in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert required(house).tables == before
    assert not house.version("linkage/decisions")


def test_all_money_is_told_in_the_reporting_currency(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Hugo's 20 EUR of June are 400 MXN at the rate of May; one of July would come too late."""
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "padron.yml").write_text("reporting_currency: MXN\n", encoding="utf-8")
    rates = "date,currency,rate\n2026-05-01,EUR,20\n2026-07-01,EUR,30\n"
    (conf / "rates.csv").write_text(rates, encoding="utf-8")
    path = tmp_path / "decisions.csv"
    path.write_text(HEADER + "no_match,web:W2,crm:C2,,ana,2026-07-01T09:01:00Z,asked\n", encoding="utf-8")
    found = planned(house, capsys, "--decisions", str(path), "--config", str(conf))
    assert found["money"] == [{"currency": "MXN", "net": "400.0000"}]
    (row,) = found["revenue"]
    assert (row["currency"], float(row["touched"]), float(row["total"])) == ("MXN", 407.0, 1357.5)


def test_a_file_that_names_nobody_is_said(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "decisions.csv"
    path.write_text(
        HEADER
        + "match,web:W2;web:NO,,,ana,2026-07-01T09:00:00Z,asked\n"
        + "revoke,,,d000,ana,2026-07-01T09:00:00Z,asked\n",
        encoding="utf-8",
    )
    assert execute(["plan", "--warehouse", house.root, "--decisions", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}:2: there is no record web:NO" in said
    assert f"{path}:3: there is no decision d000 to revoke" in said
    assert execute(["plan", "--warehouse", house.root, "--decisions", str(tmp_path / "none.csv")]) == 2


def test_a_generation_with_a_higher_cut_splits(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    generation = newest(house.arrow(GENERATIONS.path))
    assert generation is not None
    folder = keep(str(tmp_path), replace(generation, cut=0.9999999), "")
    found = planned(house, capsys, "--generation", folder)
    assert found["customers"]["split"] > 0
    assert found["customers_after"] > found["customers_before"]
    same = planned(house, capsys, "--generation", "current")
    assert same["records"] == []
    assert ANA_ID not in json.dumps(same)
