"""A sample of any extract, read without a declaration: its encoding, delimiter, columns and first rows."""

from __future__ import annotations

import csv
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines import files
from pipelines.bronze import columnar, delimited, jsonlines
from pipelines.bronze.landing import FORMATS
from pipelines.bronze.tables import stored_name
from pipelines.bronze.text import open_bytes, open_text
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS = 10_000
"""Rows of a file that a draft is made from: the first."""
ENCODINGS = ("utf-8", "cp1252")
"""Tried in this order; what is no UTF-8 is most likely the second, which reads nearly everything."""
DELIMITERS = ",;\t|"


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

    def distinct(self, column: str) -> int:
        return len(set(self.values[column]))

    def is_key(self, column: str) -> bool:
        """True where every row has a value of its own."""
        return 0 < self.rows == len(self.values[column]) == self.distinct(column)


def read_sample(path: str, rows: int = ROWS) -> Sample:
    """The first ``rows`` of a CSV, TSV, JSON lines or Parquet file, also ``.gz``. Raises UsageError."""
    is_gzip = path.lower().endswith(".gz")
    extension = (path[:-3] if is_gzip else path).rpartition(".")[2].lower()
    kind = FORMATS.get(extension)
    if kind is None:
        raise UsageError(f"{path}: .{extension} is not read; there are: {', '.join(FORMATS)}, also with .gz.")
    if not files.exists(path):
        raise UsageError(f"{path} does not exist.")
    try:
        if kind == "parquet":
            return _parquet(path, rows)
        encoding = _encoding(path, is_gzip)
        with open_text(path, encoding, is_gzip=is_gzip) as lines:
            if kind == "jsonl":
                found = [
                    values for _, values, _, _ in itertools.islice(jsonlines.rows(lines), rows) if values
                ]
                names = dict.fromkeys(name for values in found for name in values)
                return _sample(names, ([v.get(n) for n in names] for v in found), encoding)
        return _delimited(path, encoding, is_gzip, rows, "\t" if extension == "tsv" else None)
    except (OSError, EOFError, UnicodeDecodeError, pa.ArrowException) as error:
        raise UsageError(f"{path} cannot be read ({type(error).__name__}): is it whole?") from None


def _encoding(path: str, is_gzip: bool) -> str:
    with open_bytes(path, is_gzip=is_gzip) as stream:
        head = stream.read(2**20)
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


def _delimited(path: str, encoding: str, is_gzip: bool, rows: int, delimiter: str | None) -> Sample:
    with open_text(path, encoding, is_gzip=is_gzip) as lines:
        first = next(iter(lines), "")
    if not first.strip():
        raise UsageError(f"{path} has no header line.")
    if delimiter is None:
        delimiter = max(DELIMITERS, key=lambda d: (len(next(csv.reader([first], delimiter=d), [])), d == ","))
    with open_text(path, encoding, is_gzip=is_gzip) as lines:
        found = [
            fields for _, fields, _, _ in itertools.islice(delimited.records(lines, delimiter), rows + 1)
        ]
    header = found[0]
    if header is None:
        raise UsageError(f"{path}: its header line is malformed.")
    return _sample(header, (fields for fields in found[1:] if fields), encoding, delimiter)


def _parquet(path: str, rows: int) -> Sample:
    names = columnar.schema(path).names
    batch = next(iter(columnar.batches(path, rows)), None)
    texts = [columnar.as_text(column).to_pylist() for column in batch.columns] if batch is not None else []
    return _sample(names, zip(*texts, strict=True))


def _sample(
    names: Iterable[str],
    rows: Iterable[Iterable[str | None]],
    encoding: str = "utf-8",
    delimiter: str = ",",
) -> Sample:
    columns = tuple(stored_name(name) or f"column_{i}" for i, name in enumerate(names, 1))
    if len({c.casefold() for c in columns}) < len(columns):
        raise UsageError("a column stands twice in the header: have it mended.")
    values: dict[str, list[str]] = {name: [] for name in columns}
    count = 0
    for row in rows:
        count += 1
        for name, value in zip(columns, row, strict=True):
            if value is not None and value.strip():
                values[name].append(value.strip())
    return Sample(columns, count, values, "utf-8" if encoding == "utf-8" else encoding, delimiter)


def quoted(text: str) -> str:
    """A text as YAML reads it back."""
    return json.dumps(text, ensure_ascii=False)
