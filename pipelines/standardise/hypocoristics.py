"""Short and fond forms of given names → the formal names that they may stand for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

from pipelines.standardise.name_evidence import Evidence, evidence, without_particles
from pipelines.standardise.text import dictionary, fold

_DIMINUTIVES = (
    ("quito", ("co",)),
    ("quita", ("ca",)),
    ("quillo", ("co",)),
    ("guito", ("go",)),
    ("guita", ("ga",)),
    ("citos", ("s",)),
    ("cito", ("", "ce")),
    ("cita", ("", "ce")),
    ("itos", ("os", "s")),
    ("ito", ("o", "", "e")),
    ("ita", ("a", "", "e")),
    ("illo", ("o", "", "e")),
    ("illa", ("a", "", "e")),
)
"""Ending of a diminutive → endings of the name it is made from (Dieguito: Diego)."""
_MUCH_MORE = 5
"""A name is a diminutive where the name it is made from is so much more frequent (Anita, not Margarita)."""
_FREQUENT = 500
"""Least people of a name that diminutives are made from; the dictionary's counts for Spain."""


@cache
def _table() -> dict[str, frozenset[str]]:
    """Folded variant → words of its formal names without particles (``maru`` → eugenia, maria).

    A variant that is itself a formal name and borne by more people (José, of Josefina) is left out:
    it would say little.
    """
    known = evidence()
    rows = [
        (fold(row["variant"]), without_particles(row["formal"])) for row in dictionary("hypocoristics.csv")
    ]
    formal_alone = {formal[0] for _, formal in rows if len(formal) == 1}
    found: dict[str, set[str]] = defaultdict(set)
    for variant, formal in rows:
        if variant not in formal_alone or known.people((variant,)) < known.people(formal):
            found[variant].update(formal)
    return {variant: frozenset(formal) for variant, formal in found.items()}


def _made_from(word: str, known: Evidence) -> set[str]:
    """The frequent names that a word is a regular diminutive of, with what these stand for."""
    people = known.given_words
    for ending, origins in _DIMINUTIVES:
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2:
            continue
        least = max(_FREQUENT, _MUCH_MORE * people.get(word, 0.0))
        names = {stem + origin for origin in origins if people.get(stem + origin, 0.0) >= least}
        if names:
            return names.union(*(_table().get(name, frozenset()) for name in names))
    return set()


def formal_names(words: Sequence[str], known: Evidence) -> tuple[str, ...]:
    """The words of given names and every formal name they may stand for; folded, sorted, distinct.

    A compound nickname brings each word of its name: ``maru`` → eugenia, maria, maru.
    """
    found = set(words)
    for word in words:
        found |= _table().get(word) or _made_from(word, known)
    for first, second in pairwise(words):
        found |= _table().get(f"{first} {second}", frozenset())
    return tuple(sorted(found))
