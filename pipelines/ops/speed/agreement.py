"""What a peer of ``padron bench linkage`` leaves, read: its counts, and its clusters against the truth."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import UsageError
from pipelines.linkage.evaluate import quality
from pipelines.linkage.peers import ID
from pipelines.ops.speed.given import TRUTH

if TYPE_CHECKING:
    from pipelines.ops.speed.given import Given
    from pipelines.ops.speed.processes import Measured


def read_clusters(given: Given, results: str, found: Measured) -> dict[str, Any]:
    """Columns of a cell: candidate_pairs, links, clusters, f1. Raises UsageError where records are lost."""
    with open(os.path.join(results, "report.json"), encoding="utf-8") as file:
        report = json.load(file)
    clusters = pq.read_table(os.path.join(results, "clusters.parquet"), columns=[ID, "cluster_id"])
    truth = pq.read_table(given.records, columns=[ID, TRUTH])
    agreement = quality(*_aligned(clusters, truth))
    return {
        "candidate_pairs": report["candidate_pairs"],
        "links": report["links"],
        "clusters": agreement.clusters,
        "f1": agreement.f1,
    }


def _aligned(clusters: pa.Table, truth: pa.Table) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
    """The cluster and the person of each record. Raises UsageError where a peer lost a record, or made one up."""
    made = clusters.set_column(0, ID, clusters[ID].cast(pa.int64())).sort_by(ID)
    known = truth.sort_by(ID)
    if not made[ID].equals(known[ID]):
        raise UsageError("bench: the clusters of a peer hold other records than it was given.")
    return made["cluster_id"], known[TRUTH]
