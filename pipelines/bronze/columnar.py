"""Parquet: every column as text, in one canonical spelling.

Timestamps are ISO 8601 (with Z where the file has a zone), whole numbers held as floating point
lose their ``.0``, NaN (how data frames write a missing number) is NULL, binary is text where it is
UTF-8 and base64 where not, nested values are JSON.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines import files


def schema(uri: str) -> pa.Schema:
    """The columns of a file. Raises ArrowInvalid where it is no Parquet."""
    with files.open_random(uri) as stored:
        return pq.ParquetFile(stored).schema_arrow


def row_count(uri: str) -> int:
    """Rows by the footer."""
    with files.open_random(uri) as stored:
        return int(pq.ParquetFile(stored).metadata.num_rows)


def batches(uri: str, rows: int) -> Iterator[pa.RecordBatch]:
    """The file's rows, at most ``rows`` at a time."""
    with files.open_random(uri) as stored:
        yield from pq.ParquetFile(stored).iter_batches(rows)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value


def _binary(value: bytes | None) -> str | None:
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def as_text(column: pa.Array) -> pa.Array:
    """``column`` as strings; NULL stays NULL."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return as_text(column.storage)
    if pa.types.is_dictionary(kind):
        return as_text(column.dictionary_decode())
    if pa.types.is_timestamp(kind):
        if kind.tz is not None:
            column = column.cast(pa.timestamp(kind.unit, "UTC"))
        text = pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
        return pc.replace_substring_regex(text, r"\.0+(Z?)$", r"\1")
    if pa.types.is_floating(kind):
        column = column.cast(pa.float32()) if pa.types.is_float16(kind) else column
        return pc.if_else(pc.is_nan(column), pa.scalar(None, pa.string()), column.cast(pa.string()))
    if pa.types.is_duration(kind):
        return column.cast(pa.int64()).cast(pa.string())
    if pa.types.is_nested(kind):
        made = [
            None
            if v is None
            else json.dumps(_plain(v), ensure_ascii=False, separators=(",", ":"), default=str)
            for v in column.to_pylist()
        ]
        return pa.array(made, pa.string())
    is_bytes = (
        pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    )
    if is_bytes or kind == pa.binary_view():
        return pa.array([_binary(v) for v in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def unreadable(column: pa.Array) -> list[int]:
    """Positions whose string is not UTF-8: some writers put other encodings into string columns."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return unreadable(column.dictionary_decode())
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view()):
        return []
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        values = column.cast(pa.large_binary()).to_pylist()
        return [
            i for i, v in enumerate(values) if v is not None and _binary(v) != v.decode("utf-8", "replace")
        ]
    return []
