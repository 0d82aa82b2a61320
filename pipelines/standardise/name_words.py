"""A name as received → its units: words with the particles that belong to them, in standard spelling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

from pipelines.standardise.text import dictionary, fold, one_space, repaired

_PARTICLES = "de del la las los el da das do dos di du della van von der den ten ter zu al bin ibn"
PARTICLES = frozenset(_PARTICLES.split())
CONNECTORS = frozenset({"y", "i", "e"})
"""Stand between two surnames (Ortega y Gasset, Pi i Margall); of no use in a name."""
HOLY = frozenset({"san", "santa", "santo", "sant", "sao"})
"""Make one name with the next word: San Vicente, Santa Cruz."""
_BEFORE = (
    "sr sra srta srita sres dr dra don dona dna dn lic licda licdo ldo lda ing arq prof profa profr mtro mtra "
    "mr mrs ms miss mister sir dame lord lady rev hon"
)
_TITLES = frozenset(_BEFORE.split())
_AFTER = frozenset(
    {"jr", "sr", "ii", "iii", "iv", "phd", "mba", "md", "lic", "ing", "dr", "dra", "esq", "bt", "bart"}
)
"""Titles and numbers of generation that follow a name."""
_WIDOW = frozenset({"vda", "viuda"})
_SHORT_TITLES = re.compile(r"^\s*(?:d\.?ª|dª|c\.\s?p\.)\s+(?=\w)", re.IGNORECASE)
# One digit inside a word is a slip of the hand or of a reader of paper; several part two words.
_TOKENS = re.compile(r"[^\W\d_]+(?:(?:['’´`-]|\d(?=[^\W\d_]))[^\W\d_]+)*[.ªº]*")
_ORDINAL = re.compile(r"\b\d+(?:st|nd|rd|th)\b", re.IGNORECASE)
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]|@.*")
_SHORT_MARIA = re.compile(r"\b[Mm]\.\s?(?:ª|a\b(?!\.))")
_OWN_CAPITALS = re.compile(r"^(?:Mc|Mac|Fitz|De|Di|Da|O['’])[A-ZÁÉÍÓÚÑ][a-záéíóúüñ]+$")


@dataclass(frozen=True)
class Token:
    """One word as received; ``is_short`` where a dot or a raised letter says that it is cut."""

    text: str
    key: str
    is_short: bool


@dataclass(frozen=True)
class Unit:
    """A word of a name with the particles before it: ``de la Cruz``; ``San Vicente`` is one too."""

    spelling: str
    """In standard spelling, with its particles."""
    words: tuple[str, ...]
    """Folded, without particles."""
    particles: tuple[str, ...] = ()
    """Folded, in order."""
    is_short: bool = False

    @property
    def key(self) -> str:
        """Folded, without particles."""
        return " ".join(self.words)

    @property
    def whole_key(self) -> str:
        """Folded, with particles."""
        return " ".join((*self.particles, *self.words))

    @property
    def is_initial(self) -> bool:
        """True where one letter stands for a name."""
        return len(self.key) == 1


@cache
def abbreviations() -> dict[str, str]:
    """Folded short form → the name in full: ``hdz`` → ``Hernández``."""
    return {fold(row["abbr"]): row["expansion"] for row in dictionary("name_abbreviations.csv")}


def _cased(part: str) -> str:
    if _OWN_CAPITALS.match(part):
        return part
    for mark in "'’´`":
        head, found, tail = part.partition(mark)
        if found:
            return f"{head.capitalize()}'{tail.capitalize()}"
    return part.capitalize()


def spelled(word: str) -> str:
    """A word in name case with its accents: hyphens, O'Neill and McGregor keep their form.

    >>> spelled("GARCÍA-HUIDOBRO"), spelled("o'neill"), spelled("McGregor")
    ('García-Huidobro', "O'Neill", 'McGregor')
    """
    return "-".join(_cased(part) for part in word.split("-"))


def tokens(value: str) -> list[Token]:
    """The words of a text: digits, underscores and other signs part them; an e-mail's domain is none."""
    text = _SHORT_TITLES.sub("", repaired(one_space(value)))
    text = _SHORT_MARIA.sub("Mª", _ASIDE.sub(" ", _ORDINAL.sub(" ", text))).replace("_", " ")
    words = ((word, fold(word)) for word in _TOKENS.findall(text))
    return [Token(word.rstrip("."), key, word[-1] in ".ªº") for word, key in words if key]


def _without_titles(found: list[Token]) -> list[Token]:
    kept = [token for token in found if token.key not in _WIDOW] or found
    while len(kept) > 1 and kept[0].key in _TITLES:
        kept = kept[1:]
    while len(kept) > 2 and kept[-1].key in _AFTER:
        kept = kept[:-1]
    return kept


def is_title(value: str) -> bool:
    """True where a text is titles only, as after a name and a comma (Soto, Ing.)."""
    return all(token.key in _AFTER for token in tokens(value))


def _is_connector(found: Sequence[Token], at: int) -> bool:
    """``y`` between words; ``i`` and ``e`` in small letters only, where they are no initials."""
    token = found[at]
    if token.key not in CONNECTORS or token.is_short or not 0 < at < len(found) - 1:
        return False
    return token.key == "y" or token.text.islower()


def _unit(particles: list[Token], parts: list[Token]) -> Unit:
    small = [token.text.lower() for token in particles]
    # A single letter keeps its dot: it is no name.
    big = [f"{t.text.upper()}." if len(t.key) == 1 else spelled(t.text) for t in parts]
    return Unit(
        spelling=" ".join([*small, *big]),
        words=tuple(word for token in parts for word in token.key.split()),
        particles=tuple(token.key for token in particles),
        is_short=any(token.is_short for token in parts),
    )


def units(value: str) -> list[Unit]:
    """The units of a name in the order received; titles and connectors dropped, nothing expanded yet."""
    found = _without_titles(tokens(value))
    made: list[Unit] = []
    particles: list[Token] = []
    at = 0
    while at < len(found):
        token = found[at]
        at += 1
        if _is_connector(found, at - 1) and not particles:
            continue
        if token.key in PARTICLES and at < len(found) and not token.is_short:
            particles.append(token)
            continue
        parts = [token]
        holy = fold(abbreviations().get(token.key, token.text))
        if holy in HOLY and at < len(found) and found[at].key not in PARTICLES:
            parts = [replace(token, text=holy, key=holy, is_short=False), found[at]]
            at += 1
        made.append(_unit(particles, parts))
        particles = []
    return made


def expanded(unit: Unit) -> Unit:
    """A unit whose word is a known short form, in full; any other as it is."""
    full = abbreviations().get(unit.key)
    if full is None:
        return unit
    particles = unit.spelling.split()[: len(unit.particles)]
    return replace(unit, spelling=" ".join([*particles, full]), words=(fold(full),), is_short=False)


def joined(parts: Sequence[Unit]) -> Unit | None:
    """Several units as one name, particles inside it kept in the spelling; None of none."""
    if not parts:
        return None
    return Unit(
        spelling=" ".join(unit.spelling for unit in parts),
        words=tuple(word for unit in parts for word in unit.words),
        particles=parts[0].particles,
        is_short=any(unit.is_short for unit in parts),
    )
