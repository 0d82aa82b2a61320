"""A past run once more, from its record: the same tables come out, whatever was configured since."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from tiny_night import ROOT, STAGES, TOTALS, Tiny, Watch, install, tiny

from pipelines.bronze.batches import BATCHES
from pipelines.errors import UsageError
from pipelines.ops import releases
from pipelines.ops.configurations import configuration
from pipelines.ops.record import last_states, rows_of
from pipelines.ops.repeat import repeat
from pipelines.ops.runner import Runner
from pipelines.ops.tables import CONFIGURATIONS, RUNS
from pipelines.settings import load_settings
from pipelines.silver.renames import RENAMES, in_force
from pipelines.stages import Stage
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.stages import Content, Inputs

RUN = "2026-07-02.1"


def _renames(inputs: Inputs) -> Content:
    stored, declared = inputs.previous_arrow(RENAMES), inputs.settings.renames
    return {RENAMES.path: in_force(stored, declared, inputs.night.business_date)}


def _parts(inputs: Inputs) -> Content:
    """A row for every part of the configuration, which tells what it holds."""
    of_record = [name for name in inputs.settings.parts if name != "renames"]
    rows = [{"about": f"{name} {inputs.settings.digest_of((name,))}", "records": 1} for name in of_record]
    return {TOTALS.path: pa.Table.from_pylist(rows, schema=arrow_schema(TOTALS))}


CONFIGURED = (
    *(replace(stage, run=_parts, conf=None) if stage.name == "gold.totals" else stage for stage in STAGES),
    Stage("silver.renames", (RENAMES,), _renames, reads=(BATCHES,), previous=(RENAMES,), conf=("renames",)),
)
"""A night whose tables tell by which configuration they were made."""

THEN = {
    "padron.yml": "reporting_currency: MXN\n",
    "rates.csv": "date,currency,rate\n2026-07-01,EUR,20\n",
    "renames.yml": """
