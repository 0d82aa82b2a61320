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
@click.option("--birth-date", help="With --name; as y-m-d, d/m/y or with a Spanish month.")
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
    birth_date: str | None,
    as_of: date | None,
    limit: int,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """Who is this? One customer, or ranked candidates with a match probability; never a guess.

    TEXT may be anything, also several values: padron lookup "Ana García 1/3/1980". One customer is the answer
    only where it alone fits all that was asked, and not by a name alone or a value that many share. Candidates
    with whom identifying values agree come first, then names, then the probability: that of the model in use,
    for a record that says only what was asked. Names are shown: mind who looks on.

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
        _say(found, is_text=text is not None)
    return EXIT[found.outcome]


def _show(content: str | Table) -> None:
    # The console may be set to never wrap (a pipe); all is laid out for 80 columns anyway.
    out.print(content, width=min(WIDTH, out.width), soft_wrap=False, crop=False)


def _say(found: Found, *, is_text: bool) -> None:
    _show(f"[dim]by {escape(_kinds(found, is_text=is_text))}, release {escape(found.release_id)}[/]")
    if found.outcome == "nobody":
        _show("[yellow]Nobody[/] in the register agrees.")
    elif found.outcome == "one":
        _say_one(found.candidates[0])
    else:
        plural, order = ("", "") if found.total == 1 else ("s", ", who agrees with most first")
        first = "" if found.total == len(found.candidates) else f", the first {len(found.candidates)} shown"
        _show(f"[yellow]{found.total:,} candidate{plural}[/]{first}{order}: nobody is sure.")
        say("")
        _show(_table(found))
        if found.total > len(found.candidates):
            _show(f"… {found.total - len(found.candidates):,} more (--limit)")
    for note in found.notes:
        _show(f"[dim]note:[/] {escape(note)}")


def _kinds(found: Found, *, is_text: bool) -> str:
    """What was looked for, and of a free text as what each part was taken."""
    from pipelines.ops.lookup import any_of

    def told(fields: list[str], word: str) -> str:
        return any_of(fields, word) + (f" “{found.asked[fields[0]]}”" if is_text else "")

    sure = [field for field in found.asked if field not in found.alternatives]
    parts = [told([field], "") for field in sure]
    if found.alternatives:
        parts.append(told(list(found.alternatives), "or"))
    return any_of(parts, "and")


def _say_one(one: Candidate) -> None:
    from pipelines.ops.lookup import any_of

    _show(f"[bold green]{escape(one.customer_id)}[/]  [bold]{escape(one.name or '')}[/]")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    where = f" in {', '.join(one.sources)}" if one.sources else ""
    table.add_row(
        "live records", f"{one.records:,}{where}" if one.is_live else "none: no source delivers one"
    )
    table.add_row("agrees", any_of(one.agrees, "and"))
    table.add_row("probability", _probability(one))
    if one.now != (one.customer_id,):
        table.add_row("now", ", ".join(one.now) or "no customer any more")
    _show(table)


def _in_words(one: Candidate) -> str:
    """What agrees with a candidate, what does not, and what nobody knows, as markup."""
    from pipelines.ops.lookup import any_of

    parts = [escape(any_of(one.agrees, "and"))] if one.agrees else []
    if one.differs:
        parts.append(f"[red]not {escape(any_of(one.differs))}[/]")
    if one.unknown:
        parts.append(f"[dim]{escape(any_of(one.unknown, 'and'))} unknown[/]")
    return "; ".join(parts)


def _probability(one: Candidate) -> str:
    return "–" if one.probability is None else f"{one.probability:.3f}"


def _table(found: Found) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Customer", no_wrap=True)
    table.add_column("Prob.", justify="right", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("Agrees", overflow="fold")
    for one in found.candidates:
        moved = "" if one.now == (one.customer_id,) else f" [dim](now {', '.join(one.now) or 'nobody'})[/]"
        name = escape(one.name or "–") + ("" if one.is_live else " [dim](no live records)[/]") + moved
        table.add_row(escape(one.customer_id), _probability(one), name, _in_words(one))
    return table
