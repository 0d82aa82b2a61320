"""Every bad file has an outcome: one line that says what to do, or a warning."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from landing_box import SHOP, Box

from pipelines import files
from pipelines.bronze.problems import stop_message
from pipelines.errors import UsageError
from pipelines.sources import Source

GOOD = "id,name,note\n1,Ana,\n"
PACKED = gzip.compress(("id,name\n" + "".join(f"{i},x\n" for i in range(9999))).encode(), mtime=0)


@pytest.mark.parametrize(
    ("name", "content", "code", "says"),
    [
        ("people.csv", b"", "empty_file", "is empty"),
        ("people.csv", b"\n\r\n", "empty_file", "no header"),
        ("people.csv", b"\xef\xbb\xbf", "empty_file", "no header"),
        ("people.csv.gz", gzip.compress(b"", mtime=0), "empty_file", "is empty"),
        ("people.csv.gz", PACKED[:-200], "truncated_gzip", "delivered again"),
        ("people.csv.gz", PACKED[:-4], "truncated_gzip", "cut off"),
        ("people.csv.gz", PACKED[:50] + b"\0\0\0\0" + PACKED[54:], "corrupt_gzip", "no valid gzip"),
        ("people.csv.gz", GOOD.encode(), "corrupt_gzip", "no valid gzip"),
        ("people.csv", PACKED, "misnamed_gzip", "does not end in .gz"),
        ("people.csv", b"id,name\n1,Ana\n2,Jos\xe9\n", "wrong_encoding", "line 3 is not valid utf-8"),
        ("people.csv", GOOD.encode("utf-16"), "wrong_encoding", "is UTF-16"),
        ("old.csv", "id;name\n1;José\n".encode(), "wrong_encoding", "is UTF-8, but latin-1"),
        ("people.csv", b"id,note\n1,x\n", "missing_column", "required column name of shop/people"),
        ("people.csv", b"note\n1\n", "missing_column", "required columns id, name of"),
        ("people.csv", b"id;name\n1;x\n", "missing_column", "separated by a semicolon"),
        ("changes.csv", b"id,name\n1,x\n", "missing_column", "required column op"),
        ("people.csv", b"id,name,Name\n1,x,y\n", "duplicate_column", "twice: name"),
        ("people.csv", b"id,name,_row\n1,x,y\n", "reserved_column", "_row"),
        ("people.csv", b'id,"name"x\n1,x\n', "unreadable_header", "stray_quote"),
        ("people.csv", b"id,na\0me\n1,x\n", "unreadable_header", "nul_byte"),
        ("people.jsonl", b'{"id": 1}\n', "missing_column", "required column name"),
        ("people.json", b'[{"id": 1, "name": "x"}]', "unreadable_json", "JSON array"),
        ("people.jsonl", b"id,name\n1,x\n", "unreadable_json", "none of its first 2 lines"),
        ("people.parquet", b"PAR1....", "unreadable_parquet", "no whole Parquet file"),
    ],
)
def test_a_file_that_cannot_be_landed_stops_the_night(
    tmp_path: Path, name: str, content: bytes, code: str, says: str
) -> None:
    box = Box(tmp_path)
    box.put(name, content)
    problems = box.head().problems
    assert [(p.code, p.severity) for p in problems] == [(code, "stop")]
    line = stop_message(problems)
    assert line is not None
    assert says in line
    assert line.startswith(f"2026-07-01/shop/{name}: ")
    assert "\n" not in line
    assert "José" not in line
    assert line.endswith("Nothing was landed.")


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        (["id"], ["missing_column", "duplicate_column"]),
        (["_file", "_row"], ["unknown_header", "duplicate_column"]),
    ],
)
def test_a_file_without_a_header_shows_nothing_of_its_first_row(
    tmp_path: Path, key: list[str], codes: list[str]
) -> None:
    feed = {"mode": "append", "key": key, "target": "bronze_only", "columns": {"id": {}, "name": {}}}
    shop = {"source": "shop", "owner": "Shop", "channel": "pos", "feeds": {"people": feed}}
    box = Box(tmp_path, {"shop": Source.model_validate(shop)})
    box.put("people.csv", "7,Ana,Lugo,Lugo\n8,Eva,Vigo,Lugo\n")
    problems = box.head().problems
    assert [p.code for p in problems] == codes
    line = stop_message(problems)
    assert line is not None
    assert "its first line may be no header" in line
    assert "twice: 1 of its first line" in line
    assert not [value for value in ("Ana", "Lugo") if value in line]


def test_the_line_names_every_file_and_tells_of_three_what_is_wrong(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", b"")
    line = stop_message(box.head().problems * 5)
    assert line is not None
    assert line.count("people.csv: ") == 3
    path = box.head().problems[0].path
    assert f"not usable either: {path}, {path}. Nothing was landed." in line, (
        "who repairs them needs every name"
    )
    assert stop_message(()) is None


def test_a_new_column_is_landed_and_reported(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", "id,name,Score (%),\n1,Ana,7,x\n")
    head = box.head()
    assert head.columns == ("id", "name", "Score__%_", "column_4")
    assert head.new_columns == ("Score__%_", "column_4")
    assert head.missing_columns == ("note",)
    assert [(p.code, p.severity) for p in head.problems] == [("new_column", "warn")]
    assert box.rows()[0]["Score__%_"] == "7"


@pytest.mark.parametrize(
    ("name", "content", "is_cut_off"),
    [
        ("people.csv", "id,name,note\n1,Ana,\n2,Eva", True),
        ("people.csv", "id,name,note\r2,Eva", True),
        ("people.csv.gz", "id,name,note\n1,Ana,\n2,E", True),
        ("people.csv", 'id,name,note\n1,Ana,"lives in Lu', True),
        ("old.csv", "id;name;note\n1;Ana", True),
        ("people.jsonl", '{"id": 1, "name": "Ana"}\n{"id": 2, "na', True),
        ("people.csv", "id,name,note\n1,Ana,\n2,Eva,", False),
        ("people.csv", "id,name,note\n1,Ana,\n2,Eva\n", False),
        ("people.csv", "id,name,note\n1,Ana,\n \x1a", False),
        ("people.csv", 'id,name,note\n1,Ana,"two\nlines"', False),
        ("people.csv", 'id,note,name\n1,"two\nlines",Ana', False),
        ("people.csv", 'id,name,note\n1,Ana,\n2,Eva,"called twice\n"', False),
        ("people.csv", 'id,note,name\n1,x,Ana\n2,"called twice\n",Eva', False),
        ("people.csv", 'id,name,note\n1,Ana,"a ""b"" c"\n2,Eva', True),
        ("people.csv", "id,name,note", False),
        ("people.jsonl", '{"id": 1, "name": "Ana"}', False),
        ("people.jsonl", '{"id": 1, "name": "' + "a" * 4_200_000 + '"}', False),
        ("people.jsonl", '{"id": 1, "name": "Ana"}\nend of file', False),
    ],
)
def test_a_file_that_ends_in_the_middle_of_a_row_is_cut_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str, is_cut_off: bool
) -> None:
    box = Box(tmp_path)
    box.put(name, content)
    head = box.head()
    assert head.is_cut_off is is_cut_off
    assert stop_message(head.problems) is None
    monkeypatch.setattr(files, "CHUNK", 7 if len(content) < 100 else 1 << 20)
    assert box.head().is_cut_off is is_cut_off


@pytest.mark.parametrize(
    ("name", "codes"), [("people.csv", ["header_only"]), ("people-extra.csv", []), ("people.csv.gz", None)]
)
def test_a_header_alone_is_a_file_without_rows(tmp_path: Path, name: str, codes: list[str] | None) -> None:
    box = Box(tmp_path)
    box.put(name, "id,name,note")
    assert [p.code for p in box.head().problems] == (["header_only"] if codes is None else codes)
    assert box.rows() == []


@pytest.mark.parametrize(
    ("name", "content", "is_snapshot"),
    [
        ("people.csv", "id,name\n1,x\n", True),
        ("people.csv", "op,id,name\nU,1,x\n", False),
        ("people.csv", "OP,Id,NAME\nU,1,x\n", False),
        ("changes.csv", "op,id,name\nU,1,x\n", False),
        ("people-extra.csv", "id,name\n1,x\n", False),
        ("people.jsonl", '{"op":"U","id":1,"name":"x"}\n', False),
    ],
)
def test_op_makes_a_delta_of_a_snapshot_feeds_file(
    tmp_path: Path, name: str, content: str, is_snapshot: bool
) -> None:
    box = Box(tmp_path)
    box.put(name, content)
    head = box.head()
    assert head.is_snapshot is is_snapshot
    assert head.new_columns == head.problems == ()
    assert {"id", "name"} <= set(head.columns)


def test_an_empty_json_lines_file_has_no_rows(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("lines.jsonl", "")
    assert box.head().problems == ()
    assert box.rows() == []


def test_an_unknown_encoding_is_a_usage_error(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.sources = {"shop": SHOP["shop"].model_copy(update={"encoding": "utf-80"})}
    box.put("people.csv", GOOD)
    with pytest.raises(UsageError, match="encoding utf-80, which is unknown"):
        box.head()


def test_a_parquet_contract_reads_the_footer(tmp_path: Path) -> None:
    box = Box(tmp_path)
    path = box.put("people.parquet", b"")
    pq.write_table(pa.table({"id": [1], "nombre": ["x"]}), path)
    (problem,) = box.head().problems
    assert problem.code == "missing_column"
