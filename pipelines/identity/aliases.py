"""``identity/aliases``: every id ever published leads to what it is now, in one step.

An id that a merge took leads to the customer it became. An id that lost people by a split leads to
itself and to where they went. Nothing else has open rows: an id without any is still the customer
it was. When customers move on, the rows that lead to them are rewritten, by the records that
held the old id; so a chain never has two links, and undoing a merge closes its row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import ALIASES, RECORD
from pipelines.identity.undo import all_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

ROW = ["customer_id", "became", "kind"]


def aliases_after(
    aliases: DataFrame,
    assigned: DataFrame,
    moved: DataFrame,
    past_stays: DataFrame,
    business_date: date,
    keep: Callable[[DataFrame], DataFrame],
) -> DataFrame:
    """The aliases with tonight's merges and splits.

    ``assigned``, ``moved``: of ``moves``. ``keep`` holds a frame that is read several times.
    """
    losses = _losses(moved)
    # Few rows that much is asked of: unkept, the plan would hold many copies of what they come from.
    lines = keep(_lines(assigned, losses))
    concerned = keep(_concerned_rows(aliases, losses))
    ids = concerned.select("customer_id").distinct().withColumn("is_concerned", F.lit(True))
    is_rewritten = (
        F.coalesce("is_concerned", F.lit(False)) & F.col("valid_to").isNull() & F.col("became").isNotNull()
    )
    stands = aliases.join(ids, on="customer_id", how="left").filter(~is_rewritten)
    live = assigned.select("customer_id").join(ids, on="customer_id", how="left_semi").distinct()
    after = _targets(_led_on(concerned, lines, losses, past_stays), live)
    before = concerned.filter(~F.col("is_own")).select(*ROW, "valid_from")
    changed = _dated(before, after, business_date)
    return stands.select(*ALIASES.names).unionByName(changed.select(*ALIASES.names))


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


def _lines(assigned: DataFrame, losses: DataFrame) -> DataFrame:
    """Live records of the ids that lost any: source, record_id, became (the id before), goes_to (now)."""
    seen = assigned.filter(F.col("cluster").isNotNull() & F.col("last_id").isNotNull())
    lines = seen.select(*RECORD, _left_id().alias("became"), F.col("customer_id").alias("goes_to"))
    return lines.join(losses.select("became"), on="became", how="left_semi")


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


def _led_on(concerned: DataFrame, lines: DataFrame, losses: DataFrame, past_stays: DataFrame) -> DataFrame:
    """``concerned`` with ``leads_to``: where each row leads after tonight, one row a customer.

    The live records that once held the id say where its people went. Where all of them have been
    deleted, the id leads to what it led to as long as that is a customer, else to all its heirs.
    """
    dormant = losses.filter("is_dormant").select("became", F.col("became").alias("goes_to"))
    went = lines.select("became", "goes_to").unionByName(dormant).distinct()
    held = past_stays.select(*RECORD, F.col("stay_id").alias("customer_id"))
    witnesses = (
        lines.join(held, on=list(RECORD), how="inner")
        .select("customer_id", "became", "goes_to", F.lit(True).alias("is_witnessed"))
        .distinct()
    )
    row = all_of("customer_id", "became", "is_own")
    is_kept = F.col("goes_to") == F.col("became")
    inherits = is_kept | ~F.max(is_kept).over(row)
    has_witness = F.max("is_witnessed").over(row).isNotNull()
    is_told = F.col("is_own") | F.when(has_witness, F.col("is_witnessed")).otherwise(inherits)
    return (
        concerned.join(went, on="became", how="left")
        .join(witnesses, on=["customer_id", "became", "goes_to"], how="left")
        .withColumn("is_told", is_told)
        .filter(F.col("goes_to").isNull() | F.col("is_told"))
        .withColumn("leads_to", F.coalesce("goes_to", "became"))
    )


def _targets(led_on: DataFrame, live: DataFrame) -> DataFrame:
    """Where each id leads after tonight: ``ROW``; nothing for an id that leads to itself only.

    ``live``: which of the ids have live records. split: the id has, or never was merged; else merged.
    """
    same_id = all_of("customer_id")
    is_spent = F.max(F.col("kind") == "merged").over(same_id) & F.col("is_live").isNull()
    return (
        led_on.join(live.withColumn("is_live", F.lit(True)), on="customer_id", how="left")
        .withColumn("leads_away", F.max(F.col("leads_to") != F.col("customer_id")).over(same_id))
        .withColumn("now", F.when(is_spent, "merged").otherwise("split"))
        .filter("leads_away")
        .select("customer_id", F.col("leads_to").alias("became"), F.col("now").alias("kind"))
        .distinct()
    )


def _dated(before: DataFrame, after: DataFrame, business_date: date) -> DataFrame:
    """Rows that stay, rows that end tonight and rows that begin; what began and ended tonight is dropped."""
    tonight = F.lit(business_date)
    compared = before.select(*ROW, "valid_from").join(
        after.withColumn("holds", F.lit(True)), on=ROW, how="full_outer"
    )
    is_over = F.col("holds").isNull()
    return compared.filter(~is_over | (F.col("valid_from") < tonight)).select(
        *ROW,
        F.coalesce("valid_from", tonight).alias("valid_from"),
        F.when(is_over, tonight).alias("valid_to"),
    )
