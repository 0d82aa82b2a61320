"""Releases stay readable as long as conf promises and no longer; tables grow with data, not with nights."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.judgements import JUDGEMENTS
from pipelines.ops import releases
from pipelines.ops.record import last_states, rows_of
from pipelines.ops.repeat import repeat
from pipelines.ops.tables import CLAIMS, GATES, RUNS, STAGES
from pipelines.ops.upkeep import maintain, promised
from pipelines.storage import Warehouse
from pipelines.stored import LostVersionError
from pipelines.tables import BOOLEAN, LONG, STRING, STRINGS, TIMESTAMP, Column, Kind, Table

COLUMNS = (Column("title", STRING, "Title."), Column("pages", LONG, "Pages.", unit="pages"))
SHELF = Table("gold", "shelf", "One book.", ("title",), COLUMNS, "library")
LOANS = Table("identity", "loans", "One loan.", (), COLUMNS, "library", kind=Kind.APPEND)
NOW = datetime(2026, 7, 31, 6, tzinfo=UTC)


def books(*titles: str) -> pa.Table:
    return pa.table({"title": list(titles), "pages": [100] * len(titles)})


def steward_row(table: Table, n: int) -> dict[str, Any]:
    """Row ``n`` of a table that stewards write, of what it requires."""
    words = {"kind": "match", "answer": "match", "state": "claimed"}
    by_type: dict[str, Any] = {STRING: f"{n}", STRINGS: ["crm:1"], TIMESTAMP: NOW, LONG: n, BOOLEAN: True}
    return {c.name: words.get(c.name, by_type[c.type]) for c in table.columns if c.required}


def release(house: Warehouse, night: int, tables: dict[str, int], at: datetime) -> None:
    releases.publish(
        house,
        {
            "release_id": f"night {night}",
            "business_date": date(2026, 7, 1) + timedelta(night),
            "at": at,
            "tables": sorted(tables.items()),
            "status": "released",
        },
    )


@pytest.fixture
def house(tmp_path: Path) -> Warehouse:
    """Four nights, three weeks, two weeks, one week ago and today, each with another shelf; then one that was stopped."""
    house = Warehouse(str(tmp_path), retention_days=6)
    version: int | None = None
    for night in range(4):
        version = house.write(SHELF, books(f"book {night}"), version)
        release(house, night, {SHELF.path: version}, NOW - timedelta(days=7 * (3 - night)))
    house.write(SHELF, books("of a stopped night"), version)
    return house


def readable(house: Warehouse) -> list[str]:
    """The releases whose shelf can be read, by the book that stands there."""
    versions = [r.tables[SHELF.path] for r in releases.all_releases(house)]
    return [
        title
        for version in versions
        if house.is_whole(SHELF.path, version)
        for title in titles(house, version)
    ]


def titles(house: Warehouse, version: int | None) -> list[str]:
    found = house.arrow(SHELF.path, version)
    assert found is not None
    stood: list[str] = found["title"].to_pylist()
    return stood


def test_releases_of_the_promised_days_are_kept_and_the_newest_for_as_long_as_it_is(house: Warehouse) -> None:
    known = releases.all_releases(house)
    assert [r.release_id for r in promised(known, NOW, 6)] == ["night 2", "night 3"]
    assert [r.release_id for r in promised(known, NOW + timedelta(days=400), 6)] == ["night 3"]


def test_after_a_pause_the_release_that_was_just_replaced_is_kept_for_the_promised_days(
    tmp_path: Path,
) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    first = house.write(SHELF, books("of long ago"), None)
    release(house, 0, {SHELF.path: first}, datetime.now(UTC) - timedelta(days=40))
    aged(house, SHELF.path, 40)
    release(house, 1, {SHELF.path: house.write(SHELF, books("of today"), first)}, datetime.now(UTC))
    left_over = tmp_path / SHELF.path / "left-over.parquet"
    left_over.touch()
    os.utime(left_over, (0, 0))
    (kept,) = [k for k in maintain(house, []) if k.table == SHELF.path]
    assert (kept.removed, kept.versions, kept.lost) == (1, 2, ())
    assert readable(house) == ["of long ago", "of today"]


def test_what_no_promised_release_needs_is_deleted(house: Warehouse) -> None:
    keep = [r.tables[SHELF.path] for r in promised(releases.all_releases(house), NOW, 6)]
    assert house.vacuum(SHELF.path, keep, dry_run=True, hours=0) == 2
    assert len(readable(house)) == 4
    assert house.vacuum(SHELF.path, keep, hours=0) == 2
    assert readable(house) == ["book 2", "book 3"]
    before = house.version(SHELF.path)
    assert house.vacuum(SHELF.path, keep, hours=0) == 0
    assert house.version(SHELF.path) == before, "upkeep that finds nothing leaves no trace"


def test_files_younger_than_the_retention_are_never_touched(house: Warehouse) -> None:
    (kept,) = [k for k in maintain(house, [], now=NOW) if k.table == SHELF.path]
    assert (kept.removed, kept.versions) == (0, 2)
    assert len(readable(house)) == 4


def aged(house: Warehouse, path: str, days: int) -> None:
    """The table as if all that was done to it had been done so many days earlier."""
    for commit in (Path(house.root) / path / "_delta_log").glob("*.json"):
        actions = [json.loads(line) for line in commit.read_text("utf-8").splitlines()]
        for action in actions:
            for said in action.values():
                for name in ("timestamp", "modificationTime", "deletionTimestamp", "createdTime"):
                    if isinstance(said.get(name), int):
                        said[name] -= days * 86_400_000
        commit.write_text("\n".join(map(json.dumps, actions)) + "\n", "utf-8")
    for file in (Path(house.root) / path).rglob("*"):
        then = file.stat().st_mtime - days * 86_400
        os.utime(file, (then, then))


@pytest.mark.parametrize("days", [9, 11])
def test_upkeep_deletes_what_the_days_of_conf_no_longer_promise(tmp_path: Path, days: int) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    first = house.write(SHELF, books("replaced"), None)
    second = house.write(SHELF, books("released"), first)
    third = house.write(SHELF, books("released too"), second)
    now = datetime.now(UTC)
    release(house, 0, {SHELF.path: first}, now - timedelta(days=15))
    release(house, 1, {SHELF.path: second}, now - timedelta(days=days))
    release(house, 2, {SHELF.path: third}, now)
    aged(house, SHELF.path, days)
    (kept,) = [k for k in maintain(house, []) if k.table == SHELF.path]
    promised = ["replaced"] if days < 10 else []
    assert (kept.removed, kept.versions) == (1 - len(promised), 2 + len(promised))
    assert readable(house) == [*promised, "released", "released too"]


def test_the_newest_release_is_read_whole_however_seldom_its_table_changes(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    first = house.write(SHELF, books("replaced"), None)
    aged(house, SHELF.path, 15)
    second = house.write(SHELF, books("seldom delivered"), first)
    release(house, 0, {SHELF.path: second}, datetime.now(UTC) - timedelta(days=30))
    aged(house, SHELF.path, 15)
    assert [k.removed for k in maintain(house, []) if k.table == SHELF.path] == [1]
    aged(house, SHELF.path, 15)
    third = house.write(SHELF, books("of a stopped night"), second)
    assert readable(house) == ["seldom delivered"], "a write does not clean the log"
    (kept,) = [k for k in maintain(house, []) if k.table == SHELF.path]
    assert (kept.versions, kept.lost) == (1, ())
    third = house.write(SHELF, books("of another stopped night"), second)
    aged(house, SHELF.path, 15)
    (kept,) = [k for k in maintain(house, []) if k.table == SHELF.path]
    assert (kept.removed, kept.versions, kept.lost) == (1, 1, ())
    assert readable(house) == ["seldom delivered"], "nor does upkeep, once its own checkpoint is old"
    release(house, 1, {SHELF.path: third}, datetime.now(UTC))
    assert readable(house) == ["seldom delivered", "of another stopped night"]


@pytest.mark.parametrize("by", ["write", "upkeep"])
def test_the_log_of_a_warehouse_of_an_older_program_is_kept_too(tmp_path: Path, by: str) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    base = house.write(LOANS, books("a"), None)
    DeltaTable(f"{tmp_path}/{LOANS.path}").alter.set_table_properties(
        {"delta.enableExpiredLogCleanup": "true"}
    )
    if by == "write":
        house.write(LOANS, books("b"), base)
    else:
        maintain(house, [LOANS.path])
    configuration = DeltaTable(f"{tmp_path}/{LOANS.path}").metadata().configuration
    assert configuration["delta.enableExpiredLogCleanup"] == "false"


def test_a_seldom_appended_table_goes_on_from_the_base_that_the_release_names(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    base = house.write(LOANS, books("a"), None)
    release(house, 0, {LOANS.path: base}, datetime.now(UTC) - timedelta(days=30))
    aged(house, LOANS.path, 40)
    for night in ("stopped", "stopped again", "released"):
        written = house.write(LOANS, books(night), base)
        maintain(house, [])
        aged(house, LOANS.path, 40)
    found = house.arrow(LOANS.path, written)
    assert found is not None
    assert sorted(found["title"].to_pylist()) == ["a", "released"]


def test_the_log_goes_with_the_versions_that_nobody_needs(tmp_path: Path) -> None:
    house = Warehouse(str(tmp_path), retention_days=10)
    log, sizes, version = tmp_path / SHELF.path / "_delta_log", [], None
    for night in range(8):
        version = house.write(SHELF, books(f"book {night}"), version)
        release(house, night, {SHELF.path: version}, datetime.now(UTC) - timedelta(days=20 - night))
        aged(house, SHELF.path, 11)
        maintain(house, [])
        sizes.append(len(list(log.iterdir())))
    assert max(sizes[3:]) <= 12, sizes
    assert titles(house, version) == ["book 7"]


def test_a_version_that_is_lost_is_an_error_and_no_empty_table(house: Warehouse) -> None:
    *_, promised, newest = [r.tables[SHELF.path] for r in releases.all_releases(house)]
    log_cleaned(house, SHELF.path, newest)
    with pytest.raises(LostVersionError, match=f"gold/shelf: version {promised}, which a release names"):
        house.arrow(SHELF.path, promised)
    with pytest.raises(LostVersionError):
        house.arrow(SHELF.path, newest + 7)


def log_cleaned(house: Warehouse, path: str, newest: int) -> None:
    """As a clean-up of the log leaves it that keeps no version before ``newest``."""
    stored = house.open(path, newest)
    assert stored is not None
    stored.create_checkpoint()
    for commit in (Path(house.root) / path / "_delta_log").glob("*.json"):
        if commit.stem < f"{newest:020}":
            commit.unlink()


def vacuumed(house: Warehouse, path: str, newest: int) -> None:
    """As another program's VACUUM leaves it that keeps the newest version alone."""
    stored = DeltaTable(f"{house.root}/{path}")
    stored.vacuum(0, dry_run=False, enforce_retention_duration=False, keep_versions=[newest])


