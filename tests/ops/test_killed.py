"""A night that dies anywhere, and its rerun: the tables are those of a night that nothing disturbed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import deltalake
import pytest
import tiny_night
from deltalake.exceptions import CommitFailedError
from tiny_night import STAGES, Killed, Tiny, Watch, dying, tiny

from pipelines import files, storage
from pipelines.errors import PadronError
from pipelines.ops import lock, releases
from pipelines.ops.failures import stage_failed
from pipelines.ops.keys import needs
from pipelines.ops.record import Record, last_states, rows_of
from pipelines.ops.tables import CONFIGURATIONS, RELEASES, RUNS
from pipelines.tables import Kind, Table

FIRST, SECOND = "2026-07-01", "2026-07-02"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A first night to run."""
    made = tiny(monkeypatch, tmp_path / "shop")
    made.deliver(FIRST, {"1": "ana", "2": "eva", "3": "ana"})
    return made


def second_night(shop: Tiny) -> None:
    shop.deliver(SECOND, {"2": "ada", "4": "eva", "5": "leo"})


def test_a_night_that_dies_after_any_of_its_commits_is_made_good_by_its_rerun(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop.run()
    first = shop.content()
    second_night(shop)
    undisturbed = shop.copied(tmp_path / "undisturbed")
    with dying(monkeypatch, after=1_000) as commits:
        undisturbed.run()
    second = undisturbed.content()
    assert len(commits) > 15
    for after in range(len(commits)):
        victim = shop.copied(tmp_path / str(after))
        with dying(monkeypatch, after), pytest.raises(Killed):
            victim.run()
        assert victim.content() in (first, second), "readers see a whole night or the one before"
        victim.run()
        assert victim.content() == second, f"after commit {after}"
        pointer = files.read_text(str(victim.warehouse / "release.json"))
        assert releases.required(victim.house).release_id in pointer
    assert victim.run().released == []
    assert len(releases.all_releases(victim.house)) == 2, "a run after that has nothing to do"


def test_a_first_night_that_dies_again_and_again_gets_there(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    undisturbed = Tiny(shop.landing, tmp_path / "undisturbed")
    undisturbed.run()
    for after in range(1_000):
        try:
            with dying(monkeypatch, after):
                shop.run()
        except Killed:
            continue
        break
    assert after > 10
    assert shop.content() == undisturbed.content()


def test_killed_processes_leave_nothing_that_a_rerun_does_not_put_right(shop: Tiny, tmp_path: Path) -> None:
    undisturbed = Tiny(shop.landing, tmp_path / "undisturbed")
    undisturbed.run()
    told = subprocess.run(
        [sys.executable, tiny_night.__file__, str(shop.landing), str(tmp_path / "victims")],
        check=True,
        capture_output=True,
    )
    names = [stage.name for stage in STAGES]
    assert json.loads(told.stdout) == dict.fromkeys(names, signal.SIGKILL)
    for victim in names:
        killed = Tiny(shop.landing, tmp_path / "victims" / victim)
        assert releases.newest(killed.house) is None
        assert {r["status"] for r in last_states(killed.house).values()} == {"started"}
        watch = Watch()
        killed.run(watch)
        assert any("taken over" in text for text in watch.said)
        waited_for = _before(victim)
        assert {name for name, status in watch.stages.items() if status == "reused"} >= waited_for
        assert watch.stages[victim] == "done"
        assert killed.content() == undisturbed.content(), victim


def _before(victim: str) -> set[str]:
    """The stages that a stage waits for."""
    waits = needs(STAGES)
    found, more = set(), waits[victim]
    while more:
        found |= more
        more = set().union(*(waits[name] for name in more)) - found
    return found


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception, path: str) -> None:
    """Every write of the table ``path`` raises ``error``."""
    write = storage.Warehouse.write

    def broken(self: Any, table: Any, *args: Any) -> int:
        if table.path == path:
            raise error
        return write(self, table, *args)

    monkeypatch.setattr(storage.Warehouse, "write", broken)


def test_a_disk_that_is_full_when_a_stage_is_recorded_is_told_like_any_other(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Record, "stage", full)
        with pytest.raises(PadronError, match="failed: the disk is full") as raised:
            shop.run()
    assert raised.value.exit_code == 1
    assert shop.run().released


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            OSError(28, "No space left on device"),
            "identity.assign failed: the disk is full .* when there is room",
        ),
        (
            deltalake.exceptions.CommitFailedError("Metadata changed since last commit."),
            "identity.assign failed: another writer committed to the same table .* nothing but padron",
        ),
        (
            RuntimeError("[CHECKPOINT_RDD_BLOCK_ID_NOT_FOUND] Checkpoint block rdd_7_0 not found! Ana Ruiz"),
            "identity.assign failed: more executors were lost than Spark can make up for .*memoryOverhead",
        ),
        (ValueError("Ana Ruiz"), "identity.assign failed: ValueError. Nothing was released"),
    ],
)
def test_a_write_that_fails_is_told_in_one_line_and_made_good_by_the_rerun(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    with monkeypatch.context() as patch:
        failing(patch, error, tiny_night.LOG.path)
        with pytest.raises(PadronError, match=told) as raised:
            shop.run()
    assert raised.value.exit_code == 1
    assert "Ana Ruiz" not in str(raised.value)
    (run,) = last_states(shop.house).values()
    assert run["status"] == "failed"
    assert "Ana Ruiz" not in run["message"]
    watch = Watch()
    shop.run(watch)
    assert watch.stages["linkage.link"] == "reused"
    assert [r["customer"] for r in shop.content()[tiny_night.OWNERS.path]] == [1, 2, 1]


def test_a_commit_that_another_writer_comes_before_is_lost_and_told(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run()
    shop.deliver("2026-07-02", {"4": "iris"})
    commit = storage.write_deltalake
    others: list[str] = []

    def overtaken(target: Any, content: Any, **options: Any) -> None:
        if str(target).endswith(tiny_night.PEOPLE.path) and not others:
            seen = deltalake.DeltaTable(target)
            commit(target, content.slice(1), mode="overwrite")
            others.append(target)
            target = seen
        commit(target, content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_deltalake", overtaken)
        with pytest.raises(PadronError, match=r"silver\.build failed: another writer committed") as raised:
            shop.run()
    assert (len(others), raised.value.exit_code) == (1, 1)
    assert len(releases.all_releases(shop.house)) == 1
    shop.run()
    # What the other writer left is not what the rerun builds on.
    assert [r["about"] for r in shop.content()[tiny_night.PEOPLE.path]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("table", [tiny_night.PEOPLE, tiny_night.LOG], ids=["replaced", "appended"])
@pytest.mark.parametrize("mode", ["append", "overwrite"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_another_writer_commits_meanwhile_is_a_conflict(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, table: Table, mode: str, when: str
) -> None:
    shop.run()
    base, content = releases.required(shop.house).tables[table.path], shop.house.arrow(table.path)
    assert content is not None
    commit = storage.write_deltalake

    def beside(target: str, data: Any, **options: Any) -> None:
        if when == "before":
            commit(target, data.slice(1), mode=mode)
        commit(target, data, **options)
        if when == "after":
            commit(target, data.slice(1), mode=mode)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "write_deltalake", beside)
        with pytest.raises(CommitFailedError, match="another writer committed"):
            shop.house.write(table, content, base)
    again = shop.house.arrow(table.path, shop.house.write(table, content, base))
    assert again is not None
    assert again.num_rows == content.num_rows * (2 if table.kind is Kind.APPEND else 1)


def test_a_full_disk_on_which_not_even_the_record_fits_is_told_all_the_same(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, "No space left on device")
    with monkeypatch.context() as patch:
        failing(patch, full, tiny_night.PEOPLE.path)
        append = storage.Warehouse.append_rows

        def refused(self: Any, table: Any, rows: Any, *seen: Any) -> None:
            found = list(rows)
            if any(r.get("status") == "failed" for r in found):
                raise full
            append(self, table, found, *seen)

        patch.setattr(storage.Warehouse, "append_rows", refused)
        replace = storage.Warehouse.replace_rows

        def kept(self: Any, table: Any, rows: Any, seen: Any) -> None:
            if rows[0]["owner"] is None:
                raise full
            replace(self, table, rows, seen)

        patch.setattr(storage.Warehouse, "replace_rows", kept)
        with pytest.raises(PadronError, match=r"silver\.build failed: the disk is full"):
            shop.run()
    monkeypatch.setattr(lock, "_alive", lambda pid: False)
    shop.run()
    assert len(releases.all_releases(shop.house)) == 1
    started = [row["message"] for row in rows_of(shop.house, RUNS.path) if row["status"] == "started"]
    assert re.fullmatch(rf"stale lock of padron run {FIRST} on \S+ taken over", started[-1])


NO_ROOM = OSError(28, "No space left on device")


@pytest.mark.parametrize("table", [CONFIGURATIONS, RUNS, RELEASES], ids=lambda table: table.name)
def test_a_disk_that_is_full_outside_a_stage_is_told_and_made_good_by_the_rerun(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    append = storage.Warehouse.append_rows

    def refused(self: Any, into: Any, rows: Any, *seen: Any) -> None:
        if into.path == table.path:
            raise NO_ROOM
        append(self, into, rows, *seen)

    with monkeypatch.context() as patch:
        patch.setattr(storage.Warehouse, "append_rows", refused)
        with pytest.raises(
            PadronError, match=r"outside its stages: the disk is full .* when there is room"
        ) as raised:
            shop.run()
    assert raised.value.exit_code == 1
    assert releases.newest(shop.house) is None
    assert shop.run().released
    assert [r["customer"] for r in shop.content()[tiny_night.OWNERS.path]] == [1, 2, 1]


def test_what_fails_when_the_night_is_released_is_a_warning(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    append, watch = storage.Warehouse.append_rows, Watch()

    def refused(self: Any, into: Any, rows: Any, *seen: Any) -> None:
        found = list(rows)
        if into.path == RUNS.path and found[0]["status"] == "released":
            raise NO_ROOM
        append(self, into, found, *seen)

    def no_pointer(warehouse: Any) -> None:
        raise NO_ROOM

    with monkeypatch.context() as patch:
        patch.setattr(storage.Warehouse, "append_rows", refused)
        patch.setattr(releases, "write_pointer", no_pointer)
        assert shop.run(watch).released == [f"{FIRST}.1"]
    assert [text.partition(" (")[0] for text in watch.said] == [
        "the night is released; release.json could not be written",
        "the night is released; its run could not be recorded so",
    ]
    assert not (shop.warehouse / "release.json").exists()
    assert shop.run().released == []
    assert (shop.warehouse / "release.json").exists(), "the next run puts it right"


def test_a_pointer_that_was_not_written_names_the_release_though_the_next_night_makes_none(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any) -> None:
        raise NO_ROOM

    with monkeypatch.context() as patch:
        patch.setattr(releases, "write_pointer", fails)
        shop.run()
    shop.deliver("2026-07-09", {"a": "Ana"})
    with monkeypatch.context() as patch:
        failing(patch, NO_ROOM, tiny_night.PEOPLE.path)
        with pytest.raises(PadronError):
            shop.run()
    pointer = json.loads((shop.warehouse / "release.json").read_text(encoding="utf-8"))
    assert pointer["release_id"] == f"{FIRST}.1"


def test_a_file_that_is_written_again_is_named_though_a_worker_said_it() -> None:
    text = "Traceback ...\npipelines.bronze.rows.FileChangedError: 2026-07-01/crm/a b.csv: was written again while the night ran."
    said = str(stage_failed("bronze.land", RuntimeError(text)))
    assert "a file was written again while the night ran: 2026-07-01/crm/a b.csv." in said
    assert "Traceback" not in said
