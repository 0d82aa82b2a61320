"""Votes, home, keep: which of tonight's clusters keeps which id (definitions, the assignment rule).

Everything is an aggregation over records or ids: the result depends on records, clusters and
history, and on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import RECORD
from pipelines.identity.undo import all_of, undone_votes

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def plain_votes(records: DataFrame) -> DataFrame:
    """One row per live record with a prior id: it votes for that.

    Columns: source, record_id, prior_id, cluster, vote_id, is_strong, first_seen_on. A vote is
    strong where the record held the id in the prior state; claims from the past are weak.
    """
    votes = records.filter(F.col("cluster").isNotNull() & F.col("prior_id").isNotNull())
    return votes.select(
        *RECORD,
        "prior_id",
        "cluster",
        F.col("prior_id").alias("vote_id"),
        F.col("is_holder").alias("is_strong"),
        "first_seen_on",
    )


def counted(votes: DataFrame) -> DataFrame:
    """One row per id and cluster with votes: customer_id, cluster, strong, votes, eldest.

    A claim to an id that others hold is void: the record votes, weakly, for its prior id instead.
    """
    voters = votes.groupBy("vote_id", "prior_id", "cluster").agg(
        F.count_if("is_strong").alias("strong"),
        F.count("*").alias("votes"),
        F.min(F.struct("first_seen_on", *RECORD)).alias("eldest"),
    )
    is_void = (F.col("vote_id") != F.col("prior_id")) & (F.sum("strong").over(all_of("vote_id")) > 0)
    valid = voters.withColumn("customer_id", F.when(is_void, F.col("prior_id")).otherwise(F.col("vote_id")))
    return valid.groupBy("customer_id", "cluster").agg(
        F.sum("strong").alias("strong"), F.sum("votes").alias("votes"), F.min("eldest").alias("eldest")
    )


def ballots(records: DataFrame, past_stays: DataFrame) -> DataFrame:
    """``counted`` over the votes of all records, merges that fall apart being undone."""
    same_id = all_of("prior_id")
    is_torn = F.min("cluster").over(same_id) != F.max("cluster").over(same_id)
    votes = plain_votes(records)
    marked = votes.withColumn("is_torn", is_torn)
    whole = marked.filter(~F.col("is_torn")).select(*votes.columns)
    torn = marked.filter("is_torn").select(*votes.columns)
    return counted(whole.unionByName(undone_votes(torn, past_stays)))


def homes(ballots: DataFrame) -> DataFrame:
    """One row per id voted for: customer_id, its home ``cluster``, strong and votes there.

    Records that hold the id go before claims from the past: customers that nothing touched
    keep theirs.
    """
    most_first = F.struct((-F.col("strong")).alias("s"), (-F.col("votes")).alias("v"), "eldest")
    best = F.min_by(F.struct("cluster", "strong", "votes"), most_first)
    return ballots.groupBy("customer_id").agg(best.alias("home")).select("customer_id", "home.*")


def oldest_first(published_on: Column) -> Column:
    """The order in which ids are kept: first published, then held tonight, most records, smallest id."""
    return F.struct(
        published_on.alias("published_on"),
        (F.col("strong") == 0).alias("is_claim"),
        (-F.col("votes")).alias("votes"),
        F.col("customer_id"),
    )


def kept_ids(homes: DataFrame, past_stays: DataFrame) -> DataFrame:
    """One row per cluster that is home to an id: cluster, customer_id (the oldest), is_held.

    ``is_held``: records that held the id in the prior state still do. ``past_stays`` says when an id was
    first published; it is asked only where ids compete.
    """
    rivals = homes.withColumn("rivals", F.count("*").over(all_of("cluster"))).filter(F.col("rivals") > 1)
    published = (
        rivals.select("customer_id")
        .join(past_stays.withColumnRenamed("stay_id", "customer_id"), on="customer_id", how="inner")
        .groupBy("customer_id")
        .agg(F.min("since").alias("published_on"))
    )
    kept = F.min_by(F.struct("customer_id", "strong"), oldest_first(F.col("published_on")))
    return (
        homes.join(published, on="customer_id", how="left")
        .groupBy("cluster")
        .agg(kept.alias("kept"))
        .select("cluster", "kept.customer_id", (F.col("kept.strong") > 0).alias("is_held"))
    )
