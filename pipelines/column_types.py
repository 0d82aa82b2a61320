"""Types of columns, as Spark's SQL writes them, and what they are in Arrow and Spark.

A type is a text such as ``array<string>``: Spark's ``cast`` takes it as it is, and who only declares or
reads a table need not load Spark for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from pyspark.sql import types as T

STRING = "string"
BOOLEAN = "boolean"
INT = "int"
LONG = "bigint"
DOUBLE = "double"
DATE = "date"
TIMESTAMP = "timestamp"
MONEY = "decimal(20,4)"  # four decimals hold every ISO 4217 currency exactly

_ARROW = {
    STRING: pa.string(),
    BOOLEAN: pa.bool_(),
    INT: pa.int32(),
    LONG: pa.int64(),
    DOUBLE: pa.float64(),
    DATE: pa.date32(),
    TIMESTAMP: pa.timestamp("us", "UTC"),
}
_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def array_of(kind: str) -> str:
    """The type of a list of ``kind``."""
    return f"array<{kind}>"


def map_of(key: str, value: str) -> str:
    """The type of a map from ``key``, a type without parts, to ``value``."""
    return f"map<{key},{value}>"


def element_of(kind: str) -> str | None:
    """What a list holds; None where ``kind`` is no list."""
    return kind[len("array<") : -1] if kind.startswith("array<") else None


STRINGS = array_of(STRING)


def arrow_type(kind: str) -> pa.DataType:
    """The type in Arrow, as Spark makes it. Raises ValueError where ``kind`` is none of this module."""
    if kind in _ARROW:
        return _ARROW[kind]
    decimal = _DECIMAL.fullmatch(kind)
    if decimal:
        return pa.decimal128(int(decimal[1]), int(decimal[2]))
    element = element_of(kind)
    if element is not None:
        return pa.list_(pa.field("element", arrow_type(element)))
    if kind.startswith("map<") and kind.endswith(">"):
        key, _, value = kind[len("map<") : -1].partition(",")
        return pa.map_(arrow_type(key), pa.field("value", arrow_type(value)))
    raise ValueError(f"{kind} is no type of a column")


def spark_type(kind: str) -> T.DataType:
    """The type in Spark. Raises ValueError where ``kind`` is none of this module."""
    from pyspark.sql.pandas.types import from_arrow_type

    return from_arrow_type(arrow_type(kind))
