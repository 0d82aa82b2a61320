"""``linkage/decisions``: what stewards decided; it holds in every later night until revoked.

Stewards append to the table between the nights, and a night reads it as it was when the night started.
What became of each decision that night is in ``linkage/decision_states``.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipelines.tables import STRING, STRINGS, TIMESTAMP, Column, Kind, Personal, Table

_P = Personal.PSEUDONYM

MATCH, NO_MATCH, REVOKE = "match", "no_match", "revoke"

DECISIONS = Table(
    layer="linkage",
    name="decisions",
    grain="One decision of a steward about two sets of records.",
    key=("decision_id",),
    columns=(
        Column("decision_id", STRING, "Identifier of the decision.", required=True),
        Column("kind", STRING, "match, no_match or revoke.", required=True),
        Column("left_records", STRINGS, "source:record_id of the one side.", _P, required=True),
        Column("right_records", STRINGS, "source:record_id of the other side.", _P),
        Column("revokes", STRING, "The decision that this one takes back; revoke only."),
        Column("decided_by", STRING, "Who decided.", Personal.QUASI, required=True),
        Column("decided_at", TIMESTAMP, "When.", required=True),
        Column("reason", STRING, "Why, in the steward's words.", Personal.QUASI),
    ),
    owner="data stewards",
    kind=Kind.APPEND,
    check="kind IN ('match', 'no_match', 'revoke')",
)

ACTIVE, DORMANT, CONTRADICTED, REVOKED = "active", "dormant", "contradicted", "revoked"

DECISION_STATES = Table(
    layer="linkage",
    name="decision_states",
    grain="One decision (match or no_match), as the night found it.",
    key=("decision_id",),
    columns=(
        Column("decision_id", STRING, "Identifier of the decision.", required=True),
        Column("kind", STRING, "match or no_match.", required=True),
        Column(
            "state",
            STRING,
            "active; dormant (a side has no live record); contradicted (held: it cannot be had beside what "
            "against names); revoked.",
            required=True,
        ),
        Column(
            "against",
            STRINGS,
            "What a contradicted decision stands against: the older decisions that lead from the one side to the "
            "other, by their ids, and never, a never-rule (never:<name>), party_type, duplicate_free or max_component.",
        ),
        Column("left_record", STRING, "A record of the left side that shows it; contradicted only.", _P),
        Column(
            "right_record", STRING, "The record of the right side that it cannot go with, or apart from.", _P
        ),
        Column("revoked_by", STRING, "The decision that took it back."),
    ),
    owner="data stewards",
    check="state IN ('active', 'dormant', 'contradicted', 'revoked')",
)

STATES_SCHEMA: pa.Schema = DECISION_STATES.arrow


@dataclass(frozen=True)
class Decision:
    """A match or a no_match: every record of both sides is one party, or none of the left is one of the right."""

    decision_id: str
    is_match: bool
    left: tuple[str, ...]
    """source:record_id."""
    right: tuple[str, ...]
    decided_at: datetime
    revoked_by: str | None = None

    @property
    def kind(self) -> str:
        return MATCH if self.is_match else NO_MATCH

    @property
    def records(self) -> tuple[str, ...]:
        return (*self.left, *self.right)

    def among(self, live: frozenset[str] | set[str]) -> Decision:
        """The decision about the records of it that are ``live``."""
        left, right = (tuple(sorted(live.intersection(side))) for side in (self.left, self.right))
        return Decision(self.decision_id, self.is_match, left, right, self.decided_at, self.revoked_by)

    @property
    def is_dormant(self) -> bool:
        """True where nothing is left to decide: a side is empty, or one record stands alone."""
        return len(set(self.records)) < 2 or not (self.left and (self.right or self.is_match))


@dataclass(frozen=True)
class Unknown:
    """A decision that names what nobody knows: it does less than it says, or nothing."""

    decision_id: str
    records: tuple[str, ...]
    """source:record_id that no source ever delivered."""
    revokes: str | None
    """The decision that it takes back, where there is none."""

    def in_words(self) -> str:
        """With the records' keys."""
        if self.revokes is not None:
            return f"there is no decision {self.revokes} to revoke"
        return f"there is no record {', '.join(self.records)}"

    def in_figures(self) -> str:
        """Without them."""
        if self.revokes is not None:
            return f"revokes {self.revokes}, which is no decision"
        many = "a record" if len(self.records) == 1 else f"{len(self.records):,} records"
        return f"names {many} that no source ever delivered"


def unknown(decisions: pa.Table | None, delivered: Container[str]) -> list[Unknown]:
    """What decisions that hold, and revokes, name and nobody knows; ``delivered``: records of any night."""
    known = standing(decisions)
    there = {decision.decision_id for decision in known}
    missing = {
        d.decision_id: tuple(sorted({name for name in d.records if name not in delivered}))
        for d in known
        if d.revoked_by is None
    }
    revokes = [row for row in (decisions.to_pylist() if decisions else []) if row["kind"] == REVOKE]
    return [
        *(Unknown(name, records, None) for name, records in missing.items() if records),
        *(Unknown(r["decision_id"], (), r["revokes"]) for r in revokes if r["revokes"] not in there),
    ]


def standing(decisions: pa.Table | None) -> list[Decision]:
    """Every match and no_match of ``linkage/decisions``, the oldest first; revoked ones say so.

    A decision that names one record on both sides to keep it apart from itself is never among the
    table's rows: whoever writes there checks it.
    """
    if decisions is None:
        return []
    rows = sorted(decisions.to_pylist(), key=lambda row: (row["decided_at"], row["decision_id"]))
    revoked = {row["revokes"]: row["decision_id"] for row in rows if row["kind"] == REVOKE}
    return [
        Decision(
            row["decision_id"],
            row["kind"] == MATCH,
            tuple(sorted(set(row["left_records"] or ()))),
            tuple(sorted(set(row["right_records"] or ()))),
            row["decided_at"],
            revoked.get(row["decision_id"]),
        )
        for row in rows
        if row["kind"] != REVOKE
    ]
