"""Two nights of a small simulated retailer, as `make run` runs them, and what a user does next."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pytest
from night_box import FEW_PARTS, Shop, tune
from pyspark.sql import SparkSession

from pipelines import night_gold, night_silver, standing_files
from pipelines.cli import execute
from pipelines.identity import assign
from pipelines.linkage.decision_files import COLUMNS, decision_row
from pipelines.ops import releases, stewards
from pipelines.ops.history import history
from pipelines.ops.lookup import lookup
from pipelines.settings import load_settings
from pipelines.simulate import simulate
from pipelines.spark import COMPILED

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def few_are_looked_at(pytestconfig: pytest.Config) -> Iterator[None]:
    """So few records are looked at as many are: by what linkage, in the long checks also tonight's files, touched, and
    golden records taken over; small files stay as large ones do.
    """
    least = 1 if pytestconfig.getoption("-m") == "soak" else night_silver.WORTH_A_LOOK
    with (
        patch.object(night_silver, "WORTH_A_LOOK", least),
        patch.object(assign, "WORTH_A_LOOK", 1),
        patch.object(night_gold, "WORTH_TAKING_OVER", 1),
        patch.object(standing_files, "LARGE", 1),
    ):
        yield


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two released nights of 250 customers."""
    folder = tmp_path_factory.mktemp("shop")
    made = simulate(str(folder), customers=250, nights=2, seed=11)
    shop = Shop(Path(made.landing), folder / "warehouse", folder / "tuned")
    shutil.copytree(ROOT / "conf", folder / "tuned")
    tune(folder / "tuned", FEW_PARTS)
    assert shop.run("--date", "2026-07-01") == 0
    two = shop.rows(
        """SELECT min(source || ':' || record_id) AS a, max(source || ':' || record_id) AS b
        FROM identity.assignments GROUP BY customer_id HAVING count(*) = 2 ORDER BY customer_id LIMIT 1"""
    )[0]
    said = {
        "kind": "no_match",
        "left_records": two["a"],
        "right_records": two["b"],
        "decided_by": "a steward",
        "reason": "two people of one name",
    }
    row = decision_row({**dict.fromkeys(COLUMNS, ""), **said, "decided_at": "2026-07-01T20:00:00Z"})
    stewards.record(shop.house, [row])
    # As those of a night of many records.
    tune(folder / "tuned", COMPILED)
    assert shop.run() == 0
    return shop


def test_a_folder_a_night_is_released_in_order(shop: Shop) -> None:
    found = releases.all_releases(shop.house)
    assert [r.business_date for r in found] == [date(2026, 7, 1), date(2026, 7, 2)]
    assert [r.base_release for r in found] == [None, found[0].release_id]
    assert {r.status for r in found} == {"released"}


def test_what_a_steward_decided_between_the_nights_holds_in_the_second(shop: Shop) -> None:
    decided = shop.rows("SELECT * FROM linkage.decisions")[0]
    names = (*decided["left_records"], *decided["right_records"])
    homes = {
        row["name"]: row
        for row in shop.rows("SELECT *, source || ':' || record_id AS name FROM linkage.clusters")
    }
    left, right = (homes[name] for name in names)
    assert left["cluster_rules"] == right["cluster_rules"]
    assert left["cluster_final"] != right["cluster_final"]
    assert shop.value("SELECT state FROM linkage.decision_states") == "active"
    # One of the two keeps the id that both had; the other gets one of its own, and the event says why.
    moved = shop.rows("SELECT * FROM identity.events WHERE cause = 'decision'")
    assert [f"{row['source']}:{row['record_id']}" in names for row in moved] == [True]
    assert moved[0]["customer_id"] != moved[0]["old_customer_id"]
    assert json.loads(moved[0]["evidence"])["decision"] == decided["decision_id"]


def test_records_that_came_into_company_say_by_which_pair(shop: Shop) -> None:
    said = """SELECT count_if((evidence->'pair') IS NOT NULL) / count(*) FROM identity.events
        WHERE event = 'created' AND (customer_id IN (SELECT customer_id FROM identity.events
            WHERE event = 'created' GROUP BY customer_id HAVING count(*) > 1))"""
    assert shop.value(said) > 0.95


