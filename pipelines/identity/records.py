"""The records as identity sees them: where each stands tonight, and whose it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import RECORD

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def stays_so_far(assignment_history: DataFrame) -> DataFrame:
    """One row per record ever assigned: source, record_id, last_id, is_holder, first_seen_on.

    ``is_holder``: the record was live in the prior state and held ``last_id`` there.
    """
    is_open = F.col("valid_to").isNull()
    return assignment_history.groupBy(*RECORD).agg(
        F.max_by("customer_id", F.struct("valid_from", is_open)).alias("last_id"),
        F.max(is_open).alias("is_holder"),
        F.min("valid_from").alias("first_seen_on"),
    )


def retired_ids(aliases: DataFrame) -> DataFrame:
    """One row per id that is no customer any more: last_id, successor (NULL: several, or erased)."""
    is_open = F.col("valid_to").isNull()
    successors = F.collect_set("became")
    return (
        aliases.filter(is_open & F.col("kind").isin("merged", "erased"))
        .groupBy(F.col("customer_id").alias("last_id"))
        .agg(
            F.when(F.size(successors) == 1, F.get(successors, F.lit(0))).alias("successor"),
            F.lit(True).alias("is_retired"),
        )
    )


def _marked(records: DataFrame, keys: DataFrame, name: str) -> DataFrame:
    marks = keys.select(*RECORD).distinct().withColumn(name, F.lit(True))
    marked = records.join(marks, on=list(RECORD), how="left")
    return marked.withColumn(name, F.coalesce(F.col(name), F.lit(False)))


def known_records(
    clusters: DataFrame,
    assignment_history: DataFrame,
    aliases: DataFrame,
    edited: DataFrame,
    decided: DataFrame,
) -> DataFrame:
    """One row per record that is live tonight or was in the prior state.

    Columns: source, record_id; ``cluster`` (NULL: gone tonight); ``last_id``, the id that it held
    last (NULL: never seen); ``prior_id``, what that id is in the prior state (NULL: several
    customers, or erased); ``is_holder`` (it was live then); ``first_seen_on``; ``is_edited``,
    ``is_decided`` (among the keys of ``edited`` and ``decided``).
    """
    tonight = clusters.select(*RECORD, F.col("cluster_final").alias("cluster"))
    records = tonight.join(stays_so_far(assignment_history), on=list(RECORD), how="full_outer")
    is_holder = F.coalesce("is_holder", F.lit(False))
    wanted = records.withColumn("is_holder", is_holder).filter(
        F.col("cluster").isNotNull() | F.col("is_holder")
    )
    followed = wanted.join(retired_ids(aliases), on="last_id", how="left").select(
        *RECORD,
        "cluster",
        "last_id",
        F.when(F.col("is_retired"), F.col("successor")).otherwise(F.col("last_id")).alias("prior_id"),
        "is_holder",
        "first_seen_on",
    )
    return followed.transform(_marked, edited, "is_edited").transform(_marked, decided, "is_decided")
