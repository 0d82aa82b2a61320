"""``recall.py`` by Spark: what the night before left of its linkage, and what of it still holds tonight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.linkage.components import Links
from pipelines.linkage.placed import LINK, collected
from pipelines.linkage.recall import Recalled
from pipelines.queries import computed_once

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RememberedFrames:
    """The linkage of an earlier night: rows of its tables."""

    clusters: DataFrame
    links: DataFrame
    scored_pairs: DataFrame


@dataclass(frozen=True)
class RecalledFrames:
    """The same on tonight's nodes."""

    was: DataFrame
    """One row a node that was there: node, fingerprint (its own part), size, and its clusters and component."""
    links: DataFrame
    """node_l, node_r, weight of the links of which both records are still there."""
    pairs: DataFrame
    """Rows of ``linkage/scored_pairs`` with node_l and node_r, of which both records are still there."""
    turned: DataFrame
    """Nodes of which a value became generic, or stopped being so."""
    on_driver: Recalled
    """By node, what components are compared by; without fingerprints, clusters, links and pairs."""

    def changed(self, prints: DataFrame) -> DataFrame:
        """The nodes of ``prints`` (node, fingerprint) that are new or whose fingerprint is not what it was."""
        was = self.was.select("node", F.col("fingerprint").alias("last")).join(
            self.turned, on="node", how="left_anti"
        )
        joined = prints.join(was, on="node", how="left")
        return joined.where(~F.col("fingerprint").eqNullSafe(F.col("last"))).select("node")


def recall_many(
    nodes: DataFrame, count: int, last: RememberedFrames, shared: int, turned: DataFrame
) -> RecalledFrames:
    """Find the records of the night before among ``nodes`` (node, source, record_id).

    ``shared`` and ``turned`` (node): those of ``recall``.
    """
    keys = nodes.select("node", "source", "record_id")
    sizes = last.clusters.groupBy("component").agg(F.count("*").alias("size"))
    was = computed_once(
        last.clusters.join(sizes, on="component", how="inner")
        .join(keys, on=["source", "record_id"], how="inner")
        .select(
            "node",
            F.col("fingerprint").bitwiseXOR(F.lit(shared).cast("bigint")).alias("fingerprint"),
            "component",
            "size",
            "cluster_model",
            "cluster_rules",
        )
    )
    rows = collected(was.select("node", F.xxhash64("component").alias("component"), "size"), count)
    known, component, size = np.zeros(count, bool), np.full(count, -1, np.int64), np.zeros(count, np.int64)
    at = rows["node"].to_numpy()
    known[at], component[at], size[at] = True, rows["component"].to_numpy(), rows["size"].to_numpy()
    nothing = np.zeros(0, np.int64)
    arrays = Recalled(nothing, known, component, size, {}, Links(nothing, nothing, np.zeros(0)), pa.table({}))
    links = on_nodes(keys, last.links).select("node_l", "node_r", F.col("bits").alias("weight"))
    return RecalledFrames(
        was, computed_once(links), on_nodes(keys, last.scored_pairs), computed_once(turned), arrays
    )


def on_nodes(keys: DataFrame, pairs: DataFrame) -> DataFrame:
    """The pairs of which both records are in ``keys``, with node_l and node_r."""
    for side in ("l", "r"):
        end = keys.select(*(F.col(name).alias(f"{name}_{side}") for name in ("node", "source", "record_id")))
        pairs = pairs.join(end, on=[f"source_{side}", f"record_id_{side}"], how="inner")
    return pairs


def still(links: DataFrame, changed: DataFrame, of_model: DataFrame) -> DataFrame:
    """The ``links`` between nodes ``of_model`` that are not ``changed``; LINK's columns."""
    for side in ("l", "r"):
        end = f"node_{side}"
        links = links.join(of_model.select(F.col("node").alias(end)), on=end, how="left_semi")
        links = links.join(changed.select(F.col("node").alias(end)), on=end, how="left_anti")
    return links.select(*LINK.names)
