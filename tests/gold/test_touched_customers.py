"""Golden records that are taken over from last night: the same tables, and whose are made again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from gold_box import ORDERS, D, frame, rules, sums, table, told
from pyspark.sql import functions as F
from taken_over_tables import whole

from pipelines.gold import touched_customers as module
from pipelines.gold.attributes import carried_columns
from pipelines.gold.config import Metrics
from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS, Customers, build_customers
from pipelines.gold.touched_customers import STANDING, LastNight, touched_customers
from pipelines.queries import computed_once
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import DataFrame, SparkSession

# A record of crm is of the customer of its name, but for those that OWNERS names.
BEFORE = """
    | record_id | party_type | given_name | surname | second_surname | emails  | match_emails | match_excluded    | _landing_date | updated_at | _batch_id |
    | same      | person     | Ana        | Gil     |                | a@x;b@x | a@x;b@x      |                   | 2026-07-01    |            | 1         |
    | again     | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | changed   | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | moved     | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | ordered   | person     |            |         |                | a@x;b@x | a@x;b@x      |                   | 2026-07-01    |            | 1         |
    | doubted   | person     |            |         |                | a@x     |              |                   | 2026-07-01    |            | 1         |
    | placed    | person     | Ana        |         |                |         |              |                   | 2026-07-01    |            | 1         |
    | kind      | person     | Ana        |         |                |         |              |                   | 2026-07-01    |            | 1         |
    | dated     | person     | Ana        |         |                |         |              |                   | 2026-07-01    | 2026-07-15 | 1         |
    | landed    | person     | Ana        |         |                |         |              |                   | 2026-07-01    |            | 1         |
    | grown     | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | shrunk    | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | s2        | person     | Anna       | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | gone      | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | into      | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | from      | person     | Anna       | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
"""
NOW = """
    | record_id | party_type | given_name | surname | second_surname | emails  | match_emails | match_excluded    | _landing_date | updated_at | _batch_id |
    | same      | person     | Ana        | Gil     |                | a@x;b@x | a@x;b@x      |                   | 2026-07-01    |            | 1         |
    | again     | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 2         |
    | changed   | person     | Eva        | Gil     |                |         |              |                   | 2026-07-01    |            | 2         |
    | moved     | person     | Ana        |         | Gil            |         |              |                   | 2026-07-01    |            | 2         |
    | ordered   | person     |            |         |                | b@x;a@x | a@x;b@x      |                   | 2026-07-01    |            | 2         |
    | doubted   | person     |            |         |                | a@x     |              | email:placeholder | 2026-07-01    |            | 2         |
    | placed    | person     | Ana        |         |                |         |              |                   | 2026-07-01    |            | 2         |
    | kind      | company    | Ana        |         |                |         |              |                   | 2026-07-01    |            | 2         |
    | dated     | person     | Ana        |         |                |         |              |                   | 2026-07-01    | 2026-07-15 | 1         |
    | landed    | person     | Ana        |         |                |         |              |                   | 2026-07-15    |            | 2         |
    | grown     | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | g2        | person     | Anna       | Gil     |                |         |              |                   | 2026-07-15    |            | 2         |
    | shrunk    | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | into      | person     | Ana        | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | from      | person     | Anna       | Gil     |                |         |              |                   | 2026-07-01    |            | 1         |
    | new       | person     | Zoe        |         |                |         |              |                   | 2026-07-15    |            | 2         |
