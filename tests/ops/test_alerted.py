"""Who is told of what where no night was made, or where it is not the night that failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tiny_night import Killed, Tiny, Watch, blocking, configured, dying, released

from pipelines.cli import execute
from pipelines.errors import GateStopped, PadronError
from pipelines.ops import alerts as alerting
from pipelines.ops import lock, one_night, releases
from pipelines.ops import run as run_module
from pipelines.ops.checks import landing
from pipelines.ops.gates import verdict
from pipelines.ops.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """One released night."""
    return released(monkeypatch, tmp_path)


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was alerted: event, summary."""
    sent: list[tuple[str, dict[str, Any]]] = []

    def send(conf: Any, event: str, summary: dict[str, Any], say: Any) -> bool:
        sent.append((event, summary))
        return True

    monkeypatch.setattr("pipelines.ops.alerts._send", send)
    return sent


def test_what_lies_beside_the_landing_is_told_where_there_is_no_night(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-7-02", {"3": "leo"})
    watch = Watch()
    assert shop.run(watch).released == []
    assert any("2026-7-02" in text for text in watch.said)
    ((event, summary),) = alerts
    assert event == "warned"
    assert summary["warnings"] == watch.said


def test_where_there_is_no_night_each_warning_is_alerted_once(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    """A scheduler that asks every hour has one alert, not one an hour."""

    def told() -> list[str]:
        alerts.clear()
        shop.run()
        return [text.split("/")[0].split(":")[0] for _, summary in alerts for text in summary["warnings"]]

    shop.deliver("2026-7-02", {"3": "leo"})
    assert told() == ["2026-7-02"]
    assert told() == []
    shop.deliver("2026-7-03", {"3": "leo"})
    assert told() == ["2026-7-03"]
    mended = shop.landing.parent / "mended"
    (shop.landing / "2026-7-02").rename(mended)
    assert told() == []
    mended.rename(shop.landing / "2026-7-02")
    assert told() == ["2026-7-02"], "it came again"
    (shop.warehouse / "ops" / "alerted.json").write_text("{", "utf-8")
    assert told() == ["2026-7-02", "2026-7-03"], "what cannot be read any more is told once more"


def test_what_a_night_warned_of_is_not_alerted_again_without_one(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.gates["bronze.land"] = landing
    shop.deliver("2026-7-02", {"3": "leo"})
    shop.deliver("2026-07-03", {"3": "leo"})
    assert shop.run().released == ["2026-07-03.1"]
    assert [len(summary["warnings"]) for _, summary in alerts] == [1]
    alerts.clear()
    assert shop.run().released == []
    assert alerts == []


def test_an_alert_that_reached_nobody_is_sent_again(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-7-02", {"3": "leo"})
    with monkeypatch.context() as away:
        away.setattr("pipelines.ops.alerts._send", lambda *_: False)
        shop.run()
    shop.run()
    assert len(alerts) == 1


def test_files_of_a_rejected_night_are_named_where_there_is_no_night(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.deliver("2026-07-02", {"2": "eva"})
    shop.gates["silver.build"] = blocking
    with pytest.raises(GateStopped):
        shop.run()
    shop.gates.clear()
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["release", "reject", "2026-07-02.1", "--by", "maria", "--why", "closed", *where]) == 0
    capsys.readouterr()
    for more in ([], ["--dry-run"]):
        assert execute(["run", "--landing", str(shop.landing), *where, *more]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "2026-07-02/crm/contacts.csv stays out: the night that brought it was rejected." in said
    shop.deliver("2026-07-02", {"2": "eva", "3": "leo"})
    assert len(shop.run().released) == 1


def test_what_is_told_of_one_landing_folder_says_nothing_of_another_and_an_adoption_nothing_of_any(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    other = Tiny(shop.landing.parent / "other", shop.warehouse)
    shop.deliver("2026-7-02", {"3": "leo"})
    other.deliver("2026-7-05", {"3": "leo"})
    for _ in range(3):
        shop.run()
        other.run()
        shop.run(takes_files=False)
    assert len(alerts) == 2


def test_what_is_remembered_of_an_alert_is_no_text(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("Ana_García", {"3": "leo"})
    shop.run()
    assert len(alerts) == 1
    kept = (shop.warehouse / "ops" / "alerted.json").read_text("utf-8")
    assert [len(digests) for digests in json.loads(kept).values()] == [1]
    assert "Ana" not in kept
    assert str(shop.landing) not in kept


def test_somebody_who_was_told_is_not_told_again_because_another_hook_fails(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def fails(*_: Any) -> None:
        raise OSError("no route")

    monkeypatch.setattr(alerting, "_run", lambda *_: calls.append("command"))
    monkeypatch.setattr(alerting, "_post", fails)
    shop.config = shop.landing.parent / "conf"
    shop.config.mkdir()
    (shop.config / "padron.yml").write_text("alerts: {command: [mail], webhook: 'https://x.test'}\n", "utf-8")
    shop.run(date=None)
    calls.clear()
    shop.deliver("2026-7-02", {"3": "leo"})
    shop.run()
    shop.run()
    assert calls == ["command"]


def test_upkeep_that_cannot_be_asked_for_does_not_fail_a_released_night(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    def out_of_reach(*_: Any) -> bool:
        raise OSError("timed out")

    monkeypatch.setattr(run_module, "is_due", out_of_reach)
    shop.deliver("2026-07-02", {"3": "leo"})
    assert shop.run().released == ["2026-07-02.1"]
    assert [event for event, _ in alerts] == ["warned"]


def test_the_alert_of_a_night_that_could_not_begin_is_not_about_the_one_before(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    prepared = one_night.prepare

    def second_fails(planned: Any, *rest: Any) -> Any:
        if planned.business_date.day == 3:
            raise OSError("out of reach")
        return prepared(planned, *rest)

    monkeypatch.setattr(run_module, "prepare", second_fails)
    for day in ("2026-07-02", "2026-07-03"):
        shop.deliver(day, {"3": day})
    with pytest.raises(PadronError):
        shop.run()
    ((event, summary),) = alerts
    assert (event, summary["run_id"], summary["release_id"]) == ("failed", None, "2026-07-02.1")


def killed(shop: Tiny, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    with dying(monkeypatch, after), pytest.raises(Killed):
        shop.run()


def test_a_night_that_was_killed_is_told_of_by_the_next_run_once(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    killed(shop, monkeypatch, after=4)
    assert not alerts
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-02.2"]
    assert any(text.startswith("stale lock of padron run 2026-07-02 on ") for text in watch.said)
    ((event, summary),) = alerts
    told = {key: summary[key] for key in ("exit_code", "run_id", "business_date", "release_id")}
    died = {"exit_code": 1, "run_id": "2026-07-02.1", "business_date": "2026-07-02"}
    assert (event, told) == ("failed", {**died, "release_id": "2026-07-01.1"})
    assert summary["message"].startswith("2026-07-02.1 never said how it ended: it was killed")
    shop.deliver("2026-07-03", {"4": "iris"})
    shop.run()
    assert len(alerts) == 1


def reporting(shop: Tiny, report: Callable[[], None], watch: Watch | None = None) -> list[str]:
    """What a run released that calls ``report`` after it."""
    options = run_module.Options(str(shop.landing), str(shop.warehouse))
    settings = configured(shop.config)
    spark: Any = lambda records=None: shop.spark  # noqa: E731 (starts nothing)
    return run_module.run(options, settings, spark, watch or Watch(), report=report).released


def die() -> None:
    raise Killed


def killed_before_it_told(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Lock, "__exit__", lambda *_: None)
        patch.setattr(Lock, "_heartbeats", lambda self: None)
        with pytest.raises(Killed):
            reporting(shop, die)
    monkeypatch.setattr(lock, "_alive", lambda pid: False)


def test_a_run_that_was_killed_before_it_told_of_its_release_is_made_up_for_once(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["bronze.land"] = lambda inputs: verdict(
        inputs.settings.project, "late_files", value=1, bound=0, message="late"
    )
    killed_before_it_told(shop, monkeypatch)
    # What its night warned of was told; that it was told is what nobody knows.
    alerts.clear()
    # Whoever takes the lock over.
    assert execute(["maintain", "--warehouse", str(shop.warehouse)]) == 0
    pages: list[str] = []
    watch = Watch()
    # There is nothing to run.
    assert reporting(shop, lambda: pages.append("written"), watch) == []
    assert [text for text in watch.said if "made up for" in text]
    assert pages == ["written"]
    ((event, summary),) = alerts
    assert (event, summary["run_id"], summary["business_date"]) == ("warned", "2026-07-02.1", "2026-07-02")
    assert summary["message"] == "2026-07-02.1 was released, and its run killed before it had told of it."
    assert summary["warnings"] == ["late_files: late"]
    assert lock.holder(shop.house) is None
    again = Watch()
    assert reporting(shop, die, again) == []
    assert not again.said
    assert len(alerts) == 1


def test_the_next_night_makes_up_for_the_one_before_it_and_tells_its_own(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    killed_before_it_told(shop, monkeypatch)
    shop.deliver("2026-07-03", {"4": "iris"})
    newest: list[str] = []
    told = reporting(shop, lambda: newest.append(releases.required(shop.house).release_id))
    assert told == ["2026-07-03.1"]
    assert newest == ["2026-07-02.1", "2026-07-03.1"]
    assert [summary["run_id"] for _, summary in alerts] == ["2026-07-02.1"]


def test_what_an_older_program_or_a_decision_published_is_not_told_again(
    shop: Tiny, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    told = shop.warehouse / "ops/told.json"
    told.unlink()
    assert reporting(shop, die) == []
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.run()
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["release", "reject", "2026-07-02.1", "--by", "maria", "--why", "closed", *where]) == 0
    assert reporting(shop, die) == []
    # As it cannot be read, nobody is told each hour.
    told.write_text("[", encoding="utf-8")
    assert reporting(shop, die) == []
    assert not alerts


def test_a_night_that_was_killed_is_told_of_whoever_took_its_lock_over(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    killed(shop, monkeypatch, after=4)
    assert execute(["maintain", "--warehouse", str(shop.warehouse)]) == 0
    shop.run()
    assert [event for event, _ in alerts] == ["failed"]


def test_a_run_that_said_how_it_ended_is_not_told_of_again(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, dict[str, Any]]]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["gold.totals"] = lambda inputs: 1 / 0
    # As where a process that was told to end says so, and is gone with its lock.
    with monkeypatch.context() as patch:
        patch.setattr(Lock, "__exit__", lambda *_: None)
        patch.setattr(Lock, "_heartbeats", lambda self: None)
        with pytest.raises(PadronError):
            shop.run()
    shop.gates.clear()
    monkeypatch.setattr(lock, "_alive", lambda pid: False)
    watch = Watch()
    assert shop.run(watch).released
    assert any("taken over" in text for text in watch.said)
    assert [summary["run_id"] for _, summary in alerts] == ["2026-07-02.1"], "when it failed, and not again"
