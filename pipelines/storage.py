"""Where tables live: every read and write of a Delta table goes through here.

A table is at ``<warehouse>/<layer>/<name>``. Nothing is read without a version, so a night sees
one state of the world from start to end, and what a dead run left behind is never read: the
next write of a table starts from the version that the caller names.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction

from pipelines import files
from pipelines.access import check_readable
from pipelines.data_files import BROKEN, write_files
from pipelines.errors import PadronError
from pipelines.queries import no_rows
from pipelines.tables import Kind, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyarrow.dataset import Dataset
    from pyspark.sql import DataFrame, SparkSession

CONSTRAINT = "contract"
_CLEANUP = "delta.enableExpiredLogCleanup"
_LOST = ("No table metadata or protocol found", "LogSegment end version")
"""What Delta says of a version of which a part of the log is gone."""
FEW_FILES = 32
"""Up to so many files Spark lists on the driver; more of them it lists with a job, and small ones are joined."""
SMALL_FILE = 64 * 2**20
"""Bytes below which a file is small."""


class LostVersionError(PadronError):
    """A version that a release names cannot be read: its log is gone, or the whole table."""

    def __init__(self, path: str, version: int) -> None:
        super().__init__(
            f"{path}: version {version}, which a release names, cannot be read any more. `padron maintain --dry-run` lists "
            "what is lost; bring the folder back from a backup, or go back to a release that can be read: "
            "`padron release rollback`."
        )


class TornCommitError(PadronError):
    """The newest commit of a table is an empty file: the machine went down before it was on the disk."""

    def __init__(self, path: str, file: str) -> None:
        super().__init__(
            f"{path}: {file} is empty, as a machine that lost power leaves a commit that it was writing. Delete that file "
            "and run the same night again: it goes on from what was written before."
        )


class ContractBrokenError(PadronError):
    """Rows break the table's declared CHECK; the message never shows their values."""


@dataclass(frozen=True)
class TableRef:
    """A table at a version: what a stage gets that reads Parquet files itself."""

    uri: str
    version: int

    def file_uris(self) -> list[str]:
        """The Parquet files of that version."""
        return list(DeltaTable(self.uri, version=self.version).file_uris())

    def rows(self) -> int:
        """Rows by the table's log; no data is read."""
        return _log_rows(DeltaTable(self.uri, version=self.version))


def _log_rows(table: DeltaTable) -> int:
    actions = pa.table(table.get_add_actions(flatten=True))
    return sum(n or 0 for n in actions["num_records"].to_pylist()) if actions.num_rows else 0


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


