"""What an e-mail's local part tells of its owner beside the name that the record states.

``jtrevinoflores@…`` of a Juan Treviño tells his second surname, ``anaruiz82@…`` that she may be born
in 1982, ``ana2809@…`` that it may be on 28 September. A hint is evidence for matching only and is
never published.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pipelines.standardise.name_evidence import Evidence, evidence_for
from pipelines.standardise.text import plain

_LEAST_SURNAME = 4
_LEAST_GIVEN = 3
_USUAL_PAIR = 0.02
"""Share of the bearers of a given name from which a second one is taken for one: Ana María, Luis Ángel."""
_PARTICLES = re.compile(r"^(?:delas|delos|dela|del|de)(?=[a-z]{4})")
_EARLIEST, _LATEST = 1900, 2029
"""Four digits between them are a year, not a day and a month."""
_MONTHS, _DAYS = 12, 31


class EmailHints(NamedTuple):
    """Surnames as matching keys, where the record states none, and hints at the birth date.

    ``births``: the last two digits of a year (``82``), month and day (``0928``); sorted, distinct.
    """

    surname: str | None = None
    second_surname: str | None = None
    surname_sound: str | None = None
    births: tuple[str, ...] | None = None


def _local(key: str) -> str:
    return key.partition("@")[0].partition("+")[0]


def birth_hints(local: str) -> set[str]:
    """What the digits of a local part may say of a birth date.

    >>> sorted(birth_hints("ana2809")), sorted(birth_hints("jose_1982")), sorted(birth_hints("luis0304"))
    (['0928'], ['82'], ['0304', '0403'])
    >>> sorted(birth_hints("rocio922"))
    []
    """
    hints: set[str] = set()
    for digits in re.findall(r"\d+", local):
        if len(digits) == 2:
            hints.add(digits)
        elif len(digits) == 4 and _EARLIEST <= int(digits) <= _LATEST:
            hints.add(digits[2:])
        elif len(digits) == 4:
            hints |= _days(digits[:2], digits[2:])
        elif len(digits) in (6, 8):
            hints |= _days(digits[:2], digits[2:4])
            hints.add(digits[-2:])
    return hints


def _days(first: str, second: str) -> set[str]:
    """Month and day of two pairs of digits, in either order that a calendar allows."""
    return {
        month + day
        for day, month in ((first, second), (second, first))
        if 1 <= int(month) <= _MONTHS and 1 <= int(day) <= _DAYS
    }


def _as_surname(letters: str, known: Evidence) -> str | None:
    """The letters as a surname's key where a dictionary has them, particles dropped."""
    bare = _PARTICLES.sub("", letters)
    return bare if len(bare) >= _LEAST_SURNAME and known.is_surname(bare) else None


def _after(letters: str, surname: str, given: tuple[str, ...], known: Evidence) -> str | None:
    """The surname that stands behind ``surname`` in a local part; the given name of ``ruizana`` is none."""
    start = letters.find(surname)
    second = None if start < 0 else _as_surname(letters[start + len(surname) :], known)
    if second is None or second in given or (start == 0 and known.leans_to_given(second) > 0):
        return None
    return second


def _family(letters: str, given: tuple[str, ...], known: Evidence) -> tuple[str, str | None] | None:
    """The surnames behind a given name or its initial, or the one ahead of a given name."""
    names = tuple(name for name in given if len(name) >= _LEAST_GIVEN)
    for front in (*names, given[0][0]):
        rest = letters.removeprefix(front)
        if rest == letters:
            continue
        if whole := _as_surname(rest, known):
            return None if _is_given_too(front, rest, known) else (whole, None)
        readings = [*_two_surnames(rest, known), *_whole_name(letters, known)]
        if readings:
            return max(readings)[1:]
    for back in names:
        front = letters.removesuffix(back)
        if front != letters and (whole := _as_surname(front, known)) and known.leans_to_given(whole) <= 0:
            return whole, None
    return None


def _is_given_too(front: str, rest: str, known: Evidence) -> bool:
    """Whether ``rest`` is another given name: in ``anamaria``, and behind an initial (``jmaria``)."""
    if len(front) < _LEAST_GIVEN:
        return known.leans_to_given(rest) > 0
    return known.pair(front, rest) > _USUAL_PAIR


def _two_surnames(letters: str, known: Evidence) -> list[tuple[float, str, str]]:
    """Every division into two surnames, with its log likelihood."""
    return [
        (known.surname(first) + known.surname(second), first, second)
        for at in range(_LEAST_SURNAME, len(letters) - _LEAST_SURNAME + 1)
        if (first := _as_surname(letters[:at], known)) and (second := _as_surname(letters[at:], known))
    ]


def _whole_name(letters: str, known: Evidence) -> list[tuple[float, str, None]]:
    """Every division into a given name and a surname, with its log likelihood.

    The record has another form of the name: ``mariagomez`` of a Maruca is María Gómez sooner than M. Aria Gómez.
    """
    return [
        (known.given((letters[:at],)) + known.surname(surname), surname, None)
        for at in range(_LEAST_GIVEN, len(letters) - _LEAST_SURNAME + 1)
        if known.is_given(letters[:at]) and (surname := _as_surname(letters[at:], known))
    ]


def email_hints(
    keys: tuple[str, ...] | None,
    given: tuple[str, ...] | None,
    surname: str | None,
    second_surname: str | None,
    country: str,
) -> EmailHints:
    """What a record's e-mail keys tell beside its name.

    ``given``: its given tokens, ``surname``, ``second_surname``: matching keys. Surnames come from the
    first key that fits; they fill what the record does not state.

    >>> email_hints(("jtrevinoflores82@gmail.com",), ("juan",), "trevino", None, "MX")
    EmailHints(surname=None, second_surname='flores', surname_sound=None, births=('82',))
    >>> email_hints(("apadillavelasco@live.com.mx",), ("ana",), None, None, "MX")[:2]
    ('padilla', 'velasco')
    >>> email_hints(("diaz.victoria@gmail.com",), ("victoria",), "diaz", None, "ES").second_surname
    >>> email_hints(("diaz.victoria@gmail.com",), ("victoria",), None, None, "ES").surname
    'diaz'
    >>> email_hints(("info@tienda.mx",), ("ana",), "ruiz", None, "MX")
    EmailHints(surname=None, second_surname=None, surname_sound=None, births=None)
    """
    if not keys:
        return EmailHints()
    births = tuple(sorted({hint for key in keys for hint in birth_hints(_local(key))})) or None
    if second_surname and surname:
        return EmailHints(births=births)
    known = evidence_for(country)
    for key in keys:
        letters = "".join(c for c in plain(_local(key)) if c.isalpha())
        if surname:
            second = _after(letters, surname.replace(" ", ""), given or (), known)
            if second:
                return EmailHints(second_surname=second, births=births)
        elif given and given[0]:
            family = _family(letters, given, known)
            if family:
                return EmailHints(family[0], family[1], known.sound(family[0]) or None, births)
    return EmailHints(births=births)
