"""A warehouse laid over another: what is read comes from below, what is written stays above it.

For nights that are only tried: the warehouse below is never written, and the layer above is deleted whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds

from pipelines.storage import Warehouse, arrow_schema
from pipelines.stored import TableRef
from pipelines.tables import Kind, Table
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyspark.sql import DataFrame, SparkSession


@dataclass(frozen=True)
class _Parts:
    """Where the rows of a version are: those of a version below, and of one above."""

    below: int | None
    above: int | None


@dataclass(frozen=True)
class _Both(TableRef):
    """The files of a table that stands below and above."""

    rest: TableRef

    def file_uris(self) -> list[str]:
        return [*TableRef(self.uri, self.version).file_uris(), *self.rest.file_uris()]

    def file_names(self) -> list[str]:
        return [*super().file_names(), *self.rest.file_names()]

    def file_rows(self) -> dict[str, int]:
        return super().file_rows() | self.rest.file_rows()


class Overlay(Warehouse):
    """``below`` as it is, and on top of it, in the folder ``uri``, what is written here.

    A version written here is numbered after the newest one below, so that a number means one thing.
    """

    def __init__(self, below: Warehouse, uri: str) -> None:
        super().__init__(uri, retention_days=below.retention_days)
        self.below = below
        self._above = Warehouse(uri, retention_days=below.retention_days)
        self._made: dict[str, dict[int, _Parts]] = {}

    def _parts(self, path: str, version: int | None) -> _Parts:
        made = self._made.get(path, {})
        if version is None:
            version = max(made, default=None)
        return made[version] if version in made else _Parts(version, None)

    def version(self, path: str) -> int | None:
        return max(self._made.get(path, {}), default=self.below.version(path))

    def open(self, path: str, version: int | None = None) -> Any:
        """The table without Spark. Raises ValueError where its rows are in two places: read it as ``dataset``."""
        places = self._places(path, version)
        if len(places) > 1:
            raise ValueError(f"{path} stands in two places")
        house, at = places[0]
        return house.open(path, at)

    def write(
        self,
        table: Table,
        content: DataFrame | TakenOver | pa.Table,
        base: int | None,
        prior: Warehouse | None = None,
    ) -> int:
        stands = _Parts(None, None)
        if table.kind is Kind.APPEND and base is not None:
            stands = self._parts(table.path, base)
        if isinstance(content, TakenOver):
            above = self._above.write(table, content, base, prior or self)
        else:
            above = self._above.write(table, content, stands.above)
        newest = self.version(table.path)
        number = 0 if newest is None else newest + 1
        self._made.setdefault(table.path, {})[number] = _Parts(stands.below, above)
        return number

    def append_rows(self, table: Table, rows: Iterable[Mapping[str, Any]], seen: object = None) -> None:
        # Nobody else writes here.
        content = pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(table))
        self.write(table, content, self.version(table.path))

    def read(self, spark: SparkSession, table: Table, version: int | None) -> DataFrame:
        parts = self._parts(table.path, version) if version is not None else _Parts(None, None)
        if parts.above is None:
            return self.below.read(spark, table, parts.below)
        above = self._above.read(spark, table, parts.above)
        if parts.below is None:
            return above
        return self.below.read(spark, table, parts.below).unionByName(above, allowMissingColumns=True)

    def ref(self, path: str, version: int) -> TableRef:
        parts = self._parts(path, version)
        if parts.above is None:
            return self.below.ref(path, version)
        above = self._above.ref(path, parts.above)
        if parts.below is None:
            return above
        return _Both(above.uri, above.version, self.below.ref(path, parts.below))

    def rows(self, path: str, version: int | None) -> int:
        return 0 if version is None else self.ref(path, version).rows()

    def arrow(self, path: str, version: int | None = None) -> pa.Table | None:
        found = [house.arrow(path, at) for house, at in self._places(path, version)]
        tables = [table for table in found if table is not None]
        return pa.concat_tables(tables, promote_options="default") if tables else None

    def dataset(self, path: str, version: int | None = None) -> ds.Dataset | None:
        found = [house.dataset(path, at) for house, at in self._places(path, version)]
        sets = [each for each in found if each is not None]
        return ds.dataset(sets) if len(sets) > 1 else next(iter(sets), None)

    def differences(self, table: Table, version: int) -> list[str]:
        places = self._places(table.path, version)
        told = [line for house, at in places for line in house.differences(table, at or 0)]
        return list(dict.fromkeys(told))

    def _places(self, path: str, version: int | None) -> list[tuple[Warehouse, int | None]]:
        parts = self._parts(path, version)
        if parts.above is None:
            return [(self.below, parts.below)]
        above: tuple[Warehouse, int | None] = (self._above, parts.above)
        return [above] if parts.below is None else [(self.below, parts.below), above]
