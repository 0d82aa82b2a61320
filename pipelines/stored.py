"""The tables of a warehouse as Delta keeps them: their versions, their logs and their files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from pipelines import files
from pipelines.access import check_name, check_readable
from pipelines.errors import PadronError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pyarrow.dataset import Dataset

CLEANUP = "delta.enableExpiredLogCleanup"
LOG_KEPT = "delta.logRetentionDuration"
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
    """The newest commit of a table that is read at its newest is an empty file: the machine went down while it was written."""

    def __init__(self, path: str, file: str) -> None:
        super().__init__(
            f"{path}: {file} is empty, as a machine that lost power leaves a commit that it was writing. Delete that file "
            "and run again: what it was to say is found elsewhere, or said again."
        )


class LostFileError(PadronError):
    """A file of a table that is read at its newest version is gone, or not whole."""

    def __init__(self, path: str, names: Iterable[str]) -> None:
        super().__init__(
            f"{path}: {', '.join(names)} is gone or not whole, as a machine that lost power leaves a file that it was writing. "
            "Bring the folder back from a backup, or restore the table to the version before (Delta's RESTORE): what its "
            "last commits said is then not known."
        )


def file_names(table: DeltaTable) -> list[str]:
    """The files of the opened version, below the table's folder.

    Delta's own ``file_uris`` spells the folder as a URL does, which neither Spark nor DuckDB takes for a path.
    """
    actions = pa.table(table.get_add_actions())
    return [str(name) for name in actions["path"].to_pylist()] if actions.num_rows else []


@dataclass(frozen=True)
class TableRef:
    """A table at a version: what a stage gets that reads Parquet files itself."""

    uri: str
    version: int

    def file_names(self) -> list[str]:
        """The Parquet files of that version, below the table's folder."""
        return file_names(DeltaTable(self.uri, version=self.version))

    def file_uris(self) -> list[str]:
        """The Parquet files of that version."""
        return [files.join(self.uri, name) for name in self.file_names()]

    def file_rows(self) -> dict[str, int]:
        """Rows of each of ``file_names`` by the table's log; 0 where it does not say."""
        return file_rows(DeltaTable(self.uri, version=self.version))

    def rows(self) -> int:
        """Rows by the table's log; no data is read."""
        return sum(self.file_rows().values())


def log_rows(table: DeltaTable) -> int:
    """Rows of the opened version by its log; no data is read."""
    return sum(file_rows(table).values())


def file_rows(table: DeltaTable) -> dict[str, int]:
    """Rows of each of ``file_names`` by the log; 0 where it does not say."""
    actions = pa.table(table.get_add_actions(flatten=True))
    if not actions.num_rows:
        return {}
    names, rows = (actions[column].to_pylist() for column in ("path", "num_records"))
    return {str(name): n or 0 for name, n in zip(names, rows, strict=True)}


