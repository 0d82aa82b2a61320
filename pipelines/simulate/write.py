"""Files of the simulation: CSV from Arrow columns, and the folders they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import fs

from pipelines import files

CHUNK_ROWS = 200_000


def folder(out: str, *parts: str) -> str:
    """A path below the simulation's folder."""
    return files.join(files.absolute(out), *parts)


@contextmanager
def open_output(uri: str) -> Iterator[Any]:
    """A new file's stream of bytes; its folder is made."""
    system, path = fs.FileSystem.from_uri(uri)
    system.create_dir(path.rpartition("/")[0], recursive=True)
    with system.open_output_stream(path, compression=None) as stream:
        yield stream


def csv_text(table: pa.Table) -> pa.Buffer:
    """The table's rows as CSV without a header: quoted only where they must be, NULL as nothing.

    Every line is one joined value with its line end, so the column's own bytes are the file.
    """
    columns = []
    for column in table.columns:
        values = pc.cast(column.combine_chunks() if column.num_chunks != 1 else column.chunk(0), pa.string())
        values = pc.fill_null(values, "")
        special = pc.match_substring_regex(values, '[",\r\n]')
        if pc.any(special).as_py():
            quoted = pc.binary_join_element_wise('"', pc.replace_substring(values, '"', '""'), '"', "")
            values = pc.if_else(special, quoted, values)
        columns.append(values)
    ended = pc.binary_join_element_wise(columns[-1], "\n", "")
    lines = pc.binary_join_element_wise(*columns[:-1], ended, ",")
    ends = np.frombuffer(lines.buffers()[1], np.int32, count=len(lines) + 1)
    return lines.buffers()[2].slice(0, int(ends[-1])) if len(lines) else pa.py_buffer(b"")


class CsvFile:
    """A CSV file written table by table: UTF-8, comma, header first, ``\\n`` line ends."""

    def __init__(self, stream: Any, columns: list[str]) -> None:
        self._stream = stream
        self._columns = columns
        self.rows = 0
        stream.write((",".join(columns) + "\n").encode())

    def write(self, table: pa.Table) -> None:
        """Append rows; the table has the file's columns in their order."""
        if table.column_names != self._columns:
            raise ValueError(f"expected {self._columns}, got {table.column_names}")
        for start in range(0, len(table), CHUNK_ROWS):
            self._stream.write(csv_text(table.slice(start, CHUNK_ROWS).combine_chunks()))
        self.rows += len(table)


@contextmanager
def csv_file(uri: str, columns: list[str]) -> Iterator[CsvFile]:
    """A CSV file to write table by table."""
    with open_output(uri) as stream:
        yield CsvFile(stream, columns)


def write_csv(uri: str, table: pa.Table) -> int:
    """One table as one file; gives its rows."""
    with csv_file(uri, table.column_names) as file:
        file.write(table)
    return len(table)
