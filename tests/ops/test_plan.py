"""Which nights a run consists of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pytest

from pipelines.cli.night import starter
from pipelines.errors import UsageError
from pipelines.ops.plan import PlannedNight, plan_nights, records_looked_at
from pipelines.ops.releases import Release
from pipelines.settings import load_settings
from pipelines.spark import INTERPRETED_BELOW


@dataclass(frozen=True)
class File:
    landing_date: date
    source: str = "crm"
    feed: str = "contacts"
    name: str = "contacts.csv"
    bytes: int = 0
    is_gzip: bool = False
    format: str = "delimited"


def day(n: int) -> date:
    return date(2026, 7, n)


def released(n: int) -> Release:
    return Release(
        f"2026-07-0{n}.1", day(n), datetime(2026, 7, n, tzinfo=UTC), {}, "released", None, "i", "c", "f", ()
    )


def plan(
    files: list[File],
    release: Release | None = None,
    asked: date | None = None,
    same: bool = True,
    full: bool = False,
    since: date | None = None,
) -> list[tuple[int, int, int]]:
    nights = plan_nights(files, release, asked=asked, same_program=same, full=full, since=since)  # type: ignore[arg-type]
    return [(n.business_date.day, len(n.files), n.late) for n in nights]


def test_without_a_date_one_night_a_folder_in_order() -> None:
    assert plan([File(day(2)), File(day(1)), File(day(2), "erp", "customers")]) == [(1, 1, 0), (2, 2, 0)]


def test_a_date_takes_in_every_folder_up_to_it_as_one_night() -> None:
    assert plan([File(day(1)), File(day(2)), File(day(3))], asked=day(2)) == [(2, 2, 0)]


def test_late_files_go_with_the_first_night() -> None:
    assert plan([File(day(1)), File(day(3))], released(2)) == [(3, 2, 1)]


def test_a_range_is_one_night_a_folder_and_what_is_late_or_older_goes_with_the_first() -> None:
    late, older, within = File(day(1)), File(day(3)), File(day(6))
    assert plan([late, within], released(2), asked=day(6), since=day(5)) == [(6, 2, 1)]
    assert plan([late, older, within], released(2), asked=day(6), since=day(5)) == [(6, 3, 1)]
    assert plan([older], released(2), asked=day(6), since=day(5)) == [(5, 1, 0)]
    assert plan([late], released(2), asked=day(6), since=day(5)) == [(2, 1, 1)]


def test_late_files_alone_run_the_newest_date_again() -> None:
    assert plan([File(day(1))], released(2)) == [(2, 1, 1)]


def test_nothing_new_is_nothing_to_do() -> None:
    assert plan([], released(2)) == []
    assert plan([], released(2), asked=day(2)) == []


def test_another_program_or_full_runs_the_newest_date_again() -> None:
    assert plan([], released(2), same=False) == [(2, 0, 0)]
    assert plan([], released(2), asked=day(2), full=True) == [(2, 0, 0)]


def test_a_night_without_files_is_a_night_when_its_date_is_asked_for() -> None:
    assert plan([], released(2), asked=day(4)) == [(4, 0, 0)]


def test_a_date_before_the_newest_release_is_refused() -> None:
    with pytest.raises(UsageError, match="before the newest release"):
        plan([], released(3), asked=day(2))


def test_no_files_at_all_is_said() -> None:
    with pytest.raises(UsageError, match="no files"):
        plan([])


def test_nights_look_at_the_register_and_at_all_that_landed_since() -> None:
    landed = File(day(1), bytes=500_000)
    packed = File(day(2), bytes=100_000, is_gzip=True)
    columnar = File(day(2), bytes=100_000, format="parquet")
    nights = [PlannedNight(day(1), (landed,)), PlannedNight(day(2), (packed, columnar))]  # type: ignore[arg-type]
    assert records_looked_at(nights[:1], 0) == 1_000
    assert records_looked_at(nights, 7_000) == (7_000 + 1_000) + (7_000 + 1_000 + 2 * 1_000)


def test_a_small_night_starts_java_with_its_quick_compiler_alone_and_a_tiny_one_compiles_no_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[dict[str, bool]] = []
    monkeypatch.setattr("pipelines.spark.session", lambda properties, **how: asked.append(how))
    monkeypatch.setattr("pipelines.spark.check_java", lambda: None)
    settings = load_settings(None)
    few = settings.project.quick_start_records
    start = starter(settings)
    for records in (INTERPRETED_BELOW - 1, INTERPRETED_BELOW, few - 1, few, None):
        start(records)
    assert [how["is_quick"] for how in asked] == [True, True, True, False, False]
    assert [how["is_interpreted"] for how in asked] == [True, False, False, False, False]


def test_who_wants_no_quick_start_gets_compiled_queries_too(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, bool]] = []
    monkeypatch.setattr("pipelines.spark.session", lambda properties, **how: asked.append(how))
    monkeypatch.setattr("pipelines.spark.check_java", lambda: None)
    settings = load_settings(None)
    project = settings.project.model_copy(update={"quick_start_records": 0})
    starter(replace(settings, project=project))(1)
    assert asked == [{"is_quick": False, "is_interpreted": False}]
