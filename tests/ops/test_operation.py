"""What a run records of its stages, and which of them the next one repeats: resumed, by another configuration, ``--from``."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tiny_night import DAY, STAGES, Tiny, Watch, install, stopped_at, with_conf

from pipelines.cli import execute
from pipelines.digests import LAYERS, program_digest
from pipelines.errors import UsageError
from pipelines.linkage.decisions import DECISIONS
from pipelines.ops import one_night, releases
from pipelines.ops.plan import PlannedNight
from pipelines.ops.record import rows_of
from pipelines.ops.run import Options
from pipelines.ops.tables import CONFIGURATIONS, RUNS
from pipelines.ops.tables import STAGES as STAGE_ROWS
from pipelines.settings import load_settings


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A first night to run, with a configuration of its own."""
    return with_conf(monkeypatch, tmp_path)


def configure(shop: Tiny, name: str, text: str) -> None:
    path = shop.config / name
    path.write_text(path.read_text(encoding="utf-8").replace("gates: {}", text), encoding="utf-8")


def test_every_stage_says_what_it_read_and_wrote_and_by_which_code_and_configuration(shop: Tiny) -> None:
    shop.run()
    rows = {r["stage"]: r for r in rows_of(shop.house, STAGE_ROWS.path)}
    assert rows.keys() == {s.name for s in STAGES}
    tables = releases.required(shop.house).tables
    for stage in STAGES:
        row = rows[stage.name]
        assert dict(row["outputs"]) == {t.path: tables[t.path] for t in stage.writes}
        assert dict(row["inputs"]) == {t.path: tables[t.path] for t in stage.reads}
        assert row["code_digest"] == program_digest(stage.layer)
        assert row["conf_digest"]
        assert row["seconds"] > 0
    assert (rows["bronze.land"]["rows_out"], rows["silver.build"]["rows_in"]) == (4, 4)


