"""``gold/rfm``: recency, frequency and money of each customer, with frozen and relative scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold import rfm_segments as names
from pipelines.gold.config import Metrics
from pipelines.gold.purchases import names_of, purchase_facts
from pipelines.gold.rfm_cut_points import build_cut_points, in_force
from pipelines.gold.rfm_scores import TIER, ntile_scores, quantile_cut_points, relative_cut_points, score_by
from pipelines.queries import Keep, as_it_is
from pipelines.tables import BOOLEAN, DATE, INT, LONG, MONEY, STRING, STRINGS, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_P = Personal.PSEUDONYM
_Q = Personal.QUASI
_SCORE = "1 + floor(5·k ÷ n), k = customers of the currency strictly worse, n = scored ones"
_FROZEN = "number of cut points in force (gold/rfm_cut_points) that the value reaches, + 1"

RFM = Table(
    layer="gold",
    name="rfm",
    grain="One row a customer and currency that moves in the window; one with currency NULL for who never bought.",
    key=("customer_id", "currency"),
    owner="data engineering",
    columns=(
        Column("customer_id", STRING, "Customer.", _P, required=True),
        Column(
            "currency",
            STRING,
            "Currency of the row's money; NULL for who never bought, XXX where orders name none.",
            _Q,
        ),
        Column(
            "recency_days",
            INT,
            "Days since the last counted order, whatever the window.",
            _Q,
            unit="days",
            formula="as_of − last_order_on",
        ),
        Column(
            "frequency",
            LONG,
            "Orders in the window that were neither cancelled nor fully returned; NULL where their source is missing or stale.",
            _Q,
            unit="orders",
            formula="count(distinct counted orders in the window)",
        ),
        Column(
            "monetary",
            MONEY,
            "Net revenue in the window; NULL where its source is missing or stale and nothing is known.",
            _Q,
            unit="currency",
            formula="Σ sales ordered in the window − Σ returns booked in the window",
        ),
        Column("r_score", INT, "Published recency score, 5 the best.", _Q, unit="score", formula=_FROZEN),
        Column("f_score", INT, "Published frequency score, 5 the best.", _Q, unit="score", formula=_FROZEN),
        Column("m_score", INT, "Published money score, 5 the best.", _Q, unit="score", formula=_FROZEN),
        Column(
            "rfm_code",
            STRING,
            "The three published scores as digits: 545.",
            _Q,
            formula="r_score, f_score, m_score",
        ),
        Column(
            "rf_cell",
            STRING,
            "The published recency and frequency scores as digits: 54.",
            _Q,
            formula="r_score, f_score",
        ),
        Column(
            "segment",
            STRING,
            "Segment of the R×F cell, inactive, or prospect; NULL where the scores are for another reason.",
            _Q,
        ),
        Column("segment_es", STRING, "The segment's Spanish name.", _Q),
        Column(
            "value_tier",
            STRING,
            "Platinum, Gold, Silver, Bronze, Medium or Low by money.",
            _Q,
            formula="best tier whose share s has k ≥ (1−s)·n at the calibration in force",
        ),
        Column("lifecycle", STRING, "new, active, lapsed, dormant or prospect, over all currencies.", _Q),
        Column(
            "r_score_relative",
            INT,
            "Recency score among tonight's customers.",
            _Q,
            unit="score",
            formula=_SCORE,
        ),
        Column(
            "f_score_relative",
            INT,
            "Frequency score among tonight's customers.",
            _Q,
            unit="score",
            formula=_SCORE,
        ),
        Column(
            "m_score_relative",
            INT,
            "Money score among tonight's customers.",
            _Q,
            unit="score",
            formula=_SCORE,
        ),
        Column("segment_relative", STRING, "Segment by the relative scores.", _Q),
        Column("value_tier_relative", STRING, "Value tier among tonight's customers.", _Q),
        Column(
            "cut_points_version",
            INT,
            "Version of gold/rfm_cut_points in force for the currency.",
            unit="version",
        ),
        Column(
            "unscored_reason",
            STRING,
            "Why there are no scores: two_currencies, no_order_in_window, never_bought, orders_not_delivered.",
            _Q,
        ),
        Column("first_order_on", DATE, "Date of the first counted order in the currency.", _Q),
        Column("last_order_on", DATE, "Date of the last counted order in the currency.", _Q),
        Column(
            "rate_date",
            DATE,
            "Newest date of the rates that converted the money; NULL where it is as received.",
        ),
        Column(
            "window_days", INT, "Length of the window that ends with as_of; NULL for a lifetime.", unit="days"
        ),
        Column(
            "n",
            LONG,
            "Evidence: counted orders ever, in the currency.",
            _Q,
            unit="orders",
            formula="count(counted orders up to as_of)",
        ),
        Column("is_stale", BOOLEAN, "True where the source of orders missed its cadence.", required=True),
        Column("stale_sources", STRINGS, "Sources of orders that missed their cadence, sorted."),
        Column("definition_version", STRING, "Names the definition that the row follows.", required=True),
        Column("as_of", DATE, "Business date that the row describes.", required=True),
    ),
)

_PUBLISHED = {"recency": "r_score", "frequency": "f_score", "monetary": "m_score"}
_WITH_TIER = {**_PUBLISHED, TIER: "tier_score"}
_RELATIVE = {metric: f"{column}_relative" for metric, column in _WITH_TIER.items()}


@dataclass(frozen=True)
class Rfm:
    """Tonight's metrics and every version of the cut points."""

    rfm: DataFrame
    cut_points: DataFrame


