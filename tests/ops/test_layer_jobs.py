"""A night of a job a layer, and what becomes of a night that loses its lock."""

from __future__ import annotations

import runpy
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from deltalake.exceptions import DeltaError
from tiny_night import DAY, ROOT, STAGES, Tiny, Watch, with_conf

from pipelines.cli import execute
from pipelines.digests import LAYERS
from pipelines.errors import LockHeld, PadronError, UsageError
from pipelines.ops import lock, releases
from pipelines.ops.lock import PARKED, Lock, holder
from pipelines.ops.record import last_states, rows_of
from pipelines.ops.tables import LOCK
from pipelines.ops.tables import STAGES as STAGE_ROWS


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A first night to run, with a configuration of its own."""
    return with_conf(monkeypatch, tmp_path)


def test_a_job_a_layer_shares_run_and_lock_and_the_last_one_releases(shop: Tiny, tmp_path: Path) -> None:
    whole = Tiny(shop.landing, tmp_path / "whole", config=shop.config)
    whole.run()
    for layer, following in pairwise(LAYERS):
        watch = Watch()
        assert shop.run(watch, layer=layer).waits_for == following
        assert {n.partition(".")[0] for n, s in watch.stages.items() if s == "done"} == {layer}
        assert releases.newest(shop.house) is None
        held = holder(shop.house)
        assert held is not None
        assert held["pid"] is None
        with pytest.raises(LockHeld, match=f"night {DAY}, which waits for its {following} job"):
            shop.run(date=date(2026, 7, 2))
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 4
    assert shop.run(layer="gold").released == [f"{DAY}.1"]
    assert holder(shop.house) is None
    assert list(last_states(shop.house)) == [f"{DAY}.1"]
    assert len(rows_of(shop.house, STAGE_ROWS.path)) == len(STAGES), "no stage is recorded twice"
    assert shop.content() == whole.content()
    assert shop.run(layer="bronze").released == []


def test_jobs_a_layer_that_are_all_told_where_to_begin_begin_there_once(shop: Tiny) -> None:
    ran = []
    for layer in LAYERS:
        watch = Watch()
        shop.run(watch, layer=layer, from_stage="silver.build")
        ran += [name for name, status in watch.stages.items() if status == "done"]
    assert sorted(ran) == sorted(stage.name for stage in STAGES)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_job_of_a_layer_is_the_command_with_that_layer(
    layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, asked = ROOT / "jobs" / f"{layer}.py", []
    assert len(job.read_text(encoding="utf-8").splitlines()) <= 20
    monkeypatch.setattr("pipelines.cli.execute", lambda arguments: asked.append(arguments) or 3)
    monkeypatch.setattr("sys.argv", [str(job), "--date", DAY])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(job), run_name="__main__")
    assert (ended.value.code, asked) == (3, [["run", "--layer", layer, "--date", DAY]])


def test_a_layer_that_failed_is_retried_in_the_same_run(shop: Tiny) -> None:
    shop.run(layer="bronze")
    shop.gates["silver.build"] = lambda inputs: 1 / 0
    with pytest.raises(PadronError):
        shop.run(layer="silver")
    assert holder(shop.house) is None
    asked = []
    shop.gates["silver.build"] = lambda inputs: asked.append(1) or []  # type: ignore[func-returns-value]
    watch = Watch()
    shop.run(watch, layer="silver")
    assert watch.stages == {"bronze.land": "reused", "silver.build": "reused"}
    assert asked == [1], "a gate that could not judge is asked again"
    assert shop.run(layer="gold").released == [f"{DAY}.1"]
    with pytest.raises(UsageError, match="--layer copper is not a layer"):
        shop.run(layer="copper")
    with pytest.raises(UsageError, match="--layer runs a layer of one night"):
        shop.run(layer="silver", since=date(2026, 7, 1), date=date(2026, 7, 3))


def test_a_night_that_waits_too_long_for_its_next_job_loses_the_lock(shop: Tiny) -> None:
    shop.run(layer="bronze")
    content = shop.house.arrow(LOCK.path)
    assert content is not None
    row = content.to_pylist()[0]
    row["heartbeat_at"] = datetime.now(UTC) - PARKED - timedelta(seconds=1)
    seen = shop.house.open(LOCK.path)
    assert seen is not None
    shop.house.replace_rows(LOCK, [row], seen)
    with Lock(shop.house, "another") as taken:
        assert "taken over" in str(taken.taken_over)


def test_a_run_whose_heartbeat_finds_the_lock_taken_begins_no_other_stage(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "HEARTBEAT", timedelta(seconds=0.05))

    def robbed(inputs: object) -> list[object]:
        held = shop.house.open(LOCK.path)
        while held is not None and held.to_pyarrow_table().to_pylist()[0]["owner"] != "another":
            row = {**held.to_pyarrow_table().to_pylist()[0], "owner": "another"}
            # A heartbeat may come in between.
            with suppress(DeltaError):
                shop.house.replace_rows(LOCK, [row], held)
            held = shop.house.open(LOCK.path)
        time.sleep(0.5)
        return []

    shop.gates["silver.build"] = robbed
    watch = Watch()
    with pytest.raises(LockHeld, match="took the lock over"):
        shop.run(watch)
    assert list(watch.stages) == ["bronze.land", "silver.build"]


def test_a_run_that_lost_its_lock_releases_nothing(shop: Tiny) -> None:
    def robbed(inputs: object) -> list[object]:
        seen = shop.house.open(LOCK.path)
        assert seen is not None
        row = {**seen.to_pyarrow_table().to_pylist()[0], "owner": "another"}
        shop.house.replace_rows(LOCK, [row], seen)
        return []

    shop.gates["gold.counts"] = robbed
    with pytest.raises(LockHeld, match="took the lock over"):
        shop.run()
    assert releases.newest(shop.house) is None
