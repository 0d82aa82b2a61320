"""A release whose commit was lost is published again, as ops/runs and ops/stages know it; a decision is carried out again.

A machine that loses power may lose the last commit of a table, and keep later ones of others. Who built on the release
before would give other customer ids to all whom only the lost one knew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines.night import published
from pipelines.ops import releases
from pipelines.ops.going_back import CannotDecide
from pipelines.ops.one_night import given_versions
from pipelines.ops.record import Record, finished, is_decision, mark
from pipelines.ops.sign_off import decide_again, open_again
from pipelines.ops.withdrawn_pages import left_standing
from pipelines.stored import LostVersionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession

    from pipelines.ops.lock import Lock
    from pipelines.storage import Warehouse


def publish_again(lock: Lock, start_spark: Callable[[], SparkSession]) -> Iterator[str]:
    """Publish what was lost, under its id; a line for each. Spark is started for decisions that took releases back.

    Raises UsageError where its tables may not be read: that is no loss.
    """
    while gone := releases.lost(lock.warehouse):
        run, above = gone[0], [row for row in gone[1:] if not is_decision(row)]
        if is_decision(run):
            said, is_back = _decide_again(lock, run, start_spark)
        else:
            said, is_back = _publish_again(lock.warehouse, run)
        yield said
        if not is_back:
            yield from _given_up(lock.warehouse, run["run_id"], above)


def _publish_again(warehouse: Warehouse, run: dict[str, Any]) -> tuple[str, bool]:
    name, tables = run["run_id"], _tables(warehouse, run)
    try:
        for path, version in tables.items():
            warehouse.open(path, version)
            if not warehouse.is_whole(path, version):
                raise LostVersionError(path, version)
    except LostVersionError as error:
        mark(warehouse, run, "failed", f"its release was lost, and tables with it: {error}")
        return (
            f"the release {name} was lost, and cannot be published again, for its tables were lost too ({error}) "
            "The night goes on from the release before: customers that only the lost one knew get other ids."
        ), False
    releases.publish(warehouse, _row(warehouse, run, tables))
    return f"the release {name} was lost from ops/releases, and is published again.", True


def _decide_again(
    lock: Lock, run: dict[str, Any], start_spark: Callable[[], SparkSession]
) -> tuple[str, bool]:
    name, what = run["run_id"], run["message"]
    try:
        made = decide_again(lock, run, start_spark)
    except (CannotDecide, LostVersionError) as error:
        open_again(lock.warehouse, run)
        mark(
            lock.warehouse, run, "failed", f"{what}. It was lost, and could not be carried out again: {error}"
        )
        return (
            f"{name} ({what}) was lost from ops/releases, and could not be carried out again: {error} Decide again: "
            "`padron release reject` or `rollback`."
        ), False
    again = f"{name} ({what}) was lost from ops/releases, and is carried out again."
    return " ".join([again, *left_standing(lock.warehouse, made)]), True


def _given_up(warehouse: Warehouse, below: str, above: list[dict[str, Any]]) -> Iterator[str]:
    """Nights that stood on one that does not come back: a line for each."""
    for run in above:
        if run["base_release"] == below:
            below = run["run_id"]
            mark(
                warehouse, run, "failed", f"its release was lost, and {run['base_release']} that it stood on"
            )
            yield f"the release {below} was lost with {run['base_release']}, on which it stood, and does not come back."


def _tables(warehouse: Warehouse, run: dict[str, Any]) -> dict[str, int]:
    """Versions by path: those of its base, with what its stages read and wrote."""
    base = releases.newest(warehouse)
    tables = given_versions(warehouse) if base is None else dict(base.tables)
    for stage in finished(warehouse, {run["run_id"]}):
        tables |= dict(stage["inputs"]) | dict(stage["outputs"])
    return {path: version for path, version in sorted(tables.items()) if published(path)}


def _row(warehouse: Warehouse, run: dict[str, Any], tables: dict[str, int]) -> dict[str, Any]:
    facts = ("base_release", "inputs_digest", "code_digest", "conf_digest")
    return {
        "release_id": run["run_id"],
        "business_date": run["business_date"],
        "at": datetime.now(UTC),
        "tables": list(tables.items()),
        "status": "released",
        **{name: run[name] for name in facts},
        "warnings": Record(warehouse, run["business_date"], {}, run).warnings,
    }