def scored_facts(facts: DataFrame) -> DataFrame:
    """The rows of ``facts`` that are ranked: bought in the window, in one currency."""
    return facts.filter((F.col("frequency") > 0) & (F.col("currencies") == 1))


def _published(scored: DataFrame, points: DataFrame, metrics: Metrics) -> DataFrame:
    """``scored`` (with the relative scores) with the scores that conf publishes; ``points`` are in force."""
    versions = points.groupBy("currency").agg(F.max("version").alias("cut_points_version"))
    frozen = score_by(scored, points, _WITH_TIER).join(F.broadcast(versions), on="currency", how="left")
    if metrics.rfm_mode == "frozen":
        return frozen
    if metrics.rfm_mode == "relative":
        return frozen.withColumns({c: F.col(f"{c}_relative") for c in _WITH_TIER.values()})
    bare = frozen.drop(*_PUBLISHED.values())
    if metrics.rfm_mode == "ntile":
        return ntile_scores(bare, _PUBLISHED)
    return score_by(bare, quantile_cut_points(scored), _PUBLISHED)


def build_rfm(
    customers: DataFrame,
    sums: DataFrame | None,
    previous_cut_points: DataFrame | None,
    metrics: Metrics,
    business_date: date,
    *,
    stale_sources: Sequence[str] = (),
    reporting_currency: str | None = None,
    keep: Keep = as_it_is,
) -> Rfm:
    """At least one row per row of ``customers`` (gold/customers), and the cut points.

    ``sums``: ``purchases.purchase_sums``; None where no
    source ever delivered orders: then every metric is NULL. ``stale_sources``: sources of orders that missed their cadence, so that no event means not
    known instead of 0. ``reporting_currency``: the one that ``gold.rates.converted`` put the
    orders into; None where money is as received. ``keep``: see ``queries``.
    """
    ids = customers.select("customer_id")
    if sums is None:
        facts = _no_facts(ids)
    else:
        bought = purchase_facts(sums)
        facts = keep(
            bought.withColumn("recency_days", F.date_diff(F.lit(business_date), F.col("last_order_on")))
        )
    to_score = scored_facts(facts).select("customer_id", "currency", "recency_days", "frequency", "monetary")
    calibration = metrics.calibration(reporting_currency)
    relative = keep(relative_cut_points(to_score, metrics.value_tiers))
    cut_points = build_cut_points(relative, previous_cut_points, calibration, business_date)
    points = in_force(cut_points, calibration, business_date)
    scored = _published(score_by(to_score, relative, _RELATIVE), points, metrics)
    scores = scored.drop("recency_days", "frequency", "monetary")
    rows = ids.join(facts, on="customer_id", how="left").join(
        scores, on=["customer_id", "currency"], how="left"
    )
    finished = _finished(
        rows, metrics, business_date, has_orders=sums is not None, stale_sources=stale_sources
    )
    defined = finished.withColumn("definition_version", F.lit(metrics.rfm_definition(reporting_currency)))
    return Rfm(rfm=RFM.conform(defined), cut_points=cut_points)


