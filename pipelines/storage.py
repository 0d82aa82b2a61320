"""Where tables live: every read and write of a Delta table goes through here.

A table is at ``<warehouse>/<layer>/<name>``. Nothing is read without a version, so a night sees
one state of the world from start to end, and what a dead run left behind is never read: the
next write of a table starts from the version that the caller names.
"""

from __future__ import annotations

import json
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, RemoveAction

from pipelines import files, standing_files
from pipelines.access import reading
from pipelines.data_files import BROKEN, COPIED_FILE, write_files
from pipelines.errors import PadronError
from pipelines.queries import both, is_local, no_rows
from pipelines.standing_files import Stands
from pipelines.stored import (
    CLEANUP,
    FEW_FILES,
    LOG_KEPT,
    LostFileError,
    StoredTables,
    TableRef,
    file_names,
    log_rows,
)
from pipelines.tables import Kind, Table
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pyarrow.dataset import Dataset
    from pyspark.sql import DataFrame, SparkSession


CONSTRAINT = "contract"
SMALL_TABLE = 2**22
"""Bytes of a table up to which its rows are kept in memory once they were read."""


class ContractBrokenError(PadronError):
    """Rows break the table's declared CHECK; the message never shows their values."""


def _bare(kind: Any) -> Any:
    """A type of a Delta schema without what may differ between writers: nullability and comments."""
    if isinstance(kind, dict):
        dropped = ("containsNull", "valueContainsNull", "nullable", "metadata")
        return {key: _bare(value) for key, value in kind.items() if key not in dropped}
    return [_bare(item) for item in kind] if isinstance(kind, list) else kind


def arrow_schema(table: Table) -> pa.Schema:
    """The table's schema in Arrow."""
    return table.arrow


def check_condition(table: Table) -> str | None:
    """The table's CHECK as SQL: the required columns, and its own condition."""
    parts = [f"`{c.name}` IS NOT NULL" for c in table.columns if c.required]
    if table.check:
        parts.append(f"({table.check})")
    return " AND ".join(parts) or None


def _base_of(table: Table, content: TakenOver, base: int | None) -> int:
    """The version whose rows stand. Raises ValueError where with ``content`` the table would not be whole."""
    if base is None or table.kind is not Kind.SNAPSHOT or table.open_ended:
        raise ValueError(f"{table.path}: rows are taken over of a snapshot table of the prior state alone")
    if unknown := set(content.stamped) - set(table.names):
        raise ValueError(f"{table.path} has no {', '.join(sorted(unknown))}")
    return base


