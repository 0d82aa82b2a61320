"""``padron plan``: what a night, decisions that wait or another generation would change; nothing is changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.blocking import say_wrapped, show_table
from pipelines.cli.console import NightProgress, err, say
from pipelines.cli.decide import desk_of, say_consequence
from pipelines.cli.options import Day, example

if TYPE_CHECKING:
    from datetime import date

    from pipelines.ops.foretold import Foretold

UNCHANGED = "Nothing was changed."
MOST_SHOWN = 14
"""Moves between RFM segments that the terminal names."""


@click.command()
@click.option(
    "--landing", metavar="DIR", help="Try the nights that `padron run` would make of these extracts."
)
@click.option(
    "--date", "business_date", type=Day(), help="With --landing: take in what is there up to it as one night."
)
@click.option("--exact", is_flag=True, help="Try the next night whole also without files: RFM segments too.")
@click.option("--generation", "name", metavar="ID|DIR", help="Link the records by it.")
@click.option("--decisions", metavar="FILE.csv", help="Also decisions of a file like conf/decisions.csv.")
@options.warehouse
@options.config
@options.as_json
@example("padron plan --landing extracts --generation generations/2dac81cab6e0")
def plan(
    landing: str | None,
    business_date: date | None,
    exact: bool,
    name: str | None,
    decisions: str | None,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """What the next night would change; nothing is changed.

    Decisions that wait, those of a file, another generation: without Spark, in seconds, on the released
    records. With --landing or --exact the night itself is tried beside the warehouse, with its gates: customers, orders and
    revenue, RFM segments, exactly as it would publish them. It takes as long as the night.
    """
    from pipelines.errors import UsageError

    if business_date is not None and landing is None:
        raise UsageError("--date says which files are taken in: give their folder with --landing.")
    if landing is None and not exact:
        return _ahead(name, decisions, warehouse, config, as_json)
    return _tried(landing, business_date, name, decisions, warehouse, config, as_json)


def _ahead(name: str | None, decisions: str | None, warehouse: str, config: str | None, as_json: bool) -> int:
    """What decisions and a generation would do to the released records."""
    from pipelines.ops.ahead import look_ahead
    from pipelines.ops.generations import find

    desk = desk_of(warehouse, config)
    generation = None if name is None else find(name, desk.warehouse)
    with err.status("Looking ahead"):
        found = look_ahead(desk, generation, decisions)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return 0
    wait = "decision waits" if found.decisions == 1 else "decisions wait"
    say(f"Release {desk.release.release_id}, {found.decisions:,} {wait}")
    if generation is not None:
        say(f"Linked by generation {generation.generation_id}")
    for decision, state in found.troubled.items():
        say(f"decision {decision} would be {state}")
    say(f"Customers {found.customers_before:,} → {found.customers_after:,}")
    say_consequence(found.consequence)
    for money in found.revenue:
        share = "" if money.share is None else f" ({money.share:.2%} of {float(money.total):,.2f})"
        say_wrapped(f"Revenue of the customers touched: {float(money.touched):,.2f} {money.currency}{share}")
    if found.segments:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("Segment now")
        table.add_column("Customers touched", justify="right")
        for segment, count in found.segments.items():
            table.add_row(escape(segment), f"{count:,}")
        show_table(table)
    say(UNCHANGED)
    return 0


def _tried(
    landing: str | None,
    business_date: date | None,
    name: str | None,
    decisions: str | None,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """What the night itself says, tried beside the warehouse."""
    from pipelines.cli.night import NOTHING, starter
    from pipelines.ops.ahead import written_decisions
    from pipelines.ops.foretold import foretell
    from pipelines.ops.generations import find
    from pipelines.ops.rehearsal import rehearsed
    from pipelines.ops.run import Options
    from pipelines.ops.sales import Basis
    from pipelines.settings import load_settings
    from pipelines.storage import Warehouse

    settings = load_settings(config)
    asked = Options(
        landing or "",
        warehouse,
        date=business_date,
        generation=None if name is None else find(name, Warehouse(warehouse)),
        takes_files=landing is not None,
    )
    more = [] if decisions is None else written_decisions(desk_of(warehouse, config), decisions)
    progress = NightProgress()
    try:
        with rehearsed(asked, settings, starter(settings), progress, more) as made:
            if made is None:
                click.echo(json.dumps({"nights": []})) if as_json else say(NOTHING)
                return 0
            then = made.base.tables if made.base else {}
            found = foretell(made.house, then, made.tables, Basis.of(settings))
    finally:
        progress.stop()
    failing = [v for v in made.verdicts if v["status"] in ("warned", "blocked")]
    if as_json:
        gates = [{name: v[name] for name in ("gate", "status", "value", "bound", "message")} for v in failing]
        nights = [{"business_date": str(n.business_date), "files": len(n.files)} for n in made.nights]
        click.echo(json.dumps({"nights": nights, **found.as_dict(), "gates": gates}))
        return 0
    base = f"Release {made.base.release_id}" if made.base else "An empty warehouse"
    files = sum(len(night.files) for night in made.nights)
    many = "the night" if len(made.nights) == 1 else f"{len(made.nights)} nights up to"
    say(f"{base}, then {many} {made.business_date} with {files:,} files")
    _say_foretold(found)
    say(f"Gates      {len(made.verdicts) - len(failing):,} of {len(made.verdicts):,} pass")
    for row in failing:
        verb = "would stop" if row["status"] == "blocked" else "would warn"
        say_wrapped(f"  {verb}: {row['gate']}: {row['message']}")
    say(UNCHANGED)
    return 0


def _say_foretold(found: Foretold) -> None:
    """What changes, by customers, records, money and segments."""
    told = ", ".join(f"{n:,} {kind}" for kind, n in found.customers.items() if n)
    say_wrapped(f"Customers  {found.customers_before:,} → {found.customers_after:,}  {told}")
    told = ", ".join(f"{n:,} {kind}" for kind, n in found.records.items() if n)
    say_wrapped(f"Records    {found.records_before:,} → {found.records_after:,}  {told}")
    for kind, n in found.events.items():
        say(f"  {n:>7,} {kind.replace('_', ' ')}")
    for money in found.money:
        share = f" ({money.net / money.total:.2%} of all)" if money.total else ""
        say(f"Orders     {money.orders:,} change their customer: {money.net:,.2f} {money.currency}{share}")
    if found.segments:
        table = Table(box=None, pad_edge=False, header_style="dim")
        for title in ("RFM segment", "becomes"):
            table.add_column(title)
        for title in ("Customers", "by merge or split"):
            table.add_column(title, justify="right")
        for move in found.segments[:MOST_SHOWN]:
            names = (escape(move.was or "(new customer)"), escape(move.becomes or "(no customer)"))
            table.add_row(*names, f"{move.customers:,}", f"{move.by_identity:,}")
        rest = found.segments[MOST_SHOWN:]
        if rest:
            sums = (sum(m.customers for m in rest), sum(m.by_identity for m in rest))
            table.add_row(f"… {len(rest)} other moves", "", *(f"{n:,}" for n in sums))
        show_table(table)
