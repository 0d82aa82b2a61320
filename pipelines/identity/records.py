"""The records as identity sees them: where each stands tonight, and whose it was before."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.identity.tables import RECORD

if TYPE_CHECKING:
    from pyspark.sql import Column


def known_records(
    clusters: DataFrame, events: DataFrame, aliases: DataFrame, edited: DataFrame, decided: DataFrame
) -> DataFrame:
    """One row per record that is live tonight or was in the prior state.

    Columns: source, record_id; ``cluster`` (NULL: gone tonight); ``past``, its moves so far as
    (since, customer_id), oldest first, customer_id NULL where it went; ``last_id``, the id that it held
    last (NULL: never seen); ``prior_id``, what that id is in the prior state (NULL: several customers,
    or erased); ``is_holder`` (it was live then); ``first_seen_on``; ``is_edited``, ``is_decided``
    (among the keys of ``edited`` and ``decided``); ``decision_id``, the decision that names it.
    """
    records = _gathered(clusters, events, edited, decided)
    is_back = F.col("cluster").isNotNull() & ~F.col("is_holder") & F.col("last_id").isNotNull()
    # Only these may have a last id that is no customer any more. Joined with the rest, all records
    # never seen before would share one NULL key and go to one task.
    back = records.filter(is_back).join(_retired_ids(aliases), on="last_id", how="left")
    successor = F.when(F.col("is_retired"), F.col("successor")).otherwise(F.col("last_id"))
    others = records.filter(~is_back & (F.col("cluster").isNotNull() | F.col("is_holder")))
    return others.withColumn("prior_id", F.col("last_id")).unionByName(
        back.withColumn("prior_id", successor).drop("is_retired", "successor")
    )


def stays_of(past: Column) -> Column:
    """The moves of ``known_records.past`` that began a stay."""
    return F.filter(past, lambda move: move["customer_id"].isNotNull())


def _gathered(clusters: DataFrame, events: DataFrame, edited: DataFrame, decided: DataFrame) -> DataFrame:
    """``known_records`` without prior_id, and with all records that were ever seen."""
    move = F.struct(F.struct("business_date", "publication").alias("since"), "customer_id")
    parts = [
        clusters.select(*RECORD, F.col("cluster_final").alias("cluster")),
        events.filter(F.col("event") != "changed").select(*RECORD, move.alias("move")),
        edited.select(*RECORD, F.lit(True).alias("is_edited")),
        decided.select(*RECORD, "decision_id", F.lit(True).alias("is_decided")),
    ]
    united = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    records = united.groupBy(*RECORD).agg(
        F.max("cluster").alias("cluster"),
        F.array_sort(F.collect_list("move")).alias("past"),
        F.coalesce(F.max("is_edited"), F.lit(False)).alias("is_edited"),
        F.coalesce(F.max("is_decided"), F.lit(False)).alias("is_decided"),
        F.max("decision_id").alias("decision_id"),
    )
    newest, stays = F.try_element_at("past", F.lit(-1)), stays_of(F.col("past"))
    return records.withColumns(
        {
            "last_id": F.try_element_at(stays, F.lit(-1))["customer_id"],
            "is_holder": newest["customer_id"].isNotNull(),
            "first_seen_on": F.try_element_at(stays, F.lit(1))["since"]["business_date"],
        }
    )


def _retired_ids(aliases: DataFrame) -> DataFrame:
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
