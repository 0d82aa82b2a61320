"""Names of persons: standard spelling, division in given names and surnames, and matching keys.

Made for Spanish and Mexican names, and not wrong for others: outside the countries of two surnames
the last word is the surname unless the dictionaries know better. Keys fold ``ñ`` to ``n``, because
many systems cannot write it; phonetic keys keep it apart. What was received is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from pipelines.standardise.handles import divided
from pipelines.standardise.hypocoristics import formal_names
from pipelines.standardise.name_evidence import TWO_SURNAMES, Evidence, evidence, evidence_for
from pipelines.standardise.name_order import Reading, divided_surnames, read
from pipelines.standardise.name_words import Unit, abbreviations, expanded, is_title, joined, units
from pipelines.standardise.placeholders import is_blank
from pipelines.standardise.text import dictionary, fold

_KNOWN = 100
"""People of a word in the dictionary beside which a bare short form is one (Ma Rosario; not Ma Ling)."""
_CLEARLY = 2.0
_TOGETHER = 6.0
"""Log ratios for swapped fields: each field alone, and both together."""


class Name(NamedTuple):
    """A person's name; every part is NULL where nothing is known."""

    given_name: str | None = None
    surname: str | None = None
    second_surname: str | None = None
    match_given: str | None = None
    match_given_tokens: tuple[str, ...] | None = None
    match_given_formal: tuple[str, ...] | None = None
    match_surname: str | None = None
    match_second_surname: str | None = None
    match_name_tokens: tuple[str, ...] | None = None
    match_given_phonetic: str | None = None
    match_surname_phonetic: str | None = None
    reasons: tuple[str, ...] = ()


@cache
def _typed_instead() -> dict[str, str]:
    """Folded word → placeholder, or auxiliary: one that makes no name beside a placeholder."""
    return {row["word"]: row["kind"] for row in dictionary("name_placeholders.csv")}


def is_placeholder(value: str) -> bool:
    """True for what is typed instead of a name: test, sin nombre, público en general, xxx, aaaa.

    >>> is_placeholder("PÚBLICO EN GENERAL"), is_placeholder("Ventas"), is_placeholder("Nil")
    (True, False, False)
    """
    words = fold(value).split()
    letters = "".join(words)
    if not any(c.isalpha() for c in letters):
        return True
    if len(words) == 1 and len(letters) > 2 and len(set(letters)) == 1:
        return True
    known = evidence()
    key = " ".join(words)
    is_name = len(key) > 1 and (known.is_given(key) or known.is_surname(key))
    if is_blank(value) and not is_name:
        return True
    kinds = [_typed_instead().get(word) for word in words if not word.isdigit()]
    return None not in kinds and "placeholder" in kinds


def _stands_for_name(unit: Unit, before: Unit | None, after: Unit | None, known: Evidence) -> bool:
    """True where an initial, or a word without a dot, is by its neighbours meant as the short form of a name."""
    full = fold(abbreviations()[unit.key])
    is_of_given = known.leans_to_given(full) > 0
    if unit.is_initial:
        # J. Guadalupe is José Guadalupe; J. Morales may be Juan.
        return after is not None and known.leans_to_given(after.key) > 0
    if before is after is None:
        return True
    if not is_of_given:
        return known.surnames.get(unit.key, 0.0) < _KNOWN
    if after is not None:
        people = max(known.given_words.get(after.key, 0.0), known.surnames.get(after.key, 0.0))
        return people >= _KNOWN
    return before is not None and known.pair(before.words[-1], full) > 0


def in_full(parts: Sequence[Unit], country: str, known: Evidence) -> list[Unit]:
    """The units with their short forms written out (Mª, Fco., Hdz.); an initial stays one.

    Where Spanish is not spoken only a dot or a raised letter makes a short form.
    """
    made: list[Unit] = []
    for at in range(len(parts) - 1, -1, -1):
        unit, before, after = parts[at], parts[at - 1] if at else None, made[0] if made else None
        is_short_form = unit.key in abbreviations() and (
            (unit.is_short and not unit.is_initial)
            or (country in TWO_SURNAMES and _stands_for_name(unit, before, after, known))
        )
        made.insert(0, expanded(unit) if is_short_form else unit)
    return made


def _without_don(parts: list[Unit], known: Evidence) -> list[Unit]:
    """``D. Juan`` is don Juan; ``D. Pérez`` has an initial."""
    is_don = len(parts) > 1 and parts[0].key == "d" and known.leans_to_given(parts[1].key) > 0
    return parts[1:] if is_don else parts


