"""In which order stages run: by their tables, and what may wait for a better moment does so, unless its moment never comes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_night import Watch

from pipelines.errors import PadronError
from pipelines.ops.repeat import Unrecorded
from pipelines.ops.runner import Runner
from pipelines.settings import Settings, load_settings
from pipelines.stages import Night, Stage
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pipelines.stages import Content, Inputs

ROOT = Path(__file__).resolve().parents[2]
FIRST = Night(date(2026, 7, 1), "2026-07-01.1", datetime(2026, 7, 1, tzinfo=UTC), "", (), {})
LIKE_LAST = replace(FIRST, base_date=date(2026, 6, 30), is_same_program=True)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "conf")


def order(night: Night, settings: Settings, tmp_path: Path, *, fails: str = "") -> list[str]:
    """The stages of bronze and silver in the order in which they begin; the one that ``fails`` ends the night."""
    began: list[str] = []

    def stage(name: str, after: str | None = None) -> Stage:
        def run(inputs: Inputs) -> Content:
            began.append(name)
            if name == fails:
                raise PadronError(f"{name} fails")
            return {}

        return Stage(name, (), run, after=after)

    stages = [stage("bronze.profile", after="silver.build"), stage("silver.build")]
    watch = Watch()
    runner = Runner(None, Warehouse(str(tmp_path)), settings, night, Unrecorded(), watch, memory={})  # type: ignore[arg-type]
    if not fails:
        runner.run(stages, {}, set())
    else:
        with pytest.raises(PadronError, match=f"{fails} fails"):
            runner.run(stages, {}, set())
    return began


def test_profiles_wait_for_silver_in_a_night_of_few_changes(settings: Settings, tmp_path: Path) -> None:
    assert order(LIKE_LAST, settings, tmp_path) == ["silver.build", "bronze.profile"]
    assert sorted(order(FIRST, settings, tmp_path)) == ["bronze.profile", "silver.build"]


def test_a_delivery_that_breaks_silver_is_profiled_all_the_same(settings: Settings, tmp_path: Path) -> None:
    assert order(LIKE_LAST, settings, tmp_path, fails="silver.build") == ["silver.build", "bronze.profile"]


def test_who_waits_for_a_stage_that_this_run_has_not_runs_at_once(settings: Settings, tmp_path: Path) -> None:
    began: list[str] = []

    def run(inputs: Inputs) -> Content:
        began.append("profile")
        return {}

    night = [Stage("bronze.profile", (), run, after="silver.build")]
    watch = Watch()
    runner = Runner(None, Warehouse(str(tmp_path)), settings, LIKE_LAST, Unrecorded(), watch, memory={})  # type: ignore[arg-type]
    runner.run(night, {}, set())
    assert began == ["profile"]
