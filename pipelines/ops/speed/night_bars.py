"""The bars that whole nights reach or miss."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from pipelines.ops.charts import compact
from pipelines.ops.speed.config import NightBench
from pipelines.ops.speed.figures import GIGABYTE, Figure, Verdict, exponent, ratio


def verdicts(found: Sequence[Figure], conf: NightBench) -> list[Verdict]:
    """Each bar that the nights of ``found`` say something about."""
    by = {(figure.size, figure.peer): figure for figure in found}
    sizes = sorted({figure.size for figure in found} & set(conf.sizes))
    bars, made = conf.bars, []
    firsts = [by[size, "first"] for size in sizes if (size, "first") in by]
    for before, after in pairwise(firsts):
        name = f"first: growth, {compact(before.size)} to {compact(after.size)}"
        is_known = before.outcome == after.outcome == "done"
        value = exponent(before, after, before.seconds, after.seconds) if is_known else None
        made.append(Verdict(name, bars.growth, True, value))
    if firsts:
        last = firsts[-1]
        peak = last.peak_bytes / GIGABYTE if last.outcome == "done" else None
        made.append(
            Verdict(f"first: peak memory in GB, {compact(last.size)}", bars.peak_gigabytes, True, peak)
        )
        if (last.size, "change") in by:
            name = f"change / first, {compact(last.size)}"
            made.append(Verdict(name, bars.change_of_first, True, *ratio(by[last.size, "change"], last)))
    for night in ("first", "change"):
        if (tiny := by.get((conf.tiny, night))) is not None:
            value = None if tiny.outcome == "died" else tiny.seconds
            name = f"{night}: seconds on {compact(conf.tiny)} records"
            made.append(Verdict(name, bars.fixed_seconds, True, value, tiny.outcome == "capped"))
    for figure in found:
        if figure.peer == "resumed":
            again = None if figure.cell.repeated is None else float(len(figure.cell.repeated))
            name = f"resumed: stages repeated, {compact(figure.size)}"
            made.append(Verdict(name, bars.repeated_stages, True, again))
    return made
