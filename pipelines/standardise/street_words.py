"""A street line as words, and what each word is: a type of street, a floor, a colonia, a number."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from pipelines.standardise.spelling import ORDINAL_NEXT, word_key
from pipelines.standardise.text import dictionary, one_space, repaired

COMMA = ","
NO_NUMBER = "sn"
NUMBER_SIGNS = frozenset({"#", "no", "n°", "num", "numero", "nro", "n"})
"""Before the number of a house."""
STRONG_DISTRICT = frozenset({"col", "colonia", "fracc", "fraccionamiento", "frac"})
"""Begin the district wherever they stand."""
DISTRICT = STRONG_DISTRICT | {"barrio", "bo", "b°", "uh", "urb", "urbanizacion", "ejido", "poblado"}
"""Begin the district after the number."""
CROSSINGS = frozenset({"entre", "esq", "esquina"})
UNITS = {
    key: label
    for label, keys in {
        "Int.": "int interior intr",
        "Depto.": "depto dpto departamento dep depa dto",
        "Apto.": "apto apartamento apt",
        "Piso": "piso",
        "Planta": "planta plta",
        "Nivel": "nivel",
        "Esc.": "esc escalera escala",
        "Edif.": "edif edificio edf",
        "Torre": "torre",
        "Bloque": "bloque blq bloq",
        "Portal": "portal ptal",
        "Pta.": "pta puerta",
        "Local": "local loc",
        "Oficina": "oficina of ofna ofic",
        "Despacho": "despacho desp",
        "Suite": "suite",
        "Módulo": "modulo mod",
        "Nave": "nave",
        "Bodega": "bodega",
        "Casa": "casa",
        "SM": "sm smz supermanzana",
        "Mz.": "mz mza manz manzana",
        "Lt.": "lt lte lote",
    }.items()
    for key in keys.split()
}
"""What names a part of a building or plot, with the value that follows."""
FLOORS = {
    key: label
    for label, keys in {
        "Bajo": "bajo bajos bj bjo baixos",
        "Planta baja": "pb",
        "Entresuelo": "entresuelo entlo entresol",
        "Principal": "principal pral ppal",
        "Ático": "atico atic",
        "Sobreático": "sobreatico sobreatic",
        "Sótano": "sotano",
        "Semisótano": "semisotano",
        "Altos": "altos",
        "PH": "ph penthouse",
        "Dcha.": "dcha dch derecha",
        "Izda.": "izda izq izqda izquierda",
    }.items()
    for key in keys.split()
}
"""Stand alone for a floor or a side."""

_HOUSE = re.compile(r"([0-9]{1,6})(?:\.0+)?([a-z]?[-/][0-9]{1,5})?-?([a-zñ]?|bis|ter)")
_REWRITES = tuple(
    (re.compile(pattern, re.IGNORECASE), to)
    for pattern, to in (
        (r"[\n\r;|]+|\s[-–—]\s", ", "),
        (r"\b(?:s\s?/\s?n|s\.\s?n\.?|sin (?:n[uú]mero|n[uú]m|no)\b)(?!\w)\.?", " SN "),
        (r"\bc\.\s?p\.?[\s:]*(?=[0-9])|\bcp[\s.:]*(?=[0-9])", " CP "),
        (r"\bu\.\s?h\.?(?!\w)", " UH "),
        (r"(?:^|(?<=\s))c/\s*", "C. "),
        (r"\be/\s*", " entre "),
        (r"#", " # "),
        (r"°|º|(?<=[0-9])è(?!\w)", "º "),
        (r"ª", "ª "),
        (r"(km\.?\s*[0-9]+),(?=[0-9])", r"\1."),
        (r"(?<=[^\W\d_]{2})\.(?=\w)", ". "),
        (r"\b(no|n[uú]m|km|int|depto|dpto|esc|pta|edif|mza?|manz|lte?|loc|sm)[.-]?(?=[0-9])", r"\1. "),
        (r",", " , "),
    )
)


class Word(NamedTuple):
    """One word of a line as received, and its key (``word_key``)."""

    text: str
    key: str


class StreetTypes(NamedTuple):
    """Types of street: code by spelling before and after the name, and the codes that numbers can name."""

    before: dict[str, str]
    after: dict[str, str]
    numbered: frozenset[str]


@cache
def street_types() -> StreetTypes:
    """The configuration's types of street. Raises UsageError where they are missing."""
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    numbered = set()
    for row in dictionary("street_types.csv"):
        before |= {_phrase_key(each): row["code"] for each in row["spellings"].split(";")}
        after |= {word_key(each): row["code"] for each in row["suffixes"].split(";") if each}
        if row["numbered"]:
            numbered.add(row["code"])
    return StreetTypes(before, after, frozenset(numbered))


def _phrase_key(phrase: str) -> str:
    return " ".join(word_key(word) for word in phrase.split())


def words_of(line: str) -> list[Word]:
    """The words of a line; a comma is a word, and so is what stands for one."""
    text = one_space(repaired(line))
    for pattern, to in _REWRITES:
        text = pattern.sub(to, text)
    words = [Word(each, each if each in {COMMA, "#"} else word_key(each)) for each in text.split()]
    return [word for word in words if word.key]


def key_at(words: list[Word], at: int) -> str:
    """The key of the word at ``at``; empty where there is none."""
    return words[at].key if 0 <= at < len(words) else ""


def house_number(words: list[Word], at: int) -> tuple[str, int] | None:
    """The number of a house that stands at ``at`` in standard form, and where what follows it begins.

    >>> house_number(words_of("12B"), 0), house_number(words_of("0012 bis Col. Centro"), 0)
    (('12-B', 1), ('12 bis', 2))
    """
    found = _HOUSE.fullmatch(words[at].text.lower().rstrip(".")) if at < len(words) else None
    if not found:
        return None
    digits, more, letter = str(int(found[1])), (found[2] or "").upper(), found[3]
    following, after = key_at(words, at + 1), at + 1
    is_letter = re.fullmatch("[a-d]", following) and key_at(words, at + 2) not in ORDINAL_NEXT
    if not letter and (following in {"bis", "ter"} or is_letter):
        letter, after = following, at + 2
    elif not (letter or more) and following in {"y", "al"} and key_at(words, at + 2).isdecimal():
        more, after = f"-{key_at(words, at + 2)}", at + 3
    if int(found[1]) == 0:
        return "SN", after
    if letter in {"bis", "ter"}:
        return f"{digits}{more} {letter}", after
    return f"{digits}{more}" + (f"-{letter.upper()}" if letter else ""), after


def number_key(number: str | None) -> str:
    """A number folded for comparison (``12-B`` and ``12 B`` are one); empty where there is none.

    >>> number_key("12-B"), number_key("Km 14.5"), number_key("SN")
    ('12b', 'km14.5', '')
    """
    if number is None or number == "SN":
        return ""
    return re.sub(r"(?<=[0-9])-(?=[a-z])| ", "", number.lower())
