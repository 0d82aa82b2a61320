"""What somebody asks the register for, in the register's own spelling.

A value goes through the same standardisation as the records. A number without a country is read as of
every country that the register has records of, so that any spelling finds it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.ops.free_text import Said, iso_birth_date
from pipelines.ops.register import as_customer_id
from pipelines.standardise import Hints, standardise_records

FIELDS = ("phone", "email", "tax_id", "loyalty_id", "order", "record", "customer_id", "name", "birth_date")
"""What one can ask by."""
REFERENCES = ("order", "record", "customer_id")
"""Keys that the register itself links to a customer: no model is asked."""


@dataclass(frozen=True)
class Asked:
    """Values by field, as the register writes them."""

    said: dict[str, str]
    """By field, as it was written; a birth date in ISO 8601."""
    values: dict[str, tuple[str, ...]]
    """By field, in every reading."""
    alternatives: frozenset[str] = frozenset()
    """Fields that are readings of one text: a number may be a phone or an order."""
    generic: frozenset[str] = frozenset()
    """Fields whose value is a placeholder, and no evidence."""
    unused: tuple[str, ...] = ()
    """What was given besides and is not looked for, in words."""
    row: dict[str, Any] = field(default_factory=dict)
    """The record that says it: columns of silver/customer_records, as far as they are known."""

    @property
    def words(self) -> tuple[str, ...]:
        """The words of the name, in small letters without accents."""
        company = self.row.get("match_company")
        return tuple(company.split()) if company else self.values.get("name", ())


def asked(said: Said, countries: Sequence[str], today: date) -> Asked:
    """``said`` in standard form, a number in every reading that one of ``countries`` gives it.

    Raises UsageError where nothing was asked, or a value cannot be read; of a free text that can be read in part
    the rest is ``unused``.
    """
    given = {name: text.strip() for name, text in said.fields.items() if text and text.strip()}
    if not given:
        raise UsageError("Say whom to look up: --phone, --email, --tax-id … or one text; see --help.")
    if set(given) == {"birth_date"}:
        raise UsageError(
            "A birth date alone is too many people's: add --name, or anything else that is known."
        )
    if "birth_date" in given:
        given["birth_date"] = iso_birth_date(given["birth_date"], today) or given["birth_date"]
    read = _standard(given, countries, today)
    values = _values(given, read)
    kept = {name: values[name] for name in FIELDS if name in given and values[name]}
    usable = {
        "phone": _every(read, "match_phones"),
        "email": _every(read, "match_emails"),
        "tax_id": _every(read, "match_tax_id", "tax_id"),
        "loyalty_id": _every(read, "match_loyalty_id"),
        "birth_date": _every(read, "match_birth_date"),
    }
    return Asked(
        {name: given[name] for name in kept},
        kept,
        said.alternatives & set(kept),
        frozenset(name for name, found in usable.items() if name in kept and not found),
        (
            *_unread(said, given, kept),
            *(f"“{text}”" for text in said.unused),
            *_digits_left(kept, given, read),
        ),
        _row(read, kept),
    )


def _values(given: dict[str, str], read: list[dict[str, Any]]) -> dict[str, tuple[str, ...]]:
    """By field, every reading in the register's spelling; nothing where there is none."""
    first = read[0]
    order = compact(given.get("order", ""))
    return {
        "phone": _every(read, "match_phones", "phones"),
        "email": _every(read, "match_emails", "emails"),
        "tax_id": _every(read, "match_tax_id", "tax_id"),
        "loyalty_id": _every(read, "match_loyalty_id"),
        "order": (order,) if order else (),
        "record": (given["record"],) if "record" in given else (),
        "customer_id": (as_customer_id(given["customer_id"]),) if "customer_id" in given else (),
        "name": tuple(first["match_name_tokens"] or ()) or _every(read, "match_company"),
        "birth_date": _every(read, "birth_date"),
    }


def compact(order: str) -> str:
    """An order number by its letters and digits alone, in small letters: ``po 17`` is ``PO-17``."""
    return "".join(c for c in order.lower() if c.isalnum())


def _unread(said: Said, given: dict[str, str], kept: dict[str, tuple[str, ...]]) -> list[str]:
    """What cannot be read, in words. Raises UsageError where that stops the look-up."""
    unread = [name for name in given if name not in kept]
    if said.alternatives & set(kept):
        unread = [name for name in unread if name not in said.alternatives]
    if unread and not (said.is_text and kept):
        names = ", ".join(name.replace("_", " ") for name in unread)
        raise UsageError(f"What was given as {names} cannot be read as one: nothing is looked up.")
    return list(dict.fromkeys(f"“{given[name]}”" for name in unread))


def _digits_left(
    kept: dict[str, tuple[str, ...]], given: dict[str, str], read: list[dict[str, Any]]
) -> list[str]:
    """Digits of a name that standardisation makes nothing of."""
    if "name" not in kept or read[0]["match_company"]:
        return []
    return [f"“{digits}”" for digits in re.findall(r"\d+", given["name"])]


def _standard(given: dict[str, str], countries: Sequence[str], today: date) -> list[dict[str, Any]]:
    texts = pa.list_(pa.string())
    n = len(countries)

    def told(name: str) -> list[str | None]:
        return [given.get(name)] * n

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
    hints = Hints("auto", countries[0], (), today)
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
