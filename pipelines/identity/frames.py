"""What the modules of identity share about frames and windows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window as W

if TYPE_CHECKING:
    from pyspark.sql import WindowSpec


def all_of(*keys: str) -> WindowSpec:
    """The window that sees every row with the same keys."""
    return W.partitionBy(*keys).rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
