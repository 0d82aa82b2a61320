"""Whose is a record, and so an order or a case: tonight's answer for every record ever seen.

A live record belongs to the customer that ``identity/assignments`` names. A deleted record
keeps its last assignment, followed through the open aliases:

- an id that was neither merged into another nor erased is still a customer, and owns it;
- an id that became exactly one other is followed there (``became`` is kept at current ids);
- an id that became several, or was erased, owns nothing: the event stays unassigned, because
  guessing would give one person another's history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.queries import HASH, hash_first
from pipelines.silver.renames import named_now

if TYPE_CHECKING:
    import pyarrow as pa

RECORD = ["source", "record_id"]


def retired_ids(assignments: DataFrame, aliases: DataFrame) -> DataFrame:
    """One row per id that is no customer any more: customer_id, became (NULL: none, or several).

    Merged and erased ids retire. A split retires nobody, for one part keeps the id; nor does
    an id with live records, whatever its aliases say.
    """
    is_elsewhere = ~F.col("became").eqNullSafe(F.col("customer_id"))
    targets = (
        aliases.filter(F.col("valid_to").isNull())
        .groupBy("customer_id")
        .agg(
            F.array_sort(F.collect_set("became")).alias("targets"),
            F.max(F.col("kind") == "erased").alias("is_erased"),
            F.max(F.col("kind").isin("merged", "erased") & is_elsewhere).alias("is_retired"),
        )
    )
    is_single = (F.size("targets") == 1) & ~F.col("is_erased")
    live = assignments.select("customer_id").distinct()
    return (
        targets.filter("is_retired")
        .join(live, on="customer_id", how="left_anti")
        .select("customer_id", F.when(is_single, F.get("targets", F.lit(0))).alias("became"))
    )


def record_owners(assignments: DataFrame, assignment_history: DataFrame, aliases: DataFrame) -> DataFrame:
    """One row per record ever assigned: source, record_id, customer_id (NULL: nobody), is_live, valid_from, first_seen_on.

    ``valid_from`` is the date since which the record has held the assignment it has, or had
    last; ``first_seen_on`` the date of its first assignment to any customer.
    """
    last = assignment_history.groupBy(hash_first(RECORD), *RECORD).agg(
        F.max(F.struct("valid_from", F.col("valid_to").isNull().alias("is_open"), "customer_id")).alias(
            "last"
        ),
        F.min("valid_from").alias("first_seen_on"),
    )
    live = assignments.select(hash_first(RECORD), *RECORD, F.col("customer_id").alias("current_id"))
    known = last.join(live, on=[HASH, *RECORD], how="full_outer")
    retired = retired_ids(assignments, aliases).select(
        F.col("customer_id").alias("last_id"), "became", F.lit(True).alias("is_retired")
    )
    followed = known.withColumn("last_id", F.col("last.customer_id")).join(retired, on="last_id", how="left")
    inherited = F.when(F.col("is_retired"), F.col("became")).otherwise(F.col("last_id"))
    return followed.select(
        *RECORD,
        F.coalesce(F.col("current_id"), inherited).alias("customer_id"),
        F.col("current_id").isNotNull().alias("is_live"),
        F.col("last.valid_from").alias("valid_from"),
        "first_seen_on",
    )


def live_owners(xref: DataFrame) -> DataFrame:
    """One row per live record of gold/xref: source, record_id, customer_id, first_seen_on (see ``record_owners``)."""
    return xref.filter("is_live").select(*RECORD, "customer_id", "first_seen_on")


def with_former_names(owners: DataFrame, renames: pa.Table | None) -> DataFrame:
    """``owners`` (``record_owners``) in which a former name belongs to whoever owns the record now.

    ``renames``: silver/renames. Orders go on naming records as they were called when they were written. A
    name that is live is nobody's former one.
    """
    if renames is None or not renames.num_rows:
        return owners
    old = {f"old_{name}": F.col(name) for name in RECORD}
    named = named_now(owners.withColumns(old), renames, "valid_from")
    is_other = (F.col("source") != F.col("old_source")) | (F.col("record_id") != F.col("old_record_id"))
    now = owners.select(*RECORD, F.col("customer_id").alias("owner_id"))
    led = (
        named.filter(is_other & ~F.col("is_live"))
        .join(now, on=RECORD, how="inner")
        .select(F.col("old_source").alias("source"), F.col("old_record_id").alias("record_id"), "owner_id")
    )
    joined = owners.join(led, on=RECORD, how="left")
    return joined.withColumn("customer_id", F.coalesce("owner_id", "customer_id")).drop("owner_id")


def customer_register(assignments: DataFrame, assignment_history: DataFrame, aliases: DataFrame) -> DataFrame:
    """One row per customer: customer_id, is_live, first_seen_on, previous_customer_ids.

    Every id ever assigned that was neither merged into another nor erased, with or without
    live records.
    """
    ever = assignment_history.select("customer_id", "valid_from")
    now = assignments.select("customer_id", F.lit(None).cast("date").alias("valid_from"))
    flagged = ever.withColumn("is_live", F.lit(False)).unionByName(now.withColumn("is_live", F.lit(True)))
    ids = flagged.groupBy("customer_id").agg(
        F.max("is_live").alias("is_live"), F.min("valid_from").alias("first_seen_on")
    )
    is_other = F.col("became") != F.col("customer_id")
    former = (
        aliases.filter(F.col("valid_to").isNull() & is_other)
        .groupBy(F.col("became").alias("current_id"))
        .agg(F.array_sort(F.collect_set("customer_id")).alias("previous_customer_ids"))
        .withColumnRenamed("current_id", "customer_id")
    )
    retired = retired_ids(assignments, aliases).select("customer_id")
    empty = F.array().cast("array<string>")
    return (
        ids.join(retired, on="customer_id", how="left_anti")
        .join(former, on="customer_id", how="left")
        .withColumn("previous_customer_ids", F.coalesce("previous_customer_ids", empty))
    )


def resolve(events: DataFrame, owners: DataFrame) -> DataFrame:
    """``events`` (orders, cases) with the ``customer_id`` that owns them; NULL is unassigned.

    ``events`` has source and record_id; ``owners`` is ``record_owners``. Adds no row.
    """
    keys = owners.select(*RECORD, "customer_id")
    # Events without a record share one NULL key: joined, they would all go to one task.
    has_record = F.col("record_id").isNotNull() & F.col("source").isNotNull()
    keyed = events.filter(has_record).join(keys, on=RECORD, how="left")
    unkeyed = events.filter(~has_record).withColumn("customer_id", F.lit(None).cast("string"))
    return keyed.unionByName(unkeyed)


def resolve_orders(
    orders: DataFrame, assignments: DataFrame, assignment_history: DataFrame, aliases: DataFrame
) -> DataFrame:
    """``orders`` with the ``customer_id`` that owns them tonight; NULL is unassigned."""
    return resolve(orders, record_owners(assignments, assignment_history, aliases))
