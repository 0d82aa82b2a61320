"""What each gate measured in the nights before: whether a value is usual, grows, or came out of nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date

Points = tuple[tuple[str, float], ...]
"""Business date and value, oldest first."""
BEFORE = 5
"""Nights before that a line of text tells."""


def gate_of(name: str) -> str:
    """The gate that a verdict is of: its name without the part that it is about. A contract is a gate of its own.

    >>> gate_of("volume_high erp/customers"), gate_of("contract gold/rfm expect_column_to_exist r_score")
    ('volume_high', 'contract gold/rfm expect_column_to_exist r_score')
    """
    first = name.partition(" ")[0]
    return name if first == "contract" else first


def gate_trends(rows: Iterable[Mapping[str, Any]], upto: date) -> dict[str, Points]:
    """Of each gate its value in every night up to ``upto``, by ``gate_of``.

    ``rows``: of ops/gates, oldest first. A night that was run several times counts as its last run judged it; of a gate
    that judged several parts the highest value counts, which is the one that a night with nothing to say keeps.
    """
    found: dict[str, dict[date, tuple[str, float]]] = {}
    for row in rows:
        day, value = row["business_date"], row["value"]
        if value is None or day > upto:
            continue
        nights = found.setdefault(gate_of(row["gate"]), {})
        run, highest = nights.get(day, (None, value))
        nights[day] = row["run_id"], max(value, highest) if run == row["run_id"] else value
    return {
        gate: tuple((day.isoformat(), value) for day, (_, value) in sorted(nights.items()))
        for gate, nights in found.items()
    }


def nights_before(points: Sequence[tuple[str, float]], business_date: date) -> str:
    """`` (the nights before: 0.9, 1.1)``, the newest last; nothing where there were none."""
    # It brings the templates of the pages along, which a command that shows no page need not wait for.
    from pipelines.ops.pages import figure

    earlier = [figure(value) for day, value in points if day < business_date.isoformat()][-BEFORE:]
    if not earlier:
        return ""
    return f" (the night{'s' if earlier[1:] else ''} before: {', '.join(earlier)})"
