"""Places and streets as people write them: name case, abbreviations in full, accents that capitals lost."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise

from pipelines.standardise.text import REMEMBERED, dictionary, one_space, plain

_BINDING = "de del la las los el y d l les dels els da do das"
SMALL_WORDS = frozenset(_BINDING.split()) | {"al", "en", "entre"}
"""Written small inside a name."""
PARTICLES = frozenset(_BINDING.split()) | {"e"}
"""Left out of keys: people write them or not."""
_POINTS = "norte sur oriente poniente este oeste nte ote pte noreste noroeste sureste suroeste"
COMPASS = frozenset(_POINTS.split())
_COUNTED = "seccion secc sec etapa fase sector cerrada privada ampliacion unidad zona"
ORDINAL_NEXT = frozenset(_COUNTED.split())
"""What ``1a`` counts in the name of a place (1a Sección); anywhere else ``1A`` is number one, letter A."""

_SPEAKERS = "MX ES AR BO CL CO CR CU DO EC SV GQ GT HN NI PA PY PE PR UY VE"
_SPANISH = frozenset(_SPEAKERS.split())
_CATALAN = frozenset({"les", "dels", "els", "sant"})
"""Beside these no Spanish accent is set: Gran Via de les Corts Catalanes."""
_PARTS = re.compile(r"([-'’/(\"])")
_SIGNS = re.compile(r"[.,:;()\"'’´`/¡!¿?]+")
_ROMAN = re.compile(r"(?=[ivx]{2})x{0,3}(?:ix|iv|v?i{0,3})")
_ORDINAL = re.compile(r"\d+(?:([ao])|er|ra|da|ta|ma|va|na|do|ro|to|mo|vo|no)")
_LOST_ACCENT = re.compile(r"\w*[csx]ion|\w+(?:tl|[ai]c)an")
"""Endings that always bear the accent: -ción, -sión, -xión, and the Nahuatl -tlán, -acán, -icán."""
_ACRONYMS = "imss issste infonavit fovissste ctm croc unam ipn snte"
_CAPITALS = frozenset(_ACRONYMS.split())
_FLAT_LETTER = re.compile(r"(?<=[0-9])-(?=[^\W\d_]\b)")
"""21-A is 21A."""
_NUMERALS = (
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidos veintitres veinticuatro veinticinco"
)
_DAYS = {
    **{word: str(day) for day, word in enumerate(_NUMERALS.split(), start=1)},
    **dict.fromkeys(("primero", "1o", "1°", "1ro", "1ero", "1er"), "1"),
    "treinta": "30",
}
_YEAR = "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre"
_MONTHS = frozenset(_YEAR.split())


@lru_cache(maxsize=REMEMBERED)
def word_key(word: str) -> str:
    """A word to look up: small, without accents and punctuation; ``º`` and ``ª`` become ``°``.

    >>> word_key("P.º"), word_key("(Díaz)")
    ('p°', 'diaz')
    """
    return _SIGNS.sub("", plain(word.replace("º", "°").replace("ª", "°")))


@cache
def _accented() -> dict[str, str]:
    return {plain(row["word"]): row["word"].lower() for row in dictionary("place_words.csv")}


@cache
def _abbreviations() -> dict[str, str]:
    """Full word by abbreviation; one that needs its dot keeps it in the key."""
    return {
        word_key(row["abbreviation"]) + "." * row["abbreviation"].endswith("."): row["expansion"]
        for row in dictionary("place_abbreviations.csv")
    }


def _in_full(word: str, *, is_first: bool) -> str:
    """The word that an abbreviation stands for; any other word as it is."""
    key = word_key(word)
    if key == "pte" and is_first:
        return "Presidente"
    full = _abbreviations()
    return full.get(key + "." if word.endswith(".") else key) or full.get(key) or word


def _capital(part: str) -> str:
    # A letter whose capital is two letters stays as it is: a standard spelling is standard again.
    return "".join(
        c if len(made := c.upper() if at == 0 else c.lower()) != 1 else made for at, c in enumerate(part)
    )


def _with_accent(part: str) -> str:
    """A part of a word with the accent that it must bear, where it came without any."""
    low = part.lower()
    if not low.isascii():
        return low
    if _LOST_ACCENT.fullmatch(low):
        return f"{low[:-2]}{'ó' if low[-2] == 'o' else 'á'}n"
    return _accented().get(low, low)


def _cased(word: str, following: str, country: str, *, is_first: bool, is_spanish: bool) -> str:
    key = word_key(word)
    is_small = (
        key in SMALL_WORDS or (key == "i" and country == "ES") or (key == "x" and following[:1].isdecimal())
    )
    if is_small and not is_first and not word.endswith("."):
        return word.lower()
    if any(c.isdigit() for c in word):
        ordinal = _ORDINAL.fullmatch(key)
        if ordinal and (not ordinal[1] or word_key(following) in ORDINAL_NEXT | {"de"}):
            return word.lower().rstrip(".")
        return word.upper() if word.isascii() else word
    if _ROMAN.fullmatch(key) or key in _CAPITALS:
        return word.upper()
    parts = _PARTS.split(word)
    small = {at for at, part in enumerate(parts[:-1]) if part.lower() in {"d", "l"} and parts[at + 1] in "'’"}
    return "".join(
        part.lower()
        if at in small and not (is_first and at == 0)
        else _capital(_with_accent(part) if is_spanish else part)
        for at, part in enumerate(parts)
    )


@lru_cache(maxsize=REMEMBERED)
def spelled(value: str, country: str) -> str:
    """A place's or street's name in standard spelling; a standard spelling stays as it is.

    >>> spelled("SAN PEDRO DE LOS GARZA", "MX"), spelled("Cd. Juarez", "MX")
    ('San Pedro de los Garza', 'Ciudad Juárez')
    """
    words = one_space(value).strip(" ,;").split()
    full = " ".join(_in_full(word, is_first=at == 0) for at, word in enumerate(words)).split()
    is_spanish = country in _SPANISH and _CATALAN.isdisjoint(word_key(word) for word in full)
    return " ".join(
        _cased(word, following, country, is_first=at == 0, is_spanish=is_spanish)
        for at, (word, following) in enumerate(pairwise([*full, ""]))
    )


def name_key(name: str) -> str:
    """A standard name folded for comparison: no accents, no particles, days of the month in digits.

    >>> name_key("Cinco de Mayo"), name_key("Paseo de la Reforma")
    ('5 mayo', 'paseo reforma')
    """
    apart = re.sub(r"['’´`-]", " ", _FLAT_LETTER.sub("", name))
    words = [word_key(word) for word in apart.split()]
    kept = [word for word in words if word and word not in PARTICLES] or [word for word in words if word]
    return " ".join(
        _DAYS.get(word, word) if following in _MONTHS else word for word, following in pairwise([*kept, ""])
    )
