"""A table of which most rows are last night's, told so that the rows that stand need not be computed.

In one process Arrow copies them from file to file: Spark would make rows of columns, and columns of rows again. On a
cluster Spark copies them, where its executors are. A large file of which all rows stand, as they are, is not copied at
all: it stays in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame

_BETWEEN = "\n"
"""Stands between the columns of a key; of these only the last may hold it: no name of a source does."""
_GONE = "_gone_{}"


@dataclass(frozen=True)
class Standing:
    """Which rows of the prior state stand, as Arrow is told."""

    asked: tuple[str, ...]
    """The columns that ``stand`` looks at."""
    stand: Callable[[pa.Table], pa.ChunkedArray]
    """Of every row whether it stands."""
    left_of: Callable[[pa.Table], pa.Table]
    """The rows that do, as they are written."""


@dataclass(frozen=True)
class TakenOver:
    """The content of a snapshot table: rows that come, and those of the prior state that stand.

    The prior state's table has the columns of now (``Inputs.previous_fits``), and kept its contract when it was written.
    """

    comes: DataFrame
    """With the table's columns."""
    gone: DataFrame
    """Keys of the rows that do not stand: one row a key, as many columns as ``key``, few enough to be sent to every task."""
    key: Sequence[str]
    """Texts by which rows go; NULL counts as a text without characters."""
    of_sources: Sequence[str] | None = None
    """Of other sources no row stands; None: of any."""
    stamped: Mapping[str, date] = field(default_factory=dict)
    """Columns that say the same of every row that stands, whatever they said: the date of the night."""

    def by_arrow(self, schema: pa.Schema) -> Standing:
        """Which of some rows of the prior state stand, and as what: with the columns of ``schema``. Runs a job."""
        few = self.gone.toArrow()
        # In one piece: of no rows Arrow would not know that they are texts.
        gone = _as_one([column.cast(pa.string()).combine_chunks() for column in few.columns])
        sources = None if self.of_sources is None else pa.array(self.of_sources, pa.string())

        def stand(rows: pa.Table) -> pa.ChunkedArray:
            stands = pc.invert(pc.is_in(_as_one([rows[name] for name in self.key]), value_set=gone))
            return stands if sources is None else pc.and_(stands, pc.is_in(rows["source"], value_set=sources))

        def left_of(rows: pa.Table) -> pa.Table:
            rows = rows.filter(stand(rows)).select(schema.names)
            for name, day in self.stamped.items():
                said = pa.repeat(pa.scalar(day, schema.field(name).type), rows.num_rows)
                rows = rows.set_column(schema.get_field_index(name), name, said)
            return rows.cast(schema)

        return Standing(self._asked, stand, left_of)

    @property
    def _asked(self) -> tuple[str, ...]:
        return (*self.key, *(() if self.of_sources is None or "source" in self.key else ("source",)))

    def by_spark(self, before: DataFrame) -> DataFrame:
        """Those rows of ``before``, the prior state's, that stand."""
        from pyspark.sql import functions as F

        stands = before if self.of_sources is None else before.filter(F.col("source").isin(*self.of_sources))
        stands = self._met(stands, "left_anti")
        return stands.withColumns({name: F.lit(day) for name, day in self.stamped.items()})

    def gone_by_spark(self, before: DataFrame) -> DataFrame:
        """Those rows of ``before``, the prior state's, that do not stand; some of them twice."""
        from pyspark.sql import functions as F

        gone = self._met(before, "left_semi")
        if self.of_sources is None:
            return gone
        is_asked = F.coalesce(F.col("source").isin(*self.of_sources), F.lit(False))
        return gone.unionByName(before.filter(~is_asked))

    def _met(self, before: DataFrame, how: str) -> DataFrame:
        """``before`` joined to the keys that go."""
        from pyspark.sql import functions as F

        names = [_GONE.format(at) for at in range(len(self.key))]
        gone = self.gone.toDF(*names).select(*[F.coalesce(name, F.lit("")).alias(name) for name in names])
        keys = {name: F.coalesce(key, F.lit("")) for name, key in zip(names, self.key, strict=True)}
        return before.withColumns(keys).join(F.broadcast(gone), on=names, how=how).drop(*names)


def _as_one(parts: Sequence[pa.Array | pa.ChunkedArray]) -> pa.Array | pa.ChunkedArray:
    """One text of the columns of a key, row by row."""
    filled = [pc.coalesce(part, "") for part in parts]
    return reduce(lambda one, other: pc.binary_join_element_wise(one, other, _BETWEEN), filled)
