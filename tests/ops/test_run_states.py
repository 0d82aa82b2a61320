"""What a run's record says of it, to orchestrators and to who decides, whatever the clocks of the hosts say."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import tiny_night
from tiny_night import Tiny, install, tiny

from pipelines.bronze.batches import BATCHES
from pipelines.cli import execute
from pipelines.errors import GateStopped, PadronError, UsageError
from pipelines.ops import going_back, one_night, record, releases, sign_off
from pipelines.ops.judgements import standing
from pipelines.ops.lock import PARKED, Lock, holder
from pipelines.ops.record import last_states, mark, rows_of
from pipelines.ops.sign_off import Decider
from pipelines.ops.tables import GATES, LOCK, RUNS

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.stages import Inputs

MARIA = Decider("maria", "the shop was closed")


def no_spark() -> Any:
    raise AssertionError("Spark is not needed for this")


def two_people(inputs: Inputs) -> list[dict[str, Any]]:
    """A gate: one person is enough."""
    return [{"gate": "volume", "status": "blocked", "severity": "fail", "value": 2.0, "message": "2 people."}]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """One released night, and the files of the next."""
    made = tiny(monkeypatch, tmp_path)
    made.deliver("2026-07-01", {"1": "ana"})
    made.run()
    made.deliver("2026-07-02", {"2": "eva"})
    return made


def stopped(shop: Tiny) -> None:
    """A run that a gate stops."""
    shop.gates["silver.build"] = two_people
    with pytest.raises(GateStopped):
        shop.run()


def padron(shop: Tiny, *arguments: str) -> int:
    return execute([*arguments, "--warehouse", str(shop.warehouse)])


@pytest.fixture
def asked(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> Any:
    """``padron status``: its exit code, state and message."""

    def ask(day: str | None = None) -> tuple[int, str, str]:
        capsys.readouterr()
        code = padron(shop, "status", "--json", *(["--date", day] if day else []))
        told = json.loads(capsys.readouterr().out)
        return code, told["status"], told["message"]

    return ask


def a_host_whose_clock_was_ahead(shop: Tiny) -> None:
    """The released night's last state, as one wrote it whose clock is three days ahead."""
    run = last_states(shop.house)["2026-07-01.1"]
    shop.house.append_rows(RUNS, [{**run, "at": datetime.now(UTC) + timedelta(days=3)}])


def a_clock_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """This host's clock is two hours behind the one that ran the night."""

    class Behind(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) - timedelta(hours=2)

    monkeypatch.setattr(record, "datetime", Behind)
    monkeypatch.setattr(sign_off, "datetime", Behind)
    monkeypatch.setattr(going_back, "datetime", Behind)


def test_a_night_after_one_with_a_clock_ahead_is_running_and_can_be_decided_about(
    shop: Tiny, asked: Any
) -> None:
    a_host_whose_clock_was_ahead(shop)
    with Lock(shop.house, "padron run"):
        mark(shop.house, {**last_states(shop.house)["2026-07-01.1"], "run_id": "2026-07-02.1"}, "started", "")
        assert asked()[:2] == (4, "running")
    stopped(shop)
    assert asked()[:2] == (3, "stopped")
    assert sign_off.approve(shop.house, None, MARIA).gates == ["volume"]
    assert asked()[:2] == (3, "approved")
    assert shop.run().released == ["2026-07-02.3"]
    assert asked()[:2] == (0, "released")


