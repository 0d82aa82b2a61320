"""Approve, reject and roll back: what a person decides about a night, on small nights without Spark."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tiny_night import CONTACTS, LOG, OWNERS, PEOPLE, Killed, Tiny, Watch, dying, tiny

from pipelines.bronze.batches import BATCHES
from pipelines.cli import execute
from pipelines.errors import GateStopped, LockHeld, PadronError, UsageError
from pipelines.ops import going_back, releases, sign_off
from pipelines.ops.record import last_states, mark, rows_of
from pipelines.ops.sign_off import Decider
from pipelines.ops.tables import GATES, LOCK, RELEASES
from pipelines.stages import Inputs

MARIA = Decider("maria", "the shop was closed")


def no_spark() -> Any:
    raise AssertionError("Spark is not needed for this")


def few_people(inputs: Inputs) -> list[dict[str, Any]]:
    """A gate: a night with more than three people is stopped."""
    people = inputs.rows(PEOPLE)
    return [
        {
            "gate": "volume",
            "status": "blocked" if people > 3 else "passed",
            "severity": "fail",
            "value": float(people),
            "bound": 3.0,
            "message": f"{people} people.",
        }
    ]


def gated(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Tiny:
    return tiny(monkeypatch, folder, {"silver.build": few_people})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``shop``."""
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.MonkeyPatch.context() as patch:
        made = gated(patch, folder)
        made.deliver("2026-07-01", {"1": "ana", "2": "eva", "3": "ana"})
        made.run()
        made.deliver("2026-07-02", {"4": "leo"})
        with pytest.raises(GateStopped, match="volume: 4 people"):
            made.run()
    return folder


