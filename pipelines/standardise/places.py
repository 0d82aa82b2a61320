"""Where a record says that it is: country, postal code, city and state, each in its standard form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from pipelines.standardise.placeholders import blank_to_none, folded, is_filler
from pipelines.standardise.spelling import spelled
from pipelines.standardise.text import dictionary, fold, one_space, repaired

_OFFICE = re.compile(
    r"^(?:(?:del\.|deleg\.?|delegaci[oó]n|alcald[ií]a|municipio|mpio\.?|mun\.)\s+(?:de\s+)?)+(?=\w)",
    re.IGNORECASE,
)
_POSTAL_PREFIX = re.compile(r"^(?:c\.?\s*p\.?|d\.\s?p\.?|[a-z]{1,2}\s?-(?=\s?[0-9]))[\s:.]*", re.IGNORECASE)
_OTHER_POSTAL = re.compile(r"(?=.*[0-9])[0-9A-Z][0-9A-Z -]{1,8}[0-9A-Z]")
_LENGTHS = {"MX": 5, "ES": 5, "PT": 7, "US": 5, "FR": 5, "DE": 5, "IT": 5, "BR": 8}
"""Digits of a postal code where it has only digits."""
_TYPED = "11111 22222 44444 55555 66666 77777 88888 99999 12345 54321 98765"
_FILLERS = {"MX": frozenset(_TYPED.split())}
"""Typed to get past a form, and no place has them. 33333 is Ocampo; Spain may use any such code from 01 to 52."""


class Place(NamedTuple):
    """Postal code, city and state of a record; None where it gives none."""

    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    state_code: str | None = None
    postal_usable: str | None = None
    """The postal code where it counts as evidence."""
    city_key: str | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Region:
    """A state or province, or a community of provinces."""

    code: str
    name: str
    kind: str
    prefixes: frozenset[str]
    """The first two digits of its postal codes."""


def _aliases(row: dict[str, str]) -> Iterator[str]:
    for alias in (row["name"], *row["aliases"].split(";")):
        yield from filter(None, (folded(alias), folded(spelled(alias, row.get("country", "")))))


@cache
def _countries() -> dict[str, str]:
    """Code by folded spelling; a code before a name that reads like it."""
    codes: dict[str, str] = {}
    names: dict[str, str] = {}
    for row in dictionary("countries.csv"):
        codes |= {folded(row["code"]): row["code"], folded(row["code3"]): row["code"]}
        names |= dict.fromkeys(_aliases(row), row["code"])
    return names | codes


@cache
def _regions() -> tuple[dict[tuple[str, str], Region], dict[tuple[str, str], Region]]:
    """Regions by country and folded spelling, and by country and first two digits of the postal code."""
    by_name: dict[tuple[str, str], Region] = {}
    by_prefix: dict[tuple[str, str], Region] = {}
    for row in dictionary("states.csv"):
        country, code = row["country"], row["code"]
        region = Region(code, row["name"], row["kind"], frozenset(row["postal_prefixes"].split()))
        for key in (*_aliases(row), folded(code), folded(code.partition("-")[2])):
            by_name.setdefault((country, key), region)
        if region.kind != "community":
            by_prefix |= {(country, prefix): region for prefix in region.prefixes}
    return by_name, by_prefix


@cache
def _cities() -> dict[tuple[str, str, str], str]:
    """Standard name by country, state code ('' where any) and folded spelling."""
    known: dict[tuple[str, str, str], str] = {}
    for row in dictionary("cities.csv"):
        for key in _aliases(row):
            known.setdefault((row["country"], row["state_code"], key), row["name"])
    return known


@cache
def _names() -> frozenset[str]:
    """Folded spellings of all known cities and states."""
    return frozenset([key for *_, key in _cities()] + [key for _, key in _regions()[0]])


def is_city_or_state(value: str) -> bool:
    """True where the dictionaries have a city or state of this name, in any country.

    >>> is_city_or_state("Alcalá de Henares"), is_city_or_state("Gómez")
    (True, False)
    """
    return folded(value) in _names()


def standard_country(raw: str | None, default: str) -> str:
    """ISO 3166-1 alpha-2 code of a country's code or name; ``default`` where it is unknown.

    >>> standard_country("EE.UU.", "MX"), standard_country("?", "MX")
    ('US', 'MX')
    """
    value = blank_to_none(raw)
    return _countries().get(folded(repaired(value)), default) if value else default


def standard_postal(raw: str, country: str) -> str | None:
    """A postal code in its country's form, with the leading zeros that a number lost; None where it is none.

    >>> standard_postal("7889", "MX"), standard_postal("53001", "ES"), standard_postal("1234567", "PT")
    ('07889', None, '1234-567')
    """
    value = _POSTAL_PREFIX.sub("", one_space(raw).upper())
    if country not in _LENGTHS:
        return value if _OTHER_POSTAL.fullmatch(value) else None
    length = _LENGTHS[country]
    digits = re.sub(r"\.0+$|[\s.]|-(?=[0-9]{3}$)", "", value)
    if country == "US":
        digits = digits.partition("-")[0]
    if not re.fullmatch(rf"[0-9]{{{length - 1},{length}}}", digits):
        return None
    digits = digits.zfill(length)
    if country in {"MX", "ES"} and (country, digits[:2]) not in _regions()[1]:
        return None
    groups = {"PT": 4, "BR": 5}.get(country, length)
    return digits if groups == length else f"{digits[:groups]}-{digits[groups:]}"


def _postal(raw: str | None, country: str) -> tuple[str | None, tuple[str, ...]]:
    """The postal code and why it does not count."""
    received = one_space(raw or "")
    if not received:
        return None, ()
    digits = folded(received)
    if blank_to_none(received) is None or digits in _FILLERS.get(country, ()):
        return None, ("postal_code:placeholder",)
    code = standard_postal(received, country)
    if code is None:
        is_placeholder = digits.isdigit() and is_filler(digits)
        return None, ("postal_code:placeholder" if is_placeholder else "postal_code:invalid",)
    return code, ()


def _named(raw: str | None) -> str | None:
    """A name as received, cleaned; None where it has no letter."""
    value = one_space(repaired(blank_to_none(raw) or ""))
    return value if any(c.isalpha() for c in value) else None


def _numbered_region(raw: str | None, country: str) -> Region | None:
    """The Spanish province of a number: the statistical office's numbers are what postal codes begin with."""
    number = folded(raw or "")
    if country != "ES" or not number.isdecimal():
        return None
    return _regions()[1].get((country, number.zfill(2)))


