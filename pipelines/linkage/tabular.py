"""One CSV or Parquet file that somebody brings, as DuckDB can read it: its text in UTF-8, its faults in words.

DuckDB guesses the delimiter from all lines: where one line has other fields than the rest it takes the
file for one column, and where bytes are not UTF-8 it stops. Both are looked at here.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, cast

from pipelines.errors import UsageError

UTF_8 = "utf-8"
BYTES = 1 << 22
"""Bytes that are decoded at a time."""
_DELIMITERS = ",;\t|"
_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WORDS = {"utf-16": "UTF-16", "cp1252": "Windows-1252 (Latin-1)"}


@dataclass(frozen=True)
class Tabular:
    """A file that DuckDB reads."""

    name: str
    """The file's name without its folder."""
    path: str
    """What DuckDB reads: the file, or a copy in UTF-8 that is gone afterwards."""
    notes: tuple[str, ...] = ()
    """What was taken for granted about it."""

    @property
    def is_parquet(self) -> bool:
        return _is_parquet(self.path)

    def rows(self, options: str = "") -> str:
        """SQL of the file as a table; ``options`` of ``read_csv``, which Parquet has no use for."""
        quoted = self.path.replace("'", "''")
        if self.is_parquet:
            return f"read_parquet('{quoted}')"
        return f"read_csv('{quoted}', header = true{options})"

    def check(self, columns: Sequence[str]) -> None:
        """Raises UsageError where DuckDB's ``columns`` are not those of the header, for a line spoils the file."""
        if self.is_parquet:
            return
        header, delimiter = _header(self.path)
        if not any(header):
            raise UsageError(f"{self.name} is empty: it needs one header line and a line a record.")
        if [name.strip() for name in columns] != [name.strip() for name in header]:
            self._check_lines(delimiter, len(header))

    def unreadable(self, error: Exception) -> UsageError:
        """What to say where DuckDB stopped with ``error``."""
        if not self.is_parquet:
            try:
                header, delimiter = _header(self.path)
                self._check_lines(delimiter, len(header))
            except UsageError as found:
                return found
            except (OSError, EOFError, zlib.error, ValueError, csv.Error):
                pass
        return UsageError(
            f"{self.name} cannot be read as CSV or Parquet ({type(error).__name__}): save it as UTF-8 with one "
            "header line."
        )

    def _check_lines(self, delimiter: str, fields: int) -> None:
        """Raises UsageError where a line has more or fewer fields than the header."""
        with _text(self.path) as lines:
            reader = csv.reader(lines, delimiter=delimiter)
            for row in reader:
                if row and len(row) != fields:
                    raise UsageError(
                        f"{self.name}: line {reader.line_num} has {len(row)} fields and the header {fields}: quote what "
                        "holds the delimiter, or add the fields that are missing."
                    )


@contextmanager
def opened(path: str) -> Iterator[Tabular]:
    """The file at ``path``; a CSV in UTF-16 (with its mark) or Windows-1252 as a copy in UTF-8.

    Raises UsageError where there is none.
    """
    name = os.path.basename(path)
    if not os.path.isfile(path):
        raise UsageError(f"{path} does not exist: name a CSV or Parquet file.")
    try:
        encoding = UTF_8 if _is_parquet(path) else _encoding(path)
    except (OSError, EOFError, zlib.error) as error:
        raise Tabular(name, path).unreadable(error) from None
    if encoding == UTF_8:
        yield Tabular(name, path)
        return
    with tempfile.TemporaryDirectory(prefix="padron-text-") as folder:
        copy = os.path.join(folder, "copy.csv")
        with open(copy, "w", encoding=UTF_8, newline="") as target:
            target.writelines(_decoded(path, encoding))
        yield Tabular(name, copy, (f"{name} is no UTF-8: it was read as {_WORDS[encoding]}",))


def _is_parquet(path: str) -> bool:
    return path.lower().endswith((".parquet", ".pq"))


def _bytes(path: str) -> BinaryIO:
    return cast("BinaryIO", gzip.open(path) if path.lower().endswith(".gz") else open(path, "rb"))


def _encoding(path: str) -> str:
    """``utf-8`` where all of the file is, else ``utf-16`` by its mark, else ``cp1252``, which holds Latin-1's text."""
    with _bytes(path) as file:
        start = file.read(4)
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding
    try:
        for _ in _decoded(path, UTF_8):
            pass
    except UnicodeDecodeError:
        return "cp1252"
    return UTF_8


def _decoded(path: str, encoding: str) -> Iterator[str]:
    # Windows-1252 leaves five bytes open; what holds them is no text anyway.
    decoder = codecs.getincrementaldecoder(encoding)("strict" if encoding == UTF_8 else "replace")
    with _bytes(path) as file:
        while piece := file.read(BYTES):
            yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


@contextmanager
def _text(path: str) -> Iterator[Iterator[str]]:
    with codecs.getreader("utf-8-sig")(_bytes(path)) as lines:
        yield lines


def _header(path: str) -> tuple[list[str], str]:
    """The names of the first line that says anything, and the delimiter that parts them into most."""
    with _text(path) as lines:
        first = next((line for line in lines if line.strip()), "")
    found = [(next(csv.reader([first], delimiter=delimiter), []), delimiter) for delimiter in _DELIMITERS]
    return max(found, key=lambda names: len(names[0]))
