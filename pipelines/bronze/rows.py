"""One landed file as Arrow batches of a bronze table: what a task does, without Spark.

Every physical row comes out once. A malformed one has NULL in the source columns, the whole row in
``_raw`` and its reason in ``_problem``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines import files
from pipelines.bronze import columnar, delimited, jsonlines
from pipelines.bronze.contract import FileHead, column_names, delimiter_of
from pipelines.bronze.landing import Format
from pipelines.bronze.secrets import REMOVED, WITHHELD, is_secret_name, without_secrets
from pipelines.bronze.tables import declared_columns, stored_name
from pipelines.bronze.text import open_text
from pipelines.errors import PadronError
from pipelines.sources import Source

BATCH = 10_000
"""Rows handed to Spark at a time."""


class FileChangedError(PadronError):
    """A file was written again between the night's first look and its reading."""


@dataclass(frozen=True)
class FileTask:
    """All that a task must know to read one file; plain values, so that it travels to any worker."""

    uri: str
    path: str
    batch_id: str
    bytes: int
    format: Format
    is_gzip: bool
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    """The file's columns, in its own order."""
    declared: tuple[tuple[str, str], ...]
    """Folded spelling → declared column, for JSON keys."""
    secret: tuple[str, ...] = ()
    """Columns of credentials in the file's spelling: read, and never handed on."""
    key: tuple[str, ...] = ()
    """Columns of the feed's key, by their folded names."""


def file_task(head: FileHead, source: Source) -> FileTask:
    """The task that reads an inspected file."""
    file = head.file
    return FileTask(
        uri=file.uri,
        path=file.path,
        batch_id=file.batch_id,
        bytes=file.bytes,
        format=file.format,
        is_gzip=file.is_gzip,
        encoding=source.encoding_of(file.feed),
        delimiter=delimiter_of(file, source),
        columns=head.columns,
        declared=tuple(declared_columns(source, file.feed).items()),
        secret=head.secret_columns,
        key=tuple(stored_name(name).casefold() for name in source.feeds[file.feed].key),
    )


def arrow_schema(columns: tuple[str, ...]) -> pa.Schema:
    """What ``read_file`` gives: source columns as text, and provenance without the time."""
    text = pa.string()
    fields = [(name, text) for name in columns]
    fields += [("_batch_id", text), ("_file", text), ("_row", pa.int64()), ("_raw", text), ("_problem", text)]
    return pa.schema(fields)


