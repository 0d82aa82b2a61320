"""One run at a time."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from test_upkeep import aged

from pipelines.errors import LockHeld, PadronError
from pipelines.ops import lock
from pipelines.ops.lock import EXPIRY, FREE, Lock, is_stale, this_host
from pipelines.ops.tables import LOCK
from pipelines.storage import Warehouse


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_a_second_run_is_refused_and_says_who_holds_it(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path))
    with Lock(house, "padron run 2026-07-01"), pytest.raises(LockHeld, match=f"process {os.getpid()}"):
        Lock(house, "another").__enter__()


def test_a_lock_is_free_after_its_run(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path))
    for name in ("first", "second"):
        with Lock(house, name) as lock:
            assert lock.taken_over is None


def test_who_may_not_write_the_lock_is_told_so_and_not_to_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = Warehouse(str(tmp_path))
    with Lock(house, "first"):
        pass

    def refused(*_: Any) -> None:
        raise DeltaError("permission denied")

    monkeypatch.setattr(Warehouse, "replace_rows", refused)
    with pytest.raises(
        PadronError, match=f"The lock of the warehouse {house.root} cannot be written"
    ) as raised:
        Lock(house, "second").__enter__()
    assert not isinstance(raised.value, LockHeld)


@pytest.mark.parametrize("nights", [0, 1], ids=["first lock of a warehouse", "later"])
def test_of_two_that_take_the_lock_at_once_one_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nights: int
) -> None:
    house = Warehouse(str(tmp_path))
    for _ in range(nights):
        with Lock(house, "a night before"):
            pass
    seen = house.open(LOCK.path)
    with Lock(house, "the faster one"), monkeypatch.context() as patch:
        first = [seen]
        patch.setattr(
            Warehouse, "open", lambda self, path: first.pop() if first else DeltaTable(f"{tmp_path}/{path}")
        )
        with pytest.raises(LockHeld, match="at the same moment"):
            Lock(house, "the slower one").__enter__()


def test_a_lock_of_a_dead_process_on_this_host_is_taken_over(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path))
    dead = {
        "owner": "x",
        "run": "padron run 2026-07-01",
        "host": this_host(),
        "pid": dead_process(),
        "heartbeat_at": datetime.now(UTC),
    }
    house.create(LOCK, [dead])
    with Lock(house, "next") as lock:
        assert lock.taken_over is not None
        assert "2026-07-01" in lock.taken_over


@pytest.mark.parametrize(
    "age", [timedelta(hours=1), -timedelta(hours=1)], ids=["clock behind", "clock ahead"]
)
@pytest.mark.parametrize("is_alive", [True, False])
def test_a_holder_on_a_host_with_another_clock_is_judged_by_whether_it_beats(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age: timedelta, is_alive: bool
) -> None:
    monkeypatch.setattr(lock, "WATCHED", timedelta(seconds=0.3))
    house = Warehouse(str(tmp_path))
    there = datetime.now(UTC) - age
    row = {"owner": "x", "run": "padron run", "host": "elsewhere", "pid": 1, "heartbeat_at": there}
    house.create(LOCK, [row])
    opened, looks = Warehouse.open, []

    def beating(self: Warehouse, path: str) -> DeltaTable | None:
        seen = opened(self, path)
        looks.append(seen)
        if is_alive and seen is not None and len(looks) == 2:
            house.replace_rows(LOCK, [{**row, "heartbeat_at": there + timedelta(seconds=30)}], seen)
        return seen

    monkeypatch.setattr(Warehouse, "open", beating)
    if is_alive:
        with pytest.raises(LockHeld):
            Lock(house, "next").__enter__()
    else:
        with Lock(house, "next") as taken:
            assert "elsewhere taken over" in str(taken.taken_over)


def test_another_process_may_have_the_id_of_a_dead_holder() -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    held = {"owner": "x", "host": "here", "pid": os.getppid(), "heartbeat_at": now}
    assert not is_stale(held, now, "here")
    assert is_stale(held, now + EXPIRY + timedelta(seconds=1), "here"), "the machine was started anew"
    assert is_stale({**held, "pid": os.getpid()}, now, "here"), "a container was: this process holds no lock"


@pytest.mark.parametrize(
    ("age", "stale"), [(timedelta(seconds=40), False), (EXPIRY + timedelta(seconds=1), True)]
)
def test_on_another_host_the_heartbeat_decides(age: timedelta, stale: bool) -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    held = {"host": "elsewhere", "pid": 1, "heartbeat_at": now - age}
    assert is_stale(held, now, "here") is stale


@pytest.mark.parametrize("is_old", [False, True], ids=["new table", "table of an older program"])
def test_the_commits_of_heartbeats_go_after_a_day_whatever_the_retention_of_ops(
    tmp_path: Path, is_old: bool
) -> None:
    house = Warehouse(str(tmp_path), retention_days=60)
    if is_old:
        house.create(LOCK, [FREE])
    beats, left = 10, []
    for night in range(5):
        with Lock(house, f"night {night}") as held:
            left.append(len(list((tmp_path / LOCK.path / "_delta_log").glob("*.json"))))
            for _ in range(beats):
                seen = house.open(LOCK.path)
                assert seen is not None
                held._renew(seen)
        aged(house, LOCK.path, 2)
    assert left[-1] < 3 * beats, left
    assert left[-1] == left[-2], left
