"""Released tables without Spark: DuckDB over the exact versions that a release names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import UsageError
from pipelines.ops import releases
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.dataset import Dataset

    from pipelines.ops.past_run import PastRun
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse
    from pipelines.tables import Table

Connection = duckdb.DuckDBPyConnection
Parameters = list[object] | dict[str, object]
"""Values of ``?`` by place, or of ``$name`` by name."""

TECHNICAL = ("bronze",)
"""Layers whose tables are not registered: their rows are as received."""


class Reader:
    """A release (default: the newest) as DuckDB views ``layer.table``; ``only`` these tables, where speed counts."""

    def __init__(
        self, warehouse: Warehouse, release: Release | None = None, only: Collection[str] | None = None
    ) -> None:
        self.warehouse = warehouse
        self.release = release or releases.required(warehouse)
        self.connection = views(_datasets(warehouse, self.release.tables, only))

    def has(self, path: str) -> bool:
        """True where the release names the table."""
        return path in self.release.tables

    def arrow(self, query: str, parameters: Parameters | None = None) -> pa.Table:
        """The result of a query. Raises UsageError where DuckDB does not accept it."""
        return asked(self.connection, query, parameters)

    def rows(self, query: str, parameters: Parameters | None = None) -> list[dict[str, object]]:
        """The result of a query as a list of rows."""
        found: list[dict[str, object]] = self.arrow(query, parameters).to_pylist()
        return found

    def value(self, query: str) -> object:
        """The single value of a query."""
        rows = self.rows(query)
        return next(iter(rows[0].values())) if rows else None


def asked(connection: Connection, query: str, parameters: Parameters | None = None) -> pa.Table:
    """The result of a query. Raises UsageError where DuckDB does not accept it."""
    try:
        found = connection.sql(query, params=parameters or [])
        if found is None:
            raise UsageError("The query was not accepted: it asks for nothing; begin with SELECT.")
        return found.to_arrow_table()
    except duckdb.Error as error:
        first, *more = str(error).strip().splitlines()
        hints = [line.strip() for line in more if line.strip().startswith(("Did you mean", "Candidate"))]
        if re.search(r"\b(bronze\.|ops\.(runs|stages|gates|releases)\b)", query, re.IGNORECASE):
            hints.append(
                "Bronze and the record of runs and gates are not asked in SQL: `padron runs RUN` tells them, and Delta has them."
            )
        raise UsageError(f"The query was not accepted: {' '.join([first, *hints])}") from None


def asked_of_run(warehouse: Warehouse, run: PastRun, query: str) -> pa.Table:
    """The result of a query over the tables as ``run`` left them, released or not; what it did not get to as the release
    that it builds on has it.

    Raises UsageError where DuckDB does not accept it, or upkeep has deleted what is known of the run or what it asks for.
    """
    name = run.run["run_id"]
    # Somebody who went back to an older release published tables that no stage wrote.
    released = {r.release_id: r.tables for r in releases.all_releases(warehouse)}.get(name)
    if released is None and not run.stages:
        raise UsageError(run.repeat[0])
    read = {path: version for row in run.stages for path, version in dict(row["inputs"] or {}).items()}
    versions = released or {**run.base, **read, **run.outputs}
    kept = {path: version for path, version in versions.items() if warehouse.is_whole(path, version)}
    try:
        return asked(views(_datasets(warehouse, kept)), query)
    except UsageError as error:
        gone = sorted(path.replace("/", ".") for path in versions.keys() - kept.keys())
        if not gone:
            raise
        raise UsageError(f"{error} Of what run {name} left {', '.join(gone)} is not kept any more.") from None


def _datasets(
    warehouse: Warehouse, versions: Mapping[str, int], only: Collection[str] | None = None
) -> dict[str, Dataset | None]:
    return {
        path: warehouse.dataset(path, version)
        for path, version in versions.items()
        if path.split("/")[0] not in TECHNICAL and (only is None or path in only)
    }


def views(tables: Mapping[str, Dataset | None]) -> Connection:
    """DuckDB with a view ``layer.name`` of each table, by its path; none of a table that is None."""
    connection = duckdb.connect()
    lay_out_views(connection, tables)
    return connection


def lay_out_views(connection: Connection, tables: Mapping[str, Dataset | None]) -> None:
    """``views`` in a connection that is there."""
    connection.execute("SET TimeZone = 'UTC'")
    for path, table in tables.items():
        if table is None:
            continue
        layer, name = path.split("/")
        connection.register(f"_{layer}_{name}", table)
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{layer}"')
        connection.execute(f'CREATE VIEW "{layer}"."{name}" AS SELECT * FROM "_{layer}_{name}"')


def side_by_side(
    warehouse: Warehouse, states: Mapping[str, Mapping[str, int]], tables: Sequence[Table]
) -> Connection:
    """DuckDB with the views ``state.name`` of ``tables`` at each state's versions; a table that one lacks is empty."""
    connection = duckdb.connect()
    for state, versions in states.items():
        connection.execute(f'CREATE SCHEMA "{state}"')
        for table in tables:
            found = warehouse.dataset(table.path, versions[table.path]) if table.path in versions else None
            connection.register(f"_{state}_{table.name}", found or arrow_schema(table).empty_table())
            connection.execute(
                f'CREATE VIEW "{state}"."{table.name}" AS SELECT * FROM "_{state}_{table.name}"'
            )
    return connection


MADE_BY_WHOM = frozenset({"_standardised_by"})
"""Columns that say what program made a row, and nothing of what it made."""


def differing_rows(warehouse: Warehouse, path: str, one: int, other: int) -> int:
    """Rows that stand in one of two versions of a table and not in the other; 0 where they are alike.

    Compared are the columns that both have: an older program's table may lack some.
    """
    connection, columns = duckdb.connect(), []
    for name, version in (("one", one), ("other", other)):
        found = warehouse.dataset(path, version)
        connection.register(name, found)
        columns.append([] if found is None else found.schema.names)
    both = [c for c in columns[0] if c in columns[1] and c not in MADE_BY_WHOM]
    chosen = ", ".join(f'"{c}"' for c in both)
    query = f"""SELECT count(*) FROM (
        (SELECT {chosen} FROM one EXCEPT ALL SELECT {chosen} FROM other)
        UNION ALL (SELECT {chosen} FROM other EXCEPT ALL SELECT {chosen} FROM one))"""
    return int(connection.execute(query).fetchall()[0][0])
