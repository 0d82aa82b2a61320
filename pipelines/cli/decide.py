"""``padron decide``: what a steward decides about records, and what was decided."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click
from rich.markup import escape
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.blocking import say_wrapped, show_table
from pipelines.cli.console import err, say
from pipelines.cli.options import Command, example

if TYPE_CHECKING:
    from pipelines.ops.deciding import Proposal
    from pipelines.ops.desk import Desk, Row
    from pipelines.ops.foreseen import Consequence

BETWEEN = "/"
HOLD = "With --hold it is recorded all the same, and holds once nothing stands against it."
MOST_SHOWN = 8
"""Records that move, and records of a side, that the terminal names."""


def login() -> str:
    """Who is at the terminal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _decision(command: Command) -> Command:
    """The options of every decision."""
    for option in (
        options.as_json,
        options.config,
        options.warehouse,
        click.option("--yes", is_flag=True, help="Do not ask: the effect is agreed to."),
        click.option("--by", default=None, metavar="NAME", help="Who decides (default: the login name)."),
        click.option("--reason", default=None, metavar="TEXT", help="Why; kept with the decision."),
    ):
        command = option(command)
    return command


_hold = click.option(
    "--hold", is_flag=True, help="Record it although it contradicts: it is held back until it does not."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@example("padron decide match crm:C00017 web:W00251 --reason 'same passport'")
def decide() -> None:
    """Decide about records: it holds in every later night, until it is revoked.

    A record is source:record_id; a customer id stands for all its live records. Nothing is recorded before the
    effect was shown and agreed to.
    """


def desk_of(warehouse: str, config: str | None) -> Desk:
    from pipelines.ops.desk import Desk
    from pipelines.settings import load_settings
    from pipelines.storage import Warehouse

    return Desk(Warehouse(warehouse), load_settings(config))


def _settle(
    warehouse: str,
    config: str | None,
    make: Callable[[Desk], list[Row]],
    *,
    hold: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Show what the decisions would do, ask, and record them."""
    from pipelines.errors import UsageError
    from pipelines.ops.deciding import propose, record

    if as_json and not yes:
        raise UsageError("--json asks nothing: add --yes to agree to the effect.")
    desk = desk_of(warehouse, config)
    with err.status("Looking ahead"):
        proposal = propose(desk, make(desk))
    if not as_json:
        say_proposal(proposal)
    if proposal.held and not hold:
        raise UsageError("\n".join([*proposal.refusal(), HOLD]))
    if not yes:
        click.confirm("Record it?", abort=True, err=True)
    made = record(desk, proposal, hold=hold)
    if as_json:
        told = {
            "decisions": [row["decision_id"] for row in made],
            "held": [held.said for held in proposal.held],
            "effect": proposal.outlook.consequence.as_dict(),
        }
        click.echo(json.dumps(told))
        return 0
    held = [name.decision_id for name in proposal.held]
    followed = [row["decision_id"] for row in made if row["decision_id"] not in held]
    if followed:
        say(f"Recorded {', '.join(followed)}; the next night follows it.")
    if held:
        say_wrapped(f"Recorded {', '.join(held)}; held back until nothing stands against it.")
    return 0


def say_proposal(proposal: Proposal) -> None:
    """What decisions say and do."""
    for row in proposal.rows:
        if row["revokes"]:
            say(f"revoke {row['revokes']}")
            continue
        say(f"{row['kind'].replace('_', '-')} {row['decision_id']}")
        for side in (row["left_records"], row["right_records"]):
            if side:
                say_wrapped(f"  {_named(side)}")
    for held in proposal.held:
        say_wrapped(f"held back: {held.said}")
    for name, state in proposal.outlook.turned.items():
        if state != "revoked":
            say(f"decision {name} becomes {state}")
    say_consequence(proposal.outlook.consequence)


def _named(records: Sequence[str]) -> str:
    more = f" … {len(records):,} in all" if len(records) > MOST_SHOWN else ""
    return " ".join(records[:MOST_SHOWN]) + more


def say_consequence(found: Consequence) -> None:
    """The effect in a line, and the records that change their id."""
    say_wrapped(found.in_words())
    if not found.moved:
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("Record", "Customer", "becomes"):
        table.add_column(name, overflow="fold")
    for moved in found.moved[:MOST_SHOWN]:
        becomes = "a new id" if moved.is_new else moved.becomes
        table.add_row(escape(moved.record), escape(moved.was), escape(becomes))
    if len(found.moved) > MOST_SHOWN:
        table.add_row(f"… {len(found.moved):,} in all", "", "")
    show_table(table)


def parts_of(words: Sequence[str]) -> list[list[str]]:
    """The words between slashes. Raises UsageError where one part is empty."""
    from pipelines.errors import UsageError

    parts: list[list[str]] = [[]]
    for word in words:
        if word == BETWEEN:
            parts.append([])
        else:
            parts[-1].append(word)
    if not all(parts):
        raise UsageError("a part is empty: write records or customer ids on both sides of each /.")
    return parts


@decide.command()
@click.argument("names", metavar="A B [C …]", nargs=-1, required=True)
@_hold
@_decision
@example("padron decide match crm:C00017 web:W00251 --reason 'same passport'")
def match(
    names: tuple[str, ...],
    warehouse: str,
    config: str | None,
    reason: str | None,
    by: str | None,
    yes: bool,
    hold: bool,
    as_json: bool,
) -> int:
    """All of A, B … are one party: their whole customers come together."""
    from pipelines.errors import UsageError
    from pipelines.ops import deciding

    if len(names) < 2:
        raise UsageError("a match needs two: padron decide match A B.")
    who = login() if by is None else by
    return _settle(
        warehouse,
        config,
        lambda desk: deciding.match(desk, names, who, reason),
        hold=hold,
        yes=yes,
        as_json=as_json,
    )


@decide.command("no-match")
@click.argument("names", metavar="A [A2 …] / B [B2 …]", nargs=-1, required=True)
@_hold
@_decision
@example("padron decide no-match crm:C00017 / web:W00251 pos:P4 --reason 'father and son'")
def no_match(
    names: tuple[str, ...],
    warehouse: str,
    config: str | None,
    reason: str | None,
    by: str | None,
    yes: bool,
    hold: bool,
    as_json: bool,
) -> int:
    """No record before the slash is the party of one after it. Of two names the slash may be left out."""
    from pipelines.errors import UsageError
    from pipelines.ops import deciding

    sides = [[name] for name in names] if len(names) == 2 and BETWEEN not in names else parts_of(names)
    if len(sides) != 2:
        raise UsageError("a no-match has two sides: padron decide no-match A … / B ….")
    who = login() if by is None else by
    return _settle(
        warehouse,
        config,
        lambda desk: deciding.no_match(desk, sides[0], sides[1], who, reason),
        hold=hold,
        yes=yes,
        as_json=as_json,
    )


@decide.command()
@click.argument("customer", metavar="ID")
@click.argument("names", metavar="RECORD … [/ RECORD … ]", nargs=-1, required=True)
@_hold
@_decision
@example("padron decide split CJ3X0R4B2M6K8A1D5F7H9T2W crm:C00017 pos:P4 / web:W00251")
def split(
    customer: str,
    names: tuple[str, ...],
    warehouse: str,
    config: str | None,
    reason: str | None,
    by: str | None,
    yes: bool,
    hold: bool,
    as_json: bool,
) -> int:
    """The parts of customer ID are different parties.

    A single part is apart from all the other records. Records that no part names go where linkage puts them.
    """
    from pipelines.ops import deciding

    who = login() if by is None else by
    parts = parts_of(names)
    return _settle(
        warehouse,
        config,
        lambda desk: deciding.split(desk, customer, parts, who, reason),
        hold=hold,
        yes=yes,
        as_json=as_json,
    )


@decide.command()
@click.argument("names", metavar="DECISION …", nargs=-1, required=True)
@_decision
@example("padron decide revoke d3f0c9a1b2d4e --reason 'they are one after all'")
def revoke(
    names: tuple[str, ...],
    warehouse: str,
    config: str | None,
    reason: str | None,
    by: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Take decisions back: the next night links as if they had never been made, and old ids come back."""
    from pipelines.ops import deciding

    who = login() if by is None else by
    return _settle(
        warehouse,
        config,
        lambda desk: deciding.revoke(desk, names, who, reason),
        hold=False,
        yes=yes,
        as_json=as_json,
    )


@decide.command("list")
@click.option("--all", "with_revoked", is_flag=True, help="Also those that were revoked.")
@options.warehouse
@options.config
@options.as_json
@example("padron decide list")
def list_(with_revoked: bool, warehouse: str, config: str | None, as_json: bool) -> int:
    """The decisions with their states, the newest first.

    waiting: for the next night; active; dormant: a side has no live record; contradicted: held back; unknown: nobody
    knows what it names; revoked.
    """
    from pipelines.ops.deciding import listed

    rows = [
        row
        for row in listed(desk_of(warehouse, config))
        if with_revoked or row["state"] != "revoked" or row["waits"]
    ]
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return 0
    if not rows:
        say("No decision stands. `padron review` shows the cases that wait for one.")
        return 0
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("Decision", no_wrap=True)
    for name in ("State", "Records", "By", "Reason"):
        table.add_column(name, overflow="fold")
    for row in rows:
        state = row["state"] + (", waits" if row["waits"] and row["state"] != "waiting" else "")
        if row["against"]:
            state += f"\nby {', '.join(row['against'])}"
        if row["unknown"]:
            state += f"\n{row['unknown']}" + (f"\n{row['place']}" if row["place"] else "")
        sides = [_named(side) for side in (row["left_records"], row["right_records"]) if side]
        sides = sides or [f"revokes {row['revokes']}"]
        table.add_row(
            f"{row['decision_id']}\n{row['kind'].replace('_', '-')}",
            escape(state),
            escape("\n/ ".join(sides)),
            escape(f"{row['decided_by']}\n{row['decided_at']:%Y-%m-%d}"),
            escape(row["reason"] or ""),
        )
    show_table(table)
    return 0