@pytest.fixture(scope="module")
def approved(stopped: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of ``two_nights``."""
    folder = tmp_path_factory.mktemp("approved")
    shutil.copytree(stopped, folder, dirs_exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        made = gated(patch, folder)
        sign_off.approve(made.house, None, MARIA)
        made.run()
    return folder


@pytest.fixture
def shop(stopped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """One released night of three people; the next has four and is stopped."""
    shutil.copytree(stopped, tmp_path, dirs_exist_ok=True)
    return gated(monkeypatch, tmp_path)


def padron(shop: Tiny, *arguments: str) -> int:
    return execute(["release", *arguments, "--warehouse", str(shop.warehouse)])


def test_a_stopped_night_stops_again_until_somebody_agrees(shop: Tiny) -> None:
    watch = Watch()
    with pytest.raises(GateStopped):
        shop.run(watch)
    assert watch.stages == {"bronze.land": "reused", "silver.build": "reused"}
    assert releases.required(shop.house).release_id == "2026-07-01.1"


def test_an_approved_night_is_released_by_the_next_run_and_repeats_nothing(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert padron(shop, "approve", "--by", "maria", "--why", "the shop was closed") == 0
    assert "Approved: volume" in capsys.readouterr().out
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 3
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-02.2"]
    assert {n for n, s in watch.stages.items() if s == "reused"} == {"bronze.land", "silver.build"}
    (warning,) = releases.required(shop.house).warnings
    assert warning.startswith("volume: approved: 4 people.")
    told = [g["message"] for g in rows_of(shop.house, GATES.path) if g["status"] == "approved"]
    assert told[0] == "4 people. Approved by maria: the shop was closed"
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 0


def test_an_approval_holds_for_what_was_seen_and_no_more(shop: Tiny) -> None:
    sign_off.approve(shop.house, None, MARIA)
    shop.deliver("2026-07-02", {"5": "zoe"}, "contacts-more.csv")
    with pytest.raises(GateStopped, match="5 people"):
        shop.run()


def test_only_a_gate_that_stopped_a_night_can_be_approved(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    assert padron(shop, "approve", "2026-07-01.1", "--by", "x", "--why", "y") == 2
    assert "Run 2026-07-01.1 is released" in capsys.readouterr().err
    assert padron(shop, "approve", "2026-07-09.1", "--by", "x", "--why", "y") == 2
    assert padron(shop, "approve", "--by", "x") == 2
    assert padron(shop, "approve", "--by", "x", "--why", " ") == 2


def test_a_night_that_was_overtaken_cannot_be_approved(shop: Tiny) -> None:
    """Its work stands on a release that is not the newest any more: nobody would go on with it."""
    shop.gates.clear()
    assert shop.run().released == ["2026-07-02.2"]
    stopped = "2026-07-02.1"
    mark(shop.house, last_states(shop.house)[stopped], "stopped", "as it was")
    with pytest.raises(UsageError, match=rf"{stopped} does not stand on the newest release 2026-07-02\.2"):
        sign_off.approve(shop.house, stopped, MARIA)


def test_a_rejected_night_leaves_its_rows_in_bronze_and_nowhere_else(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    before = shop.content()
    assert padron(shop, "reject", "2026-07-02.1", "--by", "maria", "--why", "half a file") == 0
    assert "Readers see 2026-07-01.2, built on 2026-07-01.1" in capsys.readouterr().out
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 3
    assert "Run 2026-07-02.1: rejected" in capsys.readouterr().out
    now = shop.content()
    assert [r["status"] for r in now[BATCHES.path]] == ["landed", "rejected"]
    assert len(now[CONTACTS.path]) == 4
    assert {p: now[p] for p in now if not p.startswith("bronze/")} == {
        p: before[p] for p in before if not p.startswith("bronze/")
    }
    assert shop.run().released == [], "its files are not taken in again"
    shop.deliver("2026-07-03", {"2": "ada"})
    assert shop.run().released == ["2026-07-03.1"]
    assert sorted(r["record_id"] for r in shop.content()[PEOPLE.path]) == ["1", "2", "3"]
    assert releases.required(shop.house).base_release == "2026-07-01.2"


def test_the_corrected_file_of_a_rejected_night_is_taken_in(shop: Tiny) -> None:
    sign_off.reject(shop.house, None, MARIA, no_spark)
    shop.deliver("2026-07-02", {"3": "leo"})
    assert len(shop.run().released) == 1
    assert sorted(r["name"] for r in shop.content()[PEOPLE.path]) == ["ana", "eva", "leo"]


def test_a_night_of_the_first_date_cannot_be_rejected_for_there_is_nothing_behind_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = tiny(monkeypatch, tmp_path, {"silver.build": few_people})
    shop.deliver("2026-07-01", {str(n): "ana" for n in range(5)})
    with pytest.raises(GateStopped):
        shop.run()
    with pytest.raises(UsageError, match=r"Nothing was released before 2026-07-01\.1"):
        sign_off.reject(shop.house, None, MARIA, no_spark)


@pytest.fixture
def two_nights(approved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """Both nights released; the identity of the small nights is put back without Spark."""
    shutil.copytree(approved, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(going_back, "_compensated", _compensated)
    return gated(monkeypatch, tmp_path)


def _compensated(house: Any, _: Any, newest: Any, target: Any) -> dict[str, int]:
    owners = house.arrow(OWNERS.path, target.tables[OWNERS.path])
    return {OWNERS.path: house.write(OWNERS, owners, None), LOG.path: newest.tables[LOG.path]}


def test_a_rollback_gives_readers_the_older_release_and_the_next_night_its_base(
    two_nights: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = two_nights
    second = shop.content()
    made = sign_off.rollback(shop.house, "2026-07-01.1", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    assert (made.release_id, made.base_release) == ("2026-07-02.3", "2026-07-01.1")
    assert made.reason == "rollback to 2026-07-01.1 by maria: the shop was closed"
    states = {r.release_id: r.status for r in releases.all_releases(shop.house)}
    assert states == {"2026-07-01.1": "released", "2026-07-02.2": "withdrawn", "2026-07-02.3": "released"}
    assert [r["record_id"] for r in shop.content()[PEOPLE.path]] == ["1", "2", "3"]
    assert padron(shop, "list") == 0
    assert "by maria: the shop was closed" in capsys.readouterr().out
    for when, code, state in (("2026-07-01", 0, "released"), ("2026-07-02", 3, "restored")):
        assert execute(["status", "--date", when, "--warehouse", str(shop.warehouse)]) == code
        assert f": {state}" in capsys.readouterr().out
    assert execute(["runs", "--warehouse", str(shop.warehouse)]) == 0
    assert "2026-07-02.2  withdrawn" in capsys.readouterr().out
    # The files of the night that was taken back are taken in again; the gate is asked again.
    with pytest.raises(GateStopped):
        shop.run()
    sign_off.approve(shop.house, None, MARIA)
    assert shop.run().released == ["2026-07-02.5"]
    again = shop.content()
    assert again[OWNERS.path] == second[OWNERS.path], "ids published in between come back"
    for row in [*again[BATCHES.path], *second[BATCHES.path]]:
        row.pop("business_date")
    assert {p: again[p] for p in again} == second


def test_a_released_night_that_is_rejected_is_withdrawn_and_its_file_not_taken_in_again(
    two_nights: Tiny,
) -> None:
    shop = two_nights
    with pytest.raises(UsageError, match="is released: name it"):
        sign_off.reject(shop.house, None, MARIA, no_spark)
    made = sign_off.reject(shop.house, "2026-07-02.2", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    assert made.base_release == "2026-07-01.1"
    assert [r["status"] for r in shop.content()[BATCHES.path]] == ["landed", "rejected"]
    assert len(shop.content()[CONTACTS.path]) == 4
    assert shop.run().released == []
    assert last_states(shop.house)["2026-07-02.2"]["status"] == "rejected"


def test_what_cannot_be_rolled_back_to_is_said(two_nights: Tiny) -> None:
    shop = two_nights
    with pytest.raises(UsageError, match=r"There is no release 2026-01-01\.1"):
        sign_off.rollback(shop.house, "2026-01-01.1", MARIA, no_spark)
    with pytest.raises(UsageError, match="is the newest one"):
        sign_off.rollback(shop.house, "2026-07-02.2", MARIA, no_spark)
    sign_off.rollback(shop.house, "2026-07-01.1", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(UsageError, match="is withdrawn"):
        sign_off.rollback(shop.house, "2026-07-02.2", MARIA, no_spark)


def test_a_rollback_that_lost_its_lock_on_the_way_changes_nothing_for_readers(two_nights: Tiny) -> None:
    house = two_nights.house

    def robbed() -> Any:
        seen = house.open(LOCK.path)
        assert seen is not None
        row = {**seen.to_pyarrow_table().to_pylist()[0], "owner": "another"}
        house.replace_rows(LOCK, [row], seen)

    with pytest.raises(LockHeld, match="took the lock over"):
        sign_off.rollback(house, "2026-07-01.1", MARIA, robbed)
    assert releases.required(house).release_id == "2026-07-02.2"


def test_a_release_that_is_not_whole_any_more_is_not_gone_back_to(two_nights: Tiny) -> None:
    house = two_nights.house
    newest = releases.required(house).tables
    house.vacuum(PEOPLE.path, [newest[PEOPLE.path]], hours=0)
    with pytest.raises(UsageError, match=r"not readable whole any more \(silver/people\)"):
        sign_off.rollback(house, "2026-07-01.1", MARIA, no_spark)
    with pytest.raises(UsageError, match=r"not readable whole any more \(silver/people\)"):
        sign_off.reject(house, "2026-07-02.2", MARIA, no_spark)


def test_a_rollback_that_dies_anywhere_is_made_good_by_another(
    two_nights: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = "2026-07-01.1"
    seen = []
    for after in range(100):
        victim = Tiny(two_nights.landing, tmp_path / "victims" / str(after))
        shutil.copytree(two_nights.warehouse, victim.warehouse)
        try:
            with dying(monkeypatch, after):
                sign_off.rollback(victim.house, first, MARIA, lambda: None)  # type: ignore[arg-type,return-value]
            break
        except Killed:
            with suppress(UsageError):
                sign_off.rollback(victim.house, first, MARIA, lambda: None)  # type: ignore[arg-type,return-value]
        seen.append(victim.content())
        standing = [r.base_release for r in releases.all_releases(victim.house) if r.status == "released"]
        assert standing[0] is None
        assert standing[1] == first
    assert len(seen) > 4
    assert all(content == seen[0] for content in seen)


def test_a_rejection_that_dies_anywhere_is_made_good_by_the_same_command(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen = []
    for after in range(100):
        victim = Tiny(shop.landing, tmp_path / "victims" / str(after))
        shutil.copytree(shop.warehouse, victim.warehouse)
        try:
            with dying(monkeypatch, after):
                sign_off.reject(victim.house, None, MARIA, no_spark)
            break
        except Killed:
            if last_states(victim.house)["2026-07-02.1"]["status"] != "rejected":
                sign_off.reject(victim.house, None, MARIA, no_spark)
        states = last_states(victim.house)
        assert states["2026-07-02.1"]["status"] == "rejected", after
        assert [b["status"] for b in victim.content()[BATCHES.path]] == ["landed", "rejected"]
        seen.append(victim.content())
        assert sum(r.status == "released" for r in releases.all_releases(victim.house)) == 2
    assert len(seen) > 4
    assert all(content == seen[0] for content in seen)
    with pytest.raises(UsageError, match=r"Run 2026-07-02\.1 is rejected"):
        sign_off.reject(victim.house, None, MARIA, no_spark)


def lose_the_newest_release(shop: Tiny) -> None:
    """As a power cut leaves it: the commit is not there, and neither is the pointer of after it."""
    sorted((shop.warehouse / RELEASES.path / "_delta_log").glob("*.json"))[-1].unlink()


def states(shop: Tiny) -> list[tuple[str, str, str | None, str | None]]:
    return [(r.release_id, r.status, r.base_release, r.reason) for r in releases.all_releases(shop.house)]


DECISIONS = {
    "a night that is not released": ("2026-07-02.1", "2026-07-01.2", 3),
    "a released night": ("2026-07-02.2", "2026-07-02.3", 1),
}
"""The run, the decision about it, and what `padron status` exits with while that is lost."""


@pytest.mark.parametrize("about", DECISIONS)
def test_a_rejection_that_was_lost_is_carried_out_again(about: str, request: pytest.FixtureRequest) -> None:
    run, made, code = DECISIONS[about]
    shop: Tiny = request.getfixturevalue("shop" if "is not" in about else "two_nights")
    sign_off.reject(shop.house, run, MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    decided, content = states(shop), shop.content()
    lose_the_newest_release(shop)
    assert execute(["status", "--date", "2026-07-02", "--warehouse", str(shop.warehouse)]) == code
    watch = Watch()
    assert shop.run(watch).released == [], "its file is not taken in again"
    assert watch.said == [
        f"{made} (reject of {run} by maria: the shop was closed) was lost from ops/releases, and is carried out again."
    ]
    assert (states(shop), shop.content()) == (decided, content)
    assert last_states(shop.house)[run]["status"] == "rejected"
    assert last_states(shop.house)[run]["message"] == "rejected by maria: the shop was closed"
    assert shop.run(again := Watch()).released == []
    assert again.said == []


def test_a_rollback_that_was_lost_is_carried_out_again_and_what_was_built_on_it_after_it(
    two_nights: Tiny,
) -> None:
    shop = two_nights
    shop.gates.clear()
    sign_off.rollback(shop.house, "2026-07-01.1", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    shop.run()
    decided, content = states(shop), shop.content()
    assert [name for name, *_ in decided] == ["2026-07-01.1", "2026-07-02.2", "2026-07-02.3", "2026-07-02.4"]
    lose_the_newest_release(shop)
    lose_the_newest_release(shop)
    assert shop.run(watch := Watch()).released == []
    assert [text.partition(" was lost")[0] for text in watch.said] == [
        "2026-07-02.3 (rollback to 2026-07-01.1 by maria: the shop was closed)",
        "the release 2026-07-02.4",
    ]
    assert (states(shop), shop.content()) == (decided, content)


def test_a_lost_decision_is_left_to_the_next_run_until_it_is_carried_out(
    two_nights: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = two_nights
    sign_off.reject(shop.house, "2026-07-02.2", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    decided = states(shop)
    lose_the_newest_release(shop)

    def no_disk(*_: Any) -> Any:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(going_back, "_compensated", no_disk)
        with pytest.raises(PadronError):
            shop.run()
    assert releases.required(shop.house).release_id == "2026-07-02.2"
    assert shop.run().released == []
    assert states(shop) == decided


def test_a_night_that_was_lost_with_its_rejection_comes_back_to_be_withdrawn(two_nights: Tiny) -> None:
    shop = two_nights
    sign_off.reject(shop.house, "2026-07-02.2", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    decided, content = states(shop), shop.content()
    lose_the_newest_release(shop)
    lose_the_newest_release(shop)
    assert shop.run(watch := Watch()).released == []
    assert len(watch.said) == 2
    assert (states(shop), shop.content()) == (decided, content)


@pytest.mark.parametrize("verb", ["reject", "rollback"])
def test_a_lost_decision_that_cannot_be_carried_out_again_is_told_once(two_nights: Tiny, verb: str) -> None:
    shop = two_nights
    shop.gates.clear()
    if verb == "reject":
        sign_off.reject(shop.house, "2026-07-02.2", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    else:
        sign_off.rollback(shop.house, "2026-07-01.1", MARIA, lambda: None)  # type: ignore[arg-type,return-value]
    shop.deliver("2026-07-03", {"5": "zoe"})
    above = shop.run().released
    for _ in ("the decision", *above):
        lose_the_newest_release(shop)
    newest = releases.required(shop.house).tables
    shop.house.vacuum(PEOPLE.path, [newest[PEOPLE.path]], hours=0)
    shop.run(watch := Watch())
    first, *others = watch.said
    assert "could not be carried out again: Release 2026-07-01.1 is not readable whole" in first
    assert [text.partition(" was lost with")[0] for text in others] == [
        f"the release {name}" for name in above
    ]
    found = last_states(shop.house)
    assert found["2026-07-02.2"]["status"] == "released", "it may be rejected again"
    assert {found[name]["status"] for name in ("2026-07-02.3", *above)} == {"failed"}
    assert releases.required(shop.house).base_release == "2026-07-02.2"
    shop.run(again := Watch())
    assert again.said == []
