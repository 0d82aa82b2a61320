"""A shop whose sources deliver everything every night: what silver looks at does not grow with the nights."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from night_box import Shop, write_csv
from pyspark.sql import SparkSession

from pipelines.simulate import simulate

ROOT = Path(__file__).resolve().parents[2]
NIGHTS = [f"2026-07-0{day}" for day in range(1, 6)]
FEEDS = ("crm/contacts", "erp/customers", "web/users", "pos/cards", "support/requesters")


def deliver_everything(landing: Path) -> None:
    """The deltas of every night as the full state that they lead to."""
    for feed in FEEDS:
        state: dict[str, dict[str, str]] = {}
        columns: list[str] = []
        for night in NIGHTS:
            path = landing / night / f"{feed}.csv"
            rows: list[dict[str, str]] = []
            if path.exists():
                with path.open(encoding="utf-8", newline="") as file:
                    rows = list(csv.DictReader(file))
            columns = columns or list(rows[0])
            for row in rows:
                key = row[columns[0]]
                if row.pop("op", "I") == "D":
                    state.pop(key, None)
                else:
                    state[key] = {name: row[name] for name in columns}
            write_csv(path, list(state.values()))


def rows_of(shop: Shop, table: str) -> list[str]:
    """All rows but for what says when a night ran."""
    said = "COLUMNS(lambda name: name NOT IN ('business_date', 'ingested_at', '_ingested_at'))"
    return sorted(map(repr, shop.rows(f"SELECT {said} FROM silver.{table}")))


@pytest.mark.soak
def test_what_lies_before_the_snapshot_of_last_night_is_looked_at_no_more(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = simulate(str(tmp_path), customers=150, nights=len(NIGHTS), seed=7)
    landing = Path(made.landing)
    deliver_everything(landing)
    shop = Shop(landing, tmp_path / "warehouse", ROOT / "conf")
    for night in NIGHTS:
        assert shop.run("--date", night) == 0
    lines = {
        feed: [len((landing / n / f"{feed}.csv").read_text().splitlines()) - 1 for n in NIGHTS]
        for feed in FEEDS
    }
    outcomes = {f"{row['source']}/{row['feed']}": row for row in shop.rows("SELECT * FROM silver.outcomes")}
    for feed, delivered in lines.items():
        row = outcomes[feed]
        assert row["bronze_rows"] + row["history"] == sum(delivered), feed
        # Tonight's snapshot and the two before: last night looked back to the first of these.
        assert row["bronze_rows"] == sum(delivered[-3:]), feed
        assert row["stands_since"].isoformat() == NIGHTS[-2], feed
    night_by_night = {table: rows_of(shop, table) for table in ("customer_records", "orders", "cases")}
    assert shop.run("--date", NIGHTS[-1], "--full") == 0
    assert shop.value("SELECT sum(history) FROM silver.outcomes") == 0
    assert {table: rows_of(shop, table) for table in night_by_night} == night_by_night
