"""``cluster_final``: what stewards decided, put over the clusters that model and rules made.

Only clusters that a decision names are looked at again. A no_match between two records of one cluster
solves the cluster anew by average linkage, the two kept apart. Matches then put whole clusters together, so
that a record which joins either side later comes along. Where that would bring together what never goes
together, the records that were matched stay, and who cannot be with them leaves.

The outcome depends on the clusters, these records, the generation and the decisions: not on the night.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.blocking import block
from pipelines.linkage.brought import load_as_generation
from pipelines.linkage.components import Links, components
from pipelines.linkage.config import Linkage
from pipelines.linkage.consistency import Consistent, Contradiction, consistent
from pipelines.linkage.cut import log_odds
from pipelines.linkage.decisions import (
    ACTIVE,
    CONTRADICTED,
    DORMANT,
    REVOKED,
    STATES_SCHEMA,
    Decision,
    standing,
)
from pipelines.linkage.engine import engine
from pipelines.linkage.evidence import ints, usable
from pipelines.linkage.generations import Generation
from pipelines.linkage.inside import InsideScorer
from pipelines.linkage.judge import judge
from pipelines.linkage.records import MODELS, Nodes, prepare
from pipelines.linkage.scoring import scorer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FINAL = pa.schema([(name, pa.string()) for name in ("source", "record_id", "cluster_final")])
SETTLED = pa.schema([(name, pa.string()) for name in ("source_l", "record_id_l", "source_r", "record_id_r")])


@dataclass(frozen=True)
class Decided:
    """What the decisions came to."""

    final: pa.Table
    """FINAL: the cluster of every record of the clusters that a decision names; others keep theirs."""
    states: pa.Table
    """Rows of ``linkage/decision_states``."""
    settled: pa.Table
    """SETTLED: pairs of records that a decision keeps apart; nobody has to look at them again."""
    confirmed: pa.Table
    """SETTLED: pairs of records that a match names."""


@dataclass(frozen=True)
class _Pairs:
    """Every pair of the records that may come to share a cluster."""

    left: Ints
    right: Ints
    weight: Floats
    forbidden: Bools
    why: npt.NDArray[np.object_]
    """What forbids a pair, where it is forbidden."""


def named_records(decisions: pa.Table | None) -> list[str]:
    """source:record_id of every record that a decision which holds names."""
    return sorted({r for d in standing(decisions) if d.revoked_by is None for r in d.records})


def decide(records: pa.Table, decisions: pa.Table | None, generation: Generation, conf: Linkage) -> Decided:
    """Put the decisions over the clusters of ``records``.

    ``records`` are all records of the clusters that hold one of ``named_records(decisions)``, in the
    columns of ``read_records`` with ``cluster_rules``; their order does not matter.
    """
    known = standing(decisions)
    in_force = [d for d in known if d.revoked_by is None]
    if not in_force or not records.num_rows:
        return Decided(FINAL.empty_table(), _states(known, frozenset(), {}), *[SETTLED.empty_table()] * 2)
    with engine(conf) as connection:
        nodes = load_as_generation(connection, records, generation, conf)
        names = nodes.labels().to_pylist()
        live = frozenset(names)
        alive = [d for d in (each.among(live) for each in in_force) if not d.is_dormant]
        held = _Held(connection, nodes, names, alive, generation, conf)
        found, group = held.solved()
        states = _states(known, live, found.held)
    final = pa.table(
        {
            "source": nodes.source,
            "record_id": nodes.record_id,
            "cluster_final": pa.array(names, pa.string()).take(pa.array(group)),
        }
    ).cast(FINAL)
    matched = {pair for d in found.accepted if d.is_match for pair in combinations(sorted(set(d.records)), 2)}
    return Decided(final, states, _settled(found.apart), _settled(sorted(matched)))


def _settled(apart: Iterable[tuple[str, str]]) -> pa.Table:
    named = (sorted(name.split(":", 1) for name in pair) for pair in apart)
    rows = [[*left, *right] for left, right in named]
    return pa.Table.from_pylist([dict(zip(SETTLED.names, row, strict=True)) for row in rows], schema=SETTLED)


def _states(known: Iterable[Decision], live: frozenset[str], held: dict[str, Contradiction]) -> pa.Table:
    """Rows of ``linkage/decision_states``, the oldest decision first."""

    def state(decision: Decision) -> dict[str, Any]:
        row: dict[str, Any] = {"decision_id": decision.decision_id, "kind": decision.kind}
        if decision.revoked_by is not None:
            return {**row, "state": REVOKED, "revoked_by": decision.revoked_by}
        against = held.get(decision.decision_id)
        if against is not None:
            shown = {"left_record": against.left, "right_record": against.right}
            return {**row, "state": CONTRADICTED, "against": list(against.against), **shown}
        return {**row, "state": DORMANT if decision.among(live).is_dormant else ACTIVE}

    return pa.Table.from_pylist([state(decision) for decision in known], schema=STATES_SCHEMA)


class _Held:
    """The records around the decisions, as one process holds them."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        nodes: Nodes,
        names: list[str],
        decisions: list[Decision],
        generation: Generation,
        conf: Linkage,
    ) -> None:
        self.connection, self.nodes, self.names = connection, nodes, names
        self.generation, self.conf = generation, conf
        self.at = {name: node for node, name in enumerate(names)}
        rows = connection.sql("SELECT cluster_rules FROM received ORDER BY node").to_arrow_table()
        self.home = _smallest(rows["cluster_rules"].combine_chunks().dictionary_encode().indices.to_numpy())
        models = connection.sql("SELECT model FROM facts ORDER BY node").to_arrow_table()
        self.model = np.asarray(models["model"].to_pylist(), dtype=object)
        self.decisions = decisions
        self.bits = float(log_odds(np.array(generation.cut)))

    def solved(self) -> tuple[Consistent, Ints]:
        """Which decisions can be had, and each node's group by its smallest node."""
        label, too_large = self._bounded()
        taken = [d for d in self.decisions if d.decision_id not in too_large]
        pairs = self._pairs(label)
        found = consistent(taken, self._impossible(pairs, label))
        found.held.update(too_large)
        return found, self._grouped(found, pairs)

    def _joined(self, group: Ints, chains: Iterable[Iterable[str]]) -> Ints:
        """``group`` with the groups of each chain of records made one."""
        left, right = [np.arange(len(group))], [group]
        for chain in chains:
            chained = np.array([self.at[name] for name in chain], np.int64)
            left.append(chained[:-1])
            right.append(chained[1:])
        return components(len(group), np.concatenate(left), np.concatenate(right))

    def _bounded(self) -> tuple[Ints, dict[str, Contradiction]]:
        """What may come to share a cluster, and the matches that would make too much of it."""
        matches = [d for d in self.decisions if d.is_match]
        label = self._joined(self.home, (d.records for d in matches))
        is_over = np.bincount(label, minlength=len(label)) > self.conf.max_component
        refused = {
            d.decision_id: Contradiction(("max_component",), d.records[0], d.records[-1])
            for d in matches
            if is_over[label[self.at[d.records[0]]]] and len({self.home[self.at[r]] for r in d.records}) > 1
        }
        if refused:
            label = self._joined(self.home, (d.records for d in matches if d.decision_id not in refused))
        return label, refused

    def _pairs(self, label: Ints) -> _Pairs:
        parts = [self._pairs_of(name, label) for name in MODELS if (self.model == name).any()]
        return _Pairs(*(np.concatenate([getattr(p, f) for p in parts]) for f in _Pairs.__dataclass_fields__))

    def _pairs_of(self, name: str, label: Ints) -> _Pairs:
        """The pairs of one party type inside the labels, judged as linkage judges them."""
        connection, conf, model = self.connection, self.conf, self.generation.models[name]
        prepare(connection, name)
        rules = usable(model.rules, set(conf.fields))
        block(connection, rules, conf.blocking, duplicate_free=conf.duplicate_free)
        size = len(label)
        # A label of this party type alone: a match may have named a company too.
        names = tuple(rule.name for rule in rules)
        own = _smallest(np.where(self.model == name, label, size + np.arange(size)))
        with scorer(connection, model) as scores:
            judged_by = partial(judge, connection, name, model, names, conf=conf)
            found, judged = InsideScorer(
                connection, scores.of, judged_by, self.nodes, conf.task_pairs, conf.duplicate_free
            ).inside(own)
        joins = judged.joins(ints(found, "node_l"), ints(found, "node_r"))
        weight = joins.links(self.generation.cut).weight
        return _Pairs(joins.left, joins.right, weight, judged.forbidden, judged.decided_by)

    def _impossible(self, pairs: _Pairs, label: Ints) -> dict[tuple[str, str], str]:
        """Pairs of records that decisions name and that no decision can join."""
        is_named = np.zeros(len(self.names), bool)
        is_named[[self.at[record] for d in self.decisions for record in d.records]] = True
        found = {}
        for at in np.flatnonzero(pairs.forbidden & is_named[pairs.left] & is_named[pairs.right]):
            key = self.names[pairs.left[at]], self.names[pairs.right[at]]
            found[key] = str(pairs.why[at])
        by_label: dict[int, list[int]] = {}
        for node in np.flatnonzero(is_named):
            by_label.setdefault(int(label[node]), []).append(int(node))
        free = set(self.conf.duplicate_free)
        sources = self.nodes.source.to_pylist()
        for named in by_label.values():
            for place, one in enumerate(named):
                for other in named[place + 1 :]:
                    if self.model[one] != self.model[other]:
                        found[self.names[one], self.names[other]] = "party_type"
                    elif sources[one] in free and sources[one] == sources[other]:
                        found[self.names[one], self.names[other]] = "duplicate_free"
        return found

    def _grouped(self, found: Consistent, pairs: _Pairs) -> Ints:
        size = len(self.names)
        number = {name: place for place, name in enumerate(sorted(set(found.classes.values())))}
        of_class = np.full(size, -1, np.int64)
        for record, name in found.classes.items():
            of_class[self.at[record]] = number[name]
        is_one = (of_class[pairs.left] >= 0) & (of_class[pairs.left] == of_class[pairs.right])
        apart = np.array(
            [sorted((self.at[left], self.at[right])) for left, right in found.apart], np.int64
        ).reshape(-1, 2)
        never = np.isin(pairs.left * size + pairs.right, apart[:, 0] * size + apart[:, 1]) | pairs.forbidden
        piece = self.home.copy()
        torn = np.unique(self.home[apart[:, 0][self.home[apart[:, 0]] == self.home[apart[:, 1]]]])
        if len(torn):
            weight = np.where(is_one, np.inf, pairs.weight)
            piece = self._again(piece, self.home, torn, pairs, weight, never)
        whole = self._joined(piece, _chains(found.classes))
        pieces = np.bincount(whole[np.unique(piece)], minlength=size)
        made = np.flatnonzero(pieces > 1)
        if not len(made):
            return piece
        # Clusters put together stay whole, whatever their other pairs say, but for what never goes together.
        is_inside = piece[pairs.left] == piece[pairs.right]
        weight = np.where(is_inside, np.maximum(pairs.weight, self.bits), self.bits)
        return self._again(piece, whole, made, pairs, np.where(is_one, np.inf, weight), never)

    def _again(
        self, group: Ints, within: Ints, chosen: Ints, pairs: _Pairs, weight: Floats, never: Bools
    ) -> Ints:
        """``group`` with the nodes of the ``chosen`` parts of ``within`` grouped anew."""
        some = np.isin(within[pairs.left], chosen) & (within[pairs.left] == within[pairs.right])
        links = Links(pairs.left[some], pairs.right[some], weight[some])
        made = agglomerate(len(group), links, never[some], self.bits)
        return np.where(np.isin(within, chosen), made, group)


