"""Tables that Spark computes and the storage commits: what any reader sees, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow.dataset import FileSystemDataset
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from pipelines import data_files, files, standing_files, storage
from pipelines.ops.overlay import Overlay
from pipelines.storage import ContractBrokenError, Warehouse
from pipelines.tables import DATE, DOUBLE, LONG, MONEY, STRING, STRINGS, TIMESTAMP, Column, Kind, Table
from pipelines.taken_over import TakenOver

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


def test_a_table_that_is_taken_over_has_the_rows_that_stand_and_those_that_come(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, things = Warehouse(str(tmp_path / "almacén")), table()
    more = f" UNION ALL SELECT concat(name, 'b'), number, day, moment, amount, share, many FROM ({ROWS})"
    frame = things.conform(spark.sql(ROWS + more))
    base = house.write(things, frame.repartition(3), None)
    other = house.write(things, things.conform(spark.sql(ROWS)), base)
    gone = spark.sql("SELECT 'a' AS name UNION ALL SELECT 'nobody'")
    comes = things.conform(spark.sql(ROWS).filter("name = 'a'").withColumn("number", F.lit(7)))
    content = TakenOver(comes, gone, ["name"], stamped={"day": date(2026, 7, 9)})
    wanted = frame.filter("name <> 'a'").withColumn("day", F.lit(date(2026, 7, 9))).unionByName(comes)
    # A file of its own for every row, then one for all, then Spark's.
    for rows, is_local, files_of in ((1, True, 4), (100, True, 2), (100, False, None)):
        monkeypatch.setattr(data_files, "COPIED_GROUP", rows)
        monkeypatch.setattr(data_files, "COPIED_FILE", rows)
        monkeypatch.setattr("pipelines.storage.is_local", lambda frame, said=is_local: said)
        version = house.write(things, content, base)
        assert version > other
        assert files_of in (len(house.ref(things.path, version).file_uris()), None)
        by_delta = spark.read.format("delta").option("versionAsOf", version).load(house.uri(things.path))
        for reader in (by_delta, house.read(spark, things, version)):
            assert reader.exceptAll(wanted).count() == wanted.exceptAll(reader).count() == 0
        assert house.differences(things, version) == []
        assert house.rows(things.path, version) == 4
        added = [json.loads(a["add"]["stats"]) for a in log(house.uri(things.path), version) if "add" in a]
        assert min(stats["minValues"]["name"] for stats in added) == "a"
        assert max(stats["maxValues"]["name"] for stats in added) == "ñb"


@pytest.mark.parametrize("is_local", [True, False])
def test_a_large_file_of_which_all_rows_stand_is_not_written_again(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_local: bool
) -> None:
    monkeypatch.setattr(standing_files, "LARGE", 3)
    monkeypatch.setattr(storage, "is_local", lambda frame: is_local)
    house, things = Warehouse(str(tmp_path / "almacén")), table()

    def rows(*names: str) -> DataFrame:
        one = spark.sql(ROWS).filter("name = 'a'")
        listed = F.explode(F.array(*[F.lit(name) for name in names]))
        return things.conform(one.withColumn("name", listed).coalesce(1))

    def holding(version: int) -> dict[frozenset[str], str]:
        files_of = house.ref(things.path, version).file_uris()
        return {frozenset(pq.read_table(file)["name"].to_pylist()): file for file in files_of}

    base = house.write(things, rows(*"abcdefxyz").repartitionByRange(3, "name"), None)
    before = holding(base)
    assert sorted("".join(sorted(names)) for names in before) == ["abc", "def", "xyz"]
    # One row of a file goes, and another comes: the other files are those that were there.
    night = TakenOver(rows("n"), rows("b", "nobody").select("name"), ["name"])
    second = house.write(things, night, base)
    after = holding(second)
    stays = {frozenset("def"), frozenset("xyz")}
    assert {names: after[names] for names in stays} == {names: before[names] for names in stays}
    # Spark may put what is left of a file into one with what comes.
    left = ["ac", "n"] if is_local else ["acn"]
    assert sorted("".join(sorted(names)) for names in after) == sorted([*left, "def", "xyz"])
    assert house.rows(things.path, second) == 9
    for reader in (house.read(spark, things, second), by_delta(spark, house, things, second)):
        assert sorted(row["name"] for row in reader.collect()) == list("acdefnxyz")
    # The version before is what it was, and the next night joins what is small.
    assert holding(base) == before
    third = house.write(things, TakenOver(rows("o"), rows("nobody").select("name"), ["name"]), second)
    names = sorted("".join(sorted(names)) for names in holding(third))
    assert names == ["acn", "def", "o", "xyz"]
    # A night that changes nothing but its date writes all, and so does one on another version than the newest.
    stamped = replace(night, gone=rows("nobody").select("name"), stamped={"day": date(2026, 7, 9)})
    dated = house.write(things, stamped, third)
    assert not set(holding(dated).values()) & set(holding(third).values())
    days = house.read(spark, things, dated).groupBy("day").count().collect()
    assert {str(row["day"]): row["count"] for row in days} == {"2026-07-09": 10, "2026-07-01": 1}
    below = house.write(things, night, base)
    assert not set(holding(below).values()) & set(holding(base).values())
    # What upkeep commits changes no file.
    house.shorten_log(things.path, 9)
    last = house.write(things, TakenOver(rows("p"), rows("nobody").select("name"), ["name"]), below)
    assert last > below + 1
    large = {names: file for names, file in holding(below).items() if len(names) >= 3}
    assert large
    assert large.items() <= holding(last).items()
    assert house.whole(things.path, [base, second, third]) == [base, second, third]


def test_where_all_stand_and_nothing_comes_there_is_no_new_version(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing_files, "LARGE", 1)
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS))
    base = house.write(things, frame, None)
    all_stand = TakenOver(frame.limit(0), spark.sql("SELECT 'x' AS name LIMIT 0"), ["name"])
    assert house.write(things, all_stand, base) == base


def test_nothing_may_stand_and_nothing_come(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS))
    base = house.write(things, frame, None)
    all_stand = TakenOver(frame.limit(0), spark.sql("SELECT 'x' AS name LIMIT 0"), ["name"])
    assert house.rows(things.path, house.write(things, all_stand, base)) == 2
    none_stands = TakenOver(frame.limit(0), frame.select("name"), ["name"])
    assert house.rows(things.path, house.write(things, none_stands, base)) == 0


def test_rows_are_taken_over_of_a_snapshot_table_alone(spark: SparkSession, tmp_path: Path) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS))
    base = house.write(things, frame, None)
    content = TakenOver(frame, frame.select("name"), ["name"])
    for wrong, version in (
        (things, None),
        (table(Kind.APPEND), base),
        (replace(things, open_ended=True), base),
    ):
        with pytest.raises(ValueError, match="gold/things: rows are taken over of a snapshot table"):
            house.write(wrong, content, version)
    with pytest.raises(ValueError, match="gold/things has no night"):
        house.write(things, replace(content, stamped={"night": date(2026, 7, 9)}), base)
    assert house.version(things.path) == base


def test_a_night_that_is_only_tried_takes_rows_over_of_what_lies_below_and_of_its_own(
    spark: SparkSession, tmp_path: Path
) -> None:
    below, things = Warehouse(str(tmp_path / "house")), table()
    frame = things.conform(spark.sql(ROWS))
    base = below.write(things, frame, None)
    tried = Overlay(below, str(tmp_path / "tried"))
    for number in (7, 8):
        comes = things.conform(frame.filter("name = 'a'").withColumn("number", F.lit(number)))
        base = tried.write(things, TakenOver(comes, comes.select("name"), ["name"]), base)
        rows = tried.read(spark, things, base).orderBy("name").collect()
        assert [(row["name"], row["number"]) for row in rows] == [("a", number), ("ñ", None)]
    assert below.version(things.path) == base - 2
    assert below.read(spark, things, base - 2).filter("number = 2").count() == 1


def test_a_write_that_ends_before_its_commit_leaves_what_was_there(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, things = Warehouse(str(tmp_path)), table()
    frame = things.conform(spark.sql(ROWS))
    base = house.write(things, frame, None)
    content = TakenOver(frame.filter("name = 'a'"), frame.filter("name = 'a'").select("name"), ["name"])
    copy = standing_files.copy_rows

    def full(*args: Any) -> Any:
        copy(*args)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(standing_files, "copy_rows", full)
    with pytest.raises(OSError, match="No space"):
        house.write(things, content, base)
    assert house.version(things.path) == base
    monkeypatch.undo()
    version = house.write(things, content, base)
    assert house.rows(things.path, version) == 2
    # What no commit names goes with the next upkeep, and what was copied stays.
    assert house.vacuum(things.path, [version], hours=0)
    assert house.whole(things.path, [base, version]) == [version]


KEYS = """SELECT * FROM VALUES ('crm', '1'), ('crm', NULL), ('crm', ''), ('web', '1'), ('web', '2'), ('pos', '1')
    AS t(source, record_id)"""


@pytest.mark.parametrize("sources", [None, ["crm", "web"], []])
@pytest.mark.parametrize(
    "gone", ["", "('crm', '1')", "('crm', ''), ('web', '1'), ('pos', '9')", "('crm', NULL)"]
)
def test_arrow_and_spark_let_the_same_rows_stand(
    spark: SparkSession, sources: list[str] | None, gone: str
) -> None:
    rows = spark.sql(KEYS)
    keys = rows.limit(0) if not gone else spark.sql(f"SELECT * FROM VALUES {gone} AS t(s, r)")
    content = TakenOver(rows, keys, ["source", "record_id"], sources)
    last = rows.toArrow()
    standing = content.by_arrow(last.schema)
    by_arrow = [str(row) for row in standing.left_of(last).to_pylist()]
    by_spark = [str(row.asDict()) for row in content.by_spark(rows).collect()]
    assert sorted(by_arrow) == sorted(by_spark)
    assert sum(standing.stand(last.select(standing.asked)).to_pylist()) == len(by_arrow)
    let_go = {str(row.asDict()) for row in content.gone_by_spark(rows).collect()}
    assert let_go == {str(row) for row in last.to_pylist()} - set(by_arrow)


def test_a_missing_key_goes_with_the_text_without_characters(spark: SparkSession) -> None:
    rows = spark.sql(KEYS)
    keys = spark.sql("SELECT * FROM VALUES ('crm', ''), ('web', '1'), ('pos', '9') AS t(s, r)")
    last = rows.toArrow()
    stand = TakenOver(rows, keys, ["source", "record_id"]).by_arrow(last.schema).left_of(last)
    assert sorted(zip(*stand.to_pydict().values(), strict=True)) == [("crm", "1"), ("pos", "1"), ("web", "2")]


def test_a_folder_that_spark_did_not_write_is_an_error(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Spark and Python are told two addresses of an object store."""
    house, things = Warehouse(str(tmp_path)), table()
    listing = files.listing
    monkeypatch.setattr(files, "listing", lambda uri: listing(f"{uri}-elsewhere"))
    with pytest.raises(FileNotFoundError):
        house.write(things, things.conform(spark.sql(ROWS)), None)


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


def by_delta(spark: SparkSession, house: Warehouse, things: Table, version: int) -> DataFrame:
    """As Delta's own reader sees it."""
    return spark.read.format("delta").option("versionAsOf", version).load(house.uri(things.path))


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
