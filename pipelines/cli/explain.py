"""``padron explain``: why two records are one customer or two."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import err, out, say
from pipelines.cli.options import example
from pipelines.linkage.explanation import GENERIC, VERDICTS, Explanation, judgement, meeting_of

if TYPE_CHECKING:
    from pipelines.linkage.config import Linkage
    from pipelines.linkage.waterfall import Waterfall

WIDTH = 80
BAR = 16


@click.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@options.warehouse
@click.option(
    "--linked",
    metavar="FOLDER",
    help="Of the result of padron link --keep-records in this folder; A and B are ids of its file, file:id of several.",
)
@click.option(
    "--html", "page", metavar="FILE", help="Also write all this, with Splink's waterfall chart, as a page."
)
@click.option(
    "--values", is_flag=True, help="With --json and --html: also what the records say (personal data)."
)
@options.config
@options.as_json
@example("padron explain crm:C00017 web:W00251 --html pair.html")
def explain(
    left: str,
    right: str,
    warehouse: str,
    linked: str | None,
    page: str | None,
    values: bool,
    config: str | None,
    as_json: bool,
) -> int:
    """Explain the pair of two records, source:record_id each: weights, relation, blocking, and what decided.

    The terminal shows what both records say, so mind who looks on; files and JSON do only with --values.
    """
    from pipelines.settings import load_settings

    conf = load_settings(config).linkage
    with err.status("Explaining"):
        found = _kept(linked, left, right) if linked else _released(warehouse, conf, left, right)
    if page is not None:
        from pipelines.ops.pair_page import pair_page

        with open(page, "w", encoding="utf-8") as file:
            file.write(pair_page(found, values=values))
    if as_json:
        click.echo(json.dumps(found.as_dict(values=values)))
        return 0
    _say(found)
    if page is not None:
        say("")
        say(page)
    return 0


def _released(warehouse: str, conf: Linkage, left: str, right: str) -> Explanation:
    from pipelines.linkage.explain import parsed_key
    from pipelines.ops.linkage_release import explain_released

    return explain_released(warehouse, conf, parsed_key(left), parsed_key(right))


def _kept(folder: str, left: str, right: str) -> Explanation:
    from pipelines.errors import UsageError
    from pipelines.linkage.explain import explain_pair
    from pipelines.linkage.kept import kept, key_of

    whole = kept(folder)
    if whole is None:
        raise UsageError(f"{folder} holds no records: run padron link with --keep-records into it again.")
    sources = whole.clusters["source"].unique().to_pylist()
    one, other = key_of(left, sources), key_of(right, sources)
    return explain_pair(whole.records, whole.scored, whole.clusters, whole.generation, whole.conf, one, other)


def _show(content: str | Table) -> None:
    # The console may be set to never wrap (a pipe); all is laid out for 80 columns anyway.
    out.print(content, width=min(WIDTH, out.width), soft_wrap=False, crop=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(escape(name), overflow="fold")
    return table


def _say(found: Explanation) -> None:
    is_together = found.same_cluster["cluster_final"]
    color, word = ("green", "one customer") if is_together else ("yellow", "two customers")
    _show(f"[bold]{escape(found.left)}[/] and [bold]{escape(found.right)}[/]: [{color}]{word}[/]")
    _show(escape(VERDICTS[found.verdict]))
    say("")
    _show(weights(found.waterfall))
    say("")
    _show(_judgement(found))
    _show_meeting(found)
    say("")
    _show(_values(found))


def _bar(weight: float, largest: float) -> str:
    length = max(1, round(BAR * abs(weight) / largest)) if weight else 0
    color = "green" if weight > 0 else "red"
    return f"[{color}]{('+' if weight > 0 else '−') * length}[/]"


def weights(found: Waterfall) -> Table:
    """The waterfall: each step's bits and the sum so far."""
    largest = max((abs(step.weight) for step in found.steps if step.weight), default=1.0)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("Comparison", "left"),
        ("Level", "left"),
        ("Bits", "right"),
        ("Sum", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    for step in found.steps:
        if step.weight is None:
            table.add_row(escape(step.name), f"[dim]{escape(step.level)}[/]", "[dim]–[/]", "", "")
            continue
        bits, total = f"{step.weight:+.2f}", f"{step.total:+.2f}"
        table.add_row(escape(step.name), escape(step.level), bits, total, _bar(step.weight, largest))
    table.add_row(
        "[bold]match weight[/]",
        f"probability {found.match_probability:.6g}",
        f"[bold]{found.match_weight:+.2f}[/]",
        "",
        "",
    )
    return table


def _judgement(found: Explanation) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, said in judgement(found).items():
        table.add_row(name, escape(said))
    return table


def _show_meeting(found: Explanation) -> None:
    for at, line in enumerate(meeting_of(found)):
        _show(escape(line) if at else f"\n[bold]Average linkage[/]  {escape(line)}")


def _values(found: Explanation) -> Table:
    table = _table("As compared", found.left, found.right)
    has_generic = False
    for value in found.values:
        cells = []
        for text, counts in ((value.left, value.left_counts), (value.right, value.right_counts)):
            has_generic |= not counts
            cells.append(("" if counts else "[dim](generic)[/] ") + escape(text or "–"))
        mark = "[bold]" if value.left is not None and value.left == value.right else ""
        table.add_row(value.role.replace("_", " "), *(f"{mark}{cell}" for cell in cells))
    if has_generic:
        table.caption = GENERIC
    return table