def _by_comma(value: str, country: str, known: Evidence) -> Reading | None:
    """``García López, Juan``: surnames, given names. None where the comma does not say so."""
    front, comma, back = value.partition(",")
    family, given = units(front), units(back)
    if not comma or not family or not given or "," in back or is_title(back):
        return None
    if len(family) > 1 and known.leans_to_given(family[0].key) > 0 >= known.leans_to_given(given[0].key):
        return None
    surnames = divided_surnames(in_full(family, country, known), known, country=country)
    return Reading(tuple(in_full(given, country, known)), *surnames)


def _of_whole(value: str, name_order: str, country: str, known: Evidence) -> Reading:
    if inverted := _by_comma(value, country, known):
        return inverted
    # What follows a comma that does not turn the name is no name (Pedro Soto, Ing.; Ana Ruiz, Puebla).
    front = value.partition(",")[0]
    parts = _without_don(in_full(units(front) or units(value), country, known), known)
    inside = divided(parts[0], known) if len(parts) == 1 else None
    return inside or read(parts, known, name_order=name_order, country=country)


def _is_swapped(given: Sequence[Unit], family: Sequence[Unit], known: Evidence) -> bool:
    """True where both dictionaries clearly say that the fields changed places."""
    first, last = joined(given), joined(family)
    if first is None or last is None or first.is_initial or last.is_initial or last.particles:
        return False
    if not known.is_surname(first.key) or not all(known.is_given(word) for word in last.words):
        return False
    front = known.surname(first.key) - known.given(first.words)
    back = known.given(last.words) - known.surname(last.key)
    return front >= _CLEARLY and back >= _CLEARLY and front + back >= _TOGETHER


def _of_fields(
    given: str | None, surname: str | None, second: str | None, country: str, known: Evidence
) -> Reading:
    front = in_full(units(given or ""), country, known)
    family = in_full(units(surname or ""), country, known)
    last = in_full(units(second or ""), country, known)
    if not family and not last and len(front) > 1:
        return read(front, known, name_order="given_first", country=country)
    if _is_swapped(front, family, known):
        front, family = family, front
    if last:
        return Reading(tuple(front), joined(family), joined(last))
    return Reading(tuple(front), *divided_surnames(family, known, country=country))


def _key(unit: Unit | None, *, with_initial: bool) -> str | None:
    return None if unit is None or (unit.is_initial and not with_initial) else unit.key or None


def _sound(unit: Unit | None, known: Evidence) -> str | None:
    return None if unit is None or unit.is_initial else known.sound(unit.spelling) or None


def _named(found: Reading, reasons: tuple[str, ...], known: Evidence) -> Name:
    given = found.given
    words = [word for unit in given for word in unit.words]
    everything = [
        word for unit in (*given, found.surname, found.second_surname) if unit for word in unit.words
    ]
    return Name(
        given_name=" ".join(unit.spelling for unit in given) or None,
        surname=found.surname.spelling if found.surname else None,
        second_surname=found.second_surname.spelling if found.second_surname else None,
        match_given=" ".join(unit.whole_key for unit in given) or None,
        match_given_tokens=tuple(words) or None,
        match_given_formal=formal_names(words, known) or None,
        match_surname=_key(found.surname, with_initial=False),
        match_second_surname=_key(found.second_surname, with_initial=True),
        # An initial would make one token of half the names.
        match_name_tokens=tuple(sorted({word for word in everything if len(word) > 1})) or None,
        match_given_phonetic=_sound(given[0] if given else None, known),
        match_surname_phonetic=_sound(found.surname, known),
        reasons=reasons,
    )


def standard_name(
    full_name: str | None,
    given_name: str | None,
    surname: str | None,
    second_surname: str | None,
    name_order: str,
    country: str,
) -> Name:
    """A person's name out of one whole field or of fields of its own; the fields count first.

    ``name_order`` (given_first, surname_first, auto) is that of ``full_name``; ``country`` (ISO
    alpha-2) says whether two surnames are usual. A placeholder counts as missing and leaves a reason.
    """
    received = {
        "full_name": full_name,
        "given_name": given_name,
        "surname": surname,
        "second_surname": second_surname,
    }
    present = {field: value for field, value in received.items() if value and value.strip()}
    kept = {field: value for field, value in present.items() if not is_placeholder(value)}
    reasons = tuple(
        sorted({f"{'given_name' if f == 'full_name' else f}:placeholder" for f in present if f not in kept})
    )
    if not kept:
        # The dictionaries take most of a second to read: not for nobody.
        return Name(reasons=reasons)
    known = evidence_for(country)
    whole = kept.pop("full_name", None)
    if whole is not None and not kept:
        return _named(_of_whole(whole, name_order, country, known), reasons, known)
    found = _of_fields(
        kept.get("given_name"), kept.get("surname"), kept.get("second_surname"), country, known
    )
    return _named(found, reasons, known)
