"""Tonight's customer of every record, and which records moved."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.frames import all_of
from pipelines.identity.mint import minted_id
from pipelines.identity.tables import RECORD

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def assigned_records(
    records: DataFrame, fates: DataFrame, business_date: date, publication: int, salt: str
) -> DataFrame:
    """``records`` (``known_records``) with their cluster's customer; NULL for those gone tonight.

    Adds customer_id, is_minted (the id is new tonight) and is_held (see ``votes.fates``).
    """
    is_kept = F.col("customer_id") == F.col("home_id")
    kept = fates.filter(is_kept).select("cluster", F.col("home_id").alias("kept_id"), "is_held")
    smallest = F.min(F.struct(*RECORD)).over(all_of("cluster"))
    origin = [F.lit(business_date), F.lit(publication), F.col("smallest")]
    live = (
        records.filter(F.col("cluster").isNotNull())
        .join(kept, on="cluster", how="left")
        .withColumn("smallest", smallest)
        .withColumns(
            {
                "customer_id": F.coalesce("kept_id", minted_id(*origin, salt=salt)),
                "is_minted": F.col("kept_id").isNull(),
                "is_held": F.coalesce("is_held", F.lit(False)),
            }
        )
        .drop("kept_id", "smallest")
    )
    gone = records.filter(F.col("cluster").isNull())
    return live.unionByName(gone, allowMissingColumns=True)


def has_moved() -> Column:
    """True for a live record seen before whose customer is another than in the prior state."""
    is_other = ~F.col("customer_id").eqNullSafe(F.col("prior_id"))
    return F.col("cluster").isNotNull() & F.col("last_id").isNotNull() & is_other


def moved_records(assigned: DataFrame, fates: DataFrame) -> DataFrame:
    """The rows of ``assigned_records`` that moved, with ``home_id`` and ``is_home``.

    ``home_id``: the customer of the cluster that is home to the prior id (NULL: nobody claims it).
    ``is_home``: the record stands there, so that its id became part of an older one.
    """
    home = fates.select(F.col("customer_id").alias("prior_id"), F.col("cluster").alias("home"), "home_id")
    is_home = F.coalesce(F.col("cluster") == F.col("home"), F.lit(False))
    moved = assigned.filter(has_moved()).join(home, on="prior_id", how="left")
    return moved.withColumn("is_home", is_home).drop("home")
