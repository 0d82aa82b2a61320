"""Tables that Spark computes and the storage commits: what any reader sees, and what is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow.dataset import FileSystemDataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from pipelines import data_files, files
from pipelines.amended import Amended, is_among
from pipelines.storage import ContractBrokenError, Warehouse
from pipelines.tables import DATE, DOUBLE, LONG, MONEY, STRING, STRINGS, TIMESTAMP, Column, Kind, Table

ROWS = """SELECT * FROM VALUES
    ('a', 2, DATE '2026-07-01', TIMESTAMP '2026-07-01 10:00:00.5', CAST(1.5 AS DECIMAL(20,4)), 0.5D, array('x')),
    ('ñ', NULL, DATE '2026-07-03', NULL, NULL, DOUBLE('NaN'), NULL)
    AS t(name, number, day, moment, amount, share, many)"""


def table(kind: Kind = Kind.SNAPSHOT, *more: Column) -> Table:
    return Table(
        layer="gold",
        name="things",
        grain="One thing.",
        key=("name",),
        columns=(
            Column("name", STRING, "Its name.", required=True),
            Column("number", LONG, "A number."),
            Column("day", DATE, "A day."),
            Column("moment", TIMESTAMP, "A moment."),
            Column("amount", MONEY, "Money."),
            Column("share", DOUBLE, "A share."),
            Column("many", STRINGS, "Texts."),
            *more,
        ),
        owner="data engineering",
        kind=kind,
        check="number > 1 OR number IS NULL",
    )


def test_a_folder_may_be_named_as_people_name_theirs(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path / "almacén nº 1 (100 %) #a")), table()
    version = house.write(things, things.conform(spark.sql(ROWS)), None)
    assert house.read(spark, things, version).count() == 2
    uris = house.ref(things.path, version).file_uris()
    assert duckdb.connect().execute("SELECT count(*) FROM read_parquet($1)", [uris]).fetchall() == [(2,)]


def test_every_reader_sees_the_rows_and_the_log_says_their_bounds(
    spark: SparkSession, tmp_path: Path
) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS).repartition(1))
    first = house.write(things, frame, None)
    version = house.write(things, frame, first)
    stored = DeltaTable(house.uri(things.path), version=version)
    assert [row["name"] for row in stored.to_pyarrow_table().sort_by("name").to_pylist()] == ["a", "ñ"]
    by_delta = spark.read.format("delta").option("versionAsOf", version).load(house.uri(things.path))
    assert by_delta.exceptAll(frame).count() == frame.exceptAll(by_delta).count() == 0
    assert house.differences(things, version) == []
    assert house.rows(things.path, version) == 2
    [added] = [a for a in log(house.uri(things.path), version) if "add" in a]
    stats = json.loads(added["add"]["stats"])
    assert stats["numRecords"] == 2
    assert stats["minValues"] == {"name": "a", "number": 2, "day": "2026-07-01"}
    assert stats["maxValues"] == {"name": "ñ", "number": 2, "day": "2026-07-03"}
    assert stats["nullCount"]["number"] == 1


def test_an_amended_table_has_the_rows_that_stand_and_those_that_come(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, things = Warehouse(str(tmp_path / "almacén")), table()
    more = " UNION ALL SELECT concat(name, 'b'), number, day, moment, amount, share, many FROM (" + ROWS + ")"
    frame = things.conform(spark.sql(ROWS + more))
    base = house.write(things, frame, None)
    other = house.write(things, things.conform(spark.sql(ROWS)), base)
    gone = spark.sql("SELECT 'a' AS name UNION ALL SELECT 'nobody'")
    comes = things.conform(spark.sql(ROWS).filter("name = 'a'").withColumn("number", F.lit(7)))
    stands = ~is_among(gone, ["name"])
    day = date(2026, 7, 9)
    # A file of its own for every row, however few there are.
    monkeypatch.setattr(data_files, "COPIED_GROUP", 1)
    monkeypatch.setattr(data_files, "COPIED_FILE", 1)
    version = house.write(things, Amended(comes, stands, {"day": day}), base)
    assert version == other + 1
    assert len(house.ref(things.path, version).file_uris()) == 4
    stood = frame.filter("name <> 'a'").withColumn("day", F.lit(day))
    by_delta = spark.read.format("delta").option("versionAsOf", version).load(house.uri(things.path))
    for reader in (by_delta, house.read(spark, things, version)):
        wanted = stood.unionByName(comes)
        assert reader.exceptAll(wanted).count() == wanted.exceptAll(reader).count() == 0
    assert house.differences(things, version) == []
    assert house.rows(things.path, version) == 4
    added = [json.loads(a["add"]["stats"]) for a in log(house.uri(things.path), version) if "add" in a]
    assert {stats["minValues"]["name"] for stats in added} == {"a", "ab", "ñ", "ñb"}
    # Nothing comes and everything goes; nothing stands that was not there.
    nobody = house.write(things, Amended(comes.limit(0), pc.scalar(False)), version)
    assert house.rows(things.path, nobody) == 0
    for wrong, version_of in ((things, None), (table(Kind.APPEND), base)):
        with pytest.raises(ValueError, match="gold/things: only a snapshot table of the prior state"):
            house.write(wrong, Amended(comes, stands), version_of)


def test_a_key_is_compared_column_by_column_and_what_is_missing_is_a_text_without_characters(
    spark: SparkSession,
) -> None:
    rows = pa.table({"source": ["crm", "crm", "web", "web"], "record_id": ["1", None, "1", "2"]})
    keys = spark.sql("SELECT 'crm' AS s, '' AS r UNION ALL SELECT 'web', '1'")
    found = rows.filter(is_among(keys, ["source", "record_id"]))
    assert found.to_pylist() == [
        {"source": "crm", "record_id": None},
        {"source": "web", "record_id": "1"},
    ]
    assert rows.filter(is_among(keys.limit(0), ["source", "record_id"])).num_rows == 0


def test_a_folder_goes_with_the_last_of_its_files(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS))
    first = house.write(things, frame, None)
    second = house.write(things, frame, first)
    before = set(files.folders(house.uri(things.path)))
    assert house.vacuum(things.path, [second], hours=0)
    (gone,) = before - set(files.folders(house.uri(things.path)))
    assert gone != "_delta_log"
    assert house.whole(things.path, [first, second]) == [second]


def test_rows_that_break_the_contract_are_not_committed(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    good = house.write(things, things.conform(spark.sql(ROWS)), None)
    for broken in ("'b' AS name, 1L AS number", "CAST(NULL AS STRING) AS name, 3L AS number"):
        rest = "NULL AS day, NULL AS moment, NULL AS amount, NULL AS share, NULL AS many"
        frame = things.conform(spark.sql(f"SELECT {broken}, {rest}"))
        with pytest.raises(ContractBrokenError, match="break the table's contract") as raised:
            house.write(things, frame, good)
        assert "'b'" not in str(raised.value)
    assert house.version(things.path) == good


def test_a_new_column_is_added_and_another_type_is_refused(spark: SparkSession, tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path))
    old = table(Kind.APPEND)
    first = house.write(old, old.conform(spark.sql(ROWS)), None)
    wider = table(Kind.APPEND, Column("note", STRING, "A note."))
    frame = wider.conform(spark.sql(f"SELECT *, 'new' AS note FROM ({ROWS})"))
    second = house.write(wider, frame, first)
    notes = house.read(spark, wider, second).select("note").collect()
    assert sorted(str(row["note"]) for row in notes) == ["None", "None", "new", "new"]
    as_text = spark.sql(ROWS).withColumn("number", F.col("number").cast("string"))
    with pytest.raises(ContractBrokenError, match=r"gold/things: number would be written with another type"):
        house.write(old, as_text, second)
    assert house.version(old.path) == second


def test_no_rows_empty_a_snapshot_and_leave_an_append(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    nobody = things.conform(spark.sql(ROWS).limit(0))
    first = house.write(things, things.conform(spark.sql(ROWS)), None)
    assert house.rows(things.path, house.write(things, nobody, first)) == 0
    log_of = Warehouse(str(tmp_path / "other"))
    kept = table(Kind.APPEND)
    first = log_of.write(kept, kept.conform(spark.sql(ROWS)), None)
    assert log_of.rows(kept.path, log_of.write(kept, nobody, first)) == 2


def log(uri: str, version: int) -> list[dict[str, dict[str, str]]]:
    """The actions of a commit."""
    path = Path(uri.removeprefix("file://")) / "_delta_log" / f"{version:020}.json"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_tables_are_read_by_arrows_own_files_wherever_they_lie(tmp_path: Path) -> None:
    """Files that are read through Python may abort a process that ends."""
    rows = pa.table({"name": ["a", "ñ"]})
    for folder in ("plain", "two words ñ"):
        house = Warehouse(str(tmp_path / folder))
        write_deltalake(f"{house.root}/gold/things", rows)
        found = house.dataset("gold/things")
        assert isinstance(found, FileSystemDataset)
        system = found.filesystem
        assert isinstance(system, SubTreeFileSystem)
        assert isinstance(system.base_fs, LocalFileSystem)
        assert found.to_table().equals(house.arrow("gold/things"))
        assert house.arrow("gold/things", 0)["name"].to_pylist() == ["a", "ñ"]
