"""The silver stage: bronze → every silver table, from bronze as far back as it looks each night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.queries import Keep, as_it_is, no_rows
from pipelines.silver.cases import CASES, cases
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.frames import Feeds, rows_of
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS, order_lines, orders, returns
from pipelines.silver.outcome_counts import OUTCOME_COUNTS, outcome_counts
from pipelines.silver.outcomes import classify
from pipelines.silver.quarantine import QUARANTINE, quarantine
from pipelines.silver.records import customer_records
from pipelines.silver.targets import check_sources

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.config import Project
    from pipelines.silver.row_rules import RowRule
    from pipelines.sources import Source
    from pipelines.tables import Table

SILVER = (CUSTOMER_RECORDS, ORDERS, ORDER_LINES, RETURNS, CASES, QUARANTINE, OUTCOME_COUNTS)
"""Every table of the layer."""


@dataclass(frozen=True)
class Silver:
    """A night's silver tables; those that no feed fills are empty."""

    customer_records: DataFrame
    orders: DataFrame
    order_lines: DataFrame
    returns: DataFrame
    cases: DataFrame
    quarantine: DataFrame
    outcomes: DataFrame

    @property
    def tables(self) -> dict[str, DataFrame]:
        """By ``layer/name``."""
        return {table.path: getattr(self, table.name) for table in SILVER}


def classify_all(
    bronze: Feeds,
    sources: Mapping[str, Source],
    *,
    batches: DataFrame | None = None,
    rules: Sequence[RowRule] = (),
) -> dict[tuple[str, str], DataFrame]:
    """``classify`` of every feed. Raises UsageError where a map does not fit its target."""
    check_sources(sources)
    return {
        (source, feed): classify(rows, sources[source], feed, batches=batches, rules=rules)
        for (source, feed), rows in bronze.items()
    }


def build(
    bronze: Feeds,
    sources: Mapping[str, Source],
    project: Project,
    *,
    business_date: date,
    batches: DataFrame | None = None,
    before: DataFrame | None = None,
) -> Silver:
    """Every silver table from the bronze tables, by (source, feed), that exist.

    ``batches``: bronze/batches (see ``classify``). ``before``: silver/customer_records of the night
    before, to take over what did not change. Each table reads only the feeds that it is made of.
    Raises UsageError where a map does not fit its target, ValueError without any feed.
    """
    classified = classify_all(bronze, sources, batches=batches)
    return build_from(classified, sources, project, business_date=business_date, before=before)


def build_from(
    classified: Feeds,
    sources: Mapping[str, Source],
    project: Project,
    *,
    business_date: date,
    before: DataFrame | None = None,
    history: Mapping[tuple[str, str], int] | None = None,
    snapshots: Mapping[tuple[str, str], date] | None = None,
    keep: Keep = as_it_is,
) -> Silver:
    """``build`` from classified feeds, for a runner that keeps them in memory between tables.

    ``history``, ``snapshots``: see ``outcome_counts``. ``keep``: see ``queries``.
    """
    if not classified:
        raise ValueError("silver needs at least one feed")
    spark = next(iter(classified.values())).sparkSession
    zone = project.timezone
    current = {key: rows.filter(F.col("_outcome") == "current") for key, rows in classified.items()}

    records = customer_records(
        current,
        sources,
        default_country=project.country,
        timezone=zone,
        business_date=business_date,
        before=before,
        keep=keep,
    )
    order_rows = rows_of("orders", current, sources, timezone=zone)
    line_rows = rows_of("order_lines", current, sources, timezone=zone)
    return_rows = rows_of("returns", current, sources, timezone=zone)
    case_rows = rows_of("cases", current, sources, timezone=zone)

    lines = None if line_rows is None else order_lines(line_rows)
    back = None if return_rows is None else returns(return_rows, order_rows, timezone=zone)
    sold = (
        None
        if order_rows is None
        else orders(order_rows, lines, back, timezone=zone, business_date=business_date)
    )
    tickets = None if case_rows is None else cases(case_rows, timezone=zone, business_date=business_date)
    return Silver(
        customer_records=_or_empty(records, CUSTOMER_RECORDS, spark),
        orders=_or_empty(sold, ORDERS, spark),
        order_lines=_or_empty(lines, ORDER_LINES, spark),
        returns=_or_empty(back, RETURNS, spark),
        cases=_or_empty(tickets, CASES, spark),
        quarantine=quarantine(classified, business_date=business_date),
        outcomes=outcome_counts(
            classified, business_date=business_date, history=history, snapshots=snapshots
        ),
    )


def _or_empty(frame: DataFrame | None, table: Table, spark: SparkSession) -> DataFrame:
    return frame if frame is not None else no_rows(spark, table.schema)
