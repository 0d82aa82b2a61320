"""``linkage/review_queue``: what a person should look at, the most doubtful first."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.decisions import CONTRADICTED
from pipelines.tables import DOUBLE, INT, STRING, Column, Personal, Table

_P = Personal.PSEUDONYM
KEYS = ("source_l", "record_id_l", "source_r", "record_id_r")
"""What names a case: the pair of records that shows it."""

REASONS = {
    "doubtful": "two customers: below the cut",
    "apart": "two customers: likely one, but other evidence keeps them apart",
    "name_alone": "two customers: only names that merely resemble join them",
    "never": "two customers: never-evidence keeps them apart",
    "weak_link": "one customer that hangs together by this pair, which is hardly likelier than the cut",
    "two_birth_dates": "one customer with two birth dates",
    "two_given_names": "one customer with two given names that no spelling or nickname explains",
    "contradicted": "a decision that is held back",
}

REVIEW_QUEUE = Table(
    layer="linkage",
    name="review_queue",
    grain="One case that the night left for a steward, by the pair of records that shows it.",
    key=KEYS,
    columns=(
        Column("priority", INT, "1 is looked at first.", unit="rank", required=True),
        Column("source_l", STRING, "Source of the left record.", required=True),
        Column("record_id_l", STRING, "Key of the left record.", _P, required=True),
        Column("source_r", STRING, "Source of the right record.", required=True),
        Column("record_id_r", STRING, "Key of the right record.", _P, required=True),
        Column(
            "same_person_probability",
            DOUBLE,
            "Probability that both are one; 0 of a pair inside a cluster that was not kept, and of contradicted.",
            unit="share",
            required=True,
        ),
        Column("relation", STRING, "Likeliest relation of the pair."),
        Column(
            "reason", STRING, "; ".join(f"{r}: {text}" for r, text in REASONS.items()) + ".", required=True
        ),
        Column(
            "uncertainty",
            DOUBLE,
            "How little the model knows: 1 at the cut, 0 where it is certain.",
            unit="share",
            formula="1 − (probability − cut) ÷ (1 − cut) from the cut on, probability ÷ cut below; 1 for contradicted, 0.5 at least for "
            "two_birth_dates and two_given_names",
        ),
        Column("decision_id", STRING, "The decision that is held back; contradicted only."),
    ),
    owner="data stewards",
)

SCHEMA: pa.Schema = REVIEW_QUEUE.arrow
SUSPECTS = pa.schema([field for field in SCHEMA if field.name not in ("priority", "decision_id")])
"""Cases before they are ranked: those inside clusters (``suspects``), and between them (``doubtful``)."""
STEPS = 6
"""Digits of an uncertainty: less differs by the order of adding."""


def uncertainty_sql(probability: str, cut: str) -> str:
    """SQL of the uncertainty."""
    return (
        f"round(1 - CASE WHEN {probability} >= {cut} THEN ({probability} - {cut}) / (1 - {cut}) "
        f"ELSE ({cut} - {probability}) / {cut} END, {STEPS})"
    )


def review_queue(
    pairs: pa.Table,
    together: pa.Array,
    cut: float,
    suspects: pa.Table | None = None,
    states: pa.Table | None = None,
) -> pa.Table:
    """The queue: every case of the night, the most uncertain first, equal ones in the order of their keys.

    ``pairs``: rows of ``linkage/scored_pairs``; ``together`` says of each whether nobody has to look at it,
    because its records share their final cluster or a steward decided. ``suspects``: rows of ``SUSPECTS``.
    ``states``: rows of ``linkage/decision_states``.
    """
    held = contradicted(states)
    found = [doubtful(pairs.filter(pc.invert(together)), cut), *([] if suspects is None else [suspects])]
    cases = pa.concat_tables([held, *(_without(table, held) for table in found)], promote_options="default")
    order = [("uncertainty", "descending"), *((key, "ascending") for key in KEYS)]
    ranked = cases.sort_by(order)
    ranked = ranked.append_column("priority", pa.array(range(1, ranked.num_rows + 1), pa.int32()))
    return ranked.select(SCHEMA.names).cast(SCHEMA)


def doubtful(pairs: pa.Table, cut: float) -> pa.Table:
    """Rows of ``linkage/scored_pairs`` in two clusters that nobody decided about, as cases: rows of ``SUSPECTS``."""
    probability = pairs["same_person_probability"]
    decided = pairs["decided_by"]
    by_weight = pc.if_else(pc.greater_equal(probability, cut), "apart", "doubtful")
    reason = pc.case_when(
        pc.make_struct(pc.equal(decided, "name_alone"), pc.starts_with(decided, "never")),
        "name_alone",
        "never",
        by_weight,
    )
    distance = pc.if_else(
        pc.greater_equal(probability, cut),
        pc.divide(pc.subtract(probability, cut), 1 - cut),
        pc.divide(pc.subtract(cut, probability), cut),
    )
    uncertainty = pc.round(pc.subtract(1.0, distance), STEPS)
    found = pairs.append_column("reason", reason).append_column("uncertainty", uncertainty)
    return found.select(SUSPECTS.names).cast(SUSPECTS)


def contradicted(states: pa.Table | None) -> pa.Table:
    """The decisions that are held back, as cases: the first of those that one pair of records shows."""
    found: dict[tuple[str, ...], dict[str, object]] = {}
    for row in [] if states is None else states.to_pylist():
        if row["state"] == CONTRADICTED:
            left, right = sorted(name.split(":", 1) for name in (row["left_record"], row["right_record"]))
            found.setdefault(
                (*left, *right),
                {
                    **dict(zip(KEYS, (*left, *right), strict=True)),
                    "same_person_probability": 0.0,
                    "reason": CONTRADICTED,
                    "uncertainty": 1.0,
                    "decision_id": row["decision_id"],
                },
            )
    return pa.Table.from_pylist(list(found.values()), schema=SCHEMA).drop_columns(["priority"])


def _without(cases: pa.Table, others: pa.Table) -> pa.Table:
    return (
        cases
        if not others.num_rows
        else cases.join(others.select(list(KEYS)), list(KEYS), join_type="left anti")
    )
