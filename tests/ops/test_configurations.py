"""A configuration on record is the configuration again: every part, in its order, wherever it was set."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_night import ROOT

from pipelines.ops.configurations import configuration, keep_configuration, recorded, restored
from pipelines.renames import DECLARED
from pipelines.settings import Settings, load_settings
from pipelines.storage import Warehouse

EXAMPLE = ROOT / "conf" / "examples" / "online_retail"
NO_KEYS = DECLARED.empty_table()
FILES = {
    "padron.yml": """
country: ES
reporting_currency: MXN
gates: {landing: off}
bounds: {volume_low: {warn: 2}, volume_high: {fail: null}}
""",
    "rates.csv": "date,currency,rate\n2026-07-01,EUR,20.5\n2026-07-01,VND,0.0000000001\n2026-07-01,MXN,1\n",
    "renames.yml": """
sources: [{from: web, to: shop, since: 2026-07-02}]
keys: [{source: crm, file: people.csv, since: 2026-07-02}]
""",
    "people.csv": "old,new\n7,ana-8\n1,ana-9\n",
    "linkage.yml": """
comparisons:
  surname: {JaroWinklerAtThresholds: {score_threshold_or_thresholds: [0.92, 0.85]}}
  city: {ExactMatch: {}}
blocking:
  rules: [{sql: "l.name_tokens = r.name_tokens", explode: [name_tokens]}, [surname, birth_date]]
generic: {distinct_names: {phones: 4, address: 90}}
rules: [{name: same_card, match: [loyalty_id], never: [birth_date]}]
duplicate_free: [erp]
""",
    "quality/own.yml": """
owner: data engineering
contracts:
  - table: silver/customer_records
    expectations:
      - {type: expect_column_values_to_be_between, kwargs: {column: registered_at, min_value: 2000-01-01}, severity: quarantine}
      - {type: expect_column_values_to_be_in_set, kwargs: {column: language, value_set: [es, "NO"]}, severity: quarantine}
""",
    "env/prod/survivorship.yml": "trust: [erp, crm]\n",
    "env/prod/metrics.yml": "value_tiers: {Platinum: 0.015}\nservice: {window_days: 30}\n",
}
"""What a configuration may hold beside the defaults: dates, decimals, money, names, SQL, and keys of people."""


@pytest.fixture
def everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A configuration with something of everything, some of it set by the environment."""
    folder = tmp_path / "conf"
    shutil.copytree(ROOT / "conf" / "sources", folder / "sources")
    shutil.copy(ROOT / "conf" / "survivorship.yml", folder)
    web = folder / "sources" / "web.yml"
    web.write_text(
        web.read_text(encoding="utf-8").replace("source: web", "source: shop", 1), encoding="utf-8"
    )
    shutil.copy(EXAMPLE / "sources" / "retail.yml", folder / "sources")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    with monkeypatch.context() as environment:
        environment.setenv("PADRON_ENV", "prod")
        environment.setenv("PADRON__METRICS__WINDOW_DAYS", "90")
        made = load_settings(folder)
    assert (made.metrics.window_days, str(made.metrics.value_tiers.Platinum)) == (90, "0.015")
    return made


def kept(folder: Path, settings: Settings) -> dict[str, Any]:
    """The configuration as a warehouse keeps it."""
    house = Warehouse(str(folder / "warehouse"))
    keep_configuration(house, settings)
    found = configuration(house, settings.digest)
    assert found is not None
    return found


def in_order(settings: Settings) -> str:
    return json.dumps(settings.whole, default=str)


@pytest.mark.parametrize("folder", [ROOT / "conf", EXAMPLE], ids=lambda folder: folder.name)
def test_a_configuration_on_record_is_the_same_again(
    folder: Path, tmp_path: Path, everything: Settings
) -> None:
    settings = load_settings(folder)
    found = restored(kept(tmp_path, settings), NO_KEYS, everything)
    assert (found.unread, found.inexact) == ((), ())
    assert found.settings.digest == settings.digest
    assert in_order(found.settings) == in_order(settings)
    # Who is told, upkeep and how Java starts are no part of it.
    assert found.settings.project.alerts == everything.project.alerts


