"""A night that looks at the touched records alone makes the tables of one that looks at everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pytest
from deliveries import Line, as_text, batches_of, deliveries
from silver_box import bronze, source, told
from taken_over_tables import whole

from pipelines import night_silver
from pipelines.bronze.batches import BATCHES
from pipelines.bronze.tables import bronze_table
from pipelines.settings import load_settings
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.touched_records import _feeds_of_records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.stages import Inputs
    from pipelines.tables import Table

TABLES = (CUSTOMER_RECORDS, QUARANTINE, OUTCOME_COUNTS)
TEXT = """
source: {name}
owner: {name} team
channel: crm
feeds:
  contacts:
    mode: {mode}
    key: [id]
    target: customer_records
    columns: [id, name]
    map: {{record_id: id, birth_date_raw: name}}
"""
BORN = {"x": "1980-05-01", "y": "2026-07-05"}
"""The second is still to come on the first nights."""
Came = Mapping[str, list[Line]]
"""All that came so far, by source."""


class Shop:
    """Nights of two sources, each on top of the one before."""

    def __init__(self, spark: SparkSession, *modes: str) -> None:
        self.spark = spark
        named = zip(("crm", "web"), modes, strict=True)
        self.sources = {name: source(TEXT.format(name=name, mode=mode)) for name, mode in named}
        self.settings = replace(load_settings(), sources=self.sources)
        self.tables: dict[str, DataFrame] = {}
        self.batches: pa.Table | None = None
        self.date: date | None = None

    def night(self, there: Came, day: int) -> tuple[dict[str, DataFrame], int]:
        """Its tables, and how many rows of bronze were judged for them."""
        batches = pa.concat_tables([batches_of(lines, name) for name, lines in there.items()])
        frames = {BATCHES.path: self.spark.createDataFrame(batches)} | {
            bronze_table(self.sources[name], "contacts").path: bronze(
                self.spark, as_text(lines, spoilt="A,a,B"), of=f"{name}/contacts"
            ).localCheckpoint()
            for name, lines in there.items()
        }
        classified: list[DataFrame] = []

        def keep_all(many: Mapping[Any, DataFrame]) -> dict[Any, DataFrame]:
            # What is held last are the verdicts.
            classified[:] = held = [frame.localCheckpoint() for frame in many.values()]
            return dict(zip(many, held, strict=True))

        def previous_arrow(table: Table) -> pa.Table | None:
            if table is BATCHES:
                return self.batches
            return self.tables[table.path].toArrow() if table.path in self.tables else None

        inputs = SimpleNamespace(
            settings=self.settings,
            night=SimpleNamespace(
                business_date=date(2026, 7, day),
                is_full=False,
                is_same_program=True,
                base_date=self.date,
            ),
            arrow=lambda table: batches if table is BATCHES else None,
            frame=lambda table: frames[table.path],
            exists=lambda table: table.path in frames,
            previous_arrow=previous_arrow,
            previous=lambda table: self.tables.get(table.path),
            previous_rows=lambda table: self.tables[table.path].count() if table.path in self.tables else 0,
            previous_fits=lambda table: table.path in self.tables,
            keep=lambda frame: frame.localCheckpoint(),
            keep_all=keep_all,
        )
        came = night_silver.received(cast("Inputs", inputs))
        feeds = {(name, "contacts"): came.frame((name, "contacts")) for name in there}
        made = night_silver._built(cast("Inputs", inputs), came, feeds)
        # Held as rows: of what wide tables are made Spark would draw conclusions for minutes.
        held = {table.path: whole(made[table.path], table, previous_arrow(table)) for table in TABLES}
        looked_at = sum(frame.count() for frame in classified)
        return {path: self.spark.createDataFrame(rows) for path, rows in held.items()}, looked_at

    def ended(self, made: dict[str, DataFrame], there: Came, day: int) -> None:
        self.tables, self.date = made, date(2026, 7, day)
        self.batches = pa.concat_tables([batches_of(lines, name) for name, lines in there.items()])


def in_nights(lines: Came, nights: Sequence[int]) -> dict[int, Came]:
    """What came by each night; the second file of a day and the corrections come a night late."""

    def by(night: int, line: Line) -> bool:
        return line[0] + (line[1] == "contacts-2.csv" or line[2] == "b") <= night

    every = {
        night: {name: [line for line in of if by(night, line)] for name, of in lines.items()}
        for night in nights
    }
    return {night: there for night, there in every.items() if all(there.values())}


@pytest.mark.parametrize(
    ("modes", "seeds", "nights", "snapshots"),
    [
        # One source without a full snapshot in the second night, one with.
        (("snapshot", "snapshot"), (16, 7), (4, 5), 0.3),
        *[
            pytest.param(("snapshot", mode), seeds, range(1, 10), 0.2, marks=pytest.mark.soak)
            for mode, seeds in (("snapshot", (5, 8)), ("delta", (6, 9)), ("append", (7, 10)))
        ],
    ],
)
def test_touched_records_and_last_nights_rows_are_the_whole_tables(
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    modes: tuple[str, str],
    seeds: tuple[int, int],
    nights: Sequence[int],
    snapshots: float,
) -> None:
    shop, parts = Shop(spark, *modes), 0
    lines = {
        name: [(*line[:5], BORN[line[5]], line[6]) for line in deliveries(seed, max(nights), snapshots)]
        for name, seed in zip(shop.sources, seeds, strict=True)
    }
    for day, there in in_nights(lines, nights).items():
        monkeypatch.setattr(night_silver, "WORTH_A_LOOK", 1_000_000)
        every, rows = shop.night(there, day)
        if shop.tables:
            monkeypatch.setattr(night_silver, "WORTH_A_LOOK", 1)
            made, looked_at = shop.night(there, day)
            for table in TABLES:
                names = table.arrow.names
                assert told(made[table.path], *names) == told(every[table.path], *names), (day, table.path)
            parts += looked_at < rows
        shop.ended(every, there, day)
    assert parts, "or the seeds show nothing"


CONTACTS = TEXT.format(name="crm", mode="snapshot")
MORE = """
  more:
    mode: delta
    key: [id]
    target: customer_records
    columns: [id]
    map: {record_id: id}