class Warehouse:
    """The tables under one URI (a local path, s3a, abfss, hdfs)."""

    def __init__(
        self, uri: str, *, retention_days: int = 60, by_layer: Mapping[str, int] | None = None
    ) -> None:
        """``retention_days`` of released versions; ``by_layer``: of layers that have others."""
        self.root = uri if "://" in uri else os.path.abspath(uri)
        self.retention_days = retention_days
        self.by_layer = by_layer or {}

    def retention(self, path: str) -> int:
        """Days that released versions of the table stay readable."""
        return self.by_layer.get(path.partition("/")[0], self.retention_days)

    def uri(self, path: str) -> str:
        """Where ``layer/name`` lives."""
        return f"{self.root.rstrip('/')}/{path}"

    def open(self, path: str, version: int | None = None) -> DeltaTable | None:
        """The table without Spark, or None where there is none.

        Raises LostVersionError where it has not that version, TornCommitError where that is a commit without content,
        UsageError where it may not be read.
        """
        try:
            found = DeltaTable(self._native(path), version=version)
        except OSError:
            check_readable(self.root, path)
            raise
        except DeltaError as error:
            is_missing = isinstance(error, TableNotFoundError)
            if is_missing:
                # Delta takes what it may not look at for what is not there.
                check_readable(self.root, path)
            if version is not None and (is_missing or any(sign in str(error) for sign in _LOST)):
                raise LostVersionError(path, version) from None
            if is_missing:
                return None
            raise
        self._check_written(path, found.version())
        return found

    def _check_written(self, path: str, version: int) -> None:
        """Raises TornCommitError where the commit is an empty file, which Delta takes for one that changed nothing.

        An object store has a file whole or not at all.
        """
        file = os.path.join(self.root, path, "_delta_log", f"{version:020d}.json")
        if "://" not in self.root and os.path.isfile(file) and not os.path.getsize(file):
            raise TornCommitError(path, file)

    def version(self, path: str) -> int | None:
        """The newest version, released or not; None where there is no table."""
        table = self.open(path)
        return table.version() if table is not None else None

    def ref(self, path: str, version: int) -> TableRef:
        return TableRef(self._native(path), version)

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
        return 0 if version is None else self.ref(path, version).rows()

    def arrow(self, path: str, version: int | None = None) -> pa.Table | None:
        """A small table as Arrow (ops tables, published figures); None where there is none."""
        table = self.open(path, version)
        with files.reading(self.uri(path)):
            return None if table is None else self.files_of(path, table).to_table()

    def dataset(self, path: str, version: int | None = None) -> Dataset | None:
        """The table's files as Arrow reads them, for a query; None where there is no table."""
        table = self.open(path, version)
        return None if table is None else self.files_of(path, table)

    def files_of(self, path: str, table: DeltaTable) -> Dataset:
        """The files of the opened ``table`` at its version, as Arrow reads them.

        By Arrow's own file system: with that of deltalake, which is written in Python, a thread of Arrow may let go of
        a file while the process ends, and abort it after all its work is done.
        """
        return table.to_pyarrow_dataset(filesystem=files.below(self.uri(path)))

    def read(self, spark: SparkSession, table: Table, version: int | None) -> DataFrame:
        """The table at ``version``; without one an empty frame of the declared shape.

        Declared columns that the stored table lacks come as NULL; columns of an open-ended
        table that are not declared come too.
        """
        if version is None:
            return no_rows(spark, table.schema)
        from pyspark.sql import functions as F

        frame = self._frame(spark, table.path, version)
        there = frame.columns
        missing = {c.name: F.lit(None).cast(c.type) for c in table.columns if c.name not in there}
        if missing:
            frame = frame.withColumns(missing)
        # Every column that is named is a call to Java, and most tables stand as they are declared.
        is_as_declared = table.open_ended or (not missing and there == table.names)
        return frame if is_as_declared else frame.select(*table.names)

    def _frame(self, spark: SparkSession, path: str, version: int) -> DataFrame:
        """The stored table. One of few files is read by their names: Delta's planner runs a job for each
        scan, which costs a small night more than its data (2.9 of the 3.4 s that optimising silver/orders took)."""
        stored = self.open(path, version)
        assert stored is not None
        uris = stored.file_uris()
        protocol = stored.protocol()
        if len(uris) > FEW_FILES or protocol.min_reader_version > 1:
            return spark.read.format("delta").option("versionAsOf", version).load(self.uri(path))
        from pyspark.sql import types as T

        schema = T.StructType.fromJson(json.loads(stored.schema().to_json()))
        if not uris:
            return no_rows(spark, schema)
        names = [uri.replace(self._native(path), self.uri(path), 1) for uri in uris]
        return spark.read.schema(schema).parquet(*names)

    def write(self, table: Table, content: DataFrame | pa.Table, base: int | None) -> int:
        """Write a night's content on top of version ``base`` and return the new version.

        The table is the writer's alone meanwhile: raises CommitFailedError where anybody else committed to it.

        Snapshot tables are replaced; append tables become ``base`` plus the content, whatever a
        dead run left after ``base``. Raises ContractBrokenError where rows break the CHECK.
        """
        empty = self._create(table)
        if table.kind is Kind.APPEND:
            start = empty if base is None else base
            if self.version(table.path) != start:
                self._restore(table.path, start)
        self.keep_log(table.path)
        before, commits = DeltaTable(self._native(table.path)).version(), 1
        mode: Literal["append", "overwrite"] = "append" if table.kind is Kind.APPEND else "overwrite"
        try:
            if isinstance(content, pa.Table):
                schema = arrow_schema(table)
                content = content.select(schema.names).cast(schema)
                write_deltalake(self._native(table.path), content, mode=mode, schema_mode="merge")
            else:
                commits = self._commit(table, content, mode)
        except Exception as error:
            text = str(error)
            if BROKEN in text or "failed validation check" in text:
                raise ContractBrokenError(
                    f"{table.path}: tonight's rows break the table's contract "
                    f"({check_condition(table)}); nothing was written."
                ) from None
            raise
        # Delta lets rows of another writer stand beside an append, and beside an overwrite what is appended meanwhile.
        if self.version(table.path) != before + commits:
            raise CommitFailedError(f"another writer committed to {table.path}")
        if table.kind is Kind.APPEND:
            self.compact(table.path)
        return self._promised(table)

    def _commit(self, table: Table, content: DataFrame, mode: Literal["append", "overwrite"]) -> int:
        """Write what Spark computes as files, and name them in a commit of the log; how many commits that took.

        Raises ContractBrokenError where a column has another type than the stored table's.
        """
        stored, commits = self._with_columns(table, content)
        made = write_files(content, self.uri(table.path), check_condition(table))
        if not made and mode == "append":
            return commits
        actions = [AddAction(f.path, f.size, {}, f.modified_ms, True, f.stats) for f in made]
        stored.create_write_transaction(actions, mode, stored.schema())
        return commits + 1

    def _with_columns(self, table: Table, content: DataFrame) -> tuple[DeltaTable, int]:
        """The stored table with every column of ``content``, and the commits that it took: new ones come at its end."""
        stored = DeltaTable(self._native(table.path))
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
        return DeltaTable(self._native(table.path)), 1

    def _promised(self, table: Table) -> int:
        """The newest version, with the retention that conf promises now: it may be another than when the
        table was created, and Delta deletes its log by it."""
        stored = DeltaTable(self._native(table.path))
        wanted = {name: value or "" for name, value in self._properties(table).items()}
        if wanted.items() <= stored.metadata().configuration.items():
            return int(stored.version())
        # After the content: a restore to an earlier version would take it back.
        stored.alter.set_table_properties(wanted)
        return int(DeltaTable(self._native(table.path)).version())

    def compact(self, path: str) -> int:
        """Join the table's small files where there are more than ``FEW_FILES``; how many were joined.

        That is a new version with the same rows. A table that is replaced every night needs none.
        """
        stored = DeltaTable(self._native(path))
        sizes = pa.table(stored.get_add_actions(flatten=True))["size_bytes"].to_pylist()
        if sum(size < SMALL_FILE for size in sizes) <= FEW_FILES:
            return 0
        return int(stored.optimize.compact(target_size=2 * SMALL_FILE)["numFilesRemoved"])

    def vacuum(self, path: str, keep: list[int], *, dry_run: bool = False, hours: int | None = None) -> int:
        """Delete files that no version younger than ``hours`` (default: the retention) and none of ``keep``
        needs; how many. Commits of the log that no version needs any more go too. What is to be kept is ``whole``."""
        stored = DeltaTable(self._native(path))
        hours = 24 * self.retention(path) if hours is None else hours

        def vacuum(*, dry_run: bool) -> list[str]:
            found: list[str] = stored.vacuum(
                retention_hours=hours,
                dry_run=dry_run,
                enforce_retention_duration=False,
                keep_versions=keep,
                full=True,
            )
            return found

        # The log names files for as long as it lives, also those that are gone.
        there = {info.path for info in files.listing(self.uri(path), recursive=True)}
        removed = there.intersection(vacuum(dry_run=True))
        # A vacuum is a commit of its own, also one that finds nothing.
        if removed and not dry_run:
            vacuum(dry_run=False)
            self._clean_log(path, keep)
        return len(removed)

    def keep_log(self, path: str) -> None:
        """See that no writer cleans the table's log by itself, as it would that of a table of an older program."""
        stored = DeltaTable(self._native(path))
        if stored.metadata().configuration.get(_CLEANUP) != "false":
            stored.alter.set_table_properties({_CLEANUP: "false"})

    def _clean_log(self, path: str, keep: list[int]) -> None:
        """Delete the commits, older than the retention, that neither the newest version nor any of ``keep`` needs.

        A version is read from the last checkpoint before it, so that the oldest that is kept gets one.
        """
        stored = DeltaTable(self._native(path))
        stored.create_checkpoint()
        oldest = min(keep, default=stored.version())
        if oldest < stored.version():
            stored = DeltaTable(self._native(path), version=oldest)
            stored.create_checkpoint()
        stored.cleanup_metadata()

    def is_whole(self, path: str, version: int) -> bool:
        """True where that version can still be read: its log and all its files are there."""
        return self.whole(path, [version]) == [version]

    def whole(self, path: str, versions: Iterable[int]) -> list[int]:
        """Those of ``versions`` that can still be read: their log and all their files are there."""
        # Names of files are unique in a table, and the two sides may spell the root differently.
        there = {info.path.rpartition("/")[2] for info in files.listing(self.uri(path), recursive=True)}
        found = []
        for version in versions:
            named = self._files_of(path, version)
            if named is not None and named <= there:
                found.append(version)
        return found

    def _files_of(self, path: str, version: int) -> set[str] | None:
        """Names of the version's files; None where its log is gone."""
        try:
            stored = DeltaTable(self._native(path), version=version)
        except DeltaError:
            return None
        return {uri.rpartition("/")[2] for uri in stored.file_uris()}

    def amend(self, table: Table, content: pa.Table, base: int) -> int:
        """Version ``base`` of a small append table with rows corrected: ``content`` is all of it.

        Returns the new version.
        """
        if self.version(table.path) != base:
            self._restore(table.path, base)
        content = content.select(arrow_schema(table).names).cast(arrow_schema(table))
        write_deltalake(self._native(table.path), content, mode="overwrite")
        version = self.version(table.path)
        assert version is not None
        return version

    def append_rows(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append a few rows without Spark (ops tables)."""
        self._create(table)
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        # A warehouse of an older version has fewer columns.
        write_deltalake(self._native(table.path), content, mode="append", schema_mode="merge")

    def delete_rows(self, path: str, column: str, values: Iterable[str]) -> None:
        """Delete the rows whose ``column`` is one of ``values``; earlier versions keep them until a vacuum."""
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in values)
        DeltaTable(self._native(path)).delete(f"{column} IN ({listed})")

    def replace_rows(self, table: Table, rows: Iterable[Mapping[str, Any]], seen: DeltaTable) -> None:
        """Replace the rows of ``seen``; raises when another writer came in between."""
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        write_deltalake(
            seen, content, mode="overwrite", commit_properties=CommitProperties(max_commit_retries=0)
        )

    def create(self, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
        """Create the table with its first rows; raises where it exists already."""
        content = pa.Table.from_pylist([dict(r) for r in rows], schema=arrow_schema(table))
        write_deltalake(
            self._native(table.path), content, mode="error", configuration=self._properties(table)
        )

    def _native(self, path: str) -> str:
        """The URI in the spelling of Rust's object stores (``s3a`` is Hadoop's)."""
        return self.uri(path).replace("s3a://", "s3://", 1)

    def _properties(self, table: Table) -> dict[str, str | None]:
        keep = f"interval {self.retention(table.path)} days"
        return {
            "delta.deletedFileRetentionDuration": keep,
            "delta.logRetentionDuration": keep,
            # Whoever writes would delete the log by the age of commits alone. A table that seldom changes is named at an
            # old version by the newest release: only upkeep knows which versions are needed.
            _CLEANUP: "false",
        }

    def _create(self, table: Table) -> int:
        """Make sure that the table exists; the version at which it was empty."""
        condition = check_condition(table)
        empty = 1 if condition else 0
        created = self.open(table.path)
        if created is None:
            created = DeltaTable.create(
                self._native(table.path),
                schema=Schema.from_json(table.schema.json()),
                mode="error",
                description=table.grain,
                configuration=self._properties(table),
            )
        # A run may have died between the two commits.
        if condition and created.version() == 0:
            created.alter.add_constraint({CONSTRAINT: condition})
        return empty

    def _restore(self, path: str, version: int) -> None:
        table = DeltaTable(self._native(path))
        table.restore(version)
