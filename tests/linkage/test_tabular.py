"""Files that somebody brings: other encodings are read, and what spoils one is said with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.files import read_any
from pipelines.linkage.tabular import opened

ROWS = [f"{n},José {n},Núñez" for n in range(40)]


def file(folder: Path, lines: list[str], encoding: str = "utf-8") -> str:
    path = folder / "people.csv"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode(encoding))
    return str(path)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["id,name,surname", *ROWS[:20], "x,1,2,3,4", *ROWS[20:]], "line 22 has 5 fields and the header 3"),
        (["id,name,surname", *ROWS[:20], "x", *ROWS[20:]], "line 22 has 1 fields and the header 3"),
        (["id,name,surname", "x,1,2,3,4", *ROWS], "line 2 has 5 fields and the header 3"),
        (["id;name;surname", *(row.replace(",", ";") for row in ROWS), "x;1"], "line 42 has 2 fields"),
        # The line counts as an editor counts it, after a value of two lines.
        (["id,name,surname", 'a,"one\ntwo",b', *ROWS, "x,1"], "line 44 has 2 fields"),
        ([""], "people.csv is empty"),
    ],
)
def test_what_spoils_a_file_is_said_with_its_line(lines: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"people\.csv") as error:
        read_any(file(tmp_path, lines), Linkage())
    assert said in str(error.value)


@pytest.mark.parametrize(
    "lines",
    [
        ["id,name,surname", 'a,"one\ntwo","x,y"', *ROWS],
        ["id,name,name", *ROWS],
        ["id,name,", *ROWS],
        ["id", "1", "2"],
        ["id,name,surname"],
    ],
)
def test_unusual_files_are_read_all_the_same(lines: list[str], tmp_path: Path) -> None:
    assert read_any(file(tmp_path, lines), Linkage()).num_rows == len(lines) - 1


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", "UTF-16"),
        ("latin-1", "Windows-1252 (Latin-1)"),
        ("cp1252", "Windows-1252 (Latin-1)"),
    ],
)
def test_text_is_read_whatever_it_is_written_in(encoding: str, note: str | None, tmp_path: Path) -> None:
    name = "“Pepe” €" if encoding == "cp1252" else "Pepe"
    path = file(tmp_path, ["id,nombre,ñ", *ROWS, f"77,{name},Ruiz"], encoding)
    table = read_any(path, Linkage())
    assert table.column_names == ["id", "nombre", "ñ"]
    assert table.to_pylist()[-2:] == [
        {"id": "39", "nombre": "José 39", "ñ": "Núñez"},
        {"id": "77", "nombre": name, "ñ": "Ruiz"},
    ]
    with opened(path) as found:
        assert (found.path == path) == (note is None)
        assert [text.partition("read as ")[2] for text in found.notes] == ([note] if note else [])
    assert note is None or not Path(found.path).exists()


def test_an_ending_may_be_in_capitals_and_a_csv_zipped(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1"]}), tmp_path / "PEOPLE.PARQUET")
    assert read_any(str(tmp_path / "PEOPLE.PARQUET"), Linkage()).to_pydict() == {"id": ["1"]}
    (tmp_path / "people.csv.gz").write_bytes(gzip.compress(b"id,name\n1,Ana\n"))
    assert read_any(str(tmp_path / "people.csv.gz"), Linkage()).num_rows == 1
    (tmp_path / "broken.csv.gz").write_bytes(gzip.compress(b"id,name\n1,Ana\n")[:-9])
    with pytest.raises(UsageError, match=r"broken\.csv\.gz cannot be read"):
        read_any(str(tmp_path / "broken.csv.gz"), Linkage())


def test_a_line_that_duckdb_stumbles_over_late_is_said(tmp_path: Path) -> None:
    path = file(tmp_path, ["id,name,surname", *ROWS * 700, "x,1"])
    with opened(path) as found:
        error = found.unreadable(duckdb.Error("late"))
    assert "line 28002 has 2 fields" in str(error)


def test_the_terminal_and_the_report_say_how_a_file_was_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    path = file(tmp_path, ["id,nombre,apellidos", *ROWS], "latin-1")
    assert execute(["link", path, "--id", "id", "--out", str(out)]) == 0
    assert "note: people.csv is no UTF-8: it was read as Windows-1252" in capsys.readouterr().out
    assert "Windows-1252" in json.loads((out / "report.json").read_text(encoding="utf-8"))["notes"][0]
