"""What a table is: declared once, beside the function that builds it.

The schema check, the data dictionary, Delta's CHECK constraints and the masked views all
read these declarations, so a column's meaning stands in one place only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.column_types import (
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    LONG,
    MONEY,
    STRING,
    STRINGS,
    TIMESTAMP,
    arrow_type,
    spark_type,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql import types as T

__all__ = [
    "BOOLEAN",
    "DATE",
    "DOUBLE",
    "INT",
    "LONG",
    "MONEY",
    "STRING",
    "STRINGS",
    "TIMESTAMP",
    "Column",
    "Kind",
    "Personal",
    "Table",
]


class Personal(StrEnum):
    """How much a column says about a living person (drives masking, erasure and exports)."""

    NONE = "none"
    """Says nothing about one person: codes, counts, technical columns."""
    PSEUDONYM = "pseudonym"
    """Points at one person only with another table: customer_id, record_id, order_id."""
    QUASI = "quasi"
    """Narrows down who it is: birth date, postal code, city, money, behaviour."""
    DIRECT = "direct"
    """Names the person: name, e-mail, phone, street address, tax id, the row as received."""


class Kind(StrEnum):
    """How a table changes from one night to the next."""

    SNAPSHOT = "snapshot"
    """Every night's content replaces the last one's."""
    APPEND = "append"
    """Every night adds its slice; earlier rows are never changed."""


@dataclass(frozen=True)
class Column:
    """One column: its name, type, meaning and what it says about a person."""

    name: str
    type: str
    """As Spark's SQL writes it; one of ``pipelines.column_types``."""
    meaning: str
    personal: Personal = Personal.NONE
    unit: str | None = None
    formula: str | None = None
    required: bool = False
    """True where NULL is an error; becomes part of the table's CHECK."""


@dataclass(frozen=True)
class Table:
    """One Delta table at ``<warehouse>/<layer>/<name>``."""

    layer: str
    name: str
    grain: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    owner: str
    kind: Kind = Kind.SNAPSHOT
    check: str | None = None
    """A SQL condition that every row meets, beside the required columns."""
    open_ended: bool = False
    """True where a source may bring more columns than declared (bronze)."""

    @property
    def path(self) -> str:
        """``layer/name``: how releases, logs and documentation call the table."""
        return f"{self.layer}/{self.name}"

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def schema(self) -> T.StructType:
        """The Spark schema; nullable throughout, because required columns are a CHECK."""
        from pyspark.sql import types as T

        return T.StructType(
            [T.StructField(c.name, spark_type(c.type), True, {"comment": c.meaning}) for c in self.columns]
        )

    @property
    def arrow(self) -> pa.Schema:
        """The schema in Arrow, which loads no Spark."""
        return pa.schema([pa.field(c.name, arrow_type(c.type)) for c in self.columns])

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.path} has no column {name}")

    def conform(self, frame: DataFrame) -> DataFrame:
        """``frame`` with exactly the declared columns, in their order and types.

        Raises Spark's AnalysisException when a column is missing or its type would lose data.
        """
        # As text, since every call of a function asks Java three times.
        return frame.selectExpr(*[f"CAST(`{c.name}` AS {c.type}) AS `{c.name}`" for c in self.columns])