def read_file(task: FileTask, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """The file's rows in the shape of ``arrow_schema(columns)``, in the file's order.

    Raises FileChangedError where the file is not the one that was inspected.
    """
    if files.size(task.uri) != task.bytes:
        raise FileChangedError(f"{task.path}: was written again while the night ran. Run the night again.")
    read = {"delimited": _read_delimited, "jsonl": _read_json, "parquet": _read_parquet}[task.format]
    yield from read(task, columns)


class _Builder:
    """Collects rows of a file and makes batches of them."""

    def __init__(self, task: FileTask, columns: tuple[str, ...], own: tuple[str, ...]) -> None:
        self._task = task
        self._columns = columns
        self._place = {name: position for position, name in enumerate(own)}
        self._nothing: list[str | None] = [None] * len(own)
        self._values: list[list[str | None] | list[str]] = []
        self._rows: list[int] = []
        self._raw: list[str | None] = []
        self._problems: list[str | None] = []

    def add(
        self, row: int, values: list[str | None] | list[str] | None, raw: str | None, problem: str | None
    ) -> None:
        self._values.append(self._nothing if values is None else values)
        self._rows.append(row)
        self._raw.append(raw)
        self._problems.append(problem)

    @property
    def is_full(self) -> bool:
        return len(self._rows) >= BATCH

    def take(self) -> Iterator[pa.RecordBatch]:
        """The rows so far as a batch; none where there are none."""
        if not self._rows:
            return
        by_position = list(zip(*self._values, strict=True))
        text = pa.string()
        empty = pa.nulls(len(self._rows), text)
        made = [
            pa.array(by_position[self._place[name]], text) if name in self._place else empty
            for name in self._columns
        ]
        yield _with_provenance(
            self._task,
            self._columns,
            made,
            pa.array(self._rows, pa.int64()),
            pa.array(self._raw, text),
            pa.array(self._problems, text),
        )
        self._values, self._rows, self._raw, self._problems = [], [], [], []


def _with_provenance(
    task: FileTask,
    columns: tuple[str, ...],
    made: list[pa.Array],
    row: pa.Array,
    raw: pa.Array,
    problem: pa.Array,
) -> pa.RecordBatch:
    size = len(row)
    cleaned = [without_secrets(column) for column in made]
    for place, name in enumerate(columns):
        if name.casefold() in task.key and not cleaned[place].equals(made[place]):
            # With one text for all that was removed, many would have one key.
            is_secret = pc.fill_null(pc.not_equal(cleaned[place], made[place]), False)
            cleaned[place] = pc.if_else(is_secret, None, made[place])
            raw = pc.if_else(is_secret, REMOVED, raw)
    raw = (
        pa.array([None if r is None else WITHHELD for r in raw.to_pylist()], pa.string())
        if task.secret
        else without_secrets(raw)
    )
    fixed = [pa.repeat(pa.scalar(v, pa.string()), size) for v in (task.batch_id, task.path)]
    return pa.RecordBatch.from_arrays([*cleaned, *fixed, row, raw, problem], schema=arrow_schema(columns))


def _read_delimited(task: FileTask, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    builder = _Builder(task, columns, task.columns)
    with open_text(task.uri, task.encoding, is_gzip=task.is_gzip) as lines:
        found = delimited.records(lines, task.delimiter)
        next(found, None)  # the header, which inspection has read
        for row, fields, raw, problem in found:
            builder.add(row, fields, raw, problem)
            if builder.is_full:
                yield from builder.take()
    yield from builder.take()


def _read_json(task: FileTask, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    builder = _Builder(task, columns, columns)
    declared = dict(task.declared)
    place = {name: position for position, name in enumerate(columns)}
    secret = {name.casefold() for name in task.secret}
    with open_text(task.uri, task.encoding, is_gzip=task.is_gzip) as lines:
        for row, values, text, problem in jsonlines.rows(lines):
            if values is None:
                builder.add(row, None, text, problem)
                continue
            fields: list[str | None] = [None] * len(columns)
            filled: set[int] = set()
            raw = None
            for name, value in zip(column_names(values, declared), values.values(), strict=True):
                if name.casefold() in secret:
                    continue
                position = place.get(name)
                if position is None and is_secret_name(name):
                    raw = REMOVED
                elif position is None or position in filled:
                    raw = raw or text
                else:
                    fields[position] = value
                    filled.add(position)
            builder.add(row, fields, raw, None)
            if builder.is_full:
                yield from builder.take()
    yield from builder.take()


def _read_parquet(task: FileTask, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    start = 1
    for batch in columnar.batches(task.uri, BATCH):
        yield _parquet_batch(task, columns, batch, start)
        start += batch.num_rows


def _parquet_batch(
    task: FileTask, columns: tuple[str, ...], batch: pa.RecordBatch, start: int
) -> pa.RecordBatch:
    size = batch.num_rows
    reasons: dict[int, str] = {}
    texts: dict[str, pa.Array] = {}
    for name, column in zip(task.columns, batch.columns, strict=True):
        wrong = columnar.unreadable(column)
        if wrong:
            column = column.cast(pa.large_binary())
        reasons |= dict.fromkeys(wrong, "invalid_utf8")
        text = columnar.as_text(column)
        nul = pc.match_substring(text, "\0")
        if pc.any(nul).as_py():
            found = pc.indices_nonzero(pc.fill_null(nul, fill_value=False)).to_pylist()
            reasons |= {i: reasons.get(i, "nul_byte") for i in found}
        if name:
            texts[name] = text
    raw: list[str | None] = [None] * size
    for i in reasons:
        raw[i] = json.dumps({name: text[i].as_py() for name, text in texts.items()}, ensure_ascii=False)
    problem = pa.array([reasons.get(i) for i in range(size)], pa.string())
    if reasons:
        good = pc.is_null(problem)
        nothing = pa.scalar(None, pa.string())
        texts = {name: pc.if_else(good, text, nothing) for name, text in texts.items()}
    empty = pa.nulls(size, pa.string())
    made = [texts.get(name, empty) for name in columns]
    row = pa.array(range(start, start + size), pa.int64())
    return _with_provenance(task, columns, made, row, pa.array(raw, pa.string()), problem)
