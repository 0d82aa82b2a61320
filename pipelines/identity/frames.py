"""What the modules of identity share about frames and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, WindowSpec


def computed_once(frame: DataFrame) -> DataFrame:
    """``frame``, computed now and held by the executors until nothing refers to it any more.

    For frames that much is asked of. A cache would not do: it keeps the plan, and plans that hold
    each other several times take Spark minutes to analyse where the data take seconds.
    """
    return frame.localCheckpoint()


def all_of(*keys: str) -> WindowSpec:
    """The window that sees every row with the same keys."""
    return W.partitionBy(*keys).rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