def _smallest(numbers: npt.NDArray[Any]) -> Ints:
    """The first node of each node's group, of which ``numbers`` are any numbers."""
    _, first, group = np.unique(numbers, return_index=True, return_inverse=True)
    found: Ints = first[group].astype(np.int64)
    return found


def _chains(classes: dict[str, str]) -> list[list[str]]:
    chains: dict[str, list[str]] = {}
    for record, name in classes.items():
        chains.setdefault(name, []).append(record)
    return list(chains.values())


def with_final(clusters: pa.Table, decided: Decided) -> pa.Table:
    """Rows of ``linkage/clusters`` with the ``cluster_final`` that the decisions gave, in the same order."""
    if not decided.final.num_rows:
        return clusters
    keys = ["source", "record_id"]
    numbered = clusters.append_column("_row", pa.array(np.arange(clusters.num_rows)))
    renamed = decided.final.rename_columns([*keys, "_final"])
    joined = numbered.select([*keys, "_row"]).join(renamed, keys=keys, join_type="inner")
    values = clusters["cluster_final"].to_numpy(zero_copy_only=False).copy()
    values[joined["_row"].to_numpy()] = joined["_final"].to_numpy(zero_copy_only=False)
    place = clusters.schema.get_field_index("cluster_final")
    return clusters.set_column(place, clusters.schema.field(place), pa.array(values, pa.string()))


def around_query(clusters: str, records: str, columns: str = "r.*") -> str:
    """SQL of DuckDB: the records of the clusters that hold one of the records $1, with ``cluster_rules``.

    ``clusters`` and ``records`` name tables, ``columns`` what is wanted of the latter, called ``r``.
    """
    return f"""WITH named AS (SELECT unnest($1::VARCHAR[]) AS name),
        homes AS (SELECT DISTINCT cluster_rules FROM {clusters}
            SEMI JOIN named ON name = source || ':' || record_id)
        SELECT {columns}, c.cluster_rules FROM {records} r JOIN {clusters} c USING (source, record_id)
        SEMI JOIN homes USING (cluster_rules)"""


def around(clusters: pa.Table, records: pa.Table, decisions: pa.Table | None) -> pa.Table:
    """The records of the clusters that ``decisions`` name, with ``cluster_rules``: what ``decide`` asks for."""
    named = named_records(decisions)
    if not named:
        return records.schema.empty_table()
    with duckdb.connect(":memory:") as connection:
        connection.register("clusters", clusters)
        connection.register("records", records)
        return connection.sql(around_query("clusters", "records"), params=[named]).to_arrow_table()
