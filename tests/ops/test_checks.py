"""What the gates and limits of a night rest on, without a night."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from pipelines.bronze.batches import punctuality
from pipelines.config import Conf, Project
from pipelines.linkage.blocks import block_rows
from pipelines.linkage.components import Cut
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut_components import cut_rows
from pipelines.linkage.decisions import DECISION_STATES, DECISIONS
from pipelines.linkage.engine import BYTES_A_RECORD, DoesNotFitError, check_fits, empty_records
from pipelines.linkage.generations import Generation, came_into_use
from pipelines.linkage.link import link_night
from pipelines.ops.checks import comparisons, component_size, decisions, model
from pipelines.sources import load_sources
from pipelines.storage import Warehouse
from pipelines.tables import LONG, STRING, Column, Table

SHELF = Table(
    layer="gold",
    name="shelf",
    grain="One book.",
    key=("title",),
    columns=(Column("title", STRING, "Title."), Column("pages", LONG, "Pages.", unit="pages")),
    owner="library",
)


def test_linkage_refuses_what_does_not_fit_and_says_how_much_it_needs() -> None:
    check_fits(1000, 1000 * BYTES_A_RECORD)
    check_fits(10**9, None)
    with pytest.raises(DoesNotFitError, match=r"1,001 records take about 0\.0 GB"):
        check_fits(1001, 1000 * BYTES_A_RECORD)


def test_a_component_that_was_cut_is_told_by_its_size_and_not_by_its_records() -> None:
    cuts = {"person": (Cut(2, 1_200, 40, 90, 2.0, 5.0), Cut(0, 50_000, 61, 998, 3.0, 9.0))}
    names = np.array([f"crm:{n}" for n in range(3)], dtype=object)

    def inputs(found: pa.Table | None) -> SimpleNamespace:
        return SimpleNamespace(arrow=lambda table: found, settings=SimpleNamespace(project=Project()))

    (verdict,) = component_size(inputs(cut_rows(cuts, names)))  # type: ignore[arg-type]
    assert (verdict["status"], verdict["value"]) == ("warned", 2.0)
    assert verdict["message"].startswith("50,000 records (person) cut into 61 pieces of at most 998")
    assert "0.889 to 0.99805" in verdict["message"]
    assert "crm:" not in verdict["message"]
    for nothing in (None, cut_rows({}, names)):
        (verdict,) = component_size(inputs(nothing))  # type: ignore[arg-type]
        assert verdict["status"] == "passed"


def test_what_blocking_brought_is_told_and_warns_above_the_budget() -> None:
    def cost(pairs: int, capped: int, largest: int) -> dict[str, int]:
        return {"pairs": pairs, "capped_blocks": capped, "largest_block": largest, "records": 1000}

    def inputs(pairs: int) -> SimpleNamespace:
        costs = {"person.email": cost(2_000, 0, 0), "person.surname.2": cost(pairs, 3, 1_024)}
        table = block_rows({"blocks": costs})
        settings = SimpleNamespace(project=Project(), linkage=Linkage())
        return SimpleNamespace(arrow=lambda _: table, settings=settings)

    (fine,) = comparisons(inputs(10_000))  # type: ignore[arg-type]
    assert (fine["gate"], fine["status"], fine["value"]) == ("comparisons person", "passed", 0.12)
    assert fine["message"] == (
        "12.0 pairs a record (budget 100); surname.2 brought 10,000 of 12,000; 3 blocks above 500 records were "
        "subdivided (linkage/over_large_keys), the largest 1,024 of surname.2. linkage/blocks has every rule."
    )
    (costly,) = comparisons(inputs(198_001))  # type: ignore[arg-type]
    assert costly["status"] == "warned"
    assert comparisons(SimpleNamespace(arrow=lambda _: None, settings=inputs(0).settings)) == []  # type: ignore[arg-type]


def test_decisions_that_are_held_back_or_name_nobody_warn_with_their_lines(spark: SparkSession) -> None:
    """Of conf/decisions.csv line 2 names nobody, and line 4 takes back what nobody decided; P9 was delivered once."""
    at = datetime(2026, 7, 1, tzinfo=UTC)
    rows = [
        ("d1", "match", ["crm:C1", "web:NO"], None),
        ("d2", "match", ["crm:C1", "pos:P9"], None),
        ("d3", "revoke", [], "d0"),
        ("d4", "no_match", ["crm:C1"], None),
    ]
    names = ("decision_id", "kind", "left_records", "revokes")
    said = [
        {**dict(zip(names, row, strict=True)), "right_records": ["web:W1"] if row[0] == "d4" else []}
        for row in rows
    ]
    made = pa.Table.from_pylist(
        [{**row, "decided_by": "ana", "decided_at": at} for row in said], schema=DECISIONS.arrow
    )
    states = [{"decision_id": "d4", "kind": "no_match", "state": "contradicted", "against": ["d2"]}]
    tables = {DECISIONS: made, DECISION_STATES: pa.Table.from_pylist(states, schema=DECISION_STATES.arrow)}
    keys = "source string, record_id string"
    inputs: Any = SimpleNamespace(
        spark=spark,
        arrow=tables.get,
        frame=lambda table: spark.createDataFrame([("crm", "C1"), ("web", "W1")], keys),
        previous=lambda table: spark.createDataFrame([("crm", "C1"), ("pos", "P9")], keys),
        settings=SimpleNamespace(
            project=Project(), decision_places={"d1": "decisions.csv:2", "d3": "decisions.csv:4"}
        ),
    )
    (verdict,) = decisions(inputs)
    assert (verdict["status"], verdict["value"]) == ("warned", 3)
    assert "held back: d4 (d2)" in verdict["message"]
    assert "decisions.csv:2 names a record that no source ever delivered" in verdict["message"]
    assert "decisions.csv:4 revokes d0, which is no decision" in verdict["message"]
    assert "web:NO" not in verdict["message"]
    inputs.arrow = lambda table: None
    (verdict,) = decisions(inputs)
    assert verdict["status"] == "passed"


def test_a_source_is_stale_when_its_newest_delivery_is_older_than_its_cadence() -> None:
    sources = load_sources(Conf())
    rows = [
        ("crm", "contacts", date(2026, 7, 3), "landed"),
        ("erp", "customers", date(2026, 7, 2), "landed"),
        ("pos", "cards", date(2026, 7, 1), "landed"),
        ("support", "requesters", date(2026, 6, 30), "landed"),
        ("support", "tickets", date(2026, 7, 3), "landed"),
        ("web", "users", date(2026, 7, 3), "rejected"),
        ("web", "users", date(2026, 6, 1), "landed"),
    ]
    names = ("source", "feed", "landing_date", "status")
    batches = pa.table(dict(zip(names, zip(*rows, strict=True), strict=True)))

    def late(**feeds: int | None) -> dict[str, int]:
        support = sources["support"]
        own = {
            n: f.model_copy(update={"cadence_days": feeds[n]}) if n in feeds else f
            for n, f in support.feeds.items()
        }
        declared = {**sources, "support": support.model_copy(update={"feeds": own})}
        return {p.about: p.days_late for p in punctuality(batches, declared, date(2026, 7, 3)) if p.days_late}

    assert late() == {"pos": 1, "web": 31}, "tickets came, so support delivers"
    assert late(requesters=2) == {"pos": 1, "web": 31, "support/requesters": 1}
    assert late(requesters=None) == {"pos": 1, "web": 31}
    assert late(tickets=None) == {"pos": 1, "web": 31, "support": 2}, (
        "what is irregular does not keep the others' cadence"
    )
    assert punctuality(None, sources, date(2026, 7, 3)) == []


def test_a_stored_table_that_is_not_its_declaration_says_where(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path))
    version = house.write(SHELF, pa.table({"title": ["Pedro Páramo"], "pages": [124]}), None)
    assert house.differences(SHELF, version) == []
    title, pages = SHELF.columns
    assert house.differences(replace(SHELF, columns=(title,)), version) == ["pages is not declared"]
    other = replace(SHELF, columns=(title, replace(pages, type=STRING), Column("isbn", STRING, "Number.")))
    assert house.differences(other, version) == ["isbn is missing", "pages has another type"]


def test_what_training_worked_round_is_said_by_the_night_that_trained() -> None:
    day = date(2026, 7, 1)
    trained = link_night(empty_records(), None, Linkage(), day).generation
    noted = replace(trained, models={n: replace(m, notes=("few pairs",)) for n, m in trained.models.items()})
    revised = noted.revised((("emails", "x@x.com"),), (), day)

    def verdicts(generation: Generation, night: date) -> list[str]:
        rows = came_into_use(generation, None, None)
        settings = SimpleNamespace(project=Project())
        known = SimpleNamespace(
            arrow=lambda _: rows, settings=settings, night=SimpleNamespace(business_date=night)
        )
        return [found["status"] for found in model(known)]  # type: ignore[arg-type]

    assert verdicts(noted, day) == ["warned"]
    assert verdicts(noted, date(2026, 7, 2)) == []
    assert verdicts(revised, day) == []
