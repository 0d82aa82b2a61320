"""``gold/rfm_cut_points``: the frozen bounds of the scores, versioned."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.tables import DATE, INT, LONG, MONEY, STRING, Column, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RFM_CUT_POINTS = Table(
    layer="gold",
    name="rfm_cut_points",
    grain="One row a version, currency, metric and score.",
    key=("version", "currency", "metric", "score"),
    owner="data engineering",
    check="metric IN ('recency', 'frequency', 'monetary', 'value_tier') AND score BETWEEN 1 AND 6",
    columns=(
        Column("version", INT, "Number of the calibration, rising.", unit="version", required=True),
        Column(
            "valid_from",
            DATE,
            "Business date from which the version holds for its currencies.",
            required=True,
        ),
        Column("metric", STRING, "recency, frequency, monetary or value_tier.", required=True),
        Column("currency", STRING, "Currency within which customers are ranked.", required=True),
        Column(
            "score",
            INT,
            "Score that the bound opens: 1 to 5; value_tier 1 (Low) to 6 (Platinum).",
            unit="score",
            required=True,
        ),
        Column(
            "lower",
            MONEY,
            "Least value that earns the score; NULL for score 1. Recency is minus the days: −30 is at most 30 days.",
            unit="minus days, orders, or money in currency",
            formula="min(value) where 5·k ≥ (score−1)·n; value_tier: k ≥ (1−share)·n; k = customers strictly worse",
        ),
        Column(
            "n",
            LONG,
            "Customers that the version was calibrated on.",
            unit="customers",
            formula="count(scored customers of the currency)",
        ),
        Column(
            "definition_version",
            STRING,
            "Names the definition that the values follow; points of another are not applied.",
            required=True,
        ),
    ),
)


def build_cut_points(
    tonight: DataFrame, previous: DataFrame | None, calibration: str, business_date: date
) -> DataFrame:
    """All versions: the previous ones, and tonight's for every currency that is due.

    A currency is due on the first night of a month, when it has no cut points yet, or when the
    calibration (``Metrics.calibration``) changed. ``tonight``: ``relative_cut_points`` of tonight's
    scored customers. ``previous``: gold/rfm_cut_points of the prior state, None or empty the first night.
    """
    points = tonight.withColumns(
        {"valid_from": F.lit(business_date), "definition_version": F.lit(calibration)}
    )
    if previous is None:
        return RFM_CUT_POINTS.conform(points.withColumn("version", F.lit(1)))
    first_of_month = business_date.replace(day=1)
    calibrated = _usable(previous, calibration, business_date).filter(
        F.col("valid_from") >= F.lit(first_of_month)
    )
    due = points.join(F.broadcast(calibrated.select("currency").distinct()), on="currency", how="left_anti")
    # One row: the number that tonight's points get.
    version = previous.agg((F.coalesce(F.max("version"), F.lit(0)) + 1).alias("version"))
    numbered = due.crossJoin(F.broadcast(version))
    return RFM_CUT_POINTS.conform(previous).unionByName(RFM_CUT_POINTS.conform(numbered))


def _usable(cut_points: DataFrame, calibration: str, business_date: date) -> DataFrame:
    """The versions of this calibration that hold on ``business_date``, or held before."""
    return cut_points.filter(
        (F.col("definition_version") == calibration) & (F.col("valid_from") <= F.lit(business_date))
    )


def in_force(cut_points: DataFrame, calibration: str, business_date: date) -> DataFrame:
    """The newest version of each currency that holds on ``business_date`` under tonight's calibration."""
    usable = _usable(cut_points, calibration, business_date)
    newest = usable.groupBy("currency").agg(F.max("version").alias("version"))
    return usable.join(F.broadcast(newest), on=["currency", "version"], how="left_semi")