"""


@pytest.mark.parametrize(
    ("old", "new", "suits"),
    [
        ("", "", True),
        ("key: [id]", "key: [name]", False),
        ("record_id: id,", "record_id: {product: [id, name]},", False),
        ("record_id: id,", "record_id: {join: [id, name]},", False),
        ("record_id: id,", "record_id: {column: id, codes: {a: b}},", False),
        ("record_id: id,", "record_id: id, source: name,", False),
    ],
)
def test_a_record_has_to_be_its_key(old: str, new: str, *, suits: bool) -> None:
    crm = source(CONTACTS.replace(old, new) if old else CONTACTS)
    key = ("crm", "contacts")
    feeds: dict[tuple[str, str], Any] = {key: None}
    assert set(_feeds_of_records(feeds, {"crm": crm}, {key})) == ({key} if suits else set())
    assert not _feeds_of_records(feeds, {"crm": crm}, set())


def test_of_a_source_with_two_feeds_of_records_all_is_looked_at() -> None:
    crm = source(CONTACTS.rstrip() + MORE)
    feeds: dict[tuple[str, str], Any] = {("crm", feed): None for feed in crm.feeds}
    assert len(feeds) == 2
    assert not _feeds_of_records(feeds, {"crm": crm}, set(feeds))


def test_after_a_rollback_the_tables_are_those_of_an_earlier_night_than_the_release() -> None:
    counts = pa.table({"business_date": [date(2026, 7, 1), date(2026, 7, 1)]})
    inputs = SimpleNamespace(
        night=SimpleNamespace(is_same_program=True, is_full=False, base_date=date(2026, 7, 2)),
        previous_arrow=lambda table: counts,
        previous=lambda table: None,
    )
    came = SimpleNamespace(came_since=dict)
    last = night_silver._last_night(cast("Inputs", inputs), cast("Any", came))
    assert last is not None
    assert last.made_on == date(2026, 7, 1)
