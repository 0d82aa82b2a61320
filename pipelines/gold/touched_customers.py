"""Customers whose records say what they said last night: their golden record is taken over, not made again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.attributes import GROUPS
from pipelines.gold.clustering import STATED
from pipelines.gold.figures import CUSTOMER_NUMBER, RECORD_NUMBER, customer_number, record_number
from pipelines.gold.golden import EVIDENCE, stated_on
from pipelines.gold.ownership import RECORD
from pipelines.identity.frames import FEW
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.standard_form import hash_of

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import Column, DataFrame

    from pipelines.queries import Keep

_SAYS = tuple(
    dict.fromkeys(
        [*RECORD, "party_type", *(name for group in GROUPS for name in group.fields), *EVIDENCE, *STATED]
    )
)
_DATED = ("updated_at", "registered_at", "_landing_date")
STANDING = ("is_live", "first_seen_on", "previous_customer_ids", "party_state", "habitual")
"""What a row of gold/customers says besides its golden record and what follows from that."""
_WAS = "_was_{}"


@dataclass(frozen=True)
class LastNight:
    """Customers of the prior state, made by the code of now and what of its configuration makes tables."""

    customers: DataFrame

    @property
    def made_of_records(self) -> DataFrame:
        """The customers whose golden record was made of live records."""
        return self.customers.filter(F.col("is_live") & F.col("records_digest").isNotNull())


@dataclass(frozen=True)
class Touched:
    """Customers whose golden record is made again; few enough to be sent to every task."""

    customers: DataFrame
    """One row a customer: customer_id."""
    owners: DataFrame
    """One row a live record of these: source, record_id, customer_id, first_seen_on."""


def said() -> Column:
    """64 bits of a digest of all that a record puts forward for its golden record, but for the date of which it does."""
    return hash_of({name: CUSTOMER_RECORDS.column(name).type for name in _SAYS})


def digest_of(says: Column) -> Column:
    """64 bits of a digest of all of a customer's records, an aggregate of ``said`` (needs ``as_of``)."""
    return F.bit_xor(F.xxhash64(says, F.col("as_of")))


def touched_customers(
    records: DataFrame, owners: DataFrame, last: LastNight, business_date: date, keep: Keep
) -> Touched | None:
    """Who has, or had last night, live records, and not the same saying the same.

    ``records`` are silver/customer_records, ``owners`` ``live_owners``. None where there are so many that making all
    golden records again takes no longer. A date counts where it makes a record state its values as of another one.
    """
    # Joined to their owners by what is compared alone, in numbers: records are wide. Where two share a number, what they say
    # is not what the golden record says of itself, and both are made again.
    narrow = records.select(record_number(), *_DATED, said().alias("_says"))
    owned = narrow.join(
        owners.select(record_number(), customer_number(), "first_seen_on"), on=RECORD_NUMBER, how="inner"
    )
    tonight = (
        owned.withColumn("as_of", stated_on(business_date))
        .groupBy(CUSTOMER_NUMBER)
        .agg(digest_of(F.col("_says")).alias("_is"))
    )
    was = last.made_of_records.select("customer_id", customer_number(), F.col("records_digest").alias("_was"))
    differ = tonight.join(was.drop("customer_id"), on=CUSTOMER_NUMBER, how="full_outer").filter(
        ~F.col("_is").eqNullSafe(F.col("_was"))
    )
    # One more than are few says that they are many, and where a whole delivery differs it is all that is held.
    found = keep(differ.select(CUSTOMER_NUMBER).limit(FEW + 1))
    if found.count() > FEW:
        return None
    few = F.broadcast(found)
    now = owners.select(*RECORD, "customer_id", "first_seen_on", customer_number()).join(
        few, on=CUSTOMER_NUMBER, how="left_semi"
    )
    records_of = keep(now.drop(CUSTOMER_NUMBER).limit(FEW + 1))
    if records_of.count() > FEW:
        return None
    gone = was.join(few, on=CUSTOMER_NUMBER, how="left_semi").select("customer_id")
    return Touched(keep(records_of.select("customer_id").unionByName(gone).distinct()), records_of)


def without(rows: DataFrame, touched: Touched) -> DataFrame:
    """``rows`` of the customers that were not touched."""
    return rows.join(F.broadcast(touched.customers), on="customer_id", how="left_anti")


def changed_customers(
    known: DataFrame, touched: Touched, last: LastNight, stale_sources: Column, keep: Keep
) -> DataFrame | None:
    """Whose row of gold/customers is not, but for its date, the one of last night: customer_id, ``STANDING``, is_known.

    ``known``: customer_id and ``STANDING`` of every customer; an id of last night that is none any more is not known.
    ``stale_sources``: an array. None where there are so many that writing all rows again takes no longer. Runs a job.
    """
    is_stale = F.array_intersect("sources_present", stale_sources)
    before = last.customers.select(
        F.col("customer_id"),
        *[F.col(name).alias(_WAS.format(name)) for name in STANDING],
        is_stale.eqNullSafe(F.col("stale_sources")).alias("_is_as_stale"),
    )
    is_same = [F.col(name).eqNullSafe(F.col(_WAS.format(name))) for name in STANDING]
    stands = reduce(and_, is_same, F.col("is_known") & F.coalesce("_is_as_stale", F.lit(False)))
    found = keep(
        known.withColumn("is_known", F.lit(True))
        .join(before, on="customer_id", how="full_outer")
        .withColumn("is_known", F.coalesce("is_known", F.lit(False)))
        .join(
            F.broadcast(touched.customers.withColumn("_is_touched", F.lit(True))),
            on="customer_id",
            how="left",
        )
        .filter(~stands | F.col("_is_touched").isNotNull())
        .select("customer_id", "is_known", *STANDING)
        .limit(FEW + 1)
    )
    return None if found.count() > FEW else found