@pytest.mark.parametrize("clean", [log_cleaned, vacuumed])
def test_a_promised_version_that_something_else_deleted_is_said(
    house: Warehouse, capsys: pytest.CaptureFixture[str], clean: Callable[[Warehouse, str, int], None]
) -> None:
    *_, promised, newest = [r.tables[SHELF.path] for r in releases.all_releases(house)]
    clean(house, SHELF.path, newest)
    (kept,) = [k for k in maintain(house, [], dry_run=True, now=NOW) if k.table == SHELF.path]
    assert (kept.versions, kept.lost) == (1, (promised,))
    release(house, 5, {SHELF.path: promised}, datetime.now(UTC))
    assert execute(["maintain", "--warehouse", house.root, "--dry-run"]) == 1
    assert f"version {promised} should stay" in " ".join(capsys.readouterr().out.split())


def test_a_released_table_that_is_gone_is_said(house: Warehouse) -> None:
    promised = [r.tables[SHELF.path] for r in releases.all_releases(house)][2:]
    shutil.rmtree(Path(house.root) / SHELF.path)
    (kept,) = [k for k in maintain(house, [], now=NOW) if k.table == SHELF.path]
    assert (kept.versions, list(kept.lost)) == (0, promised)


def test_a_table_that_nights_append_to_grows_with_its_rows_and_not_with_the_nights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = 5
    monkeypatch.setattr("pipelines.stored.FEW_FILES", few)
    house = Warehouse(str(tmp_path))
    version: int | None = None
    nights = 3 * few
    for night in range(nights):
        version = house.write(LOANS, books(f"book {night}"), version)
    stored = house.open(LOANS.path, version)
    assert stored is not None
    assert len(stored.file_uris()) <= few + 1
    assert sorted(stored.to_pyarrow_table()["title"].to_pylist()) == sorted(
        f"book {n}" for n in range(nights)
    )
    again = house.write(LOANS, books("the last"), version)
    assert house.rows(LOANS.path, again) == nights + 1, "a joined version is a base like any other"


