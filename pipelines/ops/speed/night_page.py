"""What whole nights came to, as Markdown and JSON: the nights, the bars, every stage of every night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.ops.charts import compact
from pipelines.ops.speed.config import NightBench
from pipelines.ops.speed.figures import GIGABYTE, Figure, Verdict
from pipelines.ops.speed.nights import NIGHTS
from pipelines.ops.speed.page import last_words, machine, verdict_row
from pipelines.ops.speed.peers import Peer
from pipelines.ops.speed.processes import LOOK
from pipelines.ops.speed.retailers import Retailer
from pipelines.ops.speed.stage_costs import REST, StageCost

BEGIN, END = "<!-- padron bench night: written by the command -->", "<!-- end of padron bench night -->"
"""Lines of a Markdown file that the tables stand between."""
COLUMNS = ("Records", "Orders", "Night", "Wall s", "CPU s", "GB", "Longest stages")
LONGEST = 3


def row(figure: Figure, retailer: Retailer) -> tuple[str, ...]:
    """A line of the table, in ``COLUMNS``."""
    return (
        f"{retailer.records:,}",
        f"{retailer.orders:,}",
        figure.peer,
        figure.time(),
        f"{figure.cpu_seconds:,.1f}",
        f"{figure.peak_bytes / GIGABYTE:.2f}",
        longest(figure),
    )


def longest(figure: Figure) -> str:
    """``silver.build 27 s, …``: the stages that took most, what no stage is at among them."""
    ran = sorted((s for s in figure.cell.stages if s.status != "reused"), key=lambda s: -s.seconds)
    return ", ".join(f"{stage.stage} {stage.seconds:,.0f} s" for stage in ran[:LONGEST])


def markdown(
    found: Sequence[Figure],
    judged: Sequence[Verdict],
    nights: Sequence[Peer],
    retailers: Mapping[int, Retailer],
    conf: NightBench,
) -> str:
    """The nights, the bars, every stage of every night, and how it was measured."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|--:|--:|---|--:|--:|--:|---|"]
    lines += [f"| {' | '.join(row(figure, retailers[figure.size]))} |" for figure in found]
    lines += ["", "| Bar | Must | Measured | |", "|---|--:|--:|---|"]
    lines += [f"| {' | '.join(verdict_row(verdict))} |" for verdict in judged]
    for night in nights:
        lines += _stages([f for f in found if f.peer == night.name and f.cell.stages], night.name)
    resumed = [figure for figure in found if figure.cell.repeated is not None]
    lines += ["", *(f"- **{night.name}**: {night.what}." for night in nights)]
    for figure in resumed:
        again = ", ".join(figure.cell.repeated or ()) or "none"
        kept = sum(stage.status == "reused" for stage in figure.cell.stages)
        lines.append(f"- resumed, {figure.size:,}: {kept} stages reused, repeated: {again}.")
    changed = "; ".join(f"{r.changes:,} of {r.records:,}" for r in retailers.values())
    repeats = max((len(figure.cells) for figure in found), default=0)
    lines += [
        "",
        f"{machine()}; {NIGHTS['first'].versions()}. Every night is a process of its own, `padron run`, from the start of its "
        f"interpreter to its exit; {repeats} of each, the median is shown, stages of the first. Memory is resident memory (RSS) "
        f"summed over the process tree, looked at every {LOOK:g} s; of a stage, while it ran, also for the stages beside "
        f"it. Stages run at once, so their seconds sum to more than the night's. The retailer is simulated "
        f"(seed {conf.seed}); rows about records in the night of few changes: {changed}. Spark is `local[*]` with "
        f"{conf.driver_memory}; the resumed night was killed in {conf.killed_in}.",
    ]
    return "\n".join([*lines, *last_words(found)]) + "\n"


def _stages(found: Sequence[Figure], night: str) -> list[str]:
    """A table of seconds and memory by stage and size."""
    if not found:
        return []
    head = [f"{compact(figure.size)} {unit}" for figure in found for unit in ("s", "GB")]
    lines = [
        "",
        f"| Stages of {night} | {' | '.join(head)} |",
        f"|---|{'--:|' * len(head)}",
    ]
    names = list(dict.fromkeys(stage.stage for figure in found for stage in figure.cell.stages))
    for name in sorted(names, key=lambda n: n == REST):
        cells = []
        for figure in found:
            cost = next((stage for stage in figure.cell.stages if stage.stage == name), None)
            cells += _cost(cost)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cost(cost: StageCost | None) -> list[str]:
    if cost is None:
        return ["", ""]
    if cost.status == "reused":
        return ["reused", ""]
    return [f"{cost.seconds:,.1f}", f"{cost.peak_bytes / GIGABYTE:.2f}"]


def as_dict(
    found: Sequence[Figure],
    judged: Sequence[Verdict],
    nights: Sequence[Peer],
    retailers: Mapping[int, Retailer],
    conf: NightBench,
) -> dict[str, Any]:
    """All cells and bars as plain values."""
    return {
        "machine": machine(),
        "conf": conf.model_dump(mode="json"),
        "nights": [{"name": n.name, "versions": n.versions(), "what": n.what} for n in nights],
        "retailers": [
            {"size": r.size, "records": r.records, "orders": r.orders, "changes": r.changes}
            for r in retailers.values()
        ],
        "cells": [cell.as_dict() for figure in found for cell in figure.cells],
        "bars": [verdict.as_dict() for verdict in judged],
    }