"""
OWNERS = {"s2": "shrunk", "g2": "grown"}
TAKEN_OVER = ["again", "same"]
TOUCHED = sorted(
    {
        "changed",
        "moved",
        "ordered",
        "doubted",
        "placed",
        "kind",
        "dated",
        "landed",
        "grown",
        "shrunk",
        "gone",
        "new",
    }
    | {"into", "from"}
)


def night(spark: SparkSession, rows: str, *, merged: bool) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The records of a night, their owners and the register."""
    records = table(spark, CUSTOMER_RECORDS, rows).withColumn("source", F.lit("crm"))
    # What only says whether a customer is two people counts too.
    place = F.when(F.col("record_id") == "placed", "28013" if merged else "41001")
    records = records.withColumn("match_postal_code", place)
    named = {**OWNERS, **({"from": "into"} if merged else {})}
    owner = F.col("record_id")
    for record, customer in named.items():
        owner = F.when(F.col("record_id") == record, customer).otherwise(owner)
    owners = records.select(
        "source", "record_id", owner.alias("customer_id"), F.date_sub("_landing_date", 0).alias("_landed")
    ).withColumn("first_seen_on", F.least("_landed", F.lit("2026-07-01").cast("date")))
    live = owners.select("customer_id", F.lit(True).alias("is_live")).distinct()
    gone = frame(spark, "customer_id STRING, is_live BOOLEAN", [{"customer_id": "gone", "is_live": False}])
    register = live.unionByName(gone.join(live, on="customer_id", how="left_anti"))
    return (
        records,
        owners.drop("_landed"),
        register.withColumns(
            {
                "first_seen_on": F.lit("2026-07-01").cast("date"),
                "previous_customer_ids": F.array().cast("array<string>"),
            }
        ),
    )


@dataclass(frozen=True)
class Night:
    """Both tables as a night leaves them, and what was handed to the runner."""

    customers: DataFrame
    values: DataFrame
    made: Customers


def made_night(
    spark: SparkSession,
    of: tuple[DataFrame, DataFrame, DataFrame],
    before: Night | None,
    day: date,
    *,
    takes_over: bool = False,
    orders: DataFrame | None = None,
    stale: tuple[str, ...] = (),
) -> Night:
    records, owners, register = of
    made = build_customers(
        records,
        owners,
        register,
        None if orders is None else sums(orders, day=day),
        before and before.customers,
        rules(),
        Metrics(),
        day,
        stale,
        keep=computed_once,
        last=LastNight(before.customers) if before and takes_over else None,
    )
    tables = (
        (made.customers, CUSTOMERS, before and before.customers),
        (made.attribute_values, ATTRIBUTE_VALUES, before and before.values),
    )
    customers, values = (
        spark.createDataFrame(whole(content, table, last and last.toArrow())).localCheckpoint()
        for content, table, last in tables
    )
    return Night(customers, values, made)


@pytest.fixture(scope="module")
def first(spark: SparkSession) -> Night:
    made = made_night(spark, night(spark, BEFORE, merged=False), None, D - timedelta(days=1))
    assert not isinstance(made.made.attribute_values, TakenOver)
    return made


def tonight(spark: SparkSession, first: Night, *, takes_over: bool) -> Night:
    return made_night(spark, night(spark, NOW, merged=True), first, D, takes_over=takes_over)


def is_same(one: Night, other: Night) -> bool:
    return told(one.customers, *CUSTOMERS.names) == told(other.customers, *CUSTOMERS.names) and told(
        one.values, *ATTRIBUTE_VALUES.names
    ) == told(other.values, *ATTRIBUTE_VALUES.names)


def made_again(customers: Customers) -> list[str]:
    """Whose rows of gold/customers do not stand."""
    assert isinstance(customers.customers, TakenOver)
    return told(customers.customers.gone, "customer_id")


def test_the_tables_are_those_of_a_night_that_takes_nothing_over(spark: SparkSession, first: Night) -> None:
    taken = tonight(spark, first, takes_over=True)
    assert is_same(taken, tonight(spark, first, takes_over=False))
    assert isinstance(taken.made.attribute_values, TakenOver)
    assert made_again(taken.made) == TOUCHED


