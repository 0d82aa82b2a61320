"""The street's part of a line: type, name and number."""

from __future__ import annotations

import re
from typing import NamedTuple

from pipelines.standardise.interiors import Parts, read_tail, starts_district, unit_at
from pipelines.standardise.spelling import COMPASS, ORDINAL_NEXT, name_key, spelled
from pipelines.standardise.street_words import (
    CROSSINGS,
    NO_NUMBER,
    NUMBER_SIGNS,
    STRONG_DISTRICT,
    UNITS,
    Word,
    house_number,
    key_at,
    number_key,
    street_types,
)

_NUMBER_FIRST = frozenset({"US", "GB", "CA", "IE", "AU", "NZ", "FR"})
"""Countries that write the number before the street."""
_OF = frozenset({"de", "del", "dels", "d", "do", "da", "das"})
_ARTICLES = frozenset({"la", "las", "los", "el", "les", "els", "l"})
_COUNTED = re.compile(r"[0-9]{1,2}(?:a|o|°|ra|da|er|ro|do)")
_BEFORE_NUMBERS = frozenset(
    {"calle", "federal", "estatal", "ruta", "seccion", "sector", "etapa", "zona", "eje"}
)
"""A number after these is part of the name where another number follows."""


class _Split(NamedTuple):
    """A street without its type, taken apart."""

    name: list[Word]
    number: str | None
    rest: list[Word]
    """Interior, district …"""


def _with_type(words: list[Word]) -> tuple[str | None, list[Word]]:
    """The type of street that leads, and the name after it without ``de``, ``de la`` …"""
    before = street_types().before
    for length in (2, 1):
        code = before.get(" ".join(word.key for word in words[:length]))
        if code and len(words) > length:
            return code, _without_of(words[length:])
    return None, words


def _without_of(words: list[Word]) -> list[Word]:
    """``de la Paz`` → ``Paz``: between type and name these words only bind (Calle de la Paz, C/ Paz)."""
    rest = words
    if len(rest) > 1 and rest[0].key in _OF:
        rest = rest[1:]
        if len(rest) > 1 and rest[0].key in _ARTICLES:
            rest = rest[1:]
    elided = re.fullmatch(r"[dD]['’´`](.{2,})", rest[0].text)
    return [Word(elided[1], rest[0].key[1:]), *rest[1:]] if elided else rest


def typed(words: list[Word]) -> tuple[str | None, list[Word]]:
    """The type of street and its name; ``2a Privada de Reforma`` is a privada named 2a de Reforma."""
    if _COUNTED.fullmatch(key_at(words, 0)) and len(words) > 2:
        code = street_types().before.get(words[1].key)
        if code in street_types().numbered:
            return code, [words[0], *words[2:]]
    return _with_type(words)


def starts_rest(words: list[Word], at: int) -> bool:
    """True where a part of a building with its value, or a colonia, stands at ``at``."""
    return unit_at(words, at) is not None or (
        key_at(words, at) in STRONG_DISTRICT and starts_district(words, at)
    )


def _is_crossing(words: list[Word], at: int) -> bool:
    """True where the streets that cross are named from ``at`` on: entre Hidalgo y Morelos, x 47 y 49."""
    key = key_at(words, at)
    return key in CROSSINGS or (key in {"x", "por"} and key_at(words, at + 1)[:1].isdecimal())


def _is_number_in_name(words: list[Word], at: int) -> bool:
    """True where the number at ``at`` belongs to the name: a date, a section, 3 Sur before another number."""
    following = key_at(words, at + 1)
    if following in ORDINAL_NEXT or following in {"de", "del"}:
        return True
    has_another = any(house_number(words, n) for n in range(at + 1, len(words)))
    return has_another and (following in COMPASS or key_at(words, at - 1) in _BEFORE_NUMBERS)


