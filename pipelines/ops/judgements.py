"""Which verdicts of a run's gates hold, of all that were recorded of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

Verdicts = dict[str, dict[str, Any]]
"""Rows of ops/gates by the name of their gate."""
_RANK = {"passed": 0, "warned": 1, "approved": 2, "blocked": 3}


def standing(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The verdicts that hold, of one run's rows of ops/gates, oldest first.

    The gate of a stage that ran again was judged anew, and nothing of its earlier judgement holds: what it no longer finds
    fault with has no row of that name any more. What somebody agreed to stands in the place of what it was about.
    """
    at_once: dict[tuple[str | None, datetime], Verdicts] = {}
    for row in rows:
        verdicts = at_once.setdefault((row.get("stage"), row["at"]), {})
        verdicts[row["gate"]] = max(verdicts.get(row["gate"], {}), {**row}, key=_rank)
    found: dict[str | None, Verdicts] = {}
    for (stage, _), verdicts in at_once.items():
        stood = found.get(stage, {})
        # Versions before did not note the stage: what they recorded holds by its name, until a stage is asked again.
        is_more = stage is None or all(
            row["status"] == "approved" and stood.get(gate, {}).get("status") == "blocked"
            for gate, row in verdicts.items()
        )
        found[stage] = {**stood, **verdicts} if is_more else verdicts
        if stage is not None and (noted := found.get(None)):
            asked = {gate.partition(" ")[0] for gate in verdicts}
            found[None] = {gate: row for gate, row in noted.items() if gate.partition(" ")[0] not in asked}
    return [row for verdicts in found.values() for row in verdicts.values()]


def _rank(row: Mapping[str, Any]) -> int:
    return _RANK.get(row.get("status", ""), -1)
