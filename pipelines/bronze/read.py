"""Landed files as bronze frames: Spark gives each file to a task of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from pipelines.bronze.contract import FileHead, inspect_all
from pipelines.bronze.problems import Problem, stop_message
from pipelines.bronze.rows import FileTask, arrow_schema, file_task, read_file
from pipelines.bronze.tables import TECHNICAL, bronze_table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.bronze.landing import LandedFile
    from pipelines.sources import Source


@dataclass(frozen=True)
class Landed:
    """A night's files as frames: one frame a feed, by (source, feed)."""

    tables: Mapping[tuple[str, str], DataFrame]
    """Empty where a problem stops the night."""
    heads: tuple[FileHead, ...]
    problems: tuple[Problem, ...]
    """``stop_message(problems)`` is the line that ends the night, or None."""


@dataclass(frozen=True)
class _ReadFiles:
    """Runs on a worker: the numbers of files in, their rows out."""

    tasks: tuple[FileTask, ...]
    columns: tuple[str, ...]

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from read_file(self.tasks[number], self.columns)


def land(
    spark: SparkSession, found: Sequence[LandedFile], sources: Mapping[str, Source], *, ingested_at: datetime
) -> Landed:
    """The files as bronze rows, lazily, after each was inspected.

    ``ingested_at`` is a moment with a zone. A feed's frame has its declared columns, those that its
    files brought, and provenance; write it to ``bronze_table(source, feed)``.
    """
    heads = tuple(inspect_all(found, sources))
    problems = tuple(problem for head in heads for problem in head.problems)
    if stop_message(problems) is not None:
        return Landed({}, heads, problems)
    by_feed: dict[tuple[str, str], list[FileHead]] = {}
    for head in heads:
        by_feed.setdefault((head.file.source, head.file.feed), []).append(head)
    tables = {
        (source, feed): _frame(spark, sources[source], feed, of_feed, ingested_at)
        for (source, feed), of_feed in sorted(by_feed.items())
    }
    return Landed(tables, heads, problems)


def new_columns(heads: Sequence[FileHead]) -> tuple[str, ...]:
    """The undeclared columns of a feed's files, each once, spelt as the first file does."""
    spelling: dict[str, str] = {}
    for head in heads:
        for name in head.new_columns:
            spelling.setdefault(name.casefold(), name)
    return tuple(spelling.values())


def _frame(
    spark: SparkSession, source: Source, feed: str, heads: Sequence[FileHead], ingested_at: datetime
) -> DataFrame:
    extra = new_columns(heads)
    table = bronze_table(source, feed, extra)
    columns = tuple(name for name in table.names if name not in TECHNICAL)
    spelling = {name.casefold(): name for name in columns}
    tasks = []
    for head in heads:
        # A column without a name in the table is read and not kept.
        secret = set(head.secret_columns)
        own = tuple("" if name in secret else spelling[name.casefold()] for name in head.columns)
        tasks.append(replace(file_task(head, source), columns=own, declared=tuple(spelling.items())))
    schema = from_arrow_schema(arrow_schema(columns))
    # A range of n numbers in n partitions: one file a task, whatever the cluster's parallelism.
    numbers = spark.range(0, len(tasks), 1, len(tasks))
    read = numbers.mapInArrow(_ReadFiles(tuple(tasks), columns), schema)
    return table.conform(read.withColumn("_ingested_at", F.lit(ingested_at)))
