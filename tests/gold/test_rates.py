"""Rates: a file that is wrong says where; an order is worth what it was worth on its day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gold_box import RETURNS, frame, orders, sums, told
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UsageError
from pipelines.gold.config import Metrics
from pipelines.gold.purchases import purchase_facts
from pipelines.gold.rates import RATES, converted, read_rates

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

GOOD = """date,currency,rate
2026-07-01,EUR,20.5
2026-06-01,EUR,20
2026-07-01,MXN,1.000000
2026-07-01,usd,18.12345678901
"""


def read(folder: Path, text: str) -> list[tuple[date, str, Decimal]]:
    path = folder / "rates.csv"
    path.write_text(text, encoding="utf-8")
    table = read_rates(str(path), "MXN")
    assert table.schema == RATES
    return [(row["date"], row["currency"], row["rate"]) for row in table.to_pylist()]


def problem(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    return str(caught.value).replace(f"{folder}/", "")


def test_rates_are_read_in_order_to_ten_decimals(tmp_path: Path) -> None:
    expected = [
        (date(2026, 6, 1), "EUR", Decimal("20")),
        (date(2026, 7, 1), "EUR", Decimal("20.5")),
        (date(2026, 7, 1), "MXN", Decimal("1")),
        (date(2026, 7, 1), "USD", Decimal("18.1234567890")),
    ]
    assert read(tmp_path, GOOD) == expected
    assert read(tmp_path, "\ufeffrate, currency ,date\n\n20,EUR,2026-06-01\n") == expected[:1]
    assert read(tmp_path, "date,currency,rate\n") == []


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("01/07/2026,EUR,20", "date '01/07/2026' is not YYYY-MM-DD"),
        ("2026-07-01,EURO,20", "currency 'EURO' is no ISO 4217 code"),
        ("2026-07-01,EUR,", "rate '' is not a number"),
        ('2026-07-01,EUR,"20,5"', "rate '20,5' is not a number"),
        ("2026-07-01,EUR,0", "rate '0' is not above 0, or too large"),
        ("2026-07-01,EUR,nan", "rate 'nan' is not above 0, or too large"),
        ("2026-07-01,EUR,1e10", "rate '1e10' is not above 0, or too large"),
        ("2026-07-01,MXN,1.1", "MXN is the reporting currency, so its rate is 1 and not 1.1"),
        ("2026-06-01,eur,20", "the rate of EUR on 2026-06-01 stands twice"),
        ("2026-07-01", "currency '' is no ISO 4217 code"),
    ],
)
def test_a_wrong_row_names_file_line_and_what_is_wrong(tmp_path: Path, row: str, said: str) -> None:
    assert problem(tmp_path, f"date,currency,rate\n2026-06-01,EUR,20\n\n{row}\n") == f"rates.csv:4: {said}."


def test_a_wrong_file_is_one_line(tmp_path: Path) -> None:
    assert problem(tmp_path, "fecha,currency,rate\n") == (
        "rates.csv:1: date missing: the columns are date, currency, rate."
    )
    assert (
        problem(tmp_path, "")
        == "rates.csv:1: date, currency, rate missing: the columns are date, currency, rate."
    )
    assert (
        problem(tmp_path, "date,currency,rate\n" + "x,EUR,1\n" * 14).splitlines()[-1]
        == "rates.csv: 4 more problems."
    )
    with pytest.raises(UsageError, match=r"is missing: reporting_currency EUR needs rates"):
        read_rates(str(tmp_path / "none.csv"), "EUR")


CONVERTED = """
    | customer_id | order_id | order_date | gross  | returned | currency |
    | on          | 1        | 2026-07-01 | 10     | 2.50     | EUR      |
    | before      | 2        | 2026-06-30 | 10     |          | EUR      |
    | after       | 3        | 2026-12-31 | 10     |          | EUR      |
    | too_old     | 4        | 2026-05-31 | 10     |          | EUR      |
    | own         | 5        | 2020-01-01 | 10     |          | MXN      |
    | unknown     | 6        | 2026-07-01 | 10     |          | CLP      |
    | none        | 7        | 2026-07-01 | 10     |          |          |
    | cents       | 8        | 2026-07-01 | 0.0003 | 0.0001   | USD      |
"""


def test_an_order_is_converted_at_the_newest_rate_of_its_day_or_stays(
    spark: SparkSession, tmp_path: Path
) -> None:
    (tmp_path / "rates.csv").write_text(GOOD, encoding="utf-8")
    rates = spark.createDataFrame(read_rates(str(tmp_path / "rates.csv"), "MXN"))
    made = converted(orders(spark, CONVERTED), rates, "MXN")
    names = ("customer_id", "currency", "gross", "returned", "net", "original_currency", "rate", "rate_date")
    assert told(made, *names) == [
        "after MXN 205 0 205 EUR 20.5 2026-07-01",
        "before MXN 200 0 200 EUR 20 2026-06-01",
        "cents MXN 0.0054 0.0018 0.0036 USD 18.1235 2026-07-01",
        "none - 10 0 10 - - -",
        "on MXN 205 51.25 153.75 EUR 20.5 2026-07-01",
        "own MXN 10 0 10 MXN 1 -",
        "too_old EUR 10 0 10 EUR - -",
        "unknown CLP 10 0 10 CLP - -",
    ]
    assert made.schema["gross"].dataType.simpleString() == "decimal(20,4)"


cents = st.decimals(min_value=0, max_value=10_000, places=2)


@settings(max_examples=3, deadline=None)
@given(
    st.lists(
        st.tuples(cents, st.integers(0, 100), st.sampled_from(["EUR", "USD", "MXN", "CLP"])),
        min_size=1,
        max_size=6,
    ),
    st.decimals(min_value=Decimal("0.0001"), max_value=99, places=7),
)
def test_a_lifetime_of_converted_money_is_the_converted_net_to_the_last_decimal(
    spark: SparkSession, bought: list[tuple[Decimal, int, str]], rate: Decimal
) -> None:
    rows = [
        {
            "customer_id": "c",
            "order_id": str(i),
            "order_date": "2026-07-01",
            "gross": gross,
            "returned": (gross * share / 100).quantize(Decimal("0.01")),
            "net": gross - (gross * share / 100).quantize(Decimal("0.01")),
            "currency": currency,
        }
        for i, (gross, share, currency) in enumerate(bought)
    ]
    back = [
        {
            "return_id": row["order_id"],
            "order_id": row["order_id"],
            "return_date": "2026-07-02",
            "amount": row["returned"],
            "is_matched": "true",
        }
        for row in rows
    ]
    rates = frame(
        spark,
        "date DATE, currency STRING, rate DECIMAL(20,10)",
        [{"date": "2026-06-01", "currency": c, "rate": rate} for c in ("EUR", "USD")],
    )
    made = converted(orders(spark, rows), rates, "MXN")
    facts = purchase_facts(sums(made, frame(spark, RETURNS, back), Metrics(window_days=None)))
    booked = facts.groupBy("currency").agg({"monetary": "sum"}).filter("`sum(monetary)` != 0")
    net = made.groupBy("currency").agg({"net": "sum"}).filter("`sum(net)` != 0")
    assert told(booked, "currency", "sum(monetary)") == told(net, "currency", "sum(net)")
