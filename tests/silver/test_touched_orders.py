"""A night that looks at the touched orders alone makes the tables of one that looks at everything."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from random import Random
from typing import TYPE_CHECKING

import pytest
from silver_box import bronze, source, told
from taken_over_tables import whole

from pipelines.settings import load_settings
from pipelines.silver import touched_orders as touched
from pipelines.silver.build import build_from, classify_all
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.silver.outcome_counts import OUTCOME_COUNTS, outcome_counts
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.touched import LastNight, Touched, rows_of
from pipelines.silver.touched_orders import touched_orders

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.sources import Source

TABLES = (ORDERS, ORDER_LINES, RETURNS, QUARANTINE, OUTCOME_COUNTS)
SHOP_TEXT = """
source: shop
owner: sales
channel: pos
feeds:
  orders:
    mode: append
    key: [id]
    target: orders
    columns: [by, who, id, at, money, state]
    map:
      source: by
      record_id: who
      order_id: id
      ordered_at: {column: at, parse: timestamp, formats: ["yyyy-MM-dd"]}
      amount: {column: money, parse: amount}
      status: state
  lines:
    mode: append
    key: [id, line]
    target: order_lines
    columns: [id, line, pieces, money]
    map: {order_id: id, line_no: line, quantity: {column: pieces, parse: number}, amount: {column: money, parse: amount}}
  returns:
    mode: append
    key: [back]
    target: returns
    columns: [back, id, at, money, pieces]
    map:
      return_id: back
      order_id: id
      returned_at: {column: at, parse: timestamp, formats: ["yyyy-MM-dd"]}
      amount: {column: money, parse: amount}
      quantity: {column: pieces, parse: number}
