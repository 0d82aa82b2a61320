"""A file's records as foreign settings name them: raw columns, typed as DuckDB reads them.

A Splink user hands a table to Splink; here DuckDB's own reader makes it, so that a score is the one
that Splink would give. Where a condition needs text of what reads as a date or a number
(``substr(dob, 1, 4)``), that column stays the text of the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.binding import Statement
from pipelines.linkage.dialects import columns_of
from pipelines.linkage.foreign import NODE, Foreign
from pipelines.linkage.records import Nodes

SOURCE = "file"
_TEXT = "VARCHAR"
_ID = "padron_record_id"
TRUTH = "padron_truth"
"""Column of table ``people`` that holds the true person, where the file knows it."""


def _statements(foreign: Foreign) -> list[Statement]:
    found = []
    for comparison in foreign.settings["comparisons"]:
        name = comparison["output_column_name"]
        conditions = tuple(
            level["sql_condition"]
            for level in comparison["comparison_levels"]
            if level["sql_condition"].strip().upper() != "ELSE"
        )
        columns = frozenset(foreign.columns[name])
        found.append(Statement(f"comparison {name}", conditions, columns, over="pair"))
    for rule in foreign.rules:
        condition = rule.condition or "true"
        exploded = frozenset(rule.explode)
        columns = frozenset(columns_of(condition)) | exploded
        found.append(Statement(f"blocking rule {rule.name}", (condition,), columns, exploded))
    return found


def load_foreign(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    foreign: Foreign,
    id_column: str,
    truth_column: str | None = None,
) -> Nodes:
    """Create the table ``people`` (node, truth and the columns of the settings) from a CSV or Parquet file.

    Nodes follow the ids as Splink orders them: numbers by value, anything else as text. Raises
    UsageError where the file cannot be read, lacks a column, or its types do not fit a condition, and
    where an id is missing or stands twice.
    """
    reader = _Reader(connection, path)
    found = reader.types()
    statements = _statements(foreign)
    for name in (id_column, *([truth_column] if truth_column else [])):
        if name not in found:
            raise UsageError(f"no column {name}; there are {', '.join(found)}.")
    _check_columns(statements, found)
    # Splink, as DuckDB, takes First_Name and first_name for one column.
    spelling = {name.lower(): name for name in found}
    named = sorted({column.lower(): column for s in statements for column in sorted(s.columns)}.values())
    types = {column: found[spelling[column.lower()]] for column in named}
    texts = _needed_as_text(connection, statements, types)
    as_text = {spelling[column.lower()] for column in texts} | {id_column}
    columns = ", ".join(f'"{spelling[column.lower()]}" AS "{column}"' for column in named)
    order = f'TRY_CAST("{id_column}" AS {found[id_column]}), "{id_column}"'
    number = f"row_number() OVER (ORDER BY {order}) - 1 AS {NODE}"
    truth = f'CAST("{truth_column}" AS {_TEXT})' if truth_column else "NULL"
    keys = f'{number}, "{id_column}" AS {_ID}, {truth} AS {TRUTH}'
    reader.create("people", f"SELECT {keys}, {columns} FROM", as_text)
    return _nodes(connection, id_column)


class _Reader:
    """DuckDB's reading of one file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: str) -> None:
        self.connection, self.path = connection, path
        self.is_parquet = path.endswith((".parquet", ".pq"))
        if not os.path.exists(path):
            raise UsageError(f"{path} does not exist: name a CSV or Parquet file.")

    def _source(self, options: str = "") -> str:
        quoted = self.path.replace("'", "''")
        if self.is_parquet:
            return f"read_parquet('{quoted}')"
        return f"read_csv('{quoted}', header = true{options})"

    def types(self) -> dict[str, str]:
        """The file's columns with their types in DuckDB's SQL."""
        try:
            rows = self.connection.execute(f"DESCRIBE SELECT * FROM {self._source()}").fetchall()
        except duckdb.Error as error:
            raise self._unreadable(error) from None
        return {row[0]: row[1] for row in rows}

    def create(self, table: str, select: str, as_text: Iterable[str]) -> None:
        """Create ``table`` by ``select … FROM`` the file, columns of ``as_text`` as their text."""
        texts = sorted(as_text)
        if self.is_parquet:
            casts = ", ".join(f'CAST("{name}" AS {_TEXT}) AS "{name}"' for name in texts)
            sources = [f"(SELECT * REPLACE ({casts}) FROM {self._source()})"]
        else:
            listed = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': '{_TEXT}'" for name in texts)
            # A value past DuckDB's sample that has another form makes it look at all of them.
            sources = [self._source(f", types = {{{listed}}}{more}") for more in ("", ", sample_size = -1")]
        for number, source in enumerate(sources, 1):
            try:
                self.connection.execute(
                    f"CREATE OR REPLACE TABLE {table} AS {select} {source} ORDER BY {NODE}"
                )
                return
            except duckdb.Error as error:
                if number == len(sources):
                    raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> UsageError:
        return UsageError(
            f"{os.path.basename(self.path)} cannot be read as CSV or Parquet ({type(error).__name__}): "
            "save it as UTF-8 with one header line."
        )


