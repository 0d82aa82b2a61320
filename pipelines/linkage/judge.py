"""What a pair inside a component is taken for: the model, the rules and the exact rules together.

And the clusters that follow. Both placements go through here, so that a pair and a component have one
outcome wherever they are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.comparisons import NONE, own_of
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import NEAR, Joins, counted, log_odds
from pipelines.linkage.exact_rules import verdicts
from pipelines.linkage.generations import Model
from pipelines.linkage.relation import classify, informed
from pipelines.linkage.rules import NAME_ALONE, forbidden_pairs, ruled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]

COMPONENT = "component"
"""``blocked_by`` of a pair that no rule found and that was scored because its component holds both."""
NO_RULE = -1
"""Its number."""


@dataclass(frozen=True)
class Judged:
    """Of each pair, in the pairs' order."""

    believed: Floats
    """What the model believes, before the rules for a single pair."""
    judged: Floats
    """After them: what the model's own clusters form on."""
    probability: Floats
    """same_person_probability: after the exact rules too."""
    counted: Floats
    """Part of its weight that counts in the mean over several pairs."""
    alone: Bools
    """Only a name joins the pair."""
    sure: Bools
    """An exact rule links the pair."""
    relation: Names
    decided_by: Names
    forbidden: Bools
    """Never in one cluster."""
    blocked_by: Names

    def joins(self, left: Ints, right: Ints) -> Joins:
        """What average linkage weighs of the pairs, whose nodes are ``left`` and ``right``."""
        return Joins(left, right, self.judged, self.counted, self.alone, self.sure)

    def where(self, mask: Bools) -> Judged:
        return Judged(*(getattr(self, f.name)[mask] for f in fields(self)))


def judge(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    rules: tuple[str, ...],
    pairs: pa.Table,
    conf: Linkage,
) -> Judged:
    """Judge ``pairs`` (of ``score_pairs``, sorted) of the records in table ``people``.

    ``rules``: the names of the blocking rules, by the number that ``pairs`` have.
    """
    believed, relation = classify(model.relations, pairs)
    exact = verdicts(connection, pairs, conf.rules)
    forbidden = forbidden_pairs(connection, pairs, conf.never)
    own = NONE if model.is_foreign else own_of(name, model.settings)
    judged, decided_by = ruled(name, pairs, believed, forbidden, model.relations, own)
    forbidden |= exact.forbids >= 0
    sure = exact.sure(forbidden)
    rule = pairs["rule"].to_numpy().astype(np.int64)
    found_by = cast("Names", np.array([*rules, COMPONENT], dtype=object)[rule])
    return Judged(
        believed,
        judged,
        np.where(sure, 1.0, judged),
        counted(informed(model.relations, pairs), rule),
        (decided_by == NAME_ALONE).astype(bool),
        sure,
        relation,
        exact.decided_by(decided_by, forbidden),
        forbidden,
        exact.blocked_by(found_by, rule < 0),
    )


def may_reach(judged: Judged, cut: float) -> Bools:
    """The pairs that may reach ``cut``."""
    is_near = log_odds(judged.judged) >= float(log_odds(np.array(cut))) - NEAR
    found: Bools = judged.sure | (is_near & ~judged.alone)
    return found


def clustered(
    nodes: int, joins: Joins, forbidden: Bools, cut: float, alike: Ints | None = None
) -> tuple[Ints, Ints]:
    """Each node's group by its smallest node: by the model alone, and after the rules.

    ``joins``: every pair inside the components; ``cut``: the probability from which groups join; ``alike``: of ``agglomerate``.
    """
    bits = float(log_odds(np.array(cut)))
    links, no = joins.links(cut, with_sure=False), np.zeros(len(forbidden), bool)
    by_model = agglomerate(nodes, links, no, bits, alike)
    if not (forbidden.any() or joins.sure.any()):
        return by_model, by_model
    return by_model, agglomerate(nodes, joins.links(cut), forbidden, bits, alike)
