"""Quality over the cut: the clusters that the engine would make at each same_person_probability."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.components import components
from pipelines.linkage.cut import Joins, counted, expected_precision, log_odds
from pipelines.linkage.evaluate import Quality, quality
from pipelines.linkage.judge import COMPONENT
from pipelines.linkage.link import Inside

Ints = npt.NDArray[np.int64]

CUTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999)
"""Probabilities at which the records are clustered again."""

EXACT = "Each point is the engine's own clustering, average linkage with never-evidence, at that cut."
APPROXIMATE = (
    "Each point is the engine's average linkage over the kept pairs: nearly its own clustering at that cut. A pair "
    "that was not kept counts at the review threshold, the most that it can have, and every pair in full, however "
    "little of its records could be compared."
)


@dataclass(frozen=True)
class CurvePoint:
    """The quality of the clusters at one cut."""

    cut: float
    quality: Quality
    expected: float | None = None
    """Pairwise precision that the model expects, over all records; None where that is not known."""


def curve(inside: Inside, entity: Ints, cuts: Iterable[float]) -> tuple[CurvePoint, ...]:
    """Quality at each cut, and the precision expected there; ``entity`` is the true entity of each node as a number, -1 unknown."""
    known = entity >= 0
    joins, believed = inside.joins, inside.believed
    points = []
    with duckdb.connect() as connection:
        for cut in sorted(set(cuts)):
            bits = float(log_odds(np.array(cut)))
            group = agglomerate(len(inside.label), joins.links(cut), inside.forbidden, bits)
            expected = None
            if believed is not None:
                expected = expected_precision(connection, group, joins.left, joins.right, believed)
            points.append(CurvePoint(cut, quality(group[known], entity[known]), expected))
    return tuple(points)


def best(points: Iterable[CurvePoint]) -> CurvePoint | None:
    """The point of the highest pairwise F1, the lowest cut of several; None without points."""
    return max(points, key=lambda p: (p.quality.f1, -p.cut), default=None)


def inside_of_pairs(keys: pa.Table, scored: pa.Table, least: float) -> Inside:
    """What clusters are made from, out of kept pairs alone: see ``APPROXIMATE``.

    ``keys`` (source, record_id) in order; ``scored`` has the columns of ``linkage/scored_pairs``;
    ``least`` is the probability below which pairs were not kept.
    """
    with duckdb.connect() as connection:
        connection.register("given", keys.select(["source", "record_id"]))
        connection.register("scored", scored)
        connection.execute(
            "CREATE TABLE nodes AS SELECT row_number() OVER (ORDER BY source, record_id) - 1 AS node, * FROM given"
        )
        connection.execute(
            """CREATE TABLE pairs AS SELECT l.node AS a, r.node AS b, s.same_person_probability AS p,
                s.decided_by = 'never' OR s.decided_by LIKE 'never:%' AS never,
                s.decided_by = 'name_alone' AS alone, s.decided_by LIKE 'rule:%' AS sure, s.blocked_by AS rule
            FROM scored s JOIN nodes l ON l.source = s.source_l AND l.record_id = s.record_id_l
            JOIN nodes r ON r.source = s.source_r AND r.record_id = s.record_id_r"""
        )
        links = connection.execute(f"SELECT a, b FROM pairs WHERE rule <> '{COMPONENT}'").fetchnumpy()
        label = components(keys.num_rows, _ints(links["a"]), _ints(links["b"]))
        connection.register("labels", pa.table({"node": np.arange(len(label)), "label": label}))
        rows = connection.execute(
            """SELECT l.node AS a, r.node AS b, coalesce(p.p, $1) AS p, coalesce(p.never, false) AS never,
                coalesce(p.alone, false) AS alone, coalesce(p.sure, false) AS sure,
                coalesce(p.rule = $2, true) AS unblocked
            FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node
            LEFT JOIN pairs p ON p.a = l.node AND p.b = r.node ORDER BY 1, 2""",
            # Not kept is below the threshold; at it, a cut there would join whole components.
            [np.nextafter(least, 0), COMPONENT],
        ).fetchnumpy()
    probability = np.asarray(rows["p"], np.float64)
    alone, sure, never, unblocked = (
        np.asarray(rows[c], bool) for c in ("alone", "sure", "never", "unblocked")
    )
    # How much of a kept pair could be compared was not kept.
    part = counted(np.ones(len(unblocked)), np.where(unblocked, -1, 0).astype(np.int64))
    joins = Joins(_ints(rows["a"]), _ints(rows["b"]), probability, part, alone, sure)
    return Inside(label, joins, never)


def _ints(values: npt.ArrayLike) -> Ints:
    return np.asarray(values).astype(np.int64)
