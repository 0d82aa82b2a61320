"""Votes, home, keep: which of tonight's clusters keeps which id (definitions, the assignment rule).

Everything is an aggregation over records or ids: the result depends on records, clusters and
history, and on nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.frames import all_of, beside, held
from pipelines.identity.records import stays_of
from pipelines.identity.tables import RECORD
from pipelines.identity.undo import undone_votes

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def plain_votes(records: DataFrame) -> DataFrame:
    """One row per live record with a prior id: it votes for that.

    Columns: source, record_id, prior_id, cluster, vote_id, is_strong, first_seen_on, past. A vote is
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
        "past",
    )


def cast_votes(records: DataFrame, *, is_small: bool = False) -> DataFrame:
    """``plain_votes`` of all records, merges that fall apart being undone.

    ``is_small``: see ``frames.held``. Runs jobs.
    """
    same_id = all_of("prior_id")
    is_torn = F.min("cluster").over(same_id) != F.max("cluster").over(same_id)
    ids = F.transform(stays_of(F.col("past")), lambda stay: stay["customer_id"])
    # Where nobody ever held another id there is no merge to undo.
    has_merged = F.min(F.array_min(ids)).over(same_id) != F.max(F.array_max(ids)).over(same_id)
    votes = plain_votes(records)
    marked = held(votes.withColumn("looks_back", is_torn & has_merged), is_small)
    plain, torn = marked.filter(~F.col("looks_back")), marked.filter("looks_back")
    if torn.isEmpty():
        return marked.select(*votes.columns)
    undone = undone_votes(torn.select(*votes.columns))
    both = plain.select(*votes.columns).unionByName(undone)
    return both.coalesce(1) if is_small else both


def homes(votes: DataFrame, *, is_small: bool = False) -> DataFrame:
    """One row per id voted for: customer_id, its home ``cluster``, strong and votes there.

    Records that hold the id go before claims from the past: customers that nothing touched keep
    theirs. A claim to an id that others hold is void: the record votes, weakly, for its prior id.
    An id that nobody holds goes only where somebody is who held it once: a record that comes back alone, after
    its id became another's, claims its own again. ``is_small``: see ``frames.held``.
    """
    is_claim = F.col("vote_id") != F.col("prior_id")
    is_void = is_claim & F.max("is_strong").over(all_of("vote_id"))
    valid = votes.withColumn("customer_id", F.when(is_void, F.col("prior_id")).otherwise(F.col("vote_id")))
    counted = (
        # Both counts find the rows where they are: one shuffle instead of two.
        beside(_to_those_who_held_it(valid), "customer_id", is_small)
        .groupBy("customer_id", "cluster")
        .agg(
            F.count_if("is_strong").alias("strong"),
            F.count("*").alias("votes"),
            F.min(F.struct("first_seen_on", *RECORD)).alias("eldest"),
        )
    )
    most_first = F.struct((-F.col("strong")).alias("s"), (-F.col("votes")).alias("v"), "eldest")
    best = F.min_by(F.struct("cluster", "strong", "votes"), most_first)
    return counted.groupBy("customer_id").agg(best.alias("home")).select("customer_id", "home.*")


def _to_those_who_held_it(votes: DataFrame) -> DataFrame:
    """``votes`` in which nobody gets an id by an alias alone: such a vote is for the record's own last id."""
    stays = stays_of(F.col("past"))
    has_held = F.col("is_strong") | F.exists(stays, lambda stay: stay["customer_id"] == F.col("customer_id"))
    marked = votes.withColumn("has_held", has_held)
    is_held_here = F.max("has_held").over(all_of("customer_id", "cluster"))
    is_held = F.max("is_strong").over(all_of("customer_id"))
    own = F.try_element_at(stays, F.lit(-1))["customer_id"]
    chosen = F.when(is_held_here | is_held, F.col("customer_id")).otherwise(own)
    return marked.withColumn("customer_id", chosen).drop("has_held")


def _oldest_first() -> Column:
    """The order in which ids are kept: first published, then held tonight, most records, smallest id."""
    return F.struct(
        "published_at",
        (F.col("strong") == 0).alias("is_claim"),
        (-F.col("votes")).alias("votes"),
        "customer_id",
    )


def fates(homes: DataFrame, past_stays: DataFrame, *, few: bool = False, is_small: bool = False) -> DataFrame:
    """One row per id voted for: customer_id, its home ``cluster``, and the id kept there.

    ``home_id``: the oldest id at home in the cluster, which is its customer; ``is_held``: records held
    that one in the prior state and still do. ``past_stays``: of ``events.stays``; it says when an id
    was first published, and is asked only where ids compete. ``few``: those fit every task. ``is_small``: see ``frames.held``.
    """
    rivals = homes.withColumn("rivals", F.count("*").over(all_of("cluster"))).filter(F.col("rivals") > 1)
    rival = rivals.select("cluster", "customer_id")
    published = (
        past_stays.withColumnRenamed("stay_id", "customer_id")
        .join(F.broadcast(rival) if few else rival, on="customer_id", how="inner")
        .groupBy("cluster", "customer_id")
        .agg(F.min("since").alias("published_at"))
    )
    known = homes.unionByName(published, allowMissingColumns=True)
    ages = (
        # The window finds the rows where they are.
        (known.coalesce(1) if is_small else known.repartition("cluster"))
        .groupBy("cluster", "customer_id")
        .agg(*[F.max(name).alias(name) for name in ("strong", "votes", "published_at")])
    )
    kept = F.min_by(F.struct("customer_id", "strong"), _oldest_first()).over(all_of("cluster"))
    return ages.withColumn("kept", kept).select(
        "customer_id",
        "cluster",
        F.col("kept.customer_id").alias("home_id"),
        (F.col("kept.strong") > 0).alias("is_held"),
    )
