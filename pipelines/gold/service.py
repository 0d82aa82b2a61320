"""``gold/service``: what a customer asked for, how fast it was answered and solved, and how satisfied it left.

Times are calendar time, between two moments; the feeds carry no working hours. A case without
an answer has no response time yet, which is not the same as a fast one: it is counted beside
the times (``unanswered_cases``), never dropped without a word and never read as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.config import Metrics
from pipelines.gold.purchases import names_of, within
from pipelines.tables import BOOLEAN, DATE, DOUBLE, INT, LONG, STRING, STRINGS, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_P = Personal.PSEUDONYM
_Q = Personal.QUASI
_MINUTE = 60_000_000
"""Microseconds."""
_IN_WINDOW = "of cases opened in the window"
_WAIT = "first_response_at − opened_at"
_SOLVE = "closed_at − opened_at of solved cases"

SERVICE = Table(
    layer="gold",
    name="service",
    grain="One row a customer.",
    key=("customer_id",),
    owner="customer service",
    check="coalesce(unanswered_cases <= open_cases, true)",
    columns=(
        Column("customer_id", STRING, "Customer.", _P, required=True),
        Column(
            "cases",
            LONG,
            "Cases opened in the window; NULL where their source is missing, or stale and none is known. So are all counts.",
            _Q,
            "cases",
            "claims + requests + queries + other_cases",
        ),
        Column("claims", LONG, "Claims (reclamos) among them.", _Q, "cases", "count(case_type = claim)"),
        Column(
            "requests", LONG, "Requests (solicitudes) among them.", _Q, "cases", "count(case_type = request)"
        ),
        Column("queries", LONG, "Queries (consultas) among them.", _Q, "cases", "count(case_type = query)"),
        Column("other_cases", LONG, "Cases of another type.", _Q, "cases", "count(case_type = other)"),
        Column(
            "open_cases",
            LONG,
            "Cases that are not done at the end of as_of, whenever they were opened.",
            _Q,
            "cases",
            "count(is_open)",
        ),
        Column(
            "unanswered_cases",
            LONG,
            "Open cases without a first response, whenever they were opened: their waiting time is not over.",
            _Q,
            "cases",
            "count(is_open and no first_response_at)",
        ),
        Column(
            "oldest_open_days",
            INT,
            "Age of the oldest open case; NULL without one.",
            _Q,
            "days",
            "as_of − min(day opened) of open cases",
        ),
        Column(
            "answered_cases",
            LONG,
            "Cases opened in the window whose time to the first response is known: n of the three times.",
            _Q,
            "cases",
            "count(first_response_at ≥ opened_at)",
        ),
        Column(
            "first_response_minutes",
            DOUBLE,
            "Median time to the first response.",
            _Q,
            "calendar minutes",
            f"median({_WAIT}) {_IN_WINDOW}",
        ),
        Column(
            "first_response_minutes_mean",
            DOUBLE,
            "Mean time to the first response.",
            _Q,
            "calendar minutes",
            f"mean({_WAIT}) {_IN_WINDOW}",
        ),
        Column(
            "first_response_minutes_p90",
            DOUBLE,
            "Time to the first response that nine of ten cases keep to.",
            _Q,
            "calendar minutes",
            f"90 % quantile({_WAIT}) {_IN_WINDOW}, linear between neighbours",
        ),
        Column(
            "solved_cases",
            LONG,
            "Cases opened in the window that are done at the end of as_of.",
            _Q,
            "cases",
            "cases − open ones among them",
        ),
        Column(
            "resolution_hours",
            DOUBLE,
            "Median time to the last resolution of the solved cases that name it.",
            _Q,
            "calendar hours",
            f"median({_SOLVE})",
        ),
        Column(
            "resolution_hours_p90",
            DOUBLE,
            "Time to the last resolution that nine of ten solved cases keep to.",
            _Q,
            "calendar hours",
            f"90 % quantile({_SOLVE}), linear between neighbours",
        ),
        Column(
            "reopened_cases",
            LONG,
            "Cases opened in the window that were opened again after they were solved.",
            _Q,
            "cases",
            "count(is_reopened)",
        ),
        Column(
            "settled_cases",
            LONG,
            "Cases solved, for the last time, at least service.reopen_days of conf/metrics.yml ago: n of reopen_rate.",
            _Q,
            "cases",
            "count(solved and as_of − day closed ≥ reopen_days)",
        ),
        Column(
            "reopen_rate",
            DOUBLE,
            "Share of the settled cases that were opened again; the feeds say whether, not when. NULL without one.",
            _Q,
            "share",
            "settled cases with is_reopened ÷ settled_cases",
        ),
        Column(
            "csat_responses",
            LONG,
            "Cases opened in the window with a satisfaction score: n of the satisfaction metrics.",
            _Q,
            "responses",
            "count(csat)",
        ),
        Column(
            "csat_top2_share",
            DOUBLE,
            "Share of satisfied answers, 4 or 5 of 5; NULL without an answer.",
            _Q,
            "share",
            "count(csat ≥ 4) ÷ csat_responses",
        ),
        Column(
            "csat_mean",
            DOUBLE,
            "Mean satisfaction, 1 to 5; NULL without an answer.",
            _Q,
            "points",
            "mean(csat)",
        ),
        Column(
            "window_days",
            INT,
            "Length of the window that ends with as_of; NULL for all cases.",
            unit="days",
        ),
        Column(
            "n",
            LONG,
            "Evidence: cases opened up to as_of, whenever.",
            _Q,
            "cases",
            "count(cases opened up to as_of)",
        ),
        Column("is_stale", BOOLEAN, "True where the source of cases missed its cadence.", required=True),
        Column("stale_sources", STRINGS, "Sources of cases that missed their cadence, sorted."),
        Column("definition_version", STRING, "Names the definition that the row follows.", required=True),
        Column("as_of", DATE, "Business date that the row describes.", required=True),
    ),
)

_COUNTS = tuple(column.name for column in SERVICE.columns if column.type == LONG)
_FACTS = tuple(
    column.name
    for column in SERVICE.columns
    if column.unit is not None and column.name not in ("window_days", *_COUNTS)
)


def build_service(
    customers: DataFrame,
    cases: DataFrame | None,
    metrics: Metrics,
    business_date: date,
    *,
    timezone: str,
    stale_sources: Sequence[str] = (),
) -> DataFrame:
    """One row per row of ``customers`` (gold/customers).

    ``cases``: silver/cases with customer_id (``gold.ownership.resolve``); None where no source
    ever delivered cases: then every metric is NULL. ``timezone``: business zone, in which a case
    has its day. ``stale_sources``: sources of cases that missed their cadence, so that no case means not
    known instead of 0.
    """
    ids = customers.select("customer_id")
    if cases is None:
        absent = {name: F.lit(None).cast(SERVICE.column(name).type) for name in (*_COUNTS, *_FACTS)}
        measured = ids.withColumns(absent)
    else:
        facts = _facts(_dated(cases, metrics, business_date, timezone), metrics, business_date)
        # Zero is a statement about the world: it needs a source that was there to see it.
        unseen = F.lit(None).cast("bigint") if stale_sources else F.lit(0)
        measured = ids.join(facts, on="customer_id", how="left").withColumns(
            {name: F.coalesce(name, unseen) for name in _COUNTS}
        )
    return SERVICE.conform(
        measured.withColumns(
            {
                "window_days": F.lit(metrics.service.window_days).cast("int"),
                "is_stale": F.lit(bool(stale_sources)),
                "stale_sources": names_of(stale_sources),
                "definition_version": F.lit(metrics.service_definition),
                "as_of": F.lit(business_date),
            }
        )
    )


def _local_date(moment: str, timezone: str) -> SparkColumn:
    return F.from_utc_timestamp(moment, timezone).cast(DATE)


def _micros(until: str) -> SparkColumn:
    """From opened_at to ``until``; NULL where it lies before, which is an error of the source."""
    micros = F.unix_micros(until) - F.unix_micros("opened_at")
    return F.when(micros >= 0, micros)


def _dated(cases: DataFrame, metrics: Metrics, business_date: date, timezone: str) -> DataFrame:
    """The cases of somebody, opened up to ``business_date``, with what is asked of each of them.

    What happens after the end of ``business_date`` has not happened yet.
    """
    today = F.lit(business_date)

    def by_today(moment: str) -> SparkColumn:
        return F.when(_local_date(moment, timezone) <= today, F.col(moment))

    dated = cases.filter(F.col("customer_id").isNotNull()).withColumns(
        {
            "opened_on": _local_date("opened_at", timezone),
            "first_response_at": by_today("first_response_at"),
            "closed_at": by_today("closed_at"),
        }
    )
    return dated.filter(F.col("opened_on") <= today).withColumns(
        {
            "in_window": within("opened_on", metrics.service.window_days, business_date),
            "response_micros": _micros("first_response_at"),
            "resolution_hours": F.when(~F.col("is_open"), _micros("closed_at") / (60 * _MINUTE)),
            "days_since_closed": F.date_diff(today, _local_date("closed_at", timezone)),
        }
    )


def _facts(dated: DataFrame, metrics: Metrics, business_date: date) -> DataFrame:
    """One row per customer with cases: every count and fact of ``SERVICE``."""
    in_window = F.col("in_window")

    def counted(condition: SparkColumn) -> SparkColumn:
        return F.count_if(in_window & condition)

    def of_window(name: str) -> SparkColumn:
        return F.when(in_window, F.col(name))

    micros, solves = of_window("response_micros"), of_window("resolution_hours")
    waits = micros / _MINUTE
    is_settled = ~F.col("is_open") & (F.col("days_since_closed") >= metrics.service.reopen_days)
    is_unanswered = F.col("is_open") & F.col("first_response_at").isNull()
    oldest = F.min(F.when(F.col("is_open"), F.col("opened_on")))
    settled, responses = counted(is_settled), F.count(of_window("csat"))
    return dated.groupBy("customer_id").agg(
        F.count_if(in_window).alias("cases"),
        counted(F.col("case_type") == "claim").alias("claims"),
        counted(F.col("case_type") == "request").alias("requests"),
        counted(F.col("case_type") == "query").alias("queries"),
        counted(~F.col("case_type").isin("claim", "request", "query")).alias("other_cases"),
        F.count_if("is_open").alias("open_cases"),
        F.count_if(is_unanswered).alias("unanswered_cases"),
        F.date_diff(F.lit(business_date), oldest).alias("oldest_open_days"),
        F.count(waits).alias("answered_cases"),
        F.percentile(waits, 0.5).alias("first_response_minutes"),
        # Whole numbers add up to the same whatever their order; fractions do not.
        (F.avg(micros) / _MINUTE).alias("first_response_minutes_mean"),
        F.percentile(waits, 0.9).alias("first_response_minutes_p90"),
        counted(~F.col("is_open")).alias("solved_cases"),
        F.percentile(solves, 0.5).alias("resolution_hours"),
        F.percentile(solves, 0.9).alias("resolution_hours_p90"),
        counted(F.col("is_reopened")).alias("reopened_cases"),
        settled.alias("settled_cases"),
        F.try_divide(counted(is_settled & F.col("is_reopened")), settled).alias("reopen_rate"),
        responses.alias("csat_responses"),
        F.try_divide(counted(F.col("csat") >= 4), responses).alias("csat_top2_share"),
        F.avg(of_window("csat")).alias("csat_mean"),
        F.count("*").alias("n"),
    )
