"""``padron history``: what happened to a customer id or a record, and what it is now."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from pipelines.cli import options
from pipelines.cli.console import out, say
from pipelines.cli.options import Day, example

if TYPE_CHECKING:
    from pipelines.ops.history import Happened, History
    from pipelines.ops.register import Resolved

WIDTH = 80
INDENT = " " * 12


@click.command()
@click.argument("what", metavar="ID")
@click.option("--as-of", type=Day(), help="As published on this night (default: the newest).")
@options.warehouse
@options.as_json
@example("padron history crm:C00017 --as-of 2026-07-03")
def history(what: str, as_of: date | None, warehouse: str, as_json: bool) -> int:
    """The history of a customer id, or of a record (source:record_id), night by night.

    Says what the id was on the date asked for, whatever it is now: customer, merged, split, erased.
    """
    from pipelines.ops.history import history as told

    found = told(warehouse, what, as_of)
    if as_json:
        click.echo(json.dumps(found.as_dict(), default=str))
    else:
        _say(found)
    return 0


def _show(text: str) -> None:
    # The console may be set to never wrap (a pipe); all is laid out for 80 columns anyway.
    out.print(text, width=min(WIDTH, out.width), soft_wrap=False, crop=False)


def _say(found: History) -> None:
    _show(f"[bold]{escape(found.of)}[/]")
    is_record = bool(found.stays)
    if found.then is None:
        _fact(f"on {found.as_of}", "the record had no customer: it was not there, or deleted")
    else:
        _fact(f"on {found.as_of}", _state(found.then, named=is_record))
    if found.now is not None and found.now != found.then:
        _fact("now", _state(found.now, named=is_record))
    if is_record and found.current != (found.then.customer_id if found.then else None):
        _fact("record now", found.current or "deleted")
    if found.names:
        _fact("called", " → ".join(found.names))
    say("")
    for line in found.timeline:
        _say_line(line, found.of)


def _fact(name: str, text: str) -> None:
    for part in _wrapped(text, WIDTH - 15):
        _show(f"{name:<15}{escape(part)}")
        name = ""


def _state(what: Resolved, *, named: bool) -> str:
    from pipelines.ops.register import STATES

    name = f"{what.customer_id}, " if named else ""
    plural = "" if what.records == 1 else "s"
    live = f", {what.records:,} live record{plural}" if what.state == "live" else ""
    others = [became for became in what.became if became != what.customer_id]
    word = "into" if what.state == "merged" else "; its people are also at"
    led = f" {word} {', '.join(others)}".replace(" ;", ";") if others else ""
    return f"{name}{STATES[what.state]}{live}{led}"


def _say_line(line: Happened, of: str) -> None:
    again = f" ({line.publication})" if line.publication > 1 else ""
    plural = "" if line.records == 1 else "s"
    head = f"{line.business_date}{again}  [bold]{line.event:<10}[/]"
    who = ", ".join(line.some_records) + (" …" if line.records > len(line.some_records) else "")
    said = "" if line.some_records == (of,) else f" {line.records:,} record{plural}: {who}"
    first, *rest = _wrapped(
        f"{line.cause.replace('_', ' ')}{';' if said else ''}{said}", WIDTH - 24 - len(again)
    )
    _show(f"{head}  {escape(first)}")
    for more in rest:
        _show(f"{INDENT}{INDENT}{escape(more)}")
    for text in (_move(line), _because(line.evidence)):
        if text:
            for part in _wrapped(text, WIDTH - len(INDENT)):
                _show(f"[dim]{INDENT}{escape(part)}[/]")


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_on_hyphens=False) or [""]


def _move(line: Happened) -> str:
    if line.old_customer_id == line.customer_id or not (line.old_customer_id or line.customer_id):
        return line.customer_id or ""
    if line.old_customer_id is None:
        return f"→ {line.customer_id}"
    return f"{line.old_customer_id} → {line.customer_id or 'gone'}"


def _because(evidence: dict[str, Any]) -> str:
    said = []
    if "pair" in evidence:
        said.append(
            f"{' ~ '.join(evidence['pair'])}: {evidence.get('match_weight', 0):+.2f} bits, "
            f"probability {evidence.get('probability', 0):.4g}, by {evidence.get('rule', 'no rule')}"
        )
    if "decision" in evidence:
        said.append(f"decision {evidence['decision']}")
    return "; ".join(said)
