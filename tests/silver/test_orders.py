"""Orders, lines and returns: what money means, and that none of it is lost."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from silver_box import bronze, source, told

from pipelines.config import Project
from pipelines.silver.build import Silver, build_from, classify_all

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

SHOP = source(
    """
    source: orders
    owner: Order management
    channel: orders
    feeds:
      orders:
        mode: append
        key: [order_id]
        target: orders
        columns: [source, customer, order_id, at, amount, currency, status]
        map:
          source: source
          record_id: customer
          order_id: order_id
          ordered_at: at
          amount: amount
          currency: currency
          status: status
      lines:
        mode: append
        key: [order_id, line_no]
        target: order_lines
        columns: [order_id, line_no, quantity, amount]
        map: {order_id: order_id, line_no: line_no, quantity: quantity, amount: amount}
      returns:
        mode: append
        key: [return_id]
        target: returns
        columns: [return_id, order_id, at, quantity, amount, currency]
        map: {return_id: return_id, order_id: order_id, returned_at: at, quantity: quantity, amount: amount, currency: currency}
    """
)
D = date(2026, 7, 10)


def silver(spark: SparkSession, **feeds: str) -> Silver:
    frames = {("orders", feed): bronze(spark, text, of=f"orders/{feed}") for feed, text in feeds.items()}
    # Each table is made of it, and asked several times.
    classified = {key: rows.localCheckpoint() for key, rows in classify_all(frames, {"orders": SHOP}).items()}
    return build_from(classified, {"orders": SHOP}, Project(timezone="Europe/Madrid"), business_date=D)


def money(orders: DataFrame) -> list[str]:
    whole = orders.selectExpr("*", "int(gross) AS g", "int(returned) AS r", "int(net) AS n")
    return told(whole, "order_id", "status", "g", "r", "n", "quantity_net")


ORDERS = """
    | source | customer | order_id | at               | amount  | currency | status    |
    | web    | U1       | 1        | 2026-07-01 23:30 | 100.00  | mxn      | Completed |
    | web    | U1       | 2        | 2026-07-01 23:30 | 100.00  | MXN      | cancelled |
    | web    |          | 3        | 2026-07-01 23:30 | -100.00 | MXN      | returned  |
    | pos    | unknown  | 4        | 2026-07-01 23:30 | 100.00  | MXN      | returned  |
    | pos    | K1       | 5        | 2026-07-01 23:30 | -30.00  | MXN      | completed |
    | pos    | K1       | 6        | 2026-07-01 23:30 | 50.00   | MXN      | Apartado  |
    | pos    | K1       | 7        | 2026-07-01 23:30 | 80.00   |          |           |
