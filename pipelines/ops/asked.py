"""What somebody asks the register for, in the register's own spelling.

A value goes through the same standardisation as the records. A number without a country is read as of
every country that the register has records of, so that any spelling finds it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.identity.mint import CROCKFORD
from pipelines.standardise import Hints, standardise_records

FIELDS = ("phone", "email", "tax_id", "loyalty_id", "order", "record", "customer_id", "name", "birth_date")
"""What one can ask by."""
REFERENCES = ("order", "record", "customer_id")
"""Keys that the register itself links to a customer: no model is asked."""

_CUSTOMER = re.compile(rf"C[{CROCKFORD}]{{24}}")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_PHONE = re.compile(r"[+\d][\d\s().\-/]*\d")
_LEAST_DIGITS = 7
_CODE = re.compile(r"\S*\d\S*")


@dataclass(frozen=True)
class Asked:
    """Values by field, as the register writes them."""

    said: dict[str, str]
    """By field, as it was written."""
    values: dict[str, tuple[str, ...]]
    """By field, in every reading."""
    alternatives: bool = False
    """True where one text may be any of the fields: a number may be a phone or an order."""
    generic: frozenset[str] = frozenset()
    """Fields whose value is a placeholder, and no evidence."""
    row: dict[str, Any] = field(default_factory=dict)
    """The record that says it: columns of silver/customer_records, as far as they are known."""


def recognised(text: str, sources: Collection[str]) -> dict[str, str]:
    """What a text may be, by field; several where it could be any of them. ``sources``: of the register's records."""
    text = " ".join(text.split())
    source, _, key = text.partition(":")
    if _CUSTOMER.fullmatch(text.upper()):
        return {"customer_id": text.upper()}
    if key and source in sources:
        return {"record": text}
    if "@" in text:
        return {"email": text}
    born = _DATE.search(text)
    name = _DATE.sub("", text).strip(" ,;")
    if born and name and not _CODE.fullmatch(name):
        return {"name": name, "birth_date": born[0]}
    found = {}
    digits = sum(c.isdigit() for c in text)
    if _PHONE.fullmatch(text) and digits >= _LEAST_DIGITS:
        found["phone"] = text
    if _CODE.fullmatch(text) or found:
        return {**found, "tax_id": text, "loyalty_id": text, "order": text}
    return {"name": text}


def asked(
    said: dict[str, str],
    countries: Sequence[str],
    today: date,
    *,
    alternatives: bool = False,
) -> Asked:
    """``said`` (by field) in standard form, a number in every reading that one of ``countries`` gives it.

    Raises UsageError where nothing was asked, or a value cannot be read.
    """
    said = {name: text.strip() for name, text in said.items() if text and text.strip()}
    if not said:
        raise UsageError("Say whom to look up: --phone, --email, --tax-id … or one text; see --help.")
    if set(said) == {"birth_date"}:
        raise UsageError(
            "A birth date alone is too many people's: add --name, or anything else that is known."
        )
    read = _standard(said, countries, today)
    first = read[0]
    values = {
        "phone": _every(read, "match_phones", "phones"),
        "email": _every(read, "match_emails", "emails"),
        "tax_id": _every(read, "match_tax_id", "tax_id"),
        "loyalty_id": _every(read, "match_loyalty_id"),
        "order": (said["order"],) if "order" in said else (),
        "record": (said["record"],) if "record" in said else (),
        "customer_id": (said["customer_id"].upper(),) if "customer_id" in said else (),
        "name": tuple(first["match_name_tokens"] or ()) or _every(read, "match_company"),
        "birth_date": _every(read, "birth_date"),
    }
    usable = {
        "phone": _every(read, "match_phones"),
        "email": _every(read, "match_emails"),
        "tax_id": _every(read, "match_tax_id", "tax_id"),
        "loyalty_id": _every(read, "match_loyalty_id"),
        "birth_date": _every(read, "match_birth_date"),
    }
    kept = {name: values[name] for name in FIELDS if name in said and values[name]}
    unread = [name for name in said if name not in kept]
    if unread and not (alternatives and kept):
        names = ", ".join(name.replace("_", " ") for name in unread)
        raise UsageError(f"What was given as {names} cannot be read as one: nothing is looked up.")
    generic = frozenset(name for name, found in usable.items() if name in kept and not found)
    return Asked({n: said[n] for n in kept}, kept, alternatives, generic, _row(read, kept))


def _standard(said: dict[str, str], countries: Sequence[str], today: date) -> list[dict[str, Any]]:
    texts = pa.list_(pa.string())
    n = len(countries)

    def told(name: str) -> list[str | None]:
        return [said.get(name)] * n

    received = pa.table(
        {
            "country_raw": pa.array(countries, pa.string()),
            "phones_raw": pa.array([[v] if v else None for v in told("phone")], texts),
            "emails_raw": pa.array([[v] if v else None for v in told("email")], texts),
            "tax_id_raw": pa.array(told("tax_id"), pa.string()),
            "loyalty_id": pa.array(told("loyalty_id"), pa.string()),
            "full_name_raw": pa.array(told("name"), pa.string()),
            "birth_date_raw": pa.array(told("birth_date"), pa.string()),
        }
    )
    hints = Hints("auto", countries[0], ("yyyy-MM-dd",), today)
    found: list[dict[str, Any]] = standardise_records(received, hints).to_pylist()
    return found


def _every(read: list[dict[str, Any]], *columns: str) -> tuple[str, ...]:
    """Every value of the columns in all readings, each once."""
    values: dict[str, None] = {}
    for row in read:
        for column in columns:
            value = row[column]
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    values[str(one)] = None
    return tuple(values)


def _row(read: list[dict[str, Any]], kept: dict[str, tuple[str, ...]]) -> dict[str, Any]:
    """The first reading, with the numbers of all."""
    row = dict(read[0])
    row["match_phones"] = sorted(_every(read, "match_phones")) or None
    tax = next((r for r in read if r["match_tax_id"] is not None), read[0])
    row |= {name: tax[name] for name in ("match_tax_id", "tax_id_type")}
    if "tax_id" in kept and "birth_date" not in kept:
        # What the tax id says of its bearer is no more than the tax id.
        row |= {"match_birth_date": None, "match_birth_year": None}
    return row
