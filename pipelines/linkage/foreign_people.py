"""A file's records as foreign settings name them: raw columns, typed as DuckDB reads them.

A Splink user hands a table to Splink; here DuckDB's own reader makes it, so that a score is the one
that Splink would give. Where a condition needs text of what reads as a date or a number
(``substr(dob, 1, 4)``), that column stays the text of the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.binding import Statement
from pipelines.linkage.dialects import columns_of
from pipelines.linkage.foreign import NODE, Foreign
from pipelines.linkage.records import Nodes
from pipelines.linkage.tabular import Tabular

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
    files: Mapping[str, Tabular],
    foreign: Foreign,
    id_column: str,
    truth_column: str | None = None,
) -> Nodes:
    """Create the table ``people`` (node, truth and the columns of the settings) from CSV or Parquet files.

    ``files``: each by its source; of several, ``people`` has the source too. Nodes follow the source, then
    the ids as Splink orders them: numbers by value, anything else as text. Raises UsageError where a file
    cannot be read, lacks a column, or its types do not fit a condition, and where an id is missing or
    stands twice in one file.
    """
    types_of = {source: _types(connection, file) for source, file in files.items()}
    found = _shared(list(types_of.values()))
    is_several = len(files) > 1
    statements = _statements(foreign)
    for name in (id_column, *([truth_column] if truth_column else [])):
        if name not in found:
            of = "" if is_several else f"{next(iter(files.values())).name}: "
            raise UsageError(f"{of}no column {name}; there are {', '.join(found)}.")
    _check_columns(statements, found, {NODE, "source"} if is_several else {NODE})
    # Splink, as DuckDB, takes First_Name and first_name for one column.
    spelling = {name.lower(): name for name in found}
    named = sorted({column.lower(): column for s in statements for column in sorted(s.columns)}.values())
    types = {column: found[spelling[column.lower()]] for column in named}
    texts = _needed_as_text(connection, statements, types)
    as_text = {spelling[column.lower()] for column in texts} | {id_column}
    columns = ", ".join(f'"{spelling[column.lower()]}" AS "{column}"' for column in named)
    source = "source, " if is_several else ""
    order = f'{source}TRY_CAST("{id_column}" AS {found[id_column]}), "{id_column}"'
    truth = f'CAST("{truth_column}" AS {_TEXT})' if truth_column else "NULL"
    keys = f'row_number() OVER (ORDER BY {order}) - 1 AS {NODE}, {source}"{id_column}" AS {_ID}, {truth} AS {TRUTH}'
    _create(
        connection,
        f"SELECT {keys}, {columns} FROM",
        [_Part(source, file, types_of[source]) for source, file in files.items()],
        {name: _TEXT if name in as_text else kind for name, kind in found.items()},
    )
    return _nodes(connection, id_column, "source" if is_several else f"'{next(iter(files))}'")


def _types(connection: duckdb.DuckDBPyConnection, file: Tabular) -> dict[str, str]:
    """The file's columns with their types in DuckDB's SQL."""
    try:
        rows = connection.execute(f"DESCRIBE SELECT * FROM {file.rows()}").fetchall()
    except duckdb.Error as error:
        raise file.unreadable(error) from None
    file.check([row[0] for row in rows])
    return {row[0]: row[1] for row in rows}


def _shared(types: list[dict[str, str]]) -> dict[str, str]:
    """The columns that all files have, as the first one spells them: text where the files read them differently."""
    first, *others = ({name.lower(): kind for name, kind in own.items()} for own in types)
    return {
        name: kind if all(own[name.lower()] == kind for own in others) else _TEXT
        for name, kind in types[0].items()
        if all(name.lower() in own for own in (first, *others))
    }


@dataclass(frozen=True)
class _Part:
    """One file of the records."""

    source: str
    file: Tabular
    types: dict[str, str]

    def query(self, wanted: Mapping[str, str], *, is_named: bool, options: str) -> str:
        """SQL of its ``wanted`` columns (name → type), after its source where the files are several."""
        own = {name.lower(): name for name in self.types}
        texts = [own[name.lower()] for name, kind in wanted.items() if kind == _TEXT]
        listed = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': '{_TEXT}'" for name in texts)
        columns = ", ".join(
            f'CAST("{own[name.lower()]}" AS {_TEXT}) AS "{name}"'
            if kind == _TEXT
            else f'"{own[name.lower()]}" AS "{name}"'
            for name, kind in wanted.items()
        )
        source = f"'{self.source.replace(chr(39), chr(39) * 2)}' AS source, " if is_named else ""
        return f"SELECT {source}{columns} FROM {self.file.rows(f', types = {{{listed}}}{options}')}"


def _create(
    connection: duckdb.DuckDBPyConnection, select: str, parts: Sequence[_Part], wanted: Mapping[str, str]
) -> None:
    """Create table ``people`` by ``select … FROM`` the ``wanted`` columns (name → type) of the files."""
    # A value past DuckDB's sample that has another form makes it look at all of them.
    for options in ("", ", sample_size = -1"):
        rows = " UNION ALL ".join(
            part.query(wanted, is_named=len(parts) > 1, options=options) for part in parts
        )
        try:
            connection.execute(f"CREATE OR REPLACE TABLE people AS {select} ({rows}) ORDER BY {NODE}")
            return
        except duckdb.Error as error:
            failed = error
    for part in parts:
        try:
            connection.execute(
                f"SELECT count(COLUMNS(*)) FROM {part.file.rows(', sample_size = -1')}"
            ).fetchall()
        except duckdb.Error as error:
            raise part.file.unreadable(error) from None
    raise parts[0].file.unreadable(failed) from None


def _check_columns(statements: list[Statement], found: dict[str, str], taken: set[str]) -> None:
    there = {name.lower() for name in found}
    problems = []
    for statement in statements:
        missing = sorted(name for name in statement.columns if name.lower() not in there)
        if missing:
            problems.append(f"{statement.what} needs {', '.join(missing)}")
        problems += [
            f"{statement.what} needs {name}, a name that padron itself takes: rename that column"
            for name in sorted(taken.intersection(statement.columns))
        ]
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


def _nodes(connection: duckdb.DuckDBPyConnection, id_column: str, source: str) -> Nodes:
    """The records of table ``people`` by ``source`` (SQL) and id."""
    # Constants come from DuckDB: pyarrow loads pandas to look at a Python text.
    rows = connection.sql(
        f"SELECT {source} AS source, {_ID}, 'unknown' AS party_type FROM people ORDER BY {NODE}"
    ).to_arrow_table()
    sources, flat, party_type = (
        pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], pa.string())
        for column in rows.columns
    )
    if flat.null_count:
        raise UsageError(f"{flat.null_count} records have no {id_column}.")
    # Nodes follow source and id, so that equal ones stand side by side.
    before = max(len(flat) - 1, 0)
    same = pc.and_(pc.equal(flat[1:], flat[:before]), pc.equal(sources[1:], sources[:before]))
    doubled = pc.sum(same).as_py() or 0
    if doubled:
        raise UsageError(
            f"{doubled} records share their {id_column} with another: name a column of unique ids."
        )
    return Nodes(sources, flat, party_type)
