"""Rates of exchange: ``rates.csv`` as a table, and orders in the reporting currency.

An order is converted at the newest rate of its currency that is dated on or before its
``order_date``: what it was worth when it was placed, whatever the rate does later. An order in
the reporting currency stays as it is. So does one whose currency has no rate that old: a rate
is never guessed, and its money stays in its own currency, ranked there.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines import files
from pipelines.access import reading
from pipelines.errors import UsageError
from pipelines.tables import DATE, MONEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

DECIMALS = 10
"""Of a rate: a cent of the smallest unit in use still has five figures."""
PRECISION = 20
RATE = f"decimal({PRECISION},{DECIMALS})"
RATES = pa.schema(
    [("date", pa.date32()), ("currency", pa.string()), ("rate", pa.decimal128(PRECISION, DECIMALS))]
)
_SHOWN = 10
"""Problems of a file that are listed; a wrong column would otherwise fill the screen."""


def read_rates(uri: str, reporting_currency: str) -> pa.Table:
    """``rates.csv`` as ``RATES``, by currency and date: reporting currency for one unit of ``currency``.

    Raises UsageError, a line a problem with the file's line: a column that is missing, a date
    that is not YYYY-MM-DD, a currency that is no ISO 4217 code, a rate that is not a number
    above 0, a date and currency that stand twice, or a reporting currency that is not worth 1.
    """
    try:
        with reading(uri):
            text = files.read_text(uri)
    except FileNotFoundError:
        raise UsageError(
            f"{uri} is missing: reporting_currency {reporting_currency} needs rates (date, currency, rate)."
        ) from None
    except UnicodeDecodeError:
        raise UsageError(f"{uri} is not UTF-8.") from None
    problems: list[str] = []
    rates: dict[tuple[str, date], Decimal] = {}
    for line, row in _rows(uri, text):
        try:
            day, currency, rate = _parsed(row, reporting_currency)
        except ValueError as error:
            problems.append(f"{uri}:{line}: {error}.")
            continue
        if (currency, day) in rates:
            problems.append(f"{uri}:{line}: the rate of {currency} on {day} stands twice.")
        rates[currency, day] = rate
    if problems:
        more = len(problems) - _SHOWN
        raise UsageError(
            "\n".join(problems[:_SHOWN] + ([f"{uri}: {more} more problems."] if more > 0 else []))
        )
    keys = sorted(rates)
    columns = [[day for _, day in keys], [currency for currency, _ in keys], [rates[key] for key in keys]]
    return pa.Table.from_arrays(
        [pa.array(values, field.type) for values, field in zip(columns, RATES, strict=True)], schema=RATES
    )


def _rows(uri: str, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The file's rows by column name, each with the line where it ends."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")), restval="")
    header = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in RATES.names if name not in header]
    if missing:
        raise UsageError(f"{uri}:1: {', '.join(missing)} missing: the columns are date, currency, rate.")
    reader.fieldnames = header
    for row in reader:
        yield reader.line_num, {name: row[name].strip() for name in RATES.names}


def _parsed(row: dict[str, str], reporting_currency: str) -> tuple[date, str, Decimal]:
    """Date, currency and rate of a row. Raises ValueError that says what is wrong."""
    try:
        day = date.fromisoformat(row["date"])
    except ValueError:
        raise ValueError(f"date {row['date']!r} is not YYYY-MM-DD") from None
    currency = row["currency"].upper()
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"currency {row['currency']!r} is no ISO 4217 code")
    try:
        rate = round(Decimal(row["rate"]), DECIMALS)
    except InvalidOperation:
        raise ValueError(f"rate {row['rate']!r} is not a number") from None
    if not rate.is_finite() or not Decimal(0) < rate < Decimal(10) ** (PRECISION - DECIMALS):
        raise ValueError(f"rate {row['rate']!r} is not above 0, or too large")
    if currency == reporting_currency and rate != 1:
        raise ValueError(f"{currency} is the reporting currency, so its rate is 1 and not {row['rate']}")
    return day, currency, rate


def at_rate(amount: Column) -> Column:
    """``amount`` at the row's ``rate``, to four decimals, half away from zero; as it is without a rate."""
    return (amount * F.coalesce("rate", F.lit(1).cast(RATE))).cast(MONEY)


def converted(orders: DataFrame, rates: DataFrame, reporting_currency: str) -> DataFrame:
    """``orders`` with their money in ``reporting_currency`` where a rate is known. Adds no row.

    Adds ``original_currency``, ``original_gross``, ``original_returned`` and ``original_net``; ``rate``, reporting currency for one unit of it (1 for the
    reporting currency itself, NULL where none is known: the order keeps its currency); and
    ``rate_date``, NULL where nothing was converted. ``net`` stays gross − returned to the last
    decimal. ``rates``: the columns of ``RATES``, one row a currency and date.
    """
    dated = _with_rate(orders, rates, reporting_currency)
    is_known = F.col("rate").isNotNull()
    gross, returned = at_rate(F.col("gross")), at_rate(F.col("returned"))
    return dated.withColumns(
        {
            **{f"original_{name}": F.col(name) for name in ("currency", "gross", "returned", "net")},
            "currency": F.when(is_known, F.lit(reporting_currency)).otherwise(F.col("currency")),
            "gross": gross,
            "returned": returned,
            "net": (gross - returned).cast(MONEY),
        }
    )


def _with_rate(orders: DataFrame, rates: DataFrame, reporting_currency: str) -> DataFrame:
    """``orders`` with rate and rate_date."""
    foreign = rates.filter(F.col("currency") != reporting_currency)
    newest = foreign.groupBy("currency").agg(F.max("date").alias("_newest"))
    # Rates are few and orders many: an order is matched by equality with a rate for every day.
    found = (
        orders.join(F.broadcast(newest), on="currency", how="left")
        .withColumn("_day", F.least("order_date", "_newest"))
        .join(F.broadcast(_every_day(foreign)), on=["currency", "_day"], how="left")
    )
    is_own = F.col("currency") == reporting_currency
    own_rate = F.when(is_own, F.lit(1).cast(RATE))
    return found.withColumn("rate", F.coalesce(own_rate, F.col("_rate"))).select(
        *[F.col(name) for name in orders.columns], "rate", F.col("_rate_date").cast(DATE).alias("rate_date")
    )


def _every_day(rates: DataFrame) -> DataFrame:
    """One row per currency and day from its first rate to its newest: the rate that holds."""
    by_date = W.partitionBy("currency").orderBy("date")
    until = F.coalesce(F.date_sub(F.lead("date").over(by_date), 1), F.col("date"))
    return rates.withColumn("_until", until).select(
        "currency",
        F.explode(F.sequence("date", "_until")).alias("_day"),
        F.col("rate").cast(RATE).alias("_rate"),
        F.col("date").alias("_rate_date"),
    )
