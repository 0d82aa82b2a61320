"""What a run that was killed after its release could not tell itself: the next run tells it, if only that it finds nothing to do.

A night is told of when it is released: its warnings are alerted, its page is written. That this was done is
kept in the warehouse, so that it does not depend on who took the dead run's lock over.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.ops import alerts, releases
from pipelines.ops.night_pages import page

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.config import Alerts
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

LAST = ("ops", "told.json")
"""The release that was told of last."""


def untold(warehouse: Warehouse) -> Release | None:
    """The newest release, where its night made it and nobody was told. Who asks holds the lock, or asks again with it."""
    newest = releases.newest(warehouse)
    # What a decision published, whoever decided it told.
    if newest is None or newest.reason is not None:
        return None
    try:
        last = json.loads(files.read_text(files.join(warehouse.root, *LAST)))["release"]
    except FileNotFoundError:
        # An older program did not keep it, but wrote pages.
        return None if files.exists(page(warehouse, newest.business_date)) else newest
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None if last == newest.release_id else newest


def make_up(conf: Alerts, warehouse: Warehouse, say: alerts.Say, report: Callable[[], None]) -> None:
    """Tell of the newest release if it is ``untold``. ``report`` makes its page, and raises nothing."""
    release = untold(warehouse)
    if release is not None:
        say(
            f"{release.release_id} was released by a run that was killed before it told of it: that is made up for."
        )
        alerts.told_late(conf, warehouse, release, say)
        report()
        told_of(warehouse, release.release_id)


def told_of(warehouse: Warehouse, release_id: str) -> None:
    """Keep that the release was told of. Where that cannot be written, it is told once more."""
    with suppress(OSError):
        files.write_text(files.join(warehouse.root, *LAST), json.dumps({"release": release_id}))
