"""``padron plan``: what decisions that wait, or another generation, would change; nothing is changed."""

from __future__ import annotations

import json

import click
from rich.markup import escape
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.blocking import say_wrapped, show_table
from pipelines.cli.console import err, say
from pipelines.cli.decide import desk_of, say_consequence
from pipelines.cli.options import example


@click.command()
@click.option("--generation", "name", metavar="ID|DIR", help="Link the released records by it.")
@click.option("--decisions", metavar="FILE.csv", help="Also decisions of a file like conf/decisions.csv.")
@options.warehouse
@options.config
@options.as_json
@example("padron plan --generation generations/2dac81cab6e0")
def plan(name: str | None, decisions: str | None, warehouse: str, config: str | None, as_json: bool) -> int:
    """What the next night would do to the released customers, as far as it is known before new files are read.

    The decisions that wait, those of a file, another generation: customers merged and split, whose id stays,
    orders and revenue moved.
    """
    from pipelines.ops.ahead import look_ahead
    from pipelines.ops.generations import find

    desk = desk_of(warehouse, config)
    generation = None if name is None else find(name, desk.warehouse)
    with err.status("Looking ahead"):
        found = look_ahead(desk, generation, decisions)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return 0
    say(f"Release {desk.release.release_id}, {found.decisions:,} decisions wait")
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
    say("Nothing was changed.")
    return 0