def _no_facts(ids: DataFrame) -> DataFrame:
    """``purchase_facts`` of nobody."""
    return ids.filter(F.lit(False)).selectExpr(
        "customer_id",
        "0 AS currencies",
        *["CAST(NULL AS DATE) AS ever_first_order_on", "CAST(NULL AS DATE) AS ever_last_order_on"],
        *["CAST(NULL AS DATE) AS last_order_on", "CAST(NULL AS STRING) AS currency", "0L AS frequency"],
        f"CAST(NULL AS {MONEY}) AS monetary",
        *["CAST(NULL AS DATE) AS first_order_on", "0L AS n", "CAST(NULL AS DATE) AS rate_date"],
        "CAST(NULL AS INT) AS recency_days",
    )


def _finished(
    rows: DataFrame, metrics: Metrics, business_date: date, *, has_orders: bool, stale_sources: Sequence[str]
) -> DataFrame:
    """``rows`` with what follows from facts and scores."""
    bought = F.coalesce("n", F.lit(0)) > 0
    ever_bought = F.col("ever_last_order_on").isNotNull()
    # Zero is a statement about the world: it needs a source that was there to see it.
    unseen = F.lit(0) if has_orders and not stale_sources else F.lit(None).cast("int")
    is_idle = F.coalesce("frequency", F.lit(0)) == 0
    without_orders = F.when(ever_bought, names.INACTIVE.name).otherwise(names.PROSPECT.name)
    if not has_orders:
        without_orders = F.lit(None).cast("string")
    idle_reason = (
        F.when(F.lit(not has_orders), "orders_not_delivered")
        .when(ever_bought, "no_order_in_window")
        .otherwise("never_bought")
    )
    no_money = F.coalesce("monetary", F.lit(0)) == 0
    first, last = F.col("ever_first_order_on"), F.col("ever_last_order_on")
    is_two = F.coalesce("currencies", F.lit(0)) > 1
    stage_of_life = names.lifecycle(first, last, metrics.lifecycle_days, business_date)
    return rows.withColumns(
        {
            "frequency": F.when(is_idle, unseen).otherwise(F.col("frequency")),
            "monetary": F.when(is_idle & no_money, unseen).otherwise(F.col("monetary")),
            "n": F.when(bought, F.col("n")).otherwise(unseen),
            "rfm_code": F.concat(*[F.col(c).cast("string") for c in _PUBLISHED.values()]),
            "rf_cell": F.concat(F.col("r_score").cast("string"), F.col("f_score").cast("string")),
            "segment": F.when(is_two, F.lit(None))
            .when(is_idle, without_orders)
            .otherwise(names.segment(F.col("r_score"), F.col("f_score"))),
            "segment_relative": F.when(is_two, F.lit(None))
            .when(is_idle, without_orders)
            .otherwise(names.segment(F.col("r_score_relative"), F.col("f_score_relative"))),
            "value_tier": names.value_tier(F.col("tier_score")),
            "value_tier_relative": names.value_tier(F.col("tier_score_relative")),
            "lifecycle": stage_of_life if has_orders else F.lit(None).cast("string"),
            "unscored_reason": F.when(is_two, "two_currencies").when(is_idle, idle_reason),
            "window_days": F.lit(metrics.window_days).cast("int"),
            "is_stale": F.lit(bool(stale_sources)),
            "stale_sources": names_of(stale_sources),
            "as_of": F.lit(business_date),
        }
    ).withColumn("segment_es", names.in_spanish(F.col("segment")))
