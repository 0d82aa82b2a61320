"""What the night before left of its linkage, and what of it still holds tonight.

A pair of two unchanged records has the outcome that it had. A component still holds when its records
are the same as then, none of them changed: then so do its pairs and clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.components import Links
from pipelines.linkage.inside import ENDS, Told

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LAYERS = ("cluster_model", "cluster_rules")
"""The layers of clusters that linkage makes of pairs."""


@dataclass(frozen=True)
class Remembered:
    """The linkage of an earlier night: rows of its tables."""

    clusters: pa.Table
    links: pa.Table
    scored_pairs: pa.Table


@dataclass(frozen=True)
class Recalled:
    """The same on tonight's nodes; arrays are by node, pairs those of which both records are still there."""

    fingerprint: Ints
    """Its own part."""
    known: Bools
    """The record was there, and its values count as they did."""
    component: Ints
    """Number of the component that held the record; -1 where it was not there."""
    size: Ints
    """Records of that component then, those that are gone among them."""
    layers: dict[str, pa.Array]
    """The clusters then, by layer."""
    links: Links
    pairs: pa.Table
    """Rows of ``linkage/scored_pairs`` with node_l and node_r."""

    def changed(self, fingerprint: Ints) -> Bools:
        """Nodes that are new or whose fingerprint is not what it was."""
        found: Bools = ~self.known | (self.fingerprint != fingerprint)
        return found

    def told(self, unchanged: Bools) -> Told:
        """What is known of the pairs of ``unchanged`` nodes."""
        alone = -1 - np.arange(len(unchanged))
        is_told = unchanged & (self.component >= 0)
        group = np.where(is_told, self.component, alone)
        clusters = self.layers[LAYERS[-1]].dictionary_encode().indices
        left, right = (group[self.pairs[end].to_numpy()] for end in ENDS)
        return Told(
            group,
            np.where(is_told, _filled(clusters, -1), alone),
            self.pairs.select(ENDS).filter(pa.array(left == right)),
        )

    def still(self, unchanged: Bools) -> Links:
        """The links between ``unchanged`` nodes."""
        return self.links.where(unchanged[self.links.left] & unchanged[self.links.right])

    def holds(self, label: Ints, changed: Bools) -> Bools:
        """Nodes of which the component (``label``: its smallest node) is what it was, and so is all in it."""
        same = ~changed & (self.component == self.component[label])
        sizes = np.bincount(label, minlength=len(label))
        kept = np.bincount(label[same], minlength=len(label))
        found: Bools = ((kept == sizes) & (self.size == sizes))[label]
        return found


def recall(connection: duckdb.DuckDBPyConnection, last: Remembered, shared: int, turned: Ints) -> Recalled:
    """Find the records of the night before in table ``facts``.

    ``shared``: the part of a fingerprint that the records of that night share if nothing else changed
    (``fingerprints.linked_by``). ``turned``: nodes of which a value became generic, or stopped being so.
    """
    connection.register("last_clusters", last.clusters)
    rows = connection.sql(
        """SELECT c.fingerprint, c.component, s.size, c.cluster_model, c.cluster_rules
        FROM facts f LEFT JOIN last_clusters c ON c.source = f.source AND c.record_id = f.record_id
        LEFT JOIN (SELECT component, count(*) AS size FROM last_clusters GROUP BY component) s
            ON s.component = c.component
        ORDER BY f.node"""
    ).to_arrow_table()
    connection.unregister("last_clusters")
    known = ~np.asarray(rows["fingerprint"].is_null().to_numpy(), dtype=bool)
    known[turned] = False
    names = rows["component"].combine_chunks().dictionary_encode().indices
    links = _on_nodes(connection, last.links, "bits")
    return Recalled(
        _filled(rows["fingerprint"], 0) ^ shared,
        known,
        _filled(names, -1),
        _filled(rows["size"], 0),
        {layer: rows[layer].combine_chunks() for layer in LAYERS},
        Links(_filled(links["node_l"], 0), _filled(links["node_r"], 0), links["bits"].to_numpy()),
        _on_nodes(connection, last.scored_pairs, "p.*"),
    )


def _on_nodes(connection: duckdb.DuckDBPyConnection, pairs: pa.Table, columns: str) -> pa.Table:
    """node_l, node_r and ``columns`` of the pairs of which both records are there, in order."""
    connection.register("last_pairs", pairs)
    found = connection.sql(
        f"""SELECT l.node AS node_l, r.node AS node_r, {columns} FROM last_pairs p
        JOIN facts l ON l.source = p.source_l AND l.record_id = p.record_id_l
        JOIN facts r ON r.source = p.source_r AND r.record_id = p.record_id_r
        ORDER BY node_l, node_r"""
    ).to_arrow_table()
    connection.unregister("last_pairs")
    return found


def _filled(values: pa.Array | pa.ChunkedArray, blank: int) -> Ints:
    found: Ints = values.fill_null(blank).to_numpy().astype(np.int64)
    return found
