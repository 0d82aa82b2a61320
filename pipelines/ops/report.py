"""The night's HTML report: one file that loads nothing and holds no personal data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.gold.rfm_segments import CELLS, SPANISH, TIERS
from pipelines.ops import charts
from pipelines.ops.pages import Tile, count, duration, figure, page, percent
from pipelines.ops.trends import trends

if TYPE_CHECKING:
    from collections.abc import Iterable

    from markupsafe import Markup

    from pipelines.ops.summary import GateVerdict, NightFigures, SegmentCount, SourceLinks, Summary, TierCount

NIGHTS_SHOWN = 31
STATUS = {
    "released": ("good", "✓", "Released"),
    "restored": ("warn", "↩", "An older release, gone back to"),
    "stopped": ("bad", "■", "Stopped by a gate"),
    "failed": ("bad", "✕", "Failed"),
    "passed": ("good", "✓", "passed"),
    "warned": ("warn", "!", "warned"),
    "blocked": ("bad", "■", "blocked"),
    "done": ("plain", "", "done"),
    "reused": ("plain", "", "reused"),
}
"""Class of colour, sign and word of a status: never the colour alone."""


@dataclass(frozen=True)
class GateLine:
    """A verdict, and the nights so far as a small line; None where there is one only."""

    verdict: GateVerdict
    line: Markup | None


@dataclass(frozen=True)
class HeatCell:
    """A cell of a heat table: its figure, its colour step 0 … 6, and words for it."""

    value: int | None
    step: int
    title: str = ""
    note: str = ""
    """Small print under the figure, where there is room."""


@dataclass(frozen=True)
class HeatTable:
    """Rows of cells under column names; ``name`` stands in the corner."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[HeatCell, ...]], ...]


def _tonight_tiles(night: NightFigures) -> Iterable[Tile]:
    parts = {"new": night.new, "changed": night.changed, "deleted": night.deleted}
    yield Tile(
        "Records in",
        count(night.records_in),
        ", ".join(f"{count(n)} {name}" for name, n in parts.items() if n is not None),
    )
    if night.merges is not None or night.splits is not None:
        note = "customers joined · pulled apart"
        yield Tile("Merges · splits", f"{count(night.merges)} · {count(night.splits)}", note)


def tiles(summary: Summary) -> list[Tile]:
    """The headline figures that are known."""
    made: list[Tile] = []
    if summary.tonight is not None:
        made += _tonight_tiles(summary.tonight)
    if summary.customers is not None:
        made.append(
            Tile(
                "Customers", count(summary.customers.live), f"from {count(summary.customers.records)} records"
            )
        )
        rate = percent(summary.customers.cross_source_rate)
        made.append(
            Tile("In two sources or more", rate, f"{count(summary.customers.with_two_sources)} customers")
        )
    if summary.cases is not None:
        total = sum(c.cases for c in summary.cases)
        made.append(Tile("Open cases", count(sum(c.open_cases for c in summary.cases)), f"of {count(total)}"))
    if summary.outcomes is not None:
        rows = sum(o.bronze_rows + (o.history or 0) for o in summary.outcomes)
        held = sum(o.quarantined for o in summary.outcomes)
        made.append(Tile("In quarantine", count(held), f"of {count(rows)} bronze rows"))
    if summary.gates:
        passed = sum(g.status == "passed" for g in summary.gates)
        made.append(Tile("Gates passed", f"{passed} of {len(summary.gates)}"))
    if summary.quality is not None:
        q = summary.quality
        made.append(Tile("Pairwise F1", f"{q.f1:.3f}", f"precision {q.precision:.3f}, recall {q.recall:.3f}"))
    return made


