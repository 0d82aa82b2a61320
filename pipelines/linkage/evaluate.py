"""How good a clustering is against known answers: pairwise and B³ precision, recall and F1."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.errors import UsageError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Quality:
    """Agreement of clusters with the truth over the records that both know.

    Pairwise: a pair of records in one cluster is right when the truth has them in one entity.
    B³: the same shares taken record by record and averaged, so that large entities do not rule.
    A share of nothing (no pair was made, or none is true) is 1.
    """

    records: int
    clusters: int
    entities: int
    largest_cluster: int
    true_pairs: int
    made_pairs: int
    right_pairs: int
    precision: float
    recall: float
    f1: float
    b3_precision: float
    b3_recall: float
    b3_f1: float

    def as_dict(self) -> dict[str, float | int]:
        return asdict(self)


def _pairs(sizes: npt.NDArray[np.intp]) -> int:
    return int((sizes.astype(np.int64) * (sizes - 1) // 2).sum())


def f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def codes(labels: npt.ArrayLike) -> Ints:
    """Labels as numbers from zero up, in the order of the labels."""
    return np.unique(np.asarray(labels), return_inverse=True)[1].astype(np.int64)


def record_shares(made: Ints, real: Ints) -> tuple[Floats, Floats]:
    """B³ by record: the right share of its cluster, and the found share of its entity."""
    _, inverse, both = np.unique(
        made * (int(real.max(initial=0)) + 1) + real, return_inverse=True, return_counts=True
    )
    shared = both[inverse].astype(np.float64)
    return shared / np.bincount(made)[made], shared / np.bincount(real)[real]


def quality(predicted: npt.ArrayLike, true: npt.ArrayLike) -> Quality:
    """Quality of cluster labels against entity labels, record by record in the same order."""
    made, real = codes(predicted), codes(true)
    if made.shape != real.shape:
        raise ValueError("one label a record on both sides")
    n = len(made)
    made_sizes, real_sizes = np.bincount(made), np.bincount(real)
    both_sizes = np.unique(made * (len(real_sizes) or 1) + real, return_counts=True)[1]
    made_pairs, true_pairs, right = _pairs(made_sizes), _pairs(real_sizes), _pairs(both_sizes)
    precision = right / made_pairs if made_pairs else 1.0
    recall = right / true_pairs if true_pairs else 1.0
    of_cluster, of_entity = record_shares(made, real)
    b3_precision = float(of_cluster.mean()) if n else 1.0
    b3_recall = float(of_entity.mean()) if n else 1.0
    return Quality(
        records=n,
        clusters=len(made_sizes) if n else 0,
        entities=len(real_sizes) if n else 0,
        largest_cluster=int(made_sizes.max()) if n else 0,
        true_pairs=true_pairs,
        made_pairs=made_pairs,
        right_pairs=right,
        precision=precision,
        recall=recall,
        f1=f1(precision, recall),
        b3_precision=b3_precision,
        b3_recall=b3_recall,
        b3_f1=f1(b3_precision, b3_recall),
    )


def evaluate(
    clusters: pa.Table,
    truth: pa.Table,
    cluster: str = "cluster_final",
    entity: str = "entity_id",
    party_type: str | None = None,
) -> Quality:
    """Quality of ``linkage/clusters`` rows against a truth table (source, record_id, ``entity``).

    Records that only one side knows are left out. ``cluster`` is the column to judge;
    ``party_type`` keeps one kind of party. Raises UsageError where a column is missing.
    """
    for table, needed, what in (
        (clusters, ["source", "record_id", cluster], "clusters"),
        (truth, ["source", "record_id", entity], "truth"),
    ):
        missing = [name for name in needed if name not in table.column_names]
        if missing:
            raise UsageError(f"evaluate: the {what} have no column {', '.join(missing)}.")
    if party_type is not None:
        clusters = clusters.filter(pa.compute.equal(clusters["party_type"], party_type))
    key = ["source", "record_id"]
    texts = {name: pa.string() for name in key}
    left = clusters.select([*key, cluster]).cast(
        pa.schema([*texts.items(), (cluster, clusters.schema.field(cluster).type)])
    )
    right = truth.select([*key, entity]).cast(
        pa.schema([*texts.items(), (entity, truth.schema.field(entity).type)])
    )
    joined = left.join(right, keys=key, join_type="inner")
    return quality(joined[cluster].to_numpy(), joined[entity].to_numpy())