@pytest.mark.parametrize("table", [DECISIONS, JUDGEMENTS, CLAIMS], ids=lambda table: table.path)
def test_what_stewards_write_one_row_at_a_time_is_joined_and_kept(
    house: Warehouse, monkeypatch: pytest.MonkeyPatch, table: Table
) -> None:
    monkeypatch.setattr("pipelines.stored.FEW_FILES", 2)
    for n in range(4):
        house.append_rows(table, [steward_row(table, n)])
    stored = house.open(table.path)
    assert stored is not None
    told = stored.version()
    release(house, 4, {table.path: told}, NOW)
    (kept,) = [k for k in maintain(house, [table.path], now=NOW) if k.table == table.path]
    stored = house.open(table.path)
    assert stored is not None
    assert (kept.joined, len(stored.file_uris())) == (4, 1)
    assert house.rows(table.path, stored.version()) == 4
    assert house.is_whole(table.path, told), "the version that a night read stays as it was"


def run_row(run_id: str, status: str, days_ago: int, base: str | None = None) -> dict[str, Any]:
    """The row of ops/runs of a run that came to ``status`` that long ago."""
    day = (NOW - timedelta(days=days_ago)).date()
    at = NOW - timedelta(days=days_ago)
    return {"run_id": run_id, "business_date": day, "at": at, "status": status, "base_release": base}


