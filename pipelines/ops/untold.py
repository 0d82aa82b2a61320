"""What a run that was killed after its release could not tell itself: the next run tells it, if only that it finds nothing to do.

A night is told of when it is released: its warnings are alerted, its page is written. That this was done is
kept in the warehouse, so that it does not depend on who took the dead run's lock over.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.ops import alerts, releases

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.config import Alerts
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

LAST = ("ops", "told.json")
"""The release that was told of last: its id, and when it was published."""
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def untold(warehouse: Warehouse) -> Release | None:
    """The newest release, where its night made it and nobody was told. Who asks holds the lock, or asks again with it."""
    newest = releases.newest(warehouse)
    # What a decision published, whoever decided it told.
    if newest is None or newest.reason is not None:
        return None
    try:
        last = json.loads(files.read_text(files.join(warehouse.root, *LAST)))
        is_told = newest.release_id == last["release"] or newest.at <= datetime.fromisoformat(last["at"])
    except (OSError, ValueError, KeyError, TypeError):
        # An older program did not keep it, and what cannot be read is not told anew each hour.
        return None
    return None if is_told else newest


def make_up(conf: Alerts, warehouse: Warehouse, say: alerts.Say, report: Callable[[], None]) -> None:
    """Tell of the newest release if it is ``untold``. ``report`` makes its page, and raises nothing."""
    release = untold(warehouse)
    if release is not None:
        say(
            f"{release.release_id} was released by a run that was killed before it told of it: that is made up for."
        )
        alerts.told_late(conf, warehouse, release, say)
        report()
    if release is not None or not files.exists(files.join(warehouse.root, *LAST)):
        told_of_newest(warehouse)


def told_of_newest(warehouse: Warehouse) -> None:
    """Keep that the newest release was told of, or that there is none. Where that cannot be written, it is told once more."""
    newest = releases.newest(warehouse)
    said = {"release": newest and newest.release_id, "at": (newest.at if newest else NEVER).isoformat()}
    with suppress(OSError):
        files.write_text(files.join(warehouse.root, *LAST), json.dumps(said))
