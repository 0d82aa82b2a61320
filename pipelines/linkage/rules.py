"""Rules that hold beside the model: what never goes together, and what a name alone cannot do."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.comparisons import NONE, Own, level_number

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NAME_ALONE_CEILING = 0.49
"""Probability of a pair whose names merely resemble and that nothing else joins: below any cut."""

SAME_NAME: dict[str, dict[str, str]] = {
    "person": {"given_name": "one holds the other", "surname": "equal"},
    "company": {"company_name": "equal"},
}
"""The weakest level at which a name is the same and does not merely resemble."""

INDEPENDENT: dict[str, dict[str, str]] = {
    "person": {
        "birth_date": "one slip",
        "emails": "one in common",
        "phones": "one in common",
        "tax_id": "equal",
        "postal_code": "street and place",
        "loyalty_id": "equal",
    },
    "company": {
        "emails": "one in common",
        "phones": "one in common",
        "tax_id": "equal",
        "postal_code": "street and place",
    },
}
"""The weakest level of each role that is evidence beside the name."""


_SAME_KIND: dict[str, str] = {"tax_id": " AND NOT coalesce(l.tax_id_type <> r.tax_id_type, false)"}
"""Where values of two kinds are not two values: one person has an RFC and a CURP."""


def forbidden_pairs(connection: duckdb.DuckDBPyConnection, pairs: pa.Table, never: tuple[str, ...]) -> Bools:
    """Which pairs (node_l, node_r, sorted) hold two different values of a never-evidence role."""
    if not never or pairs.num_rows == 0:
        return np.zeros(pairs.num_rows, bool)
    differs = " OR ".join(
        f"coalesce(l.{role} <> r.{role}{_SAME_KIND.get(role, '')}, false)" for role in never
    )
    connection.register("judged", pairs.select(["node_l", "node_r"]))
    result = connection.sql(
        f"""SELECT {differs} AS never FROM judged j
        JOIN people l ON l.node = j.node_l JOIN people r ON r.node = j.node_r ORDER BY j.node_l, j.node_r"""
    ).to_arrow_table()
    connection.unregister("judged")
    found: Bools = result["never"].to_numpy().astype(bool)
    return found


def name_alone(model: str, pairs: pa.Table, own: Own = NONE) -> Bools:
    """Pairs whose names only resemble (Joan and Joana, Prado and Prados) and that nothing else joins."""
    resembles = np.zeros(pairs.num_rows, bool)
    joined = np.zeros(pairs.num_rows, bool)
    for role, level in SAME_NAME.get(model, {}).items():
        if f"gamma_{role}" in pairs.column_names:
            gamma = pairs[f"gamma_{role}"].to_numpy()
            resembles |= (gamma >= 0) & (gamma < level_number(model, role, level, own))
    for role, level in INDEPENDENT.get(model, {}).items():
        if f"gamma_{role}" in pairs.column_names:
            joined |= pairs[f"gamma_{role}"].to_numpy() >= level_number(model, role, level, own)
    return resembles & ~joined


def ruled(
    model: str,
    pairs: pa.Table,
    probability: Floats,
    forbidden: Bools,
    *,
    by_relation: bool,
    own: Own = NONE,
) -> tuple[Floats, npt.NDArray[np.object_]]:
    """Probabilities after the rules, and what decided each: relation, splink, name_alone, never."""
    decided = np.full(pairs.num_rows, "relation" if by_relation else "splink", dtype=object)
    capped = name_alone(model, pairs, own) & (probability > NAME_ALONE_CEILING)
    decided[capped] = "name_alone"
    decided[forbidden] = "never"
    return np.where(capped, NAME_ALONE_CEILING, probability), decided
