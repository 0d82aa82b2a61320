"""``gold/xref``: every source record of a customer, and the customer of every source record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.tables import BOOLEAN, DATE, STRING, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

XREF = Table(
    layer="gold",
    name="xref",
    grain="One row a source record, live or deleted, that a customer owns.",
    key=("source", "record_id"),
    owner="data engineering",
    columns=(
        Column("customer_id", STRING, "Customer that owns the record.", Personal.PSEUDONYM, required=True),
        Column("source", STRING, "Source system that owns the record.", required=True),
        Column("record_id", STRING, "The record's key inside its source.", Personal.PSEUDONYM, required=True),
        Column("is_live", BOOLEAN, "True while the source still delivers the record.", required=True),
        Column("valid_from", DATE, "Business date since which the record has had its newest assignment."),
        Column("first_seen_on", DATE, "Business date of the record's first assignment to any customer."),
    ),
)


def build_xref(owners: DataFrame) -> DataFrame:
    """One row per record that a customer owns; ``owners`` is ``gold.ownership.record_owners``.

    A deleted record stands with the customer that its events resolve to; one that resolves to
    nobody has no row.
    """
    return XREF.conform(owners.filter(F.col("customer_id").isNotNull()))
