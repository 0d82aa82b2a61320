"""``killed_night.py POINT OPTIONS``: a real ``padron run`` that is killed (SIGKILL) at a point.

A point is ``before:STAGE``, ``inside:STAGE`` (when the first of its tables is written; where an earlier
run wrote them, when that is recorded), ``copied:STAGE`` (when the rows of a table that stand are copied, and no
commit names them) or ``after:STAGE`` (when its end is recorded). Few records are taken over as many are.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from pipelines import night_gold, night_silver, standing_files
from pipelines.cli import execute
from pipelines.ops.record import Record
from pipelines.ops.runner import Runner
from pipelines.storage import Warehouse


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(where: str, victim: str) -> None:
    """Make the process die there."""
    begin, execute_stage, write, ended = Runner._stage, Runner._execute, Warehouse.write, Record.stage
    copy = standing_files.copy_rows
    tables: set[str] = set()
    once = threading.Lock()

    def begun(self: Runner, stage: Any, *args: Any) -> None:
        if where == "before" and stage.name == victim:
            die()
        begin(self, stage, *args)

    def executed(self: Runner, stage: Any) -> Any:
        if stage.name == victim:
            tables.update(table.path for table in stage.writes)
        return execute_stage(self, stage)

    def written(self: Warehouse, table: Any, *args: Any) -> int:
        with once:
            version = write(self, table, *args)
            if where == "inside" and table.path in tables:
                die()
            return version

    def copied(sources: Any, uri: str, *args: Any) -> Any:
        made = copy(sources, uri, *args)
        if where == "copied" and any(uri.endswith(f"/{path}") for path in tables):
            die()
        return made

    def recorded(self: Record, result: Any) -> None:
        ended(self, result)
        if where in ("inside", "after") and result.stage == victim:
            die()

    Runner._stage, Runner._execute = begun, executed  # type: ignore[method-assign]
    Warehouse.write, Record.stage = written, recorded  # type: ignore[method-assign]
    standing_files.copy_rows = copied


if __name__ == "__main__":
    night_silver.WORTH_A_LOOK = night_gold.WORTH_TAKING_OVER = standing_files.LARGE = 1
    arm(*sys.argv[1].split(":"))
    sys.exit(execute(["run", *sys.argv[2:]]))
