"""The identity tables: whose each record is, since when, why, and what every id ever published is now.

History and events say the same thing twice on purpose: the history is what readers ask, the
events are what can be replayed and audited.
"""

from __future__ import annotations

from pipelines.tables import DATE, INT, LONG, STRING, Column, Kind, Personal, Table

_P = Personal.PSEUDONYM

RECORD = ("source", "record_id")
"""What names a record everywhere."""

EVENT_KINDS = {
    "created": "a record never seen before, in a customer that is new tonight",
    "added": "a record never seen before, in a customer that existed",
    "changed": "what the record says for matching changed; its customer did not",
    "merged": "the record's customer became part of another, and so did the record",
    "split": "the record left its customer for a new one, or with records that return to an old one",
    "reassigned": "the record left its customer, which stays, for another that existed",
    "revived": "the record is back with an id it held before: it was deleted, or a merge was undone",
    "retired": "the source does not deliver the record any more",
    "erased": "the record was erased on request",
}

CAUSES = {
    "new_record": "a record came, or came back",
    "deleted": "a record that held the customer together was deleted",
    "edit": "what a record says for matching changed",
    "decision": "a steward decided, or took a decision back",
    "generation": "another model was adopted",
    "linkage": "the same records were linked otherwise: rules, values known as generic",
    "rename": "a declared rename: the record goes on under another name, with the same customer",
    "rollback": "a release was taken back, and what it had changed with it",
    "erasure": "a person asked for it",
}


def one_of(column: str, values: dict[str, str]) -> str:
    """SQL: ``column`` holds one of the keys of ``values``."""
    return f"{column} IN ({', '.join(repr(v) for v in values)})"


ASSIGNMENTS = Table(
    layer="identity",
    name="assignments",
    grain="One live source record.",
    key=RECORD,
    columns=(
        Column("source", STRING, "Source system that owns the record.", required=True),
        Column("record_id", STRING, "The record's key inside its source.", _P, required=True),
        Column("customer_id", STRING, "The customer that the record belongs to.", _P, required=True),
    ),
    owner="data engineering",
)

ASSIGNMENT_HISTORY = Table(
    layer="identity",
    name="assignment_history",
    grain="One stay of a record, live or deleted, with one customer.",
    key=(*RECORD, "valid_from"),
    columns=(
        Column("source", STRING, "Source system that owns the record.", required=True),
        Column("record_id", STRING, "The record's key inside its source.", _P, required=True),
        Column("customer_id", STRING, "The customer that the record belonged to.", _P, required=True),
        Column("valid_from", DATE, "First business date of the stay.", required=True),
        Column(
            "valid_to",
            DATE,
            "Business date on which the stay had ended; NULL while it lasts. "
            "Equal to valid_from only for a record deleted on the date on which it came.",
        ),
    ),
    owner="data engineering",
    check="valid_to IS NULL OR valid_to >= valid_from",
)

ALIASES = Table(
    layer="identity",
    name="aliases",
    grain="One customer that an id has become, while it was so.",
    key=("customer_id", "became", "valid_from"),
    columns=(
        Column("customer_id", STRING, "An id that was published once.", _P, required=True),
        Column(
            "became",
            STRING,
            "A customer where its people are now, kept at current ids; the id itself where a split left "
            "it a part. NULL for an erased one.",
            _P,
        ),
        Column(
            "kind",
            STRING,
            "merged: the id is no customer any more. split: it still is one, and has lost people to "
            "`became`. erased: its people asked to be forgotten.",
            required=True,
        ),
        Column("valid_from", DATE, "First business date on which it was so.", required=True),
        Column("valid_to", DATE, "Business date on which it was so no more; NULL while it is."),
    ),
    owner="data engineering",
    check="kind IN ('merged', 'split', 'erased') AND (valid_to IS NULL OR valid_to > valid_from)",
)

EVENTS = Table(
    layer="identity",
    name="events",
    grain="What happened to one record in one publication of a business date.",
    key=("business_date", "sequence"),
    columns=(
        Column("business_date", DATE, "Business date of the night.", required=True),
        Column(
            "publication",
            INT,
            "How many times the business date had been published, this one included: 2 where a late file "
            "or a decision made it run again.",
            required=True,
        ),
        Column("sequence", LONG, "Place of the event in its business date, from 1.", required=True),
        Column(
            "event",
            STRING,
            "; ".join(f"{kind}: {meaning}" for kind, meaning in EVENT_KINDS.items()) + ".",
            required=True,
        ),
        Column("source", STRING, "Source system that owns the record.", required=True),
        Column("record_id", STRING, "The record's key inside its source.", _P, required=True),
        Column("old_customer_id", STRING, "Customer before; of a record that is back, its last one.", _P),
        Column("customer_id", STRING, "Customer after; NULL when the record is gone.", _P),
        Column(
            "cause",
            STRING,
            "; ".join(f"{cause}: {meaning}" for cause, meaning in CAUSES.items()) + ".",
            required=True,
        ),
        Column(
            "evidence",
            STRING,
            "What it rests on, as JSON: cluster (the record's, by its smallest source:record_id), pair (the "
            "strongest one between the record, or those that moved with it, and the others of its cluster; of a "
            "split the strongest that was left to its old customer), match_weight (bits), probability, rule "
            "(what brought the pair), decided_by, decision (a steward's). NULL when the record is gone.",
            _P,
        ),
    ),
    owner="data engineering",
    kind=Kind.APPEND,
    check=f"{one_of('event', EVENT_KINDS)} AND {one_of('cause', CAUSES)}",
)