def with_stages_and_gates(house: Warehouse, runs: list[dict[str, Any]]) -> None:
    """Record the runs, each with one stage and two gates."""
    house.append_rows(RUNS, runs)
    of_runs = [{name: run[name] for name in ("run_id", "business_date", "at")} for run in runs]
    house.append_rows(STAGES, [{**run, "stage": "gold.rfm", "status": "done"} for run in of_runs])
    gates = ("volumes", "id_jitter")
    house.append_rows(GATES, [{**run, "gate": gate, "status": "passed"} for run in of_runs for gate in gates])


def runs_with(house: Warehouse, table: Table) -> list[str]:
    """The runs that the table has rows of."""
    return sorted({row["run_id"] for row in rows_of(house, table.path)})


def test_stages_and_gates_stay_for_the_days_of_ops_and_of_runs_that_are_needed(house: Warehouse) -> None:
    gone = [
        run_row("night 0", "released", 21),
        run_row("night 1", "released", 14),
        run_row("failed on a release that is gone", "failed", 21, "night 0"),
        run_row("rejected", "rejected", 14, "night 3"),
    ]
    stay = [
        run_row("night 2", "released", 7),
        run_row("night 3", "released", 0),
        run_row("rejected lately", "rejected", 6, "night 1"),
        run_row("stopped, to be approved", "stopped", 14, "night 3"),
    ]
    with_stages_and_gates(house, [*gone, *stay])
    looked_at = [STAGES.path, GATES.path, RUNS.path, "ops/releases"]

    would = {k.table: k.rows for k in maintain(house, looked_at, dry_run=True, now=NOW)}
    assert (would[STAGES.path], would[GATES.path], would[RUNS.path]) == (4, 8, 0)
    assert len(runs_with(house, STAGES)) == 8, "a dry run deletes nothing"

    did = {k.table: k.rows for k in maintain(house, looked_at, now=NOW)}
    assert did == would
    names = sorted(run["run_id"] for run in stay)
    assert (runs_with(house, STAGES), runs_with(house, GATES)) == (names, names)
    assert len(last_states(house)) == 8, "who ran and released what stays on record"
    assert len(releases.all_releases(house)) == 4

    before = house.version(STAGES.path)
    assert sum(k.rows for k in maintain(house, looked_at, now=NOW)) == 0
    assert house.version(STAGES.path) == before


def test_the_newest_release_keeps_its_stages_however_old_it_is(house: Warehouse) -> None:
    with_stages_and_gates(house, [run_row("night 2", "released", 7), run_row("night 3", "released", 0)])
    maintain(house, [STAGES.path], now=NOW + timedelta(days=400))
    assert runs_with(house, STAGES) == ["night 3"]


