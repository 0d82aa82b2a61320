"""Why two records are one customer or two: weights, relation, blocking and the step that decided.

The pair and all pairs of its component are scored again by the engine's own functions, with the
generation in use; nothing is read from how the night happened to score them but which pairs were
kept and what the clusters are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.breakdown import LAYERS
from pipelines.linkage.brought import bringing, load_as_generation, prepare_keys
from pipelines.linkage.components import components
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import log_odds
from pipelines.linkage.engine import engine
from pipelines.linkage.evidence import LEAST_WEIGHT
from pipelines.linkage.explanation import Explanation, Sides
from pipelines.linkage.generations import Generation
from pipelines.linkage.joining import meeting
from pipelines.linkage.judge import COMPONENT, judge
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.nearby import Key, unknown_record
from pipelines.linkage.relation import posteriors
from pipelines.linkage.said import RoleValues, said_values
from pipelines.linkage.scoring import score_pairs
from pipelines.linkage.waterfall import waterfall

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def parsed_key(text: str) -> Key:
    """``source:record_id`` as a pair; the id may hold colons. Raises UsageError where it is not written so."""
    source, colon, record_id = text.partition(":")
    if not (source and colon and record_id):
        raise UsageError(f"{text!r} is no record: write source:record_id, such as crm:C00017.")
    return source, record_id


def explain_pair(
    records: pa.Table,
    scored: pa.Table,
    clusters: pa.Table,
    generation: Generation,
    conf: Linkage,
    left: Key,
    right: Key,
) -> Explanation:
    """Explain the pair of ``left`` and ``right``, (source, record_id) each.

    ``records`` has the columns of ``read_records``, ``scored`` those of ``linkage/scored_pairs``,
    ``clusters`` those of ``linkage/clusters``: all of one release, with the ``generation`` that linked it.
    Raises UsageError for an unknown record, the same record twice, a person against a company.
    """
    if left == right:
        raise UsageError(f"{_named(left)} is one record: name two.")
    left, right = sorted((left, right))
    with engine(conf) as connection:
        load_as_generation(connection, records, generation, conf)
        a, b, name = _nodes_of(connection, left, right)
        rules = prepare_keys(connection, name, generation, conf)
        values = said_values(connection, a, b, conf)
        found = _Component(connection, scored, clusters, generation, conf, name, rules, a, b)
        return found.explanation(connection, left, right, values)


def _named(key: Key) -> str:
    return ":".join(key)


def _nodes_of(connection: duckdb.DuckDBPyConnection, left: Key, right: Key) -> tuple[int, int, str]:
    """The nodes of the two records and the model that compares them."""
    rows = []
    for key in (left, right):
        found = connection.execute(
            "SELECT node, model, party_type FROM facts WHERE source = $1 AND record_id = $2", list(key)
        ).fetchall()
        if not found:
            sources = connection.execute("SELECT DISTINCT source FROM facts ORDER BY source").fetchall()
            raise unknown_record(key, [source for (source,) in sources])
        rows.append(found[0])
    if rows[0][1] != rows[1][1]:
        described = " and ".join(
            f"{_named(k)} a {row[2]}" for k, row in zip((left, right), rows, strict=True)
        )
        raise UsageError(
            f"{described}: a person and a company are never compared and never share a cluster."
            " A company's contact is a relationship."
        )
    return int(rows[0][0]), int(rows[1][0]), rows[0][1]


def _compared(
    connection: duckdb.DuckDBPyConnection, a: int, b: int
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    left, right = (
        connection.sql("SELECT * FROM people WHERE node = $1", params=[node]).to_arrow_table().to_pylist()[0]
        for node in (a, b)
    )
    return left, right


class _Component:
    """Every pair among the records that hang together with one of the two, scored again."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        scored: pa.Table,
        clusters: pa.Table,
        generation: Generation,
        conf: Linkage,
        name: str,
        rules: tuple[Rule, ...],
        a: int,
        b: int,
    ) -> None:
        self.generation, self.conf, self.name, self.rules = generation, conf, name, rules
        self.a, self.b = a, b
        self.model = generation.models[name]
        label = _labels(connection, scored)
        self.is_connected = bool(label[a] == label[b])
        self.members: Ints = np.flatnonzero((label == label[a]) | (label == label[b])).astype(np.int64)
        self.pairs = self._score(connection)
        judged = judge(connection, name, self.model, tuple(rule.name for rule in rules), self.pairs, conf)
        compared = self._compared(connection)
        self.is_compared = bool(compared[self._index()])
        # What is not compared never shares a group.
        self.forbidden, self.probability = judged.forbidden | ~compared, judged.probability
        self.decided_by = judged.decided_by
        left, right = (self.pairs[column].to_numpy().astype(np.int64) for column in ("node_l", "node_r"))
        joins = judged.joins(left, right)
        self.weight = joins.links(generation.cut).weight
        self.same = _same_cluster(clusters, *(self._key(connection, node) for node in (a, b)))

    def _key(self, connection: duckdb.DuckDBPyConnection, node: int) -> Key:
        row = connection.execute("SELECT source, record_id FROM facts WHERE node = $1", [node]).fetchall()[0]
        return row[0], row[1]

    def _score(self, connection: duckdb.DuckDBPyConnection) -> pa.Table:
        connection.register("members", pa.table({"node": self.members}))
        connection.execute(
            "CREATE TABLE meeting AS SELECT l.node AS a, r.node AS b FROM members l JOIN members r ON l.node < r.node"
        )
        free = self.conf.duplicate_free
        connection.execute(
            f"CREATE TABLE brought AS SELECT DISTINCT * FROM ({bringing(self.rules, 'meeting', free)})"
        )
        connection.execute(
            """CREATE TABLE asked AS SELECT a AS join_key_l, b AS join_key_r,
                CAST(coalesce(min(rule), -1) AS VARCHAR) AS match_key
            FROM meeting LEFT JOIN brought USING (a, b) GROUP BY a, b"""
        )
        # Only the members' values are needed from here on; a join over all records would cost seconds.
        connection.execute(
            "CREATE TABLE members_only AS SELECT p.* FROM people p SEMI JOIN members USING (node)"
        )
        self.brought = tuple(
            self.rules[int(rule)].name
            for (rule,) in connection.execute(
                "SELECT rule FROM brought WHERE a = $1 AND b = $2 ORDER BY rule", [self.a, self.b]
            ).fetchall()
        )
        connection.execute("DROP TABLE people")
        connection.execute("ALTER TABLE members_only RENAME TO people")
        connection.unregister("members")
        return score_pairs(connection, self.model, "asked")

    def _compared(self, connection: duckdb.DuckDBPyConnection) -> Bools:
        """Whether the engine compares each pair: not two records of a source without duplicates."""
        ends = self.pairs.select(["node_l", "node_r"])
        connection.register("ends", ends)
        found = connection.sql(
            f"""SELECT {may_be_compared(self.conf.duplicate_free)} AS compared FROM ends
            JOIN facts l ON l.node = node_l JOIN facts r ON r.node = node_r ORDER BY node_l, node_r"""
        ).to_arrow_table()
        connection.unregister("ends")
        compared: Bools = found["compared"].to_numpy().astype(bool)
        return compared

    def _index(self) -> int:
        at = np.flatnonzero(
            (self.pairs["node_l"].to_numpy() == self.a) & (self.pairs["node_r"].to_numpy() == self.b)
        )
        return int(at[0])

    def explanation(
        self, connection: duckdb.DuckDBPyConnection, left: Key, right: Key, values: tuple[RoleValues, ...]
    ) -> Explanation:
        at = self._index()
        row = self.pairs.slice(at, 1).to_pylist()[0]
        probability = float(self.probability[at])
        relations: dict[str, float] = {}
        if self.model.relations.trusted:
            kinds, posterior = posteriors(self.model.relations, self.pairs.slice(at, 1))
            relations = {kind: float(p) for kind, p in zip(kinds, posterior[0], strict=True)}
        sides = self._sides(connection) if self.is_connected else None
        cut = self.generation.cut
        return Explanation(
            left=_named(left),
            right=_named(right),
            model=self.name,
            generation_id=self.generation.generation_id,
            generation_kind=self.model.kind,
            waterfall=waterfall(self.model.settings, row),
            same_person_probability=probability,
            decided_by=str(self.decided_by[at]),
            relations=relations,
            rules=self.brought,
            cut=cut,
            cut_weight=float(log_odds(np.array(cut))),
            review_probability=self.conf.review_probability,
            same_cluster=self.same,
            verdict=self._verdict(probability, row["match_weight"], str(self.decided_by[at]), sides),
            sides=sides,
            through=self._through(connection) if self.is_connected and probability < cut else None,
            values=values,
            settings=self.model.settings,
            scored=row,
            compared=_compared(connection, self.a, self.b),
        )

    def _verdict(self, probability: float, match_weight: float, decided_by: str, sides: Sides | None) -> str:
        by_model, by_rules, final = (self.same[layer] for layer in LAYERS)
        is_probable = probability >= self.generation.cut
        if final:
            if by_rules is False:
                return "joined_by_decision"
            if by_model is False:
                return "rule"
            return "linked" if is_probable and decided_by != "never" else "through_others"
        if not self.is_compared:
            return "one_source"
        if by_rules:
            return "split_by_decision"
        if by_model or (is_probable and decided_by == "never"):
            return "vetoed"
        if sides is None:
            if not self.brought:
                return "not_blocked"
            # Linked, and yet in two components: only the cut of a large one does that.
            is_link = probability >= self.conf.review_probability and match_weight >= LEAST_WEIGHT
            return "component_cut" if is_link else "no_chain"
        # Never-evidence would have parted what the model alone joins; this is what the model does not compare.
        reaches = (sides.mean_weight or 0.0) >= float(log_odds(np.array(self.generation.cut)))
        if sides.forbidden_pairs and sides.mean_weight is not None and reaches:
            return "one_source"
        if is_probable:
            return "cut_by_clustering"
        return "name_alone" if decided_by == "name_alone" else "below_cut"

    def _square(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        n = len(self.members)
        left, right = (np.searchsorted(self.members, self.pairs[c].to_numpy()) for c in ("node_l", "node_r"))
        square = np.zeros((n, n), values.dtype)
        square[left, right] = square[right, left] = values
        return square

    def _sides(self, connection: duckdb.DuckDBPyConnection) -> Sides:
        a, b = (int(np.searchsorted(self.members, node)) for node in (self.a, self.b))
        met = meeting(self._square(self.weight), self._square(self.forbidden), a, b)
        left, right = (
            tuple(_named(self._key(connection, int(node))) for node in np.sort(self.members[side]))
            for side in (met.left, met.right)
        )
        return Sides(left, right, met.pairs, met.mean_weight, met.forbidden)

    def _through(self, connection: duckdb.DuckDBPyConnection) -> str | None:
        """The record whose weaker probability with the two is highest, where that reaches the cut."""
        if len(self.members) < 3:
            return None
        probability = self._square(np.where(self.forbidden, 0.0, self.probability))
        a, b = (int(np.searchsorted(self.members, node)) for node in (self.a, self.b))
        weaker = np.minimum(probability[a], probability[b])
        weaker[[a, b]] = 0.0
        at = int(weaker.argmax())
        return (
            _named(self._key(connection, int(self.members[at])))
            if weaker[at] >= self.generation.cut
            else None
        )


def _labels(connection: duckdb.DuckDBPyConnection, scored: pa.Table) -> Ints:
    """The component of each node, from the kept pairs that a blocking rule found."""
    nodes = int(connection.execute("SELECT count(*) FROM facts").fetchall()[0][0])
    connection.register("kept", scored)
    rows = connection.execute(
        f"""SELECT l.node AS a, r.node AS b FROM kept k
        JOIN facts l ON l.source = k.source_l AND l.record_id = k.record_id_l
        JOIN facts r ON r.source = k.source_r AND r.record_id = k.record_id_r
        WHERE k.blocked_by <> '{COMPONENT}'"""
    ).fetchnumpy()
    connection.unregister("kept")
    return components(nodes, np.asarray(rows["a"]).astype(np.int64), np.asarray(rows["b"]).astype(np.int64))


def _same_cluster(clusters: pa.Table, left: Key, right: Key) -> dict[str, bool | None]:
    """Whether the two share a cluster, by layer."""
    homes = []
    for source, record_id in (left, right):
        mask = pc.and_(pc.equal(clusters["source"], source), pc.equal(clusters["record_id"], record_id))
        found = clusters.filter(mask).to_pylist()
        if not found:
            raise UsageError(f"{source}:{record_id} is in no cluster: the clusters are of other records.")
        homes.append(found[0])
    return {
        layer: homes[0][layer] == homes[1][layer] if layer in clusters.column_names else None
        for layer in LAYERS
    }
