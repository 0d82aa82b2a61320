"""Names written as one word, as people do for accounts: ``anajimenez`` → Ana Jiménez, ``ltamez`` → L. Tamez.

A word is divided only where no dictionary has it whole, every part is a name, and the parts are
frequent enough for the length of the word: a foreign name stays whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from pipelines.standardise.name_evidence import Evidence
from pipelines.standardise.name_order import Reading
from pipelines.standardise.name_words import Unit, spelled

_SHORTEST = 6
_LEAST_GIVEN = 3
_LEAST_SURNAME = 4
_INITIAL = 0.02
"""Share of joined names that begin with the initial of the given name: a choice, not a measurement."""
_BY_LETTER = 2.0
"""Log weight that a letter may cost: a chance division of a word costs more."""


def _surnames(word: str, evidence: Evidence) -> Iterator[tuple[float, tuple[str, ...]]]:
    """The ways to read a word as one or two surnames, each with its log share."""
    if len(word) >= _LEAST_SURNAME and evidence.is_surname(word):
        yield evidence.surname(word), (word,)
    for at in range(_LEAST_SURNAME, len(word) - _LEAST_SURNAME + 1):
        first, second = word[:at], word[at:]
        if evidence.is_surname(first) and evidence.is_surname(second):
            yield evidence.surname(first) + evidence.surname(second), (first, second)


def _divisions(word: str, evidence: Evidence) -> Iterator[tuple[float, str, tuple[str, ...]]]:
    """The ways to read a word: log share, the roles of its parts (g given, s surname), the parts."""
    for weight, family in _surnames(word[1:], evidence):
        yield weight + math.log(_INITIAL), "gss", (word[0], *family)
    for at in range(_LEAST_GIVEN, len(word) - _LEAST_GIVEN + 1):
        front, back = word[:at], word[at:]
        if evidence.is_given(front):
            given = evidence.given((front,))
            for weight, family in _surnames(back, evidence):
                yield given + weight, "gss", (front, *family)
            if evidence.is_given(back) and evidence.pair(front, back):
                yield evidence.given((front, back)), "gg", (front, back)
        if len(front) >= _LEAST_SURNAME and evidence.is_given(back) and evidence.is_surname(front):
            yield evidence.surname(front) + evidence.given((back,)), "sg", (front, back)


def divided(unit: Unit, evidence: Evidence) -> Reading | None:
    """The names inside a word that no dictionary has; None where there is no good division."""
    word = unit.key
    known = evidence.is_given(word) or evidence.is_surname(word)
    if known or len(word) < _SHORTEST or len(unit.words) > 1 or unit.particles or not word.isalpha():
        return None
    found = max(_divisions(word, evidence), default=None)
    if found is None or found[0] < -_BY_LETTER * len(word):
        return None
    # The letters as written keep their accents, where folding left as many.
    letters = unit.spelling if len(unit.spelling) == len(word) else word
    parts: dict[str, list[Unit]] = {"g": [], "s": []}
    at = 0
    for role, part in zip(found[1], found[2], strict=False):
        text = letters[at : at + len(part)]
        at += len(part)
        parts[role].append(Unit(f"{text.upper()}." if len(part) == 1 else spelled(text), (part,)))
    first, second = [*parts["s"], None, None][:2]
    return Reading(tuple(parts["g"]), first, second)
