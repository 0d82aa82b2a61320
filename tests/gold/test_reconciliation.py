"""Reconciliation: nothing is lost between the sources and the customers, and what is shows."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from gold_box import CASES, ORDERS, RETURNS, D, booked, customers, frame, sums, told
from hypothesis import given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F

from pipelines.gold.ownership import resolve
from pipelines.gold.rates import converted
from pipelines.gold.reconciliation import (
    COUNTS,
    RECONCILIATION,
    Booked,
    BookedOrders,
    build_reconciliation,
    imbalances,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

OWNERS = """
    | source | record_id | customer_id |
    | crm    | c1        | ana         |
    | web    | w1        | ana         |
    | crm    | c2        | eva         |
    | pos    | lost      |             |
"""
SOLD = """
    | source | record_id | order_id | status    | gross  | returned | net    | currency | line_count | line_amount |
    | crm    | c1        | 1        | completed | 10.10  | 0        | 10.10  | EUR      | 2          | 10.10       |
    | crm    | c2        | 2        | completed | 20.20  | 5.05     | 15.15  | EUR      |            |             |
    | crm    | unknown   | 3        | completed | 30.30  | 0        | 30.30  | EUR      | 1          | 30.30       |
    | web    | w1        | 4        | completed | 7      | 0        | 7      | MXN      |            |             |
    | web    |           | 5        | completed | 8      | 0        | 8      |          | 1          | 8           |
    | pos    | lost      | 6        | completed | 9      | 9        | 0      | EUR      |            |             |
    | crm    | c1        | 7        | cancelled | 0      | 0        | 0      | EUR      |            |             |
    | web    | w1        | 1        | completed | 1      | 0        | 1      | EUR      |            |             |
"""
LINES = """
    | order_id | line_no | amount |
    | 1        | 1       | 4.10   |
    | 1        | 2       | 6.00   |
    | 3        | 1       | 30.30  |
    | 5        | 1       | 8      |
    | later    | 1       | 99     |
"""
BACK = """
    | return_id | order_id | amount | currency | is_matched |
    | r1        | 2        | 5.05   | EUR      | true       |
    | r2        | 2        | 3      | MXN      | false      |
    | r3        | later    | 4      | EUR      | false      |
    | r4        |          | 2      |          | false      |
"""
ASKED = """
    | source  | record_id | case_id |
    | support | c1        | t1      |
    | crm     | c1        | t2      |
    | crm     | unknown   | t3      |
    | crm     |           | t4      |
