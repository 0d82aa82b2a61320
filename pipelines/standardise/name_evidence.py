"""What the dictionaries say about words: how likely one is as a given name, and as a surname.

All figures are natural logarithms of shares of people. The dictionaries count people in Spain, and
a name that only Mexico has counts little there: shares say which of two readings is likelier, not
how frequent a name is in a country.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

from pipelines.standardise.name_words import PARTICLES
from pipelines.standardise.phonetic import phonetic
from pipelines.standardise.text import dictionary, fold

_SPANISH = "ES MX AR BO CL CO CR CU DO EC GQ GT HN NI PA PE PR PY SV UY VE"
TWO_SURNAMES = frozenset(_SPANISH.split())
"""Countries (ISO alpha-2) of the dictionaries' names, where people bear the first surname of each parent."""

# Choices, not measurements: each weighs one kind of evidence against another.
_UNKNOWN = 1e-4
"""Share of names in no dictionary that end in any given way."""
_ENDING = 3
_AS_NICKNAME = 0.02
"""Of the people of a formal name, those who are recorded by one of its short forms."""
_PAIR = 0.5
"""How much a known pair of given names (José Luis) counts against its words one by one."""
_ELSEWHERE = 1e-6
"""Least share of a name in other countries: there the dictionaries lack too many to tell rare ones apart."""
_MUCH_MORE = 10
"""So much more frequent is the spelling with ñ where the one without it is a slip."""


def without_particles(name: str) -> tuple[str, ...]:
    """The folded words of a dictionary's entry, particles dropped unless there is nothing else."""
    # Nearly all entries stand folded in the dictionaries; they are many, and each process reads them.
    words = (
        name if name.isascii() and name.islower() and name.replace(" ", "").isalnum() else fold(name)
    ).split()
    if PARTICLES.isdisjoint(words):
        return tuple(words)
    return tuple(word for word in words if word not in PARTICLES) or tuple(words)


@dataclass(frozen=True)
class Evidence:
    """Counts of people by folded name; ask through the methods."""

    given_words: dict[str, float]
    given_pairs: dict[tuple[str, str], float]
    surnames: dict[str, float]
    """By key: without particles, compounds as several words (``ponce leon``)."""
    given_endings: dict[str, float]
    surname_endings: dict[str, float]
    with_tilde: dict[str, str]
    """Word without ñ → the same with ñ, where that is what people mean (munoz → muñoz)."""
    given_total: float
    surname_total: float
    least: float = 0.0
    """Share of any name, known or not."""

    def _word(self, word: str) -> float:
        count = self.given_words.get(word)
        if count is not None:
            return count / self.given_total
        return _UNKNOWN * self.given_endings.get(word[-_ENDING:], self.given_endings[""])

    def given(self, words: Sequence[str]) -> float:
        """Log share of people with these given names, in this order."""
        total = 0.0
        before: str | None = None
        for word in words:
            share = max(self._word(word), self.least)
            if before is not None:
                share = (1 - _PAIR) * share + _PAIR * self.pair(before, word)
            total += math.log(share)
            before = word
        return total

    def pair(self, first: str, second: str) -> float:
        """Of the people with ``first`` among their given names, the share with ``second`` after it."""
        count = self.given_pairs.get((first, second), 0.0)
        return count / self.given_words[first] if count else 0.0

    def people(self, words: Sequence[str]) -> float:
        """How many bear one given name, or two in this order; 0 where the dictionary has none."""
        if len(words) == 1:
            return self.given_words.get(words[0], 0.0)
        return self.given_pairs.get((words[0], words[1]), 0.0)

    def surname(self, key: str) -> float:
        """Log share of people with this surname (a key without particles)."""
        count = self.surnames.get(key)
        if count is not None:
            return math.log(max(count / self.surname_total, self.least))
        ending = self.surname_endings.get(key[-_ENDING:], self.surname_endings[""])
        return math.log(max(_UNKNOWN * ending, self.least))

    def leans_to_given(self, word: str) -> float:
        """Log ratio of the word as a given name against the word as a surname."""
        return self.given((word,)) - self.surname(word)

    def is_given(self, word: str) -> bool:
        """True where a dictionary has the word as a given name or its short form."""
        return word in self.given_words

    def is_surname(self, key: str) -> bool:
        """True where the dictionary has the surname."""
        return key in self.surnames

    def sound(self, spelling: str) -> str:
        """Phonetic key of a name without its particles.

        A lost ñ is restored first (Munoz sounds like Muñoz); Peña and Pena are both names and differ.
        """
        words = spelling.replace("-", " ").split()
        names = [word for word in words if fold(word) not in PARTICLES] or words
        return phonetic(" ".join(self.with_tilde.get(word.casefold(), word) for word in names))


def _endings(words: Iterable[str]) -> dict[str, float]:
    """Share of distinct names by their last letters; under ``""`` that of an ending never seen."""
    seen = Counter(word[-_ENDING:] for word in words)
    total = seen.total() + len(seen) + 1
    return {"": 1 / total} | {ending: (count + 1) / total for ending, count in seen.items()}


def _tildes(people: Mapping[str, float]) -> dict[str, str]:
    """Which words without ñ are slips for one with it; ``people`` by word in lower case, ñ kept."""
    best: dict[str, str] = {}
    for word in sorted((word for word in people if "ñ" in word), key=lambda w: (-people[w], w)):
        best.setdefault(fold(word), word)
    return {
        bare: word
        for bare, word in best.items()
        if people[word] >= _MUCH_MORE * max(people.get(bare, 0.0), 1.0)
    }


@cache
def evidence() -> Evidence:
    """The dictionaries, read once in a process. Raises UsageError where one is missing."""
    given: dict[str, float] = defaultdict(float)
    pairs: dict[tuple[str, str], float] = defaultdict(float)
    surnames: dict[str, float] = defaultdict(float)
    written: dict[str, float] = defaultdict(float)
    for row in dictionary("given_names.csv.gz"):
        words, count = without_particles(row["name"]), float(row["frequency"] or 1)
        for word in words:
            given[word] += count
        for first, second in pairwise(words):
            pairs[first, second] += count
    for row in dictionary("surnames.csv.gz"):
        count = float(row["frequency"] or 1)
        surnames[" ".join(without_particles(row["name"]))] += count
        for word in row["name"].casefold().split():
            written[word] += count
    for row in dictionary("hypocoristics.csv"):
        formal, variant = without_particles(row["formal"]), without_particles(row["variant"])
        people = pairs.get((formal[0], formal[1]), 0.0) if len(formal) > 1 else given.get(formal[0], 0.0)
        known_as = max(_AS_NICKNAME * people, 1.0)
        if len(variant) > 1:
            pairs[variant[0], variant[1]] += known_as
        given[variant[-1]] = max(given[variant[-1]], known_as)
    return Evidence(
        given_words=dict(given),
        given_pairs=dict(pairs),
        surnames=dict(surnames),
        given_endings=_endings(given),
        surname_endings=_endings(surnames),
        with_tilde=_tildes(written),
        given_total=sum(given.values()),
        surname_total=sum(surnames.values()),
    )


@cache
def evidence_elsewhere() -> Evidence:
    """The dictionaries for countries that are not theirs: only frequent names say something."""
    return replace(evidence(), least=_ELSEWHERE)


def evidence_for(country: str) -> Evidence:
    """What the dictionaries say about the names of a country (ISO alpha-2)."""
    return evidence() if country in TWO_SURNAMES else evidence_elsewhere()
