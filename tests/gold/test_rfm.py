"""RFM: what counts, what a score means, and that it does not move because others did."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from gold_box import RETURNS, D, customers, frame, line, lines, orders, sums, table, told

from pipelines.gold.config import Metrics
from pipelines.gold.rfm import RFM, Rfm, build_rfm
from pipelines.gold.rfm_cut_points import RFM_CUT_POINTS, build_cut_points, in_force
from pipelines.gold.rfm_scores import relative_cut_points
from pipelines.gold.rfm_segments import CELLS, SEGMENTS, SPANISH, TIERS
from pipelines.tables import Personal

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

METRICS = Metrics()
FREQUENCIES = (1, 1, 1, 1, 1, 1, 2, 3, 5, 9)


def before(days: int) -> str:
    return str(D - timedelta(days=days))


BOUGHT = """
    | customer_id | order_id | order_date | status    | gross | returned | currency |
    | two         | o01      | 2026-07-01 |           | 10    |          | EUR      |
    | two         | o02      | 2026-07-02 |           | 20    |          | MXN      |
    | gone        | o03      | 2025-07-15 |           | 40    |          | EUR      |
    | edge        | o04      | 2025-07-16 |           | 40    |          | EDG      |
    | edge        | o05      | 2025-07-15 |           | 70    |          | EDG      |
    | undone      | o06      | 2026-07-01 |           | 50    | 50       | EUR      |
    | void        | o07      | 2026-07-01 | cancelled | 0     |          | EUR      |
    | early       | o08      | 2026-07-16 |           | 60    |          | EUR      |
    | late_return | o09      | 2025-06-01 |           | 100   | 30       | EUR      |
    | part        | o10      | 2026-07-01 |           | 100   | 30       | PRT      |
    | part        | o11      | 2026-07-03 |           | 15    | 15       | PRT      |
    | part        | o12      | 2026-07-02 |           | 0     | 5        | PRT      |
    | old_currency | o13     | 2024-07-01 |           | 10    |          | EUR      |
    | old_currency | o14     | 2026-07-01 |           | 10    |          | OLD      |
    | two_returns | o15      | 2025-01-01 |           | 10    | 1        | EUR      |
    | two_returns | o16      | 2025-02-01 |           | 10    | 1        | MXN      |
    | no_currency | o17      | 2026-07-01 |           | 10    |          |          |
    | steady      | o18      | 2026-07-05 |           | 30    |          | FRZ      |
    | mover       | o19      | 2026-07-14 |           | 900   |          | FRZ      |
    |             | o20      | 2026-07-14 |           | 900   |          | EUR      |
"""
BACK = """
    | return_id | order_id | return_date | amount | currency | is_matched |
    | r1        | o09      | 2026-07-01  | 30     | EUR      | true       |
    | r2        | o10      | 2026-07-10  | 10     | PRT      | true       |
    | r3        | o11      | 2026-07-10  | 15     | PRT      | true       |
    | r4        | o10      | 2026-07-16  | 50     | PRT      | true       |
    | r5        | nowhere  | 2026-07-10  | 70     | PRT      | false      |
    | r6        | o15      | 2026-07-10  | 1      | EUR      | true       |
    | r7        | o16      | 2026-07-10  | 1      | MXN      | true       |
"""
FROZEN = """
    | version | metric     | score | lower |
    | 7       | recency    | 1     |       |
    | 7       | recency    | 2     | -50   |
    | 7       | recency    | 3     | -40   |
    | 7       | recency    | 4     | -11   |
    | 7       | recency    | 5     | -5    |
    | 7       | frequency  | 1     |       |
    | 7       | frequency  | 2     | 1     |
    | 7       | frequency  | 3     | 1     |
    | 7       | frequency  | 4     | 1     |
    | 7       | monetary   | 1     |       |
    | 7       | monetary   | 2     | 30    |
    | 7       | value_tier | 1     |       |
    | 7       | value_tier | 2     | 20    |
    | 7       | value_tier | 3     | 30.01 |
