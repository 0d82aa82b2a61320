"""Upkeep of the tables: small files joined, rows of past runs and files deleted that nobody needs any more.

The newest release stays readable for as long as it is the newest, and ``retention_days`` more (``retention_by_layer`` for
the tables of a layer that has its own); what was replaced longer ago goes. Bronze and the other tables that nights append
to join their small files when they are written; the operation's own tables and what stewards write join them here.

The stages and gates of a run stay for the retention of ``ops``, and as long as a release of it is readable or it can be
gone on with. The states of runs and releases (``ops/runs``, ``ops/releases``) stay: they are the record of who released what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.judgements import JUDGEMENTS
from pipelines.ops import releases, tried
from pipelines.ops.record import OPEN, last_states, rows_of
from pipelines.ops.tables import CLAIMS, CONFIGURATIONS, GATES, LOCK, RELEASES, RUNS, STAGES, UPKEEPS

if TYPE_CHECKING:
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

OWN = (RUNS, STAGES, GATES, RELEASES, CONFIGURATIONS, UPKEEPS, CLAIMS, DECISIONS, JUDGEMENTS)
"""Tables that get a file for every few rows, and whose files no write joins. Joining changes no reader's rows: they
are read at their newest version, or at one that a release keeps."""


OF_RUNS = (STAGES, GATES)
"""Tables whose rows go when their run is needed no more."""


@dataclass(frozen=True)
class Kept:
    """What upkeep did to one table, or to a folder that a tried night left."""

    table: str
    joined: int
    """Small files that were joined."""
    rows: int
    """Rows of runs needed no more that were deleted, or would be."""
    removed: int
    """Files that were deleted, or would be."""
    versions: int
    """Released versions that stay readable."""
    lost: tuple[int, ...]
    """Released versions that should, and cannot: their files or their log are gone."""

    @property
    def warning(self) -> str | None:
        """A line about what should be readable and is not; None where all is."""
        if not self.lost:
            return None
        numbers = ", ".join(f"{version}" for version in self.lost)
        return (
            f"{self.table}: version {numbers} should stay readable and cannot be read any more: another program deleted "
            "files of the warehouse, or retention_days was shorter at an earlier upkeep."
        )

    @property
    def is_left_over(self) -> bool:
        """True of a folder that a process left which died while it tried a night."""
        return self.table.startswith(tried.FOLDER)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def promised(found: Sequence[Release], now: datetime, retention_days: int) -> list[Release]:
    """The releases that must stay readable: of those that stand the newest, and who was it within the retention.

    However long a release was the newest, readers have it open and may want it back when another takes its place.
    """
    standing = [r for r in found if r.status == "released"]
    since = now - timedelta(days=retention_days)
    replaced = [r for r, by in pairwise(standing) if by.at > since]
    return [*replaced, *standing[-1:]]


def versions_of(found: Iterable[Release]) -> dict[str, list[int]]:
    """By ``layer/table``: the versions that the releases name, ascending."""
    named: dict[str, set[int]] = {}
    for release in found:
        for path, version in release.tables.items():
            named.setdefault(path, set()).add(version)
    return {path: sorted(versions) for path, versions in named.items()}


def needed_runs(warehouse: Warehouse, known: Sequence[Release], now: datetime) -> set[str]:
    """The runs whose stages and gates stay: young ones, those of a release of which any table is readable, and those
    that ended without a release on a base that still is."""
    since = now - timedelta(days=warehouse.retention(STAGES.path))
    longest = max((warehouse.retention(path) for path in versions_of(known)), default=0)
    readable = {r.release_id for r in promised(known, now, longest)}
    bases: set[str | None] = {*readable} or {None}
    return {
        run_id
        for run_id, row in last_states(warehouse).items()
        if row["at"] >= since
        or run_id in readable
        or (row["status"] in OPEN and row["base_release"] in bases)
    }


def _forget(warehouse: Warehouse, path: str, needed: set[str], *, dry_run: bool) -> int:
    """Delete the rows of runs that are not ``needed``; how many. A dry run only counts them."""
    stored = warehouse.arrow(path)
    if stored is None:
        return 0
    of_runs = Counter(stored["run_id"].to_pylist())
    past = sorted(of_runs.keys() - needed)
    if past and not dry_run:
        warehouse.delete_rows(path, "run_id", past)
    return sum(of_runs[run_id] for run_id in past)


def maintain(
    warehouse: Warehouse, tables: Iterable[str], *, dry_run: bool = False, now: datetime | None = None
) -> list[Kept]:
    """Upkeep of ``tables`` (``layer/table``) and of every table that a release names, by path; then of what tried nights left.

    The caller holds the lock. Last of all it is recorded as done. With ``dry_run`` nothing is changed; ``rows`` and
    ``removed`` count what would be deleted.
    """
    known = releases.all_releases(warehouse)
    now = now or datetime.now(UTC)
    paths = sorted({*tables, *versions_of(known)})
    own, of_runs = ({table.path for table in tables} for tables in (OWN, OF_RUNS))
    needed = needed_runs(warehouse, known, now)
    done = []
    for path in paths:
        # Whoever takes the lock keeps that table up: only its holder may write to it.
        if path == LOCK.path:
            continue
        keep = versions_of(promised(known, now, warehouse.retention(path))).get(path, [])
        if warehouse.version(path) is None:
            if keep:
                done.append(Kept(path, 0, 0, 0, 0, tuple(keep)))
            continue
        there = warehouse.whole(path, keep)
        lost = tuple(version for version in keep if version not in there)
        rows = _forget(warehouse, path, needed, dry_run=dry_run) if path in of_runs else 0
        if not dry_run:
            warehouse.keep_log(path)
        joined = warehouse.compact(path) if path in own and not dry_run else 0
        removed = warehouse.vacuum(path, there, dry_run=dry_run)
        done.append(Kept(path, joined, rows, removed, len(there), lost))
    left = tried.clear(warehouse, dry_run=dry_run)
    done += [Kept(folder, 0, 0, removed, 0, ()) for folder, removed in left.items()]
    if not dry_run:
        warehouse.append_rows(UPKEEPS, [{"at": datetime.now(UTC), "releases": len(known)}])
    return done


def is_due(warehouse: Warehouse, every: int | None) -> bool:
    """True where ``every`` releases or more were made since the last upkeep that ended; never for None."""
    if every is None:
        return False
    before = max((row["releases"] for row in rows_of(warehouse, UPKEEPS.path)), default=0)
    return len(releases.all_releases(warehouse)) - before >= every
