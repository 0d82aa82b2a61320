"""What `padron link` makes of a file: its clusters and pairs by the file's own ids, and where they are written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.link import Linked

if TYPE_CHECKING:
    from pipelines.linkage.evaluate import Quality
    from pipelines.linkage.evaluation import Basis, Evaluation

ONE_FILE = "file"
"""Source of the records where there is one file."""


@dataclass(frozen=True)
class LinkedFile:
    """What became of a file's records."""

    fields: dict[str, tuple[str, ...]]
    """Field → the columns that filled it."""
    linked: Linked
    clusters: pa.Table
    """The id column, and cluster_id: the smallest id of the cluster."""
    pairs: pa.Table
    """Scored pairs: the two ids, match_weight, match_probability, same_person_probability, relation …"""
    evaluation: Evaluation | None
    """How good the clusters are, where the truth was given."""
    records: pa.Table
    """The standard records, in the columns of ``read_records``."""
    unused: tuple[str, ...]
    """Columns that say nothing padron knows, in the file's order."""
    conf: Linkage
    by_content: tuple[str, ...] = ()
    """Columns of ``fields`` that were recognised by their values, not by their names."""
    notes: tuple[str, ...] = ()
    """What was taken for granted about the files."""

    @property
    def quality(self) -> Quality | None:
        """Agreement with the truth, where it was given."""
        return None if self.evaluation is None else self.evaluation.quality


def sources(paths: Sequence[str]) -> list[str]:
    """The name of each file without folder and ending. Raises UsageError where two are alike."""
    names = [os.path.basename(path).partition(".")[0] for path in paths]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two files are called {', '.join(twice)}: give them different names.")
    return names


def measured(linked: Linked, truth: pa.Table, conf: Linkage, basis: Basis | None) -> Evaluation:
    """How good the clusters are, by ``truth`` (source, record_id, entity_id)."""
    from pipelines.linkage.evaluation import evaluation

    known = truth.filter(pc.is_valid(truth["entity_id"]))
    return evaluation(
        linked.clusters,
        known,
        linked.scored_pairs,
        linked.generation.cut,
        least=conf.review_probability,
        basis=basis,
        duplicate_free=conf.duplicate_free,
    )


def named(linked: Linked, id_column: str, *, with_source: bool = False) -> tuple[pa.Table, pa.Table]:
    """Clusters and pairs by the file's own ids; of several files with the source of each."""
    rows, pairs = linked.clusters, linked.scored_pairs
    names = {"record_id": id_column, "record_id_l": f"{id_column}_l", "record_id_r": f"{id_column}_r"}
    if with_source:
        clusters = rows.select(["source", "record_id", "cluster_final"])
        clusters = clusters.rename_columns(["source", "record_id", "cluster_id"])
    else:
        ids = pc.utf8_slice_codeunits(rows["cluster_final"], len(ONE_FILE) + 1)
        clusters = pa.table({"record_id": rows["record_id"], "cluster_id": ids})
        pairs = pairs.drop_columns(["source_l", "source_r"])
    tables = (clusters, pairs)
    return tuple(t.rename_columns([names.get(name, name) for name in t.column_names]) for t in tables)


def write(made: LinkedFile, folder: str) -> None:
    """``clusters.parquet`` and ``pairs.parquet`` in ``folder``, which is made where it is not there."""
    os.makedirs(folder, exist_ok=True)
    pq.write_table(made.clusters, os.path.join(folder, "clusters.parquet"))
    pq.write_table(made.pairs, os.path.join(folder, "pairs.parquet"))
