"""Nights as the command is asked for them: a range of dates, foretold, reported, refused, and looked at by ``padron status``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest
from tiny_night import DAY, Tiny, stopped_at, with_conf

from pipelines.cli import execute, night
from pipelines.errors import UsageError
from pipelines.ops import lock, releases, summarise
from pipelines.ops.claims import Claims
from pipelines.ops.lock import Lock
from pipelines.ops.record import last_states, mark


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A first night to run, with a configuration of its own."""
    return with_conf(monkeypatch, tmp_path)


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
