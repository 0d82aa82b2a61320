"""``linkage/decisions``: what stewards decided; it holds in every later night until revoked."""

from __future__ import annotations

from pipelines.tables import STRING, STRINGS, TIMESTAMP, Column, Kind, Personal, Table

_P = Personal.PSEUDONYM

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