def _state(
    raw: str | None, city: str | None, postal: str | None, country: str
) -> tuple[str | None, str | None]:
    """Name and code of the state: as stated; else as the postal code says; else as the city's name does."""
    by_name, by_prefix = _regions()
    region_of_code = by_prefix.get((country, postal[:2])) if postal else None
    value = _named(raw)
    if value is None:
        spellings = (city, _before_state(city)) if city else ()
        named = next(filter(None, (by_name.get((country, folded(name))) for name in spellings)), None)
        region_of_city = named if named and named.kind == "city" else None
        region = _numbered_region(raw, country) or region_of_code or region_of_city
        return (region.name, region.code) if region else (None, None)
    stated = by_name.get((country, folded(value))) or by_name.get((country, folded(spelled(value, country))))
    if stated is None:
        return spelled(value, country), None
    if stated.kind == "community" and postal and postal[:2] in stated.prefixes and region_of_code:
        return region_of_code.name, region_of_code.code
    return stated.name, stated.code


def _known_city(value: str, country: str, state_code: str | None) -> str | None:
    cities = _cities()
    for key in (folded(value), folded(spelled(value, country))):
        for state in (state_code or "", ""):
            if (country, state, key) in cities:
                return cities[country, state, key]
    return None


def _before_state(city: str) -> str:
    """The city of "Tijuana, B.C." or "Alcobendas (Madrid)": what follows is the state, which has its own field."""
    own = next(part for part in re.split(r"[,(]", city) if any(c.isalpha() for c in part))
    return _OFFICE.sub("", own.strip())


def _city(value: str | None, country: str, state_code: str | None) -> str | None:
    if value is None:
        return None
    whole = _known_city(value, country, state_code)
    if whole is not None:
        return whole
    name = _before_state(value)
    return _known_city(name, country, state_code) or blank_to_none(spelled(name, country))


def standard_place(postal: str | None, city: str | None, state: str | None, country: str) -> Place:
    """Postal code, city and state in standard form.

    A stated state stands although the postal code says another one: which of the two is wrong nobody
    knows. A community of several provinces gives way to the province that the postal code names.
    """
    code, reasons = _postal(postal, country)
    town = _named(city)
    state_name, state_code = _state(state, town, code, country)
    standard = _city(town, country, state_code)
    return Place(
        postal_code=code,
        city=standard,
        state=state_name,
        state_code=state_code,
        postal_usable=code,
        city_key=(fold(standard) or None) if standard else None,
        reasons=reasons,
    )
