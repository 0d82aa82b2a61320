"""Which units of a whole name are given names and which are surnames: the likeliest reading by the dictionaries.

A reading is an order, a number of given names and a division of the rest into one or two surnames.
Its weight is the log of how common such names are plus the log share of each part as what the
reading takes it for. Equal weights fall to given names first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipelines.standardise.name_evidence import TWO_SURNAMES, Evidence
from pipelines.standardise.name_words import Unit, joined

# Shares of names by number of parts: choices that say what is usual, not measurements.
_GIVEN_NAMES = {0: 0.003, 1: 0.55, 2: 0.397, 3: 0.04, 4: 0.01}
_SURNAMES = {True: {0: 0.08, 1: 0.44, 2: 0.48}, False: {0: 0.08, 1: 0.919, 2: 0.001}}
"""By whether two surnames are usual in the country."""
_GIVEN_FIRST = {True: 0.55, False: 0.99}
"""Share of names that begin with the given name, where the source declares no order; by the same. Where
the dictionaries know few of the names, they seldom turn one around."""
_INITIAL = {"given": 0.003, "later_given": 0.03, "surname": 0.01, "second_surname": 0.1}
"""Share of names that are one letter, by what they stand for."""
_OPEN_COMPOUND = 0.001
"""Share of surnames of several words that no dictionary knows, for each word more."""
_MARRIED_COMPOUND = 0.05
"""The same where the second word has a particle (García de Paredes)."""
_DEVOTION = 1e-4
"""Least share at which a unit with a particle is a second given name (María del Carmen)."""


class Reading(NamedTuple):
    """A name divided: units of the given names, and the two surnames."""

    given: tuple[Unit, ...]
    surname: Unit | None
    second_surname: Unit | None


def _given_weight(given: Sequence[Unit], evidence: Evidence) -> float:
    """Log share of people with these given names; minus infinity where they cannot be given names."""
    weight = 0.0
    words: list[str] = []
    for at, unit in enumerate(given):
        if unit.is_initial:
            weight += math.log(_INITIAL["later_given" if at else "given"])
            continue
        if unit.particles and (not words or evidence.pair(words[-1], unit.words[0]) < _DEVOTION):
            return -math.inf
        words.extend(unit.words)
    return weight + evidence.given(words)


def surname_weight(parts: Sequence[Unit], evidence: Evidence, role: str = "surname") -> float:
    """Log share of people whose one surname these units make."""
    if len(parts) == 1:
        unit = parts[0]
        return math.log(_INITIAL[role]) if unit.is_initial else evidence.surname(unit.key)
    if any(unit.is_initial for unit in parts):
        return -math.inf
    key = " ".join(unit.key for unit in parts)
    if evidence.is_surname(key):
        return evidence.surname(key)
    each = _MARRIED_COMPOUND if len(parts) == 2 and parts[1].particles else _OPEN_COMPOUND
    alone = sum(evidence.surname(unit.key) for unit in parts)
    return alone + math.log(each) * (len(parts) - 1)


def _divided(parts: Sequence[Unit], evidence: Evidence, share: dict[int, float]) -> tuple[float, int]:
    """The likeliest division of the units of the surnames: its weight, and the units of the first."""
    if not parts:
        return math.log(share[0]), 0
    best = (math.log(share[1]) + surname_weight(parts, evidence), len(parts))
    for first in range(1, len(parts)):
        weight = (
            math.log(share[2])
            + surname_weight(parts[:first], evidence)
            + surname_weight(parts[first:], evidence, "second_surname")
        )
        best = max(best, (weight, first), key=lambda found: found[0])
    return best


def divided_surnames(
    parts: Sequence[Unit], evidence: Evidence, *, country: str
) -> tuple[Unit | None, Unit | None]:
    """First and second surname out of one field of surnames (García López; Ponce de León)."""
    _, first = _divided(parts, evidence, _SURNAMES[country in TWO_SURNAMES])
    return joined(parts[:first]), joined(parts[first:])


def _orders(name_order: str, country: str) -> dict[bool, float]:
    """Log share by whether given names stand first."""
    if name_order == "surname_first":
        return {False: 0.0}
    if name_order == "auto":
        first = _GIVEN_FIRST[country in TWO_SURNAMES]
        return {True: math.log(first), False: math.log(1 - first)}
    return {True: 0.0}


def _readings(
    parts: Sequence[Unit], name_order: str, country: str, evidence: Evidence
) -> Iterator[tuple[float, Reading]]:
    share = _SURNAMES[country in TWO_SURNAMES]
    # A source that writes surnames first has one wherever there is more than one word.
    most = len(parts) - 1 if name_order == "surname_first" and len(parts) > 1 else len(parts)
    for is_given_first, order_weight in _orders(name_order, country).items():
        for count in range(min(most, max(_GIVEN_NAMES)) + 1):
            cut = count if is_given_first else len(parts) - count
            front, back = parts[:cut], parts[cut:]
            given, family = (front, back) if is_given_first else (back, front)
            weight = order_weight + math.log(_GIVEN_NAMES[count]) + _given_weight(given, evidence)
            if weight == -math.inf:
                continue
            surnames_weight, first = _divided(family, evidence, share)
            yield (
                weight + surnames_weight,
                Reading(tuple(given), joined(family[:first]), joined(family[first:])),
            )


def read(parts: Sequence[Unit], evidence: Evidence, *, name_order: str, country: str) -> Reading:
    """The likeliest reading of a whole name.

    ``name_order``: given_first, surname_first, or auto where the source knows no order. ``country``:
    ISO alpha-2, whether two surnames are usual.
    """
    found = list(_readings(parts, name_order, country, evidence))
    # A name that cannot be read in the declared order (surnames only, with a particle first).
    return max(found, key=lambda each: each[0])[1] if found else Reading((), joined(parts), None)
