"""Standard error for programs: one JSON object a line, with ``--log-format json`` or PADRON_LOG=json.

Each has ``time`` (UTC), ``level`` (info, warning, error), ``run``, ``stage``, ``message`` and ``figures``;
what a line is not about is null. What is told holds no value of a record, and so do these.
"""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

from pipelines.cli.standard_error import standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.ops.plan import PlannedNight
    from pipelines.stages import StageResult

Level = Literal["info", "warning", "error"]
_VERDICTS: dict[str, Level] = {"warned": "warning", "approved": "warning", "blocked": "error"}


class Log:
    """The JSON lines of this process; stages that run at once never mix theirs."""

    def __init__(self) -> None:
        self.is_on = False
        self.run: str | None = None
        self._turn = threading.Lock()

    def write(
        self,
        level: Level,
        message: str,
        stage: str | None = None,
        figures: Mapping[str, float | None] | None = None,
    ) -> None:
        """One line on standard error."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "run": self.run,
            "stage": stage,
            "message": message,
            "figures": figures or {},
        }
        with self._turn:
            standard_error.write(f"{json.dumps(line, ensure_ascii=False)}\n")
            standard_error.flush()


log = Log()


class LoggedNight:
    """A night as lines of the log: a line when a stage starts and ends, and for what gates found."""

    def __init__(self) -> None:
        log.run = None

    def warned(self, text: str) -> None:
        log.write("warning", text)

    def night_started(self, night: PlannedNight, run_id: str, stages: int) -> None:
        log.run = run_id
        figures = {"files": len(night.files), "late_files": night.late, "stages": stages}
        log.write("info", f"night {night.business_date} started", figures=figures)

    def night_released(self, business_date: date, seconds: float) -> None:
        log.write("info", f"night {business_date} released", figures={"seconds": round(seconds, 3)})

    def started(self, stage: str) -> None:
        log.write("info", "started", stage)

    def doing(self, stage: str, text: str) -> None:
        """Nothing: what a stage is at is for who sits in front of it."""

    def judged(self, stage: str, verdicts: Sequence[dict[str, Any]]) -> None:
        for found in verdicts:
            if found["status"] in _VERDICTS:
                figures = {name: found[name] for name in ("value", "bound", "fail_bound")}
                text = f"gate {found['gate']} {found['status']}: {found['message']}"
                log.write(_VERDICTS[found["status"]], text, stage, figures)

    def ended(self, result: StageResult) -> None:
        is_failed = result.status == "failed"
        text = f"failed: {result.message}" if is_failed else result.status
        figures = {
            "rows_in": result.rows_in,
            "rows_out": result.rows_out,
            "seconds": round(result.seconds, 3),
        }
        log.write("error" if is_failed else "info", text, result.stage, figures)

    def stop(self) -> None:
        """Nothing to leave as it was."""
