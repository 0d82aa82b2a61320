"""The run record: what a run used, did and left, so that it can be resumed, explained and repeated."""

from __future__ import annotations

import socket
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pipelines
from pipelines.errors import UsageError
from pipelines.ops.judgements import standing
from pipelines.ops.tables import GATES, RUNS, STAGES
from pipelines.stages import StageResult
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable

OPEN = ("started", "waiting", "stopped", "approved", "failed")
"""States of a run that may still be resumed; a dead one is where it was when it died."""


def rows_of(warehouse: Warehouse, path: str) -> list[dict[str, Any]]:
    """The rows of a table of the operation, oldest first."""
    content = warehouse.arrow(path)
    return [] if content is None else sorted(content.to_pylist(), key=lambda r: r["at"])


def after_all(warehouse: Warehouse, at: datetime, *paths: str) -> datetime:
    """``at``, or just after the newest row of those tables where the clock of its host was ahead."""
    newest = [
        known
        for path in paths
        if (rows := warehouse.arrow(path)) is not None
        for known in rows["at"].to_pylist()
    ]
    return max(at, max(newest) + timedelta(microseconds=1)) if newest else at


def last_states(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """The newest row of every run, by run_id, in the order of their starts."""
    return {row["run_id"]: row for row in rows_of(warehouse, RUNS.path)}


REJECT, ROLLBACK = "reject of", "rollback to"
"""What the message of a decision begins with that is recorded as a run of its own."""


def is_decision(run: dict[str, Any]) -> bool:
    """True for a row of ops/runs of somebody who rejected a night or went back to a release."""
    return (run["message"] or "").startswith((f"{REJECT} ", f"{ROLLBACK} "))


class Record:
    """Writes the rows of one run; with ``joined``, a row of ops/runs, of a run that goes on."""

    def __init__(
        self,
        warehouse: Warehouse,
        business_date: date,
        facts: dict[str, Any],
        joined: dict[str, Any] | None = None,
    ) -> None:
        self.warehouse = warehouse
        self.business_date = business_date
        self.facts = facts
        self.started_at = datetime.now(UTC)
        self._at = self.started_at
        self._before = 0.0
        self._clock = time.monotonic()
        self._gates: list[dict[str, Any]] = []
        self._told: frozenset[str] = frozenset()
        self.results: list[StageResult] = []
        self.status = "planned"
        """The state that this process recorded last, or is about to."""
        if joined is not None:
            self.run_id = joined["run_id"]
            self._before = joined["seconds"] or 0.0
            self._gates = [g for g in rows_of(warehouse, GATES.path) if g["run_id"] == self.run_id]
            states = [r for r in rows_of(warehouse, RUNS.path) if r["run_id"] == self.run_id]
            self.started_at = states[0]["at"]
            waits = [r["at"] for r in states if r["status"] == "waiting"]
            if waits:
                self._told = frozenset(_warnings(g for g in self._gates if g["at"] <= waits[-1]))
        else:
            attempts = {r["run_id"] for r in last_states(warehouse).values()}
            same_date = [run_id for run_id in attempts if run_id.startswith(business_date.isoformat())]
            self.run_id = f"{business_date.isoformat()}.{len(same_date) + 1}"

    @property
    def seconds(self) -> float:
        """Seconds of work so far, without the waits between the jobs of a night."""
        return self._before + time.monotonic() - self._clock

    def _now(self) -> datetime:
        """The time of what happened since the state that was recorded last, whose row may be ahead of the clock."""
        return max(datetime.now(UTC), self._at)

    def state(self, status: str, message: str | None = None) -> None:
        """Record that the run reached ``status``."""
        # Before it is written: who is ended meanwhile must not add another state to it.
        self.status = status
        self._at = after_all(self.warehouse, datetime.now(UTC), RUNS.path)
        row = {
            "run_id": self.run_id,
            "business_date": self.business_date,
            "at": self._at,
            "status": status,
            "seconds": self.seconds,
            "message": message,
            "host": socket.gethostname(),
            "version": pipelines.__version__,
            **self.facts,
        }
        self.warehouse.append_rows(RUNS, [row])

    def stage(self, result: StageResult) -> None:
        """Record how a stage ended."""
        self.results.append(result)
        row = {
            "run_id": self.run_id,
            "business_date": self.business_date,
            "stage": result.stage,
            "at": self._now(),
            "status": result.status,
            "stage_key": result.key,
            "inputs": list(result.inputs.items()),
            "outputs": list(result.outputs.items()),
            "rows_in": result.rows_in,
            "rows_out": result.rows_out,
            "seconds": result.seconds,
            "message": result.message,
            "code_digest": result.code_digest,
            "conf_digest": result.conf_digest,
            "generation": result.generation,
        }
        self.warehouse.append_rows(STAGES, [row])

    def gates(self, stage: str, verdicts: list[dict[str, Any]]) -> None:
        """Record all verdicts of a stage's gate: rows of ops/gates without run, date, time and stage."""
        common = {
            "run_id": self.run_id,
            "business_date": self.business_date,
            "at": self._now(),
            "stage": stage,
        }
        rows = [{**common, **verdict} for verdict in verdicts]
        if not rows:
            # What the stage's gates said before holds no more, though they say nothing now.
            stood = [
                v["gate"]
                for v in standing(self._gates)
                if v.get("stage") == stage and v["status"] != "passed"
            ]
            over = {
                "status": "passed",
                "message": "what it said before holds no more, and it asks nothing now",
            }
            rows = [{**common, "gate": gate, **over} for gate in stood]
        self._gates.extend(rows)
        if rows:
            self.warehouse.append_rows(GATES, rows)

    @property
    def warnings(self) -> list[str]:
        """What gates warned about, or somebody agreed to, by the verdicts that hold."""
        return _warnings(self._gates)

    @property
    def new_warnings(self) -> list[str]:
        """``warnings`` without those of the jobs of earlier layers, which told of them when they ended."""
        return [text for text in self.warnings if text not in self._told]


def _warnings(gates: Iterable[dict[str, Any]]) -> list[str]:
    told = {"warned": "", "approved": "approved: "}
    return [f"{g['gate']}: {told[g['status']]}{g['message']}" for g in standing(gates) if g["status"] in told]


def mark(warehouse: Warehouse, run: dict[str, Any], status: str, message: str) -> None:
    """Record that a run, given by its newest row, was brought to ``status`` by somebody."""
    mark_all(warehouse, status, [(run, message)])


def mark_all(warehouse: Warehouse, status: str, runs: Iterable[tuple[dict[str, Any], str]]) -> None:
    """``mark`` of several runs, each with its message, in one commit."""
    at = after_all(warehouse, datetime.now(UTC), RUNS.path)
    rows = [{**run, "at": at, "status": status, "message": message} for run, message in runs]
    warehouse.append_rows(RUNS, rows)


def remembered(warehouse: Warehouse, run_ids: set[str]) -> dict[str, dict[str, int]]:
    """Outputs by stage key of the stages that those runs finished."""
    return {
        r["stage_key"]: dict(r["outputs"]) for r in finished(warehouse, run_ids) if r["stage_key"] is not None
    }


def finished(warehouse: Warehouse, run_ids: set[str]) -> list[dict[str, Any]]:
    """The rows of the stages that those runs finished, oldest first."""
    rows = rows_of(warehouse, STAGES.path)
    return [r for r in rows if r["run_id"] in run_ids and r["status"] in ("done", "reused")]


def unfinished(
    warehouse: Warehouse, business_date: date, base_release: str | None
) -> dict[str, dict[str, Any]]:
    """Runs of that date on that base that ended without a release, by their newest row: what a resume
    may take over, oldest first."""
    return {
        run_id: row
        for run_id, row in last_states(warehouse).items()
        if row["business_date"] == business_date
        and row["base_release"] == base_release
        and row["status"] in OPEN
    }


def approvals(warehouse: Warehouse, run_ids: set[str]) -> dict[str, float]:
    """What somebody agreed to in those runs: by gate, the value up to which it does not stop the night."""
    agreed: dict[str, float] = {}
    for row in rows_of(warehouse, GATES.path):
        if row["run_id"] in run_ids and row["status"] == "approved":
            agreed[row["gate"]] = max(row["value"], agreed.get(row["gate"], row["value"]))
    return agreed


def check_version(warehouse: Warehouse) -> None:
    """Raises UsageError where a newer version of the program wrote to the warehouse.

    A version that differs in its last number only has the same tables.
    """
    mine = _release_line(pipelines.__version__)
    newer = [
        row["version"] for row in rows_of(warehouse, RUNS.path) if _release_line(row["version"] or "") > mine
    ]
    if newer:
        raise UsageError(
            f"padron {newer[-1]} wrote to this warehouse, and this is {pipelines.__version__}: install that "
            "version or a later one. Nothing was changed."
        )


def _release_line(version: str) -> tuple[int, ...]:
    steps = [step for step in version.split(".")[:2] if step.isdigit()]
    return tuple(int(step) for step in steps)
