"""Resumed with another configuration, layer by layer, over a range of dates, foretold and looked at afterwards."""

from __future__ import annotations

import json
import runpy
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError
from tiny_night import ROOT, STAGES, Tiny, Watch, install, tiny

from pipelines.cli import execute, night
from pipelines.digests import LAYERS, program_digest
from pipelines.errors import LockHeld, PadronError, UsageError
from pipelines.linkage.decisions import DECISIONS
from pipelines.ops import lock, one_night, releases, summarise
from pipelines.ops.claims import Claims
from pipelines.ops.lock import PARKED, Lock, holder
from pipelines.ops.plan import PlannedNight
from pipelines.ops.record import last_states, mark, rows_of
from pipelines.ops.run import Options
from pipelines.ops.tables import CONFIGURATIONS, LOCK, RUNS
from pipelines.ops.tables import STAGES as STAGE_ROWS
from pipelines.settings import load_settings

DAY = "2026-07-01"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A first night to run, with a configuration of its own."""
    made = tiny(monkeypatch, tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    made.config = tmp_path / "conf"
    made.deliver(DAY, {"1": "ana", "2": "eva", "3": "ana"})
    return made


def stopped_at(shop: Tiny, stage: str) -> None:
    """A run that fails when ``stage`` has ended."""
    shop.gates[stage] = lambda inputs: 1 / 0
    with pytest.raises(PadronError):
        shop.run()
    shop.gates.clear()


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


def test_a_job_a_layer_shares_run_and_lock_and_the_last_one_releases(shop: Tiny, tmp_path: Path) -> None:
    whole = Tiny(shop.landing, tmp_path / "whole", config=shop.config)
    whole.run()
    for layer, following in pairwise(LAYERS):
        watch = Watch()
        assert shop.run(watch, layer=layer).waits_for == following
        assert {n.partition(".")[0] for n, s in watch.stages.items() if s == "done"} == {layer}
        assert releases.newest(shop.house) is None
        held = holder(shop.house)
        assert held is not None
        assert held["pid"] is None
        with pytest.raises(LockHeld, match=f"night {DAY}, which waits for its {following} job"):
            shop.run(date=date(2026, 7, 2))
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 4
    assert shop.run(layer="gold").released == [f"{DAY}.1"]
    assert holder(shop.house) is None
    assert list(last_states(shop.house)) == [f"{DAY}.1"]
    assert len(rows_of(shop.house, STAGE_ROWS.path)) == len(STAGES), "no stage is recorded twice"
    assert shop.content() == whole.content()
    assert shop.run(layer="bronze").released == []


def test_jobs_a_layer_that_are_all_told_where_to_begin_begin_there_once(shop: Tiny) -> None:
    ran = []
    for layer in LAYERS:
        watch = Watch()
        shop.run(watch, layer=layer, from_stage="silver.build")
        ran += [name for name, status in watch.stages.items() if status == "done"]
    assert sorted(ran) == sorted(stage.name for stage in STAGES)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_job_of_a_layer_is_the_command_with_that_layer(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, asked = ROOT / "jobs" / f"{layer}.py", []
    assert len(job.read_text(encoding="utf-8").splitlines()) <= 20
    monkeypatch.setattr("pipelines.cli.execute", lambda arguments: asked.append(arguments) or 3)
    monkeypatch.setattr("sys.argv", [str(job), "--date", DAY])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(job), run_name="__main__")
    assert (ended.value.code, asked) == (3, [["run", "--layer", layer, "--date", DAY]])


def test_a_layer_that_failed_is_retried_in_the_same_run(shop: Tiny) -> None:
    shop.run(layer="bronze")
    shop.gates["silver.build"] = lambda inputs: 1 / 0
    with pytest.raises(PadronError):
        shop.run(layer="silver")
    assert holder(shop.house) is None
    asked = []
    shop.gates["silver.build"] = lambda inputs: asked.append(1) or []  # type: ignore[func-returns-value]
    watch = Watch()
    shop.run(watch, layer="silver")
    assert watch.stages == {"bronze.land": "reused", "silver.build": "reused"}
    assert asked == [1], "a gate that could not judge is asked again"
    assert shop.run(layer="gold").released == [f"{DAY}.1"]
    with pytest.raises(UsageError, match="--layer copper is not a layer"):
        shop.run(layer="copper")
    with pytest.raises(UsageError, match="--layer runs a layer of one night"):
        shop.run(layer="silver", since=date(2026, 7, 1), date=date(2026, 7, 3))


def test_the_stages_of_a_run_that_never_was_are_an_error(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run()
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["runs", "--stages", f"{DAY}.1", *where]) == 0
    assert execute(["runs", "--stages", "NONSENSE", *where]) == 2
    assert "There is no run NONSENSE: `padron runs` lists them." in capsys.readouterr().err


def test_a_night_that_waits_too_long_for_its_next_job_loses_the_lock(shop: Tiny) -> None:
    shop.run(layer="bronze")
    content = shop.house.arrow(LOCK.path)
    assert content is not None
    row = content.to_pylist()[0]
    row["heartbeat_at"] = datetime.now(UTC) - PARKED - timedelta(seconds=1)
    seen = shop.house.open(LOCK.path)
    assert seen is not None
    shop.house.replace_rows(LOCK, [row], seen)
    with Lock(shop.house, "another") as taken:
        assert "taken over" in str(taken.taken_over)


def test_a_run_whose_heartbeat_finds_the_lock_taken_begins_no_other_stage(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", timedelta(seconds=0.05))

    def robbed(inputs: object) -> list[object]:
        held = shop.house.open(LOCK.path)
        while held is not None and held.to_pyarrow_table().to_pylist()[0]["owner"] != "another":
            row = {**held.to_pyarrow_table().to_pylist()[0], "owner": "another"}
            # A heartbeat may come in between.
            with suppress(DeltaError):
                shop.house.replace_rows(LOCK, [row], held)
            held = shop.house.open(LOCK.path)
        time.sleep(0.5)
        return []

    shop.gates["silver.build"] = robbed
    watch = Watch()
    with pytest.raises(LockHeld, match="took the lock over"):
        shop.run(watch)
    assert list(watch.stages) == ["bronze.land", "silver.build"]


def test_a_run_that_lost_its_lock_releases_nothing(shop: Tiny) -> None:
    def robbed(inputs: object) -> list[object]:
        seen = shop.house.open(LOCK.path)
        assert seen is not None
        row = {**seen.to_pyarrow_table().to_pylist()[0], "owner": "another"}
        shop.house.replace_rows(LOCK, [row], seen)
        return []

    shop.gates["gold.counts"] = robbed
    with pytest.raises(LockHeld, match="took the lock over"):
        shop.run()
    assert releases.newest(shop.house) is None


def test_a_range_of_dates_is_a_night_a_folder_and_what_is_older_goes_with_the_first(shop: Tiny) -> None:
    for day in (3, 4, 6, 8):
        shop.deliver(f"2026-07-0{day}", {f"r{day}": f"p{day}"})
    done = shop.run(since=date(2026, 7, 3), date=date(2026, 7, 6))
    assert done.released == ["2026-07-03.1", "2026-07-04.1", "2026-07-06.1"]
    assert len(shop.content()["silver/people"]) == 6
    assert shop.run(since=date(2026, 7, 3), date=date(2026, 7, 6)).released == []
    with pytest.raises(UsageError, match="ends before it begins"):
        shop.run(since=date(2026, 7, 9), date=date(2026, 7, 8))
    assert execute(["run", "--date", "2026-07-03..x"]) == 2


def foretold(shop: Tiny, *options: str) -> int:
    where = ["--landing", str(shop.landing), "--warehouse", str(shop.warehouse), "--config", str(shop.config)]
    return execute(["run", "--dry-run", *where, *options])


def test_a_dry_run_says_what_would_run_and_why_and_changes_nothing(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert foretold(shop) == 0
    assert not shop.warehouse.exists()
    said = capsys.readouterr().out
    assert "Night 2026-07-01  1 files, builds on nothing" in said
    assert "file   2026-07-01/crm/contacts.csv" in said
    assert "run    bronze.land: not run yet" in said
    stopped_at(shop, "linkage.link")
    shop.deliver("2026-07-02", {"9": "zoe"})
    before = sorted(p for p in shop.warehouse.rglob("*"))
    assert foretold(shop) == 0
    said = capsys.readouterr().out
    assert "reuse  linkage.link: finished before" in said
    assert "run    gold.counts: after identity.assign" in said
    assert "Night 2026-07-02  1 files, builds on the night before" in said
    assert sorted(p for p in shop.warehouse.rglob("*")) == before
    shop.run()
    assert foretold(shop) == 0
    assert "Nothing to do" in capsys.readouterr().out
    assert foretold(shop, "--date", "2026-07-09") == 0
    assert "run    bronze.land: not run yet" in capsys.readouterr().out, "a night in which nothing came"
    conf = shop.config / "padron.yml"
    text = conf.read_text(encoding="utf-8")
    conf.write_text(text.replace("bounds: {}", "bounds: {volume_high: {warn: 7}}"), encoding="utf-8")
    capsys.readouterr()
    assert foretold(shop) == 0
    assert "run    bronze.land: the night is run again" in capsys.readouterr().out
    conf.write_text(text, encoding="utf-8")
    shop.deliver("2026-07-03", {"7": "eva"})
    assert foretold(shop) == 0
    assert "run    bronze.land: new files" in capsys.readouterr().out
    conf.write_text(conf.read_text(encoding="utf-8").replace("country: MX", "country: ES"), encoding="utf-8")
    assert foretold(shop) == 0
    assert "configuration changed since the last release" in capsys.readouterr().out


def padron_run(shop: Tiny, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """`padron run` of the small night, without Spark."""
    monkeypatch.setattr(night, "_check_spark", lambda: None)
    monkeypatch.setattr(night, "_start", lambda settings: lambda records=None: None)
    where = ["--landing", str(shop.landing), "--warehouse", str(shop.warehouse), "--config", str(shop.config)]
    return execute(["run", *where, *options])


def test_a_truth_that_is_not_there_is_said_before_the_night(
    shop: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert padron_run(shop, monkeypatch, "--truth", "nowhere.csv") == 2
    assert "The truth nowhere.csv does not exist" in capsys.readouterr().err
    assert not shop.warehouse.exists()


def test_a_released_night_is_released_whatever_becomes_of_its_report(
    shop: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(summarise, "summarise", full)
    assert padron_run(shop, monkeypatch) == 0
    assert "there is no report of this night" in capsys.readouterr().err
    assert releases.required(shop.house).release_id == f"{DAY}.1"


def test_each_of_several_nights_has_its_report_also_where_a_later_one_fails(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-07-08", {"a": "Ana"})
    shop.deliver("2026-07-09", {"a": "Ana"})
    told: list[str] = []
    shop.gates["silver.build"] = lambda inputs: 1 / 0 if inputs.night.business_date.day == 9 else []
    monkeypatch.setattr(summarise, "summarise", lambda *_, **__: releases.required(shop.house).release_id)
    monkeypatch.setattr(summarise, "write_report", lambda warehouse, found: told.append(found))
    assert padron_run(shop, monkeypatch) == 1
    assert told == [f"{DAY}.1", "2026-07-08.1"]


def test_spark_that_cannot_be_started_is_alerted(
    shop: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = tmp_path / "told.json"
    alerts = f"alerts: {{command: [tee, {told}]}}\n"
    (tmp_path / "conf" / "padron.yml").write_text(alerts, encoding="utf-8")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "no-java"))
    where = ["--landing", str(shop.landing), "--warehouse", str(shop.warehouse), "--config", str(shop.config)]
    assert execute(["run", *where]) == 2
    assert "Java" in capsys.readouterr().err
    assert json.loads(told.read_text(encoding="utf-8"))["exit_code"] == 2
    assert not shop.warehouse.exists()


def test_what_is_no_warehouse_is_not_made_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = tmp_path / "typo"
    for command in (
        ["maintain"],
        ["release", "approve", "--why", "x"],
        ["release", "rollback", "r", "--why", "x"],
    ):
        assert execute([*command, "--warehouse", str(nowhere)]) in (1, 2)
        assert "in this warehouse yet" in (said := capsys.readouterr().err) or "check --warehouse" in said
    assert not nowhere.exists()


def test_a_warehouse_of_a_newer_version_is_refused_and_left_alone(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run()
    run = last_states(shop.house)[f"{DAY}.1"]
    mark(shop.house, {**run, "version": "99.1.0"}, "released", "")
    with pytest.raises(UsageError, match=r"padron 99\.1\.0 wrote to this warehouse, and this is"):
        shop.run()
    for command in (
        ["release", "approve", "--why", "x", "--by", "y"],
        ["maintain"],
        ["maintain", "--dry-run"],
    ):
        assert execute([*command, "--warehouse", str(shop.warehouse)]) == 2
        assert "99.1.0" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"padron 99\.1\.0"):
        Claims(shop.house, "eva").take("case")


def state(shop: Tiny, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    capsys.readouterr()
    code = execute(["status", "--json", "--warehouse", str(shop.warehouse), *options])
    return code, json.loads(capsys.readouterr().out)["status"]


def test_status_has_a_code_for_everything_that_an_orchestrator_does_differently(
    shop: Tiny, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert state(shop, capsys) == (1, "none")
    seen = []
    shop.gates["silver.build"] = lambda inputs: seen.append(state(shop, capsys)) or []  # type: ignore[func-returns-value]
    shop.run()
    assert seen == [(4, "running")]
    assert state(shop, capsys) == (0, "released")
    assert state(shop, capsys, "--date", "2026-07-09") == (1, "none")
    run = last_states(shop.house)[f"{DAY}.1"]
    on_it = {**run, "base_release": f"{DAY}.1"}
    for status, code in (("stopped", 3), ("approved", 3), ("rejected", 3), ("waiting", 4)):
        with Lock(shop.house, "padron run", DAY) as parked:
            parked.park(DAY, "silver")
        mark(shop.house, on_it, status, "")
        assert state(shop, capsys) == (code, status)
    with Lock(shop.house, "padron run", DAY):
        pass
    for status in ("started", "failed"):
        mark(shop.house, run, status, "")
        assert state(shop, capsys) == (0, "released"), "it died or was ended after its release"
    mark(shop.house, {**run, "run_id": f"{DAY}.2"}, "failed", "")
    assert state(shop, capsys) == (1, "failed")
    mark(shop.house, {**run, "run_id": f"{DAY}.2"}, "started", "stale lock taken over")
    assert state(shop, capsys) == (1, "dead")
    execute(["status", "--warehouse", str(shop.warehouse)])
    assert "stale lock" not in capsys.readouterr().out, "what it said when it started is not why it died"
    with Lock(shop.house, "padron run"):
        monkeypatch.setattr(lock, "_alive", lambda pid: False)
        assert state(shop, capsys) == (1, "dead")
    mark(shop.house, {**run, "run_id": f"{DAY}.2"}, "released", "")
    mark(shop.house, run, "failed", "another run took the lock over")
    assert state(shop, capsys) == (0, "released"), "the run that started last did what was to do"


def test_a_release_stands_whose_full_computation_failed(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.run()
    run = last_states(shop.house)[f"{DAY}.1"]
    again = {**run, "run_id": f"{DAY}.2", "is_full": True, "files": 0}
    mark(shop.house, again, "failed", "disk full")
    assert state(shop, capsys, "--date", DAY) == (0, "released")
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 0
    assert f"run {DAY}.2, with --full, failed: disk full" in " ".join(capsys.readouterr().out.split())
    mark(shop.house, {**again, "files": 1}, "failed", "disk full")
    assert state(shop, capsys, "--date", DAY) == (1, "failed"), "its files are in no release"
