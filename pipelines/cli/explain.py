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

if TYPE_CHECKING:
    from pipelines.linkage.config import Linkage
    from pipelines.linkage.explain import Explanation, Sides
    from pipelines.linkage.waterfall import Waterfall

WIDTH = 80
BAR = 16
MOST_MEMBERS = 5
"""Records of a side that the terminal names."""


@click.command()
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@options.warehouse
@click.option(
    "--linked",
    metavar="FOLDER",
    help="Of the result of padron link --keep-records in this folder; A and B are ids of its file, file:id of several.",
)
@click.option("--html", "page", metavar="FILE", help="Also write Splink's waterfall chart as a page.")
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
        with open(page, "w", encoding="utf-8") as file:
            file.write(found.page(values=values))
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
    from pipelines.linkage.explain import VERDICTS

    is_together = found.same_cluster["cluster_final"]
    color, word = ("green", "one customer") if is_together else ("yellow", "two customers")
    _show(f"[bold]{escape(found.left)}[/] and [bold]{escape(found.right)}[/]: [{color}]{word}[/]")
    _show(escape(VERDICTS[found.verdict]))
    say("")
    _show(weights(found.waterfall))
    say("")
    _show(_judgement(found))
    if found.sides is not None:
        say("")
        _show_sides(found.sides, found)
    say("")
    _show(_values(found))


def _bar(weight: float, largest: float) -> str:
    length = max(1, round(BAR * abs(weight) / largest)) if weight else 0
    color = "green" if weight > 0 else "red"
    return f"[{color}]{('+' if weight > 0 else '−') * length}[/]"


def weights(found: Waterfall) -> Table:
    """The waterfall: each step's bits and the sum so far."""
    steps: list[tuple[str, str, float | None]] = [("prior", "two records at random", found.prior)]
    for bar in found.bars:
        name = bar.comparison.replace("_", " ")
        steps.append((name, bar.level, bar.weight if bar.is_known else None))
        if bar.frequency:
            rarity = "rarer than average" if bar.frequency > 0 else "more frequent than average"
            steps.append(("", f"the value is {rarity}", bar.frequency))
    largest = max(abs(weight) for _, _, weight in steps if weight is not None) or 1.0
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, justify in (
        ("Comparison", "left"),
        ("Level", "left"),
        ("Bits", "right"),
        ("Sum", "right"),
        ("", "left"),
    ):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    total = 0.0
    for name, level, weight in steps:
        if weight is None:
            table.add_row(escape(name), f"[dim]{escape(level)}[/]", "[dim]–[/]", "", "")
            continue
        total += weight
        table.add_row(escape(name), escape(level), f"{weight:+.2f}", f"{total:+.2f}", _bar(weight, largest))
    table.add_row(
        "[bold]match weight[/]",
        f"probability {found.match_probability:.6g}",
        f"[bold]{found.match_weight:+.2f}[/]",
        "",
        "",
    )
    return table


DECIDED_BY = {
    "relation": "by the relation model",
    "splink": "by Splink's probability",
    "name_alone": "held below any cut: the names merely resemble and nothing else joins them",
    "never": "never-evidence: two values that one person cannot have",
}
"""What a pair's same-person probability rests on, in words."""


def _judgement(found: Explanation) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    by = DECIDED_BY.get(found.decided_by, found.decided_by)
    if found.decided_by == "relation" and not found.rules:
        # Neither model knows pairs that blocking does not bring: both are asked.
        by += " and Splink together"
    table.add_row("same person", f"{found.same_person_probability:.4f} {by}; cut {found.cut:g}")
    ranked = sorted(found.relations.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{kind.replace('_', ' ')} {p:.3f}" for kind, p in ranked)
    table.add_row("relation", kinds or "the relation model is not used for these records")
    if found.rules:
        first, *others = (rule.replace("_", " ") for rule in found.rules)
        table.add_row("blocked by", f"{first}" + (f"; also {', '.join(others)}" if others else ""))
    else:
        table.add_row("blocked by", "no rule: scored only where a component holds both")
    layers = {"cluster_model": "model", "cluster_rules": "rules", "cluster_final": "final"}
    same = [
        f"{layers[layer]} {'–' if is_same is None else 'yes' if is_same else 'no'}"
        for layer, is_same in found.same_cluster.items()
    ]
    table.add_row("same cluster", ", ".join(same))
    table.add_row("generation", f"{found.generation_id}, {found.model} model, {found.generation_kind}")
    return table


def _show_sides(sides: Sides, found: Explanation) -> None:
    mean = "no pair may join" if sides.mean_weight is None else f"mean {sides.mean_weight:+.2f} bits"
    plural = "" if sides.pairs == 1 else "s"
    _show(
        f"[bold]Average linkage[/]  {sides.pairs:,} pair{plural} between two sides, {mean}, cut {found.cut_weight:+.2f}"
    )
    if sides.forbidden_pairs:
        _show(f"{sides.forbidden_pairs:,} of the pairs never go together")
    for key, members in ((found.left, sides.left_records), (found.right, sides.right_records)):
        others = [member for member in members if member != key]
        shown = ", ".join(others[:MOST_MEMBERS]) + (
            f" … {len(others):,} in all" if len(others) > MOST_MEMBERS else ""
        )
        _show(f"  with {escape(key)}: {escape(shown) if others else 'nobody else'}")
    if found.through:
        _show(f"  {escape(found.through)} is as probable with both as the cut asks")


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
        table.caption = "A generic value belongs to too many names: it counts for nothing."
    return table