"""
LINE = "order_id STRING, line_no STRING, amount DECIMAL(20,4)"
OWNER = "source STRING, record_id STRING, customer_id STRING"
SHOWN = ("measure", "currency", "source", "in_customers", "unassigned", "source_total")


@pytest.fixture(scope="module")
def owners(spark: SparkSession) -> DataFrame:
    return frame(spark, OWNER, OWNERS).localCheckpoint()


@pytest.fixture(scope="module")
def orders(spark: SparkSession, owners: DataFrame) -> BookedOrders:
    silver = frame(spark, ORDERS, SOLD).drop("customer_id").localCheckpoint()
    return booked(silver, resolve(silver, owners).localCheckpoint())


def test_customers_and_unassigned_are_the_source_for_every_measure(
    spark: SparkSession, orders: BookedOrders, owners: DataFrame
) -> None:
    cases = frame(spark, CASES, ASKED).drop("customer_id")
    made = build_reconciliation(
        customers(spark, "ana", "eva"),
        orders=orders,
        order_lines=frame(spark, LINE, LINES),
        returns=frame(spark, RETURNS, BACK),
        cases=Booked(cases, resolve(cases, owners)),
    ).localCheckpoint()
    assert made.columns == RECONCILIATION.names
    assert told(made, *SHOWN) == [
        "cases - crm 1 2 3",
        "cases - support 0 1 1",
        "gross EUR crm 30.3 30.3 60.6",
        "gross EUR pos 0 9 9",
        "gross EUR web 1 0 1",
        "gross MXN web 7 0 7",
        "gross XXX web 0 8 8",
        "line_amount EUR crm 10.1 30.3 40.4",
        "line_amount XXX unknown 0 99 99",
        "line_amount XXX web 0 8 8",
        "lines - crm 2 1 3",
        "lines - unknown 0 1 1",
        "lines - web 0 1 1",
        "net EUR crm 25.25 30.3 55.55",
        "net EUR pos 0 0 0",
        "net EUR web 1 0 1",
        "net MXN web 7 0 7",
        "net XXX web 0 8 8",
        "orders - crm 3 1 4",
        "orders - pos 0 1 1",
        "orders - web 2 1 3",
        "return_amount EUR crm 5.05 0 5.05",
        "return_amount EUR unknown 0 4 4",
        "return_amount MXN crm 3 0 3",
        "return_amount XXX unknown 0 2 2",
        "return_rows - crm 2 0 2",
        "return_rows - unknown 0 2 2",
        "returns EUR crm 5.05 0 5.05",
        "returns EUR pos 0 9 9",
        "returns EUR web 0 0 0",
        "returns MXN web 0 0 0",
        "returns XXX web 0 0 0",
        "unmatched_returns EUR crm 0 0 0",
        "unmatched_returns EUR unknown 0 4 4",
        "unmatched_returns MXN crm 3 0 3",
        "unmatched_returns XXX unknown 0 2 2",
    ]
    assert imbalances(made).isEmpty()


def test_what_is_lost_doubled_or_of_no_known_customer_does_not_add_up(
    spark: SparkSession, orders: BookedOrders
) -> None:
    """Order 4 is lost, 5 doubled, 2 belongs to eva, whom gold does not know; silver matched r1 to no order."""
    doubled = orders.resolved.filter("order_id = '5'")
    resolved = orders.resolved.filter("order_id != '4'").unionByName(doubled)
    returns = frame(
        spark,
        RETURNS,
        """
        | return_id | order_id | amount | currency | is_matched |
        | r1        | nowhere  | 5      | EUR      | true       |
        """,
    )
    made = build_reconciliation(
        customers(spark, "ana"), orders=booked(orders.silver, resolved), returns=returns
    )
    assert told(imbalances(made), *SHOWN) == [
        "gross EUR crm 10.1 30.3 60.6",
        "gross MXN web 0 0 7",
        "gross XXX web 0 16 8",
        "net EUR crm 10.1 30.3 55.55",
        "net MXN web 0 0 7",
        "net XXX web 0 16 8",
        "orders - crm 2 1 4",
        "returns EUR crm 0 0 5.05",
        "unmatched_returns EUR unknown 0 5 0",
    ]


def test_money_is_reconciled_as_it_was_booked_whatever_it_was_converted_to(
    spark: SparkSession, orders: BookedOrders
) -> None:
    """By rates of the euro: pesos are converted, what names no currency stays."""
    rate = [{"date": "2020-01-01", "currency": "MXN", "rate": "0.05"}]
    rates = frame(spark, "date DATE, currency STRING, rate DECIMAL(20,10)", rate)
    dated = orders.resolved.withColumn("order_date", F.lit(D))
    in_euros = BookedOrders(orders.silver, orders.resolved, sums(converted(dated, rates, "EUR")))
    ids, lines = customers(spark, "ana", "eva"), frame(spark, LINE, LINES)
    made = build_reconciliation(ids, orders=in_euros, order_lines=lines)
    assert told(made, *SHOWN) == told(build_reconciliation(ids, orders=orders, order_lines=lines), *SHOWN)
    money = in_euros.sums.filter("customer_id = 'ana' AND source = 'web'")
    assert told(money, "booked_currency", "currency", "net", "money_net") == ["EUR EUR 1 1", "MXN EUR 7 0.35"]


def test_lines_that_orders_count_otherwise_than_they_came_do_not_add_up(
    spark: SparkSession, orders: BookedOrders
) -> None:
    """Order 5 counts a line that is not there, and 8 of money that never came."""
    came = frame(spark, LINE, LINES).filter("order_id NOT IN ('5', 'later')")
    made = build_reconciliation(customers(spark, "ana", "eva"), orders=orders, order_lines=came)
    assert told(imbalances(made), *SHOWN) == ["line_amount XXX unknown 0 0 -8", "lines - unknown 0 0 -1"]


def test_what_no_source_delivers_has_no_row_and_lines_may_come_before_their_orders(
    spark: SparkSession,
) -> None:
    ids = customers(spark, "ana")
    assert build_reconciliation(ids).isEmpty()
    lines = build_reconciliation(ids, order_lines=frame(spark, LINE, LINES))
    assert told(lines, *SHOWN) == ["line_amount XXX unknown 0 147.4 147.4", "lines - unknown 0 5 5"]


money = st.decimals(min_value=-99_999, max_value=99_999, places=4)
sold = st.lists(
    st.tuples(
        st.sampled_from(["crm", "web"]),
        st.sampled_from(["r1", "r2", "r3", None]),
        money,
        money,
        st.sampled_from(["EUR", "MXN", None]),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=3, deadline=None)
@given(sold)
def test_sums_conserve_to_the_last_decimal_whatever_is_sold(
    spark: SparkSession, rows: list[tuple[str, str | None, Decimal, Decimal, str | None]]
) -> None:
    columns = ("source", "record_id", "gross", "returned", "currency")
    silver = frame(
        spark,
        ORDERS,
        [
            {"order_id": i, "net": row[2] - row[3], **dict(zip(columns, row, strict=True))}
            for i, row in enumerate(rows)
        ],
    ).drop("customer_id")
    owners = frame(
        spark,
        OWNER,
        [
            {"source": "crm", "record_id": "r1", "customer_id": "a"},
            {"source": "web", "record_id": "r1", "customer_id": "a"},
            {"source": "web", "record_id": "r2", "customer_id": "b"},
        ],
    )
    made = build_reconciliation(
        customers(spark, "a", "b"), orders=booked(silver, resolve(silver, owners))
    ).collect()
    totals: dict[tuple[str, str | None, str], Decimal] = defaultdict(Decimal)
    for source, _, gross, returned, currency in rows:
        amounts = {"orders": Decimal(1), "gross": gross, "returns": returned, "net": gross - returned}
        for measure, amount in amounts.items():
            totals[measure, None if measure in COUNTS else currency or "XXX", source] += amount
    assert {(r.measure, r.currency, r.source): r.source_total for r in made} == totals
    assert all(r.in_customers + r.unassigned == r.source_total for r in made)
