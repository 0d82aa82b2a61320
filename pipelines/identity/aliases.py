"""``identity/aliases``: every id ever published leads to what it is now, in one step.

An id that a merge took leads to the customer it became. An id that lost people by a split leads to
itself and to where they went. Nothing else has open rows: an id without any is still the customer
it was. When customers move on, the rows that lead to them are rewritten, by the records that
held the old id; so a chain never has two links, and undoing a merge closes its row.
"""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.frames import all_of, held
from pipelines.identity.records import stays_of
from pipelines.identity.tables import ALIASES
from pipelines.queries import at_once

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROW = ["customer_id", "became", "kind"]


def aliases_after(
    aliases: DataFrame,
    assigned: DataFrame,
    moved: DataFrame,
    business_date: date,
    *,
    is_small: bool = False,
) -> DataFrame:
    """The aliases with tonight's merges and splits.

    ``assigned``, ``moved``: of ``moves``; ``is_small``: they are few, see ``frames.held``. Runs jobs.
    """
    losses = _losses(moved)
    went, concerned = at_once(
        partial(held, is_small=is_small), [_went(assigned, losses), _concerned_rows(aliases, losses)]
    )
    ids = concerned.select("customer_id").distinct().withColumn("is_concerned", F.lit(True))
    is_open = F.col("valid_to").isNull() & F.col("became").isNotNull()
    is_rewritten = F.coalesce("is_concerned", F.lit(False)) & is_open
    stands = aliases.join(ids, on="customer_id", how="left").filter(~is_rewritten)
    rewritten = _dated(concerned.filter(~F.col("is_own")), _targets(concerned, went), business_date)
    return stands.select(*ALIASES.names).unionByName(rewritten.select(*ALIASES.names))


def _left_id() -> Column:
    """The id that a moved record left: its prior id, or its last one where that had become several."""
    return F.coalesce("prior_id", "last_id")


def _losses(moved: DataFrame) -> DataFrame:
    """One row per id that lost live records: became, is_joined (it is part of another now), is_dormant.

    Dormant: all its live records went back to ids of before. The id stays the customer of its
    deleted records.
    """
    is_joined = F.coalesce(F.max("home_id") != F.col("became"), F.lit(False))
    is_dormant = F.max("prior_id").isNotNull() & F.max("home_id").isNull()
    return (
        moved.withColumn("became", _left_id())
        .groupBy("became")
        .agg(is_joined.alias("is_joined"), is_dormant.alias("is_dormant"))
    )


def _went(assigned: DataFrame, losses: DataFrame) -> DataFrame:
    """Where the live records of the ids that lost any are: became (the id before), goes_to (now), held.

    ``held``: every id that those records ever held. A dormant id is still where its deleted ones are.
    """
    seen = assigned.filter(F.col("cluster").isNotNull() & F.col("last_id").isNotNull())
    ids = F.transform(stays_of(F.col("past")), lambda stay: stay["customer_id"])
    went = (
        seen.select(_left_id().alias("became"), F.col("customer_id").alias("goes_to"), ids.alias("ids"))
        .join(losses.select("became"), on="became", how="left_semi")
        .groupBy("became", "goes_to")
        .agg(F.array_distinct(F.flatten(F.collect_list("ids"))).alias("held"))
    )
    dormant = losses.filter("is_dormant").select("became", F.col("became").alias("goes_to"))
    return went.unionByName(dormant.withColumn("held", F.array().cast("array<string>")))


def _concerned_rows(aliases: DataFrame, losses: DataFrame) -> DataFrame:
    """Open rows of the ids that lost records, or that lead to one that did: as in the table, and is_own.

    Each id that lost records has a row to itself besides: its own, without ``valid_from``.
    """
    open_rows = aliases.filter(F.col("valid_to").isNull() & F.col("became").isNotNull())
    led_there = open_rows.join(losses, on="became", how="left_semi").select("customer_id")
    ids = led_there.unionByName(losses.select(F.col("became").alias("customer_id"))).distinct()
    rows = open_rows.join(ids, on="customer_id", how="left_semi").select(*ROW, "valid_from")
    own = losses.select(
        F.col("became").alias("customer_id"),
        "became",
        F.when(F.col("is_joined"), "merged").otherwise("split").alias("kind"),
        F.lit(None).cast("date").alias("valid_from"),
    )
    return rows.withColumn("is_own", F.lit(False)).unionByName(own.withColumn("is_own", F.lit(True)))


def _targets(concerned: DataFrame, went: DataFrame) -> DataFrame:
    """Where each concerned id leads after tonight: ``ROW``, maybe twice; nothing where only to itself.

    split: the id has live records, or never was merged; else merged.
    """
    live = went.select(F.col("goes_to").alias("customer_id"), F.lit(True).alias("is_live")).distinct()
    same_id = all_of("customer_id")
    # An id that records came back to is alive again; nobody else's state changes tonight.
    is_spent = F.max(F.col("kind") == "merged").over(same_id) & F.col("is_live").isNull()
    return (
        _led_on(concerned, went)
        .join(live, on="customer_id", how="left")
        .withColumn("leads_away", F.max(F.col("leads_to") != F.col("customer_id")).over(same_id))
        .withColumn("now", F.when(is_spent, "merged").otherwise("split"))
        .filter("leads_away")
        .select("customer_id", F.col("leads_to").alias("became"), F.col("now").alias("kind"))
    )


def _led_on(concerned: DataFrame, went: DataFrame) -> DataFrame:
    """``concerned`` with ``leads_to``: where each row leads after tonight, one row a customer.

    The live records that once held the id say where its people went. Where all of them have been
    deleted, the id leads to what it led to as long as that is a customer, else to all its heirs.
    """
    row = all_of("customer_id", "became", "is_own")
    is_witnessed = F.array_contains("held", F.col("customer_id"))
    is_kept = F.col("goes_to") == F.col("became")
    inherits = ~F.max(is_witnessed).over(row) & (is_kept | ~F.max(is_kept).over(row))
    leads_on = F.col("goes_to").isNull() | F.col("is_own") | is_witnessed | inherits
    return (
        concerned.join(went, on="became", how="left")
        .withColumn("leads_on", leads_on)
        .filter("leads_on")
        .withColumn("leads_to", F.coalesce("goes_to", "became"))
    )


def _dated(before: DataFrame, after: DataFrame, business_date: date) -> DataFrame:
    """Rows that stay, rows that end tonight and rows that begin; what began and ended tonight is dropped.

    ``before``: open rows of the table; ``after``: the rows that are to be open.
    """
    tonight = F.lit(business_date)
    rows = before.select(*ROW, "valid_from").unionByName(
        after.withColumn("holds", F.lit(True)), allowMissingColumns=True
    )
    compared = rows.groupBy(*ROW).agg(F.max("valid_from").alias("valid_from"), F.max("holds").alias("holds"))
    is_over = F.col("holds").isNull()
    return compared.filter(~is_over | (F.col("valid_from") < tonight)).select(
        *ROW,
        F.coalesce("valid_from", tonight).alias("valid_from"),
        F.when(is_over, tonight).alias("valid_to"),
    )
