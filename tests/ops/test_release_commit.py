"""A release is committed on the release that it stands on, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_night import Tiny, blocking, released

from pipelines.errors import GateStopped, LockHeld
from pipelines.ops import one_night, releases, sign_off
from pipelines.ops.lock import Lock
from pipelines.ops.record import rows_of
from pipelines.ops.sign_off import Decider
from pipelines.ops.tables import RELEASES
from pipelines.storage import OvertakenError, Warehouse


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """One released night."""
    return released(monkeypatch, tmp_path)


def test_a_night_is_not_released_over_a_release_that_it_does_not_know(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    known, checked = releases.newest, Lock.check

    def stands_still(self: Lock) -> None:
        checked(self)
        other = SimpleNamespace(**{**vars(known(shop.house)), "release_id": "2026-07-01.9"})
        monkeypatch.setattr(releases, "newest", lambda house: other)

    monkeypatch.setattr(Lock, "check", stands_still)
    with pytest.raises(LockHeld, match=r"Another run released 2026-07-01\.9"):
        shop.run()
    monkeypatch.setattr(releases, "newest", known)
    assert releases.required(shop.house).release_id == "2026-07-01.1"


def test_two_nights_never_commit_on_one_release(shop: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that stands still after it asked, and just before its commit."""
    shop.deliver("2026-07-02", {"3": "leo"})
    asked, (first,) = one_night._check_base, rows_of(shop.house, RELEASES.path)
    other = {**first, "release_id": "2026-07-01.9", "base_release": "2026-07-01.1", "at": datetime.now(UTC)}

    def stands_still(warehouse: Warehouse, base_release: str | None) -> None:
        asked(warehouse, base_release)
        warehouse.append_rows(RELEASES, [other])

    monkeypatch.setattr(one_night, "_check_base", stands_still)
    with pytest.raises(LockHeld, match=r"Another run released 2026-07-01\.9"):
        shop.run()
    assert [r.release_id for r in releases.all_releases(shop.house)] == ["2026-07-01.1", "2026-07-01.9"]


def test_a_release_waits_for_others_who_write_where_releases_stand(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    asked, left = one_night._check_base, [2]

    def upkeep(warehouse: Warehouse, base_release: str | None) -> None:
        asked(warehouse, base_release)
        if left[0]:
            left[0] -= 1
            warehouse.append_rows(RELEASES, [])

    monkeypatch.setattr(one_night, "_check_base", upkeep)
    assert shop.run().released == ["2026-07-02.1"]
    assert left == [0]


def test_going_back_never_commits_over_a_release_that_it_does_not_know(
    shop: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("2026-07-02", {"3": "leo"})
    shop.gates["silver.build"] = blocking
    with pytest.raises(GateStopped):
        shop.run()
    checked, (first,) = Lock.check, rows_of(shop.house, RELEASES.path)
    other = {**first, "release_id": "2026-07-01.9", "base_release": "2026-07-01.1", "at": datetime.now(UTC)}

    def stands_still(self: Lock) -> None:
        checked(self)
        shop.house.append_rows(RELEASES, [other])

    monkeypatch.setattr(Lock, "check", stands_still)
    with pytest.raises(OvertakenError, match="Run again"):
        sign_off.reject(shop.house, "2026-07-02.1", Decider("maria", "closed"), no_spark)
    assert releases.required(shop.house).release_id == "2026-07-01.9"


def no_spark() -> Any:
    raise AssertionError("Spark is not needed for this")
