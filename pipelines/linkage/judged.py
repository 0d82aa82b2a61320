"""Precision and recall over the cut from pairs that somebody judged, where nobody knows the whole truth.

Pairs are drawn layer by layer of probability from all pairs that the engine looked at inside its
components, so that a few hundred tell what happens at any cut; a judged pair then stands for the
pairs of its layer. Pairs that blocking and the review threshold left apart are outside: the recall
here is of what is inside the components.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.curve import CUTS
from pipelines.linkage.cut import log_odds
from pipelines.linkage.evaluate import f1
from pipelines.linkage.labels import KEYS
from pipelines.linkage.link import Linked

LAYERS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Where the layers of same_person_probability begin. Below, pairs that share a cluster are a layer of their own."""
_KEYS = ", ".join(KEYS)


@dataclass(frozen=True)
class JudgedPoint:
    """The clusters at one cut, by the judged pairs."""

    cut: float
    precision: float
    """Share of the pairs put together that are matches; 1 where none is."""
    recall: float
    """Share of the matches inside the components that are put together."""

    @property
    def f1(self) -> float:
        return f1(self.precision, self.recall)


@contextmanager
def _layered(linked: Linked) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB with the table ``inside``: a, b (nodes), ``KEYS``, same_person_probability, layer."""
    rows = linked.clusters.sort_by([("source", "ascending"), ("record_id", "ascending")])
    joins = linked.all_inside().joins
    with duckdb.connect() as connection:
        connection.register("rows", rows.append_column("node", pa.array(np.arange(rows.num_rows))))
        connection.register("pairs", pa.table({"a": joins.left, "b": joins.right, "p": joins.probability}))
        connection.execute(
            f"""CREATE TABLE inside AS
            SELECT a, b, l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r,
                r.record_id AS record_id_r, p AS same_person_probability,
                CASE WHEN p < {LAYERS[0]} AND l.cluster_final <> r.cluster_final THEN -1
                ELSE len(list_filter({list(LAYERS)}, lambda least: p >= least)) END AS layer
            FROM pairs JOIN rows l ON l.node = a JOIN rows r ON r.node = b"""
        )
        yield connection


def pairs_to_judge(linked: Linked, each: int = 20) -> pa.Table:
    """``each`` pairs of every layer: ``labels.KEYS`` and same_person_probability.

    The same linkage gives the same draw, in an order that says nothing of the probability.
    """
    with _layered(linked) as connection:
        return connection.sql(
            f"""SELECT {_KEYS}, same_person_probability
            FROM (SELECT *, md5(concat_ws(chr(31), {_KEYS})) AS draw FROM inside)
            QUALIFY row_number() OVER (PARTITION BY layer ORDER BY draw, {_KEYS}) <= {int(each)}
            ORDER BY draw, {_KEYS}"""
        ).to_arrow_table()


def judged_curve(linked: Linked, labels: pa.Table, cuts: Iterable[float] = CUTS) -> tuple[JudgedPoint, ...]:
    """Precision and recall of the clusters that the engine makes at each cut, from ``read_labels``.

    Each label counts as much as the pairs of its layer, divided by the labels of that layer, so that
    it does not matter where more were judged; a layer without labels says nothing. Labels of pairs
    outside the components are left out. Raises UsageError where none is left.
    """
    with _layered(linked) as connection:
        connection.register("labels", labels)
        found = connection.execute(
            f"""SELECT i.a, i.b, g.score,
                n.pairs / count(*) OVER (PARTITION BY i.layer) AS stands_for
            FROM labels g JOIN inside i USING ({_KEYS})
            JOIN (SELECT layer, count(*) AS pairs FROM inside GROUP BY layer) n USING (layer)
            ORDER BY i.a, i.b"""
        ).fetchnumpy()
    if not len(found["a"]):
        raise UsageError("no labelled pair lies inside a component: judge pairs that the linkage scored.")
    left, right = (np.asarray(found[end]).astype(np.int64) for end in ("a", "b"))
    weight = np.asarray(found["stands_for"], np.float64)
    match = weight * np.asarray(found["score"], np.float64)
    inside, points = linked.all_inside(), []
    for cut in sorted(set(cuts)):
        threshold = float(log_odds(np.array(cut)))
        group = agglomerate(len(inside.label), inside.joins.links(cut), inside.forbidden, threshold)
        is_made = group[left] == group[right]
        made, right_ones, true = weight[is_made].sum(), match[is_made].sum(), match.sum()
        points.append(
            JudgedPoint(
                cut,
                float(right_ones / made) if made else 1.0,
                float(right_ones / true) if true else 1.0,
            )
        )
    return tuple(points)


def answered(pairs: pa.Table, truth: pa.Table) -> pa.Table:
    """The answers of a judge who knows the ``truth`` (source, record_id, entity_id): ``labels.KEYS``, is_match.

    Pairs of which the truth does not know both records are left out.
    """
    with duckdb.connect() as connection:
        connection.register("pairs", pairs)
        connection.register("truth", truth)
        return connection.sql(
            f"""SELECT {_KEYS}, CASE WHEN l.entity_id = r.entity_id THEN '1' ELSE '0' END AS is_match
            FROM pairs JOIN truth l ON l.source = source_l AND l.record_id = record_id_l
            JOIN truth r ON r.source = source_r AND r.record_id = record_id_r ORDER BY ALL"""
        ).to_arrow_table()
