"""Releases are in the order of their publication, whatever the clocks of the hosts say."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.ops import releases
from pipelines.ops.tables import RELEASES
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pathlib import Path


def _night(day: int) -> dict[str, Any]:
    return {
        "release_id": f"2026-07-{day:02}.1",
        "business_date": date(2026, 7, day),
        "at": datetime.now(UTC),
        "tables": [("gold/customers", day)],
        "status": "released",
        "base_release": None,
        "inputs_digest": None,
        "code_digest": None,
        "conf_digest": None,
        "warnings": [],
        "reason": None,
    }


def _ahead(tmp_path: Path) -> Warehouse:
    """A warehouse whose only release was made on a host whose clock was a year ahead."""
    warehouse = Warehouse(str(tmp_path))
    warehouse.append_rows(RELEASES, [{**_night(1), "at": datetime.now(UTC) + timedelta(days=365)}])
    return warehouse


def test_the_night_after_one_with_a_clock_ahead_is_the_newest_release(tmp_path: Path) -> None:
    warehouse = _ahead(tmp_path)
    for day in (2, 3):
        releases.publish(warehouse, _night(day))
        assert releases.required(warehouse).release_id == f"2026-07-{day:02}.1"


def test_a_release_of_a_clock_ahead_can_be_withdrawn(tmp_path: Path) -> None:
    warehouse = _ahead(tmp_path)
    releases.replace(warehouse, _night(2), [releases.required(warehouse)], warehouse.seen(RELEASES))
    assert [r.status for r in releases.all_releases(warehouse)] == ["withdrawn", "released"]
