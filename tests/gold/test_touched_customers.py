"""Golden records that are taken over from last night: the same tables, and whose are made again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from gold_box import D, frame, rules, table, told
from pyspark.sql import functions as F
from taken_over_tables import whole

from pipelines.gold import touched_customers as module
from pipelines.gold.config import Metrics
from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS, Customers, build_customers
from pipelines.gold.touched_customers import LastNight, touched_customers
from pipelines.queries import computed_once
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    import pyarrow as pa
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
    {"changed", "moved", "ordered", "doubted", "kind", "dated", "landed", "grown", "shrunk", "gone", "new"}
    | {"into", "from"}
)


def night(spark: SparkSession, rows: str, *, merged: bool) -> tuple[DataFrame, DataFrame, DataFrame]:
    """The records of a night, their owners and the register."""
    records = table(spark, CUSTOMER_RECORDS, rows).withColumn("source", F.lit("crm"))
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


@pytest.fixture(scope="module")
def first(spark: SparkSession) -> Customers:
    records, owners, register = night(spark, BEFORE, merged=False)
    made = build_customers(records, owners, register, None, None, rules(), Metrics(), D - timedelta(days=1))
    assert not isinstance(made.attribute_values, TakenOver)
    return Customers(made.customers.localCheckpoint(), made.attribute_values.localCheckpoint())


def tonight(
    spark: SparkSession, first: Customers, last: Customers | None
) -> tuple[DataFrame, DataFrame, Customers]:
    """Both tables, of which ``last`` may be taken over, and as they are built."""
    records, owners, register = night(spark, NOW, merged=True)
    over = last and LastNight(last.customers)
    made = build_customers(
        records, owners, register, None, first.customers, rules(), Metrics(), D, keep=computed_once, last=over
    )
    values = whole(made.attribute_values, ATTRIBUTE_VALUES, last and values_of(last))
    return made.customers, spark.createDataFrame(values), made


def values_of(made: Customers) -> pa.Table:
    assert not isinstance(made.attribute_values, TakenOver)
    return made.attribute_values.toArrow()


def test_the_tables_are_those_of_a_night_that_takes_nothing_over(
    spark: SparkSession, first: Customers
) -> None:
    customers, values, _ = tonight(spark, first, None)
    same_customers, same_values, taken = tonight(spark, first, first)
    assert told(same_customers, *CUSTOMERS.names) == told(customers, *CUSTOMERS.names)
    assert told(same_values, *ATTRIBUTE_VALUES.names) == told(values, *ATTRIBUTE_VALUES.names)
    assert isinstance(taken.attribute_values, TakenOver)


def test_whose_records_say_the_same_as_of_the_same_date_are_taken_over_and_nobody_else(
    spark: SparkSession, first: Customers
) -> None:
    records, owners, _ = night(spark, NOW, merged=True)
    touched = touched_customers(records, owners, LastNight(first.customers), D, computed_once)
    assert touched is not None
    assert told(touched.customers, "customer_id") == TOUCHED
    assert told(touched.owners.filter("customer_id = 'into'"), "record_id", "customer_id") == [
        "from into",
        "into into",
    ]
    assert not isinstance(first.attribute_values, TakenOver)
    marked = Customers(
        first.customers.withColumn("birth_date", F.lit("1900-01-01").cast("date")),
        first.attribute_values.withColumn("value", F.lit("marked")),
    )
    customers, values, _ = tonight(spark, first, marked)
    assert told(customers.filter("birth_date = '1900-01-01'"), "customer_id") == TAKEN_OVER
    of_last_night = values.filter("value = 'marked'").select("customer_id").distinct()
    assert told(of_last_night, "customer_id") == TAKEN_OVER


def test_where_most_are_touched_all_are_made_again(
    spark: SparkSession, first: Customers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FEW", len(TOUCHED) - 1)
    records, owners, _ = night(spark, NOW, merged=True)
    assert touched_customers(records, owners, LastNight(first.customers), D, computed_once) is None
    customers, _, made = tonight(spark, first, first)
    assert customers.filter("given_name = 'Zoe'").count() == 1
    assert not isinstance(made.attribute_values, TakenOver)
