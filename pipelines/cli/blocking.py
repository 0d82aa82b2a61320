"""Blocking rules on the terminal: what each costs and brings, and what they find together."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from rich.table import Table

from pipelines.cli.console import NARROW, out, say

if TYPE_CHECKING:
    from pipelines.linkage.generations import Model


def say_wrapped(text: str) -> None:
    """A text in lines of a narrow terminal."""
    for line in textwrap.wrap(text, NARROW, subsequent_indent="  "):
        say(line)


def show_table(table: Table) -> None:
    """A table no wider than a narrow terminal."""
    out.print(table, width=min(NARROW, out.width) if out.is_terminal else NARROW, soft_wrap=False, crop=False)


def say_blocking(model: Model) -> None:
    """The rules of a model, with their figures where a training measured them."""
    report = model.blocking
    if report is None:
        say_wrapped(f"Rules: {', '.join(rule.name for rule in model.rules) or 'none'}")
        return
    say_wrapped(
        f"{len(report.gains)} rules of {report.tried:,} tried, {report.trial:,} records against all "
        f"{report.records:,}: {report.comparisons:,.1f} comparisons a record, "
        f"{report.budget_used:.0%} of the budget of {report.budget:,.0f}"
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("Rule", overflow="fold")
    counted = () if report.splink_share is None else ("Splink's",)
    for title in ("Comparisons", *counted, "A record", "Matches", "Share", "So far"):
        table.add_column(title, justify="right", no_wrap=True)
    for line in report.lines():
        table.add_row(
            line.rule,
            f"{line.comparisons:,}",
            *((f"{line.uncapped:,}" if line.uncapped is not None else "–",) if counted else ()),
            f"{line.per_record:,.2f}",
            f"{line.matches:,}",
            f"{line.share:.1%}",
            f"{line.together:.1%}",
        )
    show_table(table)
    if report.splink_share is not None:
        part = (
            f", by estimate from {report.splink_share:.0%} of the records" if report.splink_share < 1 else ""
        )
        say_wrapped(f"Splink's: its count of what the rules compare, with no block subdivided{part}")
    measured = {gain.rule for gain in report.gains}
    if left := [rule.name for rule in model.rules if rule.name not in measured]:
        say_wrapped(f"Too many comparisons to be measured on a sample: {', '.join(left)}")
    say_wrapped(
        "Recall of all rules: too few likely matches to estimate it"
        if report.recall is None
        else f"Recall of all rules: {report.recall:.1%} of the true pairs by estimate, at most"
    )
