"""gold/customers: who exists, what is known of them, and what stays of those whose records are gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gold_box import D, frame, orders, rules, sums, table, told

from pipelines.gold.config import Metrics
from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS, Customers, build_customers
from pipelines.gold.rates import converted
from pipelines.silver.customer_records import CUSTOMER_RECORDS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

RECORDS = """
    | source | record_id | party_type | given_name | surname | company_name   | updated_at | _landing_date | match_birth_date |
    | crm    | c1        | person     | Ana        | Gil     |                | 2026-01-01 | 2026-01-01    | 1980-01-01       |
    | web    | w1        | person     | Ana        | Gil     |                | 2026-01-02 | 2026-01-01    | 1980-02-01       |
    | erp    | e1        | company    |            |         | Muebles SA     | 2026-01-01 | 2026-01-01    |                  |
    | pos    | p1        | unknown    |            |         |                | 2026-01-01 | 2026-01-01    |                  |
    | crm    | c2        | person     | Eva        | Paz     |                | 2026-01-01 | 2026-01-01    | 1990-01-01       |
    | crm    | nobodys   | person     | Leo        | Roa     |                | 2026-01-01 | 2026-01-01    |                  |
"""
OWNERS = """
    | source | record_id | customer_id | is_live | first_seen_on |
    | crm    | c1        | ana         | true    | 2026-01-01    |
    | web    | w1        | ana         | true    | 2026-01-01    |
    | erp    | e1        | firm        | true    | 2026-01-01    |
    | pos    | p1        | card        | true    | 2026-01-01    |
    | crm    | c2        | eva         | true    | 2026-01-01    |
    | web    | w9        | gone        | false   | 2026-01-01    |
    | web    | w8        |             | false   | 2026-01-01    |
"""
REGISTER = """
    | customer_id | is_live | first_seen_on | previous_customer_ids |
    | ana         | true    | 2026-01-01    | old                   |
    | firm        | true    | 2026-01-01    |                       |
    | card        | true    | 2026-01-01    |                       |
    | eva         | true    | 2026-01-01    |                       |
    | gone        | false   | 2026-01-01    |                       |
    | unseen      | false   | 2026-01-01    |                       |
"""
PREVIOUS = """
    | customer_id | party_type | given_name | surname | name_source | name_record_id | name_as_of | is_live |
    | gone        | person     | Sol        | Rey     | web         | w9             | 2026-01-01 | true    |
    | ana         | person     | Anna       | Gil     | web         | w1             | 2026-01-01 | true    |
"""
BOUGHT = """
    | customer_id | order_id | order_date | status    | gross | returned |
    | ana         | 1        | 2026-07-01 |           | 10    |          |
    | ana         | 2        | 2025-07-16 |           | 10    |          |
    | ana         | 3        | 2026-07-02 |           | 10    | 4        |
    | eva         | 4        | 2026-07-01 |           | 10    | 10       |
    | eva         | 5        | 2026-07-01 | cancelled | 0     |          |
    | eva         | 6        | 2026-07-16 |           | 10    |          |
    | firm        | 7        | 2025-07-15 |           | 10    |          |
    | firm        | 8        | 2026-07-01 |           | 10    |          |
    | firm        | 9        | 2026-07-01 |           | 10    |          |
    | gone        | 10       | 2019-07-01 |           | 10    |          |
    |             | 11       | 2026-07-01 |           | 10    |          |
