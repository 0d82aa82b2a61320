"""How Spark queries are run: once, where much is asked of the result, and a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 3
"""Queries at once: on small nights the driver's own work, not the data, is what takes time."""


def computed_once(frame: DataFrame) -> DataFrame:
    """``frame`` computed now, and held by the executors until nothing refers to it any more.

    For frames that much is asked of. A cache would not do: it keeps the plan, and plans that hold
    each other several times take Spark minutes to analyse where the data take seconds.
    """
    return frame.localCheckpoint()


def at_once(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``function`` of each item, a few at a time; the results in the items' order.

    Raises what the first of them raised, when the others have ended.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))
