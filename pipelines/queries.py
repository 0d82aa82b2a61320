"""How Spark queries are run: once, where much is asked of the result, and a few at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession
    from pyspark.sql.types import StructType

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = 3
"""Queries at once: on small nights the driver's own work, not the data, is what takes time."""


def is_local(frame: DataFrame) -> bool:
    """True where Spark's tasks run in the process of its driver."""
    return (frame.sparkSession.sparkContext.master or "").startswith("local")


def computed_once(frame: DataFrame) -> DataFrame:
    """``frame`` computed now, and held by the executors until nothing refers to it any more.

    For frames that much is asked of. A cache would not do: it keeps the plan, and plans that hold
    each other several times take Spark minutes to analyse where the data take seconds. What is held
    cannot be computed again, so on a cluster two executors hold it and one of them may be lost.
    """
    if is_local(frame):
        return frame.localCheckpoint()
    from pyspark import StorageLevel

    return frame.localCheckpoint(storageLevel=StorageLevel.MEMORY_AND_DISK_2)


Keep = Callable[["DataFrame"], "DataFrame"]
"""Computes a frame once that a stage uses many times, such as ``computed_once``."""


def as_it_is(frame: DataFrame) -> DataFrame:
    """The ``Keep`` that keeps nothing: the frame is computed wherever it is used."""
    return frame


def let_go(frame: DataFrame) -> None:
    """Free what ``computed_once`` holds of ``frame``; nobody may ask anything of it, or of frames made of it, any more.

    Left to itself Spark holds it until Java finds that nothing refers to it, which in the course of a night did not happen.
    """
    frame._jdf.queryExecution().logical().rdd().unpersist(False)


HASH = "_hash_of_key"


def hash_first(on: Sequence[str]) -> Column:
    """The hash of a key of texts, to group by before these: Spark sorts by the first eight bytes of what comes first,
    which are the same in all records of a source.
    """
    from pyspark.sql import functions as F

    return F.xxhash64(*on).alias(HASH)


def joined(left: DataFrame, right: DataFrame, on: Sequence[str], how: str) -> DataFrame:
    """``left.join(right)`` on a key of texts, compared by its hash first (``hash_first``)."""
    one, other = (frame.select("*", hash_first(on)) for frame in (left, right))
    return one.join(other, on=[HASH, *on], how=how).drop(HASH)


def no_rows(spark: SparkSession, schema: StructType) -> DataFrame:
    """A frame of ``schema`` without rows, which Spark knows to be empty: it leaves out joins and unions with it.

    One made of an empty list is a job that starts a worker of Python to find nothing.
    """
    from pyspark.sql import functions as F

    columns = [F.lit(None).cast(field.dataType).alias(field.name) for field in schema]
    return spark.range(1).where(F.lit(False)).select(*columns)


Say = Callable[[str], None]
"""Is told, in a few words without personal data, what is being done."""
LOOK = 1.0
"""Seconds between two looks at how far a query is."""


def silent(text: str) -> None:
    """Nobody wants to know."""


@contextmanager
def watched(spark: SparkSession, say: Say, doing: str) -> Iterator[None]:
    """``say`` what the queries of this thread inside are ``doing``, and how far the running one is."""
    context, ended = spark.sparkContext, threading.Event()
    group = f"{doing} ({threading.get_ident()})"

    def look() -> None:
        tracker = context.statusTracker()
        while not ended.wait(LOOK):
            jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group)]
            stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
            # What has not begun may never begin: its outcome may be there already.
            known = [s for s in stages if s is not None and s.numActiveTasks]
            done, every = sum(s.numCompletedTasks for s in known), sum(s.numTasks for s in known)
            say(f"{doing}, {done} of {every} tasks" if every else doing)

    say(doing)
    before = context.getLocalProperty("spark.jobGroup.id")
    context.setLocalProperty("spark.jobGroup.id", group)
    watcher = threading.Thread(target=look, name="watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        context.setLocalProperty("spark.jobGroup.id", before)  # type: ignore[arg-type]


def at_once(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``function`` of each item, a few at a time; the results in the items' order.

    Raises what the first of them raised, when the others have ended.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(function, items))


def both(one: Callable[[], Result], other: Callable[[], Item]) -> tuple[Result, Item]:
    """What ``one`` and ``other`` give, at the same time. Raises what either raised, when both have ended."""
    with ThreadPoolExecutor(1) as beside:
        first = beside.submit(one)
        second = other()
        return first.result(), second
