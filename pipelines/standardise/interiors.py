"""What follows the number of a house: interior, floor and door, district, postal code."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from pipelines.standardise.places import standard_postal
from pipelines.standardise.spelling import ORDINAL_NEXT, spelled
from pipelines.standardise.street_words import (
    COMMA,
    CROSSINGS,
    DISTRICT,
    FLOORS,
    NO_NUMBER,
    NUMBER_SIGNS,
    STRONG_DISTRICT,
    UNITS,
    Word,
    key_at,
)

_VALUE = re.compile(
    r"[0-9]{1,5}(?:°|er|do|ro|to|da|ra|ta)?|[0-9]{0,5}-?[a-zñ]-?[0-9]{0,4}|[0-9]{1,4}-[0-9a-z]{1,4}"
)
_RANGE = re.compile(r"[0-9]{1,4}-[0-9a-z]{1,4}")
_LETTER = re.compile(r"[a-zñ]")
_CONNECTORS = frozenset({"y", "e", "x", "o"})
_ORDINAL = re.compile(r"([0-9]{1,2})(?:°|o|er|do|ro|to|da|ra|ta|r|n|t)")
"""Catalan ones too: 1r, 2n, 4t."""
_FLAT = re.compile(r"([0-9]{1,2})([a-zñ])")
_STOREYS = frozenset({"piso", "planta", "nivel"})
_SIDED = frozenset({"Esc.", "Pta.", "Portal", "Bloque", "Piso", "Local"})
"""Parts that a side can name: Esc. Izda."""
_MARKERS = UNITS.keys() | FLOORS.keys() | DISTRICT


@dataclass
class Parts:
    """What a line has given so far."""

    street_type: str | None = None
    street_name: str | None = None
    street_number: str | None = None
    interior: list[str] = field(default_factory=list)
    district: str | None = None
    postal_code: str | None = None


def starts_district(words: list[Word], at: int) -> bool:
    """True where a marker of a district stands at ``at``, and its name after it."""
    return key_at(words, at) in DISTRICT and any(word.text[-1].isalnum() for word in words[at + 1 :])


def unit_at(words: list[Word], at: int) -> tuple[str, int] | None:
    """A part of a building with its value (``Int. 5``), and where what follows it begins."""
    label = UNITS.get(key_at(words, at))
    if label is None:
        return None
    value = at + 1
    while key_at(words, value) in NUMBER_SIGNS:
        value += 1
    key = key_at(words, value)
    if label == "Planta" and key in {"baja", "alta"}:
        return f"Planta {key}", value + 1
    if label == "Edif." and key and key not in UNITS and not _VALUE.fullmatch(key):
        end = next((n for n in range(value, len(words)) if words[n].key in _MARKERS), len(words))
        return f"Edif. {spelled(' '.join(word.text for word in words[value:end]), '')}", end
    if label in _SIDED and key in FLOORS:
        return f"{label} {FLOORS[key]}", value + 1
    if not _VALUE.fullmatch(key) or key in _CONNECTORS or key_at(words, value + 1) in {"de", "del"}:
        return None
    storey = _ORDINAL.fullmatch(key) if label.lower() in _STOREYS else None
    return f"{label} {storey[1] if storey else key.replace('°', '').upper()}", value + 1


def interior_at(
    words: list[Word], at: int, country: str, *, is_after_interior: bool
) -> tuple[str, int] | None:
    """The interior, floor or door at ``at`` in standard form, and where what follows it begins."""
    unit = unit_at(words, at)
    if unit is not None:
        return unit
    key, following = key_at(words, at), key_at(words, at + 1)
    if key in FLOORS:
        return FLOORS[key], at + 1
    ordinal = _ORDINAL.fullmatch(key)
    if ordinal and following in _STOREYS:
        return f"{UNITS[following]} {ordinal[1]}", at + 2
    if following in ORDINAL_NEXT or following in {"de", "del"}:
        return None
    if ordinal:
        return f"{ordinal[1]}{'ª' if words[at].text.endswith('ª') else 'º'}", at + 1
    if _LETTER.fullmatch(key) and key not in _CONNECTORS and (is_after_interior or len(words) == 1):
        return key.upper(), at + 1
    door = _bare_door(key, following, country, is_after_interior=is_after_interior)
    return (door, at + 1) if door else None


def _bare_door(key: str, following: str, country: str, *, is_after_interior: bool) -> str | None:
    """A floor or door without any sign: 3, 3B, 2-3. A number before other words is no door: 3 Cruces."""
    is_last = not following or following in _MARKERS - FLOORS.keys()
    is_door = following in FLOORS or bool(_VALUE.fullmatch(following))
    flat = _FLAT.fullmatch(key)
    if flat and flat[2] == "a" and is_after_interior and country == "ES":
        # "1r 2a": first floor, second door.
        return f"{flat[1]}ª"
    if _RANGE.fullmatch(key) and is_last:
        return key.upper()
    if not (is_last or is_door):
        return None
    if flat:
        return f"{int(flat[1])}º {flat[2].upper()}" if country == "ES" else key.upper()
    if key.isdecimal() and len(key) <= 4:
        # Spain writes "12 3 B" for the third floor, door B.
        is_floor = country == "ES" and is_door and not is_after_interior and len(key) < 3
        return f"{int(key)}º" if is_floor else key
    return None


def _is_after_number(words: list[Word], at: int) -> bool:
    """True where a number precedes, or only a city follows: no house number stands there."""
    if at == 0:
        return len(words) > 1 and unit_at(words, 1) is None and not starts_district(words, 1)
    return any(each.text[0].isdecimal() for each in words[1:at])


def without_postal(words: list[Word], parts: Parts, country: str, *, is_later: bool) -> list[Word]:
    """``words`` up to a postal code, which is taken; what follows it is the city.

    A bare postal code counts after a number or, in a later part of the line (``is_later``), anywhere.
    """
    for at, word in enumerate(words):
        is_marked = word.key == "cp" and key_at(words, at + 1)[:1].isdecimal()
        is_bare = (
            country in {"MX", "ES"}
            and re.fullmatch("[0-9]{5}", word.text) is not None
            and key_at(words, at - 1) not in UNITS.keys() | NUMBER_SIGNS | {"km"}
            and (is_later or _is_after_number(words, at))
        )
        if is_marked or is_bare:
            code = standard_postal(words[at + is_marked].text, country)
            if code is not None:
                parts.postal_code = parts.postal_code or code
                return words[:at]
    return words


def district_name(words: list[Word], country: str) -> str | None:
    """A colonia or district in standard spelling, without the word that says that it is one."""
    kept = words
    while len(kept) > 1 and kept[0].key in DISTRICT:
        # Barrio de Santiago is Santiago; Colonia del Valle is Del Valle.
        is_bound = len(kept) > 2 and kept[0].key not in STRONG_DISTRICT and kept[1].key == "de"
        kept = kept[2:] if is_bound else kept[1:]
    end = next((n for n in range(1, len(kept)) if kept[n].key in CROSSINGS | {COMMA}), len(kept))
    name = spelled(" ".join(word.text for word in kept[:end]), country)
    return name if any(c.isalpha() for c in name) else None


def read_tail(words: list[Word], parts: Parts, country: str) -> None:
    """Take interior, floor and door, then the district, from what follows the number."""
    at = 0
    is_after_interior = False
    while at < len(words):
        key = words[at].key
        if key in CROSSINGS or (key in {"x", "por"} and key_at(words, at + 1)[:1].isdecimal()):
            # Which streets cross: a hint for the postman, no part of the address.
            at = next((n for n in range(at, len(words)) if words[n].key in STRONG_DISTRICT), len(words))
            continue
        if key == NO_NUMBER:
            parts.street_number = parts.street_number or "SN"
            at += 1
            continue
        interior = (
            None
            if starts_district(words, at)
            else interior_at(words, at, country, is_after_interior=is_after_interior)
        )
        if interior is None:
            rest = words[at:]
            if not any(c.isalpha() for word in rest for c in word.text):
                parts.interior.append(" ".join(word.text for word in rest))
            parts.district = parts.district or district_name(rest, country)
            return
        text, at = interior
        parts.interior.append(text)
        is_after_interior = True
