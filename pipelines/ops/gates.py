"""Verdicts of gates: checks with a consequence. The gates themselves are in ``ops.checks`` and ``ops.*_checks``.

A verdict is a row of ``ops/gates`` without run, date and time. A gate has one bound and a severity
(``verdict``), or two bounds: above the first it warns, above the second it stops the night (``graded``).
In conf/padron.yml ``gates:`` sets another severity (off, warn, fail) and ``bounds:`` other bounds.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.config import Bounds
from pipelines.errors import UnusableFiles, UsageError

if TYPE_CHECKING:
    from pipelines.config import Project
    from pipelines.sources import Source

DEFAULTS = {
    "component_size": "warn",
    "cut_off": "warn",
    "decisions": "warn",
    "deleted_share": "fail",
    "future_date": "fail",
    "future_events": "warn",
    "generation": "fail",
    "identity_contract": "fail",
    "landing": "warn",
    "late_files": "warn",
    "lost_columns": "fail",
    "model": "warn",
    "new_columns": "warn",
    "new_currency": "warn",
    "reconciliation": "fail",
    "referential_integrity": "fail",
    "rows_conserved": "fail",
    "schema": "fail",
    "secrets": "warn",
    "two_tax_ids": "fail",
}
"""Severity of each gate with one bound where conf/padron.yml says nothing."""

BOUNDS = {
    "comparisons": Bounds(warn=1, least=100),
    "freshness": Bounds(warn=0),
    "id_jitter": Bounds(warn=0.005, fail=0.02, least=1_000),
    "over_clustering": Bounds(warn=0.02),
    "precision_estimate": Bounds(warn=0.03, fail=0.1, least=100),
    "profile_drift": Bounds(warn=0.2, least=100),
    "quarantine": Bounds(warn=0.01, fail=0.1, least=100),
    "residual_duplicates": Bounds(warn=0.05),
    "revenue_jitter": Bounds(warn=0.01, fail=0.03, least=1_000),
    "unmapped_codes": Bounds(warn=0.01, least=100),
    "volume_high": Bounds(warn=3, fail=9, least=100),
    "volume_low": Bounds(warn=1.9, least=100),
}
"""Bounds of each gate with two where conf/padron.yml says nothing: above ``warn`` it warns, above
``fail`` it stops the night. On fewer rows than ``least`` a share says little: it warns at the most."""

UNUSABLE_FILES = "unusable_files"
Verdict = dict[str, Any]
SHOWN = 3
"""Names that one message lists; more of them are counted."""


def listed(texts: Sequence[str], separator: str = ", ") -> str:
    """The first few of ``texts``, and how many more there are."""
    more = len(texts) - SHOWN
    return separator.join(texts[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def check_names(project: Project) -> None:
    """Raises UsageError for a gate in conf/padron.yml that does not exist, or a bound that nothing reads."""
    for key, given, known, what in (
        ("gates", project.gates, {*DEFAULTS, *BOUNDS}, "no gate"),
        ("bounds", project.bounds, set(BOUNDS), "no gate that has bounds"),
    ):
        for name in given:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known))}."
                raise UsageError(f"conf/padron.yml: {key}: {name} is {what}. {hint}")
    for name, own in project.bounds.items():
        if own.warn is not None and own.fail is not None and own.warn > own.fail:
            raise UsageError(
                f"conf/padron.yml: bounds: {name} would stop a night above {own.fail:g} and warn above {own.warn:g}: what warns "
                "comes first."
            )


def bounds_of(project: Project, gate: str) -> Bounds:
    """The bounds of ``gate``: the defaults, and what conf/padron.yml sets otherwise."""
    own = project.bounds.get(gate)
    return BOUNDS[gate] if own is None else BOUNDS[gate].model_copy(update=own.model_dump())


def verdict(
    project: Project,
    gate: str,
    *,
    value: float,
    bound: float,
    message: str,
    about: str | None = None,
    warn_above: float | None = None,
) -> list[Verdict]:
    """The verdict of ``gate``: failed when ``value`` is above ``bound``; none when it is off.

    ``message`` says what was found and what to do; ``about`` names the part it is about. ``warn_above``: from where on a
    gate that stops at a bound of its own in conf warns.
    """
    severity = project.gates.get(gate, DEFAULTS[gate])
    if severity == "off":
        return []
    failed = value > bound
    status = {"warn": "warned", "fail": "blocked"}[severity] if failed else "passed"
    shown, fail_bound = bound, None
    if warn_above is not None and severity == "fail":
        fail_bound = bound
        if not failed:
            shown, status = warn_above, "warned" if value > warn_above else "passed"
    said = message if status != "passed" else "as it should be"
    return [_row(gate, about, status, severity, value, shown, fail_bound, said)]


def graded(
    project: Project,
    gate: str,
    *,
    value: float,
    rows: int,
    message: str,
    about: str | None = None,
    may_fail: bool = True,
) -> list[Verdict]:
    """The verdict of a gate with two bounds on a ``value`` that was measured on ``rows``; none when it is off.

    Severity ``warn`` in conf never stops the night; ``fail`` stops it above the fail bound, or
    above the warn bound of a gate that has no other. ``may_fail`` is False where what was
    found is wanted, such as ids that move because a generation is adopted. ``message`` says what was
    found, also when it is as it should be.
    """
    severity, bounds = project.gates.get(gate), bounds_of(project, gate)
    if severity == "off":
        return []
    warn, fail = bounds.warn, bounds.fail
    if severity == "fail" and fail is None:
        fail = warn
    if severity == "warn" or not may_fail or (bounds.least is not None and rows < bounds.least):
        fail = None
    is_blocked = fail is not None and value > fail
    is_warned = is_blocked or (warn is not None and value > warn)
    status = "blocked" if is_blocked else "warned" if is_warned else "passed"
    shown = fail if is_blocked else warn
    return [_row(gate, about, status, "warn" if fail is None else "fail", value, shown, fail, message)]


def unusable_files(error: UnusableFiles) -> Verdict:
    """``unusable_files``: the verdict on files that could not be landed. Nobody can agree to it, nor switch it off."""
    return _row(UNUSABLE_FILES, None, "blocked", "fail", error.files, 0, None, str(error))


def owned(verdicts: Iterable[Verdict], sources: Mapping[str, Source]) -> list[Verdict]:
    """The verdicts about a source or one of its feeds with the source's owner, whose issue it is."""
    found = []
    for row in verdicts:
        about = re.split(r"[/.]", row["gate"].partition(" ")[2])[0]
        found.append({**row, "owner": sources[about].owner} if about in sources else row)
    return found


def _row(
    gate: str,
    about: str | None,
    status: str,
    severity: str,
    value: float,
    bound: float | None,
    fail_bound: float | None,
    message: str,
) -> Verdict:
    return {
        "gate": f"{gate} {about}" if about else gate,
        "status": status,
        "severity": severity,
        "value": float(value),
        "bound": None if bound is None else float(bound),
        "fail_bound": None if fail_bound is None else float(fail_bound),
        "message": message,
    }
