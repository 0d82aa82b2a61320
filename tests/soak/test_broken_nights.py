"""Nights that break in the ways that gates are for: what they say, what readers keep, and that the way out works."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from night_box import Shop, write_csv
from pyspark.sql import SparkSession
from small_shop import (
    DAYS,
    TONIGHT,
    account,
    accounts,
    contact,
    contacts,
    deliver,
    delivered,
    is_family,
    orders,
    tickets,
)

from pipelines.bronze import contract
from pipelines.cli import execute
from pipelines.ops import releases
from pipelines.ops.record import rows_of
from pipelines.ops.tables import GATES

pytestmark = pytest.mark.soak

LINKAGE = """
duplicate_free: [web]          # the web shop says that nobody has two accounts
max_component: 30
blocking: {max_comparisons_per_record: 3}
"""
SOURCES = Path(__file__).resolve().parents[2] / "conf" / "sources"
README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
README_QUERIES = {
    query.partition("--")[2].split()[0] if "-- " in query else "events": query
    for query in re.findall(r'^padron sql --run \S+ "\n(.*?)"$', README, re.MULTILINE | re.DOTALL)
}
"""What the operator's page asks of a stopped night, by what it is for."""
ASSIGNED = "SELECT source, record_id, customer_id FROM identity.assignments ORDER BY ALL"
CUSTOMERS = "SELECT * FROM gold.customers ORDER BY customer_id"
Gates = dict[str, dict[str, Any]]