def link_table(links: Iterable[SourceLinks]) -> HeatTable:
    """Links per pair of sources; each pair stands once, so the lower half stays empty."""
    found = {(min(li.source_l, li.source_r), max(li.source_l, li.source_r)): 0 for li in links}
    for li in links:
        found[min(li.source_l, li.source_r), max(li.source_l, li.source_r)] += li.links
    names = sorted({name for pair in found for name in pair})
    largest = max(found.values(), default=0)

    def cell(i: int, j: int) -> HeatCell:
        if j < i:
            return HeatCell(None, 0)
        value = found.get((names[i], names[j]), 0)
        where = f"inside {names[i]}" if i == j else f"{names[i]} and {names[j]}"
        return HeatCell(value, charts.heat_step(value, largest), f"{where}: {count(value)} links")

    return HeatTable(
        "Source",
        tuple(names),
        tuple((name, tuple(cell(i, j) for j in range(len(names)))) for i, name in enumerate(names)),
    )


def rf_table(summary: Summary) -> HeatTable | None:
    """Customers by recency score (rows, best first) and frequency score (columns, best last)."""
    if not summary.rf_grid:
        return None
    found = {(c.r_score, c.f_score): c.customers for c in summary.rf_grid}
    largest = max(found.values())

    def cell(r: int, f: int) -> HeatCell:
        value = found.get((r, f), 0)
        title = f"Recency {r}, frequency {f}: {CELLS[r, f]}"
        return HeatCell(value, charts.heat_step(value, largest), title, CELLS[r, f])

    scores = range(1, 6)
    return HeatTable(
        "Recency down, frequency across",
        tuple(f"F{f}" for f in scores),
        tuple((f"R{r}", tuple(cell(r, f) for f in scores)) for r in reversed(scores)),
    )


def ordered_segments(segments: Iterable[SegmentCount]) -> list[SegmentCount]:
    """Segments in the order of the definition, so that two nights compare line by line."""
    place = {name: i for i, name in enumerate(SPANISH)}
    return sorted(segments, key=lambda s: (place.get(s.segment, len(place)), s.segment))


def ordered_tiers(tiers_: Iterable[TierCount]) -> list[TierCount]:
    """Value tiers, the best first."""
    place = {name: i for i, name in enumerate(reversed(TIERS))}
    return sorted(tiers_, key=lambda t: (place.get(t.tier, len(place)), t.tier))


def _customers_chart(summary: Summary) -> Markup | None:
    points = [(n.business_date[5:], n.customers) for n in summary.nights or () if n.customers is not None]
    if len(points) < 2:
        return None
    points = points[-NIGHTS_SHOWN:]
    label = (
        f"Customers from {count(points[0][1])} on {points[0][0]} to {count(points[-1][1])} on {points[-1][0]}"
    )
    return charts.line(points, label=label)


def _weights_chart(summary: Summary) -> Markup | None:
    if not summary.weights:
        return None
    pairs = sum(b.pairs for b in summary.weights)
    return charts.histogram(
        [(b.lower, b.upper, b.pairs) for b in summary.weights],
        label=f"Match weights of {count(pairs)} scored pairs; the figures are in the table below",
        axis="match weight (log2 of the odds)",
        mark=summary.cut_weight,
        note="cut",
    )


def gate_lines(summary: Summary) -> list[GateLine]:
    """The night's verdicts, each with what its gate measured in the nights shown."""
    made = []
    for verdict in summary.gates or ():
        points = verdict.nights[-NIGHTS_SHOWN:]
        told = [(day, figure(value)) for day, value in points]
        line = charts.spark([value for _, value in points], told) if points[1:] else None
        made.append(GateLine(verdict, line))
    return made


def render(summary: Summary) -> str:
    """The report as one HTML document: no scripts, nothing loaded, light and dark, any width."""
    gates = summary.gates or ()
    return page(
        "report.html.j2",
        s=summary,
        status=STATUS,
        tiles=tiles(summary),
        failed_gates=[g for g in gates if g.status != "passed"],
        gate_lines=gate_lines(summary),
        nights=(summary.nights or ())[-NIGHTS_SHOWN:],
        customers_chart=_customers_chart(summary),
        weights_chart=_weights_chart(summary),
        links=link_table(summary.links) if summary.links else None,
        rf=rf_table(summary),
        trends=trends(summary.measures or (), NIGHTS_SHOWN),
        segments=ordered_segments(summary.segments or ()),
        tiers=ordered_tiers(summary.tiers or ()),
        minutes=lambda m: duration(None if m is None else m * 60),
    )
