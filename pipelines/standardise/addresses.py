"""Street lines of Spain and Mexico: type, name, number, interior, district and postal code.

A line is read in parts between commas. The first that is no interior and no colonia is the street:
its type, its name up to the number, and what follows the number. The rest give number, interior,
district and postal code where they are still missing. A shape that nobody knows stays whole in the
name. What is left out, the raw line keeps: crossing streets where there is a number, and the city.
"""

from __future__ import annotations

from typing import NamedTuple

from pipelines.standardise.interiors import (
    Parts,
    district_name,
    read_tail,
    starts_district,
    unit_at,
    without_postal,
)
from pipelines.standardise.placeholders import blank_to_none
from pipelines.standardise.spelling import spelled
from pipelines.standardise.street_words import (
    COMMA,
    NO_NUMBER,
    NUMBER_SIGNS,
    STRONG_DISTRICT,
    Word,
    house_number,
    key_at,
    words_of,
)
from pipelines.standardise.streets import number_at, read_street, starts_rest, street_key, typed
from pipelines.standardise.text import fold

_NO_NAME = """
conocido;conocida;domicilio conocido;dom conocido;calle conocida;direccion conocida;sin direccion;sin domicilio
sin calle;sin nombre;calle sin nombre;sin dato;sin datos;no tiene;no especificado;no especificada
direccion;domicilio;calle;xx;xxx;xxxx
"""
_PLACEHOLDERS = frozenset(_NO_NAME.strip().replace("\n", ";").split(";"))
"""What stands for a street that has no name, folded."""


class Address(NamedTuple):
    """The parts of a street line in standard form; None where it gives none."""

    street_type: str | None = None
    """By code: calle, avenida …"""
    street_name: str | None = None
    street_number: str | None = None
    """``SN`` where the line says that there is none."""
    interior: str | None = None
    district: str | None = None
    postal_code: str | None = None
    """Only where the line itself carries one."""
    street_key: str | None = None
    """Name folded, without type, particles and accents, and the number; None without a name."""
    reasons: tuple[str, ...] = ()


def _parts_between_commas(words: list[Word]) -> list[list[Word]]:
    parts: list[list[Word]] = [[]]
    for word in words:
        if word.key == COMMA:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def _begins_number(words: list[Word]) -> bool:
    """True where a part of the line is the number of the street before it: 12, nº 12, S/N, km 5."""
    found = house_number(words, 0)
    return words[0].key in {NO_NUMBER, "km"} | NUMBER_SIGNS or (found is not None and found[1] == len(words))


def _street_part(line: list[list[Word]]) -> int | None:
    """Which part of the line is the street; None where all are interiors and districts.

    The first part, if it can be one, unless it has no number and a later part has type and number
    (Torre Mayor, Paseo de la Reforma 505); after an interior or a district, the first with either.
    """
    able = [
        at for at, words in enumerate(line) if not (unit_at(words, 0) or key_at(words, 0) in STRONG_DISTRICT)
    ]
    has_type = {at for at in able if typed(line[at])[0] is not None}
    has_number = {
        at
        for at in able
        if number_at(line[at])[1] is not None or (at + 1 < len(line) and _begins_number(line[at + 1]))
    }
    if 0 in has_number:
        return 0
    if 0 in able:
        return min(has_type & has_number, default=0)
    return min(has_type | has_number, default=None)


def _read_earlier(words: list[Word], parts: Parts, country: str) -> None:
    """A part of the line before the street's: an interior or a district, else the name of a building."""
    if unit_at(words, 0) or starts_district(words, 0):
        read_tail(words, parts, country)
    else:
        parts.interior.append(spelled(" ".join(word.text for word in words), country))


def _read_later(words: list[Word], parts: Parts, country: str) -> None:
    """A part of the line after the street's: its number, or what follows a number."""
    if parts.street_number is None:
        end, number, after = number_at(words)
        found = house_number(words, 0)
        if end == 0:
            parts.street_number, words = number, words[after:]
        elif found and (found[1] == len(words) or starts_rest(words, found[1])):
            parts.street_number, words = found[0], words[found[1] :]
    read_tail(words, parts, country)


def parse_address(line: str | None, district: str | None, country: str) -> Address:
    """The parts of a street line; ``district``, a field of its own, goes before the line's. Never raises.

    A line that only says that there is no address gives None for all it would give, and the reason
    ``address:placeholder``.
    """
    own = blank_to_none(district)
    own_district = district_name(words_of(own), country) if own else None
    value = blank_to_none(line)
    if value is None:
        reasons = ("address:placeholder",) if line and line.strip() else ()
        return Address(district=own_district, reasons=reasons)
    parts = Parts()
    line_parts = [
        without_postal(words, parts, country, is_later=at > 0)
        for at, words in enumerate(_parts_between_commas(words_of(value)))
    ]
    line_parts = [words for words in line_parts if words]
    street = _street_part(line_parts)
    for at, words in enumerate(line_parts):
        if at == street:
            read_street(words, parts, country)
        elif street is not None and at < street:
            _read_earlier(words, parts, country)
        else:
            _read_later(words, parts, country)
    district_found = own_district or parts.district
    if parts.street_name is not None and fold(parts.street_name) in _PLACEHOLDERS:
        return Address(
            district=district_found, postal_code=parts.postal_code, reasons=("address:placeholder",)
        )
    return Address(
        street_type=parts.street_type,
        street_name=parts.street_name,
        street_number=parts.street_number,
        interior=" ".join(parts.interior) or None,
        district=district_found,
        postal_code=parts.postal_code,
        street_key=street_key(parts.street_name, parts.street_number),
    )
