"""What the cells come to: a figure a size and peer, and the bars that they reach or miss."""

from __future__ import annotations

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.ops.charts import compact
from pipelines.ops.speed.cells import Cell
from pipelines.ops.speed.config import Bars

GIGABYTE = 2**30


@dataclass(frozen=True)
class Figure:
    """The repetitions of one size and peer."""

    size: int
    peer: str
    cells: tuple[Cell, ...]

    @property
    def outcome(self) -> str:
        """done where every repetition ended; else died, or capped."""
        found = {cell.outcome for cell in self.cells}
        return "died" if "died" in found else "capped" if "capped" in found else "done"

    @property
    def seconds(self) -> float:
        """Median; of one that was capped, the least that it takes."""
        return statistics.median(cell.seconds for cell in self.cells)

    @property
    def cpu_seconds(self) -> float:
        return statistics.median(cell.cpu_seconds for cell in self.cells)

    @property
    def peak_bytes(self) -> int:
        """The highest of the repetitions."""
        return max(cell.peak_bytes for cell in self.cells)

    @property
    def cell(self) -> Cell:
        """Counts and quality: they are the same in every repetition."""
        return self.cells[0]

    def time(self) -> str:
        """``12.3``, ``> 600`` or ``died``."""
        if self.outcome == "died":
            return "died"
        return f"> {self.seconds:,.0f}" if self.outcome == "capped" else f"{self.seconds:,.1f}"


def figures(cells: Sequence[Cell]) -> list[Figure]:
    """The cells by size and peer, in the order in which they come."""
    found: dict[tuple[int, str], list[Cell]] = {}
    for cell in cells:
        found.setdefault((cell.size, cell.peer), []).append(cell)
    sizes = sorted({size for size, _ in found})
    peers = list(dict.fromkeys(peer for _, peer in found))
    return [Figure(s, p, tuple(found[s, p])) for s in sizes for p in peers if (s, p) in found]


@dataclass(frozen=True)
class Verdict:
    """One bar and what was measured."""

    name: str
    bar: float
    is_most: bool
    """The bar is the most that is allowed; else the least."""
    value: float | None
    """None where the cells that it needs did not end."""
    is_bound: bool = False
    """One side was capped: the value is at least this."""

    @property
    def is_reached(self) -> bool | None:
        """None where the cells do not say."""
        if self.value is None:
            return None
        if self.is_most:
            return None if self.is_bound and self.value <= self.bar else self.value <= self.bar
        return True if self.value >= self.bar else None if self.is_bound else False

    def said(self) -> str:
        """``reached``, or ``missed by 12 %``."""
        if self.is_reached is None or self.value is None:
            return "not known"
        if self.is_reached:
            return "reached"
        if not self.bar:
            return "missed"
        return f"missed by {abs(self.value / self.bar - 1):.0%}".replace("%", " %")

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "bar": self.bar,
            "at": "most" if self.is_most else "least",
            "value": self.value,
            "is_at_least": self.is_bound,
            "said": self.said(),
        }


def verdicts(found: Sequence[Figure], bars: Bars) -> list[Verdict]:
    """Each bar at each size that has the peers it is about."""
    by = {(figure.size, figure.peer): figure for figure in found}
    sizes = sorted({figure.size for figure in found})
    made = []
    for size in sizes:
        if {(size, "padron"), (size, "splink-duckdb")} <= by.keys():
            value = ratio(by[size, "padron"], by[size, "splink-duckdb"])
            made.append(
                Verdict(
                    f"padron / splink-duckdb, {compact(size)}", bars.padron_of_splink_duckdb, True, *value
                )
            )
    for size in sizes:
        if {(size, "padron-many"), (size, "splink-spark")} <= by.keys():
            value = ratio(by[size, "splink-spark"], by[size, "padron-many"])
            name = f"splink-spark / padron-many, {compact(size)}"
            made.append(Verdict(name, bars.splink_spark_of_padron_many, False, *value))
    if sizes and {(sizes[-1], "padron-change"), (sizes[-1], "padron-night")} <= by.keys():
        value = ratio(by[sizes[-1], "padron-change"], by[sizes[-1], "padron-night"])
        name = f"padron-change / padron-night, {compact(sizes[-1])}"
        made.append(Verdict(name, bars.change_of_night, True, *value))
    own = [figure for figure in found if figure.peer == "padron"]
    if own:
        made += _of_padron(own, bars)
    return made


def ratio(above: Figure, below: Figure) -> tuple[float | None, bool]:
    """Seconds of one over those of the other, and whether it is at least that; None where they do not say."""
    if above.outcome == "died" or below.outcome != "done":
        return None, False
    return above.seconds / below.seconds, above.outcome == "capped"


def _of_padron(own: Sequence[Figure], bars: Bars) -> list[Verdict]:
    first, last = own[0], own[-1]
    is_done = last.outcome == "done"
    cores = len(os.sched_getaffinity(0))
    pairs = (last.cell.candidate_pairs or 0) / last.seconds / cores if is_done else None
    name = f"padron: pairs a second and core, {compact(last.size)}"
    made = [Verdict(name, bars.pairs_a_core_second, False, pairs)]
    if first.size < last.size:
        growth = pairs_growth = None
        if is_done and first.outcome == "done":
            growth = exponent(first, last, first.seconds, last.seconds)
            pairs_growth = exponent(
                first, last, first.cell.candidate_pairs or 1, last.cell.candidate_pairs or 1
            )
        name = f"padron: growth, {compact(first.size)} to {compact(last.size)}"
        # Time can hardly grow slower than the pairs that the rules bring.
        name += f" (pairs {pairs_growth:.2f})" if pairs_growth is not None else ""
        made.append(Verdict(name, bars.growth, True, growth))
    peak = last.peak_bytes / GIGABYTE if is_done else None
    made.append(Verdict(f"padron: peak memory in GB, {compact(last.size)}", bars.peak_gigabytes, True, peak))
    return made


def exponent(first: Figure, last: Figure, before: float, after: float) -> float:
    """By which power of the records something grew from one figure to the other."""
    return math.log(after / before) / math.log(last.size / first.size)
