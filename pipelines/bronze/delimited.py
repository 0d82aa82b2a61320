"""Delimited text: records with the physical line where they start, malformed ones whole.

Quoting follows RFC 4180 as Python's csv module reads it: quoted fields may hold delimiters, line
ends and doubled quotes. A record that breaks the rules is given back as text with a reason,
and reading goes on after it.
"""

from __future__ import annotations

import csv
from collections import deque
from collections.abc import Iterable, Iterator

MAX_LINES = 1_000
"""Lines of one record; a quote that is open for longer was never closed."""
MAX_CHARACTERS = 1 << 22
"""Characters of one record, likewise."""

Record = tuple[int, list[str] | None, str | None, str | None]
"""Line, fields, whole text, reason: fields of a good record, text and reason of a malformed one."""


class _RunawayQuoteError(Exception):
    """A record grew past what one record may be."""


class _Lines:
    """Physical lines, counted, that remember what the present record took and can be given back."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._again: deque[str] = deque()
        self.number = 0
        self.taken: list[str] = []
        self.characters = 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= MAX_LINES or self.characters > MAX_CHARACTERS:
            raise _RunawayQuoteError
        line = self._again.popleft() if self._again else next(self._lines)
        self.number += 1
        self.taken.append(line)
        self.characters += len(line)
        return line

    def start(self) -> int:
        """Begin a record; the number of its first line."""
        self.taken.clear()
        self.characters = 0
        return self.number + 1

    def keep_first(self) -> None:
        """Give back all lines of the present record but the first."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]

    def text(self) -> str:
        """The present record as received, without its last line end."""
        return "".join(self.taken).rstrip("\r\n")


def _reader(lines: Iterable[str], delimiter: str) -> Iterator[list[str]]:
    # The limit is the process's own; its default would refuse a long but valid comment.
    csv.field_size_limit(2 * MAX_CHARACTERS)
    return csv.reader(lines, delimiter=delimiter, strict=True)


def _stands_alone(line: str, delimiter: str, width: int) -> bool:
    """True for a line that is a good record by itself, and no quoted field ends in it."""
    if line.count('"') % 2:
        return False
    try:
        return [len(fields) for fields in _reader([line], delimiter)] == [width]
    except csv.Error:
        return False


def is_cut_off(last: str, delimiter: str, width: int) -> bool:
    """True where ``last``, a last line without a line end, is only the beginning of a record of ``width`` fields.

    The sign by which old systems end a file is none. ``last`` begins a record: no quoted text of a line before goes on in it.
    """
    if not last.strip(" \t\x1a"):
        return False
    try:
        (fields,) = _reader([last], delimiter)
    except csv.Error as error:
        return "unexpected end" in str(error)
    return len(fields) < width


def records(lines: Iterable[str], delimiter: str, width: int | None = None) -> Iterator[Record]:
    """The records of a file from its first line; blank lines are passed over.

    ``width`` is the number of fields of a good record; None takes the first record's (the
    header's). Reasons: nul_byte, too_few_fields, too_many_fields, stray_quote, unclosed_quote.
    """
    source = _Lines(lines)
    reader = _reader(source, delimiter)
    while True:
        line = source.start()
        fields: list[str] | None = None
        is_open = False
        try:
            fields = next(reader)
        except StopIteration:
            return
        except _RunawayQuoteError:
            is_open = True
        except csv.Error as error:
            is_open = "unexpected end" in str(error) or "field limit" in str(error)
        if fields is not None:
            if not fields:
                continue
            if width is None:
                width = len(fields)
            if len(fields) == width and not any("\0" in text for text in source.taken):
                yield line, fields, None, None
                continue
        reason = _reason(source, fields, is_open=is_open, delimiter=delimiter, width=width or 0)
        yield line, None, source.text(), reason


def _reason(source: _Lines, fields: list[str] | None, *, is_open: bool, delimiter: str, width: int) -> str:
    """Why the present record is malformed; lines that it swallowed are given back to be read again."""
    swallowed = source.taken[1:]
    if swallowed and (is_open or any(_stands_alone(text, delimiter, width) for text in swallowed)):
        source.keep_first()
        is_open = True
    if any("\0" in text for text in source.taken):
        return "nul_byte"
    if is_open:
        return "unclosed_quote"
    if fields is None:
        return "stray_quote"
    return "too_few_fields" if len(fields) < width else "too_many_fields"
