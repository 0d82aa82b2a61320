"""Expectation maximisation with smoothing, for a session that Splink's own cannot end.

A level that no true pair of a session has drives its m to zero, which Splink refuses. Here every
level starts with, and keeps, a few pairs of the starter model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import duckdb
import numpy as np
import numpy.typing as npt

from pipelines.linkage.generations import Model
from pipelines.linkage.levels import Comparison
from pipelines.linkage.scoring import score_pairs

Floats = npt.NDArray[np.float64]

PSEUDO_PAIRS = 5.0
ITERATIONS = 100
START = 0.3
"""Share of true pairs in a training block, to start from."""


def smoothed_m(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    comparisons: Sequence[Comparison],
    u: Mapping[str, Mapping[str, float]],
    rule: tuple[str, ...],
    max_pairs: int,
) -> tuple[dict[str, dict[str, float]], float]:
    """m by role and level name, and the share of matches, of the pairs of ``people`` that agree on ``rule``."""
    agree = " AND ".join(f"l.{column} = r.{column}" for column in rule)
    connection.execute(
        f"""CREATE OR REPLACE TABLE em_pairs AS
        SELECT l.node AS join_key_l, r.node AS join_key_r, '0' AS match_key
        FROM people l JOIN people r ON {agree} AND l.node < r.node
        ORDER BY hash(l.node, r.node) LIMIT {max_pairs}"""
    )
    scored = score_pairs(connection, model, "em_pairs")
    connection.execute("DROP TABLE em_pairs")
    free = [c for c in comparisons if not _uses(c, rule)]
    patterns, counts = np.unique(
        np.stack([scored[f"gamma_{c.role}"].to_numpy() for c in free], axis=1), axis=0, return_counts=True
    )
    # Level numbers count from the weakest level up.
    starter = [np.array([level.m for level in c.levels])[::-1] for c in free]
    chance = [np.array([u[c.role][level.name] for level in c.levels])[::-1] for c in free]
    m = [values.copy() for values in starter]
    share = START
    for _ in range(ITERATIONS):
        logit = np.full(len(patterns), np.log(share / (1 - share)))
        for c in range(len(free)):
            known = patterns[:, c] >= 0
            logit[known] += np.log(m[c] / chance[c])[patterns[known, c]]
        weight = counts / (1 + np.exp(-np.clip(logit, -60, 60)))
        share = float(np.clip(weight.sum() / counts.sum(), 1e-6, 1 - 1e-6))
        for c in range(len(free)):
            known = patterns[:, c] >= 0
            raw = (
                np.bincount(patterns[known, c], weight[known], minlength=len(m[c]))
                + PSEUDO_PAIRS * starter[c]
            )
            m[c] = raw / raw.sum()
    return {
        c.role: {level.name: float(value) for level, value in zip(c.levels, values[::-1], strict=True)}
        for c, values in zip(free, m, strict=True)
    }, share


def _uses(comparison: Comparison, rule: tuple[str, ...]) -> bool:
    conditions = " ".join(level.condition or "" for level in comparison.levels)
    return any(f"{column}_l" in conditions for column in rule)
