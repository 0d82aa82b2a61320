"""Rules that hold beside the model: what never goes together, and what a name alone cannot do."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.comparisons import NONE, Own, level_number
from pipelines.linkage.config import is_open
from pipelines.linkage.exact_rules import differ
from pipelines.linkage.relation import Relations, evidence

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NAME_ALONE = "name_alone"
"""``decided_by`` of a pair whose names merely resemble and that nothing else joins: no cut joins it."""

NAME_ALONE_CEILING = 0.49
"""Its probability at most: less likely one person than two."""

RESEMBLING: dict[str, dict[str, tuple[str, ...]]] = {
    "person": {"given_name": ("misspelt", "alike"), "surname": ("sounds alike or misspelt", "alike")},
    "company": {"company_name": ("misspelt", "alike")},
}
"""The levels at which a name is not the same and merely resembles."""

NAMES: dict[str, tuple[str, ...]] = {
    "person": ("given_name", "surname", "second_surname"),
    "company": ("company_name",),
}
"""The comparisons of names; all others are evidence beside them."""

PERSONAL = ("birth_date", "email_births", "emails", "phones", "tax_id", "loyalty_id")
"""What a person has alone, and categories and texts beside these. Joan and Joana share a house; that
they do says nothing of who they are."""

LEAST_PERSONAL = 4.0
"""Bits of personal evidence that given names that only resemble need: sixteen to one."""

LEAST_BESIDE = 8.0
"""Bits of any evidence beside the names that surnames, or names of companies, that only resemble need."""


def forbidden_pairs(connection: duckdb.DuckDBPyConnection, pairs: pa.Table, never: tuple[str, ...]) -> Bools:
    """Which pairs (node_l, node_r, sorted) hold two different values of a never-evidence role."""
    if not never or pairs.num_rows == 0:
        return np.zeros(pairs.num_rows, bool)
    differs = " OR ".join(differ(role) for role in never)
    connection.register("judged", pairs.select(["node_l", "node_r"]))
    result = connection.sql(
        f"""SELECT {differs} AS never FROM judged j
        JOIN people l ON l.node = j.node_l JOIN people r ON r.node = j.node_r ORDER BY j.node_l, j.node_r"""
    ).to_arrow_table()
    connection.unregister("judged")
    found: Bools = result["never"].to_numpy().astype(bool)
    return found


def name_alone(model: str, pairs: pa.Table, relations: Relations, own: Own = NONE) -> Bools:
    """Pairs whose names only resemble (Joan and Joana, Prado and Prados) and that little else joins.

    A given name needs evidence that a person has alone, a surname strong evidence of any kind: as the
    relation model counts it, or Splink where that is not trusted. Of a comparison that is one's ``own``
    every level but the strongest and all else is a resemblance.
    """
    names = NAMES.get(model, ())
    beside = np.zeros(pairs.num_rows)
    personal = np.zeros(pairs.num_rows)
    for column in pairs.column_names:
        role = column.removeprefix("weight_")
        if role != column and role not in names:
            bits = evidence(relations, pairs, role) if relations.trusted else pairs[column].to_numpy()
            beside += bits
            personal += bits if role in PERSONAL or is_open(role) else 0.0
    alone = np.zeros(pairs.num_rows, bool)
    for role, levels in RESEMBLING.get(model, {}).items():
        if f"gamma_{role}" in pairs.column_names:
            strongest = level_number(model, role, "equal", own)
            between = range(1, strongest)
            numbers = between if role in own else [level_number(model, role, level) for level in levels]
            resembles = np.isin(pairs[f"gamma_{role}"].to_numpy(), list(numbers))
            is_given = role == "given_name"
            alone |= resembles & ((personal < LEAST_PERSONAL) if is_given else (beside < LEAST_BESIDE))
    return alone


def ruled(
    model: str,
    pairs: pa.Table,
    probability: Floats,
    forbidden: Bools,
    relations: Relations,
    own: Own = NONE,
) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Probabilities after the rules, and what decided each: relation, splink, name_alone, never."""
    decided = np.full(pairs.num_rows, "relation" if relations.trusted else "splink", dtype=object)
    capped = name_alone(model, pairs, relations, own) & (probability > NAME_ALONE_CEILING)
    decided[capped] = NAME_ALONE
    decided[forbidden] = "never"
    return np.where(capped, NAME_ALONE_CEILING, probability), decided
