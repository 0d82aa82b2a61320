"""What each gate measured in the nights before: whether a value is usual, grows, or came out of nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import date, datetime

    Night = dict[tuple[str, str | None], tuple[datetime, dict[str, float]]]
    """By gate and stage: when it was judged, and the values by the names of its verdicts."""

Points = tuple[tuple[str, float], ...]
"""Business date and value, oldest first."""
BEFORE = 5
"""Nights before that a line of text tells."""


def gate_trends(
    rows: Iterable[Mapping[str, Any]], upto: date, left_out: Collection[str] = frozenset()
) -> dict[str, Points]:
    """The value in every night up to ``upto``, by the name that a verdict has: its gate, and what it is about.

    ``rows``: of ops/gates, oldest first. A night counts as its last run judged it the last time, but for the runs in
    ``left_out``. Where a night has nothing to say of a part, its verdict on all parts counts, whose value is the highest
    of them. Contracts, which are kept or broken, have no trend.
    """
    nights: dict[date, Night] = {}
    for row in rows:
        gate = row["gate"].partition(" ")[0]
        if row["business_date"] > upto or row["run_id"] in left_out or gate == "contract":
            continue
        judged = nights.setdefault(row["business_date"], {})
        # The verdicts of a gate after a stage are written at once: another moment is another judgement.
        of_stage = gate, row.get("stage")
        if of_stage[1] is not None:
            # Of a version that did not note the stage.
            judged.pop((gate, None), None)
        at, values = judged.get(of_stage, (row["at"], {}))
        values = values if at == row["at"] else {}
        if row["value"] is not None:
            values[row["gate"]] = row["value"]
        judged[of_stage] = row["at"], values
    names = {name for night in nights.values() for _, values in night.values() for name in values}
    return {name: tuple(_points(nights, name)) for name in names}


def _points(nights: Mapping[date, Night], name: str) -> Iterable[tuple[str, float]]:
    gate = name.partition(" ")[0]
    for day, judged in sorted(nights.items()):
        values = {n: v for (of, _), (_, found) in judged.items() if of == gate for n, v in found.items()}
        value = values.get(name, values.get(gate))
        if value is not None:
            yield day.isoformat(), value


def nights_before(points: Sequence[tuple[str, float]], business_date: date) -> str:
    """`` (the nights before: 0.9, 1.1)``, the newest last; nothing where there were none."""
    # It brings the templates of the pages along, which a command that shows no page need not wait for.
    from pipelines.ops.pages import figure

    earlier = [figure(value) for day, value in points if day < business_date.isoformat()][-BEFORE:]
    if not earlier:
        return ""
    return f" (the night{'s' if earlier[1:] else ''} before: {', '.join(earlier)})"