def test_a_release_of_which_a_table_is_readable_keeps_its_stages(house: Warehouse) -> None:
    longer = Warehouse(house.root, retention_days=6, by_layer={"gold": 10})
    with_stages_and_gates(longer, [run_row("night 0", "released", 21), run_row("night 1", "released", 14)])
    maintain(longer, [STAGES.path], now=NOW)
    assert runs_with(longer, STAGES) == ["night 1"]


def test_a_first_night_that_is_to_be_approved_keeps_its_stages(tmp_path: Path) -> None:
    empty = Warehouse(str(tmp_path), retention_days=10)
    with_stages_and_gates(empty, [run_row("first", "stopped", 30)])
    maintain(empty, [STAGES.path], now=NOW)
    assert runs_with(empty, STAGES) == ["first"]


def test_of_a_run_whose_stages_have_gone_is_said_so(
    house: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    with_stages_and_gates(house, [run_row("night 0", "released", 21), run_row("night 3", "released", 0)])
    maintain(house, [STAGES.path, GATES.path], now=NOW)
    said = "No stage of run night 0 is on record"
    for asked in (["night 0"], ["--stages", "night 0"]):
        assert execute(["runs", *asked, "--warehouse", house.root]) == 0
        told = " ".join(capsys.readouterr().out.split())
        assert said in told
        assert "To repeat it" not in told
    with pytest.raises(UsageError, match=f"{said}.*older than the retention of ops"):
        repeat("night 0", "landing", None, house, None, None)  # type: ignore[arg-type]
    day = str((NOW - timedelta(days=21)).date())
    assert execute(["status", "--date", day, "--warehouse", house.root]) == 0
    assert "Run night 0: released" in capsys.readouterr().out


def test_the_command_says_what_it_would_do_and_takes_the_lock(
    house: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["maintain", "--warehouse", house.root, "--dry-run", "--json"]) == 0
    told = {row["table"]: row for row in json.loads(capsys.readouterr().out)}
    assert told[SHELF.path]["removed"] == 0
    assert house.open("ops/lock") is None, "a dry run locks nobody out"
    assert execute(["maintain", "--warehouse", house.root]) == 0
    assert "releases stay readable for 60 days" in capsys.readouterr().out


def test_a_layer_may_have_days_of_its_own(house: Warehouse) -> None:
    other = Warehouse(house.root, retention_days=6, by_layer={"gold": 10, "bronze": 400})
    assert [other.retention(path) for path in ("bronze/crm_contacts", SHELF.path, LOANS.path)] == [400, 10, 6]
    (kept,) = [k for k in maintain(other, [], dry_run=True, now=NOW) if k.table == SHELF.path]
    assert kept.versions == 3
    other.write(LOANS, books("a loan"), None)
    made = other.open(LOANS.path)
    assert made is not None
    assert made.metadata().configuration["delta.logRetentionDuration"] == "interval 6 days"


def test_what_is_deleted_is_known_to_be_gone(house: Warehouse) -> None:
    known = releases.all_releases(house)
    house.vacuum(SHELF.path, [r.tables[SHELF.path] for r in promised(known, NOW, 6)], hours=0)
    assert [house.is_whole(SHELF.path, r.tables[SHELF.path]) for r in known] == [False, False, True, True]
    assert not house.is_whole(SHELF.path, 99)


def test_another_retention_holds_from_the_next_write_on(tmp_path: Path) -> None:
    def promised_days(version: int) -> str | None:
        stored = Warehouse(str(tmp_path)).open(LOANS.path, version)
        assert stored is not None
        return stored.metadata().configuration["delta.logRetentionDuration"]

    first = Warehouse(str(tmp_path), retention_days=10).write(LOANS, books("a"), None)
    longer = Warehouse(str(tmp_path), retention_days=400)
    second = longer.write(LOANS, books("b"), first)
    third = longer.write(LOANS, books("c"), second)
    days = [promised_days(version) for version in (first, second, third)]
    assert days == ["interval 10 days", "interval 400 days", "interval 400 days"]
    assert (longer.rows(LOANS.path, third), third) == (3, second + 1)
