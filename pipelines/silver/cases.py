"""``silver/cases``: what customers asked the company for."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pyspark.sql import functions as F

from pipelines.silver.mapping import PROVENANCE
from pipelines.tables import BOOLEAN, INT, STRING, TIMESTAMP, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_P = Personal.PSEUDONYM
_Q = Personal.QUASI

CASES = Table(
    layer="silver",
    name="cases",
    grain="One support ticket.",
    key=("case_id",),
    owner="customer service",
    check="case_type IN ('claim', 'request', 'query', 'other') AND (csat IS NULL OR csat BETWEEN 1 AND 5)",
    columns=(
        Column("source", STRING, "System that owns the customer record.", required=True),
        Column(
            "record_id", STRING, "Key of the requester's record in it; NULL where the ticket names none.", _P
        ),
        Column("case_id", STRING, "The ticket's key.", _P, required=True),
        Column("case_type", STRING, "claim, request, query or other, by the category.", required=True),
        Column("category", STRING, "Category, by code."),
        Column("priority", STRING, "Priority, by code."),
        Column("status", STRING, "open, pending, solved, closed, or other."),
        Column("opened_at", TIMESTAMP, "When it was opened.", _Q, required=True),
        Column("first_response_at", TIMESTAMP, "First reply by a person.", _Q),
        Column("closed_at", TIMESTAMP, "When it was solved or closed, last.", _Q),
        Column(
            "is_open",
            BOOLEAN,
            "True when it is not done at the end of the business date.",
            formula="status open or pending; solved or closed: only if closed later; without either: not closed yet",
        ),
        Column("csat", INT, "Satisfaction, 1 to 5; NULL unanswered.", _Q, "points"),
        Column("is_reopened", BOOLEAN, "True when it was opened again after it was solved."),
        *PROVENANCE,
    ),
)


def cases(rows: DataFrame, *, timezone: str, business_date: date) -> DataFrame:
    """``silver/cases`` from the standard rows of its feeds."""
    end = end_of(business_date, timezone)
    status = F.lower("status")
    closes_later = F.col("closed_at") >= end
    is_open = (
        F.when(status.isin("open", "pending"), F.lit(True))
        .when(status.isin("solved", "closed"), F.coalesce(closes_later, F.lit(False)))
        .otherwise(F.coalesce(closes_later, F.lit(True)))
    )
    case_type = F.lower("case_type")
    return CASES.conform(
        rows.withColumns(
            {
                "status": status,
                "case_type": F.when(case_type.isin("claim", "request", "query"), case_type).otherwise(
                    "other"
                ),
                "is_open": is_open & (F.col("opened_at") < end),
                "csat": F.when(F.col("csat").between(1, 5), F.col("csat")),
            }
        )
    )


def end_of(business_date: date, timezone: str) -> SparkColumn:
    """The moment at which a business date is over: what is asked or done from then on is of a later one."""
    midnight = datetime.combine(business_date + timedelta(days=1), time(), ZoneInfo(timezone))
    return F.lit(midnight.astimezone(UTC))
