"""Customer records as received → the same in standard form, with their matching keys, on Arrow columns.

The one place where standardisation is put together: the night calls it through ``mapInArrow``,
``padron link`` directly. It knows no Spark; the columns are those of ``silver/customer_records``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.standardise.addresses import parse_address
from pipelines.standardise.arrow import Column, column, mapped, mapped_fields
from pipelines.standardise.companies import Company
from pipelines.standardise.dates import OLDEST, standard_birth_date
from pipelines.standardise.email_hints import email_hints
from pipelines.standardise.emails import Emails, standard_emails
from pipelines.standardise.names import Name
from pipelines.standardise.parties import standard_party
from pipelines.standardise.phones import Phones, standard_phones
from pipelines.standardise.placeholders import blank_to_none, is_filler
from pipelines.standardise.places import standard_country, standard_place
from pipelines.standardise.tax_ids import standard_tax_id

_TEXT = pa.string()
_TEXTS = pa.list_(pa.field("element", pa.string()))
_DAY = pa.date32()

SCHEMA = pa.schema(
    [
        ("party_type", _TEXT),
        ("given_name", _TEXT),
        ("surname", _TEXT),
        ("second_surname", _TEXT),
        ("company_name", _TEXT),
        ("birth_date", _DAY),
        ("tax_id", _TEXT),
        ("tax_id_type", _TEXT),
        ("tax_id_valid", pa.bool_()),
        ("emails", _TEXTS),
        ("phones", _TEXTS),
        ("street_type", _TEXT),
        ("street_name", _TEXT),
        ("street_number", _TEXT),
        ("interior", _TEXT),
        ("district", _TEXT),
        ("postal_code", _TEXT),
        ("city", _TEXT),
        ("state", _TEXT),
        ("state_code", _TEXT),
        ("country", _TEXT),
        ("match_given", _TEXT),
        ("match_given_tokens", _TEXTS),
        ("match_given_formal", _TEXTS),
        ("match_surname", _TEXT),
        ("match_second_surname", _TEXT),
        ("match_name_tokens", _TEXTS),
        ("match_given_phonetic", _TEXT),
        ("match_surname_phonetic", _TEXT),
        ("match_company", _TEXT),
        ("match_birth_date", _DAY),
        ("match_birth_year", pa.int32()),
        ("match_tax_id", _TEXT),
        ("match_emails", _TEXTS),
        ("match_email_local", _TEXT),
        ("match_email_births", _TEXTS),
        ("match_phones", _TEXTS),
        ("match_postal_code", _TEXT),
        ("match_city", _TEXT),
        ("match_street", _TEXT),
        ("match_loyalty_id", _TEXT),
        ("match_excluded", _TEXTS),
    ]
)
"""What ``standardise_records`` returns, in order."""


@dataclass(frozen=True)
class Hints:
    """What is known of a feed beside its rows."""

    name_order: str
    """Order of whole names: given_first, surname_first, or auto where the source has none."""
    default_country: str
    """ISO alpha-2 of records that name no country."""
    date_formats: tuple[str, ...]
    """Spark patterns of birth dates, the first that fits counts."""
    business_date: date
    """No birth date is later."""
    oldest: int = OLDEST
    """Years before it of the earliest birth date that is possible."""


class Loyalty(NamedTuple):
    """A loyalty id usable as evidence, or why it is none."""

    usable: str | None = None
    reasons: tuple[str, ...] = ()


def standard_loyalty(raw: str | None) -> Loyalty:
    """A loyalty id as upper-case letters and digits; a run of digits typed to fill the field counts for nothing.

    >>> standard_loyalty("77-1234 ab"), standard_loyalty("0000000")
    (Loyalty(usable='771234AB', reasons=()), Loyalty(usable=None, reasons=('loyalty_id:placeholder',)))
    """
    compact = "".join(c for c in blank_to_none(raw) or "" if c.isalnum()).upper()
    if not compact:
        return Loyalty()
    if len(set(compact)) == 1 or is_filler(compact):
        return Loyalty(reasons=("loyalty_id:placeholder",))
    return Loyalty(compact)


def same_birth_date(raw: Column, before: Column, hints: Hints) -> pa.Array:
    """True for each birth date as received that reads on the hints' business date as it did on that of ``before``.

    Nothing else of a record's standard form depends on the date. False where no date is given.
    """

    def same(text: str | None, day: date | None) -> bool:
        if day is None or day == hints.business_date:
            return day is not None
        both = (day, hints.business_date)
        one, other = (standard_birth_date(text, hints.date_formats, on, hints.oldest) for on in both)
        return one == other

    return mapped(same, raw, before, kind=pa.bool_())


def _phones(raw: tuple[str | None, ...] | None, country: str) -> Phones:
    return standard_phones(raw or (), country)


def _emails(raw: tuple[str | None, ...] | None) -> Emails:
    return standard_emails(raw or ())


def _texts(*fields: str) -> dict[str, pa.DataType]:
    return dict.fromkeys(fields, _TEXT)


_REASONS = {"reasons": _TEXTS}
_OF_PERSON = tuple(field for field in Name._fields if field != "reasons")
_OF_COMPANY = tuple(field for field in Company._fields if field != "reasons")
_OF_STREET = ("street_type", "street_name", "street_number", "interior", "district")
_OF_PLACE = ("postal_code", "city", "state", "state_code")
_PARTY = {
    "party_type": _TEXT,
    **{f"name.{field}": SCHEMA.field(field).type for field in _OF_PERSON},
    **{f"company.{field}": SCHEMA.field(field).type for field in _OF_COMPANY},
} | _REASONS
_PLACE = _texts(*_OF_PLACE, "postal_usable", "city_key") | _REASONS
_ADDRESS = _texts(*_OF_STREET, "postal_code", "street_key") | _REASONS
_PHONES = {"phones": _TEXTS, "usable": _TEXTS} | _REASONS
_EMAILS = {"emails": _TEXTS, "keys": _TEXTS, "local": _TEXT} | _REASONS
_HINTS = _texts("surname", "second_surname", "surname_sound") | {"births": _TEXTS}
_TAX_ID = (
    _texts("tax_id", "tax_id_type", "usable", "party_type")
    | {"valid": pa.bool_(), "birth_date": _DAY}
    | _REASONS
)
_BIRTH = {"birth_date": _DAY, "usable": _DAY} | _REASONS
_LOYALTY = _texts("usable") | _REASONS


def _merged(*reasons: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """All reasons of a record, sorted, distinct; None where there is none."""
    return tuple(sorted({reason for part in reasons for reason in part or ()})) or None


def _filled(lists: pa.Array) -> pa.Array:
    """Lists without any element as NULL."""
    return pc.if_else(pc.equal(pc.list_value_length(lists), 0), pa.scalar(None, lists.type), lists)


def standardise_records(received: pa.Table, hints: Hints) -> pa.Table:
    """One standard row for each row of ``received``, in its order: the columns of ``SCHEMA``.

    ``received`` has columns ``…_raw`` of ``silver/customer_records`` and may have ``loyalty_id``; a
    column it lacks counts as NULL. What the source passes on unchanged is not returned.
    """
    if not received.num_rows:
        return SCHEMA.empty_table()

    def raw(name: str, kind: pa.DataType = _TEXT) -> Column:
        return column(received, name, kind)

    country = mapped(standard_country, raw("country_raw"), hints.default_country, kind=_TEXT)
    tax = mapped_fields(standard_tax_id, raw("tax_id_raw"), country, kinds=_TAX_ID)
    party = mapped_fields(
        standard_party,
        *(raw(f"{part}_raw") for part in ("full_name", "given_name", "surname", "second_surname")),
        raw("party_type_raw"),
        tax["party_type"],
        hints.name_order,
        country,
        kinds=_PARTY,
    )
    birth = mapped_fields(
        standard_birth_date,
        raw("birth_date_raw"),
        hints.date_formats,
        hints.business_date,
        hints.oldest,
        kinds=_BIRTH,
    )
    emails = mapped_fields(_emails, raw("emails_raw", _TEXTS), kinds=_EMAILS)
    hints_of_email = mapped_fields(
        email_hints,
        _filled(emails["keys"]),
        party["name.match_given_tokens"],
        party["name.match_surname"],
        party["name.match_second_surname"],
        country,
        kinds=_HINTS,
    )
    phones = mapped_fields(_phones, raw("phones_raw", _TEXTS), country, kinds=_PHONES)
    address = mapped_fields(parse_address, raw("address_raw"), raw("district_raw"), country, kinds=_ADDRESS)
    stated_postal = mapped(blank_to_none, raw("postal_code_raw"), kind=_TEXT)
    place = mapped_fields(
        standard_place,
        pc.coalesce(stated_postal, address["postal_code"]),
        raw("city_raw"),
        raw("state_raw"),
        country,
        kinds=_PLACE,
    )
    loyalty = mapped_fields(standard_loyalty, raw("loyalty_id"), kinds=_LOYALTY)
    born = pc.coalesce(birth["usable"], tax["birth_date"])
    parts = (party, birth, tax, emails, phones, address, place, loyalty)
    made: dict[str, pa.Array] = {
        "party_type": party["party_type"],
        **{field: party[f"name.{field}"] for field in _OF_PERSON},
        **{field: party[f"company.{field}"] for field in _OF_COMPANY},
        **{field: address[field] for field in _OF_STREET},
        **{field: place[field] for field in _OF_PLACE},
        "country": country,
        "birth_date": birth["birth_date"],
        "tax_id": tax["tax_id"],
        "tax_id_type": tax["tax_id_type"],
        "tax_id_valid": tax["valid"],
        "emails": _filled(emails["emails"]),
        "phones": _filled(phones["phones"]),
        "match_birth_date": born,
        "match_birth_year": pc.year(born).cast(pa.int32()),
        "match_tax_id": tax["usable"],
        "match_emails": _filled(emails["keys"]),
        "match_email_local": emails["local"],
        "match_email_births": hints_of_email["births"],
        "match_phones": _filled(phones["usable"]),
        "match_postal_code": place["postal_usable"],
        "match_city": place["city_key"],
        "match_street": address["street_key"],
        "match_loyalty_id": loyalty["usable"],
        "match_excluded": mapped(_merged, *(part["reasons"] for part in parts), kind=_TEXTS),
    }
    for field, hint in (
        ("match_surname", "surname"),
        ("match_surname_phonetic", "surname_sound"),
        ("match_second_surname", "second_surname"),
    ):
        made[field] = pc.coalesce(made[field], hints_of_email[hint])
    return pa.table([made[name] for name in SCHEMA.names], schema=SCHEMA)
