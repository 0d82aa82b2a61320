"""Files that stewards fill in with a spreadsheet, and what a spreadsheet makes of them."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from pipelines.errors import UsageError
from pipelines.ops.sheets import read_rows, write_rows

COLUMNS = ("answer", "reason", "case", "phone", "formula")
ROW = {"case": "0017", "phone": ["+34600111222", "600"], "formula": '=HYPERLINK("http://x")', "reason": None}
TOLD = {"answer": "", "reason": "", "case": "0017", "phone": "+34600111222; 600", "formula": ROW["formula"]}


@pytest.mark.parametrize("name", ["cases.csv", "cases.xlsx", "CASES.XLSX"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    path = str(tmp_path / name)
    write_rows(path, COLUMNS, [ROW, {"case": "-x\x07", "reason": "dos\nlíneas"}], ("match", "unsure"))
    first, second = read_rows(path, COLUMNS, "make")
    assert first == (2, TOLD)
    assert second[1]["reason"] == "dos\nlíneas"
    assert second[1]["case"].startswith("-x")


def test_a_csv_holds_no_formula(tmp_path: Path) -> None:
    write_rows(str(tmp_path / "cases.csv"), COLUMNS, [ROW], ())
    line = (tmp_path / "cases.csv").read_text(encoding="utf-8-sig").splitlines()[1]
    assert line == ''',,0017,'+34600111222; 600,"'=HYPERLINK(""http://x"")"'''


def test_a_workbook_holds_text_offers_the_answers_and_keeps_its_header_in_sight(tmp_path: Path) -> None:
    path = tmp_path / "cases.xlsx"
    write_rows(str(path), COLUMNS, [ROW, ROW], ("match", "no_match", "unsure"))
    sheet: Any = load_workbook(path).worksheets[0]
    assert {cell.data_type for cell in sheet[2] if cell.value is not None} == {"s"}
    assert {cell.number_format for cell in sheet[2]} == {"@"}
    assert sheet.freeze_panes == "A2"
    (offered,) = sheet.data_validations.dataValidation
    assert (offered.formula1, str(offered.sqref)) == ('"match,no_match,unsure"', "A2:A3")


def saved(path: Path, *sheets: list[list[Any]]) -> str:
    """A workbook as a spreadsheet saves it."""
    book: Any = Workbook()
    book.remove(book.active)
    for lines in sheets:
        sheet = book.create_sheet()
        for line in lines:
            sheet.append(line)
    book.save(path)
    return str(path)


def test_what_a_spreadsheet_made_of_the_values(tmp_path: Path) -> None:
    """Numbers and dates are text again, empty rows are none, and another sheet may come first."""
    rows = [
        ["answer", " pairs ", "since", None],
        ["match", 12.0, datetime.combine(date(2026, 7, 1), time()), "a note"],
        [None, None, None, None],
        ["  ", 0.25, datetime.combine(date(2026, 7, 1), time(9, 30)), None],
        [None, "", None, None],
    ]
    path = saved(tmp_path / "x.xlsx", [["my notes"]], rows)
    assert read_rows(path, ("answer", "pairs"), "make") == [
        (2, {"answer": "match", "pairs": "12", "since": "2026-07-01"}),
        (4, {"answer": "  ", "pairs": "0.25", "since": "2026-07-01 09:30:00"}),
    ]


def test_an_answer_that_is_a_formula_is_no_answer(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.xlsx", [["answer"], ["=A1"]])
    assert read_rows(path, ("answer",), "make") == [(2, {"answer": "=A1"})]


def test_files_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    (tmp_path / "broken.xlsx").write_text("no workbook")
    (tmp_path / "latin.csv").write_bytes("answer\nsí\n".encode("latin-1"))
    (tmp_path / "empty.csv").write_text("answer\n,\n\n")
    for name, said in (
        ("broken.xlsx", "no workbook"),
        ("latin.csv", "not UTF-8"),
        ("empty.csv", "no row"),
        ("none.xlsx", "does not exist"),
        ("old.xls", ".csv or .xlsx"),
    ):
        with pytest.raises(UsageError, match=said):
            read_rows(str(tmp_path / name), ("answer",), "make")
    with pytest.raises(UsageError, match="no column answer"):
        read_rows(saved(tmp_path / "x.xlsx", [["other"], ["1"]]), ("answer",), "make")


@pytest.mark.parametrize("name", ["cases.csv", "cases.xlsx"])
@pytest.mark.parametrize("filled", [{"answer": "match"}, {"reason": "sisters"}])
def test_a_file_that_somebody_filled_in_is_never_written_over(
    tmp_path: Path, name: str, filled: dict[str, str]
) -> None:
    path = str(tmp_path / name)
    write_rows(path, COLUMNS, [ROW], ())
    write_rows(path, COLUMNS, [ROW, {**ROW, **filled}], ())
    with pytest.raises(UsageError, match="would be lost"):
        write_rows(path, COLUMNS, [ROW], ())
    assert len(read_rows(path, COLUMNS, "make")) == 2
