"""What is wrong with a delivery, and the one line that each gate says."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from pipelines.config import Conf, Project
from pipelines.gold.customers import ATTRIBUTE_VALUES
from pipelines.gold.rfm import RFM
from pipelines.gold.service import SERVICE
from pipelines.gold.xref import XREF
from pipelines.ops.delivery_checks import (
    cut_off,
    freshness,
    future_date,
    held_back,
    late_files,
    lost_columns,
    new_columns,
    volumes,
)
from pipelines.ops.event_checks import (
    ahead,
    currencies_never_seen,
    future_events,
    new_currency,
    orphans,
    referential_integrity,
)
from pipelines.silver.cases import CASES
from pipelines.silver.orders import ORDERS
from pipelines.sources import load_sources

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

D = date(2026, 7, 10)


def batch(day: int, rows: int, **more: Any) -> dict[str, Any]:
    return {
        "batch_id": f"b{day}",
        "source": "erp",
        "feed": "customers",
        "file": f"2026-07-{day:02d}/erp/customers.csv",
        "landing_date": date(2026, 7, day),
        "is_snapshot": False,
        "rows": rows,
        "status": "landed",
        "columns": ["id", "name"],
        "missing_columns": [],
        **more,
    }


USUAL = [batch(day, rows) for day, rows in ((1, 40_000), (2, 1_000), (3, 1_100), (4, 900))]


def tonight(rows: int, history: list[dict[str, Any]] = USUAL) -> dict[str, tuple[str, str]]:
    found = volumes(Project(), [*history, batch(5, rows)], {"b5"})
    return {v["gate"]: (v["status"], v["message"]) for v in found}


@pytest.mark.parametrize(
    ("earlier", "rows", "status"),
    [
        ([0, 0, 0, 0, 0], 120, "warned"),
        ([0, 0, 0, 5, 150], 150, "passed"),
        ([0, 0, 0, 200, 150], 160, "passed"),
        ([3, 4, 5, 900, 3, 4], 880, "warned"),
        ([3, 4, 5, 900, 3, 4], 1_880, "blocked"),
    ],
)
def test_what_a_mostly_empty_feed_or_one_with_bulks_brings_is_told_by_what_came(
    earlier: list[int], rows: int, status: str
) -> None:
    history = [batch(at, each) for at, each in enumerate(earlier, 1)]
    last = len(earlier) + 1
    found = volumes(Project(), [*history, batch(last, rows)], {f"b{last}"})
    assert [v["status"] for v in found if v["gate"].startswith("volume_high")] == [status]


def test_a_day_without_rows_is_usual_for_a_mostly_empty_feed() -> None:
    history = [batch(at, each) for at, each in enumerate([0, 0, 0, 200, 150], 1)]
    found = volumes(Project(), [*history, batch(6, 0)], {"b6"})
    assert {v["gate"]: v["status"] for v in found} == {"volume_high": "passed", "volume_low": "passed"}


def test_a_ten_fold_volume_stops_and_a_three_fold_warns() -> None:
    status, message = tonight(11_000)["volume_high erp/customers"]
    assert status == "blocked"
    assert message.startswith("erp/customers of 2026-07-05 has 11,000 rows, 1,050 are usual: is it a history")
    assert tonight(4_000)["volume_high erp/customers"][0] == "warned"
    assert tonight(2_000) == {
        "volume_high": ("passed", "as much as usual"),
        "volume_low": ("passed", "as much as usual"),
    }


def test_exactly_ten_times_the_usual_stops() -> None:
    assert tonight(10_500)["volume_high erp/customers"][0] == "blocked"


def outcome(rows: int, held: int) -> dict[tuple[str, str], dict[str, int]]:
    return {("erp", "customers"): {"bronze_rows": rows, "quarantined": held}}


def test_rows_held_back_are_judged_by_what_the_night_brought() -> None:
    def status(now: tuple[int, int], before: tuple[int, int] | None = None) -> tuple[str, str]:
        known = {} if before is None else outcome(*before)
        (verdict,) = held_back(Project(), outcome(*now), known, {}, {})
        return verdict["gate"], verdict["status"]

    assert status((1_000, 10)) == ("quarantine", "passed")
    assert status((1_000, 11)) == ("quarantine erp/customers", "warned")
    assert status((1_000, 101)) == ("quarantine erp/customers", "blocked")
    assert status((1_100, 101), (1_000, 101)) == ("quarantine", "passed"), (
        "what is held since earlier is known"
    )
    assert status((1_100, 201), (1_000, 101))[1] == "blocked", "a day whose every row is held"
    assert status((9, 2))[1] == "warned", "two of nine rows say little"
    assert status((1_000, 500), (1_000, 0))[1] == "blocked", "a new rule holds old rows back"


def test_rows_that_are_looked_at_no_more_hide_none_that_are_held_back_anew() -> None:
    key = ("erp", "customers")
    before = {key: {"bronze_rows": 2_000, "quarantined": 100, "history": 0}}
    # A thousand rows with all hundred of before went to rest; a thousand came.
    now = {key: {"bronze_rows": 2_000, "quarantined": 100, "history": 1_000}}
    (verdict,) = held_back(Project(), now, before, {key: 100}, {})
    assert (verdict["status"], verdict["value"]) == ("warned", 0.1)
    (verdict,) = held_back(Project(), now, before, {key: 101}, {})
    assert verdict["status"] == "blocked"


def test_rows_that_a_correction_lets_go_of_hide_none_of_tonights() -> None:
    key = ("erp", "customers")
    before = {key: {"bronze_rows": 1_000, "quarantined": 700}}
    now = {key: {"bronze_rows": 2_000, "quarantined": 600}}
    (verdict,) = held_back(Project(), now, before, {}, {key: 600})
    assert (verdict["status"], verdict["value"]) == ("blocked", 0.6)


def test_each_source_is_told_about_its_own_files() -> None:
    files = [
        batch(4, 9),
        batch(5, 9, is_late=True, new_columns=["zone"]),
        batch(
            6,
            9,
            is_late=True,
            new_columns=[],
            is_cut_off=True,
            source="crm",
            file="2026-07-06/crm/contacts.csv",
        ),
    ]
    gates = (late_files, new_columns, cut_off)
    found = [v for gate in gates for v in gate(Project(), files, {"b5", "b6"})]
    assert [(v["gate"], v["status"], v["value"]) for v in found] == [
        ("late_files crm", "warned", 1),
        ("late_files erp", "warned", 1),
        ("new_columns erp", "warned", 1),
        ("cut_off crm", "warned", 1),
    ]
    assert found[2]["message"].startswith("2026-07-05/erp/customers.csv has zone: landed, not used")
    (fine,) = late_files(Project(), files, set())
    assert (fine["gate"], fine["status"]) == ("late_files", "passed")


def test_of_several_days_of_a_feed_the_worst_one_is_the_verdict() -> None:
    days = [batch(5, 12_000), batch(6, 11_000), batch(7, 1_000)]
    usual = [batch(day, rows) for day, rows in ((1, 1_000), (2, 1_000), (3, 1_100), (4, 900))]
    (high, low) = volumes(Project(), [*usual, *days], {"b5", "b6", "b7"})
    assert (high["gate"], high["status"], high["value"]) == ("volume_high erp/customers", "blocked", 12)
    assert "of 2026-07-05 has 12,000 rows" in high["message"]
    assert high["message"].endswith("1 other day of the night likewise.")
    assert (low["gate"], low["status"]) == ("volume_low", "passed")


@pytest.mark.parametrize("rows", [525, 500], ids=["half of the usual", "less"])
def test_half_a_file_warns(rows: int) -> None:
    status, message = tonight(rows)["volume_low erp/customers"]
    assert (status, "is the file whole?" in message) == ("warned", True)


def test_a_size_is_usual_after_three_deliveries_and_of_more_than_a_few_rows() -> None:
    assert tonight(90_000, USUAL[:2]) == {}
    few = [batch(day, 3) for day in (1, 2, 3)]
    assert tonight(90, few)["volume_high erp/customers"][0] == "warned"
    rejected = [{**b, "status": "rejected"} for b in USUAL]
    assert tonight(90_000, rejected) == {}


def test_a_full_snapshot_is_compared_with_full_snapshots() -> None:
    assert volumes(Project(), [*USUAL, batch(5, 40_000, is_snapshot=True)], {"b5"}) == []


def test_a_column_that_is_gone_is_named_and_stops() -> None:
    (verdict,) = lost_columns(
        Project(), [batch(4, 9), batch(5, 9, columns=["id"], missing_columns=["name", "note"])], {"b5"}
    )
    assert verdict["status"] == "blocked"
    assert "2026-07-05/erp/customers.csv lacks name:" in verdict["message"], "note was never there"


def test_what_was_rejected_is_no_delivery_to_compare_with() -> None:
    lacking = {"columns": ["id"], "missing_columns": ["name"]}
    nights = [batch(4, 9), batch(5, 9, status="rejected", **lacking), batch(6, 9, **lacking)]
    (verdict,) = lost_columns(Project(), nights, {"b6"})
    assert verdict["status"] == "blocked"


def test_lines_of_json_need_not_have_every_column_at_their_head() -> None:
    files = [batch(4, 9), batch(5, 9_000, columns=["id"], missing_columns=["name"])]
    (verdict,) = lost_columns(Project(), files, {"b5"}, {"b5"})
    assert verdict["status"] == "passed"


def late(days: int, **conf: Any) -> tuple[str, str]:
    marks = pa.table(
        {
            "source": ["crm", "erp"],
            "feed": ["contacts", "customers"],
            "landing_date": [D, D - timedelta(days)],
            "status": ["landed"] * 2,
        }
    )
    (verdict,) = freshness(Project.model_validate(conf), marks, load_sources(Conf()), D)
    return verdict["status"], verdict["message"]


def test_a_source_that_misses_its_cadence_warns_and_may_be_refused() -> None:
    assert late(1) == ("passed", "every source is within its cadence")
    status, message = late(3)
    assert status == "warned"
    assert message.startswith("erp delivered last on 2026-07-07, 2 days past its cadence of 1")
    refuse = {"bounds": {"freshness": {"fail": 2}}}
    assert [late(days, **refuse)[0] for days in (3, 4)] == ["warned", "blocked"]


def test_a_night_ahead_of_the_clock_is_said() -> None:
    assert future_date(Project(), D, D)[0]["status"] == "passed"
    (verdict,) = future_date(Project(), D, D - timedelta(9))
    assert (verdict["status"], verdict["value"]) == ("blocked", 9)
    assert "2026-07-01" in verdict["message"]


def test_events_of_a_clock_that_is_ahead_are_counted_by_table(spark: SparkSession) -> None:
    orders = spark.createDataFrame(
        [
            ("2026-07-10 23:00:00",),
            ("2026-07-11 23:59:00",),
            ("2026-07-12 00:00:00",),
            ("2062-07-01 00:00:00",),
        ],
        ["t"],
    ).selectExpr("CAST(t AS TIMESTAMP) AS ordered_at")
    cases = spark.createDataFrame([("2026-01-01",)], ["t"]).selectExpr("CAST(t AS TIMESTAMP) AS opened_at")
    counts = {r["name"]: r["rows"] for r in ahead({ORDERS: orders, CASES: cases}, D).collect()}
    assert counts == {"silver/orders": 2, "silver/cases": 0}
    (verdict,) = future_events(Project(), counts)
    assert verdict["status"] == "warned"
    assert verdict["message"].startswith("2 of silver/orders are dated after the business date")
    assert future_events(Project(), {"silver/orders": 0})[0]["status"] == "passed"


def test_a_currency_never_seen_is_named_and_other_text_is_not(spark: SparkSession) -> None:
    before = spark.createDataFrame([("EUR",), ("EUR",)], "currency STRING")
    now = spark.createDataFrame([("EUR",), ("BTC",), ("ana@x.es",), (None,)], "currency STRING")
    found = sorted(r["currency"] for r in currencies_never_seen(now, before).collect())
    assert found == ["BTC", "ana@x.es"]
    (verdict,) = new_currency(Project(), found)
    assert verdict["status"] == "warned"
    assert "never seen before: BTC, 1 that are no ISO 4217 code." in verdict["message"]


def test_ids_that_only_one_of_two_tables_has_break_the_integrity(spark: SparkSession) -> None:
    def ids(*names: str) -> Any:
        return spark.createDataFrame([(n,) for n in names], "customer_id STRING")

    def counted(rfm: Any, service: Any, xref: Any, values: Any) -> dict[str, int]:
        within = {XREF: xref, ATTRIBUTE_VALUES: values}
        found = orphans(ids("A", "B"), {RFM: rfm, SERVICE: service}, within)
        return {r["name"]: r["ids"] for r in found.collect()}

    fine = counted(ids("A", "B", "B"), ids("A", "B"), ids("A"), ids("B", "B"))
    assert fine == {"gold/rfm": 0, "gold/service": 0, "gold/xref": 0, "gold/attribute_values": 0}
    wrong = counted(ids("A"), ids("A", "B", "C"), ids("A", "D"), ids("E"))
    assert wrong == {"gold/rfm": 1, "gold/service": 1, "gold/xref": 1, "gold/attribute_values": 1}
    (verdict,) = referential_integrity(Project(), wrong)
    assert verdict["status"] == "blocked"
    assert verdict["message"].startswith(
        "1 ids of gold/attribute_values, 1 ids of gold/rfm, 1 ids of gold/service, 1 ids of gold/xref"
    )