"""


@pytest.fixture(scope="module")
def night(spark: SparkSession) -> Rfm:
    """One night of many stories, each in a currency of its own where ranks matter."""
    tied = [
        {
            "customer_id": f"t{i}",
            "order_id": f"t{i}-{k}",
            "order_date": before(3),
            "gross": 10,
            "currency": "TIE",
        }
        for i, count in enumerate(FREQUENCIES)
        for k in range(count)
    ]
    bought = [{k: v for k, v in row.items() if v is not None} for row in lines(BOUGHT)] + tied
    frozen = [
        {
            **row,
            "valid_from": "2026-07-01",
            "currency": "FRZ",
            "n": 90,
            "definition_version": METRICS.calibration(),
        }
        for row in lines(FROZEN)
    ]
    ids = sorted({str(row["customer_id"]) for row in bought if row.get("customer_id")} | {"nobody"})
    made = build_rfm(
        customers(spark, *ids),
        sums(orders(spark, bought), frame(spark, RETURNS, BACK), METRICS),
        table(spark, RFM_CUT_POINTS, frozen),
        METRICS,
        D,
    )
    return Rfm(rfm=made.rfm.localCheckpoint(), cut_points=made.cut_points.localCheckpoint())


@pytest.fixture(scope="module")
def rows(night: Rfm) -> list[dict[str, Any]]:
    return [row.asDict() for row in night.rfm.collect()]


def of(rows: list[dict[str, Any]], customer: str, *names: str) -> list[str]:
    return sorted(line(row, *names) for row in rows if row["customer_id"] == customer)


def test_ties_share_a_score_and_no_score_depends_on_a_tie_breaker(rows: list[dict[str, Any]]) -> None:
    scores = [of(rows, f"t{i}", "f_score", "m_score", "r_score")[0] for i in range(10)]
    assert scores == [*["1 1 1"] * 6, "4 4 1", "4 4 1", "5 5 1", "5 5 1"]
    assert [of(rows, f"t{i}", "value_tier")[0] for i in range(10)] == [
        *["Low"] * 6,
        "Medium",
        "Medium",
        "Bronze",
        "Silver",
    ]


def test_every_customer_has_a_row_and_nobody_else(rows: list[dict[str, Any]]) -> None:
    ids = {row["customer_id"] for row in rows}
    assert len(ids) == 24
    assert {"nobody", "void"} < ids
    keys = [(row["customer_id"], row["currency"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_the_window_is_the_days_that_end_with_the_business_date(rows: list[dict[str, Any]]) -> None:
    assert of(rows, "edge", "frequency", "monetary", "recency_days", "n") == ["1 40 364 2"]
    assert of(rows, "gone", "frequency", "monetary", "recency_days", "segment", "unscored_reason") == [
        "0 0 365 inactive no_order_in_window"
    ]


def test_who_never_kept_anything_is_a_prospect(rows: list[dict[str, Any]]) -> None:
    for customer in ("nobody", "void", "undone", "early"):
        told = of(
            rows, customer, "frequency", "monetary", "n", "segment", "segment_es", "r_score", "lifecycle"
        )
        assert told == ["0 0 0 prospect Prospectos - prospect"], customer


def test_returns_count_on_the_day_they_are_booked(rows: list[dict[str, Any]]) -> None:
    assert of(rows, "late_return", "frequency", "monetary", "segment") == ["0 -30 inactive"]
    # 100 − 10 by a row − 20 without one; 15 − 15; −5; the row after the business date not yet, the unmatched never.
    assert of(rows, "part", "frequency", "monetary", "recency_days") == ["1 65 14"]


def test_two_currencies_have_a_row_each_no_scores_and_the_reason(rows: list[dict[str, Any]]) -> None:
    assert of(rows, "two", "currency", "monetary", "r_score", "rfm_code", "segment", "unscored_reason") == [
        "EUR 10 - - - two_currencies",
        "MXN 20 - - - two_currencies",
    ]
    assert of(rows, "old_currency", "currency", "frequency", "unscored_reason") == ["OLD 1 -"]
    assert of(rows, "two_returns", "currency", "monetary", "segment", "unscored_reason") == [
        "EUR -1 inactive no_order_in_window",
        "MXN -1 inactive no_order_in_window",
    ]
    assert of(rows, "no_currency", "currency", "frequency", "r_score") == ["XXX 1 1"]


def test_published_scores_are_the_frozen_ones_beside_the_relative(rows: list[dict[str, Any]]) -> None:
    names = (
        "rfm_code",
        "rf_cell",
        "segment",
        "segment_es",
        "value_tier",
        "cut_points_version",
        "r_score_relative",
    )
    assert of(rows, "steady", *names) == ["442 44 Loyal Leales Medium 7 1"]
    assert of(rows, "mover", *names) == ["542 54 Champions Campeones Bronze 7 3"]


def test_only_a_currency_without_points_is_calibrated_in_the_middle_of_a_month(night: Rfm) -> None:
    versions = night.cut_points.select("currency", "version").distinct()
    assert told(versions, "currency", "version") == ["EDG 8", "FRZ 7", "OLD 8", "PRT 8", "TIE 8", "XXX 8"]


def test_the_rows_say_what_they_follow(rows: list[dict[str, Any]]) -> None:
    row = rows[0]
    assert line(row, "window_days", "is_stale", "as_of") == "365 False 2026-07-15"
    assert row["definition_version"] == METRICS.rfm_definition()
    assert set(row) == set(RFM.names)


def test_a_source_that_is_missing_or_stale_says_nothing_instead_of_zero(spark: SparkSession) -> None:
    ids = customers(spark, "buyer", "silent")
    absent = build_rfm(ids, None, None, METRICS, D).rfm
    bought = orders(
        spark,
        [{"customer_id": "buyer", "order_id": "1", "order_date": before(2), "gross": 5, "currency": "EUR"}],
    )
    stale = build_rfm(ids, sums(bought), None, METRICS, D, stale_sources=["orders"]).rfm
    names = ("customer_id", "frequency", "monetary", "n", "segment", "unscored_reason", "is_stale")
    assert told(absent.unionByName(stale), *names) == [
        "buyer - - - - orders_not_delivered False",
        "buyer 1 5 1 Hibernating - True",
        "silent - - - - orders_not_delivered False",
        "silent - - - prospect never_bought True",
    ]


def scored(spark: SparkSession) -> DataFrame:
    ddl = "customer_id STRING, currency STRING, recency_days INT, frequency BIGINT, monetary DECIMAL(20,4)"
    rows = [
        {"customer_id": f"c{i}", "currency": "EUR", "recency_days": i, "frequency": 1, "monetary": 100 * i}
        for i in range(10)
    ]
    return frame(spark, ddl, rows)


def test_cut_points_change_with_the_first_night_of_a_month_or_the_definition(spark: SparkSession) -> None:
    tonight = relative_cut_points(scored(spark), METRICS.value_tiers).localCheckpoint()
    first = build_cut_points(tonight, None, "a", D.replace(day=3)).localCheckpoint()
    assert told(first.filter("metric = 'monetary'"), "version", "valid_from", "score", "lower", "n") == [
        "1 2026-07-03 1 - 10",
        "1 2026-07-03 2 200 10",
        "1 2026-07-03 3 400 10",
        "1 2026-07-03 4 600 10",
        "1 2026-07-03 5 800 10",
    ]
    same_month = build_cut_points(tonight, first, "a", D.replace(day=31))
    next_month = build_cut_points(tonight, first, "a", D.replace(month=8, day=3)).localCheckpoint()
    redefined = build_cut_points(tonight, first, "b", D.replace(day=4))
    held = [
        *told(same_month.select("version", "valid_from").distinct(), "version", "valid_from"),
        *told(next_month.select("version", "valid_from").distinct(), "version", "valid_from"),
        *told(redefined.select("version", "definition_version").distinct(), "version", "definition_version"),
    ]
    assert held == ["1 2026-07-03", "1 2026-07-03", "2 2026-08-03", "1 a", "2 b"]
    in_july = in_force(next_month, "a", D.replace(day=31)).select("version").distinct()
    assert told(in_july, "version") == ["1"]
    assert in_force(next_month, "b", D).isEmpty()


def test_the_segments_are_disjoint_and_exhaust_the_grid() -> None:
    cells = [cell for s in SEGMENTS for cell in product(s.recency, s.frequency)]
    assert sorted(cells) == sorted(product(range(1, 6), repeat=2))
    assert len(CELLS) == 25
    assert len(SPANISH) == len(SEGMENTS) + 2
    assert len(TIERS) == 6


def test_a_definition_is_named_by_all_that_it_depends_on() -> None:
    others = [
        Metrics(window_days=None),
        Metrics(cancelled_statuses=("cancelled", "void")),
        Metrics.model_validate({"value_tiers": {"Platinum": Decimal("0.02")}}),
    ]
    assert len({m.calibration() for m in (METRICS, *others)} | {METRICS.calibration("MXN")}) == 5
    assert Metrics(sale_statuses=("Completed",)).sale_statuses == ("completed",)


def test_cut_points_say_nothing_about_one_person() -> None:
    assert {column.personal for column in RFM_CUT_POINTS.columns} == {Personal.NONE}
