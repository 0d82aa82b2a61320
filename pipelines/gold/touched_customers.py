"""Customers whose records say what they said last night: their golden record is taken over, not made again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.attributes import GROUPS
from pipelines.gold.golden import EVIDENCE, stated_on
from pipelines.gold.ownership import RECORD
from pipelines.identity.frames import FEW
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.standard_form import hash_of

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import Column, DataFrame

    from pipelines.queries import Keep

_SAYS = (*RECORD, "party_type", *(name for group in GROUPS for name in group.fields), *EVIDENCE)
_DATED = ("updated_at", "registered_at", "_landing_date")


@dataclass(frozen=True)
class LastNight:
    """Gold of the prior state, made by the program and the configuration of now."""

    customers: DataFrame
    attribute_values: DataFrame


def said() -> Column:
    """64 bits of a digest of all that a record puts forward for its golden record, but for the date of which it does."""
    return hash_of({name: CUSTOMER_RECORDS.column(name).type for name in _SAYS})


def digest_of(says: Column) -> Column:
    """64 bits of a digest of all of a customer's records, an aggregate of ``said`` (needs ``as_of``)."""
    return F.bit_xor(F.xxhash64(says, F.col("as_of")))


def touched_customers(
    records: DataFrame, owners: DataFrame, last: LastNight, business_date: date, keep: Keep
) -> DataFrame | None:
    """One row a customer that has, or had last night, live records, and not the same saying the same: customer_id.

    ``records`` are silver/customer_records, ``owners`` ``live_owners``. None where there are so many that making all
    golden records again takes no longer. A date counts where it makes a record state its values as of another one.
    """
    # Joined to their owners by what is compared alone: records are wide.
    narrow = records.select(*RECORD, *_DATED, said().alias("_says"))
    owned = narrow.join(owners.select(*RECORD, "customer_id", "first_seen_on"), on=RECORD, how="inner")
    tonight = (
        owned.withColumn("as_of", stated_on(business_date))
        .groupBy("customer_id")
        .agg(digest_of(F.col("_says")).alias("_is"))
    )
    before = last.customers.filter("is_live").select("customer_id", F.col("records_digest").alias("_was"))
    compared = tonight.join(before, on="customer_id", how="full_outer")
    touched = keep(compared.filter(~F.col("_is").eqNullSafe(F.col("_was"))).select("customer_id"))
    return touched if touched.count() <= FEW else None


def without(rows: DataFrame, touched: DataFrame) -> DataFrame:
    """``rows`` of the customers that were not touched."""
    return rows.join(F.broadcast(touched), on="customer_id", how="left_anti")
