"""Whether the first line of a file has the names of its columns, or is a row of data.

A name of a column stands in a draft; a value of somebody's row must not.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipelines.linkage.columns import KNOWN, recognised
from pipelines.ops.draft_events import EVENTS, words
from pipelines.ops.draft_personal import EMAIL, PHONE, is_contact, may_name_somebody, names_somebody
from pipelines.standardise.placeholders import is_blank
from pipelines.standardise.text import plain

_NUMBER = re.compile(r"[-+]?\d[\d.,]*")
_YEAR = re.compile(r"(?:19|20)\d\d")
_EMAIL, _PHONE, _ID, _FIGURE, _CALENDAR = "e-mail", "phone", "id", "number", "year"
SHARE = 0.8
"""Values of a column that must have a form in common for it to be the column's."""
_OFTEN = 0.1
"""Share of a column's values above which one that stands in the first line too is no name of it."""
_LEAST_DIGITS = 4
"""Digits of a code that is known by its length, and not by its letters, such as C1."""
_LEAST_IN_AN_ID = 6
"""Digits of an id among letters, of whatever length, as tax ids have."""
_COLUMNS = frozenset(
    name for roles in EVENTS.values() for names in roles.values() for name in names.split()
) | frozenset(("id", "op", *KNOWN))


def is_row_of_data(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> bool:
    """True where a field of the first line has the form that the values under it have, which no name of a column has.

    Numbers, short codes and values that repeat may be names (of years, of sizes, of shops): they count where no field is a
    name for certain.

    >>> is_row_of_data(["1", "Ana", "14/03/1975"], [["2", "Leo", "3/4/1980"]]), is_row_of_data(["id", "2025"], [["7", "80"]])
    (True, False)
    """
    # Files put one after the other have the header again.
    rows = [row for row in rows if [*row] != [*header]]
    columns = [
        [v.strip() for row in rows if (v := row[i]) is not None and v.strip()] for i in range(len(header))
    ]
    fields = [(name.strip(), values) for name, values in zip(header, columns, strict=True) if name.strip()]
    if any(_is_value(name, values) for name, values in fields):
        return True
    is_named = any(_is_name(name, values) for name, values in fields)
    return not is_named and any(_may_be_value(name, values) for name, values in fields)


def _is_value(name: str, values: Sequence[str]) -> bool:
    """True where ``name`` is of the values' form, or somebody's as they are."""
    is_short = name.isalnum() and sum(c.isdigit() for c in name) < _LEAST_DIGITS
    if not is_short and _shared(name, values) - {_FIGURE, _CALENDAR}:
        return True
    if recognised([name], {}) or not names_somebody(name):
        return False
    return 0 < len(values) <= 2 * sum(map(may_name_somebody, values))


def _may_be_value(name: str, values: Sequence[str]) -> bool:
    """True for what is like the values under it or is often one of them, and for what is no word where nothing stands there."""
    if not values:
        return is_contact(name) or (_forms(name) == {_FIGURE} and name.isascii())
    return bool(_shared(name, values)) or _is_often(name, values)


def _is_name(name: str, values: Sequence[str]) -> bool:
    """True for what columns are called, and for a word over values that are none."""
    if words(re.sub(r"_?\d+$", "", name)) in _COLUMNS:
        return not _is_often(name, values)
    is_word = not is_blank(name) and not is_contact(name) and any(c.isalpha() for c in name)
    return is_word and bool(_common(values)) and not _shared(name, values)


def _is_often(name: str, values: Sequence[str]) -> bool:
    return sum(plain(value) == plain(name) for value in values) > _OFTEN * len(values)


def _shared(name: str, values: Sequence[str]) -> set[str]:
    return _forms(name) & _common(values)


def _common(values: Sequence[str]) -> set[str]:
    """The forms that nearly all of the values have."""
    seen = [_forms(value) for value in values]
    return {form for form in set().union(*seen) if sum(form in f for f in seen) >= SHARE * len(seen)}


def _forms(text: str) -> set[str]:
    """What a text without blanks at its ends looks like; nothing for words.

    >>> sorted(_forms("C1001")), sorted(_forms("1/3/75")), _forms("Calle Mayor")
    (['A9999', 'C9'], ['9/9/9', '9/9/99'], set())
    """
    if EMAIL.search(text) is not None:
        return {_EMAIL}
    if _NUMBER.fullmatch(text) is not None and not _is_day(text):
        found = {_CALENDAR} if _YEAR.fullmatch(text) else {_FIGURE}
        return found | ({_PHONE} if PHONE.fullmatch(text) else set())
    digits = sum(c.isdigit() for c in text)
    if not digits:
        return set()
    found = {re.sub(r"\d+", "9", text)}
    if PHONE.fullmatch(text) is not None:
        found.add(_PHONE)
    if digits >= _LEAST_IN_AN_ID and text.isalnum() and not text.isdigit():
        found.add(_ID)
    if digits >= _LEAST_DIGITS:
        found.add(re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "A", text)))
    return found


def _is_day(text: str) -> bool:
    """True for a day written with points, which no number has so."""
    return re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{2,4}", text) is not None
