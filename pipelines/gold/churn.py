"""How much the customer ids moved since the prior state: of records, and of net revenue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.figures import (
    CUSTOMER_NUMBER,
    RECORD_NUMBER,
    customer_number,
    figure,
    figures,
    numbered,
    record_number,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KINDS = {"merged": "merge", "split": "split", "revived": "split", "reassigned": "reassign"}
"""Event → how a record that both nights have came to another id; a merge undone is a split."""


@dataclass(frozen=True)
class Moved:
    """What changed its customer id."""

    shares: DataFrame
    """The measure id_jitter: all, and by kind of change."""
    ids: DataFrame
    """``CUSTOMER_NUMBER`` of every id that a record of both nights left or came to."""


def id_jitter(before: DataFrame, now: DataFrame, events: DataFrame, business_date: date) -> Moved:
    """Records that both nights have and whose customer_id changed, over the records that both have.

    ``before``, ``now``: identity/assignments; ``events``: identity/events.
    """
    tonight = events.filter(F.col("business_date") == F.lit(business_date))
    newest = tonight.groupBy(record_number()).agg(F.max_by("event", "sequence").alias("event"))
    was, current = (
        numbered(frame).withColumnRenamed(CUSTOMER_NUMBER, name)
        for frame, name in ((before, "was"), (now, "is"))
    )
    both = was.join(current, on=RECORD_NUMBER, how="inner")
    told = both.join(newest, on=RECORD_NUMBER, how="left")
    kinds = F.create_map(*[F.lit(word) for pair in KINDS.items() for word in pair])
    is_moved = F.col("was") != F.col("is")
    kind = F.coalesce(F.try_element_at(kinds, F.col("event")), F.lit("reassign"))
    counted = told.agg(
        F.count(F.lit(1)).alias("records"),
        F.count_if(is_moved).alias("all"),
        *[F.count_if(is_moved & (kind == name)).alias(name) for name in ("merge", "split", "reassign")],
    )
    shares = figures(
        counted,
        *[
            figure("id_jitter", part, F.col(part), F.col("records"))
            for part in ("all", "merge", "split", "reassign")
        ],
    )
    ids = both.filter(is_moved).select(F.explode(F.array("was", "is")).alias(CUSTOMER_NUMBER)).distinct()
    return Moved(shares, ids)


def revenue_jitter(sums: DataFrame, ids: DataFrame) -> DataFrame:
    """Net revenue of customers whose id records left or came to, over that of all customers.

    By currency; the part ``all`` weighs the currencies' shares by their orders, because money of two
    currencies has no sum. ``sums``: ``purchase_sums`` of the orders of tonight's customers; ``ids``: of ``Moved``.
    """
    touched = ids.withColumn("is_touched", F.lit(True))
    by_currency = (
        sums.filter(F.col("customer_id").isNotNull())
        .select(customer_number(), "currency", F.col("money_net").alias("net"), "orders")
        .join(touched, on=CUSTOMER_NUMBER, how="left")
        .groupBy("currency")
        .agg(
            F.coalesce(F.sum(F.when(F.col("is_touched"), F.col("net"))), F.lit(0)).alias("touched"),
            F.sum("net").alias("net"),
            F.sum("orders").alias("orders"),
        )
        .filter(F.col("net") > 0)
    )
    share = F.col("touched").cast("double") / F.col("net").cast("double")
    parts = by_currency.select(
        "currency", "touched", "net", "orders", (share * F.col("orders")).alias("weighed")
    )
    # In one row, so that the sums are looked at once.
    gathered = parts.agg(
        F.collect_list(F.struct(*parts.columns)).alias("parts"), F.sum("orders").alias("orders")
    )
    # Added up in one order: sums of fractions depend on it.
    weighed = F.sort_array(F.col("parts.weighed"))
    total = F.aggregate(weighed, F.lit(0.0), lambda so_far, one: so_far + one)
    of_one = F.transform(
        "parts", lambda part: figure("revenue_jitter", part["currency"], part["touched"], part["net"])
    )
    of_all = F.array(figure("revenue_jitter", "all", total, F.col("orders")))
    return gathered.select(F.inline(F.concat(of_one, of_all)))
