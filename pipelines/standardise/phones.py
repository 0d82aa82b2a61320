"""Phones as people write them → E.164, through ``phonenumbers``.

A number is read in the record's country. Only a prefix leads to another one: ``+`` or ``00``; ``52`` before
ten digits; ``34`` before nine; the old Mexican mobile prefixes ``044`` and ``045``.

Nine digits in a Mexican record are a Spanish number, or a Mexican one that lost a digit; ten in a Spanish
record the other way round. They are no published phone, which would be a guess, but they are evidence: two
records that bear the same digits are as close, whatever country is meant.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

import phonenumbers

from pipelines.standardise.placeholders import blank_to_none, is_filler

PLACEHOLDER = "phone:placeholder"
INVALID = "phone:invalid"

_OTHER_HOME = {"MX": "ES", "ES": "MX"}
_FULL_LENGTH = 9  # digits that a number has at least where a field holds several
_TAIL_LENGTH = 7

_SEPARATOR = re.compile(
    r"[/;|,\n\t]|\s[yoe&]\s|(?<=\d)\s*(?=\+)|(?<=\d{9})[\s-]+(?=\(?\d(?:[\s()-]*\d){7})", re.IGNORECASE
)
_EXTENSION = re.compile(
    r"(?<=\d)[\s,;.()-]*(?:extensi[oó]n|extn?|interno|int|anexo|x|#)[\s.:#]*\d{1,6}\W*$", re.IGNORECASE
)
_NOT_A_NUMBER = re.compile(r"@|\d[eE][+-]?\d")
_FLOAT_TAIL = re.compile(r"(?<=\d{8})\.0+$")

_MEXICO = re.compile(r"52(?:1|01|044|045)?(\d{10})")
_MEXICO_MOBILE = re.compile(r"04[45](\d{10})")
_MEXICO_TRUNK = re.compile(r"01(\d{10})")
_SPAIN = re.compile(r"34(\d{9})")
_PAIRS = re.compile(r"(\d\d)\1{3}$")


class Phones(NamedTuple):
    """A record's phones.

    ``phones``: valid, in E.164, without extension, distinct, in source order. ``usable``: what counts
    as evidence, sorted. ``reasons``: why the rest does not, sorted.
    """

    phones: tuple[str, ...]
    usable: tuple[str, ...]
    reasons: tuple[str, ...]


def standard_phones(raw: tuple[str | None, ...], country: str) -> Phones:
    """The phones in a record's fields; a field may hold several. ``country``: ISO 3166-1 alpha-2.

    >>> standard_phones(("044 222 526 3211", "1111111111"), "MX")
    Phones(phones=('+522225263211',), usable=('+522225263211',), reasons=('phone:placeholder',))
    """
    home = country.upper()
    phones: dict[str, None] = {}
    usable, reasons = set(), set()
    for text in (text for value in raw for text in _texts(value)):
        phone = _phone(text, home)
        if phone is not None:
            phones[phone] = None
        evidence = phone or _phone(text, _OTHER_HOME.get(home, home))
        if _is_placeholder(evidence or text):
            reasons.add(PLACEHOLDER)
        elif evidence is None:
            reasons.add(INVALID)
        else:
            usable.add(evidence)
    return Phones(tuple(phones), tuple(sorted(usable)), tuple(sorted(reasons)))


def is_country_code(code: str) -> bool:
    """True for the ISO 3166-1 alpha-2 code, in capitals, of a country that has phones: every one.

    >>> is_country_code("TZ"), is_country_code("XX"), is_country_code("ESP")
    (True, False, False)
    """
    return code in phonenumbers.SUPPORTED_REGIONS


def _texts(value: str | None) -> list[str]:
    """The numbers of a field, each as written, without its extension."""
    whole = blank_to_none(None if value is None else unicodedata.normalize("NFKC", value))
    if whole is None:
        return []
    parts = [_EXTENSION.sub("", part) for part in _SEPARATOR.split(whole)]
    full = [part for part in parts if len(_digits(part)) >= _FULL_LENGTH]
    # `222/526/32/11` is one number: a separator counts where whole numbers stand between.
    return full or [_EXTENSION.sub("", whole)]


def _digits(text: str) -> str:
    return "".join(re.findall("[0-9]", text))


def _phone(text: str, country: str) -> str | None:
    """The number in E.164; None where it is no valid number of the country and names no other one."""
    if _NOT_A_NUMBER.search(text):
        return None
    digits = _digits(_FLOAT_TAIL.sub("", text))
    if re.match(r"\D*\+", text) or digits.startswith("00"):
        return _international(digits.lstrip("0"))
    trunk = _MEXICO_TRUNK.fullmatch(digits) if country == "MX" else None
    found = _valid(trunk[1] if trunk else digits, country)
    if found is None and (mobile := _MEXICO_MOBILE.fullmatch(digits)):
        found = _valid(mobile[1], "MX")
    if found is None and (_MEXICO.fullmatch(digits) or _SPAIN.fullmatch(digits)):
        found = _international(digits)
    return found


def _international(digits: str) -> str | None:
    """A number that begins with its country's calling code."""
    mexican = _MEXICO.fullmatch(digits)
    return _valid(f"+52{mexican[1]}" if mexican else f"+{digits}", None)


def _valid(text: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _is_placeholder(phone: str) -> bool:
    """True for numbers typed to get past a form; ``phone`` is in E.164 or, not being a number, as written.

    The last seven digits are all alike, or count up or down; or the last eight are a pair four times.
    """
    digits = _digits(phone)
    return len(digits) >= _TAIL_LENGTH and (is_filler(digits[-_TAIL_LENGTH:]) or bool(_PAIRS.search(digits)))
