"""Verdicts of gates: checks with a consequence. The gates themselves are in ``ops.checks``.

A verdict is a row of ``ops/gates`` without run, date and time. Each gate has a default severity;
``gates:`` in conf/padron.yml sets another (off, warn, block).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.config import Project

DEFAULTS = {
    "component_size": "warn",
    "decisions": "warn",
    "deleted_share": "block",
    "generation": "block",
    "identity_contract": "block",
    "landing": "warn",
    "late_files": "warn",
    "model": "warn",
    "new_columns": "warn",
    "quarantine": "warn",
    "reconciliation": "block",
    "rows_conserved": "block",
    "schema": "block",
}
"""Severity of each gate where conf/padron.yml says nothing."""

Verdict = dict[str, Any]


def verdict(
    project: Project, gate: str, *, value: float, bound: float, message: str, about: str | None = None
) -> list[Verdict]:
    """The verdict of ``gate``: failed when ``value`` is above ``bound``; none when it is off.

    ``message`` says what was found and what to do; ``about`` names the part it is about.
    """
    severity = project.gates.get(gate, DEFAULTS[gate])
    if severity == "off":
        return []
    failed = value > bound
    return [
        {
            "gate": f"{gate} {about}" if about else gate,
            "status": {"warn": "warned", "block": "blocked"}[severity] if failed else "passed",
            "severity": severity,
            "value": float(value),
            "bound": float(bound),
            "message": message if failed else "as it should be",
        }
    ]