sources: [{from: web, to: shop, since: 2026-07-02}]
keys: [{source: crm, file: people.csv, since: 2026-07-02}]
""",
    "people.csv": "old,new\n2,ana-8\n1,ana-9\n",
}
NOW = {
    "padron.yml": "reporting_currency: MXN\ncountry: ES\n",
    "rates.csv": "date,currency,rate\n2026-07-01,EUR,21\n",
    "renames.yml": "sources: [{from: web, to: shop, since: 2026-07-01}]\n",
    "linkage.yml": "review_probability: 0.2\n",
    "metrics.yml": "window_days: 30\n",
    "quality/gold.yml": "owner: data engineering\ncontracts: []\n",
}


def configure(shop: Tiny, files: dict[str, str]) -> None:
    for name, text in files.items():
        (shop.config / name).write_text(text, encoding="utf-8")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """Two released nights of a file each, by a configuration of their own."""
    made = tiny(monkeypatch, tmp_path)
    install(monkeypatch.setattr, CONFIGURED, made.gates)
    made.config = tmp_path / "conf"
    shutil.copytree(ROOT / "conf", made.config)
    web = made.config / "sources" / "web.yml"
    web.write_text(
        web.read_text(encoding="utf-8").replace("source: web", "source: shop", 1), encoding="utf-8"
    )
    configure(made, THEN)
    made.deliver("2026-07-01", {"1": "ana", "2": "eva", "3": "ana"})
    made.deliver("2026-07-02", {"2026-07-02": "2026-07-02", "2": "ada"})
    made.run()
    return made


def again(shop: Tiny, watch: Watch | None = None) -> tuple[dict[str, int], list[str]]:
    """What ``padron run --repeat`` finds with the configuration of now, and what it warns about."""
    watch, today = watch or Watch(), load_settings(shop.config)
    found = repeat(RUN, str(shop.landing), today, shop.house, lambda: None, watch)  # type: ignore[arg-type,return-value]
    return found, watch.said


SAME = dict.fromkeys((table.path for stage in CONFIGURED for table in stage.writes), 0)


def test_a_past_run_is_repeated_from_its_record_and_nothing_else_changes(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-07-03", {"2026-07-03": "2026-07-03", "2": "eve"})
    shop.run()
    content, release = shop.content(), releases.required(shop.house)
    records = rows_of(shop.house, RUNS.path)
    left: list[Any] = []
    monkeypatch.setattr(Runner, "_leave", lambda self, pages: left.append(pages))
    watch = Watch()
    assert again(shop, watch) == (SAME, [])
    assert watch.nights == [(RUN, 1, len(CONFIGURED))]
    assert releases.required(shop.house) == release
    assert shop.content() == content
    assert rows_of(shop.house, RUNS.path) == records
    assert left == [], "a repetition leaves no page either"
    shop.deliver("2026-07-04", {"7": "zoe"})
    shop.run()
    assert len(shop.content()["identity/log"]) > len(content["identity/log"]), (
        "the night after builds on the release"
    )
    (shop.landing / "2026-07-02" / "crm" / "contacts.csv").unlink()
    with pytest.raises(UsageError, match=r"2026-07-02/crm/contacts\.csv is not in the landing folder"):
        again(shop)


def change(shop: Tiny) -> None:
    """Another configuration, in every part."""
    configure(shop, NOW)
    for name, old, new in (
        ("survivorship", "trust: [crm, erp", "trust: [erp, crm"),
        ("sources/crm", "owner:", "owner: new"),
    ):
        path = shop.config / f"{name}.yml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")


OTHER = (
    "Today's configuration is another in project, sources, linkage, survivorship, metrics, contracts, rates, renames, "
    "renamed_keys: the run's own is used, as it is on record."
)


def test_a_past_run_is_repeated_by_its_own_configuration_whatever_it_is_today(shop: Tiny) -> None:
    change(shop)
    assert again(shop) == (SAME, [OTHER])


def keep(shop: Tiny, content: dict[str, Any] | None) -> None:
    """What is on record of the run's configuration is that, or nothing."""
    digest = last_states(shop.house)[RUN]["conf_digest"]
    shop.house.delete_rows(CONFIGURATIONS.path, "conf_digest", [digest])
    if content is not None:
        row = {"conf_digest": digest, "at": datetime.now(UTC), "content": json.dumps(content)}
        shop.house.append_rows(CONFIGURATIONS, [row])


def on_record(shop: Tiny) -> dict[str, Any]:
    found = configuration(shop.house, last_states(shop.house)[RUN]["conf_digest"])
    assert found is not None
    return found


def test_a_configuration_that_is_not_on_record_is_todays(shop: Tiny) -> None:
    keep(shop, None)
    assert again(shop) == (SAME, []), "today's is the same"
    change(shop)
    found, said = again(shop)
    assert {path for path, rows in found.items() if rows} == {TOTALS.path, RENAMES.path}
    assert said == ["Its configuration is not on record: today's is used, which is another."]


def test_a_part_that_cannot_be_read_from_the_record_is_todays_and_named(shop: Tiny) -> None:
    content = on_record(shop)
    keep(shop, {**content, "metrics": {"window_days": 365, "lucky_number": 7}})
    change(shop)
    found, said = again(shop)
    assert {path: rows for path, rows in found.items() if rows} == {TOTALS.path: 2}, "a part, then and now"
    assert said == [
        OTHER.replace(" metrics,", ""),
        "Its configuration of metrics is on record as this program cannot read it: today's is used.",
    ]


def test_a_part_of_an_older_program_is_read_and_named(shop: Tiny) -> None:
    content = on_record(shop)
    del content["metrics"]["rfm_mode"]
    keep(shop, content)
    change(shop)
    found, said = again(shop)
    assert found == SAME
    assert said == [
        OTHER,
        "Its configuration of metrics was kept by another version of the program: what that did not tell is at its "
        "default.",
    ]
