"""Every owner has a list of what to see to, whichever night it came; what nobody is named for is data engineering's."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from pipelines.bronze.batches import BATCHES
from pipelines.cli import execute
from pipelines.ops import releases
from pipelines.ops.issues import held, judged, open_issues, undeclared, untranslated
from pipelines.ops.profiles import PROFILES
from pipelines.ops.tables import GATES, RUNS
from pipelines.quality.contracts import Contract
from pipelines.silver.quarantine import QUARANTINE
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import Table

DAY, AT = dt.date(2026, 7, 2), dt.datetime(2026, 7, 2, tzinfo=dt.UTC)
_later = itertools.count()


def gate(name: str, status: str, owner: str | None = None, message: str = "seen") -> dict[str, Any]:
    at = AT + dt.timedelta(seconds=next(_later))
    return {"gate": name, "status": status, "owner": owner, "message": message, "at": at}


def batch(file: str, *new: str, status: str = "landed") -> dict[str, Any]:
    day, source, name = file.split("/")
    feed = re.split("[-.]", name)[0]
    names = {
        "batch_id": file,
        "source": source,
        "feed": feed,
        "file": file,
        "status": status,
        "is_late": False,
        "is_snapshot": True,
        "ingested_at": AT,
    }
    return {**names, "landing_date": dt.date.fromisoformat(day), "new_columns": list(new)}


def test_of_a_gate_the_last_verdict_counts_and_what_stands_open_anyway_is_said_once() -> None:
    found = judged(
        [
            gate("schema", "passed"),
            gate("volume_low crm/contacts", "blocked", "CRM team", "half a file"),
            gate("volume_low crm/contacts", "approved", "CRM team", "half a file"),
            gate("new_columns crm", "warned", "CRM team"),
            gate("quarantine web/users", "blocked", "Web team"),
            gate("id_jitter", "warned"),
        ]
    )
    assert [(i.owner, i.about, i.status) for i in found] == [
        ("CRM team", "volume_low crm/contacts", "approved"),
        ("Web team", "quarantine web/users", "blocked"),
        ("data engineering", "id_jitter", "warned"),
    ]


def test_of_a_file_that_was_corrected_the_last_content_counts() -> None:
    wrong = batch("2026-07-02/crm/contacts.csv", "apodo")
    corrected = {**batch("2026-07-02/crm/contacts.csv"), "ingested_at": AT + dt.timedelta(days=1)}
    assert undeclared([corrected, wrong]) == []


def test_new_keys_that_only_the_rows_have_are_told_by_their_gate() -> None:
    found = judged([gate("new_columns crm", "warned"), gate("new_columns crm/contacts", "warned")])
    assert [i.about for i in found] == ["new_columns crm/contacts"]


def test_fields_that_conf_does_not_know_are_those_of_the_newest_date() -> None:
    found = undeclared(
        [
            batch("2026-07-01/crm/contacts.csv", "antes"),
            batch("2026-07-02/crm/contacts-1.csv", "nuevo", "alta"),
            batch("2026-07-02/crm/contacts-2.csv"),
            batch("2026-07-01/web/users.csv", "beta"),
            batch("2026-07-02/web/users.csv"),
            batch("2026-07-03/crm/contacts.csv", "wrong", status="rejected"),
        ]
    )
    assert found == [
        ("crm", "contacts", "alta, nuevo: landed, not used; declare in conf/sources/crm.yml"),
    ]


def test_codes_and_rows_held_back_are_a_line_a_feed() -> None:
    columns = [
        {"source": "crm", "feed": "contacts", "column": name, "unmapped": n, "filled": 1_200}
        for name, n in (("estado", 1_000), ("tipo", 2))
    ]
    assert untranslated(columns) == [
        (
            "crm",
            "contacts",
            "estado (1,000 of 1,200 values), tipo (2 of 1,200 values): codes without a translation; add them to "
            "codes in conf/sources/crm.yml",
        )
    ]
    assert held([{"source": "web", "feed": "users", "reason": "too_many_fields", "rows": 3}]) == [
        ("web", "users", "too_many_fields 3: rows held back; silver/quarantine has each")
    ]


def stored(house: Warehouse, table: Table, *rows: dict[str, Any]) -> int:
    return house.write(table, pa.Table.from_pylist(list(rows), schema=arrow_schema(table)), None)


def test_the_list_comes_from_the_run_and_the_release_and_the_terminal_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house = Warehouse(str(tmp_path / "warehouse"))
    profile = {
        "business_date": DAY,
        "source": "crm",
        "feed": "contacts",
        "rows": 10,
        "filled": 9,
        "distinct": 2,
    }
    row = {"source": "gone", "feed": "users", "reason": "malformed", "row": "{}", "_file": "f", "_row": 1}
    held_back = {
        **row,
        "_batch_id": "b",
        "business_date": DAY,
        "source": "till",
        "reason": "not_between_amount",
    }
    landed = batch("2026-07-02/crm/contacts.csv", "nuevo")
    tables = {
        BATCHES.path: stored(
            house, BATCHES, {**landed, "business_date": DAY, "ingested_at": AT, "digest": "d"}
        ),
        PROFILES.path: stored(
            house,
            PROFILES,
            {**profile, "column": "estado", "unmapped": 4},
            {**profile, "column": "tipo", "unmapped": 0},
            {**profile, "column": "antes", "unmapped": 4, "business_date": dt.date(2026, 7, 1)},
        ),
        QUARANTINE.path: stored(
            house,
            QUARANTINE,
            {**row, "_batch_id": "b", "business_date": DAY},
            {**held_back, "feed": "sales", "_row": 2},
            {**held_back, "feed": "returns", "_row": 3},
            {**held_back, "feed": "sales", "reason": "malformed", "_row": 4},
        ),
    }
    common = {"run_id": "2026-07-02.1", "business_date": DAY, "at": AT}
    verdict = gate("volume_low crm/contacts", "warned", "Customer care")
    house.append_rows(GATES, [{**common, **verdict, "severity": "warn", "value": 3.0}])
    house.append_rows(
        RUNS, [{**common, "status": "released", "version": "0.1.0", "host": "h", "seconds": 1.0}]
    )
    told = {
        "tables": list(tables.items()),
        "status": "released",
        "warnings": [],
        "business_date": DAY,
        "at": AT,
    }
    releases.publish(house, {"release_id": "2026-07-02.1", **told})
    sources = cast(Any, {"crm": SimpleNamespace(owner="CRM team")})
    found = open_issues(house, "2026-07-02.1", releases.newest(house), sources)
    assert [(i.owner, i.status, i.about) for i in found] == [
        ("CRM team", "open", "crm/contacts"),
        ("CRM team", "open", "crm/contacts"),
        ("Customer care", "warned", "volume_low crm/contacts"),
        ("data engineering", "open", "gone/users"),
        ("data engineering", "open", "till/returns"),
        ("data engineering", "open", "till/sales"),
    ]
    assert found[0].message.startswith("estado (4 of 9 values): codes")
    rule = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "amount", "min_value": 0}}
    rules = {"expectations": [{**rule, "severity": "quarantine", "owner": "Treasury"}]}
    contract = Contract.model_validate({"table": "silver/orders", **rules})
    till = {
        "sales": SimpleNamespace(target="orders", derive={}),
        "returns": SimpleNamespace(target="returns", derive={}),
    }
    known = cast(Any, {**sources, "till": SimpleNamespace(owner="Shops", feeds=till)})
    owned = open_issues(house, "2026-07-02.1", releases.newest(house), known, [contract])
    assert [(i.owner, i.about, i.message[:20]) for i in owned if "till" in i.about] == [
        ("Shops", "till/returns", "not_between_amount 1"),
        ("Shops", "till/sales", "malformed 1: rows he"),
        ("Treasury", "till/sales", "not_between_amount 1"),
    ]
    tonight = {**common, "run_id": "2026-07-03.1", **gate("quarantine crm/contacts", "warned", "CRM team")}
    house.append_rows(GATES, [{**tonight, "severity": "warn", "value": 0.2}])
    stopped = open_issues(house, "2026-07-03.1", releases.newest(house), sources)
    assert ("warned", "quarantine crm/contacts") in [(i.status, i.about) for i in stopped], (
        "no table that readers see has what a night found that was not released"
    )
    assert execute(["status", "--issues", "--warehouse", house.root]) == 0
    said = capsys.readouterr().out
    assert "Issues of Customer care\n  warned   volume_low crm/contacts: seen\n" in said
    assert execute(["status", "--issues", "--json", "--warehouse", house.root]) == 0
    answer = json.loads(capsys.readouterr().out)
    feeds = {"crm/contacts", "gone/users", "till/returns", "till/sales"}
    assert {i["about"] for i in answer["issues"]} == {"volume_low crm/contacts", *feeds}
