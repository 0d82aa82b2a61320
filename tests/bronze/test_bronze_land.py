"""Landed files through Spark: one frame a feed, and the batches that account for every row."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from landing_box import SHOP, Box
from pyspark.sql import DataFrame

from pipelines.bronze.batches import BATCHES, batch_rows, batches_frame, high_water_marks
from pipelines.bronze.problems import stop_message
from pipelines.bronze.read import land
from pipelines.bronze.tables import bronze_table, stored_name
from pipelines.config import Conf
from pipelines.sources import load_sources
from pipelines.storage import Warehouse
from pipelines.tables import STRING, Personal

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

AT = datetime(2026, 7, 2, 1, 30, tzinfo=UTC)
NEXT = date(2026, 7, 2)


def test_parts_of_every_format_become_one_frame(tmp_path: Path, spark: SparkSession) -> None:
    box = Box(tmp_path)
    box.put("people-1.csv", "id,name,note\n1,Ana,\n2,Eva\n")
    box.put("people-2.csv.gz", "name,id,Zone\nLuz,3,N\n")
    box.put("people-3.jsonl", '{"id": 4, "name": "Sol", "zone": "S"}\n')
    pq.write_table(pa.table({"id": [5], "name": ["Mar"]}), box.put("people-4.parquet", b""))
    box.put("lines.csv", "id,name\n", NEXT)
    found = box.found().files
    landed = land(spark, found, SHOP, ingested_at=AT)
    assert stop_message(landed.problems) is None
    assert {p.code for p in landed.problems} == {"new_column"}
    frame = landed.tables["shop", "people"]
    assert frame.columns == [
        *("op", "id", "name", "note", "Zone"),
        *("_batch_id", "_file", "_row", "_ingested_at", "_raw", "_problem"),
    ]
    # What is read is written once; the night reads the table.
    warehouse = Warehouse(str(tmp_path / "warehouse"))
    table = bronze_table(SHOP["shop"], "people")
    version = warehouse.write(table, frame, None)
    written = warehouse.read(spark, table, version)
    got = written.orderBy("_file", "_row").select("id", "name", "note", "Zone", "_row", "_problem").collect()
    assert [tuple(r) for r in got] == [
        ("1", "Ana", "", None, 2, None),
        (None, None, None, None, 3, "too_few_fields"),
        ("3", "Luz", None, "N", 2, None),
        ("4", "Sol", None, "S", 1, None),
        ("5", "Mar", None, None, 1, None),
    ]
    counts = batch_rows(written).unionByName(batch_rows(landed.tables["shop", "lines"]))
    batches = batches_frame(
        spark,
        landed.heads,
        counts,
        business_date=NEXT,
        ingested_at=AT,
        released=date(2026, 7, 1),
    )
    assert batches.columns == BATCHES.names
    told = warehouse.arrow(BATCHES.path, warehouse.write(BATCHES, batches, None))
    assert told is not None
    rows = sorted(told.to_pylist(), key=lambda r: r["file"])
    assert [(r["file"][-11:], r["rows"], r["malformed"], r["is_late"], r["is_snapshot"]) for r in rows] == [
        ("eople-1.csv", 2, 1, True, True),
        ("le-2.csv.gz", 1, 0, True, True),
        ("ple-3.jsonl", 1, 0, True, True),
        ("e-4.parquet", 1, 0, True, True),
        ("p/lines.csv", 0, 0, False, False),
    ]
    assert rows[1]["new_columns"] == ["Zone"]
    assert rows[1]["missing_columns"] == ["note"]
    assert rows[0]["ingested_at"] == AT
    assert high_water_marks(told) == {"shop": NEXT}
    assert box.found(known=told).files == found


def test_a_problem_that_stops_lands_nothing(tmp_path: Path, spark: SparkSession) -> None:
    box = Box(tmp_path)
    box.put("people.csv", "id,name\n1,Ana\n")
    box.put("lines.csv", b"")
    landed = land(spark, box.found().files, SHOP, ingested_at=AT)
    assert landed.tables == {}
    assert "empty" in (stop_message(landed.problems) or "")


def test_the_real_extracts_land_whole(spark: SparkSession, data: Path, tmp_path: Path) -> None:
    sources = load_sources(Conf())
    box = Box(tmp_path, sources)
    folder = data / "latam_dev"
    names = {"crm": "contacts", "erp": "customers", "pos": "cards", "web": "users", "support": "requesters"}
    expected = {}
    for source, feed in names.items():
        for night, name in ((date(2026, 7, 1), f"d0_{source}.csv"), (NEXT, f"d1_{source}_delta.csv")):
            content = (folder / name).read_bytes()
            box.put(f"{feed}.csv", content, night, source)
            expected[f"{night}/{source}/{feed}.csv"] = (content.count(b"\n") - 1, 0)
    landed = land(spark, box.found().files, sources, ingested_at=AT)
    assert landed.problems == ()
    assert [h.is_snapshot for h in landed.heads] == [True] * 5 + [False] * 5
    counts = [batch_rows(frame) for frame in landed.tables.values()]
    told = batches_frame(
        spark,
        landed.heads,
        reduce(DataFrame.unionByName, counts),
        business_date=NEXT,
        ingested_at=AT,
        released=None,
    )
    assert {r["file"]: (r["rows"], r["malformed"]) for r in told.collect()} == expected


def test_a_bronze_table_is_declared_from_its_feed() -> None:
    sources = load_sources(Conf())
    table = bronze_table(sources["crm"], "contacts", ["Zone", "EMAIL"])
    assert table.path == "bronze/crm_contacts"
    assert table.open_ended
    assert table.names[:2] == ["op", "contact_id"]
    assert table.names[-7:-5] == ["Zone", "_batch_id"]
    assert table.column("nombre").personal is Personal.DIRECT
    assert table.column("nombre").type == STRING
    assert all(c.meaning.endswith(".") for c in table.columns)
    assert "op" not in bronze_table(sources["orders"], "orders").names
    assert stored_name(" Customer ID ") == "Customer_ID"
