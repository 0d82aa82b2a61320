"""The attribute groups of the golden record: what survives together, from one source record.

A group is the smallest thing that is never mixed: an address comes whole from one record. The
rule by which a group survives is configuration (``conf/survivorship.yml``); what belongs
together is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.tables import DATE, STRING, Column, Personal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Group:
    """Columns of ``silver/customer_records`` that reach the master together."""

    name: str
    meaning: str
    fields: tuple[str, ...]
    core: tuple[str, ...] = ()
    """What completeness counts; every field where empty."""
    evidence: tuple[str, ...] = ()
    """A record without any of these says nothing about the group; every field where empty."""
    many: bool = False
    """True where all values are kept, best first (``fields`` is then one array column)."""

    @property
    def counted(self) -> tuple[str, ...]:
        return self.core or self.fields

    @property
    def needed(self) -> tuple[str, ...]:
        return self.evidence or self.fields


_NAME = ("given_name", "surname", "second_surname", "company_name")

GROUPS = (
    Group("name", "name", _NAME),
    Group("birth_date", "birth date", ("birth_date",)),
    Group("tax_id", "tax id", ("tax_id", "tax_id_type", "tax_id_valid"), evidence=("tax_id",)),
    Group("emails", "e-mails", ("emails",), many=True),
    Group("phones", "phones", ("phones",), many=True),
    Group(
        "address",
        "address",
        (
            *("street_type", "street_name", "street_number", "interior", "district"),
            *("postal_code", "city", "state", "state_code", "country"),
        ),
        core=("street_name", "street_number", "postal_code", "city"),
        evidence=("street_name", "postal_code", "city"),
    ),
    Group("demographics", "demographic data", ("gender",)),
    Group("employment", "employment", ("occupation", "employer")),
    Group("education", "education", ("education",)),
    Group("preferences", "preferences", ("language", "preferred_channel")),
    Group("marketing", "consent to marketing", ("marketing_opt_in",)),
    Group("loyalty", "loyalty card", ("loyalty_id", "home_store")),
)
GROUP_NAMES = tuple(group.name for group in GROUPS)


def group_columns() -> Iterator[Column]:
    """The master's columns of every group, each group with its provenance."""
    for group in GROUPS:
        for name in group.fields:
            silver = CUSTOMER_RECORDS.column(name)
            meaning = f"All usable {group.meaning}, best first." if group.many else silver.meaning
            yield Column(
                name,
                silver.type,
                meaning,
                silver.personal,
                formula="survivorship rule of conf/survivorship.yml",
            )
        first = f"first of the {group.meaning}" if group.many else group.meaning
        yield Column(f"{group.name}_source", STRING, f"Source that the {first} came from.")
        yield Column(
            f"{group.name}_record_id",
            STRING,
            f"Key in that source of the record that the {first} came from.",
            Personal.PSEUDONYM,
        )
        yield Column(
            f"{group.name}_as_of",
            DATE,
            f"Date of which that record states the {first}; age in days is computed on reading.",
            Personal.QUASI,
            formula="updated_at, else landing date of a later delivery, else registered_at, else landing date",
        )


def carried_columns() -> list[str]:
    """Names of all group columns: what a customer without live records keeps from the night before."""
    return [column.name for column in group_columns()]
