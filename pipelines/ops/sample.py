"""A sample of any extract, read without a declaration: its encoding, delimiter, columns and first rows."""

from __future__ import annotations

import csv
import itertools
import json
import re
import zlib
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines import files
from pipelines.bronze import columnar, delimited, jsonlines
from pipelines.bronze.landing import FORMATS
from pipelines.bronze.tables import stored_name
from pipelines.bronze.text import MARKS, codec, open_bytes, open_text
from pipelines.errors import UsageError
from pipelines.ops.draft_header import is_row_of_data
from pipelines.ops.draft_personal import is_contact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROWS = 10_000
"""Rows of a file that a draft is made from: the first."""
ENCODINGS = ("utf-8", "cp1252")
"""Tried in this order; what is no UTF-8 is most likely the second, which reads nearly everything."""
DELIMITERS = ",;\t|"
HEAD = 20
"""Lines that tell the delimiter, and whether the first of them is a title."""
TOLD_BY = 200
"""Rows that tell whether the header is one."""
_ARCHIVE, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
"""How they begin; PK alone does not tell, for a column may be called so."""
_PAGE = ("<!doctype html", "<html")


@dataclass(frozen=True)
class Sample:
    """The head of a file as text."""

    columns: tuple[str, ...]
    """As received."""
    rows: int
    values: dict[str, list[str]]
    """Column → its values, without blanks; their number is how many rows have one."""
    encoding: str = "utf-8"
    delimiter: str = ","
    malformed: Mapping[str, int] = field(default_factory=dict)
    """Reason → rows that are left out for it."""
    misnamed: tuple[int, ...] = ()
    """Places, from 1, of columns that are left out: their name is an e-mail or a telephone number of somebody."""

    def distinct(self, column: str) -> int:
        return len(set(self.values[column]))

    def is_key(self, *columns: str) -> bool:
        """True where every row has a value, or values together, of its own."""
        is_full = all(len(self.values[column]) == self.rows for column in columns)
        together = zip(*(self.values[column] for column in columns), strict=True) if is_full else ()
        return is_full and 0 < self.rows == len(set(together))


def read_sample(path: str, rows: int = ROWS) -> Sample:
    """The first ``rows`` of a CSV, TSV, JSON lines or Parquet file, also ``.gz``. Raises UsageError."""
    is_gzip = path.lower().endswith(".gz")
    extension = (path[:-3] if is_gzip else path).rpartition(".")[2].lower()
    kind = FORMATS.get(extension)
    if kind is None:
        ending = f".{extension}" if "/" not in extension else "a file without an ending"
        raise UsageError(f"{path}: {ending} is not read; there are: {', '.join(FORMATS)}, also with .gz.")
    if not files.exists(path):
        raise UsageError(f"{path} does not exist.")
    try:
        if kind == "parquet":
            return _parquet(path, rows)
        with open_bytes(path, is_gzip=is_gzip) as stream:
            head = stream.read(2**20)
        encoding = _encoding(head)
        _check_is_data(path, head, encoding)
        if kind == "jsonl":
            return _json_lines(path, encoding, is_gzip, rows)
        return _delimited(path, encoding, is_gzip, rows, "\t" if extension == "tsv" else None)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__}): is it whole?") from None


def _check_is_data(path: str, head: bytes, encoding: str) -> None:
    """Refuse what is delivered under the name of a text and is none, or is no data."""
    if head.startswith(_ARCHIVE):
        raise UsageError(
            f"{path} is an Excel file, or another zip archive (it begins with PK): export it as CSV."
        )
    if head.startswith(_OLD_EXCEL):
        raise UsageError(f"{path} is an Excel file (.xls): export it as CSV.")
    if "\0" in head.decode(codec(encoding), errors="ignore"):
        raise UsageError(f"{path} is no text: have it exported as CSV or JSON lines in UTF-8.")
    if head.decode(codec(encoding), errors="ignore").lstrip()[:20].lower().startswith(_PAGE):
        raise UsageError(
            f"{path} is a web page and no data, such as the login page that a failed export leaves behind: export it again."
        )


def _encoding(head: bytes) -> str:
    marked = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if marked is not None:
        return marked
    for encoding in ENCODINGS:
        try:
            # The end may cut a character in two.
            head[:-4].decode(encoding) if len(head) == 2**20 else head.decode(encoding)
        except UnicodeDecodeError as error:
            if len(head) == 2**20 and error.start > len(head) - 16:
                return encoding
            continue
        return encoding
    return "latin-1"


def _json_lines(path: str, encoding: str, is_gzip: bool, rows: int) -> Sample:
    with open_text(path, encoding, is_gzip=is_gzip) as lines:
        read = [*itertools.islice(jsonlines.rows(lines), rows)]
    found = [values for _, values, _, _ in read if values]
    names = dict.fromkeys(name for values in found for name in values)
    return _sample(
        path, names, ([v.get(n) for n in names] for v in found), encoding, malformed=_reasons(read)
    )


