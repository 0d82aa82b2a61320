"""``gold/measures``: how good the customer ids are, and how much they moved, night by night.

The definitions of identity quality, and how complete and recent each source is: one row a measure, part and
night, so that a trend can be read.
A night that is published again replaces its own rows; old nights go by the retention of ``gold``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.gold.churn import id_jitter, revenue_jitter
from pipelines.gold.clustering import duplicates_left, found_by_source, held_together_by, sizes_and_mixtures
from pipelines.gold.completeness import scorecard
from pipelines.storage import arrow_schema
from pipelines.tables import DATE, DOUBLE, STRING, Column, Table

MEASURES = Table(
    layer="gold",
    name="measures",
    grain="One measure of the customer ids, of one part of them, in one night.",
    key=("business_date", "measure", "part"),
    owner="data stewards",
    columns=(
        Column("business_date", DATE, "Night that was measured.", required=True),
        Column(
            "measure",
            STRING,
            "consolidation, deduplication, cross_source, id_jitter, revenue_jitter, over_clustering, "
            "under_clustering, largest_customer, p99_customer, customers_over_64, customers_over_500, "
            "records_over_64, records_over_500, weakest_link, completeness, recency, precision_estimate or recall_estimate.",
            required=True,
        ),
        Column(
            "part",
            STRING,
            "all, or what the measure is split into: source, kind of change, currency, kind of mixture, key, source/attribute "
            "group; of an estimate low and high, the ends of its 95 % interval, and left_out, the judged pairs that changed.",
            required=True,
        ),
        Column(
            "value",
            DOUBLE,
            "What was measured.",
            unit="share; records for the largest and p99 customer; bits for the weakest link; days for recency",
            formula="numerator ÷ denominator, or the numerator where there is no denominator",
            required=True,
        ),
        Column("numerator", DOUBLE, "What was counted.", unit="as the measure's definition says"),
        Column("denominator", DOUBLE, "Of how many.", unit="as the measure's definition says"),
    ),
)

NIGHTS_KEPT = 31
"""Nights that stay however old they are: the report shows the trend of as many."""


def build_measures(
    assignments: DataFrame,
    before: DataFrame | None,
    events: DataFrame,
    records: DataFrame,
    scored_pairs: DataFrame,
    customers: DataFrame,
    sums: DataFrame | None,
    business_date: date,
) -> DataFrame:
    """Tonight's rows of ``gold/measures``. What has nothing to be measured on has no row.

    ``assignments``, ``before``: identity/assignments tonight and in the prior state (None before the
    first release: nothing can have moved, so jitter has no row); ``events``: identity/events with
    tonight's; ``records``: silver/customer_records; ``customers``: gold/customers; ``sums``: ``purchases.purchase_sums``, None
    where no source ever delivered orders.
    """
    found = [
        sizes_and_mixtures(customers),
        found_by_source(assignments),
        duplicates_left(assignments, records),
        held_together_by(assignments, scored_pairs),
        scorecard(records, business_date),
    ]
    if before is not None:
        moved = id_jitter(before, assignments, events, business_date)
        found.append(moved.shares)
        if sums is not None:
            found.append(revenue_jitter(sums, moved.ids))
    is_measured = F.col("numerator").isNotNull() & ~F.col("denominator").eqNullSafe(F.lit(0.0))
    tonight = (
        reduce(DataFrame.unionByName, found)
        .filter(is_measured)
        .withColumns(
            {
                "business_date": F.lit(business_date),
                "value": F.when(F.col("denominator").isNull(), F.col("numerator")).otherwise(
                    F.try_divide("numerator", "denominator")
                ),
            }
        )
    )
    return MEASURES.conform(tonight)


def measures_so_far(
    past: pa.Table | None, tonight: DataFrame, keep_days: int, judged: Sequence[Mapping[str, object]] = ()
) -> pa.Table:
    """``tonight`` (of ``build_measures``) beside ``past``, the table of the prior state; of the same night tonight's count.

    Of the past stay ``keep_days``, and at least ``NIGHTS_KEPT`` nights.
    ``judged``: rows of tonight by what stewards judged (``judged_quality``). A night has some hundred rows whatever
    the number of its records.
    """
    schema = arrow_schema(MEASURES)
    new = tonight.toArrow().select(schema.names).cast(schema)
    new = pa.concat_tables([new, pa.Table.from_pylist([dict(row) for row in judged], schema=schema)])
    if past is not None:
        measured = pc.is_in(past["business_date"], value_set=new["business_date"].unique())
        new = pa.concat_tables([past.filter(pc.invert(measured)).select(schema.names).cast(schema), new])
    nights = sorted(new["business_date"].unique().to_pylist())
    stay = [day for day in nights if nights[-1] - day <= timedelta(days=keep_days)]
    stay = max(stay, nights[-NIGHTS_KEPT:], key=len)
    kept = new.filter(pc.is_in(new["business_date"], value_set=pa.array(stay, pa.date32())))
    return kept.sort_by([(name, "ascending") for name in MEASURES.key])
