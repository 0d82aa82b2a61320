"""What a night came to, on a terminal of 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from pipelines.ops.pages import NOT_DELIVERED, count, duration, percent
from pipelines.ops.report import link_table, ordered_segments
from pipelines.ops.trends import tonights

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from pipelines.ops.summary import SegmentCount, SourceLinks, Summary

WIDTH = 80
_BAR = 20
_WORDS = {
    "released": ("green", "released"),
    "restored": ("yellow", "gone back"),
    "stopped": ("red", "stopped by a gate"),
    "failed": ("red", "failed"),
}


def terminal(summary: Summary, console: Console, *, report: str | None = None) -> None:
    """Print the summary and the path of the report; complete at 80 columns, plain without a terminal."""

    def show(content: str | Text | Table) -> None:
        # The console may be set to never wrap (cron, pipes); a table is laid out for 80 columns anyway.
        console.print(content, width=min(WIDTH, console.width), soft_wrap=False, crop=False)

    color, words = _WORDS.get(summary.status, ("yellow", summary.status))
    took = f", {duration(summary.seconds)}" if summary.seconds is not None else ""
    release = summary.release_id or "nothing yet"
    show("")
    show(
        f"[bold]Night {escape(summary.business_date)}[/]  [{color}]{escape(words)}[/], readers see {escape(release)}{took}"
    )
    show("")
    show(_figures(summary))
    for title, content in (
        ("Links per pair of sources", _links(summary.links) if summary.links else None),
        ("RFM segments", _segments(summary.segments) if summary.segments else None),
    ):
        show("")
        if content is None:
            show(f"[bold]{title}[/]  [dim]{NOT_DELIVERED}[/]")
        else:
            show(f"[bold]{title}[/]")
            show(content)
    if summary.warnings:
        show("")
    for warning in summary.warnings:
        show(Text.assemble(("warning: ", "yellow"), warning))
    if report is not None:
        show("")
        # A path broken over two lines cannot be opened with a click.
        console.print(Text.assemble(("Report: ", "bold"), report), soft_wrap=True)


def _figures(summary: Summary) -> Table:
    """The headline figures: name, value, and what it is made of."""
    rows: list[tuple[str, str, str]] = []
    night, nights = summary.tonight, summary.nights or ()
    if night is None:
        rows.append(("Records in", NOT_DELIVERED, ""))
    else:
        parts = {"new": night.new, "changed": night.changed, "deleted": night.deleted}
        made = ", ".join(f"{count(n)} {name}" for name, n in parts.items() if n is not None)
        every = f"{count(sum(n.records_in for n in nights))} in {len(nights)} nights" if nights[1:] else ""
        rows.append(("Records in", count(night.records_in), "; ".join(p for p in (made, every) if p)))
    if summary.customers is None:
        rows.append(("Customers", NOT_DELIVERED, ""))
    else:
        c = summary.customers
        share = percent(c.cross_source_rate)
        rows.append(
            ("Customers", count(c.live), f"from {count(c.records)} records, {share} in two sources or more")
        )
    if night is not None and night.merges is not None:
        total = sum(n.merges or 0 for n in nights)
        note = f"{count(night.splits)} splits" + (
            f"; {count(total)} merges in {len(nights)} nights" if nights[1:] else ""
        )
        rows.append(("Merges", count(night.merges), note))
    if summary.cases is None:
        rows.append(("Cases", NOT_DELIVERED, ""))
    else:
        types = ", ".join(f"{count(c.cases)} {c.case_type}" for c in summary.cases)
        still = count(sum(c.open_cases for c in summary.cases))
        rows.append(("Cases", count(sum(c.cases for c in summary.cases)), f"{types}; {still} open"))
    if summary.quarantine is not None:
        held = sum(q.rows for q in summary.quarantine)
        reasons = len({q.reason for q in summary.quarantine})
        plural = "" if reasons == 1 else "s"
        rows.append(
            ("Quarantine", count(held), f"{reasons} reason{plural}" if held else "no row was held back")
        )
    if summary.gates:
        failed = [g.gate for g in summary.gates if g.status != "passed"]
        passed = f"{len(summary.gates) - len(failed)} of {len(summary.gates)}"
        rows.append(("Gates passed", passed, f"not: {', '.join(failed)}" if failed else ""))
    jitter = tonights(summary.measures, "id_jitter")
    if jitter is not None:
        money = tonights(summary.measures, "revenue_jitter")
        rest = "" if money is None else f"of the records; {percent(money, 2)} of net revenue"
        rows.append(("Ids that moved", percent(jitter, 2), rest or "of the records"))
    mixed, left = (tonights(summary.measures, m) for m in ("over_clustering", "under_clustering"))
    if mixed is not None:
        note = "customers that hold what two people would"
        rows.append(("Over-clustering", percent(mixed, 2), note))
    if left is not None:
        rows.append(("Under-clustering", percent(left, 2), "names with one key in several customers"))
    if summary.quality is not None:
        q = summary.quality
        rows.append(("Pairwise F1", f"{q.f1:.4f}", f"precision {q.precision:.4f}, recall {q.recall:.4f}"))
        rows.append(("B³ F1", f"{q.b3_f1:.4f}", f"precision {q.b3_precision:.4f}, recall {q.b3_recall:.4f}"))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim", overflow="fold")
    for name, value, note in rows:
        table.add_row(name, value, escape(note))
    return table


def _links(links: Iterable[SourceLinks]) -> Table:
    heat = link_table(tuple(links))
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", no_wrap=True)
    for name in heat.columns:
        table.add_column(escape(name), justify="right", overflow="ellipsis")
    for name, cells in heat.rows:
        table.add_row(escape(name), *["" if c.value is None else count(c.value) for c in cells])
    return table


def _segments(segments: Iterable[SegmentCount]) -> Table:
    ordered = ordered_segments(segments)
    largest = max((s.customers for s in ordered), default=0)
    total = sum(s.customers for s in ordered)
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="dim")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="cyan")
    for s in ordered:
        length = max(1, round(_BAR * s.customers / largest)) if s.customers else 0
        share = percent(s.customers / total if total else None)
        name = s.segment[:1].upper() + s.segment[1:]
        table.add_row(escape(name), escape(s.segment_es), count(s.customers), share, "█" * length)
    return table
