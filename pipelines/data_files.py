"""The Parquet files of a table's version: written by Spark or copied by Arrow, described as a Delta log describes them.

Both only write; the commit is the storage's. Delta's own writer of Spark runs four jobs
more a commit to know its log again, which costs a night of many small tables a third of its time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines import files
from pipelines.queries import at_once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

BROKEN = "padron: a row breaks its table's contract"
"""What a task says of a row for which ``condition`` does not hold; nothing of the row."""
INDEXED = 32
"""Columns whose bounds a log keeps, as Delta's own writers do."""
LONGEST = 64
"""Characters of a text that serves as a bound; Parquet's own bounds may be any length."""
AT_ONCE = 16
"""Files that are looked at at a time: on an object store most of it is waiting."""
COPIED_GROUP, COPIED_FILE = 2**16, 2**20
"""Rows of a group, which is what a task reads at least, and of a file, of those that are copied."""


@dataclass(frozen=True)
class DataFile:
    """One Parquet file with rows in it."""

    path: str
    """Below the table's folder."""
    size: int
    """Bytes."""
    modified_ms: int
    stats: str
    """Rows, bounds and nulls by column, as JSON of the Delta protocol."""


def write_files(frame: DataFrame, uri: str, condition: str | None = None) -> list[DataFile]:
    """Write ``frame`` into a new folder below the table's folder ``uri``; its files in order of their names.

    Where ``condition`` (SQL) is not true of a row, the write fails with ``BROKEN`` in Spark's message. What a
    write that failed leaves there no log names, and a vacuum deletes it.
    """
    from pyspark.sql import functions as F

    if condition is not None:
        holds = F.expr(condition)
        frame = frame.where(
            F.when(holds, F.lit(True)).otherwise(F.raise_error(F.lit(BROKEN)).cast("boolean"))
        )
    # The older form of a time is one that Delta's protocol does not know.
    frame.sparkSession.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
    folder = uuid4().hex
    frame.write.option("compression", "snappy").parquet(files.join(uri, folder))
    return _all_described(uri, folder)


def copy_rows(
    sources: Sequence[str], uri: str, schema: pa.Schema, left_of: Callable[[pa.Table], pa.Table]
) -> list[DataFile]:
    """Write what ``left_of`` leaves of the Parquet files ``sources`` as ``write_files`` does what Spark computes.

    ``left_of``: rows of a file → those to write, with the columns of ``schema``. Files are joined up to ``COPIED_FILE``
    rows, a few at a time; of each some groups of ``COPIED_GROUP`` rows are in memory.
    """
    folder = uuid4().hex

    def copy(together: tuple[int, list[str]]) -> bool:
        at, joined = together
        # A file's name is its own in the whole table.
        place = files.join(uri, folder, f"part-{at:05}-{folder}.parquet")
        return _copied(joined, place, schema, left_of)

    # Of no rows there is no file, and no folder.
    return _all_described(uri, folder) if any(at_once(copy, enumerate(_together(sources)))) else []


def _together(sources: Sequence[str]) -> list[list[str]]:
    """The files in groups of up to ``COPIED_FILE`` rows, by their footers."""
    groups: list[list[str]] = []
    free = 0
    for source in sources:
        with files.open_random(source) as opened:
            rows = pq.read_metadata(opened).num_rows
        if not groups or rows > free:
            groups.append([])
            free = COPIED_FILE
        groups[-1].append(source)
        free -= rows
    return groups


def _copied(
    sources: Sequence[str], uri: str, schema: pa.Schema, left_of: Callable[[pa.Table], pa.Table]
) -> bool:
    """Copy into one file; False where no row is left, and no file made."""
    with ExitStack() as stack:
        writer = None
        for source in sources:
            with files.open_random(source) as opened:
                for batch in pq.ParquetFile(opened).iter_batches(batch_size=COPIED_GROUP):
                    rows = left_of(pa.Table.from_batches([batch]))
                    if not rows.num_rows:
                        continue
                    if writer is None:
                        stream = stack.enter_context(files.open_new(uri))
                        writer = stack.enter_context(pq.ParquetWriter(stream, schema, compression="snappy"))
                    writer.write_table(rows)
        return writer is not None


def _all_described(uri: str, folder: str) -> list[DataFile]:
    """The files with rows in the new ``folder`` below ``uri``. Raises FileNotFoundError where there is no such folder."""
    written = [info for info in files.listing(files.join(uri, folder)) if info.name.endswith(".parquet")]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda info: _described(folder, info), written))
    return [file for file in found if file is not None]


def _described(folder: str, info: files.FileInfo) -> DataFile | None:
    """What a log says of a file in ``folder``; None where it has no rows."""
    with files.open_random(info.uri) as opened:
        footer = pq.read_metadata(opened)
    if not footer.num_rows:
        return None
    modified = info.modified_at or datetime.now(UTC)
    stats = json.dumps(_stats(footer), ensure_ascii=False)
    return DataFile(f"{folder}/{info.path}", info.size, int(modified.timestamp() * 1000), stats)


def _stats(footer: pq.FileMetaData) -> dict[str, Any]:
    lowest: dict[str, Any] = {}
    highest: dict[str, Any] = {}
    nulls: dict[str, int] = {}
    names = [field.name for field in footer.schema.to_arrow_schema() if not pa.types.is_nested(field.type)]
    places = {footer.schema.column(at).path: at for at in range(len(footer.schema))}
    for name in names[:INDEXED]:
        groups = [
            footer.row_group(group).column(places[name]).statistics for group in range(footer.num_row_groups)
        ]
        if any(found is None or found.null_count is None for found in groups):
            continue
        nulls[name] = sum(found.null_count for found in groups)
        bounded = [found for found in groups if found.has_min_max]
        # A group of blanks only has no bounds; one with values and without bounds leaves none for the file.
        if not bounded or any(not found.has_min_max and found.num_values for found in groups):
            continue
        low, high = _plain(min(found.min for found in bounded)), _plain(max(found.max for found in bounded))
        if low is not None and high is not None:
            lowest[name], highest[name] = low, high
    return {"numRecords": footer.num_rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls}


def _plain(bound: Any) -> Any:
    """A bound in JSON; None for what is not kept: times, decimals, bytes, long texts."""
    if isinstance(bound, str):
        return bound if len(bound) <= LONGEST else None
    if isinstance(bound, float):
        return bound if math.isfinite(bound) else None
    if isinstance(bound, bool):
        return None
    if type(bound) is date:
        return bound.isoformat()
    return bound if isinstance(bound, int) else None
