"""Decisions as a steward makes them: checked against what is there, shown with their effect, then recorded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.errors import UsageError
from pipelines.linkage.decision_files import check_sides, decision_id
from pipelines.linkage.decisions import CONTRADICTED, MATCH, NO_MATCH, REVOKE, standing
from pipelines.ops import stewards
from pipelines.ops.register import as_customer_id

if TYPE_CHECKING:
    from pipelines.linkage.decisions import Decision
    from pipelines.ops.desk import Desk, Outlook, Row

WAITING = "waiting"
"""State of a decision that no night has seen yet."""
EVIDENCE = {
    "never": "never-evidence: two values that one party cannot have",
    "party_type": "one is a person, the other a company",
    "duplicate_free": "both are of a source without duplicates",
    "max_component": "together they are more records than max_component of conf/linkage.yml",
}
_SHOWN = 4


@dataclass(frozen=True)
class Proposal:
    """Decisions that were asked for and not recorded yet."""

    rows: tuple[Row, ...]
    outlook: Outlook
    contradictions: tuple[str, ...]
    """Why those that cannot be had would be held back, a line each."""


def said(
    kind: str,
    left: Sequence[str],
    right: Sequence[str],
    by: str,
    reason: str | None,
    at: datetime,
    revokes: str | None = None,
) -> Row:
    """A row of ``linkage/decisions``. Raises UsageError where the sides cannot be decided about."""
    ours, theirs = sorted(set(left)), sorted(set(right))
    if not by.strip():
        raise UsageError("a decision needs somebody who decides: name them with --by.")
    if kind != REVOKE:
        try:
            check_sides(kind, ours, theirs)
        except ValueError as error:
            raise UsageError(f"{error}.") from None
    row: Row = {
        "kind": kind,
        "left_records": ours,
        "right_records": theirs,
        "revokes": revokes,
        "decided_by": by.strip(),
        "decided_at": at,
        "reason": (reason or "").strip() or None,
    }
    return {"decision_id": decision_id(row), **row}


def now() -> datetime:
    return datetime.now(UTC)


def match(desk: Desk, names: Sequence[str], by: str, reason: str | None) -> list[Row]:
    """All records of all ``names`` are one party."""
    first, *others = (desk.records_of(name) for name in names)
    rest = [record for records in others for record in records if record not in first]
    return [said(MATCH, first, rest, by, reason, now())]


def no_match(desk: Desk, left: Sequence[str], right: Sequence[str], by: str, reason: str | None) -> list[Row]:
    """No record of the left is the party of one of the right."""
    sides = [[record for name in side for record in desk.records_of(name)] for side in (left, right)]
    return [said(NO_MATCH, sides[0], sides[1], by, reason, now())]


def split(
    desk: Desk, customer: str, parts: Sequence[Sequence[str]], by: str, reason: str | None
) -> list[Row]:
    """The parts of a customer are different parties; a single part is apart from all its other records.

    Raises UsageError where a part names a record of somebody else, or nothing is left beside a single part.
    """
    customer = as_customer_id(customer)
    whole = desk.records_of(customer)
    named = [sorted({record for name in part for record in desk.records_of(name)}) for part in parts]
    for record in (r for part in named for r in part):
        if record not in whole:
            raise UsageError(f"{record} is no record of {customer}: `padron show {customer}` lists them.")
    if len(named) == 1:
        rest = sorted(set(whole) - set(named[0]))
        if not rest:
            raise UsageError(
                f"the part is all of {customer}: name fewer records, or the parts with / between them."
            )
        named.append(rest)
    at = now()
    return [
        said(NO_MATCH, part, [r for other in named[place + 1 :] for r in other], by, reason, at)
        for place, part in enumerate(named[:-1])
    ]


def revoke(desk: Desk, names: Sequence[str], by: str, reason: str | None) -> list[Row]:
    """Take decisions back, each named by its id or the beginning of one. Raises UsageError."""
    known = standing(desk.decisions)
    rows, at = [], now()
    for name in dict.fromkeys(names):
        found = [d for d in known if d.decision_id == name] or [
            d for d in known if d.decision_id.startswith(name)
        ]
        if not found:
            revokes = {r["decision_id"] for r in desk.decisions.to_pylist() if r["kind"] == REVOKE}
            if name in revokes:
                raise UsageError(f"{name} is itself a revoke: decide anew instead of revoking it.")
            raise UsageError(f"there is no decision {name}: `padron decide list` names them.")
        if len(found) > 1:
            raise UsageError(f"{name} is the beginning of {len(found)} decisions: write more of it.")
        if found[0].revoked_by is not None:
            raise UsageError(f"decision {found[0].decision_id} was revoked already by {found[0].revoked_by}.")
        rows.append(said(REVOKE, (), (), by, reason, at, found[0].decision_id))
    return rows


def propose(desk: Desk, rows: Iterable[Row]) -> Proposal:
    """Check ``rows`` against what was decided, and look ahead. Raises UsageError for one that stands already."""
    new = tuple(rows)
    known = [d for d in standing(desk.decisions) if d.revoked_by is None]
    says = {_meaning(d.kind, d.left, d.right): d for d in known}
    for row in new:
        same = says.get(_meaning(row["kind"], row["left_records"], row["right_records"]))
        if row["kind"] != REVOKE and same is not None:
            raise UsageError(f"decision {same.decision_id} says the same already: nothing was recorded.")
    outlook = desk.outlook(new)
    found = tuple(
        f"{row['kind'].replace('_', '-')} {row['decision_id']}: {_against(desk, outlook, row)}"
        for row in new
        if row["kind"] != REVOKE and outlook.states[row["decision_id"]]["state"] == CONTRADICTED
    )
    return Proposal(new, outlook, found)


def _meaning(kind: str, left: Iterable[str], right: Iterable[str]) -> object:
    sides = frozenset(left), frozenset(right)
    return kind, (sides[0] | sides[1] if kind == MATCH else frozenset(sides))


def _against(desk: Desk, outlook: Outlook, row: Row) -> str:
    """The chain that contradicts a decision, in words."""
    state = outlook.states[row["decision_id"]]
    decisions = {r["decision_id"]: r for r in desk.decisions.to_pylist()}
    steps = []
    for name in state["against"]:
        older = decisions.get(name)
        if older is None:
            steps.append(EVIDENCE.get(name, f"rule {name.partition(':')[2] or name} of conf/linkage.yml"))
        else:
            steps.append(
                f"{older['kind'].replace('_', '-')} {name} by {older['decided_by']} on {older['decided_at']:%Y-%m-%d} "
                f"({_side(older['left_records'])} / {_side(older['right_records'])})"
            )
    apart = "cannot be one" if row["kind"] == MATCH else "are one"
    return f"{state['left_record']} and {state['right_record']} {apart} by " + ", then ".join(steps)


def _side(records: Sequence[str]) -> str:
    more = f" +{len(records) - _SHOWN}" if len(records) > _SHOWN else ""
    return " ".join(records[:_SHOWN]) + more


def record(desk: Desk, proposal: Proposal, *, hold: bool = False) -> list[Row]:
    """Record the proposal. Raises UsageError where it contradicts, unless it is to be held back."""
    if proposal.contradictions and not hold:
        raise UsageError(
            "\n".join(
                [
                    "it contradicts what stands, and nothing was recorded:",
                    *proposal.contradictions,
                    "Revoke what is wrong, or add --hold: it is then recorded, and holds once nothing stands against it.",
                ]
            )
        )
    return stewards.record(desk.warehouse, proposal.rows)


def listed(desk: Desk) -> list[Row]:
    """Every match and no_match with its state, the newest first; one that no night has seen is ``waiting``.

    Keys: those of ``linkage/decisions``, and state, against, revoked_by, waits (its state changes in the next night).
    """
    states = desk.states()
    released = set(desk.released_decisions["decision_id"].to_pylist())
    by_id: dict[str, Decision] = {d.decision_id: d for d in standing(desk.decisions)}
    found = []
    for row in desk.decisions.to_pylist():
        if row["kind"] == REVOKE:
            continue
        decision, state = by_id[row["decision_id"]], states.get(row["decision_id"], {})
        waits = row["decision_id"] not in released or (
            decision.revoked_by is not None and decision.revoked_by not in released
        )
        shown = "revoked" if decision.revoked_by else str(state.get("state", WAITING))
        found.append(
            {
                **row,
                "state": shown,
                "against": list(state.get("against") or ()) if not decision.revoked_by else [],
                "revoked_by": decision.revoked_by,
                "waits": waits,
            }
        )
    return sorted(found, key=lambda row: (row["decided_at"], row["decision_id"]), reverse=True)
