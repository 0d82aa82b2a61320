"""Faults around a night, not inside its stages: storage, lock, terminal and decisions; on small nights without Spark."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_night import COUNTS, PEOPLE, Tiny, Watch, blocking, released, tiny

from pipelines.cli import execute
from pipelines.errors import GateStopped, LockHeld, PadronError, UsageError
from pipelines.ops import lock, releases
from pipelines.ops import run as run_module
from pipelines.ops.lock import Lock, holder
from pipelines.ops.record import last_states
from pipelines.ops.sign_off import Decider
from pipelines.ops.tables import LOCK, RELEASES, RUNS
from pipelines.storage import Warehouse
from pipelines.stored import LostFileError, TornCommitError

MARIA = Decider("maria", "seen")


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """One released night."""
    return released(monkeypatch, tmp_path)


def newest_file(house: Warehouse, path: str) -> Path:
    table = house.open(path)
    assert table is not None
    return Path(table.file_uris()[-1])


def newest_commit(house: Warehouse, path: str) -> Path:
    return Path(house.uri(path), "_delta_log", f"{house.version(path):020d}.json")


@pytest.mark.parametrize("lost", [newest_file, newest_commit])
def test_what_a_power_loss_took_of_a_finished_stage_is_made_again(shop: Tiny, lost: Any) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["identity.assign"] = blocking
    with pytest.raises(GateStopped):
        shop.run()
    lost(shop.house, PEOPLE.path).write_bytes(b"")
    shop.gates.clear()
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-02.2"]
    assert {n for n, s in watch.stages.items() if s == "done"} >= {"silver.build", "linkage.link"}
    assert [r["name"] for r in shop.content()[PEOPLE.path]] == ["ana", "eva", "leo"]


def test_a_release_whose_files_are_lost_too_is_not_published_again(shop: Tiny) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.run()
    newest_commit(shop.house, RELEASES.path).write_bytes(b"")
    newest_file(shop.house, PEOPLE.path).unlink()
    newest_commit(shop.house, RELEASES.path).unlink()
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-02.2"]
    assert "cannot be published again, for its tables were lost too" in watch.said[0]


def test_a_release_with_a_truncated_file_is_not_whole(shop: Tiny) -> None:
    file = newest_file(shop.house, COUNTS.path)
    version = shop.house.version(COUNTS.path) or 0
    assert shop.house.is_whole(COUNTS.path, version)
    file.write_bytes(file.read_bytes()[:-1])
    assert not shop.house.is_whole(COUNTS.path, version)


def test_the_first_commit_of_a_table_that_is_empty_is_named(shop: Tiny) -> None:
    log = Path(shop.house.uri("ops/claims"), "_delta_log")
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_bytes(b"")
    with pytest.raises(TornCommitError, match=r"ops/claims.*0\.json is empty.*Delete that file"):
        shop.house.open("ops/claims")


def test_rows_of_a_version_whose_log_is_gone_name_the_table(shop: Tiny) -> None:
    with pytest.raises(PadronError, match="gold/none: version 3, which a release names"):
        shop.house.rows("gold/none", 3)


@pytest.mark.parametrize("loses", [lambda file: file.write_bytes(b""), lambda file: file.unlink()])
class TestALostFileOf:
    """A file that a machine without power was writing: empty, or not there."""

    def test_the_record_is_named(self, shop: Tiny, loses: Any, capsys: pytest.CaptureFixture[str]) -> None:
        file = newest_file(shop.house, RUNS.path)
        loses(file)
        with pytest.raises(LostFileError):
            shop.house.arrow(RUNS.path)
        assert execute(["status", "--warehouse", str(shop.warehouse)]) == 1
        assert f"ops/runs: {file.name}" in " ".join(capsys.readouterr().err.split()).replace("- ", "-")

    def test_the_lock_is_taken_over_when_nobody_renews_it(
        self, shop: Tiny, loses: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "WATCHED", timedelta(seconds=0.2))
        loses(newest_file(shop.house, LOCK.path))
        assert holder(shop.house) is None
        with Lock(shop.house, "next") as taken:
            assert "whose file was lost" in str(taken.taken_over)
            assert (holder(shop.house) or {})["run"] == "next"

    def test_a_lock_that_is_renewed_is_not_taken(
        self, shop: Tiny, loses: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lock, "WATCHED", timedelta(seconds=0.2))
        loses(newest_file(shop.house, LOCK.path))
        opened, looks = Warehouse.open, []

        def beating(self: Warehouse, path: str) -> Any:
            seen = opened(self, path)
            looks.append(seen)
            if len(looks) == 2:
                row = {"owner": "x", "run": "r", "host": "h", "pid": 1, "heartbeat_at": datetime.now(UTC)}
                shop.house.replace_rows(LOCK, [row], seen)
            return seen

        monkeypatch.setattr(Warehouse, "open", beating)
        with pytest.raises(LockHeld):
            Lock(shop.house, "next").__enter__()


def test_a_heartbeat_that_fails_is_followed_by_another(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", timedelta(seconds=0.01))
    with Lock(shop.house, "a night") as held:
        opened, looks = Warehouse.open, []

        def refusing(self: Warehouse, path: str) -> Any:
            looks.append(path)
            if len(looks) == 1:
                raise UsageError("may not be read")
            return None if len(looks) == 2 else opened(self, path)

        monkeypatch.setattr(Warehouse, "open", refusing)
        while len(looks) < 4:
            assert not held.is_lost, "a table that is out of sight is not somebody else's"
        held.check()


def test_a_lock_table_that_cannot_be_cleaned_stops_no_night(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: Any, **__: Any) -> int:
        raise PermissionError("may not delete")

    monkeypatch.setattr(Warehouse, "vacuum", refused)
    for run in ("one", "two"):
        with Lock(shop.house, run):
            assert (holder(shop.house) or {})["run"] == run


def test_who_agreed_to_one_generation_has_not_agreed_to_another(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "check_fields", lambda generation, conf: None)
    a, b = (SimpleNamespace(generation_id=name, digest=name) for name in "ab")
    shop.gates["silver.build"] = blocking
    with pytest.raises(GateStopped):
        shop.run(generation=a)
    asked = ["release", "approve", "--by", "maria", "--why", "seen", "--warehouse", str(shop.warehouse)]
    assert execute(asked) == 0
    assert "with the same --generation (a)" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(GateStopped):
        shop.run(generation=b)
    assert shop.run(generation=a).released == ["2026-07-01.4"]


def test_a_rejection_that_could_not_write_release_json_is_carried_out(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["silver.build"] = blocking
    with pytest.raises(GateStopped):
        shop.run()
    pointer = shop.warehouse / "release.json"
    pointer.unlink()
    pointer.mkdir()
    asked = ["release", "reject", "2026-07-02.1", "--by", "maria", "--why", "half a file"]
    assert execute([*asked, "--warehouse", str(shop.warehouse)]) == 0
    assert "release.json could not be written" in " ".join(capsys.readouterr().err.split())
    states = {run: row["status"] for run, row in last_states(shop.house).items()}
    assert states == {"2026-07-01.1": "released", "2026-07-02.1": "rejected", "2026-07-01.2": "released"}


PROGRAM = """
import sys
from datetime import date
from pipelines.cli.console import conclude, log_as, night_progress
from pipelines.ops.plan import PlannedNight
log_as(sys.argv[1])
sys.stdin.readline()
progress = night_progress()
progress.night_started(PlannedNight(date(2026, 7, 1), ()), "2026-07-01.1", 1)
for _ in range(3):
    progress.warned("x" * 100_000)
    progress.night_released(date(2026, 7, 1), 1.0)
