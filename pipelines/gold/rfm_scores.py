"""Scores from values: cut points by rank, by quantile, and NTILE.

*Goodness* is what rises with a better customer: minus the days of recency, the orders, the
money. A customer's score is ``1 + floor(5·k ÷ n)`` with k the customers of the currency that
are strictly worse and n the scored ones, which is the same as: the number of cut points that
the goodness reaches, plus one, where the cut point of score s is the least goodness with
``k ≥ (s−1)/5 · n``. Equal values are above the same cut points, so ties share a score.

Ranks never pass through one task: distinct values are counted, the counts are summed up over
buckets of the value, and only inside a bucket is there an order to compute.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines.gold.config import ValueTiers
from pipelines.tables import MONEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

QUINTILES = tuple((score, Decimal(score - 1) / 5) for score in range(1, 6))
METRICS = ("recency", "frequency", "monetary")
TIER = "value_tier"
BUCKETS_PER_OCTAVE = 64
"""Values within about 1 % of each other share a bucket: few enough buckets to sum up in one
task, few enough distinct values in each to sort."""


def goodness(metric: str) -> Column:
    """The metric as what rises with a better customer, in one type for all."""
    columns = {"recency": -F.col("recency_days"), "frequency": F.col("frequency")}
    return columns.get(metric, F.col("monetary")).cast(MONEY)


def tier_levels(tiers: ValueTiers) -> tuple[tuple[int, Decimal], ...]:
    """Score and least share of strictly worse customers of every value tier, from Low to Platinum."""
    shares = (tiers.Medium, tiers.Bronze, tiers.Silver, tiers.Gold, tiers.Platinum)
    return ((1, Decimal(0)), *((score, 1 - share) for score, share in enumerate(shares, start=2)))


def _value_ranks(facts: DataFrame) -> DataFrame:
    """One row per currency, metric and distinct value: k (customers strictly worse), n, customers."""
    values = facts.select(
        "currency",
        F.explode(
            F.array(*[F.struct(F.lit(m).alias("metric"), goodness(m).alias("value")) for m in METRICS])
        ).alias("point"),
    ).select("currency", "point.*")
    size = F.abs("value").cast("double")
    octaves = F.floor(F.log2(size + 1) * BUCKETS_PER_OCTAVE)
    counts = (
        values.groupBy("currency", "metric", "value")
        .agg(F.count("*").alias("customers"))
        .withColumn("bucket", F.when(F.col("value") < 0, -octaves).otherwise(octaves))
    )
    of_metric = W.partitionBy("currency", "metric")
    before = of_metric.orderBy("bucket").rowsBetween(W.unboundedPreceding, -1)
    whole = of_metric.rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
    buckets = (
        counts.groupBy("currency", "metric", "bucket")
        .agg(F.sum("customers").alias("in_bucket"))
        .select(
            *("currency", "metric", "bucket"),
            F.coalesce(F.sum("in_bucket").over(before), F.lit(0)).alias("below"),
            F.sum("in_bucket").over(whole).alias("n"),
        )
    )
    inside = (
        W.partitionBy("currency", "metric", "bucket").orderBy("value").rowsBetween(W.unboundedPreceding, -1)
    )
    return counts.join(buckets, on=["currency", "metric", "bucket"], how="inner").select(
        *("currency", "metric", "value", "customers", "n"),
        (F.col("below") + F.coalesce(F.sum("customers").over(inside), F.lit(0))).alias("k"),
    )


def _levels(name: str, levels: tuple[tuple[int, Decimal], ...]) -> list[Column]:
    return [
        F.struct(
            F.lit(name).alias("metric"),
            F.lit(score).alias("score"),
            F.lit(share).cast("decimal(10,6)").alias("share"),
        )
        for score, share in levels
    ]


def relative_cut_points(facts: DataFrame, tiers: ValueTiers) -> DataFrame:
    """One row per currency, metric and score that somebody reaches: currency, metric, score, lower, n.

    ``facts``: the scored customers (currency, recency_days, frequency, monetary). ``lower`` is
    the least goodness of the score, NULL for score 1, which has no bound.
    """
    of_money = F.array(*_levels("monetary", QUINTILES), *_levels(TIER, tier_levels(tiers)))
    levels = of_money
    for metric in ("recency", "frequency"):
        levels = F.when(F.col("metric") == metric, F.array(*_levels(metric, QUINTILES))).otherwise(levels)
    reached = (
        _value_ranks(facts)
        .withColumn("level", F.explode(levels))
        .filter(F.col("k") >= F.col("level.share") * F.col("n"))
    )
    return reached.groupBy("currency", "level.metric", "level.score").agg(
        F.min(F.when(F.col("level.score") > 1, F.col("value"))).alias("lower"), F.max("n").alias("n")
    )


def quantile_cut_points(facts: DataFrame) -> DataFrame:
    """Cut points at the quantiles of the values, as the R package rfm sets them.

    The bound between two scores is the 20, 40, 60, 80 % quantile (linear between order
    statistics) of days, orders and money, plus one unit; fewer days than the bound, or as much
    and more of the others, is the better side. Exact quantiles hold all distinct values of a
    currency in one task: a mode for comparison, not for a hundred million customers.
    """
    shares = [float(share) for _, share in QUINTILES[1:]]
    rows = []
    for metric in METRICS:
        source = {"recency": "recency_days"}.get(metric, metric)
        bounds = F.percentile(F.col(source).cast("double"), F.array(*[F.lit(s) for s in shares]))
        rows.append((metric, bounds))
    gathered = facts.groupBy("currency").agg(*[b.alias(m) for m, b in rows], F.count("*").alias("n"))
    points = [
        F.struct(F.lit(m).alias("metric"), F.lit(1).alias("score"), F.lit(None).cast(MONEY).alias("lower"))
        for m in METRICS
    ]
    smallest = F.lit(Decimal("0.0001")).cast(MONEY)
    for metric in METRICS:
        for place in range(4):
            if metric == "recency":
                # Strictly fewer days than the bound, as a least goodness of four decimals.
                bound = F.get(F.col(metric), F.lit(3 - place)) + 1
                lower = (-bound).cast(MONEY) + smallest
            else:
                lower = (F.get(F.col(metric), F.lit(place)) + 1).cast(MONEY)
            points.append(
                F.struct(
                    F.lit(metric).alias("metric"),
                    F.lit(place + 2).alias("score"),
                    lower.cast(MONEY).alias("lower"),
                )
            )
    return gathered.select("currency", F.explode(F.array(*points)).alias("p"), "n").select(
        "currency", "p.*", "n"
    )


def score_by(facts: DataFrame, cut_points: DataFrame, names: dict[str, str]) -> DataFrame:
    """``facts`` with one score column per metric of ``names`` (metric → column).

    ``cut_points``: one version per currency (currency, metric, score, lower). A currency
    without cut points has NULL scores.
    """
    bounds = cut_points.groupBy("currency").agg(
        *[
            F.collect_list(F.when(F.col("metric") == metric, F.struct("score", "lower"))).alias(f"_{column}")
            for metric, column in names.items()
        ]
    )
    joined = facts.join(F.broadcast(bounds), on="currency", how="left")
    scores = {column: _score(f"_{column}", goodness(metric)) for metric, column in names.items()}
    return joined.withColumns(scores).drop(*[f"_{column}" for column in names.values()])


def _score(bounds: str, value: Column) -> Column:
    """One more than the cut points of the array ``bounds`` that ``value`` reaches; NULL without any or a value."""
    reached = F.filter(F.col(bounds), lambda bound: bound["lower"] <= value)
    return F.when((F.size(bounds) > 0) & value.isNotNull(), F.size(reached) + 1)


def ntile_scores(facts: DataFrame, names: dict[str, str], bins: int = 5) -> DataFrame:
    """``facts`` with NTILE(``bins``) per metric of ``names`` (metric → column) and currency.

    Splits equal values by customer_id, and sorts a currency in one task: a mode for comparison
    with tools that score so (deciles: ``bins=10``).
    """
    return facts.withColumns(
        {
            column: F.ntile(bins).over(
                W.partitionBy("currency").orderBy(goodness(metric).asc(), F.col("customer_id").desc())
            )
            for metric, column in names.items()
        }
    )