"""


def test_gross_returned_and_net_by_status(spark: SparkSession) -> None:
    made = silver(spark, orders=ORDERS)
    assert money(made.orders) == [
        "1 completed 100 0 100 -",
        "2 cancelled 0 0 0 -",
        "3 returned 100 100 0 -",
        "4 returned 100 100 0 -",
        "5 completed 0 30 -30 -",
        "6 apartado 50 0 50 -",
        "7 - 80 0 80 -",
    ]
    # An order without a customer, or of one that nobody knows, is no reason for quarantine.
    assert told(made.orders, "order_id", "source", "record_id", "currency", "order_date")[:4] == [
        "1 web U1 MXN 2026-07-01",
        "2 web U1 MXN 2026-07-01",
        "3 web - MXN 2026-07-01",
        "4 pos unknown MXN 2026-07-01",
    ]
    assert made.quarantine.isEmpty()


def test_returns_lower_their_order_and_unmatched_ones_stay_visible(spark: SparkSession) -> None:
    made = silver(
        spark,
        orders=ORDERS,
        returns="""
        | return_id | order_id | at         | quantity | amount | currency |
        | R1        | 1        | 2026-07-02 | 1        | 40     | MXN      |
        | R2        | 1        | 2026-07-03 | -1       | -20    |          |
        | R3        | 1        | 2026-07-11 | 1        | 1      | MXN      |
        | R4        | 1        | 2026-07-03 | 1        | 5      | EUR      |
        | R5        | 99       | 2026-07-03 | 1        | 7      | MXN      |
        | R6        |          | 2026-07-03 | 1        | 8      | MXN      |
        | R7        | 2        | 2026-07-03 | 1        | 100    | MXN      |
        | R8        | 4        | 2026-07-03 | 1        | 60     | MXN      |
        | R9        | 1        | 2026-07-03 | x        | 60     | MXN      |
        """,
    )
    assert told(made.returns.filter("is_matched"), "return_id", "order_id", "amount", "currency") == [
        "R1 1 40.0000 MXN",
        "R2 1 20.0000 MXN",
        "R3 1 1.0000 MXN",
        "R7 2 100.0000 MXN",
        "R8 4 60.0000 MXN",
    ]
    assert told(made.returns.filter("NOT is_matched"), "return_id", "amount", "currency") == [
        "R4 5.0000 EUR",
        "R5 7.0000 MXN",
        "R6 8.0000 MXN",
    ]
    # R3 is later than the business date; 2 was cancelled and 4 came back whole by itself.
    assert money(made.orders.filter("order_id IN (1, 2, 4)")) == [
        "1 completed 100 60 40 -",
        "2 cancelled 0 0 0 -",
        "4 returned 100 100 0 -",
    ]
    assert told(made.quarantine, "feed", "reason") == ["returns bad_quantity"]


def test_pieces_kept_are_those_sold_less_those_returned(spark: SparkSession) -> None:
    made = silver(
        spark,
        orders=ORDERS,
        lines="""
        | order_id | line_no | quantity | amount |
        | 1        | 1       | 2        | 60     |
        | 1        | 2       | 1        | 40     |
        | 4        | 1       | 5        | 100    |
        | 6        | 1       | 2        | 50     |
        | 6        | 2       | many     | 50     |
        | 7        | 1       | 0.1      | 30     |
        | 7        | 2       | 0.2      | 50     |
        | 99       | 1       | 2        | 50     |
        """,
        returns="""
        | return_id | order_id | at         | quantity | amount | currency |
        | R1        | 1        | 2026-07-02 | 1        | 40     | MXN      |
        | R2        | 6        | 2026-07-02 |          | 50     | MXN      |
        | R3        | 7        | 2026-07-02 | 0.3      | 79     |          |
        """,
    )
    assert money(made.orders.filter("order_id IN (1, 2, 4, 6, 7)")) == [
        "1 completed 100 40 60 2.0",
        "2 cancelled 0 0 0 -",
        "4 returned 100 100 0 0.0",
        "6 apartado 50 50 0 0.0",
        "7 - 80 79 1 0.0",
    ]
    # Of .1 and .2 kilograms .3 came back; in binary the two are a little more.
    assert made.orders.filter("order_id = 7 AND quantity_net = 0").count() == 1
    assert told(made.order_lines, "order_id", "line_no", "quantity", "amount")[-1] == "99 1 2.0 50.0000"
    assert told(made.quarantine, "feed", "reason", "_row") == ["lines bad_quantity 6"]


def test_an_order_that_comes_again_is_replaced_and_every_row_has_one_outcome(spark: SparkSession) -> None:
    made = silver(
        spark,
        orders="""
        | date | source | customer | order_id | at         | amount   | currency | status    |
        | 1    | web    | U1       | 1        | 2026-07-01 | 1.234,56 | MXN      | pending   |
        | 1    | web    | U1       | 1        | 2026-07-01 | 1.234,56 | MXN      | pending   |
        | 2    | web    | U1       | 1        | 2026-07-01 | 1234.56  | MXN      | completed |
        | 2    | web    | U1       | 2        | 2026-07-01 | N/A      | MXN      | completed |
        | 2    | web    | U1       | 3        | 2026-13-01 | 1        | MXN      | completed |
        | 2    |        | U1       | 4        | 2026-07-01 | 1        | MXN      | completed |
        | 2    | web    | U1       |          | 2026-07-01 | 1        | MXN      | completed |
        """,
    )
    assert told(made.orders, "order_id", "net", "status") == ["1 1234.5600 completed"]
    assert told(
        made.outcomes, "bronze_rows", "current", "superseded", "deleted", "duplicate", "quarantined"
    ) == ["7 1 1 0 1 4"]
    assert told(made.quarantine, "reason", "_row") == [
        "bad_amount 3",
        "bad_timestamp 4",
        "missing_key 6",
        "missing_source 5",
    ]
    (row,) = made.quarantine.filter("reason = 'bad_amount'").collect()
    assert row["row"] == (
        '{"source":"web","customer":"U1","order_id":"2","at":"2026-07-01","amount":"N/A","currency":"MXN","status":"completed"}'
    )


@pytest.mark.parametrize("returned", ["", "| R1 | 1 | 2026-07-02 | 1 | 33.33 | MXN |"])
def test_net_is_gross_less_returned_in_sum_and_in_every_row(spark: SparkSession, returned: str) -> None:
    header = "| return_id | order_id | at | quantity | amount | currency |"
    feeds = {"returns": f"{header}\n{returned}"} if returned else {}
    made = silver(spark, orders=ORDERS, **feeds).orders
    assert made.filter("net != gross - returned").isEmpty()


def test_targets_that_no_feed_fills_are_empty_but_typed(spark: SparkSession) -> None:
    made = silver(spark, orders=ORDERS)
    for path in ("silver/customer_records", "silver/order_lines", "silver/returns", "silver/cases"):
        assert made.tables[path].isEmpty()
    assert made.tables["silver/cases"].schema["opened_at"].dataType.simpleString() == "timestamp"


def test_an_order_counts_its_lines_and_their_money_whatever_its_status(spark: SparkSession) -> None:
    made = silver(
        spark,
        orders=ORDERS,
        lines="""
        | order_id | line_no | quantity | amount |
        | 1        | 1       | 2        | 60.50  |
        | 1        | 2       | 1        | 39.50  |
        | 2        | 1       | 1        | 100    |
        | 5        | 1       | -1       | -30    |
        | 6        | 1       | 1        |        |
        | later    | 1       | 1        | 7      |
        """,
    )
    counted = made.orders.selectExpr("*", "CAST(line_amount AS DOUBLE) AS money")
    assert told(counted, "order_id", "source", "line_count", "money") == [
        "1 web 2 100.0",
        "2 web 1 100.0",
        "3 web - -",
        "4 pos - -",
        "5 pos 1 -30.0",
        "6 pos - -",
        "7 pos - -",
    ]
    assert told(silver(spark, orders=ORDERS).orders.limit(1), "line_count", "line_amount") == ["- -"]