class StoredTables:
    """The tables under one URI (a local path, s3a, abfss, hdfs)."""

    def __init__(
        self, uri: str, *, retention_days: int = 60, by_layer: Mapping[str, int] | None = None
    ) -> None:
        """``retention_days`` of released versions; ``by_layer``: of layers that have others.

        Raises UsageError where no table can be kept under a folder of that name.
        """
        self.root = uri if "://" in uri else os.path.abspath(uri)
        check_name(self.root)
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

        Raises LostVersionError where it has not that version, UsageError where it may not be read.
        """
        try:
            found = DeltaTable(self.native(path), version=version)
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
            torn = None if version is not None else self._torn(path, 0)
            if torn:
                raise TornCommitError(path, torn) from None
            raise
        if version is not None and self._torn(path, version):
            raise LostVersionError(path, version)
        return found

    def newest(self, path: str) -> DeltaTable | None:
        """The table at its newest version, for one that no release names. Raises TornCommitError where that says nothing."""
        found = self.open(path)
        torn = None if found is None else self._torn(path, found.version())
        if torn:
            raise TornCommitError(path, torn)
        return found

    def _torn(self, path: str, version: int) -> str | None:
        """The file of a commit that is empty, which Delta takes for one that changed nothing; None where it is not.

        An object store has a file whole or not at all.
        """
        file = os.path.join(self.root, path, "_delta_log", f"{version:020d}.json")
        is_torn = "://" not in self.root and os.path.isfile(file) and not os.path.getsize(file)
        return file if is_torn else None

    def version(self, path: str) -> int | None:
        """The newest version, released or not; None where there is no table."""
        table = self.open(path)
        return table.version() if table is not None else None

    def files_of(self, path: str, table: DeltaTable) -> Dataset:
        """The files of the opened ``table`` at its version, as Arrow reads them.

        By Arrow's own file system: with that of deltalake, which is written in Python, a thread of Arrow may let go of
        a file while the process ends, and abort it after all its work is done.
        """
        return table.to_pyarrow_dataset(filesystem=files.below(self.uri(path)))

    def rows_of(self, path: str, table: DeltaTable) -> pa.Table:
        """All rows of the opened ``table``, of a small one: a table of the operation has a file for each time that it was
        written to, and what its statistics exclude, which ``files_of`` works out, takes longer than reading it.

        Tables that padron does not write, with parts by value or features that readers have to know, are read as ``files_of``.
        """
        if table.protocol().min_reader_version > 1 or table.metadata().partition_columns:
            return self.files_of(path, table).to_table()
        import pyarrow.dataset as ds

        system, parquet = files.below(self.uri(path)), ds.ParquetFileFormat()
        parts = [parquet.make_fragment(name, filesystem=system) for name in file_names(table)]
        schema = pa.schema(table.schema().to_arrow())
        return ds.FileSystemDataset(parts, schema, parquet, system).to_table()

    def compact(self, path: str, stored: DeltaTable | None = None) -> int:
        """Join the table's small files where there are more than ``FEW_FILES``; how many were joined.

        That is a new version with the same rows. A table that is replaced every night needs none. ``stored``: the table,
        where it is open at its newest version.
        """
        stored = stored or DeltaTable(self.native(path))
        sizes = pa.table(stored.get_add_actions(flatten=True))["size_bytes"].to_pylist()
        if sum(size < SMALL_FILE for size in sizes) <= FEW_FILES:
            return 0
        return int(stored.optimize.compact(target_size=2 * SMALL_FILE)["numFilesRemoved"])

    def vacuum(self, path: str, keep: list[int], *, dry_run: bool = False, hours: int | None = None) -> int:
        """Delete files that no version younger than ``hours`` (default: the retention) and none of ``keep``
        needs; how many. Commits of the log that no version needs any more go too. What is to be kept is ``whole``."""
        stored = DeltaTable(self.native(path))
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
            self._clear_folders(path, removed)
            self._clean_log(path, keep)
        return len(removed)

    def _clear_folders(self, path: str, removed: Iterable[str]) -> None:
        """Delete the folders, one a write, that held ``removed`` files and hold none any more."""
        uri = self.uri(path)
        there = (info.path for info in files.listing(uri, recursive=True))
        held, needed = (
            {name.partition("/")[0] for name in names if "/" in name} for names in (removed, there)
        )
        for folder in sorted(held - needed):
            files.delete(files.join(uri, folder))

    def keep_log(self, path: str, stored: DeltaTable | None = None) -> DeltaTable:
        """See that no writer cleans the table's log by itself, as it would that of a table of an older program; the table
        as it is then. ``stored``: the table, where it is open at its newest version.
        """
        stored = stored or DeltaTable(self.native(path))
        if stored.metadata().configuration.get(CLEANUP) == "false":
            return stored
        stored.alter.set_table_properties({CLEANUP: "false"})
        return DeltaTable(self.native(path))

    def shorten_log(self, path: str, days: int) -> None:
        """See that ``vacuum`` keeps the table's log for so many days, whatever the retention of its layer."""
        stored, kept = DeltaTable(self.native(path)), f"interval {days} days"
        if stored.metadata().configuration.get(LOG_KEPT) != kept:
            stored.alter.set_table_properties({LOG_KEPT: kept})

    def _clean_log(self, path: str, keep: list[int]) -> None:
        """Delete the commits, older than the retention, that neither the newest version nor any of ``keep`` needs.

        A version is read from the last checkpoint before it, so that the oldest that is kept gets one.
        """
        stored = DeltaTable(self.native(path))
        stored.create_checkpoint()
        oldest = min(keep, default=stored.version())
        if oldest < stored.version():
            stored = DeltaTable(self.native(path), version=oldest)
            stored.create_checkpoint()
        stored.cleanup_metadata()

    def is_whole(self, path: str, version: int) -> bool:
        """True where that version can still be read: its log and all its files are there."""
        return self.whole(path, [version]) == [version]

    def whole(self, path: str, versions: Iterable[int]) -> list[int]:
        """Those of ``versions`` that can still be read: their log is there, and all their files as long as they were written."""
        there = self._there(path)
        found = []
        for version in versions:
            named = self._files_of(path, version)
            if named is not None and named.items() <= there.items():
                found.append(version)
        return found

    def lost_files(self, path: str) -> list[str]:
        """Files of the newest version that are gone or not as long as they were written, by name."""
        there, table = self._there(path), self.newest(path)
        named = {} if table is None else self._files_of(path, table.version()) or {}
        return sorted(name for name, size in named.items() if there.get(name) != size)

    def _there(self, path: str) -> dict[str, int]:
        """Bytes of the files in the table's folder, by name; none where it is gone."""
        # Names of files are unique in a table, and the two sides may spell the root differently.
        try:
            found = files.listing(self.uri(path), recursive=True)
        except FileNotFoundError:
            return {}
        return {info.path.rpartition("/")[2]: info.size for info in found}

    def _files_of(self, path: str, version: int) -> dict[str, int] | None:
        """Bytes of the version's files, by name; None where its log is gone."""
        if self._torn(path, version):
            return None
        try:
            stored = DeltaTable(self.native(path), version=version)
        except DeltaError:
            return None
        actions = pa.table(stored.get_add_actions(flatten=True))
        if not actions.num_rows:
            return {}
        names, sizes = (actions[column].to_pylist() for column in ("path", "size_bytes"))
        return {name.rpartition("/")[2]: size for name, size in zip(names, sizes, strict=True)}

    def native(self, path: str) -> str:
        """The URI in the spelling of Rust's object stores (``s3a`` is Hadoop's)."""
        return self.uri(path).replace("s3a://", "s3://", 1)
