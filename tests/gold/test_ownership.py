"""Whose is a record: live, deleted, merged, split, erased; and that orders follow it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from gold_box import frame, told

from pipelines.gold.ownership import customer_register, live_owners, record_owners, resolve, resolve_orders
from pipelines.gold.xref import build_xref

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

ASSIGNMENTS = """
    | source | record_id | customer_id |
    | crm    | live      | A           |
    | web    | moved     | A           |
    | crm    | kept      | S           |
    | crm    | left      | T           |
    | crm    | returned  | V           |
"""
HISTORY = """
    | source | record_id | customer_id | valid_from | valid_to   |
    | crm    | live      | A           | 2026-01-01 |            |
    | web    | moved     | B           | 2026-01-01 | 2026-02-01 |
    | web    | moved     | A           | 2026-02-01 |            |
    | pos    | of_merged | B           | 2026-01-01 | 2026-01-20 |
    | crm    | kept      | S           | 2026-01-01 |            |
    | crm    | left      | S           | 2026-01-01 | 2026-03-01 |
    | crm    | left      | T           | 2026-03-01 |            |
    | pos    | of_split  | S           | 2026-01-01 | 2026-02-01 |
    | pos    | orphan    | O           | 2026-01-15 | 2026-04-01 |
    | pos    | erased    | E           | 2026-01-01 | 2026-04-01 |
    | pos    | twice     | M           | 2026-01-01 | 2026-01-10 |
    | crm    | returned  | V           | 2026-01-01 | 2026-02-01 |
    | crm    | returned  | A           | 2026-02-01 | 2026-03-01 |
    | crm    | returned  | V           | 2026-03-01 |            |
    | pos    | of_v      | V           | 2026-01-01 | 2026-01-05 |
"""
ALIASES = """
    | customer_id | became | kind   | valid_from | valid_to   |
    | B           | A      | merged | 2026-02-01 |            |
    | S           | S      | split  | 2026-03-01 |            |
    | S           | T      | split  | 2026-03-01 |            |
    | E           |        | erased | 2026-04-01 |            |
    | M           | A      | merged | 2026-02-01 |            |
    | M           | T      | merged | 2026-02-01 |            |
    | V           | A      | merged | 2026-02-01 | 2026-03-01 |
"""
RECORD = "source STRING, record_id STRING, customer_id STRING"


class Identity(NamedTuple):
    assignments: DataFrame
    history: DataFrame
    aliases: DataFrame


@pytest.fixture(scope="module")
def identity(spark: SparkSession) -> Identity:
    return Identity(
        frame(spark, RECORD, ASSIGNMENTS),
        frame(spark, f"{RECORD}, valid_from DATE, valid_to DATE", HISTORY),
        frame(
            spark, "customer_id STRING, became STRING, kind STRING, valid_from DATE, valid_to DATE", ALIASES
        ),
    )


def test_a_record_belongs_to_its_customer_or_to_what_that_became(identity: Identity) -> None:
    owners = record_owners(*identity)
    assert told(live_owners(build_xref(owners)), "record_id", "customer_id", "first_seen_on") == [
        "kept S 2026-01-01",
        "left T 2026-01-01",
        "live A 2026-01-01",
        "moved A 2026-01-01",
        "returned V 2026-01-01",
    ]
    assert told(owners, "record_id", "customer_id", "is_live", "valid_from", "first_seen_on") == [
        "erased - False 2026-01-01 2026-01-01",
        "kept S True 2026-01-01 2026-01-01",
        "left T True 2026-03-01 2026-01-01",
        "live A True 2026-01-01 2026-01-01",
        "moved A True 2026-02-01 2026-01-01",
        "of_merged A False 2026-01-01 2026-01-01",
        "of_split S False 2026-01-01 2026-01-01",
        "of_v V False 2026-01-01 2026-01-01",
        "orphan O False 2026-01-15 2026-01-15",
        "returned V True 2026-03-01 2026-01-01",
        "twice - False 2026-01-01 2026-01-01",
    ]


def test_every_id_that_was_neither_merged_nor_erased_is_a_customer(identity: Identity) -> None:
    register = customer_register(*identity)
    assert told(register, "customer_id", "is_live", "first_seen_on", "previous_customer_ids") == [
        "A True 2026-01-01 B;M",
        "O False 2026-01-15 []",
        "S True 2026-01-01 []",
        "T True 2026-03-01 M;S",
        "V True 2026-01-01 []",
    ]


def test_an_order_follows_its_record_and_an_unknown_record_is_nobodys(
    spark: SparkSession, identity: Identity
) -> None:
    orders = frame(
        spark,
        "order_id STRING, source STRING, record_id STRING",
        """
        | order_id | source | record_id |
        | 1        | crm    | live      |
        | 2        | pos    | of_merged |
        | 3        | pos    | erased    |
        | 4        | crm    | not_yet   |
        | 5        | crm    |           |
        | 6        | web    | live      |
        """,
    )
    expected = ["1 A", "2 A", "3 -", "4 -", "5 -", "6 -"]
    assert told(resolve_orders(orders, *identity), "order_id", "customer_id") == expected
    assert told(resolve(orders, record_owners(*identity)), "order_id", "customer_id") == expected


def test_xref_holds_the_records_that_somebody_owns(identity: Identity) -> None:
    xref = build_xref(record_owners(*identity))
    assert told(xref.filter("NOT is_live"), "customer_id", "source", "record_id", "valid_from") == [
        "A pos of_merged 2026-01-01",
        "O pos orphan 2026-01-15",
        "S pos of_split 2026-01-01",
        "V pos of_v 2026-01-01",
    ]
