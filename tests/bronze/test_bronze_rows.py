"""Rows of files as a task reads them: values as received, physical lines, malformed rows whole."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing_box import SHOP, Box

from pipelines.bronze import rows as rows_module
from pipelines.bronze.delimited import MAX_LINES, records


def short(found: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(r["_row"], r["id"], r["name"], r["_problem"], r["_raw"]) for r in found]


def test_rows_carry_their_provenance(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv.gz", '\ufeffid,name,note\r\n1, Ana ,""\r\n\r\n2,"Eva, la ""Rubia""",x\r\n')
    head = box.head()
    found = box.rows()
    assert found[0] == {
        "id": "1",
        "name": " Ana ",
        "note": "",
        "_batch_id": head.file.batch_id,
        "_file": "2026-07-01/shop/people.csv.gz",
        "_row": 2,
        "_raw": None,
        "_problem": None,
    }
    assert short(found)[1:] == [(4, "2", 'Eva, la "Rubia"', None, None)]


def test_malformed_rows_are_kept_whole(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", 'id,name,note\n1,Ana,x\n2,Eva\n3,Luz,y,z\n4,N\0a,x\n5,"Paz"?,x\n6,Sol,x\n7,"Mar,x')
    assert short(box.rows()) == [
        (2, "1", "Ana", None, None),
        (3, None, None, "too_few_fields", "2,Eva"),
        (4, None, None, "too_many_fields", "3,Luz,y,z"),
        (5, None, None, "nul_byte", "4,N\0a,x"),
        (6, None, None, "stray_quote", '5,"Paz"?,x'),
        (7, "6", "Sol", None, None),
        (8, None, None, "unclosed_quote", '7,"Mar,x'),
    ]


def test_quoted_line_ends_count_as_physical_lines(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(
        "people.csv", 'id,name,"no\nte"\n1,"Ana\nMaría\r\nPaz",x\n2,Eva,"a\n\nb"\n3,"Luz\nSol",x,y\n4,Mar,\n'
    )
    assert short(box.rows()) == [
        (3, "1", "Ana\nMaría\r\nPaz", None, None),
        (6, "2", "Eva", None, None),
        (9, None, None, "too_many_fields", '3,"Luz\nSol",x,y'),
        (11, "4", "Mar", None, None),
    ]


def test_an_unclosed_quote_swallows_no_other_row(tmp_path: Path) -> None:
    box = Box(tmp_path)
    lines = ["id,name,note", '1,"Ana,x', "2,Eva,x", '3,"Luz",x', '4,"Sol,x']
    lines += [f"{i},n,x" for i in range(5, MAX_LINES + 50)]
    box.put("people.csv", "\n".join(lines) + "\n")
    found = box.rows()
    bad = [(r["_row"], r["_raw"]) for r in found if r["_problem"] == "unclosed_quote"]
    assert bad == [(2, '1,"Ana,x'), (5, '4,"Sol,x')]
    assert [r["_row"] for r in found] == list(range(2, MAX_LINES + 51))
    assert {r["_problem"] for r in found} == {None, "unclosed_quote"}


def test_latin_1_and_semicolons_as_declared(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("old.csv", "id;name;note\n1;Íñigo Peña;a,b\n".encode("latin-1"))
    (row,) = box.rows()
    assert (row["name"], row["note"]) == ("Íñigo Peña", "a,b")


def test_tabs_in_tsv_and_lone_carriage_returns(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.tsv", b"id\tname\tnote\r1\tAna, Eva\t\r2\tLuz\tx\r")
    assert short(box.rows()) == [
        (2, "1", "Ana, Eva", None, None),
        (3, "2", "Luz", None, None),
    ]


def test_json_lines_become_text_as_received(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put(
        "lines.jsonl.gz",
        '{"id": 1.10, "name": "Ñandú", "note": null}\n'
        "\n"
        '{"ID": true, "name": {"a": [1.0, "x", null]}, "note": ""}\n'
        '{"id": 12345678901234567890, "name": "x", "extra": 3}\n'
        "{oops\n"
        "[1]\n"
        '{"id": 1, "id": 2, "name": "x"}\n'
        '{"id": "\\u0000", "name": "x"}\n'
        '{"id": "\\ud800", "name": "x"}\n'
        '{"id": "\\u00f1", "name": "x"}',
    )
    found = box.rows()
    assert short(found) == [
        (1, "1.10", "Ñandú", None, None),
        (3, "true", '{"a":[1.0,"x",null]}', None, None),
        (4, "12345678901234567890", "x", None, None),
        (5, None, None, "invalid_json", "{oops"),
        (6, None, None, "not_an_object", "[1]"),
        (7, None, None, "duplicate_key", '{"id": 1, "id": 2, "name": "x"}'),
        (8, None, None, "nul_byte", '{"id": "\\u0000", "name": "x"}'),
        (9, None, None, "invalid_unicode", '{"id": "\\ud800", "name": "x"}'),
        (10, "ñ", "x", None, None),
    ]
    assert [r["note"] for r in found[:3]] == [None, "", None]
    assert found[2]["extra"] == "3"


def test_a_key_beyond_the_head_keeps_its_row_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    monkeypatch.setattr("pipelines.bronze.contract.HEAD_ROWS", 1)
    box.put("lines.jsonl", '{"id": 1, "name": "a"}\n{"id": 2, "name": "b", "late": 9}\n')
    assert short(box.rows()) == [
        (1, "1", "a", None, None),
        (2, "2", "b", None, '{"id": 2, "name": "b", "late": 9}'),
    ]


def test_parquet_values_have_one_spelling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box(tmp_path)
    monkeypatch.setattr(rows_module, "BATCH", 2)
    path = box.put("people.parquet", b"")
    moment = datetime(2026, 7, 1, 10, 30, tzinfo=UTC)
    table = pa.table(
        {
            "id": [13085.0, 1.5, float("nan")],
            "name": pa.array(["Ana", "N\0a", None]).dictionary_encode(),
            "at": pa.array(
                [moment, datetime(2026, 7, 1, 0, 0, 0, 500, tzinfo=UTC), None], pa.timestamp("us")
            ),
            "zoned": pa.array([moment] * 3, pa.timestamp("ns", "Europe/Madrid")),
            "day": [date(2026, 7, 1)] * 3,
            "money": [Decimal("1.10")] * 3,
            "flag": [True, False, None],
            "small": pa.array([0.1, 2.0, None], pa.float32()),
            "raw": [b"abc", b"\xff", None],
            "tags": [["a", "b"], [], None],
            "shape": [{"x": 1}, {"x": None}, None],
            "long": pa.array(["x", "y", "z"], pa.large_string()),
        }
    )
    pq.write_table(table, path)
    found = box.rows()
    assert [r["_row"] for r in found] == [1, 2, 3]
    first = {k: v for k, v in found[0].items() if not k.startswith("_")}
    assert first == {
        "id": "13085",
        "name": "Ana",
        "at": "2026-07-01T10:30:00",
        "zoned": "2026-07-01T10:30:00Z",
        "day": "2026-07-01",
        "money": "1.10",
        "flag": "true",
        "small": "0.1",
        "raw": "abc",
        "tags": '["a","b"]',
        "shape": '{"x":1}',
        "long": "x",
    }
    assert found[1]["_problem"] == "nul_byte"
    assert found[1]["id"] is None
    assert '"at": "2026-07-01T00:00:00.000500"' in found[1]["_raw"]
    assert found[2]["id"] is None
    assert found[2]["_problem"] is None


def test_parquet_strings_that_are_not_utf8_are_malformed(tmp_path: Path) -> None:
    box = Box(tmp_path)
    path = box.put("people.parquet", b"")
    names = pa.array([b"Ana", b"Jos\xe9", None]).view(pa.string())
    pq.write_table(pa.table({"id": ["1", "2", "3"], "name": names}), path)
    found = box.rows()
    assert [(r["id"], r["name"], r["_problem"]) for r in found] == [
        ("1", "Ana", None),
        (None, None, "invalid_utf8"),
        ("3", None, None),
    ]


def test_a_file_that_changes_under_the_night_is_not_read(tmp_path: Path) -> None:
    box = Box(tmp_path)
    path = box.put("people.csv", "id,name\n1,Ana\n")
    head = box.head()
    path.write_text("id,name\n")
    with pytest.raises(rows_module.FileChangedError, match="Run the night again"):
        list(rows_module.read_file(rows_module.file_task(head, SHOP["shop"]), head.columns))


def test_batches_are_bounded(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv", "id,name\n" + "".join(f"{i},x\n" for i in range(rows_module.BATCH + 1)))
    head = box.head()
    task = rows_module.file_task(head, SHOP["shop"])
    assert [b.num_rows for b in rows_module.read_file(task, head.columns)] == [rows_module.BATCH, 1]


TEXT = st.text(st.sampled_from('ab",\n\r;é '), max_size=12)


@given(st.lists(TEXT, max_size=8))
def test_no_character_is_lost_whatever_the_quoting(chunks: list[str]) -> None:
    body = "\n".join(chunks)
    lines = ["a,b\n", *[f"{line}\n" for line in body.replace("\r", "\n").split("\n")]]
    found = list(records(lines, ","))[1:]
    numbers = [line for line, *_ in found]
    assert numbers == sorted(set(numbers))
    kept = "".join("".join(fields or ()) + (text or "") for _, fields, text, _ in found)
    for letter in "abé; ":
        assert kept.count(letter) == body.count(letter)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=8))
def test_what_csv_writes_comes_back(pairs: list[tuple[str, str]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    text = "a,b\n" + "".join(f"{quoted(x)},{quoted(y)}\n" for x, y in pairs)
    found = list(records(text.splitlines(keepends=True), ","))[1:]
    assert [tuple(fields or ()) for _, fields, _, _ in found] == pairs


def test_gzip_of_several_members_is_whole(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.put("people.csv.gz", gzip.compress(b"id,name\n1,Ana\n") + gzip.compress(b"2,Eva\n"))
    assert len(box.rows()) == 2
