"""Nights keep their tables up every so many releases, and make up for an upkeep that did not end."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_night import Killed, Tiny, tiny

from pipelines.cli import execute
from pipelines.ops import releases, upkeep
from pipelines.ops.record import rows_of
from pipelines.ops.tables import UPKEEPS
from pipelines.ops.tried import FOLDER
from pipelines.ops.upkeep import is_due


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """A shop that keeps its tables up every three releases."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "padron.yml").write_text("maintain_every: 3\n", encoding="utf-8")
    made = tiny(monkeypatch, tmp_path)
    made.config = tmp_path / "conf"
    return made


def nights(shop: Tiny, *days: int) -> None:
    """A night for each day of July."""
    for day in days:
        shop.deliver(f"2026-07-0{day}", {"1": f"night {day}"})
    shop.run()


def upkeeps(shop: Tiny) -> list[int]:
    """The releases that there were at each upkeep that ended."""
    return [row["releases"] for row in rows_of(shop.house, UPKEEPS.path)]


def test_upkeep_comes_after_so_many_releases(shop: Tiny) -> None:
    nights(shop, 1, 2, 3, 4, 5, 6)
    assert upkeeps(shop) == [3, 6]


@pytest.mark.parametrize("error", [Killed, OSError])
def test_an_upkeep_that_did_not_end_is_made_up_for_by_the_next_night(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def ended(*_: Any) -> Any:
        raise error

    nights(shop, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(upkeep, "needed_runs", ended)
        try:
            nights(shop, 3)
        except Killed:
            assert error is Killed
    assert (len(releases.all_releases(shop.house)), upkeeps(shop)) == (3, [])
    nights(shop, 4)
    assert upkeeps(shop) == [4]
    nights(shop, 5, 6, 7)
    assert upkeeps(shop) == [4, 7]


def test_upkeep_by_hand_counts_and_a_dry_run_does_not(shop: Tiny) -> None:
    nights(shop, 1, 2)
    asked = ["maintain", "--warehouse", str(shop.warehouse)]
    assert execute([*asked, "--dry-run"]) == 0
    assert upkeeps(shop) == []
    assert execute(asked) == 0
    assert upkeeps(shop) == [2]
    nights(shop, 3, 4)
    assert upkeeps(shop) == [2]
    nights(shop, 5)
    assert upkeeps(shop) == [2, 5]


def test_a_warehouse_whose_upkeeps_are_not_on_record_is_kept_up_by_its_next_night(shop: Tiny) -> None:
    nights(shop, 1, 2, 3)
    shutil.rmtree(shop.warehouse / UPKEEPS.path)
    assert is_due(shop.house, 3)
    assert is_due(shop.house, 1)
    assert not is_due(shop.house, 4)
    assert not is_due(shop.house, None)


def test_what_a_killed_rehearsal_left_goes_after_a_day_and_what_one_writes_now_stays(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    nights(shop, 1)
    left, at_work, begun = (shop.warehouse / f"{FOLDER}{name}" for name in ("dead", "at-work", "begun"))
    for folder, hours in ((left, 25), (at_work, 23)):
        (folder / "silver").mkdir(parents=True)
        (folder / "silver" / "part.parquet").write_text("ana")
        then = time.time() - 3600 * hours
        os.utime(folder / "silver" / "part.parquet", (then, then))
    begun.mkdir()
    asked = ["maintain", "--warehouse", str(shop.warehouse)]
    assert execute([*asked, "--dry-run"]) == 0
    assert f"{left.name} would be deleted (1 file)" in " ".join(capsys.readouterr().out.split())
    assert left.exists()
    assert execute([*asked, "--json"]) == 0
    (told,) = [row for row in json.loads(capsys.readouterr().out) if row["table"].startswith(FOLDER)]
    assert (told["table"], told["removed"]) == (left.name, 1)
    assert [folder.exists() for folder in (left, at_work, begun)] == [False, True, True]
