"""In which order stages run: by their tables, and what may wait for a better moment does so, unless its moment never comes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_night import Watch

from pipelines.bronze.landing import LandedFile
from pipelines.errors import PadronError
from pipelines.night import put_off, stages
from pipelines.ops.keys import needs
from pipelines.ops.repeat import Unrecorded
from pipelines.ops.runner import Runner
from pipelines.settings import Settings, load_settings
from pipelines.stages import Night, Stage
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pipelines.stages import Content, Inputs

ROOT = Path(__file__).resolve().parents[2]
FIRST = Night(date(2026, 7, 1), "2026-07-01.1", datetime(2026, 7, 1, tzinfo=UTC), "", (), {})
PUT_OFF = {"bronze.profile": "silver.build"}


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "conf")


def order(
    settings: Settings, tmp_path: Path, later: Mapping[str, str], *names: str, fails: str = ""
) -> list[str]:
    """The stages of those names in the order in which they begin; the one that ``fails`` ends the night."""
    began: list[str] = []

    def stage(name: str) -> Stage:
        def run(inputs: Inputs) -> Content:
            began.append(name)
            if name == fails:
                raise PadronError(f"{name} fails")
            return {}

        return Stage(name, (), run)

    house, watch = Warehouse(str(tmp_path)), Watch()
    runner = Runner(None, house, settings, FIRST, Unrecorded(), watch, memory={}, put_off=later)  # type: ignore[arg-type]
    night = [stage(name) for name in names]
    if not fails:
        runner.run(night, {}, set())
    else:
        with pytest.raises(PadronError, match=f"{fails} fails"):
            runner.run(night, {}, set())
    return began


def test_what_is_put_off_begins_when_the_other_has_ended(settings: Settings, tmp_path: Path) -> None:
    both = ("bronze.profile", "silver.build")
    assert order(settings, tmp_path, PUT_OFF, *both) == ["silver.build", "bronze.profile"]
    assert sorted(order(settings, tmp_path, {}, *both)) == ["bronze.profile", "silver.build"]


def test_a_delivery_that_breaks_silver_is_profiled_all_the_same(settings: Settings, tmp_path: Path) -> None:
    began = order(settings, tmp_path, PUT_OFF, "bronze.profile", "silver.build", fails="silver.build")
    assert began == ["silver.build", "bronze.profile"]


def test_a_run_without_the_other_stage_does_not_wait_for_it(settings: Settings, tmp_path: Path) -> None:
    assert order(settings, tmp_path, PUT_OFF, "bronze.profile") == ["bronze.profile"]


def test_stages_that_wait_for_each_other_are_no_night_that_ended(settings: Settings, tmp_path: Path) -> None:
    circle = {"bronze.profile": "silver.build", "silver.build": "bronze.profile"}
    with pytest.raises(ValueError, match=r"wait for each other: bronze\.profile, silver\.build"):
        order(settings, tmp_path, circle, "bronze.profile", "silver.build")


def test_a_small_delivery_is_profiled_after_silver_which_does_not_need_it(settings: Settings) -> None:
    def delivered(size: int) -> Night:
        file = LandedFile(date(2026, 7, 1), "crm", "contacts", "crm.csv", "", size, "")
        return replace(FIRST, base_date=date(2026, 6, 30), is_same_program=True, files=(file,))

    assert put_off(delivered(1_000)) == PUT_OFF
    assert (
        put_off(delivered(10**9)) == put_off(replace(delivered(1_000), is_full=True)) == put_off(FIRST) == {}
    )
    waits = needs(stages(settings.sources))
    for late, other in PUT_OFF.items():
        assert late in waits
        above = [other]
        for name in above:
            above += waits[name]
        assert late not in above