"""
SHOP = {"shop": source(SHOP_TEXT)}
FEEDS = {
    "orders": ("by", "who", "id", "at", "money", "state"),
    "lines": ("id", "line", "pieces", "money"),
    "returns": ("back", "id", "at", "money", "pieces"),
}
HEADS = ("date", "batch", "row", "problem", "raw")
LAST, TONIGHT = date(2026, 7, 2), date(2026, 7, 4)
LINES = {
    "first": {"orders": 70, "lines": 120, "returns": 60},
    "second": {"orders": 6, "lines": 8, "returns": 9},
}


def row_of(feed: str, chance: Random) -> list[str]:
    """A row as received: few ids, so that keys come again, and now and then something is missing or unreadable."""
    order = chance.choice(["", *[f"o{n}" for n in range(150)]])
    day = f"2026-07-{chance.randint(1, 6):02d}"
    money = chance.choice(["10", "20.5", "-7", "viel"])
    pieces = chance.choice(["1", "2", ""])
    if feed == "orders":
        state = chance.choice(["completed", "returned", "cancelled"])
        return [chance.choice(["crm", "web"]), f"c{chance.randint(1, 9)}", order, day, money, state]
    if feed == "lines":
        return [order, chance.choice(["1", "2", ""]), pieces, money]
    return [f"r{chance.randint(1, 150)}", order, day, money, pieces]


def written(feed: str, chance: Random, rows: Mapping[str, int]) -> str:
    """Two deliveries as a table: on the first of July, and, with a late file, on the third."""
    lines = [" | ".join(["", *HEADS, *FEEDS[feed], ""]).strip()]
    for delivery, (batch, days) in {"first": ("a", "1"), "second": ("b", "13")}.items():
        for number in range(rows[delivery]):
            broken = ["nul_byte", "spoilt"] if chance.random() < 0.05 else ["", ""]
            cells = [""] * len(FEEDS[feed]) if broken[0] else row_of(feed, chance)
            head = [chance.choice(days), batch, str(number + 2), *broken]
            lines.append(" | ".join(["", *head, *cells, ""]).strip())
    return "\n".join(lines)


class Box:
    """Three feeds over two nights."""

    def __init__(self, spark: SparkSession, chance: Random, sources: Mapping[str, Source] = SHOP) -> None:
        self.sources = sources
        self.project = load_settings().project
        self.rows = {
            ("shop", feed): bronze(
                spark,
                written(feed, chance, {delivery: rows[feed] for delivery, rows in LINES.items()}),
                of=f"shop/{feed}",
            ).localCheckpoint()
            for feed in FEEDS
        }

    def before(self) -> dict[tuple[str, str], DataFrame]:
        return {key: rows.filter("_batch_id NOT LIKE '%bbbb%'") for key, rows in self.rows.items()}

    def night(self, bronze: Mapping[tuple[str, str], DataFrame], day: date) -> dict[str, DataFrame]:
        return self.built(self.classified(bronze), day)

    def classified(self, bronze: Mapping[tuple[str, str], DataFrame]) -> dict[tuple[str, str], DataFrame]:
        return {key: rows.localCheckpoint() for key, rows in classify_all(bronze, self.sources).items()}

    def built(self, classified: Mapping[tuple[str, str], DataFrame], day: date) -> dict[str, DataFrame]:
        return build_from(classified, self.sources, self.project, business_date=day).tables

    def last(self) -> LastNight:
        came = {
            key: [
                row[0]
                for row in rows.filter("_batch_id LIKE '%bbbb%'").select("_batch_id").distinct().collect()
            ]
            for key, rows in self.rows.items()
        }
        made = self.night(self.before(), LAST)
        return LastNight({table.path: made[table.path].localCheckpoint() for table in TABLES}, LAST, came)

    def touched(self, last: LastNight) -> touched.TouchedOrders | None:
        keep = type(next(iter(self.rows.values()))).localCheckpoint
        return touched_orders(
            self.rows,
            self.sources,
            last,
            timezone=self.project.timezone,
            business_date=TONIGHT,
            keep=keep,
        )


def test_touched_orders_and_last_nights_rows_are_the_whole_tables(spark: SparkSession) -> None:
    box = Box(spark, Random(7))
    every = box.night(box.rows, TONIGHT)
    last = box.last()
    orders = box.touched(last)
    assert orders is not None
    part = Touched([orders], rows_of([orders]), last, TONIGHT)
    classified = box.classified(part.rows)
    earlier = outcome_counts(classify_all(part.earlier(), box.sources), business_date=TONIGHT)
    made = part.completed(box.built(classified, TONIGHT), classified, earlier)
    for table in TABLES:
        names = table.arrow.names
        left = whole(made[table.path], table, last.tables[table.path].toArrow())
        assert told(spark.createDataFrame(left), *names) == told(every[table.path], *names), table.path
    shares = {key: rows.count() / box.rows[key].count() for key, rows in classified.items()}
    assert all(0 < share < 0.8 for share in shares.values()), shares


def test_the_lines_of_an_order_that_a_return_touched_stand(spark: SparkSession) -> None:
    box = Box(spark, Random(7))
    last = box.last()
    orders = box.touched(last)
    assert orders is not None
    made = orders.completed(last.tables)
    gone = {table: {row[0] for row in made[table.path].gone.collect()} for table in (ORDERS, ORDER_LINES)}
    came = box.rows["shop", "lines"].filter("_batch_id LIKE '%bbbb%' AND _problem IS NULL")
    with_lines = {row[0] for row in came.filter("id IS NOT NULL").select("id").collect()}
    assert gone[ORDER_LINES] - {""} == with_lines
    assert with_lines < gone[ORDERS] - {""}


def test_many_touched_orders_or_a_feed_that_does_not_suit_are_looked_at_whole(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Box(spark, Random(7))
    last = box.last()
    for other in ("mode: snapshot", "mode: delta"):
        declared = {"shop": source(SHOP_TEXT.replace("mode: append", other, 1))}
        box.sources = declared
        assert box.touched(last) is None
    # One number of a return may come under several keys.
    box.sources = {"shop": source(SHOP_TEXT.replace("key: [back]", "key: [id, back]"))}
    assert box.touched(last) is None
    box.sources = SHOP
    monkeypatch.setattr(touched, "FEW", 3)
    assert box.touched(last) is None
