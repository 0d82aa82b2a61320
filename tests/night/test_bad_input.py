"""A source that only YAML declares, and everything that can be wrong with what it delivers."""

from __future__ import annotations

import gzip
import re
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from night_box import FEW_PARTS, Shop, tune
from pyspark.sql import SparkSession

from pipelines.cli import execute
from pipelines.ops import releases
from pipelines.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
MEMBERS = "member_no;full_name;mobile;mail;born;postcode"
PEOPLE = [
    "M01;José Luis Muñoz Peña;612 345 678;joseluis.munoz@gmail.com;14/03/1975;28013",
    "M02;María del Carmen Ruiz Gil;644 123 987;mc.ruiz@hotmail.com;02/11/1982;41004",
    "M03;Iñaki Etxeberria;655 777 123;inaki.etxe@gmail.com;30/06/1990;48009",
]
ORDERS = "source,source_customer_id,order_id,order_ts,amount,currency,status"


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project whose only source of customers is the example of the README; its first, dirty night is released."""
    folder = tmp_path_factory.mktemp("loyalty")
    sources = folder / "conf" / "sources"
    sources.mkdir(parents=True)
    (example,) = re.findall(
        r"^```yaml\n(# conf/sources.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    (sources / "loyalty.yml").write_text(example, encoding="utf-8")
    shutil.copy(ROOT / "conf" / "sources" / "orders.yml", sources)
    tune(folder / "conf", FEW_PARTS)
    shop = Shop(folder / "landing", folder / "warehouse", folder / "conf")
    deliver(
        shop,
        "2026-07-01",
        [
            *PEOPLE,
            "M04;Ana;600111222;ana@example.org;31/02/1980;08001",  # no such day
            "M05;Too;many;fields;01/01/1990;08001;surplus;more",
            "M06;Nul\0byte;600111333;n@n.es;01/01/1991;08002",
            "M03;Iñaki Etxeberria Goñi;655 777 123;inaki.etxe@gmail.com;30/06/1990;48009",  # M03 again
        ],
        extra_column=True,
    )
    orders = shop.landing / "2026-07-01" / "orders" / "orders.csv"
    orders.parent.mkdir(parents=True)
    orders.write_text(
        "\n".join(
            [
                ORDERS,
                "loyalty,M01,O1,2026-06-01T10:00:00,1234.56,EUR,completed",
                "loyalty,M02,O2,2026-06-02T10:00:00,N/A,EUR,completed",
                "loyalty,M02,O3,2026-02-30T10:00:00,10.00,EUR,completed",
                "loyalty,M99,O4,2026-06-03T10:00:00,20.00,EUR,completed",
                'loyalty,M03,O5,2026-06-04T10:00:00,"1.234,56",EUR,completed',
            ]
        )
        + "\n",
        encoding="utf-8",
    )
    stray = shop.landing / "2026-07-01" / "loyalti" / "members.csv"
    stray.parent.mkdir()
    stray.write_text("a;b\n1;2\n", encoding="utf-8")
    assert shop.run() == 0
    return shop


def deliver(
    shop: Shop, night: str, lines: list[str], *, extra_column: bool = False, name: str = "members.csv"
) -> Path:
    """The loyalty feed of a night, in its own encoding."""
    path = shop.landing / night / "loyalty" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    head = MEMBERS + (";shoe_size" if extra_column else "")
    body = [f"{line};43" if extra_column and line.count(";") == 5 else line for line in lines]
    path.write_bytes(("\r\n".join([head, *body]) + "\r\n").encode("latin-1"))
    return path


@pytest.fixture
def tonight(shop: Shop, tmp_path: Path) -> Shop:
    """The shop with an empty second night to fill; what happens there touches no other test."""
    shutil.copytree(shop.landing, tmp_path / "landing")
    shutil.copytree(shop.warehouse, tmp_path / "warehouse")
    return Shop(tmp_path / "landing", tmp_path / "warehouse", shop.config)


def test_a_source_needs_yaml_only(shop: Shop) -> None:
    rows = shop.rows("SELECT * FROM silver.customer_records WHERE record_id = 'M01'")
    assert len(rows) == 1
    assert (rows[0]["source"], rows[0]["country"], rows[0]["full_name_raw"]) == (
        "loyalty",
        "ES",
        "José Luis Muñoz Peña",
    )
    assert rows[0]["phones"] == ["+34612345678"]
    assert str(rows[0]["birth_date"]) == "1975-03-14"
    assert shop.value("SELECT count(*) FROM gold.customers") == shop.value(
        "SELECT count(*) FROM silver.customer_records"
    )


def test_malformed_rows_are_quarantined_whole_with_their_reason(shop: Shop) -> None:
    held = shop.rows(
        'SELECT source, feed, reason, "row", _row FROM silver.quarantine ORDER BY source, feed, _row'
    )
    told = [(r["source"], r["feed"], r["_row"], r["reason"]) for r in held]
    assert told == [
        ("loyalty", "members", 6, "too_many_fields"),
        ("loyalty", "members", 7, "nul_byte"),
        ("orders", "orders", 3, "bad_amount"),
        ("orders", "orders", 4, "bad_timestamp"),
    ]
    assert "surplus" in held[0]["row"]


def test_an_impossible_date_is_no_birth_date_and_says_why(shop: Shop) -> None:
    (row,) = shop.rows("SELECT * FROM silver.customer_records WHERE record_id = 'M04'")
    assert row["birth_date"] is None
    assert row["birth_date_raw"] == "31/02/1980"
    assert "birth_date:impossible" in row["match_excluded"]


def test_a_key_that_stands_twice_in_a_snapshot_counts_once(shop: Shop) -> None:
    (row,) = shop.rows("SELECT * FROM silver.outcomes WHERE source = 'loyalty'")
    assert {
        k: row[k] for k in ("bronze_rows", "current", "duplicate", "quarantined", "superseded", "deleted")
    } == {
        "bronze_rows": 7,
        "current": 4,
        "duplicate": 1,
        "quarantined": 2,
        "superseded": 0,
        "deleted": 0,
    }


def test_what_was_not_expected_is_said_and_lost_nowhere(shop: Shop) -> None:
    warnings = " | ".join(releases.required(shop.house).warnings)
    assert "shoe_size" in warnings
    assert "silver/quarantine" in warnings
    assert "loyalti" in warnings
    assert "did you mean loyalty?" in warnings
    spanish = shop.value("SELECT gross FROM silver.orders WHERE order_id = 'O5'")
    assert float(spanish) == 1234.56, "1.234,56 can be read in one way only"
    assert shop.value("SELECT count(*) FROM silver.orders") == 3
    rows = {
        r["measure"]: r
        for r in shop.rows("SELECT * FROM gold.reconciliation WHERE measure IN ('orders', 'gross')")
    }
    assert rows["gross"]["source_total"] == rows["gross"]["in_customers"] + rows["gross"]["unassigned"]
    assert float(rows["gross"]["unassigned"]) == 20.0


def test_a_redelivered_file_is_not_landed_twice(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    before = tonight.versions()
    path = tonight.landing / "2026-07-01" / "loyalty" / "members.csv"
    path.write_bytes(path.read_bytes())
    assert tonight.run() == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert tonight.versions() == before


def test_a_source_that_stays_away_is_stale_and_yesterdays_file_counts_once(tonight: Shop) -> None:
    # On the fourth day members have not come for three nights, and of orders there is the file of the first.
    again = tonight.landing / "2026-07-05" / "orders" / "orders.csv"
    again.parent.mkdir(parents=True)
    shutil.copy(tonight.landing / "2026-07-01" / "orders" / "orders.csv", again)
    figures = "SELECT customer_id, currency, frequency, monetary FROM gold.rfm ORDER BY customer_id, currency"
    before = tonight.rows(figures)
    assert tonight.run() == 0
    told = {w.partition(":")[0]: w for w in releases.required(tonight.house).warnings}
    assert "last on 2026-07-01, 3 days past its cadence of 1" in told["freshness loyalty"]
    assert "has the content of 2026-07-01/orders/orders.csv; it is applied again" in told["landing"]
    stale = {(r["is_stale"], *r["stale_sources"]) for r in tonight.rows("SELECT * FROM gold.customers")}
    assert stale == {(True, "loyalty")}
    # Orders came, so whoever bought nothing is known to have bought nothing.
    assert tonight.value("SELECT count(*) FROM gold.rfm WHERE is_stale") == 0
    assert tonight.rows(figures) == before
    (outcome,) = tonight.rows("SELECT * FROM silver.outcomes WHERE source = 'orders'")
    counted = ("current", "superseded", "duplicate", "deleted", "quarantined")
    assert outcome["bronze_rows"] == sum(outcome[name] for name in counted) == 10
    assert outcome["current"] == tonight.value("SELECT count(*) FROM silver.orders") == 3


def _stops(shop: Shop, capsys: pytest.CaptureFixture[str], code: int) -> str:
    """The one line with which the night ends; nothing is released."""
    released = releases.required(shop.house).release_id
    capsys.readouterr()
    assert shop.run() == code
    said = capsys.readouterr().err
    assert releases.required(shop.house).release_id == released
    assert "Traceback" not in said
    assert "Muñoz" not in said
    return said


def test_a_missing_required_column_stops(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    path = deliver(tonight, "2026-07-02", PEOPLE)
    path.write_bytes(path.read_bytes().replace(b"full_name", b"nombre"))
    said = _stops(tonight, capsys, 3)
    assert "full_name" in said
    assert "2026-07-02/loyalty/members.csv" in said


def test_an_empty_file_stops(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    deliver(tonight, "2026-07-02", []).write_bytes(b"")
    assert "empty" in _stops(tonight, capsys, 3)


def test_a_truncated_gzip_stops(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    path = deliver(tonight, "2026-07-02", PEOPLE * 50)
    whole = gzip.compress(path.read_bytes())
    path.unlink()
    path.with_name("members.csv.gz").write_bytes(whole[: len(whole) // 2])
    assert "gzip" in _stops(tonight, capsys, 3)
    # It is a gate like others, but for that nobody can agree to it.
    where = ["--warehouse", str(tonight.warehouse)]
    assert execute(["runs", "2026-07-02.1", *where]) == 0
    assert "gate unusable_files: blocked" in capsys.readouterr().out
    assert execute(["release", "approve", "--why", "it is right", *where]) == 2
    assert "was not stopped by a gate that can be approved" in capsys.readouterr().err


def test_a_wrong_encoding_stops(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    sources = tonight.config / "sources" if tonight.config else Path()
    own = tonight.landing.parent / "conf"
    shutil.copytree(sources.parent, own)
    text = (own / "sources" / "loyalty.yml").read_text(encoding="utf-8")
    (own / "sources" / "loyalty.yml").write_text(text.replace("latin-1", "utf-8"), encoding="utf-8")
    deliver(tonight, "2026-07-02", PEOPLE)
    assert "utf-8" in _stops(Shop(tonight.landing, tonight.warehouse, own), capsys, 3)


def test_a_snapshot_that_lacks_most_records_stops_before_silver(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(tonight, "2026-07-02", [])
    said = _stops(tonight, capsys, 3)
    assert "deletes 4 of 4 records" in said
    assert (
        tonight.house.version("silver/customer_records")
        == releases.required(tonight.house).tables["silver/customer_records"]
    )


@pytest.mark.soak
def test_after_a_stop_the_corrected_file_is_taken_in(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    path = deliver(tonight, "2026-07-02", [])
    _stops(tonight, capsys, 3)
    path.unlink()
    everybody = [*PEOPLE, "M04;Ana Sanz Gil;600111222;ana@sanz.es;28/02/1980;08001"]
    deliver(tonight, "2026-07-02", everybody)
    assert tonight.run() == 0
    assert tonight.value("SELECT count(*) FROM silver.customer_records") == 4
    assert tonight.value("SELECT count(*) FROM gold.customers WHERE is_live") == 4
    assert (
        str(tonight.value("SELECT birth_date FROM silver.customer_records WHERE record_id = 'M04'"))
        == "1980-02-28"
    )


@pytest.mark.soak
def test_secrets_clocks_and_currencies_are_told_and_the_night_is_released(tonight: Shop) -> None:
    members = deliver(tonight, "2026-07-05", [*PEOPLE, "M04;Ana Sanz;600111222;ana@sanz.es;28/02/1980;08001"])
    text = (
        members.read_bytes()
        .decode("latin-1")
        .replace("\r\n", ";hunter2\r\n")
        .replace("hunter2", "password", 1)
    )
    members.write_bytes(text.encode("latin-1"))
    orders = tonight.landing / "2026-07-05" / "orders" / "orders.csv"
    orders.parent.mkdir(parents=True)
    rows = [
        "loyalty,M01,O6,2026-07-04T10:00:00,10.00,BTC,completed",
        "loyalty,M01,O7,2062-07-04T10:00:00,10.00,EUR,completed",
        "loyalty,M01,O8,1899-07-04T10:00:00,10.00,EUR,completed",
        "loyalty,M01,O9,2026-07-04T10:00:00,10.00,euros,completed",
    ]
    orders.write_text("\n".join([ORDERS, *rows]) + "\n", encoding="utf-8")
    assert tonight.run() == 0
    told = {w.partition(":")[0]: w for w in releases.required(tonight.house).warnings}
    assert "column password" in told["secrets loyalty"]
    assert "BTC" in told["new_currency"]
    assert "1 of silver/orders are dated after the business date" in told["future_events"]
    held = {r["reason"] for r in tonight.rows("SELECT reason FROM silver.quarantine WHERE feed = 'orders'")}
    assert {"not_between_ordered_at", "bad_length_currency"} <= held
    outcomes = tonight.rows("SELECT * FROM silver.outcomes WHERE feed = 'orders'")[0]
    assert outcomes["bronze_rows"] == outcomes["current"] + outcomes["quarantined"] == 9
    stored = [
        file for file in tonight.warehouse.rglob("*") if file.is_file() and b"hunter2" in file.read_bytes()
    ]
    assert stored == []
    profile = tonight.rows("SELECT * FROM ops.profiles WHERE feed = 'members' AND \"column\" = 'born'")
    assert {str(row["business_date"]): row["kind"] for row in profile}["2026-07-05"] == "day_first_date"
    jitter = tonight.value("SELECT value FROM gold.measures WHERE measure = 'id_jitter' AND part = 'all'")
    assert jitter == 0, "an order changes nobody's id"


def test_the_same_files_are_the_same_wherever_the_landing_folder_is(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(tonight, "2026-07-02", PEOPLE[:1])
    assert tonight.run("--layer", "bronze") == 3
    assert execute(["release", "approve", "--warehouse", str(tonight.warehouse), "--why", "closed"]) == 0
    elsewhere = tonight.landing.with_name("mounted")
    tonight.landing.rename(elsewhere)
    capsys.readouterr()
    assert replace(tonight, landing=elsewhere).run("--layer", "bronze") == 0
    assert re.search(r"bronze\.land +reused", capsys.readouterr().err)


def test_a_repeat_is_not_foretold(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert tonight.run("--repeat", "2026-07-01.1", "--dry-run") == 2
    assert "leave one of them out" in " ".join(capsys.readouterr().err.split())


def test_yesterday_is_the_day_that_is_over_in_the_business_zone(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    zone = load_settings(tonight.config).project.zone
    days = {datetime.now(zone).date() - timedelta(days=1)}
    assert tonight.run("--date", "yesterday", "--dry-run") == 0
    # Midnight may have come.
    days.add(datetime.now(zone).date() - timedelta(days=1))
    said = capsys.readouterr()
    assert any(str(day) in said.out + said.err for day in days)


def test_an_option_that_would_do_nothing_is_refused(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tonight.run("--repeat", "2026-07-01.1", "--date", "2026-07-01", "--full") == 2
    assert "leave --date, --full out" in " ".join(capsys.readouterr().err.split())
    assert tonight.run("--approve") == 2
    assert "padron release approve --why WHY" in " ".join(capsys.readouterr().err.split())


def test_a_landing_folder_that_does_not_exist_is_a_usage_error(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Shop(shop.landing / "nowhere", shop.warehouse, shop.config).run() == 2
    assert "does not exist" in capsys.readouterr().err


def test_an_unknown_key_in_yaml_is_a_usage_error(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "padron.yml").write_text("timezone: Europe/Madrid\nretention: 3\n", encoding="utf-8")
    assert Shop(shop.landing, shop.warehouse, tmp_path).run() == 2
    assert "conf/padron.yml:2: retention is not a known key. Did you mean retention_days?" in " ".join(
        capsys.readouterr().err.split()
    )


def test_an_unknown_stage_is_a_usage_error(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    assert shop.run("--from", "gold.everything") == 2
    assert "gold.rfm" in capsys.readouterr().err


def test_an_option_that_does_not_exist_is_a_usage_error() -> None:
    assert execute(["run", "--dat", "2026-07-01"]) == 2
