"""``padron lookup``: who is this?"""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import out, say
from pipelines.cli.options import Day, example

if TYPE_CHECKING:
    from pipelines.ops.lookup import Candidate, Found

WIDTH = 80
EXIT = {"one": 0, "candidates": 5, "nobody": 6}
"""Exit codes by outcome: what an unattended caller must not take for a customer is not 0."""


@click.command()
@click.argument("text", required=False)
@click.option("--phone", help="A phone in any spelling, with or without its country.")
@click.option("--email", help="An e-mail.")
@click.option("--tax-id", help="RFC, CURP, NIF, NIE, CIF … in any spelling.")
@click.option("--loyalty-id", help="The number of a loyalty card.")
@click.option("--order", help="An order number.")
@click.option("--record", metavar="SOURCE:ID", help="A record of a source, such as crm:C00017.")
@click.option("--customer-id", metavar="ID", help="A customer id, also one that was merged away.")
@click.option("--name", help="A whole name, in any order.")
@click.option("--birth-date", type=Day(), help="With --name.")
@click.option("--as-of", type=Day(), help="Ask the release that stood at the end of this date.")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1), help="Candidates shown.")
@options.warehouse
@options.config
@options.as_json
@example('padron lookup --phone "+52 55 1234 5678" --name "Ana García"')
def lookup(
    text: str | None,
    phone: str | None,
    email: str | None,
    tax_id: str | None,
    loyalty_id: str | None,
    order: str | None,
    record: str | None,
    customer_id: str | None,
    name: str | None,
    birth_date: date | None,
    as_of: date | None,
    limit: int,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """Who is this? One customer, or ranked candidates with a match probability; never a guess.

    TEXT may be anything: padron lookup ana@example.com. One customer is the answer only where it alone
    fits all that was asked, and not by a name alone or a value that many share. The probability is
    that of the model in use, for a record that says only what was asked. Names are shown: mind who looks on.

    Exit codes: 0 one customer, 5 candidates, 6 nobody.
    """
    from pipelines.ops.lookup import lookup as look_up

    found = look_up(
        warehouse,
        text,
        config=config,
        as_of=as_of,
        limit=limit,
        phone=phone,
        email=email,
        tax_id=tax_id,
        loyalty_id=loyalty_id,
        order=order,
        record=record,
        customer_id=customer_id,
        name=name,
        birth_date=birth_date,
    )
    if as_json:
        click.echo(json.dumps(found.as_dict(), default=str))
    else:
        _say(found)
    return EXIT[found.outcome]


def _show(content: str | Table) -> None:
    # The console may be set to never wrap (a pipe); all is laid out for 80 columns anyway.
    out.print(content, width=min(WIDTH, out.width), soft_wrap=False, crop=False)


def _say(found: Found) -> None:
    kinds = " or ".join(field.replace("_", " ") for field in found.asked)
    _show(f"[dim]by {escape(kinds)}, release {escape(found.release_id)}[/]")
    if found.outcome == "nobody":
        _show("[yellow]Nobody[/] in the register agrees.")
    elif found.outcome == "one":
        _say_one(found.candidates[0])
    else:
        plural = "" if found.total == 1 else "s"
        _show(f"[yellow]{found.total:,} candidate{plural}[/], the likeliest first: nobody is sure.")
        say("")
        _show(_table(found))
        if found.total > len(found.candidates):
            _show(f"… {found.total - len(found.candidates):,} more (--limit)")
    for note in found.notes:
        _show(f"[dim]note:[/] {escape(note)}")


def _say_one(one: Candidate) -> None:
    _show(f"[bold green]{escape(one.customer_id)}[/]  [bold]{escape(one.name or '')}[/]")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    where = f" in {', '.join(one.sources)}" if one.sources else ""
    table.add_row(
        "live records", f"{one.records:,}{where}" if one.is_live else "none: no source delivers one"
    )
    table.add_row("agrees", ", ".join(_words(one)))
    table.add_row("probability", _probability(one))
    if one.now != (one.customer_id,):
        table.add_row("now", ", ".join(one.now) or "no customer any more")
    _show(table)


def _words(one: Candidate) -> list[str]:
    return [field.replace("_", " ") for field in one.agrees]


def _probability(one: Candidate) -> str:
    return "–" if one.probability is None else f"{one.probability:.3f}"


def _table(found: Found) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Customer", no_wrap=True)
    table.add_column("Prob.", justify="right", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("Agrees", overflow="fold")
    for one in found.candidates:
        agrees = ", ".join(_words(one))
        if one.differs:
            agrees += f"; [red]not {escape(', '.join(f.replace('_', ' ') for f in one.differs))}[/]"
        moved = "" if one.now == (one.customer_id,) else f" [dim](now {', '.join(one.now) or 'nobody'})[/]"
        name = escape(one.name or "–") + ("" if one.is_live else " [dim](no live records)[/]") + moved
        table.add_row(escape(one.customer_id), _probability(one), name, agrees)
    return table
