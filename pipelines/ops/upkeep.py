"""Upkeep of the tables: small files joined, files deleted that no promised release needs.

A released version stays readable for ``retention_days`` after its release (``retention_by_layer`` for the tables
of a layer that has its own), and the newest release for as long as it is the newest; what is older goes. Bronze and the other tables that nights append to join their
small files when they are written; the operation's own tables and what stewards write join them here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.judgements import JUDGEMENTS
from pipelines.ops import releases
from pipelines.ops.tables import CLAIMS, CONFIGURATIONS, GATES, LOCK, RELEASES, RUNS, STAGES

if TYPE_CHECKING:
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

OWN = (RUNS, STAGES, GATES, RELEASES, CONFIGURATIONS, CLAIMS, DECISIONS, JUDGEMENTS)
"""Tables that get a file for every few rows, and whose files no write joins. Joining changes no reader's rows: they
are read at their newest version, or at one that a release keeps."""


@dataclass(frozen=True)
class Kept:
    """What upkeep did to one table."""

    table: str
    joined: int
    """Small files that were joined."""
    removed: int
    """Files that were deleted, or would be."""
    versions: int
    """Released versions that stay readable."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def promised(found: Sequence[Release], now: datetime, retention_days: int) -> list[Release]:
    """The releases that must stay readable: standing ones younger than the retention, and the newest of all."""
    standing = [r for r in found if r.status == "released"]
    since = now - timedelta(days=retention_days)
    return [r for i, r in enumerate(standing) if r.at >= since or i == len(standing) - 1]


def versions_of(found: Iterable[Release]) -> dict[str, list[int]]:
    """By ``layer/table``: the versions that the releases name, ascending."""
    named: dict[str, set[int]] = {}
    for release in found:
        for path, version in release.tables.items():
            named.setdefault(path, set()).add(version)
    return {path: sorted(versions) for path, versions in named.items()}


def maintain(
    warehouse: Warehouse, tables: Iterable[str], *, dry_run: bool = False, now: datetime | None = None
) -> list[Kept]:
    """Upkeep of ``tables`` (``layer/table``) and of every table that a release names, by path.

    The caller holds the lock. With ``dry_run`` nothing is changed and ``removed`` counts what would be deleted.
    """
    known = releases.all_releases(warehouse)
    now = now or datetime.now(UTC)
    paths = sorted({*tables, *versions_of(known)})
    own = {table.path for table in OWN}
    done = []
    for path in paths:
        # Whoever takes the lock keeps that table up: only its holder may write to it.
        if path == LOCK.path or warehouse.version(path) is None:
            continue
        keep = versions_of(promised(known, now, warehouse.retention(path))).get(path, [])
        joined = warehouse.compact(path) if path in own and not dry_run else 0
        removed = warehouse.vacuum(path, keep, dry_run=dry_run)
        done.append(Kept(path, joined, removed, len(keep)))
    return done


def is_due(warehouse: Warehouse, every: int | None) -> bool:
    """True after each ``every`` releases; never for None."""
    return every is not None and len(releases.all_releases(warehouse)) % every == 0
