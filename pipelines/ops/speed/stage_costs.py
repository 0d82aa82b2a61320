"""What each stage of a night took, from the night's log and the looks at its memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipelines.ops.speed.processes import LOOK

REST = "start and end"
"""What no stage is at: the interpreter, Spark's start, the plan, the release, the report."""


@dataclass(frozen=True)
class StageCost:
    """One stage of a night that was measured."""

    stage: str
    status: str
    """done, reused or failed."""
    seconds: float
    """Wall time; stages run at once, so their sum may be more than the night's."""
    peak_bytes: int
    """Resident memory of all processes while it ran, also for the stages beside it."""


def stage_costs(
    lines: Iterable[str], memory: Sequence[tuple[float, int]], seconds: float
) -> tuple[StageCost, ...]:
    """The stages in the order in which they ended, and ``REST``.

    ``lines`` are the night's log as JSON (others are passed over), ``memory`` is ``Measured.memory``, and
    ``seconds`` the wall time of the whole process.
    """
    begun: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    found: list[StageCost] = []
    for line in lines:
        told = json.loads(line) if line.startswith("{") else {}
        stage, at = told.get("stage"), _epoch(told.get("time"))
        if stage is None or at is None:
            continue
        if told["message"] == "started":
            begun[stage] = at
        elif "seconds" in told["figures"]:
            start = begun.pop(stage, at)
            spans.append((start, at))
            status = told["message"].partition(":")[0]
            found.append(StageCost(stage, status, told["figures"]["seconds"], _peak(memory, [(start, at)])))
    busy = _merged(spans)
    rest = max(seconds - sum(end - start for start, end in busy), 0.0)
    return (*found, StageCost(REST, "done", round(rest, 3), _peak(memory, _between(busy, memory), 0.0)))


def _epoch(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()


def _peak(
    memory: Sequence[tuple[float, int]], spans: Sequence[tuple[float, float]], beside: float = LOOK
) -> int:
    """The highest look in ``spans`` and ``beside`` seconds around them: a short one may have none inside."""
    inside = (
        resident
        for at, resident in memory
        if any(start - beside <= at <= end + beside for start, end in spans)
    )
    return max(inside, default=0)


def _merged(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans without overlap, in order."""
    merged: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _between(
    busy: Sequence[tuple[float, float]], memory: Sequence[tuple[float, int]]
) -> list[tuple[float, float]]:
    """The spans before, between and after ``busy``."""
    if not memory:
        return []
    edges = [memory[0][0], *(edge for span in busy for edge in span), memory[-1][0]]
    return list(zip(edges[::2], edges[1::2], strict=True))