def _check_columns(statements: list[Statement], found: dict[str, str]) -> None:
    there = {name.lower() for name in found}
    problems = []
    for statement in statements:
        missing = sorted(name for name in statement.columns if name.lower() not in there)
        if missing:
            problems.append(f"{statement.what} needs {', '.join(missing)}")
        if NODE in statement.columns:
            problems.append(
                f"{statement.what} needs {NODE}, a name that padron itself takes: rename that column"
            )
    if problems:
        raise UsageError(
            f"--settings: the file has other columns than the settings: {'; '.join(problems)}. "
            f"It has {', '.join(found)}."
        )


def _needed_as_text(
    connection: duckdb.DuckDBPyConnection, statements: list[Statement], types: dict[str, str]
) -> set[str]:
    """Columns that a condition takes as text only. Raises UsageError where no reading of them fits."""
    texts: set[str] = set()
    for statement in statements:
        if statement.fails(connection, types) is None:
            continue
        plain = {
            name for name in statement.columns if types[name] != _TEXT and not types[name].endswith("[]")
        }
        # One column at a time where that is enough, so that the others keep their types.
        for chosen in [{name} for name in sorted(plain)] + [plain]:
            if statement.fails(connection, types | dict.fromkeys(chosen, _TEXT)) is None:
                texts |= chosen
                break
    types = types | dict.fromkeys(texts, _TEXT)
    for statement in statements:
        reason = statement.fails(connection, types)
        if reason is not None:
            used = ", ".join(f"{name} {types[name]}" for name in sorted(statement.columns))
            raise UsageError(
                f"--settings: {statement.what} cannot be computed on this file ({used}): {reason} "
                "Store the columns with the types that the settings were made for, for example as Parquet."
            )
    return texts


def _nodes(connection: duckdb.DuckDBPyConnection, id_column: str) -> Nodes:
    # Constants come from DuckDB: pyarrow loads pandas to look at a Python text.
    rows = connection.sql(
        f"SELECT '{SOURCE}' AS source, {_ID}, 'unknown' AS party_type FROM people ORDER BY {NODE}"
    ).to_arrow_table()
    source, flat, party_type = (
        pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
        for column in rows.columns
    )
    if flat.null_count:
        raise UsageError(f"{flat.null_count} records have no {id_column}.")
    # Nodes follow the ids, so that equal ones stand side by side.
    doubled = pc.sum(pc.equal(flat[1:], flat[: max(len(flat) - 1, 0)])).as_py() or 0
    if doubled:
        raise UsageError(
            f"{doubled} records share their {id_column} with another: name a column of unique ids."
        )
    return Nodes(source, flat, party_type)
