"""Birth dates as sources write them → dates, with what systems put in for "unknown" told apart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from pipelines.errors import UsageError
from pipelines.standardise.placeholders import blank_to_none

PLACEHOLDER = "birth_date:placeholder"
IMPOSSIBLE = "birth_date:impossible"
UNREADABLE = "birth_date:unreadable"

OLDEST = 120
"""Years; nobody is older."""

_ISO = "yyyy-MM-dd"
_DEFAULTS = frozenset(
    [
        date(1, 1, 1),  # .NET
        date(1111, 11, 11),
        date(1753, 1, 1),  # SQL Server
        date(1899, 12, 30),  # spreadsheets
        date(1899, 12, 31),
        date(1900, 1, 1),  # forms
        date(1901, 1, 1),
        date(1970, 1, 1),  # Unix
        date(9999, 12, 31),  # "never"
    ]
)
"""Dates that systems put in. Real people were born on 1970-01-01: far fewer than records that say so."""
_SAME_DIGIT = re.compile(r"\D*(\d)(?:\D*\1){7,}\D*")

_FIELDS = {"y": "year", "u": "year", "M": "month", "L": "month", "d": "day"}
_CLOCK = frozenset("HhKksSmnNAaBVzOXxZ")
_TOKEN = re.compile(r"'(?P<quoted>[^']*)'|(?P<letter>[A-Za-z])(?P=letter)*|(?P<plain>[^A-Za-z']+)")
_TIME = r"(?:[T ]\s*\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:[ap]\.?\s?m\.?|Z|UTC|[+-]\d{2}:?\d{2})?)?"


class BirthDate(NamedTuple):
    """A record's birth date.

    ``birth_date``: None when impossible or a placeholder. ``usable``: the same where it counts as
    evidence. ``reasons``: why it is None, though something is written.
    """

    birth_date: date | None
    usable: date | None
    reasons: tuple[str, ...]


def standard_birth_date(
    raw: str | None, formats: tuple[str, ...], business_date: date, oldest: int = OLDEST
) -> BirthDate:
    """The birth date by the first of ``formats`` (Spark patterns), or ISO 8601, that gives a possible one.

    A time of day behind it is dropped. A year of two digits is the last one that has come by
    ``business_date``, and none is more than ``oldest`` years before it. Raises UsageError where a
    pattern is none of a numeric date.

    >>> standard_birth_date("07/04/1974", ("dd/MM/yyyy",), date(2026, 7, 1)).birth_date
    datetime.date(1974, 4, 7)
    """
    text = blank_to_none(raw)
    if text is None:
        return BirthDate(None, None, ())
    if _SAME_DIGIT.fullmatch(text):
        return BirthDate(None, None, (PLACEHOLDER,))
    reason = UNREADABLE
    for born in _readings(text, formats, business_date):
        if born in _DEFAULTS:
            return BirthDate(None, None, (PLACEHOLDER,))
        if born is not None and _is_possible(born, business_date, oldest):
            return BirthDate(born, born, ())
        reason = IMPOSSIBLE
    return BirthDate(None, None, (reason,))


def _readings(text: str, formats: tuple[str, ...], business_date: date) -> Iterator[date | None]:
    """What the text says by each format that fits; None where that is no day of the calendar."""
    for pattern in (*formats, _ISO):
        found = _expression(pattern).fullmatch(text)
        if found is None:
            continue
        year, month, day = (int(found[name]) for name in ("year", "month", "day"))
        if len(found["year"]) == 2:
            century = business_date.year // 100 * 100
            has_come = (century + year, month, day) <= (
                business_date.year,
                business_date.month,
                business_date.day,
            )
            year += century if has_come else century - 100
        yield _day(year, month, day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_possible(born: date, business_date: date, oldest: int) -> bool:
    first = (business_date.year - oldest, business_date.month, business_date.day)
    return born <= business_date and (born.year, born.month, born.day) >= first


@lru_cache(maxsize=64)
def _expression(pattern: str) -> re.Pattern[str]:
    """What a Spark pattern reads. Raises UsageError unless it has a year, a month and a day in numbers.

    Between separators a leading zero may be missing; ``-``, ``/`` and ``.`` stand for each other.
    The pattern's own time of day is left out, since any may follow.
    """
    tokens = list(_TOKEN.finditer(pattern))
    clock = next((i for i, token in enumerate(tokens) if token["letter"] in _CLOCK), len(tokens))
    while 0 < clock < len(tokens) and not tokens[clock - 1]["letter"]:
        clock -= 1
    parts, fields = [], []
    for token, before, after in _with_neighbours(tokens[:clock]):
        if token["letter"] is None:
            parts.append(_literal(token["quoted"] or token["plain"] or "'"))
            continue
        field, width = _FIELDS.get(token["letter"]), len(token[0])
        if field is None or (field != "year" and width > 2):
            raise UsageError(f"birth_date_formats: {pattern!r} has {token[0]!r}; use yyyy or yy, MM and dd.")
        is_joined = width == 2 and (before or after)
        digits = ("2" if width == 2 else "4") if field == "year" else ("2" if is_joined else "1,2")
        parts.append(f"(?P<{field}>[0-9]{{{digits}}})")
        fields.append(field)
    if sorted(fields) != ["day", "month", "year"]:
        raise UsageError(
            f"birth_date_formats: {pattern!r} needs one year, one month and one day, before any time."
        )
    return re.compile("".join(parts) + _TIME, re.IGNORECASE | re.ASCII)


def _with_neighbours(tokens: list[re.Match[str]]) -> Iterator[tuple[re.Match[str], bool, bool]]:
    """Each token, and whether a field stands directly before and after it."""
    is_field = [False, *(token["letter"] is not None for token in tokens), False]
    for i, token in enumerate(tokens):
        yield token, is_field[i], is_field[i + 2]


def _literal(text: str) -> str:
    return "".join("[-/.]" if c in "-/." else re.escape(c) for c in text)