def test_what_is_decided_by_a_clock_behind_holds(
    shop: Tiny, asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped(shop)
    a_clock_behind(monkeypatch)
    sign_off.approve(shop.house, None, MARIA)
    assert asked()[:2] == (3, "approved")
    assert [g["status"] for g in rows_of(shop.house, GATES.path)] == ["blocked", "approved"]
    sign_off.reject(shop.house, "2026-07-02.1", MARIA, no_spark)
    assert asked("2026-07-02")[:2] == (3, "rejected")


def test_the_warnings_of_a_job_that_failed_are_told_by_the_next_one_after_a_clock_ahead(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(layer="bronze")
    run = last_states(shop.house)["2026-07-02.1"]
    shop.house.append_rows(RUNS, [{**run, "at": datetime.now(UTC) + timedelta(days=3)}])
    shop.gates["silver.build"] = lambda inputs: [{**two_people(inputs)[0], "status": "warned"}]
    shop.gates["linkage.link"] = lambda inputs: 1 / 0
    with pytest.raises(PadronError):
        shop.run(layer="linkage")
    del shop.gates["linkage.link"]
    told: list[list[str]] = []
    monkeypatch.setattr(
        "pipelines.ops.alerts.warned", lambda alerts, house, record, warnings, say: told.append(warnings)
    )
    shop.run(layer="linkage")
    assert told == [["volume: 2 people."]]


def another_configuration(shop: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.config = folder / "conf"
    shop.config.mkdir()
    (shop.config / "padron.yml").write_text("bounds: {freshness: {fail: 2}}\n", encoding="utf-8")


def another_program(shop: Tiny, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_night, "program_digest", lambda: "another")


@pytest.mark.parametrize("changed", [another_configuration, another_program])
def test_where_program_or_configuration_changed_between_two_jobs_every_gate_is_asked_again(
    shop: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: Any
) -> None:
    asked: list[str] = []

    def gate(inputs: Inputs) -> list[dict[str, Any]]:
        asked.append(inputs.night.run_id)
        return []

    shop.gates["silver.build"] = gate
    for layer in ("silver", "linkage"):
        shop.run(layer=layer)
    assert asked == ["2026-07-02.1"]
    changed(shop, tmp_path, monkeypatch)
    for layer in ("identity", "gold"):
        shop.run(layer=layer)
    assert asked == ["2026-07-02.1", "2026-07-02.1"]
    assert releases.required(shop.house).release_id == "2026-07-02.1"


def test_a_night_that_waited_too_long_for_its_next_job_is_dead(shop: Tiny, asked: Any) -> None:
    shop.run(layer="bronze")
    assert asked() == (4, "waiting", "silver is next")
    seen = shop.house.open(LOCK.path)
    assert seen is not None
    (row,) = seen.to_pyarrow_table().to_pylist()
    long_ago = datetime.now(UTC) - PARKED - timedelta(hours=1)
    shop.house.replace_rows(LOCK, [{**row, "heartbeat_at": long_ago}], seen)
    assert asked("2026-07-02")[:2] == (1, "dead")


def test_the_newest_run_that_waits_is_rejected_without_its_name(shop: Tiny, asked: Any) -> None:
    shop.run(layer="bronze")
    assert padron(shop, "release", "approve", "--by", "x", "--why", "y") == 4, "no gate stopped it"
    assert holder(shop.house) is not None
    assert padron(shop, "release", "reject", "--by", "x", "--why", "y") == 0
    assert asked("2026-07-02")[:2] == (3, "rejected")
    assert holder(shop.house) is None


def test_a_waiting_night_that_cannot_be_rejected_waits_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    shop.deliver("2026-07-01", {"1": "ana"})
    shop.run(layer="bronze")
    before = holder(shop.house)
    assert before is not None
    with pytest.raises(UsageError, match="Nothing was released before"):
        sign_off.reject(shop.house, None, MARIA, no_spark)
    assert holder(shop.house) == before


def test_with_a_night_all_its_open_attempts_are_rejected(shop: Tiny, asked: Any) -> None:
    stopped(shop)
    sign_off.approve(shop.house, None, MARIA)
    shop.deliver("2026-07-02", {"3": "leo"}, "contacts-more.csv")
    shop.gates["silver.build"] = lambda inputs: [{**two_people(inputs)[0], "value": 3.0}]
    with pytest.raises(GateStopped):
        shop.run()
    sign_off.reject(shop.house, "2026-07-02.1", MARIA, no_spark)
    said = "rejected with 2026-07-02.1 by maria: the shop was closed"
    assert asked("2026-07-02") == (3, "rejected", said)
    assert last_states(shop.house)["2026-07-02.1"]["message"] == "rejected by maria: the shop was closed"
    shop.gates.clear()
    assert shop.run().released == ["2026-07-02.3"]
    stands = {b["file"]: b["status"] for b in shop.content()[BATCHES.path]}
    assert stands["2026-07-02/crm/contacts.csv"] == "rejected"
    assert stands["2026-07-02/crm/contacts-more.csv"] == "landed", "only the other attempt took it in"


def test_a_night_that_an_older_version_landed_can_be_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its table of batches lacks the columns that came since."""
    older = replace(BATCHES, columns=tuple(c for c in BATCHES.columns if c.name != "is_cut_off"))
    known = tiny_night.STAGES
    then = [replace(s, writes=tuple(older if t is BATCHES else t for t in s.writes)) for s in known]
    with monkeypatch.context() as before:
        before.setattr(tiny_night, "BATCHES", older)
        before.setattr(tiny_night, "STAGES", tuple(then))
        old = tiny(before, tmp_path)
        old.deliver("2026-07-01", {"1": "ana"})
        old.run()
        old.deliver("2026-07-02", {"2": "eva"})
        stopped(old)
    landed = old.house.arrow(BATCHES.path)
    assert landed is not None
    assert "is_cut_off" not in landed.column_names
    install(monkeypatch.setattr, known, {})
    assert sign_off.reject(old.house, "2026-07-02.1", MARIA, no_spark).release_id == "2026-07-01.2"
    old.deliver("2026-07-03", {"3": "leo"})
    assert old.run().released == ["2026-07-03.1"]


def test_a_verdict_that_nobody_asks_for_any_more_holds_no_more(shop: Tiny) -> None:
    shop.gates["silver.build"] = two_people
    with pytest.raises(GateStopped):
        shop.run(layer="silver")
    shop.gates["silver.build"] = lambda inputs: []
    for layer in ("silver", "linkage", "identity", "gold"):
        shop.run(layer=layer)
    assert releases.required(shop.house).release_id == "2026-07-02.1"
    held = standing(g for g in rows_of(shop.house, GATES.path) if g["run_id"] == "2026-07-02.1")
    assert {g["status"] for g in held} == {"passed"}


def test_what_was_agreed_to_of_a_night_holds_when_it_is_run_once_more(shop: Tiny) -> None:
    stopped(shop)
    sign_off.approve(shop.house, None, MARIA)
    assert shop.run().released == ["2026-07-02.2"]
    assert shop.run(from_stage="gold.totals").released == ["2026-07-02.3"]


def test_a_stopped_night_whose_base_was_replaced_is_to_be_run_again(shop: Tiny, asked: Any) -> None:
    """Nobody is invited to approve what would be refused."""
    stopped(shop)
    shop.gates.clear()
    assert shop.run(full=True, date=date(2026, 7, 1)).released == ["2026-07-01.2"]
    code, state, said = asked("2026-07-02")
    assert (code, state) == (1, "overtaken")
    assert said == "it stands on 2026-07-01.1, and the newest release is 2026-07-01.2: run it again"
    assert shop.run().released == ["2026-07-02.2"]


def test_a_date_behind_the_newest_release_asks_for_no_run(shop: Tiny, asked: Any) -> None:
    shop.deliver("2026-07-03", {"3": "leo"})
    stopped(shop)
    shop.gates.clear()
    assert shop.run(date=date(2026, 7, 3)).released == ["2026-07-03.1"]
    behind = "lies behind the newest release 2026-07-03.1 and gets no night of its own"
    went = f"2026-07-02 {behind}: its files went into that of 2026-07-03."
    assert asked("2026-07-02") == (0, "behind", went), "its gate was asked again there"
    code, state, said = asked("2026-06-30")
    assert (code, state) == (0, "behind")
    assert f"2026-06-30 {behind}: none of its files was taken in" in said
    assert asked("2026-07-01")[:2] == (0, "released")
    assert asked("2026-07-04")[:2] == (1, "none")