def configure(folder: Path, *, bounds: str = "{}", linkage: str = "") -> Path:
    """A project's own configuration: of what it does not say the defaults hold."""
    folder.mkdir(exist_ok=True)
    (folder / "padron.yml").write_text(f"country: ES\nbounds: {bounds}\n", encoding="utf-8")
    (folder / "linkage.yml").write_text(LINKAGE + linkage, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def healthy(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three healthy days, taken in as one night and released."""
    folder = tmp_path_factory.mktemp("healthy")
    shop = Shop(folder / "landing", folder / "warehouse", configure(folder / "conf"))
    for day in DAYS[:-1]:
        deliver(shop.landing, day)
    assert shop.run("--date", DAYS[-2]) == 0
    return shop


@pytest.fixture
def tonight(healthy: Shop, tmp_path: Path) -> Shop:
    """The shop with a healthy delivery of tonight, for the test to break."""
    for name in ("landing", "warehouse", "conf"):
        shutil.copytree(healthy.warehouse.parent / name, tmp_path / name)
    deliver(tmp_path / "landing", TONIGHT)
    return Shop(tmp_path / "landing", tmp_path / "warehouse", tmp_path / "conf")


def gates_of(shop: Shop) -> Gates:
    """The newest verdicts of the newest run, by gate."""
    rows = rows_of(shop.house, GATES.path)
    return {row["gate"]: row for row in rows if row["run_id"] == rows[-1]["run_id"]}


def failed(gates: Gates) -> set[str]:
    return {gate for gate, row in gates.items() if row["status"] != "passed"}


def stops(shop: Shop, capsys: pytest.CaptureFixture[str], told: dict[str, str]) -> Gates:
    """Run the night, which exactly the gates in ``told`` stop, each with these words, in one line; readers keep what
    they had. All verdicts of the night."""
    before, seen = releases.required(shop.house), shop.rows(CUSTOMERS)
    capsys.readouterr()
    assert shop.run() == 3
    (line,) = [text for text in capsys.readouterr().err.splitlines() if text.startswith("padron: ")]
    after = releases.required(shop.house)
    assert (after.release_id, after.tables) == (before.release_id, before.tables)
    assert shop.rows(CUSTOMERS) == seen
    found = gates_of(shop)
    assert {gate for gate, row in found.items() if row["status"] == "blocked"} == set(told)
    for gate, words in told.items():
        assert found[gate]["value"] > found[gate]["bound"]
        assert words in found[gate]["message"]
        assert f"{gate}: {found[gate]['message'].rstrip('.')}" in line
    assert line.endswith("if it is right: `padron release approve 2026-07-04.1 --why …`.")
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["status", "--date", TONIGHT, *where]) == 3
    assert execute(["runs", "2026-07-04.1", *where]) == 0
    shown = capsys.readouterr().out
    assert [gate for gate in told if f"gate {gate}: blocked" not in shown] == []
    return found


def warns(shop: Shop, told: dict[str, str]) -> None:
    """The gates in ``told`` warned in the released night, with these words, and its report says so."""
    found, release = gates_of(shop), releases.required(shop.house)
    assert release.release_id == next(iter(found.values()))["run_id"]
    page = html.unescape((shop.warehouse / "reports" / f"{release.business_date}.html").read_text("utf-8"))
    for gate, words in told.items():
        assert found[gate]["status"] == "warned", gate
        assert found[gate]["value"] > found[gate]["bound"]
        assert words in found[gate]["message"]
        assert f"{gate}: {found[gate]['message']}" in release.warnings
        assert found[gate]["message"] in page


def approve(shop: Shop) -> None:
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["release", "approve", "--why", "looked at it", "--by", "ana", *where]) == 0


def is_released(shop: Shop) -> None:
    """The same command again releases the night."""
    before = releases.required(shop.house).release_id
    assert shop.run() == 0
    release = releases.required(shop.house)
    assert (str(release.business_date), release.base_release) == (TONIGHT, before)
    assert execute(["status", "--date", TONIGHT, "--warehouse", str(shop.warehouse)]) == 0


def elsewhere(shop: Shop, folder: Path) -> Shop:
    """The same night in a copy of the warehouse, to end it in another way."""
    shutil.copytree(shop.warehouse, folder)
    return replace(shop, warehouse=folder)


def ids(shop: Shop) -> dict[tuple[str, str], str]:
    return {(row["source"], row["record_id"]): row["customer_id"] for row in shop.rows(ASSIGNED)}


def is_released_as_before(shop: Shop, before: dict[tuple[str, str], str]) -> None:
    """The same command again releases the night; no gate fails, and every record has the customer that it had."""
    is_released(shop)
    assert failed(gates_of(shop)) == set()
    now = ids(shop)
    assert {record: now[record] for record in before} == before


def test_too_few_records_to_train_on_are_told_in_the_first_night(healthy: Shop) -> None:
    warns(healthy, {"model": "records are too few to train on: starter model. The report of the training"})
    assert failed(gates_of(healthy)) == {"model"}
    assert len(list(healthy.warehouse.glob("generations/*/training.html"))) == 1


def test_a_delivery_that_is_wrong_throughout_stops_before_it_counts(
    tonight: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Support moved to another tool: the whole history, categories in German, no closing time, no column csat.
    moved = [
        {name: value for name, value in row.items() if name != "csat"}
        | {"category": "Versand", "closed_at": ""}
        for row in tickets(TONIGHT, 130)
    ]
    delivered(tonight.landing, TONIGHT, "support/tickets", moved)
    # Of the orders a third was transferred, the last of them in part.
    delivered(tonight.landing, TONIGHT, "orders/orders", orders(TONIGHT, 40))
    part = tonight.landing / TONIGHT / "orders" / "orders.csv"
    lines = part.read_text("utf-8").splitlines()
    part.write_text("\n".join([*lines[:-1], lines[-1].rsplit(",", 1)[0]]), "utf-8")
    half = {
        "volume_low orders/orders": "has 40 rows, 120 are usual: is the file whole?",
        "cut_off orders": "orders/orders.csv: cut off in the middle of a row, which is held back",
    }
    found = stops(
        tonight,
        capsys,
        {
            "volume_high support/tickets": "has 130 rows, 12 are usual: is it a history, or delivered twice?",
            "lost_columns support": "tickets.csv lacks csat: their values would be NULL. Ask the source's owner",
        },
    )
    assert found["lost_columns support"]["owner"] == "Customer service"
    assert failed(found) == {"volume_high support/tickets", "lost_columns support", *half}

    agreed = elsewhere(tonight, tmp_path / "agreed")
    approve(agreed)
    is_released(agreed)
    warns(
        agreed,
        half
        | {
            "quarantine orders/orders": "1 of 40 rows of orders/orders are held back",
            "unmapped_codes support/tickets.category": "130 of 130 values (100.0%) have no translation: add them",
            "profile_drift support/tickets.closed_at": "100% of the rows are empty",
        },
    )
    assert gates_of(agreed)["lost_columns support"]["status"] == "approved"
    assert agreed.value("SELECT count(*) FROM silver.cases") == 3 * 12 + 130

    deliver(tonight.landing, TONIGHT)
    is_released(tonight)
    assert failed(gates_of(tonight)) == set()
    assert tonight.value("SELECT count(*) FROM silver.cases") == 4 * 12


def test_json_lines_lack_a_column_when_no_row_has_it(
    tonight: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "HEAD_ROWS", 50)
    users = tonight.landing / TONIGHT / "web" / "users.csv"
    users.unlink()
    without = [
        {name: value for name, value in row.items() if name != "birthdate"} for row in accounts(TONIGHT)
    ]
    told = [*without[:-1], {**without[-1], "nick": "Lola"}]
    users.with_suffix(".jsonl").write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    found = stops(tonight, capsys, {"lost_columns web/users": "no row of web/users has birthdate"})
    assert found["lost_columns web/users"]["owner"] == found["new_columns web/users"]["owner"] == "E-commerce"
    assert "bring keys that no column takes: nick. They" in found["new_columns web/users"]["message"]

    # One account among all says when its person was born, and none of those that the columns are known by.
    told = [*without[:-1], {**without[-1], "birthdate": "1980-05-17"}]
    users.with_suffix(".jsonl").write_text("\n".join(map(json.dumps, told)), encoding="utf-8")
    is_released(tonight)
    assert {"lost_columns", "new_columns"} & {gate.split()[0] for gate in failed(gates_of(tonight))} == set()
    born = "SELECT count(birth_date) FROM silver.customer_records WHERE source = 'web'"
    assert tonight.value(born) == 1


def test_keys_that_slipped_by_a_row_move_ids_and_revenue(
    tonight: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So small a shop has fewer than the 1,000 records from which these two gates may stop a night.
    configure(tmp_path / "conf", bounds="{id_jitter: {least: 100}, revenue_jitter: {least: 100}}")
    before, right = ids(tonight), contacts(TONIGHT)
    slipped = [
        {**row, "contact_id": key["contact_id"]}
        for row, key in zip([*right[1:], right[0]], right, strict=True)
    ]
    delivered(tonight.landing, TONIGHT, "crm/contacts", slipped)
    stops(
        tonight,
        capsys,
        {
            "id_jitter": "records changed their customer (merge",
            "revenue_jitter": "of net revenue is with customers whose id changed (EUR",
        },
    )

    query = README_QUERIES["events"].replace("2026-07-02", TONIGHT)
    where = ["--warehouse", str(tonight.warehouse)]
    assert execute(["sql", query, "--run", "2026-07-04.1", "--json", *where]) == 0
    events = json.loads(capsys.readouterr().out)
    # What moved, and the source whose records say something else.
    assert {(row["event"], row["source"]) for row in events} >= {("reassigned", "web"), ("changed", "crm")}

    agreed = elsewhere(tonight, tmp_path / "agreed")
    approve(agreed)
    is_released(agreed)
    moved = [record for record, customer in before.items() if ids(agreed)[record] != customer]
    assert len(moved) > 0.2 * len(before)

    delivered(tonight.landing, TONIGHT, "crm/contacts", right)
    is_released_as_before(tonight, before)


def test_a_rule_that_joins_couples_puts_two_tax_ids_in_one_customer(
    tonight: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(tonight)
    rule = "never: []\nrules: [{name: one_phone, match: [phones]}]\n"
    configure(tmp_path / "conf", linkage=rule)
    found = stops(
        tonight, capsys, {"two_tax_ids": "11 customers hold two different valid tax ids of one kind"}
    )
    assert "Look for a rule or a decision that joins them." in found["two_tax_ids"]["message"]

    # Before anybody agrees it can be seen what joins them.
    where = ["--warehouse", str(tonight.warehouse), "--config", str(tmp_path / "conf")]
    assert execute(["explain", "erp:E000", "erp:E001", *where]) == 0
    assert "one_phone" in capsys.readouterr().out
    assert execute(["sql", README_QUERIES["two_tax_ids"], "--run", "2026-07-04.1", "--json", *where[:2]]) == 0
    mixed = json.loads(capsys.readouterr().out)
    assert len(mixed) == 11
    assert any({"erp:E000", "erp:E001"} <= set(row["records"]) for row in mixed)
    agreed = elsewhere(tonight, tmp_path / "agreed")
    approve(agreed)
    is_released(agreed)
    warns(agreed, {"over_clustering": "hold what two people would", "id_jitter": "(merge"})

    configure(tmp_path / "conf")
    is_released_as_before(tonight, before)


def test_fathers_joined_with_their_sons_are_found_by_a_judged_sample(
    tonight: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A sample of a shop as small as this has fewer than the 100 pairs from which the gate may stop a night.
    configure(tmp_path / "conf", bounds="{precision_estimate: {least: 20}}")
    sample = tmp_path / "sample.csv"
    where = ["--warehouse", str(tonight.warehouse), "--config", str(tonight.config), "--by", "ana"]
    assert execute(["review", "--sample", "60", "--export", str(sample), *where]) == 0
    with sample.open(encoding="utf-8-sig", newline="") as file:
        judged = list(csv.DictReader(file))
    for pair in judged:
        numbers = {int(pair[f"record_id_{side}"][1:]) for side in ("l", "r")}
        is_one = len(numbers) == 1 and not is_family(min(numbers))
        pair["answer"] = "match" if is_one else "no_match"
    write_csv(sample, judged)
    assert execute(["review", "--estimate", str(sample), "--keep", *where]) == 0

    found = stops(
        tonight,
        capsys,
        {"precision_estimate": "judged pairs. Read the wrong ones of the sample and decide them."},
    )
    wrong = [pair for pair in judged if pair["answer"] == "no_match"]
    decided = [
        {
            "kind": "no_match",
            **{
                f"{name}_records": f"{pair[f'source_{side}']}:{pair[f'record_id_{side}']}"
                for name, side in (("left", "l"), ("right", "r"))
            },
            "decided_by": "ana",
            "decided_at": "2026-07-04T20:00:00Z",
            "reason": "father and son",
        }
        for pair in wrong
    ]
    write_csv(tmp_path / "conf" / "decisions.csv", decided)
    is_released(tonight)
    estimate = gates_of(tonight)["precision_estimate"]
    assert estimate["status"] != "blocked"
    assert estimate["value"] < found["precision_estimate"]["value"] / 2
    now = ids(tonight)
    ends = [[(pair[f"source_{side}"], pair[f"record_id_{side}"]) for side in ("l", "r")] for pair in wrong]
    assert [pair for pair in ends if now[pair[0]] == now[pair[1]]] == []


def test_a_source_that_conf_declares_no_more_goes_when_somebody_agrees(
    tonight: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = tonight.config / "sources"
    shutil.copytree(SOURCES, declared)
    (declared / "support.yml").unlink()
    stops(tonight, capsys, {"deleted_share support/tickets": "would leave silver"})
    approve(tonight)
    is_released(tonight)
    assert tonight.value("SELECT count(*) FROM silver.cases") == 0
    assert tonight.value("SELECT count_if(source = 'support') FROM silver.customer_records") == 0
    assert tonight.value("SELECT count_if(source = 'support') FROM silver.outcomes") == 0
    assert tonight.value("SELECT count(*) FROM gold.customers WHERE is_live") > 0
    assert tonight.run() == 0, "the next night has nothing to ask"


def test_a_folder_dated_years_ahead_is_renamed(tonight: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    before, seen = ids(tonight), releases.required(tonight.house).release_id
    folder, ahead = tonight.landing / TONIGHT, tonight.landing / "2099-07-04"
    folder.rename(ahead)
    capsys.readouterr()
    assert tonight.run() == 3
    assert "the night's date 2099-07-04 is ahead of the clock" in capsys.readouterr().err
    assert gates_of(tonight)["future_date"]["status"] == "blocked"
    assert releases.required(tonight.house).release_id == seen
    ahead.rename(folder)
    where = ["--why", "a wrong folder", "--by", "ana", "--warehouse", str(tonight.warehouse)]
    assert execute(["release", "reject", "2099-07-04.1", *where]) == 0
    is_released_as_before(tonight, before)


def test_accounts_of_a_load_test_are_too_many_of_one_name(tonight: Shop) -> None:
    # The web shop copied every account under a new key; a load test left sixty contacts of one name.
    copies = [account(f"V{i:03d}", i) for i in range(len(accounts(TONIGHT)))]
    delivered(tonight.landing, TONIGHT, "web/users", [*accounts(TONIGHT), *copies])
    load = [
        {
            **contact(f"L{i:03d}", 901),
            "email": f"carga{i}@gmail.com",
            "tel_movil": f"6{80_203_040 + 7_919 * i}",
        }
        for i in range(60)
    ]
    delivered(tonight.landing, TONIGHT, "crm/contacts", [*contacts(TONIGHT), *load])
    is_released(tonight)
    warns(
        tonight,
        {
            "comparisons person": "pairs a record (budget 3)",
            "component_size": "60 records (person) cut into",
            "residual_duplicates": "compare another generation",
        },
    )
    assert "linkage/blocks has every rule" in gates_of(tonight)["comparisons person"]["message"]
    (cut,) = tonight.rows("SELECT * FROM linkage.cut_components")
    assert cut["component"] == "crm:L000"