def test_whoever_applies_the_change_feed_has_the_customers_and_their_sizes(shop: Shop) -> None:
    differing = """WITH fed AS (SELECT customer_id, arg_max(records, (business_date, publication)) AS n
            FROM identity.changes GROUP BY customer_id),
        held AS (SELECT customer_id, count(*) AS n FROM identity.assignments GROUP BY customer_id)
        SELECT count(*) FROM fed FULL JOIN held USING (customer_id) WHERE coalesce(fed.n, 0) <> coalesce(held.n, 0)"""
    assert shop.value(differing) == 0


def test_a_customer_is_found_by_phone_and_followed_by_record(shop: Shop) -> None:
    one = shop.rows(
        """SELECT any_value(source || ':' || record_id) AS record, any_value(x.customer_id) AS customer_id, phone
        FROM (SELECT *, unnest(match_phones) AS phone FROM silver.customer_records) r JOIN gold.xref x
        USING (source, record_id) GROUP BY phone HAVING count(DISTINCT x.customer_id) = 1 ORDER BY phone LIMIT 1"""
    )[0]
    found = lookup(str(shop.warehouse), phone=one["phone"])
    assert (found.outcome, found.candidates[0].customer_id) == ("one", one["customer_id"])
    told = history(str(shop.warehouse), one["record"])
    assert (told.current, told.timeline[0].event) == (one["customer_id"], "created")


