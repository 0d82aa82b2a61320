"""Functions of plain values on Arrow columns: each distinct combination of values is computed once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any, TypeAlias

import pyarrow as pa

Column: TypeAlias = pa.Array | pa.ChunkedArray
Cell: TypeAlias = str | bool | int | tuple[Any, ...] | None


def column(table: pa.Table, name: str, kind: pa.DataType) -> Column:
    """A column of ``table`` as ``kind``; all NULL where the table has none."""
    if name not in table.column_names:
        return pa.nulls(table.num_rows, kind)
    return table.column(name).cast(kind)


def cells(values: Column) -> list[Any]:
    """A column's values in Python, lists as tuples, so that they can be keys of a dict."""
    read: list[Any] = values.to_pylist()
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        return [None if value is None else tuple(value) for value in read]
    return read


def _computed(
    function: Callable[..., Any], columns: Iterable[Column | Cell], rows: int
) -> tuple[list[Any], pa.Array]:
    """The results for distinct arguments, and for each row the number of its result."""
    arguments = [
        cells(each) if isinstance(each, pa.Array | pa.ChunkedArray) else [each] * rows for each in columns
    ]
    numbers: dict[tuple[Any, ...], int] = {}
    of_row = [numbers.setdefault(key, len(numbers)) for key in zip(*arguments, strict=True)]
    return [function(*key) for key in numbers], pa.array(of_row, pa.int64())


def _rows(columns: Iterable[Column | Cell]) -> int:
    return next(len(each) for each in columns if isinstance(each, pa.Array | pa.ChunkedArray))


def mapped(function: Callable[..., Any], *columns: Column | Cell, kind: pa.DataType) -> pa.Array:
    """``function`` of each row's values, as a column of type ``kind``.

    An argument is a column, or a plain value that counts for every row; at least one is a column.
    """
    results, of_row = _computed(function, columns, _rows(columns))
    return pa.array(results, kind).take(of_row)


def mapped_fields(
    function: Callable[..., Any], *columns: Column | Cell, kinds: Mapping[str, pa.DataType]
) -> dict[str, pa.Array]:
    """``mapped`` for a function that returns a NamedTuple: one column for each of its fields in ``kinds``.

    A field of a field is named with a dot.
    """
    results, of_row = _computed(function, columns, _rows(columns))
    return {
        name: pa.array([attrgetter(name)(result) for result in results], kind).take(of_row)
        for name, kind in kinds.items()
    }
