"""The run record: what a run used, did and left, so that it can be resumed, explained and repeated."""

from __future__ import annotations

import socket
import time
from datetime import UTC, date, datetime
from typing import Any

import pipelines
from pipelines.ops.tables import GATES, RUNS, STAGES
from pipelines.stages import StageResult
from pipelines.storage import Warehouse


def attempts(warehouse: Warehouse, business_date: date) -> int:
    """How many runs of that date have been started."""
    content = warehouse.arrow(RUNS.path)
    if content is None:
        return 0
    rows = content.to_pylist()
    return len({r["run_id"] for r in rows if r["business_date"] == business_date})


class Record:
    """Writes the rows of one run."""

    def __init__(self, warehouse: Warehouse, business_date: date, facts: dict[str, Any]) -> None:
        self.warehouse = warehouse
        self.business_date = business_date
        self.run_id = f"{business_date.isoformat()}.{attempts(warehouse, business_date) + 1}"
        self.facts = facts
        self.started_at = datetime.now(UTC)
        self._clock = time.monotonic()
        self._gates: list[dict[str, Any]] = []
        self.results: list[StageResult] = []

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._clock

    def state(self, status: str, message: str | None = None) -> None:
        """Record that the run reached ``status``."""
        row = {
            "run_id": self.run_id,
            "business_date": self.business_date,
            "at": datetime.now(UTC),
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
            "at": datetime.now(UTC),
            "status": result.status,
            "stage_key": result.key,
            "inputs": list(result.inputs.items()),
            "outputs": list(result.outputs.items()),
            "rows_in": result.rows_in,
            "rows_out": result.rows_out,
            "seconds": result.seconds,
            "message": result.message,
        }
        self.warehouse.append_rows(STAGES, [row])

    def gates(self, verdicts: list[dict[str, Any]]) -> None:
        """Record verdicts of gates: rows of ops/gates without run, date and time."""
        common = {"run_id": self.run_id, "business_date": self.business_date, "at": datetime.now(UTC)}
        rows = [{**common, **verdict} for verdict in verdicts]
        self._gates.extend(rows)
        if rows:
            self.warehouse.append_rows(GATES, rows)

    @property
    def warnings(self) -> list[str]:
        return [f"{g['gate']}: {g['message']}" for g in self._gates if g["status"] == "warned"]


def remembered(warehouse: Warehouse, run_ids: set[str]) -> dict[str, dict[str, int]]:
    """Outputs by stage key of the stages that those runs finished."""
    content = warehouse.arrow(STAGES.path)
    if content is None:
        return {}
    rows = sorted(content.to_pylist(), key=lambda r: r["at"])
    return {
        r["stage_key"]: dict(r["outputs"])
        for r in rows
        if r["run_id"] in run_ids and r["status"] in ("done", "reused") and r["stage_key"]
    }


def unfinished(warehouse: Warehouse, business_date: date, base_release: str | None) -> set[str]:
    """Runs of that date on that base that ended without a release: what a resume may take over."""
    content = warehouse.arrow(RUNS.path)
    if content is None:
        return set()
    last: dict[str, dict[str, Any]] = {}
    for row in sorted(content.to_pylist(), key=lambda r: r["at"]):
        last[row["run_id"]] = row
    return {
        run_id
        for run_id, row in last.items()
        if row["business_date"] == business_date
        and row["base_release"] == base_release
        and row["status"] != "released"
    }
