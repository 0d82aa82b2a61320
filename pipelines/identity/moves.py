"""Tonight's customer of every record, and which records moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def assigned_records(records: DataFrame, customers: DataFrame) -> DataFrame:
    """``records`` (``known_records``) with their cluster's customer; NULL for those gone tonight.

    ``customers``: cluster, customer_id, is_minted (tonight), is_held (see ``votes.kept_ids``).
    """
    return records.join(customers, on="cluster", how="left")


def has_moved() -> Column:
    """True for a live record seen before whose customer is another than in the prior state."""
    is_other = ~F.col("customer_id").eqNullSafe(F.col("prior_id"))
    return F.col("cluster").isNotNull() & F.col("last_id").isNotNull() & is_other


def moved_records(assigned: DataFrame, homes: DataFrame) -> DataFrame:
    """The rows of ``assigned`` that moved, with ``home_id`` and ``is_home``.

    ``home_id``: the customer of the cluster that is home to the prior id (NULL: nobody claims it).
    ``is_home``: the record stands there, so that its id became part of an older one.
    ``homes``: of ``votes.homes``.
    """
    moved = assigned.filter(has_moved())
    priors = moved.select(F.col("prior_id").alias("customer_id")).distinct()
    found = homes.join(priors, on="customer_id", how="left_semi").select(
        F.col("customer_id").alias("prior_id"), "cluster"
    )
    owners = assigned.select("cluster", "customer_id").join(
        found.select("cluster"), on="cluster", how="left_semi"
    )
    fates = found.join(owners.distinct(), on="cluster", how="inner").select(
        "prior_id", F.col("cluster").alias("home"), F.col("customer_id").alias("home_id")
    )
    is_home = F.coalesce(F.col("cluster") == F.col("home"), F.lit(False))
    return moved.join(fates, on="prior_id", how="left").withColumn("is_home", is_home).drop("home")
