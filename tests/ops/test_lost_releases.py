"""A machine that loses power may lose the newest commit of a table: nobody gets another id for it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest
from tiny_night import LOG, OWNERS, Tiny, Watch, tiny

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops import releases
from pipelines.ops.tables import RELEASES, RUNS
from pipelines.ops.upkeep import maintain
from pipelines.storage import Warehouse
from pipelines.stored import LostVersionError, TornCommitError


def commits(shop: Tiny, path: str) -> list[Path]:
    return sorted((shop.warehouse / path / "_delta_log").glob("*.json"))


def lose(shop: Tiny, count: int = 1) -> None:
    """The newest releases are gone; the pointer to them too."""
    for commit in commits(shop, RELEASES.path)[-count:]:
        commit.unlink()


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two released nights and the files of a third."""
    folder = tmp_path_factory.mktemp("before")
    with pytest.MonkeyPatch.context() as patch:
        shop = tiny(patch, folder)
        for day, people in (("2026-07-01", {"1": "Ana"}), ("2026-07-02", {"2": "Eva"})):
            shop.deliver(day, people)
            shop.run()
        shop.deliver("2026-07-03", {"3": "Luis"})
    return folder


@pytest.fixture
def shop(before: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    shutil.copytree(before, tmp_path, dirs_exist_ok=True)
    return tiny(monkeypatch, tmp_path)


def ids(shop: Tiny) -> dict[str, int]:
    return {row["record_id"]: row["customer"] for row in shop.content()[OWNERS.path]}


@pytest.mark.parametrize("count", [1, 2])
def test_lost_releases_are_published_again_before_the_next_night(shop: Tiny, count: int) -> None:
    before = releases.all_releases(shop.house)
    lose(shop, count)
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 1
    watch = Watch()
    assert shop.run(watch).released == ["2026-07-03.1"]
    assert sum("is published again" in text for text in watch.said) == count
    again = releases.all_releases(shop.house)
    assert [(r.release_id, r.tables) for r in again[:2]] == [(r.release_id, r.tables) for r in before]
    assert again[2].base_release == "2026-07-02.1"
    assert ids(shop) == {"1": 1, "2": 2, "3": 3}


def test_where_nothing_else_is_to_do_a_lost_release_is_published_again_too(shop: Tiny) -> None:
    shop.run()
    lose(shop)
    assert shop.run().released == []
    assert releases.required(shop.house).release_id == "2026-07-03.1"
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 0


def test_a_lost_full_night_is_the_one_that_is_published_again(shop: Tiny) -> None:
    shop.run()
    shop.run(full=True)
    lose(shop)
    shop.run()
    assert releases.required(shop.house).release_id == "2026-07-03.2"


def test_a_lost_release_below_a_later_one_is_history(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(shop)
    with monkeypatch.context() as older_program:
        older_program.setattr(releases, "lost", lambda warehouse: [])
        shop.run(date=date(2026, 7, 3))
    watch = Watch()
    assert shop.run(watch).released == []
    assert not watch.said


def test_a_dry_run_says_that_a_release_was_lost_and_changes_nothing(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    lose(shop)
    where = ["--landing", str(shop.landing), "--warehouse", str(shop.warehouse)]
    assert execute(["run", "--dry-run", *where]) == 0
    assert "its release was lost" in " ".join(capsys.readouterr().out.split())
    assert releases.required(shop.house).release_id == "2026-07-01.1"


def test_tables_that_were_lost_with_their_release_are_told_and_the_night_goes_on(shop: Tiny) -> None:
    lose(shop)
    commits(shop, OWNERS.path)[-1].write_bytes(b"")
    watch = Watch()
    assert shop.run(watch).released[-1:] == ["2026-07-03.1"]
    assert "were lost too" in watch.said[0]
    assert ids(shop).keys() == {"1", "2", "3"}


def test_tables_that_may_not_be_read_are_not_lost(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    lose(shop)
    opened = Warehouse.open

    def denied(house: Warehouse, path: str, version: int | None = None) -> object:
        if path == OWNERS.path and version is not None:
            raise UsageError("permission is denied")
        return opened(house, path, version)

    with monkeypatch.context() as patch:
        patch.setattr(Warehouse, "open", denied)
        with pytest.raises(UsageError, match="permission is denied"):
            shop.run()
    shop.run()
    assert ids(shop) == {"1": 1, "2": 2, "3": 3}


@pytest.mark.parametrize("table", [RUNS, RELEASES], ids=lambda table: table.path)
def test_an_empty_commit_of_the_operations_own_tables_is_named(
    shop: Tiny, table: object, capsys: pytest.CaptureFixture[str]
) -> None:
    commit = commits(shop, table.path)[-1]  # type: ignore[attr-defined]
    commit.write_bytes(b"")
    with pytest.raises(TornCommitError, match=f"{commit.name} is empty.*Delete that file"):
        shop.run()
    assert execute(["status", "--warehouse", str(shop.warehouse)]) == 1
    assert "Delete that file" in " ".join(capsys.readouterr().err.split())
    commit.unlink()
    shop.run()
    assert ids(shop) == {"1": 1, "2": 2, "3": 3}


def test_a_lost_commit_that_a_release_names_is_no_empty_table(shop: Tiny) -> None:
    version = releases.required(shop.house).tables[OWNERS.path]
    commits(shop, OWNERS.path)[-1].write_bytes(b"")
    with pytest.raises(LostVersionError):
        shop.house.arrow(OWNERS.path, version)
    (kept,) = [k for k in maintain(shop.house, [], dry_run=True) if k.table == OWNERS.path]
    assert version in kept.lost


def test_an_empty_commit_that_no_release_names_is_in_nobodys_way(shop: Tiny) -> None:
    for table in (OWNERS, LOG):
        last = commits(shop, table.path)[-1]
        last.with_name(f"{int(last.stem) + 1:020d}.json").write_bytes(b"")
    shop.run()
    assert ids(shop) == {"1": 1, "2": 2, "3": 3}
    assert [row["customer"] for row in shop.content()[LOG.path]] == [1, 2, 3]