def _reasons(read: Iterable[delimited.Record | jsonlines.Row]) -> dict[str, int]:
    return Counter(reason for _, _, _, reason in read if reason is not None)


def _delimited(path: str, encoding: str, is_gzip: bool, rows: int, delimiter: str | None) -> Sample:
    with open_text(path, encoding, is_gzip=is_gzip) as lines:
        first, *after = [*itertools.islice(lines, HEAD)] or [""]
    if not first.strip():
        raise UsageError(f"{path} has no header line.")
    if first.lower().startswith("sep="):
        raise UsageError(
            f"{path} begins with {first.strip()}, a line for Excel alone: have it delivered without."
        )
    likely = DELIMITERS if delimiter is None else delimiter
    delimiter = max(likely, key=lambda d: (len(_fields(first, d)), d == ","))
    if _is_title(_fields(first, delimiter), [line for line in after if line.strip()], likely):
        raise UsageError(_no_header(path))
    with open_text(path, encoding, is_gzip=is_gzip) as lines:
        (_, header, _, _), *read = itertools.islice(delimited.records(lines, delimiter), rows + 1)
    if header is None:
        raise UsageError(f"{path}: its header line is malformed.")
    found = [fields for _, fields, _, _ in read if fields]
    if read and not found:
        raise UsageError(_no_header(path))
    _check_header(path, header, found)
    return _sample(path, header, found, encoding, delimiter, _reasons(read))


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _is_title(fields: Sequence[str], after: Sequence[str], delimiters: str) -> bool:
    """True where one text stands alone in the first line, and the lines after it agree on several fields."""
    if sum(bool(text.strip()) for text in fields) != 1:
        return False
    if len(fields) > 1:
        return True
    counts = [{len(_fields(line, delimiter)) for line in after} for delimiter in delimiters]
    return len(after) > 1 and any(len(found) == 1 and max(found) > 1 for found in counts)


def _no_header(path: str) -> str:
    return (
        f"{path}: its first line has another number of fields than the lines after it: is it a title? Have it delivered with a "
        "its header first."
    )


def _check_header(path: str, header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> None:
    """Refuse a first row in the place of the names: they would be values, and a night takes that row for them too."""
    if is_row_of_data(header, rows[:TOLD_BY]):
        raise UsageError(
            f"{path}: where the names of its columns should be stands what looks like a row of data. Have it delivered with a "
            "header: a night takes what stands there for one."
        )


def _parquet(path: str, rows: int) -> Sample:
    names = columnar.schema(path).names
    batch = next(iter(columnar.batches(path, rows)), None)
    texts = [columnar.as_text(column).to_pylist() for column in batch.columns] if batch is not None else []
    found = [*zip(*texts, strict=True)]
    _check_header(path, names, found)
    return _sample(path, names, found)


def _sample(
    path: str,
    names: Iterable[str],
    rows: Iterable[Iterable[str | None]],
    encoding: str = "utf-8",
    delimiter: str = ",",
    malformed: Mapping[str, int] | None = None,
) -> Sample:
    received = [*names]
    columns = [stored_name(name) or f"column_{i}" for i, name in enumerate(received, 1)]
    misnamed = tuple(i for i, name in enumerate(received, 1) if is_contact(name))
    _check_once(path, [c if i not in misnamed else f"number {i}" for i, c in enumerate(columns, 1)])
    values: dict[str, list[str]] = {name: [] for name in columns}
    count = 0
    for row in rows:
        count += 1
        for name, value in zip(columns, row, strict=True):
            if value is not None and value.strip():
                values[name].append(value.strip())
    for place in misnamed:
        values.pop(columns[place - 1], None)
    return Sample(tuple(values), count, values, encoding, delimiter, malformed or {}, misnamed)


def _check_once(path: str, columns: Iterable[str]) -> None:
    alike: dict[str, list[str]] = defaultdict(list)
    for name in columns:
        alike[name.casefold()].append(name)
    twice = [" and ".join(names) for names in alike.values() if len(names) > 1]
    if twice:
        raise UsageError(f"{path}: a column stands twice in the header: {', '.join(twice)}. Have it mended.")


def quoted(text: str) -> str:
    """A text as YAML reads it back, in one line."""
    shown = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in shown)


_WORDS = ("y", "n", "yes", "no", "on", "off", "true", "false", "null")


def named(column: str) -> str:
    """A column's name as YAML reads it back: bare where it can be."""
    is_bare = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", column) and column.lower() not in _WORDS
    return column if is_bare else quoted(column)
