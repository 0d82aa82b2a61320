"""A case on the terminal: the records of its customers side by side, what differs marked, the pair's weights."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from pipelines.cli.blocking import say_wrapped
from pipelines.cli.console import NARROW, out, say
from pipelines.cli.explain import weights
from pipelines.linkage.explanation import DECIDED_BY, Explanation

if TYPE_CHECKING:
    from pipelines.ops.cases import Case
    from pipelines.ops.claims import Unsure
    from pipelines.ops.desk import Row

SIDE_BY_SIDE = 4
"""Records of one table."""
NO_EVIDENCE = ("party_type", "registered_at")
"""Columns that may differ as they like."""
NAMES = ("customer_id", "source", "record_id")


def _show(content: str | Table) -> None:
    out.print(content, width=min(NARROW, out.width), soft_wrap=False, crop=False)


def say_case(
    case: Case, place: str, records: Sequence[Row], explained: Explanation | None, unsure: Unsure | None
) -> None:
    """One case, whole."""
    say("")
    _show(f"[bold]Case {escape(place)}[/]  {escape(case.left)} and {escape(case.right)}")
    say_wrapped(f"{case.reason.replace('_', ' ')}: {case.because}")
    if case.decision_id:
        say(f"decision {case.decision_id}")
    if unsure is not None:
        say_wrapped(
            f"{unsure.steward} could not tell on {unsure.at:%Y-%m-%d}: {unsure.reason or 'no reason given'}"
        )
    money = ", ".join(m.in_words() for m in case.revenue) or "no orders"
    if case.probability:
        by = "" if explained is None else f" {DECIDED_BY.get(explained.decided_by, explained.decided_by)}"
        relation = f"; likeliest relation: {case.relation.replace('_', ' ')}" if case.relation else ""
        say_wrapped(f"same person {case.probability:.3f}{by}{relation}")
    say_wrapped(f"uncertainty {case.uncertainty:.2f}; {money}")
    say("")
    for start in range(0, len(records), SIDE_BY_SIDE):
        _show(side_by_side(records, start))
    if explained is not None:
        say("")
        _show(weights(explained.waterfall))
        if explained.decided_by == "relation":
            say_wrapped(
                "This probability is by the agreements alone. The relation model also asks whether two people who have to do "
                "with each other would agree so: its word counts."
            )
    say("")


def say_pattern(found: Sequence[Case], records: Mapping[str, Row]) -> None:
    """The cases that one answer settles: keys, what both are called, probability. ``records``: by source:record_id."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("Left", "Right", "Same person"):
        table.add_column(name, justify="right" if name == "Same person" else "left", overflow="fold")
    for case in found:
        sides = [f"{name}\n{_called(records[name])}" for name in (case.left, case.right)]
        table.add_row(*map(escape, sides), f"{case.probability:.3f}" if case.probability else "")
    _show(table)


def _called(row: Row) -> str:
    """The names of a record."""
    names = ("given_name", "surname", "second_surname", "company_name")
    return " ".join(str(row[name]) for name in names if row.get(name))


def side_by_side(records: Sequence[Row], start: int) -> Table:
    """Up to ``SIDE_BY_SIDE`` records from ``start``, numbered from 1; = marks a row in which they agree, ≠ one in which they differ."""
    shown = records[start : start + SIDE_BY_SIDE]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", style="dim", no_wrap=True)
    for number, row in enumerate(shown, start + 1):
        table.add_column(f"{number} {escape(str(row['source']))}", overflow="fold", ratio=1)
    table.add_row("  record", *(escape(str(row["record_id"])) for row in shown))
    table.add_row("  customer", *(escape(str(row["customer_id"])) for row in shown))
    for name in records[0]:
        if name in NAMES or not any(_text(row[name]) for row in shown):
            continue
        differs = None if name in NO_EVIDENCE else _differs(records, name)
        color = {True: "yellow", False: "green", None: "default"}[differs]
        cells = [f"[{color}]{escape(_text(row[name]))}[/]" for row in shown]
        mark = {True: "≠", False: "=", None: " "}[differs]
        table.add_row(f"{mark} {name.replace('_', ' ')}", *cells)
    return table


def _text(value: Any) -> str:
    if value is None or value == []:
        return ""
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return f"{value:%Y-%m-%d}" if hasattr(value, "strftime") else str(value)


def _differs(records: Sequence[Row], name: str) -> bool | None:
    """Whether the records differ in a column; None where too few say something.

    Two customers differ where no value of the one is one of the other; inside a customer all records are compared.
    """
    customers = {str(row["customer_id"]) for row in records}
    sides: dict[str, set[str]] = {}
    for place, row in enumerate(records):
        value = row[name]
        told = {_folded(each) for each in (value if isinstance(value, list) else [value]) if each is not None}
        if told:
            sides.setdefault(str(row["customer_id"]) if len(customers) > 1 else str(place), set()).update(
                told
            )
    if len(sides) < 2:
        return None
    found = list(sides.values())
    return any(not one & other for place, one in enumerate(found) for other in found[place + 1 :])


def _folded(value: Any) -> str:
    """A value without case and accents."""
    text = unicodedata.normalize("NFKD", str(value).casefold())
    return "".join(c for c in text if not unicodedata.combining(c))