def test_all_that_a_configuration_may_hold_comes_back_whatever_the_environment_says_now(
    tmp_path: Path, everything: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADRON__METRICS__WINDOW_DAYS", "7")
    today = load_settings(ROOT / "conf")
    content = kept(tmp_path, everything)
    assert "ana-" not in str(content)
    keys = everything.renames.slice(1)
    assert keys["new_record_id"].to_pylist() == ["ana-8", "ana-9"]
    found = restored(content, keys, today)
    assert (found.unread, found.inexact) == ((), ())
    assert set(found.others) == content.keys(), "a part that nothing here changes is not tried"
    assert found.settings.digest == everything.digest
    assert in_order(found.settings) == in_order(everything)
    assert found.settings.rates == everything.rates
    for part in ("sources", "linkage", "survivorship", "metrics", "rates"):
        assert getattr(found.settings, part) == getattr(everything, part)


def test_every_part_that_decides_a_night_is_read_back(everything: Settings) -> None:
    nothing: dict[str, Any] = {}
    found = restored(nothing, NO_KEYS, everything)
    assert set(found.unread) == set(everything.whole)
    assert found.settings.digest == everything.digest, "what is not on record is today's"
    assert found.others == ("renamed_keys",)


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("metrics", {"window_days": 365, "lucky_number": 7}),
        ("metrics", None),
        ("survivorship", {"trust": ["crm"], "groups": {}}),
        ("sources", {"crm": {}}),
        ("project", [1]),
        ("rates", {"date": ["yesterday"], "currency": ["EUR"], "rate": ["1"]}),
        ("rates", [["2026-07-01", "EUR", "1"]]),
        ("renames", {"source": ["web"]}),
        (
            "contracts",
            [
                {
                    "table": "silver/orders",
                    "expectations": [{"type": "expect_no_such", "severity": "quarantine"}],
                }
            ],
        ),
    ],
)
def test_a_part_that_this_program_cannot_read_is_todays_and_named(
    part: str, content: object, everything: Settings
) -> None:
    shipped = load_settings(ROOT / "conf")
    found = restored({**recorded(shipped), part: content}, NO_KEYS, everything)
    assert found.unread == (part,)
    assert part not in found.others
    assert getattr(found.settings, part) is getattr(everything, part)
    other = "linkage" if part != "linkage" else "metrics"
    assert getattr(found.settings, other) == getattr(shipped, other)


def test_a_part_that_an_older_program_kept_is_read_and_named() -> None:
    settings = load_settings(EXAMPLE)
    content = recorded(settings)
    # Before there was a limit; and when patterns were kept by name, which loses their order.
    del content["linkage"]["max_links"]
    (feed,) = content["sources"][0]["feeds"].values()
    by_name = {".": "completed", "^A": "adjustment", "^C": "credit"}
    feed["derive"]["invoices"]["map"]["status"]["patterns"] = by_name
    found = restored(content, NO_KEYS, settings)
    assert set(found.inexact) == {"linkage", "sources"}
    assert found.settings.linkage == settings.linkage
    assert found.others == ("sources",), "what says the same is no other"


def test_the_keys_that_an_older_program_kept_are_not_taken_for_all() -> None:
    settings = load_settings(ROOT / "conf")
    rows = {
        "source": ["web", "crm"],
        "record_id": [None, "1"],
        "new_source": ["shop", "crm"],
        "new_record_id": [None, "2"],
        "since": ["2026-07-02", "2026-07-02"],
    }
    found = restored({**recorded(settings), "renames": rows}, NO_KEYS, settings)
    assert found.settings.renames["source"].to_pylist() == ["web"]


def test_the_parts_of_a_file_are_the_file(tmp_path: Path) -> None:
    """As README says: JSON is YAML, so that what is on record can be put back into conf."""
    settings = load_settings(ROOT / "conf")
    content = recorded(settings)
    folder = tmp_path / "conf"
    (folder / "sources").mkdir(parents=True)
    named = {"padron": content["project"]} | {n: content[n] for n in ("linkage", "survivorship", "metrics")}
    named |= {f"sources/{source['source']}": source for source in content["sources"]}
    for name, part in named.items():
        (folder / f"{name}.yml").write_text(json.dumps(part), encoding="utf-8")
    assert load_settings(folder).digest == settings.digest
