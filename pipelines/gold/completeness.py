"""How complete and how recent each source is: a scorecard by source and attribute group."""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.attributes import GROUPS
from pipelines.gold.figures import figure, figures

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from pipelines.gold.attributes import Group


def _says(group: Group) -> Column:
    """True for a record that says something about the group."""
    if group.many:
        return F.coalesce(F.size(group.fields[0]) > 0, F.lit(False))
    return reduce(or_, [F.col(name).isNotNull() for name in group.needed])


def scorecard(records: DataFrame, business_date: date) -> DataFrame:
    """``completeness`` of each source and attribute group (part ``crm/emails``): records that state it, over
    the source's live records; ``recency`` of each source, and of each source and attribute group: median age in days of
    its records, or of those that state it, by what the source calls their last change, else by the file that brought
    them. As ``figures``.
    """
    age = F.date_diff(
        F.lit(business_date), F.coalesce(F.col("updated_at").cast("date"), F.col("_landing_date"))
    )
    names = ["records", *(group.name for group in GROUPS)]
    # Counted by age first: a percentile is gathered in a map, a row at a time.
    by_age = records.groupBy("source", age.alias("age")).agg(
        F.count(F.lit(1)).alias("records"), *[F.count_if(_says(group)).alias(group.name) for group in GROUPS]
    )
    counted = by_age.groupBy("source").agg(
        *[F.sum(name).alias(name) for name in names],
        *[F.percentile("age", F.lit(0.5), F.col(name)).alias(f"age_{name}") for name in names],
    )
    source = F.col("source")

    def of(group: Group) -> Column:
        return F.concat(source, F.lit(f"/{group.name}"))

    found = figures(
        counted,
        *[figure("completeness", of(group), F.col(group.name), F.col("records")) for group in GROUPS],
        figure("recency", source, F.col("age_records")),
        *[figure("recency", of(group), F.col(f"age_{group.name}")) for group in GROUPS],
    )
    # What nobody states has no age.
    return found.filter((F.col("measure") != "recency") | F.col("numerator").isNotNull())
