"""The cut: from which probability records are joined, set by the precision that it lets expect."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.agglomerate import GRAIN, agglomerate
from pipelines.linkage.components import Links

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

CANDIDATES = (*(n / 40 for n in range(4, 39)), 0.96, 0.97, 0.98, 0.99)
"""Cuts that are tried, the lowest first."""
DEFAULT = 0.9
"""The cut where there are too few pairs to set it on."""
UNBLOCKED = 0.5
"""Part of a pair's weight that counts where no blocking rule found it: that it agrees on no key was known."""
LEAST_COUNTED = 0.02
"""Part that counts at least: two records with nothing to compare are no reason to join."""
ALONE_BELOW = 0.1
"""Bits that a pair which only a name joins stays below the cut."""
LEAST_DOUBT = 1e-5
"""No probability counts as nearer to 0 or 1 than this."""
NEAR = 1.01 / (GRAIN * LEAST_COUNTED * UNBLOCKED)
"""Bits below the cut from which a pair may reach it yet: what counts least of its distance is rounded to a whole step."""
LARGEST_GROUP = 60
"""Groups above this size count with their direct evidence only: paths grow with the cube of a size."""


def log_odds(probability: Floats) -> Floats:
    """Weight in bits of a probability, bounded so that one pair never decides alone."""
    p = np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT)
    bits: Floats = np.log2(p / (1 - p))
    return bits


def is_kept_below(cut: float, least: float) -> bool:
    """True where every pair that may reach ``cut`` is more probable than ``least``."""
    bar, low = log_odds(np.array([cut, least]))
    return bool(low < bar - NEAR)


@dataclass(frozen=True)
class Joins:
    """Every pair inside the components, with what average linkage weighs; sorted by left, right."""

    left: Ints
    right: Ints
    probability: Floats
    """That both are one, before the exact rules."""
    counted: Floats
    """Part of the pair's distance from the cut that counts, 0 to 1: of ``counted``."""
    alone: npt.NDArray[np.bool_]
    """Only a name joins the pair: it is never above the cut."""
    sure: npt.NDArray[np.bool_]
    """An exact rule links the pair."""

    def links(self, cut: float, *, with_sure: bool = True) -> Links:
        """Weights in bits at probability ``cut``; that of a sure pair is infinite."""
        bar = float(log_odds(np.array(cut)))
        bits = log_odds(self.probability)
        weights = bar + self.counted * (bits - bar)
        weights = np.where(self.alone, np.minimum(weights, bar - ALONE_BELOW), weights)
        return Links(self.left, self.right, np.where(self.sure, np.inf, weights) if with_sure else weights)


def counted(informed: Floats, rule: Ints) -> Floats:
    """What part of a pair's weight counts in the mean over the pairs between two groups.

    ``informed``: the part of all evidence that its records have on both sides, so that a pair with
    little to compare neither joins nor parts what others compare in full. ``rule``: number of the
    blocking rule that found the pair, negative where only its component brings it.
    """
    part: Floats = np.maximum(informed, LEAST_COUNTED) * np.where(rule < 0, UNBLOCKED, 1.0)
    return part


def expected_precision(
    connection: duckdb.DuckDBPyConnection, group: Ints, left: Ints, right: Ints, probability: Floats
) -> float | None:
    """Expected share of right pairs among all pairs that share a group; None where there is none.

    A pair has two pieces of evidence: its own probability p, and the best path q over one other record
    of the group (the product of its two). It counts with the mean of three readings of them: the path says
    the same once more, max(p, q); it is evidence of its own, 1 - (1 - p)(1 - q); or the pair contradicts
    it, and what the three pairs leave possible counts, of which two never hold without the third.
    """
    home = group[left]
    inside = home == group[right]
    count = int(np.count_nonzero(inside))
    if not count:
        return None
    pairs_of = np.bincount(home[inside], minlength=len(group))
    # Alone in its group a pair has no path, and all three readings are its own probability.
    is_alone = inside & (pairs_of[home] == 1)
    among = inside & ~is_alone
    # Nothing would be possible where one certainty contradicts another.
    p = np.clip(probability, LEAST_DOUBT, 1 - LEAST_DOUBT)
    right_ones = float(p[is_alone].sum())
    if not among.any():
        return right_ones / count
    table = pa.table({"g": home[among], "a": left[among], "b": right[among], "p": p[among]})
    connection.register("grouped_pairs", table)
    value = connection.execute(
        f"""WITH small AS (
            SELECT g FROM grouped_pairs GROUP BY g HAVING count(*) <= {LARGEST_GROUP * (LARGEST_GROUP - 1) // 2}),
        e AS (SELECT g, a, b, p FROM grouped_pairs SEMI JOIN small USING (g)
              UNION ALL SELECT g, b, a, p FROM grouped_pairs SEMI JOIN small USING (g)),
        paths AS (SELECT x.a, y.b, max(x.p * y.p) AS p FROM e x JOIN e y ON x.g = y.g AND x.b = y.a AND x.a < y.b
                  GROUP BY x.a, y.b),
        known AS (SELECT d.p, coalesce(paths.p, 0) AS q
                  FROM grouped_pairs d LEFT JOIN paths ON paths.a = d.a AND paths.b = d.b),
        -- All three hold, or only this one (both halves of its path taken for equally likely).
        held AS (SELECT p, q, p * (q + pow(1 - sqrt(q), 2)) AS holds FROM known)
        SELECT sum((greatest(p, q) + 1 - (1 - p) * (1 - q) + holds / (holds + (1 - p) * (1 - q))) / 3) FROM held"""
    ).fetchall()[0][0]
    connection.unregister("grouped_pairs")
    return (right_ones + float(value)) / count


def choose_cut(
    connection: duckdb.DuckDBPyConnection,
    nodes: int,
    joins: Joins,
    believed: Floats,
    forbidden: npt.NDArray[np.bool_],
    precision: float,
    least: float,
    min_pairs: int,
) -> float:
    """The lowest cut whose groups let expect ``precision`` of their pairs; the highest if none does.

    ``joins`` are all pairs inside the components; no cut is below ``least``. What is expected of the
    groups is what the model ``believed`` before any rule.
    """
    if len(joins.left) < min_pairs:
        return DEFAULT
    for cut in CANDIDATES:
        if cut < least:
            continue
        group = agglomerate(nodes, joins.links(cut), forbidden, float(log_odds(np.array(cut))))
        expected = expected_precision(connection, group, joins.left, joins.right, believed)
        if expected is not None and expected >= precision:
            return cut
    return CANDIDATES[-1]
