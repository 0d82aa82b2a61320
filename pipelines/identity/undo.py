"""Undoing merges: what the records of a torn id vote for, so that every part gets its own id back.

An id is torn when its records stand in several clusters tonight. Two of its parts were apart at
a moment when both had records and no id was held in both. The newest such moment is just before
the merge that joined them. A part with several such merges behind it looks back to the oldest of
them: after A + B, then + C, the part of A has to look past C to be apart from B.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.frames import all_of
from pipelines.identity.records import stays_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def undone_votes(torn: DataFrame) -> DataFrame:
    """The votes of the records of torn ids, merges that fall apart being undone.

    ``torn``: rows of ``votes.plain_votes``; gives such rows, none for a record that has no word.
    Where no merge joined the parts, records vote as ever.
    """
    chosen = _moments(torn).transform(_with_look_back).filter(_is_looked_at())
    stays_put = _holds_together()
    looks_itself = F.col("own_moment").isNotNull() & ~stays_put
    vote = F.when(looks_itself, F.coalesce("held_id", "prior_id")).otherwise(F.col("prior_id"))
    is_older = F.col("held_id").isNotNull() | F.col("newest").isNull() | stays_put
    has_older = F.max("is_older").over(all_of("prior_id", "cluster"))
    is_strong = F.col("is_strong") & F.col("is_older") & (F.col("vote_id") == F.col("prior_id"))
    return (
        chosen.withColumns({"is_older": is_older, "vote_id": vote})
        .withColumns({"has_older": has_older, "is_strong": is_strong})
        .filter(F.col("is_older") | ~F.col("has_older"))
        .select(*torn.columns)
    )


def _holds_together() -> Column:
    """True for holders of an id whose holders all stand in one cluster: only records that came back do not."""
    same_id = all_of("prior_id")
    of_holder = F.when(F.col("is_strong"), F.col("cluster"))
    return F.col("is_strong") & (F.min(of_holder).over(same_id) == F.max(of_holder).over(same_id))


def _moments(torn: DataFrame) -> DataFrame:
    """One row per record and moment at which records of its id moved: ``held_id``, held just before.

    ``held_id`` is NULL before the record came. An id whose records never held another has no past
    to look into: one row stands for all moments.
    """
    stays = stays_of(F.col("past"))
    of_id = F.flatten(F.collect_list(stays).over(all_of("prior_id")))
    ids = F.array_distinct(F.transform("of_id", lambda stay: stay["customer_id"]))
    moments = F.array_distinct(F.transform("of_id", lambda stay: stay["since"]))
    before = F.filter(stays, lambda stay: stay["since"] < F.col("moment"))
    return (
        torn.withColumn("of_id", of_id)
        .withColumn("moment", F.explode_outer(F.when(F.size(ids) > 1, moments)))
        .withColumn("held_id", F.try_element_at(before, F.lit(-1))["customer_id"])
        .drop("of_id")
    )


def _apart() -> Column:
    """The other parts that were there at the row's moment and held no id that the row's part held."""
    there = F.col("there")
    ids = F.transform(F.filter(there, lambda x: x["cluster"] == F.col("cluster")), lambda x: x["held_id"])
    sharing = F.transform(
        F.filter(there, lambda x: F.array_contains(ids, x["held_id"])), lambda x: x["cluster"]
    )
    return F.when(F.size(ids) > 0, F.array_except(F.transform(there, lambda x: x["cluster"]), sharing))


def _own_moment() -> Column:
    """The oldest of the newest moments at which the row's part was apart from each other part."""
    looks = F.col("looks")
    others = F.array_distinct(F.flatten(F.transform(looks, lambda x: x["apart"])))

    def last_apart(other: Column) -> Column:
        apart = F.filter(looks, lambda x: F.array_contains(x["apart"], other))
        return F.array_max(F.transform(apart, lambda x: x["moment"]))

    return F.array_min(F.transform(others, last_apart))


def _with_look_back(moments: DataFrame) -> DataFrame:
    """``moments`` with ``own_moment`` of the row's part (NULL: never apart) and the id's ``newest``."""
    holder = F.when(F.col("held_id").isNotNull(), F.struct("cluster", "held_id"))
    at_moment, of_part = all_of("prior_id", "moment"), all_of("prior_id", "cluster")
    known = F.when(F.col("apart").isNotNull(), F.struct("moment", "apart"))
    return (
        moments.withColumn("there", F.collect_set(holder).over(at_moment))
        .withColumn("apart", _apart())
        .withColumn("looks", F.collect_set(known).over(of_part))
        .withColumn("own_moment", _own_moment())
        .withColumn("newest", F.max("own_moment").over(all_of("prior_id")))
        .withColumn("last", F.max("moment").over(all_of("prior_id")))
    )


def _is_looked_at() -> Column:
    """True for the one moment that a record's vote depends on.

    A part that was never apart from another looks to the newest moment of the others, only to
    tell who was there before it.
    """
    return F.col("moment").eqNullSafe(F.coalesce("own_moment", "newest", "last"))
