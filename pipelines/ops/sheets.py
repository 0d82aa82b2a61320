"""Tables that a steward fills in with a spreadsheet: CSV, or XLSX where the file's name ends so. All cells are text."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

Row = tuple[int, dict[str, str]]
"""A row with its line in the file."""

XLSX = ".xlsx"
OTHER = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A text that begins so is run as a formula by a spreadsheet that reads a CSV."""
LONGEST = 32_767
"""Characters that a cell of a spreadsheet holds."""
FILLED = ("answer", "reason")
"""What a steward fills in."""
WIDTHS = {"answer": 12, "reason": 40}
MARK = "\ufeff"
"""Spreadsheets take a CSV for UTF-8 by its first bytes."""


def write_rows(
    path: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]], answers: Sequence[str]
) -> None:
    """Write ``rows`` to ``path``. A column ``answer`` offers ``answers`` where the file can. Raises UsageError for
    a kind of file that is neither, and where somebody has filled the file in already."""
    if _is_filled(path):
        raise UsageError(f"{path} holds answers that would be lost: name another file, or delete this one.")
    texts = [{name: as_text(row.get(name)) for name in columns} for row in rows]
    if _is_xlsx(path):
        files.write_bytes(path, _workbook(columns, texts, answers))
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _unrun(value) for name, value in row.items()} for row in texts)
    files.write_text(path, MARK + text.getvalue())


def as_text(value: object) -> str:
    """A value of a table as a cell says it; of a list its items."""
    return "; ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)


def _unrun(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def read_rows(path: str, needed: Sequence[str], made_by: str) -> list[Row]:
    """The rows that are not empty. Raises UsageError for a file without the ``needed`` columns, or without rows.

    What a spreadsheet took for a number or a date comes as text again: 7.0 as 7, midnight as its day.
    """
    try:
        header, found = _of_workbook(path, needed) if _is_xlsx(path) else _of_csv(path)
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist: `{made_by} {path}` writes one.") from None
    missing = [name for name in needed if name not in header]
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}: `{made_by} {path}` writes such files.")
    filled = [(line, row) for line, row in found if any(value.strip() for value in row.values())]
    if not filled:
        raise UsageError(f"{path} has no row in it.")
    return filled


def _is_filled(path: str) -> bool:
    """True where the file is there and somebody wrote an answer or a reason. Raises UsageError where it cannot be read."""
    try:
        _, found = _of_workbook(path, FILLED[:1]) if _is_xlsx(path) else _of_csv(path)
    except FileNotFoundError:
        return False
    return any(row.get(name, "").strip() for _, row in found for name in FILLED)


def _is_xlsx(path: str) -> bool:
    ending = path[path.rfind(".") :].lower()
    if ending in OTHER:
        raise UsageError(f"{path}: files here are .csv or {XLSX}; save it as one of them.")
    return ending == XLSX


def _of_csv(path: str) -> tuple[list[str], list[Row]]:
    try:
        text = files.read_text(path).removeprefix(MARK)
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8: save it as CSV UTF-8.") from None
    # Spreadsheets of many countries write semicolons.
    first = text.partition("\n")[0]
    # An old Mac ends its lines with \r.
    lines = io.StringIO(text, newline=None)
    reader = csv.DictReader(lines, delimiter=";" if first.count(";") > first.count(",") else ",")
    try:
        found = [
            (reader.line_num, {name: _as_written(value or "") for name, value in row.items() if name})
            for row in reader
        ]
    except csv.Error as error:
        raise UsageError(f"{path}, line {reader.line_num + 1}: {error}; save it as CSV UTF-8 anew.") from None
    return list(reader.fieldnames or ()), found


def _as_written(text: str) -> str:
    """The text without the quote that ``write_rows`` set before it."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA) else text


def _of_workbook(path: str, needed: Sequence[str]) -> tuple[list[str], list[Row]]:
    """The first sheet that has the ``needed`` columns, or the first of all."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    content = files.read_bytes(path)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True)
        sheets = [[list(line) for line in sheet.iter_rows(values_only=True)] for sheet in book.worksheets]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise UsageError(
            f"{path} is no workbook that can be read: save it as {XLSX} without a password."
        ) from None
    read = [_of_sheet(lines) for lines in sheets] or [([], [])]
    return next((one for one in read if set(needed) <= set(one[0])), read[0])


def _of_sheet(lines: Sequence[Sequence[object]]) -> tuple[list[str], list[Row]]:
    header = [_told(value).strip() for value in lines[0]] if lines else []
    rows = [
        (line, {name: _told(value) for name, value in zip(header, values, strict=False) if name})
        for line, values in enumerate(lines[1:], 2)
    ]
    return header, rows


def _told(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime):
        is_day = value.time() == time()
        return value.date().isoformat() if is_day else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


def _workbook(columns: Sequence[str], rows: Sequence[Mapping[str, str]], answers: Sequence[str]) -> bytes:
    from openpyxl import Workbook
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Font

    book = Workbook()
    sheet = book.worksheets[0]
    for place, row in enumerate([dict.fromkeys(columns, ""), *rows], 1):
        for at, name in enumerate(columns, 1):
            text = name if place == 1 else ILLEGAL_CHARACTERS_RE.sub("", row[name])[:LONGEST]
            cell = sheet.cell(place, at)
            cell.value = text or None
            if text:
                # Else a text that begins with = becomes a formula.
                cell.data_type = "s"
            cell.number_format = "@"
            cell.quotePrefix = text.startswith(FORMULA)
    for title in sheet[1]:
        title.font = Font(bold=True)
    _furnish(sheet, columns, len(rows), answers)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _furnish(sheet: Worksheet, columns: Sequence[str], rows: int, answers: Sequence[str]) -> None:
    """The header stays in sight, and the column of answers offers them."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    sheet.freeze_panes = "A2"
    for at, name in enumerate(columns, 1):
        sheet.column_dimensions[get_column_letter(at)].width = WIDTHS.get(name, 18)
    if "answer" in columns and rows:
        letter = get_column_letter(columns.index("answer") + 1)
        offered = DataValidation(type="list", formula1=f'"{",".join(answers)}"', allow_blank=True)
        offered.showErrorMessage = True
        offered.error = f"Write {', '.join(answers)}, or leave it empty."
        offered.add(f"{letter}2:{letter}{rows + 1}")
        sheet.add_data_validation(offered)
