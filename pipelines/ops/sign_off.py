"""What a person decides about a night: approve what a gate stopped, reject it, or take releases back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bronze.batches import BATCHES
from pipelines.errors import PadronError, UsageError
from pipelines.ops import releases
from pipelines.ops.gates import UNUSABLE_FILES
from pipelines.ops.going_back import CannotDecide, check_whole, go_back
from pipelines.ops.judgements import standing
from pipelines.ops.lock import Lock
from pipelines.ops.record import (
    OPEN,
    REJECT,
    ROLLBACK,
    after_all,
    check_version,
    finished,
    is_decision,
    last_states,
    mark,
    mark_all,
    rows_of,
    unfinished,
)
from pipelines.ops.tables import GATES, RUNS
from pipelines.ops.withdrawn_pages import set_aside_late

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import SparkSession

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


@dataclass(frozen=True)
class Decider:
    """Who decides, and why: both go into the record."""

    who: str
    why: str

    def __str__(self) -> str:
        return f"by {self.who}: {self.why}"

    @classmethod
    def of(cls, said: str) -> Decider:
        """What ``str`` of a decider made."""
        who, _, why = said.removeprefix("by ").partition(": ")
        return cls(who, why)


@dataclass(frozen=True)
class Approved:
    """What was agreed to."""

    gates: list[str]
    adopts: str | None
    """The generation that the night adopts; the run that releases it has to ask for it again."""


def approve(warehouse: Warehouse, run_id: str | None, decider: Decider) -> Approved:
    """Agree to what stopped a night (None: the newest one).

    The next `padron run` of that night, with the same files and the same generation, repeats nothing that was finished,
    lets these gates pass up to the values they had, and releases. Raises UsageError where no gate stopped it.
    """
    _check_used(warehouse)
    name = run_id or _newest_night(warehouse)
    with Lock(warehouse, "padron release approve"):
        run = _in_state(warehouse, name, ("stopped",))
        base = releases.newest(warehouse)
        if base is not None and run["base_release"] != base.release_id:
            _not_the_newest(run["run_id"], base)
        gates = [g for g in rows_of(warehouse, GATES.path) if g["run_id"] == run["run_id"]]
        blocked = [g for g in standing(gates) if g["status"] == "blocked" and g["gate"] != UNUSABLE_FILES]
        if not blocked:
            raise UsageError(
                f"Run {run['run_id']} was not stopped by a gate that can be approved: {run['message']}"
            )
        now = after_all(warehouse, datetime.now(UTC), GATES.path)
        warehouse.append_rows(
            GATES,
            [
                {**g, "at": now, "status": "approved", "message": f"{g['message']} Approved {decider}"}
                for g in blocked
            ],
        )
        mark(warehouse, run, "approved", f"{', '.join(g['gate'] for g in blocked)} approved {decider}")
    return Approved([g["gate"] for g in blocked], run["adopts"])


def reject(
    warehouse: Warehouse, run_id: str | None, decider: Decider, start_spark: Callable[[], SparkSession]
) -> Release:
    """Reject a night (None: the newest, where it is not released) and the files that it took in.

    Its batches stand in bronze as rejected, silver skips them, and their files are not taken in
    again. A released night is withdrawn, with all releases built on it: the files of these are taken
    in again by the next run. Returns the release that readers see from now on.
    """
    _check_used(warehouse)
    name = run_id or _newest_night(warehouse)
    with Lock(warehouse, "padron release reject", _waiting_night(warehouse, name)) as lock:
        try:
            made = _reject(lock, name, decider, start_spark, is_named=run_id is not None)
        except PadronError:
            lock.leave_as_found()
            raise
    return made


def _reject(
    lock: Lock, name: str, decider: Decider, start_spark: Callable[[], SparkSession], *, is_named: bool
) -> Release:
    warehouse = lock.warehouse
    run = _in_state(warehouse, name, (*OPEN, "released"))
    newest = releases.newest(warehouse)
    if newest is not None and (newest.reason or "").startswith(f"{REJECT} {name} "):
        # Whoever rejected it died before these last rows.
        _settle(warehouse, run, decider)
        releases.write_pointer(warehouse)
        set_aside_late(warehouse)
        return newest
    known = {r.release_id: r for r in releases.all_releases(warehouse)}
    if not is_named and name in known:
        raise UsageError(f"The newest run {name} is released: name it, to withdraw what readers see.")
    base, tables = _without(warehouse, run, known)
    made = go_back(lock, base, tables, f"{REJECT} {name} {decider}", start_spark)
    _settle(warehouse, run, decider)
    return made


def _without(
    warehouse: Warehouse, run: dict[str, Any], known: dict[str, Release]
) -> tuple[Release, dict[str, int]]:
    """The release that a night stands on, and its tables with the night's files in bronze, marked rejected.

    Raises CannotDecide where there is no such release, or nothing to reject.
    """
    name = run["run_id"]
    release = known.get(name)
    if release is not None:
        if release.status != "released":
            raise CannotDecide(f"Release {name} is withdrawn already.")
        base = known.get(release.base_release or "")
        landed = {p: v for p, v in release.tables.items() if p.startswith("bronze/")}
    else:
        base = releases.newest(warehouse)
        # Only what stands on the same base is part of the same story.
        if base is not None and run["base_release"] != base.release_id:
            _not_the_newest(name, base)
        landed = _landed_by(warehouse, name)
    if base is None:
        raise CannotDecide(
            f"Nothing was released before {name}, so there is nothing to go back to: replace or remove its "
            "files in the landing folder and run again."
        )
    check_whole(warehouse, base)
    batches = _rejected(warehouse, base, landed, run["business_date"], name)
    return base, {**base.tables, **landed, BATCHES.path: batches}


def _settle(warehouse: Warehouse, run: dict[str, Any], decider: Decider) -> None:
    """Mark a run rejected, and with it the other attempts at its night: their base is not the newest any more."""
    name = run["run_id"]
    attempts = unfinished(warehouse, run["business_date"], run["base_release"]).values()
    others = [r for r in attempts if r["run_id"] != name and not is_decision(r)]
    messages = [(other, f"rejected with {name} {decider}") for other in others]
    mark_all(warehouse, "rejected", [*messages, (run, f"rejected {decider}")])


def rollback(
    warehouse: Warehouse, release_id: str, decider: Decider, start_spark: Callable[[], SparkSession]
) -> Release:
    """Make an older release what readers see and the next night builds on.

    The releases after it are withdrawn, compensating events are recorded, every id that they
    published stays resolvable, and their files are taken in again by the next run. Returns the release that
    readers see from now on.
    """
    _check_used(warehouse)
    with Lock(warehouse, "padron release rollback") as lock:
        known = {r.release_id: r for r in releases.all_releases(warehouse)}
        target, newest = known.get(release_id), releases.required(warehouse)
        if target is None:
            raise UsageError(f"There is no release {release_id}: `padron release list` names them.")
        if target.status != "released":
            raise UsageError(f"Release {release_id} is withdrawn: it cannot be gone back to.")
        if target.release_id == newest.release_id:
            raise UsageError(f"Release {release_id} is the newest one: readers see it already.")
        check_whole(warehouse, target)
        return go_back(lock, target, dict(target.tables), f"{ROLLBACK} {release_id} {decider}", start_spark)


def decide_again(lock: Lock, decision: dict[str, Any], start_spark: Callable[[], SparkSession]) -> Release:
    """Carry out once more, under its id, a decision whose release was lost: its newest row of ops/runs.

    Returns the release that readers see from now on. Raises CannotDecide where what it was about is not there any more.
    """
    warehouse, said = lock.warehouse, decision["message"]
    known = {r.release_id: r for r in releases.all_releases(warehouse)}
    if said.startswith(f"{ROLLBACK} "):
        target = known.get(said.removeprefix(f"{ROLLBACK} ").partition(" ")[0])
        if target is None or target.status != "released":
            raise CannotDecide("The release that it went back to is not there any more.")
        check_whole(warehouse, target)
        return go_back(lock, target, dict(target.tables), said, start_spark, decision)
    name, decider = _rejects(said)
    run = last_states(warehouse)[name]
    base, tables = _without(warehouse, run, known)
    made = go_back(lock, base, tables, said, start_spark, decision)
    _settle(warehouse, run, Decider.of(decider))
    return made


def _rejects(said: str) -> tuple[str, str]:
    """The night that a rejection is about, and who decided it and why."""
    name, _, decider = said.removeprefix(f"{REJECT} ").partition(" ")
    return name, decider


def open_again(warehouse: Warehouse, decision: dict[str, Any]) -> None:
    """Take a night out of its rejection, which was lost and cannot be carried out again: it may be rejected once more."""
    if not decision["message"].startswith(f"{REJECT} "):
        return
    name, _ = _rejects(decision["message"])
    states = [row for row in rows_of(warehouse, RUNS.path) if row["run_id"] == name]
    before = [row for row in states if row["status"] != "rejected"]
    if states[-1]["status"] == "rejected" and before:
        mark(
            warehouse,
            states[-1],
            before[-1]["status"],
            f"its rejection was lost: {before[-1]['message'] or ''}",
        )


def _check_used(warehouse: Warehouse) -> None:
    """Raises UsageError where nothing ever ran, before anything is written there, or a newer program did."""
    if not last_states(warehouse):
        raise UsageError(f"No run is recorded in the warehouse {warehouse.root}: check --warehouse.")
    check_version(warehouse)


def _newest_night(warehouse: Warehouse) -> str:
    """The run that a decision is about where none is named: the last that did something."""
    # A decision is recorded as a run of its own, also one that died on the way.
    nights = [r for r in last_states(warehouse).values() if not is_decision(r)]
    return str(max(nights, key=lambda r: r["at"])["run_id"])


def _waiting_night(warehouse: Warehouse, name: str) -> str | None:
    """The night of a run that waits for its next job: its lock may be taken to reject it."""
    run = last_states(warehouse).get(name)
    return str(run["business_date"]) if run is not None and run["status"] == "waiting" else None


def _in_state(warehouse: Warehouse, name: str, states: tuple[str, ...]) -> dict[str, Any]:
    """The newest row of a run. Raises UsageError where it is in none of ``states``."""
    run = last_states(warehouse).get(name)
    if run is None:
        raise UsageError(f"There is no run {name}: `padron runs` lists them.")
    if run["status"] not in states:
        raise UsageError(f"Run {name} is {run['status']}; only one that is {' or '.join(states)} can be.")
    return run


def _not_the_newest(name: str, base: Release) -> NoReturn:
    raise CannotDecide(
        f"Run {name} does not stand on the newest release {base.release_id}: what it did is not used any more."
    )


def _landed_by(warehouse: Warehouse, run_id: str) -> dict[str, int]:
    """Bronze as an unreleased run left it. Raises CannotDecide where it landed nothing."""
    landed: dict[str, int] = {}
    for row in finished(warehouse, {run_id}):
        landed |= {p: v for p, v in dict(row["outputs"]).items() if p.startswith("bronze/")}
    if BATCHES.path not in landed:
        raise CannotDecide(
            f"Run {run_id} took no file in, so there is nothing to reject: replace or remove the files in the "
            "landing folder that it names."
        )
    return landed


def _rejected(
    warehouse: Warehouse, base: Release, landed: dict[str, int], business_date: date, run_id: str
) -> int:
    """bronze/batches with the batches that came since ``base`` marked rejected; its new version."""
    version = landed[BATCHES.path]
    now = warehouse.arrow(BATCHES.path, version)
    before = warehouse.arrow(BATCHES.path, base.tables[BATCHES.path])
    assert now is not None
    assert before is not None
    is_new = pc.invert(pc.is_in(now["batch_id"], value_set=before["batch_id"].combine_chunks()))
    if not pc.any(is_new).as_py():
        raise CannotDecide(
            f"Run {run_id} of {business_date} took no new file in: to undo what else it changed, roll back to "
            f"{base.release_id}."
        )
    status = pc.if_else(is_new, pa.scalar("rejected"), now["status"])
    amended = now.set_column(now.schema.get_field_index("status"), "status", status)
    return warehouse.amend(BATCHES, amended, version)