conclude("released")
progress.stop()
"""


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_a_reader_that_goes_away_ends_no_night(form: str, stream: str) -> None:
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: subprocess.PIPE}
    program = [sys.executable, "-c", PROGRAM, form]
    with subprocess.Popen(program, stdin=subprocess.PIPE, **pipes) as run:
        getattr(run, stream).close()
        assert run.stdin is not None
        run.stdin.close()
        assert run.wait(timeout=60) == 0


def test_a_full_disk_under_the_log_ends_no_night() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        program = [sys.executable, "-c", PROGRAM, "json"]
        made = subprocess.run(program, stdin=subprocess.DEVNULL, stderr=full, stdout=full, check=False)
    assert made.returncode == 0


def test_a_first_night_without_files_chooses_no_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    shop.landing.mkdir()
    with pytest.raises(UsageError, match="There are no files to take in up to 2026-06-01"):
        shop.run(date=date(2026, 6, 1))
    assert releases.newest(shop.house) is None


def test_a_night_that_was_stopped_at_the_keyboard_says_so(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(inputs: Any) -> list[dict[str, Any]]:
        raise KeyboardInterrupt

    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["silver.build"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        shop.run()
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 1
    assert "failed (stopped at the keyboard (Ctrl-C))" in " ".join(capsys.readouterr().out.split())

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.cli.night.run_nights", stop)
    assert execute(["run", "--warehouse", str(shop.warehouse), "--landing", str(shop.landing)]) == 130
    assert "goes on from its last finished stage" in " ".join(capsys.readouterr().err.split())


def test_a_running_night_says_for_how_long(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + timedelta(minutes=5)

    monkeypatch.setattr("pipelines.cli.record.datetime", Later)
    with Lock(shop.house, "padron run"):
        run = {**last_states(shop.house)["2026-07-01.1"], "run_id": "2026-07-02.1", "seconds": 0.1}
        shop.house.append_rows(RUNS, [{**run, "status": "started", "at": datetime.now(UTC)}])
        assert execute(["status", "--json", "--warehouse", str(shop.warehouse)]) == 4
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "running"
    assert 300 <= told["seconds"] < 400


def test_status_takes_yesterday_and_no_range(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["status", "--warehouse", str(shop.warehouse), "--date"]
    assert execute([*asked, "2026-07-01"]) == 0
    assert execute([*asked, "yesterday"]) == 1
    assert "No run of" in " ".join(capsys.readouterr().out.split())
    assert execute([*asked, "2026-07-01..2026-07-02"]) == 2


def test_sql_in_json_is_json_and_what_it_refuses_is_explained(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    house = ["--warehouse", str(shop.warehouse)]
    assert execute(["sql", "--json", "select 'nan'::double a, ['inf'::double, 1.5] b", *house]) == 0
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == [{"a": None, "b": [None, 1.5]}]
    assert execute(["sql", "select * from bronze.batches", *house]) == 2
    assert "padron runs RUN" in " ".join(capsys.readouterr().err.split())
    assert execute(["sql", "select * from silver.peopl", *house]) == 2
    assert "Did you mean" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,nombre\n1,Ana\n", encoding="utf-8")
    assert execute(["source", "draft", str(people), "--out", str(people / "x.yml")]) == 1
    assert "people.csv cannot be used" in " ".join(capsys.readouterr().err.split()).replace("- ", "")
    people.write_bytes(b"id\0\1\2\n")
    assert execute(["source", "draft", str(people)]) == 2
    assert "is no text" in " ".join(capsys.readouterr().err.split())


def test_a_holder_whose_file_is_lost_writes_it_again(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", timedelta(seconds=0.2))
    with Lock(shop.house, "a night") as held:
        newest_file(shop.house, LOCK.path).write_bytes(b"")
        end = time.monotonic() + 20
        while holder(shop.house) is None and time.monotonic() < end:
            time.sleep(0.05)
        assert (holder(shop.house) or {})["run"] == "a night"
        held.check()


def test_who_cannot_look_whether_a_holder_is_alive_does_not_take_its_lock(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "WATCHED", timedelta(seconds=0.2))
    there = datetime.now(UTC) - timedelta(hours=1)
    seen = shop.house.open(LOCK.path)
    assert seen is not None
    row = {"owner": "x", "run": "padron run", "host": "elsewhere", "pid": 1, "heartbeat_at": there}
    shop.house.replace_rows(LOCK, [row], seen)
    opened, looks = Warehouse.open, []

    def away(self: Warehouse, path: str) -> Any:
        looks.append(path)
        if len(looks) > 1:
            raise OSError("out of reach")
        return opened(self, path)

    monkeypatch.setattr(Warehouse, "open", away)
    with pytest.raises(PadronError, match="cannot be written"):
        Lock(shop.house, "next").__enter__()


def test_a_night_on_a_terminal_is_shown_beside_its_spinner() -> None:
    told, terminal = pty.openpty()
    program = [sys.executable, "-c", PROGRAM.replace('"x" * 100_000', '"late"'), "text"]
    run = subprocess.Popen(program, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    with suppress(OSError):
        while part := os.read(told, 65_536):
            shown += part
    os.close(told)
    assert run.wait(timeout=60) == 0
    assert shown.count(b"late") == 3


def test_a_program_without_standard_error_goes_on() -> None:
    quiet = f"import sys; sys.stderr = None\n{PROGRAM}"
    for form in ("text", "json"):
        made = subprocess.run(
            [sys.executable, "-c", quiet, form], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert made.returncode == 0
