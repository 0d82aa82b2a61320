"""What a run that was killed could not tell itself: the next one does, or the next that finds nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.ops import alerts, releases
from pipelines.ops.night_pages import name, written_at

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.config import Alerts
    from pipelines.ops.lock import Lock
    from pipelines.ops.releases import Release

RUN = "padron run"
"""What the locks of nights begin with."""


def tell_of_the_dead(conf: Alerts, lock: Lock, say: alerts.Say, report: Callable[[], None]) -> None:
    """Say whose lock was taken over, and alert of the last run that died: before its release, or before it had told of it.

    Whoever holds the lock knows that no other run is alive. A night that waited for its next job died where its lock was
    taken over. ``report`` makes the page of the newest release, and raises nothing.
    """
    warehouse = lock.warehouse
    if lock.taken_over:
        say(lock.taken_over)
    states = releases.run_states(warehouse)
    last = states[max(states, key=lambda run_id: states[run_id]["at"])] if states else None
    if last and (last["status"] == "started" or (last["status"] == "waiting" and lock.taken_over)):
        alerts.died(conf, warehouse, last, say)
    elif last and last["status"] == "released" and lock.left_by and lock.left_by["run"].startswith(RUN):
        release = releases.newest(warehouse)
        if release is not None and release.release_id == last["run_id"] and not _has_page(lock, release):
            say(
                f"{release.release_id} was released by a run that was killed before it told of it: that is made up for."
            )
            report()
            alerts.told_late(conf, warehouse, release, say)


def _has_page(lock: Lock, release: Release) -> bool:
    """True where the release has its page, the first thing that is made after it."""
    try:
        written = written_at(lock.warehouse).get(name(release.business_date))
    except OSError:
        return False
    return written is not None and written >= release.at
