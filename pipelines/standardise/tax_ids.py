"""Tax ids as people write them → compact form, kind, and whether they count as evidence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from pipelines.standardise.placeholders import blank_to_none, is_filler
from pipelines.standardise.tax_id_kinds import CURP, KINDS, RFC_PERSON, RFC_SHORT, Kind, Party

GENERIC = "tax_id:generic"
INVALID = "tax_id:invalid"
INCOMPLETE = "tax_id:incomplete"
UNKNOWN = "tax_id:unknown"

_HOMES = ("MX", "ES")
"""Countries whose ids are recognised in the records of any other."""

_FLOAT = re.compile(r"(\d+)\.0")
_LABEL = re.compile(r"(?:RFC|CURP|NIF|NIE|DNI|CIF|RUT|RUC|NIT|CUIT|CUIL|CPF|CNPJ|RIF|VAT)(?=\w)")
_SHORT_DNI = re.compile(r"\d{7}[A-Z]", re.ASCII)
_LONG_NIE = re.compile(r"([XYZ])0(\d{7}[A-Z])", re.ASCII)

# The Mexican tax office's ids for the public and for foreigners, also as CURP, and those of its manuals.
_GENERIC_FORM = re.compile(r"(?:X[AEX]XX?|AAAA?)010101\w*")
_GENERIC_IDS = frozenset(["00000001R", "999999990"])
_FILLER_LENGTH = 7
_LETTERS_OF_NUMBERS = 2

_RFC_FIRST_YEAR = 20


class TaxId(NamedTuple):
    """A record's tax id.

    ``tax_id``: compact, upper case, kept although invalid. ``tax_id_type``: None for an unknown form.
    ``valid``: the check digit holds and it is no generic id; None where the form is unknown. ``usable``: the
    id where it counts as evidence. ``birth_date``: that an RFC or CURP tells. ``party_type``: person or
    company, of valid ids. ``reasons``: why it does not count.
    """

    tax_id: str | None
    tax_id_type: str | None
    valid: bool | None
    usable: str | None
    birth_date: date | None
    party_type: Party | None
    reasons: tuple[str, ...]


def standard_tax_id(raw: str | None, country: str) -> TaxId:
    """The tax id of a record of ``country`` (ISO 3166-1 alpha-2).

    Forms are those of the country; a Mexican or Spanish id in another country's record is recognised where
    its check digit holds, since passports and customer numbers look alike.

    >>> standard_tax_id("12.345.678-z", "ES").reasons, standard_tax_id("B-58378431", "MX").tax_id_type
    (('tax_id:generic',), 'cif')
    """
    written = _compact(raw)
    if written is None:
        return TaxId(None, None, None, None, None, None, ())
    found = _recognised(written, country.upper())
    tax_id, kind = found or (written, None)
    if _is_generic(tax_id):
        return TaxId(tax_id, kind.type if kind else None, False, None, None, None, (GENERIC,))
    if kind is None:
        return TaxId(tax_id, None, None, None, None, None, (UNKNOWN,))
    is_valid = _holds(kind, tax_id)
    born = _birth_date(tax_id, kind, is_valid=is_valid)
    if is_valid:
        return TaxId(tax_id, kind.type, True, tax_id, born, kind.party, ())
    reason = INCOMPLETE if kind.check is None else INVALID
    return TaxId(tax_id, kind.type, False, None, born, None, (reason,))


def _compact(raw: str | None) -> str | None:
    """Letters, digits and & in upper case; None where nothing is written."""
    text = blank_to_none(None if raw is None else unicodedata.normalize("NFKC", raw))
    if text is None:
        return None
    whole = _FLOAT.fullmatch(text)
    upper = unicodedata.normalize("NFKC", (whole[1] if whole else text).upper())
    return "".join(c for c in upper if c.isalnum() or c == "&") or None


def _recognised(written: str, country: str) -> tuple[str, Kind] | None:
    """The id and its kind: a valid one of the country, else one of its forms, else a valid one of the homes."""
    own = list(_fitting(written, country))
    valid = [(text, kind) for text, kind in own if _holds(kind, text)]
    if own:
        return (valid or own)[0]
    abroad = (pair for home in _HOMES if home != country for pair in _fitting(written, home))
    return next(((text, kind) for text, kind in abroad if _holds(kind, text)), None)


def _fitting(written: str, country: str) -> Iterator[tuple[str, Kind]]:
    """Each way to read the id that has a form of the country."""
    for text in _spellings(written, country):
        for kind in KINDS.get(country, ()):
            if kind.form.fullmatch(text):
                yield text, kind


def _spellings(written: str, country: str) -> Iterator[str]:
    """The id as written, without its label (``RFC:``), without the country before it (``ES B…``)."""
    unlabelled = _LABEL.sub("", written, count=1) if _LABEL.match(written) else written
    for text in dict.fromkeys([written, unlabelled, unlabelled.removeprefix(country)]):
        yield text
        if country == "ES" and _SHORT_DNI.fullmatch(text):
            yield f"0{text}"
        if country == "ES" and (old := _LONG_NIE.fullmatch(text)):
            yield f"{old[1]}{old[2]}"


def _holds(kind: Kind, text: str) -> bool:
    return kind.check is not None and kind.check(text)


def _is_generic(tax_id: str) -> bool:
    """True for ids that many share by design, and for numbers typed to get past a form."""
    if tax_id in _GENERIC_IDS or _GENERIC_FORM.fullmatch(tax_id):
        return True
    digits = _digits(tax_id)
    if len(tax_id) - len(digits) > _LETTERS_OF_NUMBERS:
        return False
    # The last sign may be the check digit.
    return any(len(part) >= _FILLER_LENGTH and is_filler(part) for part in (digits, _digits(tax_id[:-1])))


def _digits(text: str) -> str:
    return "".join(re.findall("[0-9]", text))


def _birth_date(tax_id: str, kind: Kind, *, is_valid: bool) -> date | None:
    """The date in a person's RFC or CURP.

    A CURP must be valid; its 17th character tells the century. An RFC needs only a real date: genuine ones
    with a wrong check digit are in use. Its year has two digits and is read as 1920 … 2019: the customers
    who bear an RFC are older than a child and younger than 107.
    """
    if kind is CURP and is_valid:
        century = 1900 if tax_id[16].isdigit() else 2000
    elif kind in (RFC_PERSON, RFC_SHORT):
        century = 2000 if int(tax_id[4:6]) < _RFC_FIRST_YEAR else 1900
    else:
        return None
    try:
        return date(century + int(tax_id[4:6]), int(tax_id[6:8]), int(tax_id[8:10]))
    except ValueError:
        return None