def test_a_night_takes_over_from_the_last_one_unless_code_or_what_makes_tables_changed(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def takes_over(name: str = "padron.yml", old: str = "", new: str = "") -> bool:
        """The next night as it would be with ``new`` for ``old`` in that file of the configuration."""
        path = shop.config / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        options = Options(str(shop.landing), str(shop.warehouse))
        settings = load_settings(shop.config)
        path.write_text(text, encoding="utf-8")
        planned = PlannedNight(date(2026, 7, 2), ())
        return one_night.prepare(planned, options, settings, shop.house).night.is_same_program

    assert not takes_over(), "there is no last one"
    shop.run()
    bound = ("padron.yml", "bounds: {}", "bounds: {volume_high: {warn: 7}}")
    for change in (
        (),
        bound,
        ("quality/gold.yml", "severity: fail", "severity: warn"),
        ("sources/crm.yml", "owner: CRM team", "owner: marketing"),
    ):
        assert takes_over(*change), change
    for change in (
        ("metrics.yml", "window_days: 365", "window_days: 90"),
        # What is stale stands in gold.
        ("sources/crm.yml", "owner: CRM", "cadence_days: 2\nowner: CRM"),
        ("sources/crm.yml", "name_order: given_first", "name_order: auto"),
    ):
        assert not takes_over(*change), change
    with monkeypatch.context() as patch:
        patch.setattr(one_night, "program_digest", lambda layer=None: "another")
        assert not takes_over()
    shop.house.delete_rows(CONFIGURATIONS.path, "conf_digest", [releases.required(shop.house).conf_digest])
    assert takes_over()
    assert not takes_over(*bound), "the last one's configuration is not on record"


def test_who_answers_for_a_source_and_how_often_it_comes_do_not_land_its_files_again(shop: Tiny) -> None:
    stopped_at(shop, "linkage.link")
    for name in sorted((shop.config / "sources").iterdir()):
        text = name.read_text(encoding="utf-8")
        name.write_text(text.replace("owner: ", "cadence_days: 3\nowner: new "), encoding="utf-8")
    seen = Watch()
    shop.run(seen)
    reused = {stage for stage, how in seen.stages.items() if how == "reused"}
    assert reused >= {"bronze.land", "silver.build", "linkage.link"}


def test_the_code_of_a_layer_is_its_own_and_that_to_its_left() -> None:
    digests = [program_digest(layer) for layer in LAYERS]
    assert len({*digests, program_digest()}) == len(LAYERS) + 1


def test_a_resumed_run_whose_configuration_changed_runs_again_from_the_first_stage_it_touches(
    shop: Tiny,
) -> None:
    stopped_at(shop, "identity.assign")
    linkage = shop.config / "linkage.yml"
    linkage.write_text("review_probability: 0.2\n", encoding="utf-8")
    watch = Watch()
    shop.run(watch)
    assert {n for n, s in watch.stages.items() if s == "reused"} == {
        "bronze.land",
        "silver.build",
        "gold.totals",
    }
    said = "configuration changed since 2026-07-01.1: linkage.link and what follows from it run again."
    assert said in watch.said
    starts = [r["message"] for r in rows_of(shop.house, RUNS.path) if r["status"] == "started"]
    assert starts == [None, said]


def test_what_only_judges_a_night_makes_nothing_run_again(shop: Tiny) -> None:
    stopped_at(shop, "gold.counts")
    configure(shop, "padron.yml", "gates: {landing: fail}")
    watch = Watch()
    shop.run(watch)
    assert set(watch.stages.values()) == {"reused"}
    assert watch.said == []


def test_a_decision_that_waits_is_taken_in_when_a_later_stage_is_run_again(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    asks = tuple(
        replace(s, reads=(*s.reads, DECISIONS)) if s.name == "identity.assign" else s for s in STAGES
    )
    install(monkeypatch.setattr, asks, shop.gates)
    shop.run()
    decided = dict.fromkeys(DECISIONS.arrow.names) | {
        c.name: datetime.now(UTC) if c.name == "decided_at" else "x" for c in DECISIONS.columns if c.required
    }
    shop.house.append_rows(
        DECISIONS, [decided | {"left_records": ["crm:1"], "right_records": ["crm:2"], "kind": "match"}]
    )
    watch = Watch()
    shop.run(watch, from_stage="gold.totals")
    assert {n for n, s in watch.stages.items() if s == "done"} == {
        "identity.assign",
        "gold.counts",
        "gold.totals",
    }


def test_a_country_that_there_is_not_is_refused_before_the_night(shop: Tiny) -> None:
    conf = shop.config / "padron.yml"
    conf.write_text(conf.read_text(encoding="utf-8").replace("country: MX", "country: XX"), encoding="utf-8")
    with pytest.raises(UsageError, match="country: XX is no code of a country"):
        shop.run()


def test_from_runs_a_stage_and_all_later_ones_again(shop: Tiny) -> None:
    stopped_at(shop, "gold.counts")
    watch = Watch()
    shop.run(watch, from_stage="identity.assign")
    assert {n for n, s in watch.stages.items() if s == "done"} == {
        "identity.assign",
        "gold.counts",
        "gold.totals",
    }
    # Also where nothing is new: the newest date is published once more, and what comes before is not repeated.
    before, watch = shop.content(), Watch()
    assert shop.run(watch, from_stage="gold.totals").released == [f"{DAY}.3"]
    assert {n for n, s in watch.stages.items() if s == "done"} == {"gold.totals"}
    assert shop.content() == before
    watch = Watch()
    assert shop.run(watch, from_stage="identity.assign").released == [f"{DAY}.4"]
    assert {n for n, s in watch.stages.items() if s == "reused"} == {
        "bronze.land",
        "silver.build",
        "linkage.link",
    }
    assert shop.content() == before
    with pytest.raises(UsageError, match=r"--from identity is not a stage\. Stages: bronze\.land"):
        shop.run(from_stage="identity")


def test_the_stages_of_a_run_that_never_was_are_an_error(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run()
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["runs", "--stages", f"{DAY}.1", *where]) == 0
    assert execute(["runs", "--stages", "NONSENSE", *where]) == 2
    assert "There is no run NONSENSE: `padron runs` lists them." in capsys.readouterr().err