def number_at(words: list[Word]) -> tuple[int, str | None, int]:
    """Where the name ends, the number, and where what follows it begins."""
    for at, word in enumerate(words):
        if word.key == "km" and re.match("[0-9]", key_at(words, at + 1)):
            return at, f"Km {words[at + 1].text.strip('.')}", at + 2
    for at, word in enumerate(words):
        is_sign = word.key in NUMBER_SIGNS and key_at(words, at - 1) not in UNITS
        marked = house_number(words, at + 1) if is_sign else None
        if marked:
            return at, *marked
    for at in range(1, len(words)):
        if words[at].key == NO_NUMBER:
            return at, "SN", at + 1
        if starts_rest(words, at) or _is_crossing(words, at):
            return at, None, at
        found = house_number(words, at)
        if found and not _is_number_in_name(words, at):
            return at, *found
    return len(words), None, len(words)


def _split(words: list[Word]) -> _Split:
    end, number, after = number_at(words)
    if number is None:
        # Crossing streets without a number are all that says where the house is: they stay in the name.
        cut = next((n for n in range(end, len(words)) if starts_rest(words, n)), len(words))
        return _Split(words[:cut], None, words[cut:])
    crossing = next((n for n in range(1, end) if _is_crossing(words, n)), end)
    name, rest = words[:crossing], words[after:]
    if number != "SN" and key_at(rest, 0) in COMPASS:
        # "Díaz Ordaz 130 Pte." is a house of "Díaz Ordaz Pte.".
        name, rest = [*name, rest[0]], rest[1:]
    return _Split(name, number, rest)


def _is_only_number(words: list[Word], street_type: str | None) -> bool:
    """True where the line begins with the number of a house and has no name."""
    found = house_number(words, 0)
    if found is None or (street_type in street_types().numbered):
        return False
    return found[1] == len(words) or (street_type is None and starts_rest(words, found[1]))


def _leading_number(words: list[Word], country: str) -> tuple[str | None, list[Word]]:
    """A number before the street (``12 Calle Mayor``, ``Km 5 Carretera a Chalma``) and the street."""
    if _COUNTED.fullmatch(key_at(words, 0)):
        return None, words
    is_km = key_at(words, 0) == "km" and key_at(words, 1)[:1].isdecimal()
    found = (f"Km {words[1].text.strip('.')}", 2) if is_km else house_number(words, 0)
    if found and len(words) > found[1] + 1:
        rest = words[found[1] :]
        if _with_type(rest)[0] or (country in _NUMBER_FIRST and not is_km):
            return found[0], rest
    return None, words


def _without_name(words: list[Word]) -> _Split:
    found = house_number(words, 0)
    return _Split([], *(found[0], words[found[1] :]) if found else (None, words))


def read_street(words: list[Word], parts: Parts, country: str) -> None:
    """Take type, name and number from the street's part of the line, and what follows the number."""
    leading, street = _leading_number(words, country)
    street_type, rest = typed(street)
    if _is_only_number(rest, street_type):
        # "Diagonal 640", "Alameda 12": what looks like a type is the name.
        name = street[:1] if street_type else []
        street_type = None
        split = _split([*name, *rest]) if name else _without_name(rest)
    else:
        split = _split(rest)
    name = split.name
    if street_type is None and country == "ES" and len(name) > 1:
        # Basque: Autonomia kalea.
        street_type = street_types().after.get(name[-1].key)
        name = name[:-1] if street_type else name
    parts.street_type = street_type
    parts.street_name = spelled(" ".join(word.text for word in name), country) or None
    parts.street_number = leading or split.number
    read_tail(split.rest, parts, country)


def street_key(street_name: str | None, number: str | None) -> str | None:
    """Name and number folded; ``S/N`` counts like no number, which is how others write it."""
    if street_name is None:
        return None
    key = name_key(street_name)
    first, _, rest = key.partition(" ")
    if rest and first in street_types().before.values():
        # "Av. Paseo de la Reforma" and "Paseo de la Reforma" are one street.
        key = rest
    return f"{key} {number_key(number)}".strip() or None
