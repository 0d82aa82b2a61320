"""``padron bench``: measurements with the command that made them beside the figures."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from typing import TYPE_CHECKING

import click
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.bench_register import ids, lookup
from pipelines.cli.console import err, out, say, tell
from pipelines.cli.options import example
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pipelines.cli.options import Command
    from pipelines.ops.speed.cells import Cell
    from pipelines.ops.speed.run import Outcome

LEAST_RECORDS = 1_000
"""A smaller table says nothing: start and exit are all of it."""
LONG = "Longest stages"
WORDS = ("Peer", "Night", LONG)
"""Columns of words; the others are figures."""


@click.group()
def bench() -> None:
    """Measure padron: what it links right on sets with known answers, how fast beside Splink, whole nights, and
    the register."""


bench.add_command(ids)
bench.add_command(lookup)


@bench.command()
@click.option("--data", required=True, metavar="FOLDER", help="Folder of the sets in conf/benchmarks.yml.")
@click.option("--set", "only", multiple=True, metavar="NAME", help="Only sets whose name holds this.")
@click.option("--write", "page", metavar="FILE", help="Put the tables into this Markdown file.")
@click.option("--out", "json_file", metavar="FILE", help="Write figures, curves and reasons as JSON.")
@options.config
@options.as_json
@example("padron bench quality --data ../data --set fake")
def quality(
    data: str,
    only: tuple[str, ...],
    page: str | None,
    json_file: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Pairwise and B³ quality on every set of conf/benchmarks.yml: one configuration, no labels.

    Of people whom the truth says to be hard to tell apart, precision and recall too; and the sets' bars.

    A set of files is linked as `padron link` does; a set of one night is run with Spark into a folder
    that goes with the command.
    """
    from pipelines.ops.benchmark import (
        BAR_COLUMNS,
        CASE_COLUMNS,
        Benchmarks,
        Result,
        bar_rows,
        case_rows,
        expected_text,
        markdown,
        measure,
        write_json,
        write_table,
    )
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
        tell(f"{number}/{len(asked)} {each.name}")
        results.append(measure(each, data, settings.linkage, datetime.now(UTC).date(), run_night))
    if page is not None:
        write_table(page, markdown(results))
    if json_file is not None:
        write_json(json_file, results)
    if as_json:
        click.echo(json.dumps([result.as_dict() for result in results]))
        return 0
    rows: list[tuple[str, ...]] = []
    for result in results:
        q, best = result.evaluation.quality, result.evaluation.best
        rows.append(
            (
                result.name,
                f"{q.f1:.4f}",
                f"{q.precision:.4f}",
                expected_text(result),
                f"{q.recall:.4f}",
                f"{q.b3_f1:.4f}",
                "" if best is None else f"{best.quality.f1:.4f}",
                f"{result.evaluation.cut:.3f}",
                f"{q.largest_cluster:,}",
                f"{result.seconds:.0f}",
            )
        )
    out.print(_table(("Set", "F1", "P", "Expected P", "R", "B³", "Best", "Cut", "Largest", "s"), rows))
    for columns, more in ((CASE_COLUMNS, case_rows), (BAR_COLUMNS, bar_rows)):
        if rows := [row for result in results for row in more(result)]:
            out.print("")
            out.print(_table(columns, rows))
    if page is not None:
        say(f"Tables written into {page}")
    return 0


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """Words stand left, figures right; a verdict, without a heading, are words."""
    shown = Table(box=None, pad_edge=False)
    for number, name in enumerate(columns):
        shown.add_column(name, justify="right" if number and name else "left")
    for row in rows:
        shown.add_row(*row)
    return shown


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def numbers(text: str | None) -> tuple[int, ...]:
    """The sizes that ``100000,1000000`` names; none without a text. Raises UsageError."""
    parts = [part.strip().replace("_", "") for part in (text or "").split(",") if part.strip()]
    wrong = [part for part in parts if not part.isdigit() or int(part) < LEAST_RECORDS]
    if wrong:
        raise UsageError(
            f"--sizes: {', '.join(wrong)} is no number of {LEAST_RECORDS:,} records or more, such as 100000,300000."
        )
    return tuple(dict.fromkeys(int(part) for part in parts))


_repeat = click.option(
    "--repeat", default=3, show_default=True, type=click.IntRange(1), help="Measurements of each."
)
_out = click.option(
    "--out",
    "folder",
    default="bench",
    show_default=True,
    metavar="FOLDER",
    help="Results; what was measured before, of the same, is taken from there.",
)
_write = click.option(
    "--write", "markdown", metavar="FILE", help="Put the tables into this Markdown file too."
)


def _cap(seconds: float) -> Callable[[Command], Command]:
    return click.option(
        "--cap",
        default=seconds,
        show_default=True,
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="What takes longer is ended; the result is then that it does.",
    )


