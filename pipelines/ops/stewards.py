"""``linkage/decisions`` between the nights: stewards append to it, and a night reads it as it then is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.linkage.decisions import DECISIONS
from pipelines.ops.record import check_version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


def recorded(warehouse: Warehouse) -> pa.Table | None:
    """Every decision so far, in a release or not; None where the table is not there yet."""
    return warehouse.arrow(DECISIONS.path)


def record(warehouse: Warehouse, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Append the ``rows`` of ``linkage/decisions`` whose decision_id is not there yet; those appended."""
    there = recorded(warehouse)
    known = set() if there is None else set(there["decision_id"].to_pylist())
    new = [row for row in rows if row["decision_id"] not in known]
    if new or there is None:
        check_version(warehouse)
        warehouse.append_rows(DECISIONS, new)
    return new


def take_in(warehouse: Warehouse, written: pa.Table) -> int:
    """Append what is ``written`` in the configuration; the version of ``linkage/decisions`` that a night reads."""
    record(warehouse, written.to_pylist())
    version = warehouse.version(DECISIONS.path)
    assert version is not None
    return version


def undecided(warehouse: Warehouse, release: Release, written: pa.Table) -> bool:
    """True where a decision waits for a night: the release was made without it."""
    there = recorded(warehouse)
    known = set() if there is None else set(there["decision_id"].to_pylist())
    if set(written["decision_id"].to_pylist()) - known:
        return True
    version = release.tables.get(DECISIONS.path)
    then = None if version is None else warehouse.arrow(DECISIONS.path, version)
    return bool(known - (set() if then is None else set(then["decision_id"].to_pylist())))
