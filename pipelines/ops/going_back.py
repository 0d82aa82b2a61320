"""An older release in the place of later ones: what a rejection and a rollback publish."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.identity.assign import Identity
from pipelines.identity.changes import CHANGES
from pipelines.identity.restore import restored
from pipelines.identity.tables import ASSIGNMENTS
from pipelines.night import GIVEN, IDENTITY
from pipelines.ops import releases
from pipelines.ops.lock import Lock
from pipelines.ops.record import Record
from pipelines.ops.tables import RELEASES
from pipelines.ops.withdrawn_pages import set_aside
from pipelines.queries import at_once

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse
    from pipelines.tables import Table


class CannotDecide(UsageError):
    """What a decision is about is in no state that it could be carried out on."""


def check_whole(warehouse: Warehouse, release: Release) -> None:
    """Raises CannotDecide where files of the release, which readers would be sent to, are deleted or lost."""
    gone = [path for path, version in release.tables.items() if not warehouse.is_whole(path, version)]
    if gone:
        raise CannotDecide(
            f"Release {release.release_id} is not readable whole any more ({', '.join(sorted(gone)[:3])}): it was replaced "
            "longer ago than retention_days or retention_by_layer in conf/padron.yml promise, or the storage lost files of it."
        )


def go_back(
    lock: Lock,
    target: Release,
    tables: dict[str, int],
    said: str,
    start_spark: Callable[[], SparkSession],
    again: dict[str, Any] | None = None,
) -> Release:
    """Release ``tables``, which are the target's but for bronze, in the place of all after the target.

    ``said``: what was decided, by whom and why. ``again``: the row of ops/runs of the same decision, made before, which
    stays its newest until it is carried out: who dies on the way leaves it to the next run. The pages of what is
    withdrawn are set aside.
    """
    warehouse = lock.warehouse
    seen = warehouse.seen(RELEASES)
    newest = releases.required(warehouse)
    standing = [r for r in releases.all_releases(warehouse) if r.status == "released"]
    # After the target in the order of publication, and not before it by date.
    withdrawn = standing[[r.release_id for r in standing].index(target.release_id) + 1 :]
    facts = {
        "base_release": target.release_id,
        "inputs_digest": target.inputs_digest,
        "code_digest": target.code_digest,
        "conf_digest": target.conf_digest,
        "is_full": False,
        "files": 0,
        "late_files": 0,
    }
    record = Record(warehouse, newest.business_date, facts, again)
    if again is None:
        record.state("started", said)
    try:
        if withdrawn:
            tables |= _compensated(warehouse, start_spark(), newest, target)
            # What stewards decided holds until they revoke it, whatever becomes of a night.
            tables |= {t.path: newest.tables[t.path] for t in GIVEN if t.path in newest.tables}
        lock.check()
        row = {
            "release_id": record.run_id,
            "business_date": newest.business_date,
            "at": datetime.now(UTC),
            "tables": sorted(tables.items()),
            "status": "released",
            **{k: facts[k] for k in ("base_release", "inputs_digest", "code_digest", "conf_digest")},
            "warnings": [said],
            "reason": said,
        }
        _replace(warehouse, row, withdrawn, seen)
    except BaseException as error:
        if again is None:
            record.state("failed", f"{said}: {type(error).__name__}")
        raise
    set_aside(warehouse, withdrawn)
    record.state("restored" if withdrawn else "released", said)
    return releases.required(warehouse)


def _replace(warehouse: Warehouse, row: dict[str, Any], withdrawn: Sequence[Release], seen: Any) -> None:
    """``releases.replace``; where only release.json cannot be written, the decision is carried out all the same."""
    try:
        releases.replace(warehouse, row, withdrawn, seen)
    except Exception:
        newest = releases.newest(warehouse)
        if newest is None or newest.release_id != row["release_id"]:
            raise


def _compensated(
    warehouse: Warehouse, spark: SparkSession, newest: Release, target: Release
) -> dict[str, int]:
    """Versions of the identity tables when all records have the target's customers again."""

    def table(of: Release, which: Table) -> Any:
        return warehouse.read(spark, which, of.tables.get(which.path))

    prior = Identity(*[table(newest, t) for t in IDENTITY])
    made = restored(prior, table(target, ASSIGNMENTS), newest.business_date).tables

    def written(one: Table) -> int:
        return warehouse.write(one, made[one.path], newest.tables.get(one.path))

    tables = (*IDENTITY, CHANGES)
    return dict(zip([t.path for t in tables], at_once(written, tables), strict=True))
