"""What a column holds, by its values alone, where its name says nothing.

Only what hardly anything else looks like: e-mails, dates as old as people, tax ids whose check digits hold,
phones that exist, names that the dictionaries know. A column of any of these that is something else costs more than one that
is missed: it would be compared as what it is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipelines.standardise.name_evidence import Evidence, evidence, without_particles
from pipelines.standardise.phones import standard_phones
from pipelines.standardise.places import is_city_or_state
from pipelines.standardise.tax_ids import standard_tax_id

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[A-Za-z]{2,}")
_DATE = re.compile(
    r"((?:1[89]|20)\d\d)[-/.]?(?:0[1-9]|1[0-2])[-/.]?(?:[0-2]\d|3[01])|[0-3]?\d[-/.][01]?\d[-/.]((?:1[89]|20)\d\d)"
)
_PHONE = re.compile(r"\+?[\d ().-]{9,20}")
SHARE = 0.8
"""Values of a column that must look alike before its content says what it is."""
_YEARS = 15
"""Years that most birth dates spread over; what happens to customers is younger."""
_GROWN_UP = 10
"""Years that half of the birth dates are older than the youngest: most customers are no children."""
_REST = 0.05
"""Share of the earliest, and of the latest, years that may be slips."""
_KNOWN = 0.5
"""Share of a column's values that must be known names: the dictionaries lack many, and slips are in none."""
_OTHERWISE = 0.25
"""Share above which a column of surnames is one of given names, or of cities, that are surnames too."""
_LEAST_TAX_IDS = 5
"""Different valid tax ids below which a column of them may be anything."""
_LEAST_NAMES = 20
"""Different values below which a column of known names may be anything."""


def field_by_content(values: Sequence[str], country: str) -> str | None:
    """``emails_raw``, ``birth_date_raw``, ``tax_id_raw`` or ``phones_raw`` where the values look like it.

    ``country``: where tax ids, and phones without a prefix, are from (ISO alpha-2).
    """
    said = [value.strip() for value in values]
    if alike(said, _EMAIL):
        return "emails_raw"
    if alike(said, _DATE):
        return "birth_date_raw" if _are_births(said) else None
    if _are_tax_ids(said, country):
        return "tax_id_raw"
    return "phones_raw" if alike(said, _PHONE) and _are_phones(said, country) else None


def alike(values: Sequence[str], form: re.Pattern[str], *, start: bool = False) -> bool:
    """Whether nearly all values have the form, or start with it."""
    fits = form.match if start else form.fullmatch
    return sum(fits(value) is not None for value in values) >= SHARE * len(values) > 0


def _are_births(values: Sequence[str]) -> bool:
    found = (_DATE.fullmatch(value) for value in values)
    years = sorted(int(date[1] or date[2]) for date in found if date is not None)
    slips = int(_REST * len(years))
    first, last = years[slips], years[-1 - slips]
    return last - first > _YEARS and years[(len(years) - 1) // 2] <= last - _GROWN_UP


def _are_tax_ids(values: Sequence[str], country: str) -> bool:
    """Whether nearly all have check digits that hold; several, for few numbers may hold by chance."""
    valid = {value for value in values if standard_tax_id(value, country).valid}
    return len(valid) >= _LEAST_TAX_IDS and sum(value in valid for value in values) >= SHARE * len(values)


def _are_phones(values: Sequence[str], country: str) -> bool:
    return sum(bool(standard_phones((value,), country).phones) for value in values) >= SHARE * len(values)


def names_by_content(columns: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """``given_name_raw`` and ``surname_raw``, each with the column whose values the dictionaries know best.

    Both, or the column of whole names as ``full_name_raw``, or none: a column of surnames alone may as well be streets.
    """
    words = evidence()
    given: dict[str, float] = {}
    surname: dict[str, float] = {}
    whole: dict[str, float] = {}
    for name, values in columns.items():
        keys = [without_particles(value) for value in values if value.strip()]
        if len(set(keys)) < _LEAST_NAMES:
            continue
        leaning = sum(_is_given(key, words) for key in keys) / len(keys)
        if leaning >= _KNOWN:
            given[name] = leaning
        elif leaning < _OTHERWISE and sum(map(is_city_or_state, values)) < _OTHERWISE * len(values):
            known = sum(_is_surname(key, words) for key in keys) / len(keys)
            if known >= _KNOWN:
                surname[name] = known
            both = sum(_is_whole(key, words) for key in keys) / len(keys)
            if both >= _KNOWN:
                whole[name] = both
    if not (given and surname):
        return {"full_name_raw": max(whole, key=whole.__getitem__)} if whole else {}
    return {
        "given_name_raw": max(given, key=given.__getitem__),
        "surname_raw": max(surname, key=surname.__getitem__),
    }


def _is_given(key: tuple[str, ...], words: Evidence) -> bool:
    """A name whose words are all given names, and as a whole rather so than surnames."""
    return all(map(words.is_given, key)) and sum(map(words.leans_to_given, key)) > 0


def _is_whole(key: tuple[str, ...], words: Evidence) -> bool:
    """A given name and a surname, in one order or the other; a surname of two words is of several known ones."""
    one, *_, other = key if len(key) > 1 else ("", "")
    return any(
        words.is_given(first) and words.leans_to_given(first) > 0 and words.is_surname(last)
        for first, last in ((one, other), (other, one))
    )


def _is_surname(key: tuple[str, ...], words: Evidence) -> bool:
    return words.is_surname(" ".join(key)) or all(map(words.is_surname, key))
