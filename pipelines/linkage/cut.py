"""The cut: from which probability records are joined, set by the precision that it lets expect."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.components import Links

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CANDIDATES = (*(n / 40 for n in range(20, 39)), 0.96, 0.97, 0.98, 0.99)
"""Cuts that are tried, the lowest first: below a half, joining would be likelier wrong than right."""
DEFAULT = 0.9
"""The cut where there are too few pairs to set it on."""
LARGEST_GROUP = 60
"""Groups above this size count with their direct evidence only: paths grow with the cube of a size."""


def log_odds(probability: Floats) -> Floats:
    """Weight in bits of a probability, bounded so that one pair never decides alone."""
    p = np.clip(probability, 1e-5, 1 - 1e-5)
    bits: Floats = np.log2(p / (1 - p))
    return bits


def expected_precision(
    connection: duckdb.DuckDBPyConnection, group: Ints, left: Ints, right: Ints, probability: Floats
) -> float | None:
    """Expected share of right pairs among all pairs that share a group; None where there is none.

    A pair is as probable as its best evidence: its own probability, or the product along a path
    over one other record of the group.
    """
    inside = group[left] == group[right]
    if not inside.any():
        return None
    table = pa.table(
        {"g": group[left[inside]], "a": left[inside], "b": right[inside], "p": probability[inside]}
    )
    connection.register("grouped_pairs", table)
    value = connection.execute(
        f"""WITH small AS (
            SELECT g FROM grouped_pairs GROUP BY g HAVING count(*) <= {LARGEST_GROUP * (LARGEST_GROUP - 1) // 2}),
        e AS (SELECT g, a, b, p FROM grouped_pairs SEMI JOIN small USING (g)
              UNION ALL SELECT g, b, a, p FROM grouped_pairs SEMI JOIN small USING (g)),
        paths AS (SELECT x.a, y.b, max(x.p * y.p) AS p FROM e x JOIN e y ON x.g = y.g AND x.b = y.a AND x.a < y.b
                  GROUP BY x.a, y.b)
        SELECT avg(greatest(d.p, coalesce(paths.p, 0))) FROM grouped_pairs d
        LEFT JOIN paths ON paths.a = d.a AND paths.b = d.b"""
    ).fetchall()[0][0]
    connection.unregister("grouped_pairs")
    return float(value)


def choose_cut(
    connection: duckdb.DuckDBPyConnection,
    nodes: int,
    pairs: Links,
    believed: Floats,
    forbidden: npt.NDArray[np.bool_],
    precision: float,
    min_pairs: int,
) -> float:
    """The lowest cut whose groups let expect ``precision`` of their pairs; the highest if none does.

    ``pairs`` are all pairs inside the components; groups form on their weights, and what is
    expected of them is what the model ``believed`` before any rule.
    """
    if len(pairs) < min_pairs:
        return DEFAULT
    for cut in CANDIDATES:
        group = agglomerate(nodes, pairs, forbidden, float(log_odds(np.array(cut))))
        expected = expected_precision(connection, group, pairs.left, pairs.right, believed)
        if expected is not None and expected >= precision:
            return cut
    return CANDIDATES[-1]