def test_whose_records_say_the_same_as_of_the_same_date_are_taken_over_and_nobody_else(
    spark: SparkSession, first: Night
) -> None:
    records, owners, _ = night(spark, NOW, merged=True)
    touched = touched_customers(records, owners, LastNight(first.customers), D, computed_once)
    assert touched is not None
    assert told(touched.customers, "customer_id") == TOUCHED
    assert told(touched.owners.filter("customer_id = 'into'"), "record_id", "customer_id") == [
        "from into",
        "into into",
    ]
    marked = Night(
        first.customers.withColumn("birth_date", F.lit("1900-01-01").cast("date")),
        first.values.withColumn("value", F.lit("marked")),
        first.made,
    )
    taken = tonight(spark, marked, takes_over=True)
    is_marked = "birth_date = '1900-01-01' AND is_live"
    assert told(taken.customers.filter(is_marked), "customer_id") == TAKEN_OVER
    of_last_night = taken.values.filter("value = 'marked'").select("customer_id").distinct()
    assert told(of_last_night, "customer_id") == TAKEN_OVER


def test_a_row_is_made_again_too_where_orders_or_the_register_say_otherwise(
    spark: SparkSession, first: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, owners, register = night(spark, BEFORE, merged=False)
    orders = frame(
        spark,
        ORDERS,
        """
        | customer_id | order_id | order_date | status    | gross | returned | net | quantity_net |
        | same        | 1        | 2026-07-01 | completed | 5     | 0        | 5   | 1            |
        """,
    )
    was_another = F.when(F.col("customer_id") == "again", F.array(F.lit("old")))
    former = F.coalesce(was_another, F.col("previous_customer_ids"))
    register = register.filter("customer_id != 'kind'").withColumn("previous_customer_ids", former)
    owners = owners.filter("customer_id != 'kind'")
    of = (records, owners, register)
    taken = made_night(spark, of, first, D, takes_over=True, orders=orders)
    assert made_again(taken.made) == ["again", "dated", "kind", "same"]
    built = made_night(spark, of, first, D, orders=orders)
    assert is_same(taken, built)
    monkeypatch.setattr(module, "FEW", 3)
    whole_again = made_night(spark, of, first, D, takes_over=True, orders=orders)
    assert not isinstance(whole_again.made.customers, TakenOver)
    assert isinstance(whole_again.made.attribute_values, TakenOver)
    assert is_same(whole_again, built)


def test_a_source_that_becomes_stale_shows_in_every_row_of_its_customers_once(
    spark: SparkSession, first: Night
) -> None:
    of = night(spark, BEFORE, merged=False)
    stale = made_night(spark, of, first, D, takes_over=True, stale=("crm",))
    assert is_same(stale, made_night(spark, of, first, D, stale=("crm",)))
    assert set(made_again(stale.made)) == {row["customer_id"] for row in first.customers.collect()}
    another = made_night(spark, of, stale, D + timedelta(days=1), takes_over=True, stale=("crm",))
    assert made_again(another.made) == []


def test_every_column_of_a_row_that_stands_is_looked_at_or_follows_from_what_is() -> None:
    """Of the golden record tells the digest; a column with another origin has to be compared, or it would be last night's."""
    of_record = {
        "party_type",
        "record_count",
        "sources_present",
        "records_digest",
        "mixture_signs",
        *carried_columns(),
    }
    derived = {"full_name", "sources_missing", "completeness", "is_stale", "stale_sources"}
    assert {"customer_id", *STANDING, *of_record, *derived, "as_of"} == set(CUSTOMERS.names)


def test_where_most_are_touched_all_are_made_again(
    spark: SparkSession, first: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", len(TOUCHED) - 1)
    records, owners, _ = night(spark, NOW, merged=True)
    assert touched_customers(records, owners, LastNight(first.customers), D, computed_once) is None
    taken = tonight(spark, first, takes_over=True)
    assert taken.customers.filter("given_name = 'Zoe'").count() == 1
    assert not isinstance(taken.made.attribute_values, TakenOver)
    assert not isinstance(taken.made.customers, TakenOver)