"""


def inputs(spark: SparkSession) -> tuple[DataFrame, DataFrame, DataFrame, DataFrame]:
    owner = "source STRING, record_id STRING, customer_id STRING, is_live BOOLEAN, first_seen_on DATE"
    customer = "customer_id STRING, is_live BOOLEAN, first_seen_on DATE, previous_customer_ids ARRAY<STRING>"
    # A table of an earlier version lacks what was added since.
    previous = table(spark, CUSTOMERS, PREVIOUS).drop("language", "preferences_as_of")
    return (
        table(spark, CUSTOMER_RECORDS, RECORDS),
        frame(spark, owner, OWNERS).filter("is_live"),
        frame(spark, customer, REGISTER),
        previous,
    )


@pytest.fixture(scope="module")
def made(spark: SparkSession) -> Customers:
    records, owners, register, previous = inputs(spark)
    made = build_customers(
        records,
        owners,
        register,
        sums(orders(spark, BOUGHT)),
        previous,
        rules(),
        Metrics(),
        D,
        stale_sources=["web", "support"],
    )
    return Customers(made.customers.localCheckpoint(), made.attribute_values)


def test_one_row_an_id_of_the_register_live_or_not(made: Customers) -> None:
    assert told(
        made.customers, "customer_id", "party_type", "is_live", "record_count", "previous_customer_ids"
    ) == [
        "ana person True 2 old",
        "card unknown True 1 -",
        "eva person True 1 -",
        "firm company True 1 -",
        "gone person False 0 -",
        "unseen unknown False 0 -",
    ]


def test_who_bought_something_and_kept_it_is_a_customer_three_orders_a_year_make_it_habitual(
    made: Customers,
) -> None:
    assert told(made.customers, "customer_id", "party_state", "habitual") == [
        "ana customer True",
        "card known_user False",
        "eva known_user False",
        "firm customer False",
        "gone customer False",
        "unseen known_user False",
    ]


def test_a_customer_without_records_keeps_the_last_known_values(made: Customers) -> None:
    names = ("customer_id", "full_name", "name_source", "name_record_id")
    assert told(made.customers, *names) == [
        "ana Ana Gil crm c1",
        "card - - -",
        "eva Eva Paz crm c2",
        "firm Muebles SA erp e1",
        "gone Sol Rey web w9",
        "unseen - - -",
    ]


def test_what_speaks_for_two_people_in_one_customer_is_named(made: Customers) -> None:
    assert told(made.customers, "customer_id", "mixture_signs") == [
        "ana birth_dates",
        "card []",
        "eva []",
        "firm []",
        "gone []",
        "unseen []",
    ]


def test_money_too_small_for_the_reporting_currency_is_bought_all_the_same(spark: SparkSession) -> None:
    """Of an order without lines its own money says that something was kept, whatever it is worth elsewhere."""
    records, owners, register, _ = inputs(spark)
    bought = orders(
        spark,
        [{"customer_id": "eva", "order_id": "1", "order_date": str(D), "gross": 1, "currency": "VND"}],
    )
    rate = [{"date": "2026-01-01", "currency": "VND", "rate": "0.0000351"}]
    rates = frame(spark, "date DATE, currency STRING, rate DECIMAL(20,10)", rate)
    of = sums(converted(bought, rates, "EUR"))
    made = build_customers(records, owners, register, of, None, rules(), Metrics(), D).customers
    assert told(made.filter("customer_id = 'eva'"), "party_state") == ["customer"]
    assert told(of, "booked_currency", "currency", "net", "money_net", "bought", "n") == ["VND EUR 1 0 1 0"]


def test_sources_present_missing_and_stale(made: Customers) -> None:
    names = ("customer_id", "sources_present", "sources_missing", "stale_sources", "is_stale", "completeness")
    assert told(made.customers, *names) == [
        "ana crm;web pos web True 0.0833",
        "card pos crm;web [] False 0",
        "eva crm pos;web [] False 0.0833",
        "firm erp crm [] False 0.0833",
        "gone [] crm;pos;web [] False 0.0833",
        "unseen [] crm;pos;web [] False 0",
    ]


def test_the_values_to_choose_from_are_a_table_beside_it(made: Customers) -> None:
    assert made.attribute_values.columns == ATTRIBUTE_VALUES.names


def test_the_first_night_has_no_previous_view_and_may_have_no_orders(spark: SparkSession) -> None:
    records, owners, register, _ = inputs(spark)
    first = build_customers(records, owners, register, None, None, rules(), Metrics(), D).customers
    assert told(first, "customer_id", "party_state", "party_type") == [
        "ana known_user person",
        "card known_user unknown",
        "eva known_user person",
        "firm known_user company",
        "gone known_user unknown",
        "unseen known_user unknown",
    ]