def test_running_again_says_nothing_to_do_and_changes_nothing(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    before = shop.versions()
    assert shop.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert shop.versions() == before


def test_every_live_record_has_one_customer_and_gold_has_exactly_these(shop: Shop) -> None:
    records = shop.value("SELECT count(*) FROM silver.customer_records")
    assert records == shop.value("SELECT count(*) FROM identity.assignments")
    assert records == shop.value("SELECT count(DISTINCT (source, record_id)) FROM identity.assignments")
    orphans = """SELECT count(*) FROM identity.assignments a ANTI JOIN gold.customers c
        ON a.customer_id = c.customer_id"""
    assert shop.value(orphans) == 0
    for table in ("rfm", "service"):
        assert shop.value(f"SELECT count(DISTINCT customer_id) FROM gold.{table}") == shop.value(
            "SELECT count(*) FROM gold.customers"
        )


def test_bronze_rows_all_have_an_outcome(shop: Shop) -> None:
    for row in shop.rows("SELECT * FROM silver.outcomes"):
        version = shop.house.version(f"bronze/{row['source']}_{row['feed']}")
        stands = shop.house.rows(f"bronze/{row['source']}_{row['feed']}", version)
        outcomes = ("current", "superseded", "deleted", "duplicate", "quarantined")
        assert stands == row["bronze_rows"] == sum(row[name] for name in outcomes)


def test_money_and_counts_reconcile_with_the_sources(shop: Shop) -> None:
    rows = shop.rows("SELECT * FROM gold.reconciliation")
    assert {"orders", "gross", "returns", "net", "cases"} <= {row["measure"] for row in rows}
    assert all(row["in_customers"] + row["unassigned"] == row["source_total"] for row in rows)
    gross = shop.value("SELECT sum(gross) FROM silver.orders WHERE currency = 'MXN'")
    told = "SELECT sum(source_total) FROM gold.reconciliation WHERE measure = 'gross' AND currency = 'MXN'"
    assert shop.value(told) == gross


def test_tables_are_readable_by_any_engine(shop: Shop) -> None:
    for path, version in releases.required(shop.house).tables.items():
        stored = shop.house.open(path, version)
        assert stored is not None
        assert stored.protocol().min_reader_version == 1, path


def test_people_are_found_again(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    truth = shop.landing.parent / "truth" / "entity_map.csv"
    assert execute(["evaluate", "--warehouse", str(shop.warehouse), "--truth", str(truth), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["f1"] > 0.75
    assert found["precision"] > 0.9


def test_spark_and_the_pointer_file_read_the_release(shop: Shop, spark: SparkSession) -> None:
    frame = releases.read(spark, "gold/customers", warehouse=str(shop.warehouse))
    pointer = json.loads((shop.warehouse / "release.json").read_text(encoding="utf-8"))
    assert pointer["business_date"] == "2026-07-02"
    assert {t["table"] for t in pointer["tables"]} >= {
        "gold/customers",
        "gold/xref",
        "gold/rfm",
        "gold/service",
    }
    assert frame.count() == shop.value("SELECT count(*) FROM gold.customers")
    assert spark.table("gold_customers").columns == frame.columns


def test_the_commands_read_what_was_released(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--warehouse", str(shop.warehouse)]
    customer = shop.value("SELECT min(customer_id) FROM gold.customers")
    assert execute(["sql", "select count(*) as n from gold.xref", *where, "--csv"]) == 0
    assert execute(["show", str(customer), *where]) == 0
    assert execute(["status", *where]) == 0
    assert execute(["runs", *where]) == 0
    assert execute(["runs", "--stages", "2026-07-02.1", *where]) == 0
    assert execute(["release", *where, "--json"]) == 0
    shown = capsys.readouterr().out
    assert str(customer) in shown
    assert "Run 2026-07-02.1: released" in shown
    assert "crm" in shown
    assert execute(["sql", "select nothing from nowhere", *where]) == 2
    assert execute(["show", "C-NOBODY", *where]) == 1


def test_the_report_holds_counts_and_no_personal_data(shop: Shop) -> None:
    page = (shop.warehouse / "reports" / "2026-07-02.html").read_text(encoding="utf-8")
    assert "Night 2026-07-02" in page
    secrets = shop.rows(
        "SELECT emails[1] AS email, phones[1] AS phone, surname || ' ' || second_surname AS name FROM gold.customers"
    )
    values = {v for row in secrets for v in row.values() if v}
    assert len(values) > 100
    assert not [v for v in values if str(v) in page]


def test_the_notebook_about_gold_runs(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADRON_WAREHOUSE", str(shop.warehouse))
    runpy.run_path(str(ROOT / "notebooks" / "explore_gold.py"))


@pytest.mark.soak
def test_a_late_file_is_applied_at_its_place_and_counted(shop: Shop, tmp_path: Path) -> None:
    later = _copy(shop, tmp_path)
    contacts = shop.landing / "2026-07-01" / "crm" / "contacts.csv"
    header, *lines = contacts.read_text(encoding="utf-8").splitlines()
    first = lines[0].split(",")
    late = ["I", "C-LATE", *first[1:]]
    folder = later.landing / "2026-07-01" / "crm"
    (folder / "contacts-late.csv").write_text(f"op,{header}\n{','.join(late)}\n", encoding="utf-8")
    ids = {r["record_id"]: r["customer_id"] for r in later.rows("SELECT * FROM identity.assignments")}

    assert later.run() == 0

    now = {r["record_id"]: r["customer_id"] for r in later.rows("SELECT * FROM identity.assignments")}
    assert {key: now[key] for key in ids} == ids
    assert now["C-LATE"] == now[first[0]]
    release = releases.required(later.house)
    assert release.release_id == "2026-07-02.2"
    assert any("late_files" in warning for warning in release.warnings)
    # A file of an old date brings the old state of nobody back: what is newer stands.
    assert later.value("SELECT count(*) FROM silver.customer_records") == len(ids) + 1


@pytest.mark.soak
def test_full_computes_everything_again_and_keeps_ids(shop: Shop, tmp_path: Path) -> None:
    again = _copy(shop, tmp_path)
    before = again.rows("SELECT * FROM identity.assignments ORDER BY ALL")
    gold = again.rows("SELECT * FROM gold.customers ORDER BY customer_id")
    assert again.run("--full") == 0
    assert releases.required(again.house).release_id == "2026-07-02.2"
    assert again.rows("SELECT * FROM identity.assignments ORDER BY ALL") == before
    assert again.rows("SELECT * FROM gold.customers ORDER BY customer_id") == gold
    assert again.value("SELECT count(*) FROM identity.events WHERE business_date > DATE '2026-07-02'") == 0


def test_an_earlier_date_is_refused(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("--date", "2026-07-01") == 2
    assert "2026-07-02" in capsys.readouterr().err


def test_the_dictionary_describes_every_released_table(shop: Shop, tmp_path: Path) -> None:
    assert execute(["docs", "--out", str(tmp_path)]) == 0
    text = (tmp_path / "dictionary.md").read_text(encoding="utf-8")
    assert [p for p in releases.required(shop.house).tables if f"### {p}\n" not in text] == []
    assert load_settings(ROOT / "conf").sources


def _copy(shop: Shop, folder: Path) -> Shop:
    """The shop in another folder, to change it there."""
    shutil.copytree(shop.landing, folder / "landing")
    shutil.copytree(shop.warehouse, folder / "warehouse")
    return Shop(folder / "landing", folder / "warehouse", shop.config)
