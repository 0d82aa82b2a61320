"""Which files of last night's table stay in tonight's, and what is copied of the others, for a table that is taken over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import files
from pipelines.data_files import COPIED_FILE, COPIED_GROUP, copy_rows
from pipelines.queries import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame

    from pipelines.data_files import DataFile
    from pipelines.stored import TableRef
    from pipelines.taken_over import Standing, TakenOver

LARGE = COPIED_FILE // 2
"""Rows of a file that may stay as it is: smaller ones are joined, so that nights do not add up to many files."""
_FILE = "_file_of_row"


@dataclass(frozen=True)
class Stands:
    """Where the rows are that stand."""

    stay: frozenset[str] = frozenset()
    """Files of the prior state that stay in the table, below its folder."""
    made: tuple[DataFile, ...] = ()
    """Files that were made of others."""


def by_arrow(content: TakenOver, before: TableRef, uri: str, schema: pa.Schema, *, may_stay: bool) -> Stands:
    """The rows of ``before`` that stand: in the files of which nothing goes, where they ``may_stay``, and in copies of the
    others' below ``uri``. Runs a job, for what goes."""
    standing = content.by_arrow(schema)
    sources = dict(zip(before.file_uris(), before.file_names(), strict=True))
    named = list(sources) if may_stay else []
    whole = [source for source, stays in zip(named, at_once(_tells(standing), named), strict=True) if stays]
    copied = [source for source in sources if source not in whole]
    made = copy_rows(copied, uri, schema, standing.left_of)
    return Stands(frozenset(sources[source] for source in whole), tuple(made))


def _tells(standing: Standing) -> Callable[[str], bool]:
    """Tells of a Parquet file whether it is ``LARGE`` and all its rows stand: by the columns that tell it, up to the first
    row that does not."""

    def is_whole(source: str) -> bool:
        with files.open_random(source) as opened:
            parquet = pq.ParquetFile(opened)
            if parquet.metadata.num_rows < LARGE:
                return False
            groups = parquet.iter_batches(batch_size=COPIED_GROUP, columns=list(standing.asked))
            return all(pc.all(standing.stand(pa.Table.from_batches([rows]))).as_py() for rows in groups)

    return is_whole


def large(rows: Mapping[str, int]) -> dict[str, str]:
    """Of files and their ``rows`` the ``LARGE`` ones, by the last part of their names."""
    return {name.rpartition("/")[2]: name for name, count in rows.items() if count >= LARGE}


def by_spark(content: TakenOver, among: Mapping[str, str], before: DataFrame) -> frozenset[str]:
    """Those of the files ``among`` (``large``) of which every row stands; ``before`` are their rows.

    Runs a job, which gives a row for each of the others. None where Spark names a file that is not ``among`` them.
    """
    from pyspark.sql import functions as F

    placed = before.withColumn(_FILE, F.substring_index(F.input_file_name(), "/", -1))
    touched = {row[_FILE] for row in content.gone_by_spark(placed).select(_FILE).distinct().collect()}
    if not touched <= among.keys():
        return frozenset()
    return frozenset(name for last, name in among.items() if last not in touched)
