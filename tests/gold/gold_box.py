"""Little tables as frames, and frames as lines, for the tests of gold."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyspark.sql import functions as F

from pipelines.config import Conf
from pipelines.gold.config import Metrics, Survivorship
from pipelines.gold.purchases import purchase_sums
from pipelines.gold.reconciliation import BookedOrders
from pipelines.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame, SparkSession

D = date(2026, 7, 15)
"""The business date of the tests."""

ORDERS = (
    "source STRING, record_id STRING, customer_id STRING, order_id STRING, order_date DATE, status STRING, "
    "gross DECIMAL(20,4), returned DECIMAL(20,4), net DECIMAL(20,4), currency STRING, quantity_net DOUBLE, line_count BIGINT, "
    "line_amount DECIMAL(20,4)"
)
RETURNS = "return_id STRING, order_id STRING, return_date DATE, amount DECIMAL(20,4), currency STRING, is_matched BOOLEAN"
CASES = (
    "source STRING, record_id STRING, customer_id STRING, case_id STRING, case_type STRING, opened_at TIMESTAMP, "
    "first_response_at TIMESTAMP, closed_at TIMESTAMP, is_open BOOLEAN, csat INT, is_reopened BOOLEAN"
)


def lines(text: str) -> list[dict[str, str | None]]:
    """The rows of ``| a | b |`` lines under a header; an empty cell is None."""
    cells = [line.strip()[1:-1].split("|") for line in text.strip().splitlines()]
    header, *rows = [[cell.strip() for cell in line] for line in cells]
    return [{name: cell or None for name, cell in zip(header, row, strict=True)} for row in rows]


def frame(spark: SparkSession, ddl: str, rows: str | Iterable[dict[str, Any]]) -> DataFrame:
    """``rows`` as a frame of the columns of ``ddl``; what a row leaves out is NULL, lists are ``a;b``."""
    read = lines(rows) if isinstance(rows, str) else list(rows)
    fields = [field.strip().rsplit(" ", 1) for field in ddl.replace(", ", "\n").split("\n")]
    unknown = {name for row in read for name in row} - {name for name, _ in fields}
    assert not unknown, unknown
    columns = {
        name: pa.array([None if row.get(name) is None else str(row[name]) for row in read], pa.string())
        for name, _ in fields
    }
    received = spark.createDataFrame(pa.table(columns))
    return received.select(
        *[
            (F.split(name, ";") if kind.upper().startswith("ARRAY") else F.col(name)).cast(kind).alias(name)
            for name, kind in fields
        ]
    )


def table(spark: SparkSession, declared: Table, rows: str | Iterable[dict[str, Any]]) -> DataFrame:
    """``rows`` as a frame of a declared table."""
    ddl = "\n".join(f"{column.name} {column.type}" for column in declared.columns)
    return frame(spark, ddl, rows)


def money(row: dict[str, Any]) -> dict[str, Any]:
    """An order's row with what it leaves out: source, completed, nothing returned, net."""
    gross, returned = float(row.get("gross") or 0), float(row.get("returned") or 0)
    return {"source": "crm", "status": "completed", "returned": 0, "net": gross - returned, **row}


def orders(spark: SparkSession, rows: str | Iterable[dict[str, Any]]) -> DataFrame:
    """silver/orders with customer_id."""
    read = lines(rows) if isinstance(rows, str) else rows
    filled = [money({name: value for name, value in row.items() if value is not None}) for row in read]
    return frame(spark, ORDERS, filled)


def sums(
    orders: DataFrame, returns: DataFrame | None = None, metrics: Metrics | None = None, day: date = D
) -> DataFrame:
    """``purchase_sums`` of orders with customer_id."""
    return purchase_sums(orders, returns, metrics or Metrics(), day)


def booked(
    silver: DataFrame, resolved: DataFrame, metrics: Metrics | None = None, day: date = D
) -> BookedOrders:
    """Orders as reconciliation looks at them."""
    return BookedOrders(silver, resolved, sums(resolved, None, metrics, day).localCheckpoint())


def customers(spark: SparkSession, *ids: str) -> DataFrame:
    """gold/customers, as far as the metrics look at it."""
    return frame(spark, "customer_id STRING", [{"customer_id": i} for i in ids])


def told(rows: DataFrame, *names: str) -> list[str]:
    """The frame's rows as sorted lines of the columns named."""
    return sorted(line(row.asDict(), *names) for row in rows.select(*names).collect())


def line(row: dict[str, Any], *names: str) -> str:
    """A row's columns as one line: ``-`` for NULL, numbers without idle zeros, lists as ``a;b``."""
    return " ".join(_plain(row[name]) for name in names)


def _plain(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list):
        return ";".join(map(_plain, value)) or "[]"
    if isinstance(value, bool | str | date):
        return str(value)
    return f"{float(value):.4f}".rstrip("0").rstrip(".")


def rules(**by: str) -> Survivorship:
    """The default rules, with ``group="criterion criterion : source source"`` instead where named."""
    default = Conf(Path(__file__).resolve().parents[2] / "conf").load("survivorship.yml", Survivorship)
    content = default.model_dump()
    for group, text in by.items():
        criteria, _, trust = text.partition(":")
        content["groups"][group] = {"by": criteria.split(), "trust": trust.split() or None}
    return Survivorship.model_validate(content)
