"""What a pair inside a component is taken for: model and rules together, wherever it was scored."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Model
from pipelines.linkage.relation import classify, pooled
from pipelines.linkage.rules import forbidden_pairs, ruled

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """Of each pair, in the pairs' order."""

    believed: Floats
    """What the model believes, before the rules for a single pair."""
    probability: Floats
    """same_person_probability: after them."""
    relation: npt.NDArray[np.object_]
    decided_by: npt.NDArray[np.object_]
    forbidden: npt.NDArray[np.bool_]
    """Never in one cluster."""


def judge(
    connection: duckdb.DuckDBPyConnection, name: str, model: Model, pairs: pa.Table, conf: Linkage
) -> Judged:
    """Judge ``pairs`` (of ``score_pairs``, sorted) of the records in table ``people``."""
    believed, relation = classify(model.relations, pairs)
    believed = pooled(pairs, believed)
    forbidden = forbidden_pairs(connection, pairs, conf.never)
    probability, decided_by = ruled(name, pairs, believed, forbidden, by_relation=model.relations.trusted)
    return Judged(believed, probability, relation, decided_by, forbidden)
