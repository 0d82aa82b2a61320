"""``silver/outcomes``: what became of every bronze row, counted: the counts that must add up each night."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.silver.outcomes import OUTCOMES
from pipelines.tables import DATE, LONG, STRING, Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

OUTCOME_COUNTS = Table(
    layer="silver",
    name="outcomes",
    grain="One row a feed that ever came in.",
    key=("source", "feed"),
    owner="data engineering",
    check="bronze_rows = current + superseded + deleted + duplicate + quarantined",
    columns=(
        Column("source", STRING, "Source folder.", required=True),
        Column("feed", STRING, "Feed of it.", required=True),
        Column("business_date", DATE, "Night that the counts are of.", required=True),
        Column(
            "bronze_rows", LONG, "Rows received up to the night, but for history.", unit="rows", required=True
        ),
        Column("current", LONG, "Rows that silver is made of.", unit="rows", required=True),
        Column("superseded", LONG, "Rows that a newer one replaced.", unit="rows", required=True),
        Column("deleted", LONG, "Last rows of keys that were deleted.", unit="rows", required=True),
        Column(
            "duplicate",
            LONG,
            "Rows that a later one of the same delivery repeats.",
            unit="rows",
            required=True,
        ),
        Column("quarantined", LONG, "Rows that are not usable.", unit="rows", required=True),
        Column(
            "history", LONG, "Rows that landed before the date that the night looked back to.", unit="rows"
        ),
        Column(
            "stands_since",
            DATE,
            "Landing date that the next night looks back to: of the full snapshot before the newest, or of the oldest "
            "current row. NULL: to everything.",
        ),
    ),
)


def outcome_counts(
    classified: Mapping[tuple[str, str], DataFrame],
    *,
    business_date: date,
    history: Mapping[tuple[str, str], int] | None = None,
    snapshots: Mapping[tuple[str, str], date] | None = None,
) -> DataFrame:
    """``silver/outcomes`` of the feeds given, by (source, feed).

    ``history``: rows that were not classified. ``snapshots``: dates of the full snapshots before the newest ones.
    Raises ValueError where there is no feed.
    """
    if not classified:
        raise ValueError("outcome_counts needs at least one feed")
    oldest = F.min(F.when(F.col("_outcome") == "current", F.col("_landing_date")))
    counts = [
        frame.agg(
            F.count(F.lit(1)).alias("bronze_rows"),
            *[F.count_if(F.col("_outcome") == outcome).alias(outcome) for outcome in OUTCOMES],
            _stands_since((snapshots or {}).get((source, feed)), oldest).alias("stands_since"),
        ).withColumns(
            {
                "source": F.lit(source),
                "feed": F.lit(feed),
                "history": F.lit((history or {}).get((source, feed), 0)).cast(LONG),
            }
        )
        for (source, feed), frame in sorted(classified.items())
    ]
    united = reduce(DataFrame.unionByName, counts)
    return OUTCOME_COUNTS.conform(united.withColumn("business_date", F.lit(business_date)))


def _stands_since(snapshot: date | None, oldest: SparkColumn) -> SparkColumn:
    """The earlier of the two dates; NULL without the snapshot. ``least`` passes over a NULL, where nothing is current."""
    return F.lit(None).cast(DATE) if snapshot is None else F.least(F.lit(snapshot), oldest)
