"""``padron bench``: measurements with the command that made them beside the figures."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import click
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import err, out, say
from pipelines.cli.options import example
from pipelines.errors import UsageError


@click.group()
def bench() -> None:
    """Measure padron: what it links right on sets with known answers."""


@bench.command()
@click.option("--data", required=True, metavar="FOLDER", help="Folder of the sets in conf/benchmarks.yml.")
@click.option("--set", "only", multiple=True, metavar="NAME", help="Only sets whose name holds this.")
@click.option("--write", "markdown", metavar="FILE", help="Put the table into this Markdown file.")
@click.option("--out", "json_file", metavar="FILE", help="Write figures, curves and reasons as JSON.")
@options.config
@options.as_json
@example("padron bench quality --data ../data --set fake")
def quality(
    data: str,
    only: tuple[str, ...],
    markdown: str | None,
    json_file: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Pairwise and B³ quality on every set of conf/benchmarks.yml: one configuration, no labels.

    A set of files is linked as `padron link` does; a set of one night is run with Spark into a folder
    that goes with the command.
    """
    from pipelines.ops.benchmark import Benchmarks, Result, measure, table, write_json, write_table
    from pipelines.settings import load_settings

    settings = load_settings(config)
    asked = [
        s
        for s in settings.conf.load("benchmarks.yml", Benchmarks).quality
        if not only or any(part in s.name for part in only)
    ]
    if not asked:
        raise UsageError("--set names no set of conf/benchmarks.yml.")

    def run_night(landing: str, warehouse: str, business_date: date) -> None:
        from pipelines.cli.night import run_nights
        from pipelines.ops.run import Options

        run_nights(Options(landing=landing, warehouse=warehouse, date=business_date), settings)

    results: list[Result] = []
    for number, each in enumerate(asked, 1):
        err.print(f"{number}/{len(asked)} {each.name}")
        results.append(measure(each, data, settings.linkage, datetime.now(UTC).date(), run_night))
    if markdown is not None:
        write_table(markdown, table(results))
    if json_file is not None:
        write_json(json_file, results)
    if as_json:
        click.echo(json.dumps([result.as_dict() for result in results]))
        return 0
    shown = Table(box=None, pad_edge=False)
    for name in ("Set", "F1", "P", "R", "B³", "Best", "Cut", "s"):
        shown.add_column(name, justify="left" if name == "Set" else "right")
    for result in results:
        q, best = result.evaluation.quality, result.evaluation.best
        shown.add_row(
            result.name,
            *(f"{value:.4f}" for value in (q.f1, q.precision, q.recall, q.b3_f1)),
            "" if best is None else f"{best.quality.f1:.4f}",
            f"{result.evaluation.cut:.3f}",
            f"{result.seconds:.0f}",
        )
    out.print(shown)
    if markdown is not None:
        say(f"Table written into {markdown}")
    return 0
