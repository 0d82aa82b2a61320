"""Measures as rows: measure, part, numerator, denominator (NULL where the numerator says it all).

And the numbers that stand for records and customers while they are counted: they move, sort and group faster than
texts, and hashes of 64 bits tell apart what a measure counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.ownership import RECORD

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

RECORD_NUMBER, CUSTOMER_NUMBER = "_record_number", "_customer_number"


def record_number() -> Column:
    return F.xxhash64(*RECORD).alias(RECORD_NUMBER)


def customer_number() -> Column:
    return F.xxhash64("customer_id").alias(CUSTOMER_NUMBER)


def numbered(assignments: DataFrame) -> DataFrame:
    """``identity/assignments`` in numbers: one row a record."""
    return assignments.select(record_number(), customer_number())


def figure(measure: str, part: str | Column, numerator: Column, denominator: Column | None = None) -> Column:
    """One measure of one part as a struct."""
    of = F.lit(None) if denominator is None else denominator
    return F.struct(
        F.lit(measure).alias("measure"),
        (F.lit(part) if isinstance(part, str) else part).alias("part"),
        numerator.cast("double").alias("numerator"),
        of.cast("double").alias("denominator"),
    )


def figures(rows: DataFrame, *found: Column) -> DataFrame:
    """One row a ``figure`` and row of ``rows``."""
    return rows.select(F.inline(F.array(*found)))
