"""What the modules of identity share about frames and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W

from pipelines.queries import computed_once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, WindowSpec


ONE_TASK = 100_000
"""Rows of which one task is done sooner than several, each with its own plan, could hand them round."""

FEW = 200_000
"""Rows of a night that are sent to every task whole: most of the register is not moved for them."""


def are_few(rows: int) -> bool:
    """True for so many rows that one task looks at them all."""
    return rows <= ONE_TASK


def held(frame: DataFrame, is_small: bool) -> DataFrame:
    """``queries.computed_once``; where ``is_small``, in one part, so that groups, windows and joins move no rows."""
    found = computed_once(frame)
    return found.coalesce(1) if is_small else found


def beside(frame: DataFrame, key: str, is_small: bool) -> DataFrame:
    """``frame`` with the rows of one ``key`` in one part, for several groups and windows in a row."""
    return frame if is_small else frame.repartition(key)


def all_of(*keys: str) -> WindowSpec:
    """The window that sees every row with the same keys."""
    return W.partitionBy(*keys).rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
