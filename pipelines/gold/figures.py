"""Measures as rows: measure, part, numerator, denominator (NULL where the numerator says it all)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


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