@bench.command()
@click.option("--sizes", metavar="N,N…", help="Numbers of records (default: conf/benchmarks.yml).")
@click.option(
    "--peers",
    metavar="NAME,…",
    help="Only these of padron, splink-duckdb, padron-many, padron-night, padron-change, splink-spark.",
)
@_repeat
@_cap(600.0)
@_out
@_write
@options.config
@options.as_json
@example("padron bench linkage --sizes 100000 --peers padron,splink-duckdb --repeat 1 --out bench")
def linkage(
    sizes: str | None,
    peers: str | None,
    repeat: int,
    cap: float,
    folder: str,
    markdown: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Time padron beside Splink on the same made-up records, by the same model and blocking rules.

    One process a cell of size, peer and repetition, from start to exit, with its memory. Writes linkage.md,
    linkage.json and linkage.svg into the folder --out. A run that was stopped goes on where it was.
    """
    from pipelines.ops.benchmark import Benchmarks, write_table
    from pipelines.ops.speed.given import Preparation
    from pipelines.ops.speed.page import BEGIN, COLUMNS, END, row
    from pipelines.ops.speed.run import chosen, run
    from pipelines.settings import load_settings

    settings = load_settings(config)
    conf = settings.conf.load("benchmarks.yml", Benchmarks).linkage
    if asked := numbers(sizes):
        conf = conf.model_copy(update={"sizes": asked})
    timed = chosen(_names(peers))
    properties = str(settings.conf.path("spark-defaults.conf"))
    keep = settings.linkage.review_probability
    with err.status("Measuring") as status:

        def doing(text: str) -> None:
            status.update(text)

        prepared = Preparation(folder, conf, keep, properties, doing)
        outcome = run(folder, conf, timed, repeat, cap, prepared.of, _cell_ended, doing)
    if markdown is not None:
        write_table(markdown, outcome.markdown, BEGIN, END)
    if as_json:
        _echo(folder, "linkage")
        return 0
    _show(outcome, COLUMNS, [row(figure) for figure in outcome.figures])
    _where(folder, "linkage", markdown)
    return 0


@bench.command()
@click.option("--sizes", metavar="N,N…", help="Numbers of records (default: conf/benchmarks.yml).")
@click.option("--nights", metavar="NAME,…", help="Only these of first, change, resumed.")
@_repeat
@_cap(7200.0)
@_out
@_write
@options.config
@options.as_json
@example("padron bench night --sizes 10000 --nights first,change --repeat 1 --out bench")
def night(
    sizes: str | None,
    nights: str | None,
    repeat: int,
    cap: float,
    folder: str,
    markdown: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Time whole nights of a simulated retailer: seconds and memory of every stage.

    A first night, one of few changes after it, and a first night that was killed, run again; each at
    every size, and on tiny data for what every night costs. One process a night. Writes night.md,
    night.json and night.svg into the folder --out. A run that was stopped goes on where it was.
    """
    from pipelines.ops.benchmark import Benchmarks, write_table
    from pipelines.ops.speed.night_page import BEGIN, COLUMNS, END, row
    from pipelines.ops.speed.night_run import run
    from pipelines.ops.speed.nights import NIGHTS, check_victim
    from pipelines.ops.speed.retailers import Retailers
    from pipelines.ops.speed.run import chosen
    from pipelines.settings import load_settings

    settings = load_settings(config)
    conf = settings.conf.load("benchmarks.yml", Benchmarks).night
    if asked := numbers(sizes):
        conf = conf.model_copy(update={"sizes": asked})
    timed = chosen(_names(nights), NIGHTS, "--nights")
    check_victim(conf, settings)
    with err.status("Measuring") as status:

        def doing(text: str) -> None:
            status.update(text)

        retailer = cache(Retailers(folder, conf, settings, doing).of)
        outcome = run(folder, conf, timed, repeat, cap, retailer, _cell_ended, doing)
    if markdown is not None:
        write_table(markdown, outcome.markdown, BEGIN, END)
    if as_json:
        _echo(folder, "night")
        return 0
    rows = [row(figure, retailer(figure.size)) for figure in outcome.figures]
    _show(outcome, COLUMNS, rows)
    _where(folder, "night", markdown)
    return 0


def _echo(folder: str, name: str) -> None:
    with open(f"{folder}/{name}.json", encoding="utf-8") as file:
        click.echo(file.read())


def _where(folder: str, name: str, markdown: str | None) -> None:
    say(f"\n{folder}/{name}.md, {name}.json, {name}.svg")
    if markdown is not None:
        say(f"Tables written into {markdown}")


def _cell_ended(number: int, of: int, cell: Cell) -> None:
    known = ", measured before" if cell.is_reused else ""
    if cell.outcome == "died":
        result = f"died: {'; '.join(cell.said)}"
    elif cell.outcome == "capped":
        result = f"> {cell.seconds:,.0f} s, ended"
    else:
        result = f"{cell.seconds:,.1f} s, {cell.peak_bytes / 2**30:.2f} GB"
    tell(f"{number:>3}/{of} {cell.size:>9,} {cell.peer:<13} {cell.repetition}  {result}{known}")


def _show(outcome: Outcome, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from pipelines.ops.speed.page import verdict_row

    shown = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        shown.add_column(name, justify="left" if name in WORDS else "right", no_wrap=name != LONG)
    for each in rows:
        shown.add_row(*each)
    out.print(shown)
    out.print("")
    out.print(_table(("Bar", "Must", "Measured", ""), [verdict_row(verdict) for verdict in outcome.verdicts]))
