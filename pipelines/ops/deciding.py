"""Decisions as a steward makes them: checked against what is there, shown with their effect, then recorded."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.errors import UsageError
from pipelines.linkage.decision_files import check_sides, decision_id
from pipelines.linkage.decisions import (
    ACTIVE,
    CONTRADICTED,
    DORMANT,
    MATCH,
    NO_MATCH,
    REVOKE,
    REVOKED,
    standing,
)
from pipelines.ops import stewards
from pipelines.ops.register import as_customer_id

if TYPE_CHECKING:
    from pipelines.linkage.decisions import Decision
    from pipelines.ops.desk import Desk, Outlook, Row

WAITING = "waiting"
"""State of a decision that no night has seen yet, and that the next one follows."""
UNKNOWN = "unknown"
"""State of a decision that does nothing because nobody knows what it names."""
EVIDENCE = {
    "never": (
        "never-evidence: two values that one party cannot have",
        "never-evidence cannot be revoked: have the source correct the value that is wrong",
    ),
    "party_type": (
        "one is a person, the other a company",
        "what they are cannot be revoked: have the source correct the one that is wrong",
    ),
    "duplicate_free": (
        "both are of a source without duplicates",
        "if the source does hold somebody twice, take it out of duplicate_free of conf/linkage.yml",
    ),
    "max_component": (
        "together they are more records than max_component of conf/linkage.yml",
        "match fewer records, or raise max_component",
    ),
}
"""What may stand against a decision beside other decisions: in words, and what can be done about it."""
_SHOWN = 4


@dataclass(frozen=True)
class Held:
    """A decision that cannot be had beside what stands."""

    decision_id: str
    said: str
    """The decision and the chain that contradicts it."""
    against: tuple[str, ...]
    """The decisions of that chain."""
    remedy: str

    def in_words(self) -> str:
        return f"{self.said}. What to do: {self.remedy}."


@dataclass(frozen=True)
class Proposal:
    """Decisions that were asked for and not recorded yet."""

    rows: tuple[Row, ...]
    outlook: Outlook
    held: tuple[Held, ...]
    """Those that would be held back."""

    def refusal(self) -> list[str]:
        """Why it is not recorded, a line each; none where it can be."""
        told = [held.in_words() for held in self.held]
        return ["it contradicts what stands, and nothing was recorded:", *told] if told else []


def said(
    kind: str,
    left: Sequence[str],
    right: Sequence[str],
    by: str,
    reason: str | None,
    at: datetime,
    revokes: str | None = None,
) -> Row:
    """A row of ``linkage/decisions``. Raises UsageError where the sides cannot be decided about, or nobody says why."""
    ours, theirs = sorted(set(left)), sorted(set(right))
    if not by.strip():
        raise UsageError("a decision needs somebody who decides: name them with --by.")
    if not (reason or "").strip():
        raise UsageError("a decision needs a reason, which is kept with it: say why with --reason.")
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
    known = standing(desk.decisions)
    for row in new:
        same = said_already(known, row)
        if same is not None:
            raise UsageError(f"decision {same} says the same already: nothing was recorded.")
    outlook = desk.outlook(new)
    decisions = {row["decision_id"]: row for row in (*desk.decisions.to_pylist(), *new)}
    found = tuple(
        _held(outlook.states[row["decision_id"]], row, decisions, {row["decision_id"] for row in new})
        for row in new
        if row["kind"] != REVOKE and outlook.states[row["decision_id"]]["state"] == CONTRADICTED
    )
    return Proposal(new, outlook, found)


def said_already(known: Iterable[Decision], row: Row) -> str | None:
    """The decision of ``known`` that holds and says what ``row`` does."""
    if row["kind"] == REVOKE:
        return None
    meant = _meaning(row["kind"], row["left_records"], row["right_records"])
    holding = (d for d in known if d.revoked_by is None)
    return next((d.decision_id for d in holding if _meaning(d.kind, d.left, d.right) == meant), None)


def _meaning(kind: str, left: Iterable[str], right: Iterable[str]) -> object:
    sides = frozenset(left), frozenset(right)
    return kind, (sides[0] | sides[1] if kind == MATCH else frozenset(sides))


def _held(state: Row, row: Row, decisions: Mapping[str, Row], new: Container[str]) -> Held:
    """The chain that contradicts a decision, in words, and what can be done about it."""
    steps, remedies = [], []
    older = [name for name in state["against"] if name in decisions]
    for name in state["against"]:
        if name in decisions:
            step = decisions[name]
            steps.append(
                f"{step['kind'].replace('_', '-')} {name} by {step['decided_by']} on {step['decided_at']:%Y-%m-%d} "
                f"({_side(step['left_records'])} / {_side(step['right_records'])})"
            )
        else:
            rule = f"rule {name.partition(':')[2] or name} of conf/linkage.yml"
            words, remedy = EVIDENCE.get(name, (rule, f"a rule cannot be revoked: change {rule}"))
            steps.append(words)
            remedies.append(remedy)
    recorded = [name for name in older if name not in new]
    if recorded:
        remedies = [f"`padron decide revoke {' or '.join(recorded)}`, if that is wrong"]
    elif older:
        remedies = ["decide one of them otherwise"]
    apart = "cannot be one" if row["kind"] == MATCH else "are one"
    said = f"{state['left_record']} and {state['right_record']} {apart} by {', then '.join(steps)}"
    named = f"{row['kind'].replace('_', '-')} {row['decision_id']}"
    return Held(row["decision_id"], f"{named}: {said}", tuple(older), "; ".join(remedies))


def _side(records: Sequence[str]) -> str:
    more = f" +{len(records) - _SHOWN}" if len(records) > _SHOWN else ""
    return " ".join(records[:_SHOWN]) + more


def record(desk: Desk, proposal: Proposal, *, hold: bool = False) -> list[Row]:
    """Record the proposal. Raises UsageError where it contradicts, unless it is to be held back."""
    if proposal.held and not hold:
        raise UsageError("\n".join(proposal.refusal()))
    return stewards.record(desk.warehouse, proposal.rows)


def listed(desk: Desk) -> list[Row]:
    """Every match and no_match with its state, the newest first.

    One that no night has seen is ``waiting``, or what the next night will find of it where it will not follow it:
    contradicted or dormant; ``unknown``, also a revoke, where it does nothing because nobody knows what it names.
    Keys: those of ``linkage/decisions``, and state, against, revoked_by, waits (its state changes in the next
    night), unknown (what nobody knows, or None) and place (where conf has it, or None).
    """
    released = set(desk.released_decisions["decision_id"].to_pylist())
    decisions = desk.decisions
    by_id: dict[str, Decision] = {d.decision_id: d for d in standing(decisions)}
    lost = {found.decision_id: found for found in desk.unknown(decisions)}
    now = desk.states()
    coming = desk.outlook().states if set(by_id) - released else {}
    found = []
    for row in decisions.to_pylist():
        name = row["decision_id"]
        told = {
            "unknown": lost[name].in_words() if name in lost else None,
            "place": desk.settings.decision_places.get(name),
        }
        if row["kind"] == REVOKE:
            if name in lost:
                rest: Row = {"state": UNKNOWN, "against": [], "revoked_by": None, "waits": False}
                found.append({**row, **rest, **told})
            continue
        decision = by_id[name]
        is_new = name not in released
        state = (coming if is_new else now).get(name, {})
        if decision.revoked_by is not None:
            shown = REVOKED
        elif is_new and state.get("state", ACTIVE) == ACTIVE:
            shown = WAITING
        else:
            shown = str(state.get("state", WAITING))
            shown = UNKNOWN if name in lost and shown == DORMANT else shown
        found.append(
            {
                **row,
                **told,
                "state": shown,
                "against": list(state.get("against") or ()) if decision.revoked_by is None else [],
                "revoked_by": decision.revoked_by,
                "waits": is_new or (decision.revoked_by is not None and decision.revoked_by not in released),
            }
        )
    return sorted(found, key=lambda row: (row["decided_at"], row["decision_id"]), reverse=True)
