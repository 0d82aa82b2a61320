"""Service: what is counted, what a time is, and what is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gold_box import CASES, D, customers, frame, told

from pipelines.gold.config import Metrics
from pipelines.gold.service import SERVICE, build_service

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# The business date is 2026-07-15 in Madrid: it ends at 22:00 UTC.
ASKED = """
    | customer_id | case_id | case_type | opened_at           | first_response_at   | closed_at           | is_open | csat | is_reopened |
    | ana         | 1       | claim     | 2026-05-01 10:00:00 | 2026-05-01 10:10:00 | 2026-05-01 12:00:00 | false   | 5    | true        |
    | ana         | 2       | request   | 2026-05-02 10:00:00 | 2026-05-02 10:20:00 | 2026-05-02 14:00:00 | false   | 4    | false       |
    | ana         | 3       | query     | 2026-07-10 10:00:00 | 2026-07-10 11:30:00 | 2026-07-10 16:00:00 | false   | 1    | true        |
    | ana         | 4       | other     | 2026-07-12 10:00:00 |                     |                     | true    |      | false       |
    | ana         | 5       | claim     | 2026-07-14 10:00:00 | 2026-07-14 12:00:00 |                     | true    |      |             |
    | ana         | 6       | query     | 2026-07-15 22:00:00 |                     |                     | false   |      |             |
    | late        | 7       | claim     | 2026-07-15 21:59:59 | 2026-07-15 22:00:01 | 2026-07-15 22:00:02 | true    |      |             |
    | odd         | 8       | query     | 2026-07-01 10:00:00 | 2026-07-01 09:00:00 | 2026-07-01 08:00:00 | false   |      |             |
    | odd         | 9       | query     | 2026-07-01 10:00:00 |                     | 2026-07-01 11:00:00 | false   |      |             |
    |             | 10      | claim     | 2026-07-01 10:00:00 |                     |                     | true    |      |             |
    | former      | 11      | claim     | 2026-07-01 10:00:00 |                     |                     | true    |      |             |
"""
COUNTS = ("cases", "claims", "requests", "queries", "other_cases", "n")


@pytest.fixture(scope="module")
def cases(spark: SparkSession) -> DataFrame:
    return frame(spark, CASES, ASKED).localCheckpoint()


@pytest.fixture(scope="module")
def service(spark: SparkSession, cases: DataFrame) -> DataFrame:
    ids = customers(spark, "ana", "late", "odd", "silent")
    return build_service(ids, cases, Metrics(), D, timezone="Europe/Madrid").localCheckpoint()


def test_cases_by_type_of_each_customer_and_of_nobody_else(service: DataFrame) -> None:
    assert service.columns == SERVICE.names
    assert told(service, "customer_id", *COUNTS) == [
        "ana 5 2 1 1 1 5",
        "late 1 1 0 0 0 1",
        "odd 2 0 0 2 0 2",
        "silent 0 0 0 0 0 0",
    ]


def test_response_times_are_of_answered_cases_and_the_unanswered_are_counted(service: DataFrame) -> None:
    names = ("answered_cases", "unanswered_cases", "first_response_minutes", "first_response_minutes_mean")
    assert told(service, "customer_id", *names, "first_response_minutes_p90") == [
        "ana 4 1 55 60 111",  # 10, 20, 90, 120 minutes
        "late 0 1 - - -",  # answered after the day was over
        "odd 0 0 - - -",  # answered before it was opened; closed without an answer
        "silent 0 0 - - -",
    ]


def test_open_cases_and_the_time_to_the_last_resolution(service: DataFrame) -> None:
    names = ("open_cases", "oldest_open_days", "solved_cases", "resolution_hours", "resolution_hours_p90")
    assert told(service, "customer_id", *names) == [
        "ana 2 3 3 4 5.6",  # 2, 4, 6 hours
        "late 1 0 0 - -",
        "odd 0 - 2 1 1",
        "silent 0 - 0 - -",
    ]


def test_the_reopen_rate_is_of_cases_closed_long_enough_ago(service: DataFrame) -> None:
    assert told(service, "customer_id", "reopened_cases", "settled_cases", "reopen_rate") == [
        "ana 2 2 0.5",
        "late 0 0 -",
        "odd 0 0 -",
        "silent 0 0 -",
    ]


def test_satisfaction_counts_answers_and_no_answer_is_not_zero(service: DataFrame) -> None:
    assert told(service, "customer_id", "csat_responses", "csat_top2_share", "csat_mean") == [
        "ana 3 0.6667 3.3333",
        "late 0 - -",
        "odd 0 - -",
        "silent 0 - -",
    ]


def test_a_window_limits_what_was_opened_in_it_but_not_the_backlog(
    spark: SparkSession, cases: DataFrame
) -> None:
    two_days = Metrics.model_validate({"service": {"window_days": 2, "reopen_days": 0}})
    service = build_service(customers(spark, "ana"), cases, two_days, D, timezone="Europe/Madrid")
    names = (
        "cases",
        "open_cases",
        "unanswered_cases",
        "first_response_minutes",
        "csat_responses",
        "n",
        "window_days",
    )
    assert told(service, *names) == ["1 2 1 120 0 5 2"]


def test_a_source_that_is_missing_or_stale_says_nothing_instead_of_zero(
    spark: SparkSession, cases: DataFrame
) -> None:
    ids = customers(spark, "late", "silent")
    absent = build_service(ids, None, Metrics(), D, timezone="UTC")
    stale = build_service(ids, cases, Metrics(), D, timezone="Europe/Madrid", stale_sources=["support"])
    names = ("customer_id", "cases", "open_cases", "reopened_cases", "n", "is_stale")
    assert told(absent.unionByName(stale), *names) == [
        "late - - - - False",
        "late 1 1 0 1 True",
        "silent - - - - False",
        "silent - - - - True",
    ]


def test_a_day_ends_at_midnight_of_the_business_zone(spark: SparkSession, cases: DataFrame) -> None:
    ids = customers(spark, "ana", "late")
    in_mexico = build_service(ids, cases, Metrics(), D, timezone="America/Mexico_City")
    assert told(in_mexico, "customer_id", "cases", "answered_cases") == ["ana 6 4", "late 1 1"]


def test_a_mean_is_the_same_whatever_order_the_cases_come_in(spark: SparkSession) -> None:
    # Waits of 1, 2 and 6 seconds: as fractions of a minute their sum depends on which come first.
    asked = """
        | customer_id | case_id | case_type | opened_at           | first_response_at   | is_open |
        | ana         | 1       | claim     | 2026-07-01 10:00:00 | 2026-07-01 10:00:01 | false   |
        | ana         | 2       | claim     | 2026-07-01 10:00:00 | 2026-07-01 10:00:02 | false   |
        | ana         | 3       | claim     | 2026-07-01 10:00:00 | 2026-07-01 10:00:06 | false   |
    """
    one_task = frame(spark, CASES, asked).coalesce(1)

    def mean(cases: DataFrame) -> float | None:
        made = build_service(customers(spark, "ana"), cases, Metrics(), D, timezone="Europe/Madrid").first()
        return None if made is None else made.first_response_minutes_mean

    orders = [
        one_task.sortWithinPartitions("case_id", ascending=up).localCheckpoint() for up in (True, False)
    ]
    assert [mean(cases) for cases in orders] == [0.05, 0.05]