class OvertakenError(PadronError):
    """Another writer committed to a table since it was seen."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: another program commits to it again and again. Run again.")


class Warehouse(StoredTables):
    """Reads and writes the tables: every one by its declaration, at a version."""

    def __init__(
        self, uri: str, *, retention_days: int = 60, by_layer: Mapping[str, int] | None = None
    ) -> None:
        """See ``StoredTables``."""
        super().__init__(uri, retention_days=retention_days, by_layer=by_layer)
        self._small: dict[str, tuple[list[str], pa.Table]] = {}
        """The files of each small table that were read last, which no writer changes, and their rows: a run asks again and
        again."""

    def ref(self, path: str, version: int) -> TableRef:
        return TableRef(self.native(path), version)

    def differences(self, table: Table, version: int) -> list[str]:
        """Where the stored table is not what its declaration says: columns, types, reader version."""
        stored = self.open(table.path, version)
        assert stored is not None
        found = {field["name"]: field["type"] for field in json.loads(stored.schema().to_json())["fields"]}
        declared = {field["name"]: field["type"] for field in table.schema.jsonValue()["fields"]}
        extra = [] if table.open_ended else sorted(set(found) - set(declared))
        reader = stored.protocol().min_reader_version
        return [
            *[f"{name} is missing" for name in declared if name not in found],
            *[
                f"{name} has another type"
                for name, kind in declared.items()
                if name in found and _bare(found[name]) != _bare(kind)
            ],
            *[f"{name} is not declared" for name in extra],
            *([] if reader == 1 else [f"its reader version is {reader}, not 1"]),
        ]

    def rows(self, path: str, version: int | None) -> int:
        """Rows at a version by the table's log; 0 for no version."""
        if version is None:
            return 0
        table = self.open(path, version)
        return 0 if table is None else log_rows(table)

    def arrow(self, path: str, version: int | None = None) -> pa.Table | None:
        """A small table as Arrow (ops tables, published figures); None where there is none.

        Files that were read before are not read again. Raises LostFileError where another file of the newest version, which
        is asked for without a number, is gone or not whole.
        """
        try:
            return self._as_arrow(path, version)
        except (pa.ArrowInvalid, FileNotFoundError):
            if version is not None:
                raise
            if lost := self.lost_files(path):
                raise LostFileError(path, lost) from None
            # Another writer came in between.
            return self._as_arrow(path, None)

    def _as_arrow(self, path: str, version: int | None) -> pa.Table | None:
        table = self.newest(path) if version is None else self.open(path, version)
        if table is None:
            return None
        named = file_names(table)
        known, rows = self._small.get(path, (None, None))
        # Where there is none, the table may have got other columns.
        if rows is None or known != named or not named:
            with reading(self.uri(path)):
                rows = self.rows_of(path, table)
            if rows.nbytes <= SMALL_TABLE:
                self._small[path] = named, rows
        return rows

    def dataset(self, path: str, version: int | None = None) -> Dataset | None:
        """The table's files as Arrow reads them, for a query; None where there is no table."""
        table = self.newest(path) if version is None else self.open(path, version)
        return None if table is None else self.files_of(path, table)

    def read(self, spark: SparkSession, table: Table, version: int | None) -> DataFrame:
        """The table at ``version``; without one an empty frame of the declared shape.

        Declared columns that the stored table lacks come as NULL; columns of an open-ended
        table that are not declared come too.
        """
        return no_rows(spark, table.schema) if version is None else self._read(spark, table, version)

    def _read(
        self, spark: SparkSession, table: Table, version: int, only: Iterable[str] | None = None
    ) -> DataFrame:
        """``read``; with ``only`` the rows of these of its files, by ``file_names``."""
        from pyspark.sql import functions as F

        frame = self._frame(spark, table.path, version, only)
        there = frame.columns
        missing = {c.name: F.lit(None).cast(c.type) for c in table.columns if c.name not in there}
        if missing:
            frame = frame.withColumns(missing)
        # Every column that is named is a call to Java, and most tables stand as they are declared.
        is_as_declared = table.open_ended or (not missing and there == table.names)
        return frame if is_as_declared else frame.select(*table.names)

    def _frame(self, spark: SparkSession, path: str, version: int, only: Iterable[str] | None) -> DataFrame:
        """The stored table. One of few files is read by their names: Delta's planner runs a job for each
        scan, which costs a small night more than its data (2.9 of the 3.4 s that optimising silver/orders took)."""
        stored = self.open(path, version)
        assert stored is not None
        named = file_names(stored) if only is None else sorted(only)
        if only is None and (len(named) > FEW_FILES or stored.protocol().min_reader_version > 1):
            return spark.read.format("delta").option("versionAsOf", version).load(self.uri(path))
        from pyspark.sql import types as T

        schema = T.StructType.fromJson(json.loads(stored.schema().to_json()))
        if not named:
            return no_rows(spark, schema)
        return spark.read.schema(schema).parquet(*[files.join(self.uri(path), name) for name in named])

    def write(
        self,
        table: Table,
        content: DataFrame | TakenOver | pa.Table,
        base: int | None,
        prior: Warehouse | None = None,
    ) -> int:
        """Write a night's content on top of version ``base`` and return the new version.

        The table is the writer's alone meanwhile: raises CommitFailedError where anybody else committed to it.

        Snapshot tables are replaced, by rows of ``base`` too where the content is ``TakenOver`` (of ``prior``, where that
        is another warehouse than this): large files of which all rows stand stay as they are. Append tables become ``base`` plus the content, whatever a
        dead run left after ``base``. Raises ContractBrokenError where rows that come break the CHECK.
        """
        stored, empty = self._created(table)
        if table.kind is Kind.APPEND:
            start = empty if base is None else base
            if stored.version() != start:
                stored = self._restored(table.path, start)
        before, commits = self.keep_log(table.path, stored).version(), 1
        mode: Literal["append", "overwrite"] = "append" if table.kind is Kind.APPEND else "overwrite"
        try:
            if isinstance(content, pa.Table):
                schema = arrow_schema(table)
                content = content.select(schema.names).cast(schema)
                write_deltalake(self.native(table.path), content, mode=mode, schema_mode="merge")
            else:
                commits = self._commit(table, content, mode, base, prior or self)
        except Exception as error:
            text = str(error)
            if BROKEN in text or "failed validation check" in text:
                raise ContractBrokenError(
                    f"{table.path}: tonight's rows break the table's contract "
                    f"({check_condition(table)}); nothing was written."
                ) from None
            raise
        # Delta lets rows of another writer stand beside an append, and beside an overwrite what is appended meanwhile.
        made = DeltaTable(self.native(table.path))
        if made.version() != before + commits:
            raise CommitFailedError(f"another writer committed to {table.path}")
        if table.kind is Kind.APPEND and self.compact(table.path, made):
            made = DeltaTable(self.native(table.path))
        return self._promised(table, made)

    def _commit(
        self,
        table: Table,
        content: DataFrame | TakenOver,
        mode: Literal["append", "overwrite"],
        base: int | None,
        prior: Warehouse,
    ) -> int:
        """Write the content as files, and name them in a commit of the log; how many commits that took.

        Raises ContractBrokenError where a column has another type than the stored table's.
        """
        rows, stand = (
            self._taken_over(table, content, _base_of(table, content, base), prior)
            if isinstance(content, TakenOver)
            else (content, Stands)
        )
        stored, commits = self._with_columns(table, rows)
        come = partial(write_files, rows, self.uri(table.path), check_condition(table))
        stands, came = both(stand, come)
        actions: list[AddAction | RemoveAction] = [
            AddAction(f.path, f.size, {}, f.modified_ms, True, f.stats) for f in (*stands.made, *came)
        ]
        if stands.stay:
            mode = "append"
            now = time.time_ns() // 1_000_000
            gone = sorted(set(file_names(stored)) - stands.stay)
            actions += [RemoveAction(name, True, now, partition_values={}) for name in gone]
        if not actions and mode == "append":
            return commits
        stored.create_write_transaction(actions, mode, stored.schema())
        return commits + 1

    def _taken_over(
        self, table: Table, content: TakenOver, version: int, prior: Warehouse
    ) -> tuple[DataFrame, Callable[[], Stands]]:
        """What Spark is to write of ``content``, and what tells where the other rows of ``version`` of ``prior`` stand."""
        come, before = content.comes, prior.ref(table.path, version)
        # What a dead run or a rejected night left, and rows that are to say another date, are written whole.
        named = before.file_names() if prior is self and not content.stamped else []
        may_stay = bool(named) and set(named) == set(file_names(DeltaTable(self.native(table.path))))
        if is_local(come):
            uri, schema = self.uri(table.path), arrow_schema(table)
            return come, partial(standing_files.by_arrow, content, before, uri, schema, may_stay=may_stay)
        spark, stay, rows = come.sparkSession, frozenset[str](), before.file_rows()
        among = standing_files.large(rows) if may_stay else {}
        if among:
            stay = standing_files.by_spark(content, among, self._read(spark, table, version, among.values()))
        if not stay:
            rest = prior.read(spark, table, version)
        else:
            copied = {name: count for name, count in rows.items() if name not in stay}
            # As large as those that Arrow makes: the table's next night may let them stay.
            parts = sum(copied.values()) // COPIED_FILE + 1
            rest = self._read(spark, table, version, copied).coalesce(parts)
        return come.unionByName(table.conform(content.by_spark(rest))), partial(Stands, stay)

    def _with_columns(self, table: Table, content: DataFrame) -> tuple[DeltaTable, int]:
        """The stored table with every column of ``content``, and the commits that it took: new ones come at its end."""
        stored = DeltaTable(self.native(table.path))
        known = {field["name"]: field for field in json.loads(stored.schema().to_json())["fields"]}
        coming = content.schema.jsonValue()
        differing = [
            field["name"]
            for field in coming["fields"]
            if field["name"] in known and _bare(field["type"]) != _bare(known[field["name"]]["type"])
        ]
        if differing:
            raise ContractBrokenError(
                f"{table.path}: {', '.join(differing)} would be written with another type than is stored."
            )
        new = [field for field in coming["fields"] if field["name"] not in known]
        if not new:
            return stored, 0
        stored.alter.add_columns(list(Schema.from_json(json.dumps(coming | {"fields": new})).fields))
        return DeltaTable(self.native(table.path)), 1

    def _promised(self, table: Table, stored: DeltaTable) -> int:
        """The newest version, ``stored``, with the retention that conf promises now: it may be another than when the
        table was created, and Delta deletes its log by it."""
        wanted = {name: value or "" for name, value in self._properties(table).items()}
        if wanted.items() <= stored.metadata().configuration.items():
            return int(stored.version())
        # After the content: a restore to an earlier version would take it back.
        stored.alter.set_table_properties(wanted)
        return int(DeltaTable(self.native(table.path)).version())

    def amend(self, table: Table, content: pa.Table, base: int) -> int:
        """Version ``base`` of a small append table with rows corrected: ``content`` is all of it.

        Returns the new version.
        """
        if self.version(table.path) != base:
            self._restored(table.path, base)
        schema = arrow_schema(table)
        for field in schema:
            # A warehouse of an older version has fewer columns.
            if field.name not in content.column_names:
                content = content.append_column(field, pa.nulls(content.num_rows, field.type))
        content = content.select(schema.names).cast(schema)
        write_deltalake(self.native(table.path), content, mode="overwrite", schema_mode="merge")
        version = self.version(table.path)
        assert version is not None
        return version

    def seen(self, table: Table) -> DeltaTable:
        """The table as it is now; made where there is none."""
        return self._created(table)[0]

    def append_rows(
        self, table: Table, rows: Iterable[Mapping[str, Any]], seen: DeltaTable | None = None
    ) -> None:
        """Append a few rows without Spark (ops tables). With ``seen``, raises OvertakenError where another writer came since."""
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        once = None if seen is None else CommitProperties(max_commit_retries=0)
        # A warehouse of an older version has fewer columns.
        try:
            write_deltalake(
                seen or self.seen(table), content, mode="append", schema_mode="merge", commit_properties=once
            )
        except CommitFailedError as error:
            if seen is None:
                raise
            raise OvertakenError(table.path) from error

    def delete_rows(self, path: str, column: str, values: Iterable[str]) -> None:
        """Delete the rows whose ``column`` is one of ``values``; earlier versions keep them until a vacuum."""
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        DeltaTable(self.native(path)).delete(f"{column} IN ({listed})")

    def replace_rows(self, table: Table, rows: Iterable[Mapping[str, Any]], seen: DeltaTable) -> None:
        """Replace the rows of ``seen``; raises when another writer came in between."""
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        write_deltalake(
            seen, content, mode="overwrite", commit_properties=CommitProperties(max_commit_retries=0)
        )

    def create(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Create the table with its first rows; raises where it exists already."""
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        write_deltalake(self.native(table.path), content, mode="error", configuration=self._properties(table))

    def _properties(self, table: Table) -> dict[str, str | None]:
        keep = f"interval {self.retention(table.path)} days"
        return {
            "delta.deletedFileRetentionDuration": keep,
            LOG_KEPT: keep,
            # Whoever writes would delete the log by the age of commits alone. A table that seldom changes is named at an
            # old version by the newest release: only upkeep knows which versions are needed.
            CLEANUP: "false",
        }

    def _created(self, table: Table) -> tuple[DeltaTable, int]:
        """The table, made where there is none, at its newest version; and the version at which it was empty."""
        condition = check_condition(table)
        empty = 1 if condition else 0
        created = self.open(table.path)
        if created is None:
            created = DeltaTable.create(
                self.native(table.path),
                schema=Schema.from_json(table.schema.json()),
                mode="error",
                description=table.grain,
                configuration=self._properties(table),
            )
        # A run may have died between the two commits.
        if condition and created.version() == 0:
            created.alter.add_constraint({CONSTRAINT: condition})
            created = DeltaTable(self.native(table.path))
        return created, empty

    def _restored(self, path: str, version: int) -> DeltaTable:
        """The table as it was at ``version``, which is a version of its own."""
        DeltaTable(self.native(path)).restore(version)
        return DeltaTable(self.native(path))
