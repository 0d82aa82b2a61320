"""What one of many tasks does: a partition's rows in, Arrow in and out, one DuckDB of one thread.

Spark brings together what belongs together and knows nothing of linkage; a task knows nothing of
Spark. Each class is a function for ``mapInArrow``: it is pickled to the worker, where its module
must be importable, and is told everything else by its fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage import scored_pairs
from pipelines.linkage.blocking import full_keys_query, keys_query
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.comparisons import frequency_floors
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import log_odds
from pipelines.linkage.engine import empty_records, engine
from pipelines.linkage.exact_rules import exact_keys_query
from pipelines.linkage.generations import Model
from pipelines.linkage.generic_values import ONLY_VALUE, carriers_query, use_generic
from pipelines.linkage.generic_values import SCHEMA as GENERIC
from pipelines.linkage.judge import NO_RULE, Judged, clustered, judge
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.records import facts_query, prepare
from pipelines.linkage.relation import classify
from pipelines.linkage.scoring import score_pairs

Batches = Iterable[pa.RecordBatch]
Ints = npt.NDArray[np.int64]

GATHERED = 50_000
"""Rows that are worked on at a time where rows need no others."""
_STRINGS = pa.list_(pa.string())
NUMBERED = pa.schema([("part", pa.int32()), ("place", pa.int64())])
"""What ``Number`` adds: the partition, and the row's place in it from 0."""
CARRIERS = pa.schema(
    [("field", pa.string()), ("value", pa.string()), ("name", pa.string()), ("node", pa.int64())]
)
KEYS = pa.schema([("rule", pa.int32()), ("node", pa.int64()), ("block", pa.int64())])
"""A key as 63 bits of its hash: what Spark sorts and counts is short, however long the key is."""
FULL_KEYS = pa.schema([*KEYS, ("key", pa.string()), ("following", _STRINGS), ("neighbour", pa.string())])
EXACT_KEYS = pa.schema([("rule", pa.int32()), ("node", pa.int64()), ("key", pa.string())])
LINKS = pa.schema(
    [
        ("node_l", pa.int64()),
        ("node_r", pa.int64()),
        ("weight", pa.float64()),
        ("rule", pa.int32()),
        ("found", pa.int64()),
    ]
)
"""A link, or, where its nodes are NULL, the number of pairs that the task found by a rule."""
JUDGED = pa.schema(
    [
        *scored_pairs.SCHEMA,
        ("is_together", pa.bool_()),
        ("node", pa.int64()),
        ("cluster_model", pa.string()),
        ("cluster_rules", pa.string()),
        ("component", pa.string()),
    ]
)
"""A scored pair, or, where ``node`` is known, a record's clusters and component."""


def named_in(sql: str, columns: Iterable[str]) -> list[str]:
    """The columns that ``sql`` names, as they are or as one side of a pair (``_l``, ``_r``).

    >>> named_in("left(surname_l, 2) = left(surname_r, 2) OR city IS NULL", ["surname", "city", "street"])
    ['surname', 'city']
    """
    words = set(re.findall(r"\w+", sql))
    return [c for c in columns if words & {c, f"{c}_l", f"{c}_r"}]


def scoring_columns(model: Model, columns: Iterable[str]) -> list[str]:
    """The columns of ``people`` that scoring by ``model`` looks at."""
    levels = [level for c in model.settings["comparisons"] for level in c["comparison_levels"]]
    text = " ".join(level["sql_condition"] for level in levels)
    return named_in(f"{text} {' '.join(frequency_floors(model.settings))}", columns)


def judging_columns(model: Model, conf: Linkage, columns: Iterable[str]) -> list[str]:
    """The columns of ``people`` that scoring and the rules look at."""
    names = list(columns)
    ruled = {role for rule in conf.rules for role in (*rule.match, *rule.never)}
    wanted = {*scoring_columns(model, names), *conf.never, *ruled, "tax_id_type"}
    return [name for name in names if name in wanted]


@contextmanager
def task_engine(conf: Linkage) -> Iterator[duckdb.DuckDBPyConnection]:
    """The DuckDB of one task."""
    # Spark runs a task a core: more threads in each would only stand in each other's way.
    with engine(conf.model_copy(update={"memory_limit": conf.task_memory_limit, "threads": 1})) as connection:
        yield connection


def gathered(batches: Batches) -> Iterator[pa.Table]:
    """The batches a few at a time: a query a batch would mostly be overhead."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(b.num_rows for b in held) >= GATHERED:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def _whole(batches: Batches) -> pa.Table | None:
    """All rows of a partition; None where it has none."""
    held = [batch for batch in batches if batch.num_rows]
    return pa.Table.from_batches(held) if held else None


def shaped(table: pa.Table, schema: pa.Schema) -> list[pa.RecordBatch]:
    """The table in the schema; columns that it lacks are NULL."""
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    batches: list[pa.RecordBatch] = pa.table(columns, schema=schema).to_batches()
    return batches


@dataclass(frozen=True)
class Number:
    """Adds part and place to rows that are in order inside their partition."""

    schema: pa.Schema

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        context = TaskContext.get()
        part = context.partitionId() if context is not None else 0
        at = 0
        for batch in batches:
            rows = pa.Table.from_batches([batch])
            place = np.arange(at, at + batch.num_rows, dtype=np.int64)
            rows = rows.append_column("part", pa.array(np.full(batch.num_rows, part, np.int32)))
            yield from shaped(rows.append_column("place", pa.array(place)), self.schema)
            at += batch.num_rows


@dataclass(frozen=True)
class Carriers:
    """Records with their node in; who carries which value of the roles that can be generic out."""

    conf: Linkage

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        roles = sorted({*self.conf.generic.distinct_names, *ONLY_VALUE})
        query = " UNION ALL ".join(carriers_query(role) for role in roles)
        with task_engine(self.conf) as connection:
            for rows in gathered(batches):
                _facts(connection, rows, self.conf)
                yield from shaped(connection.sql(query).to_arrow_table(), CARRIERS)


@dataclass(frozen=True)
class People:
    """Records with their node in; table ``people`` of one model with record_id out."""

    conf: Linkage
    model: str
    generic: pa.Table
    schema: pa.Schema

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        with task_engine(self.conf) as connection:
            use_generic(connection, self.generic)
            for rows in gathered(batches):
                yield from shaped(_people(connection, rows, self.conf, self.model), self.schema)


def people_schema(conf: Linkage, model: str) -> pa.Schema:
    """The columns that ``People`` gives."""
    nobody = empty_records(conf).append_column("node", pa.array([], pa.int64()))
    with engine(conf) as connection:
        use_generic(connection, GENERIC.empty_table())
        return _people(connection, nobody, conf, model).schema


def _facts(connection: duckdb.DuckDBPyConnection, rows: pa.Table, conf: Linkage) -> None:
    connection.register("received", rows)
    connection.execute(f"CREATE OR REPLACE TABLE facts AS {facts_query(conf)}")
    connection.unregister("received")


def _people(connection: duckdb.DuckDBPyConnection, rows: pa.Table, conf: Linkage, model: str) -> pa.Table:
    _facts(connection, rows, conf)
    prepare(connection, model)
    return connection.sql(
        "SELECT p.*, f.record_id FROM people p JOIN facts f ON f.node = p.node ORDER BY p.node"
    ).to_arrow_table()


@dataclass(frozen=True)
class Keys:
    """``people`` in; their keys by rule out, the next keys with them where ``is_full``."""

    conf: Linkage
    rules: tuple[Rule, ...]
    is_full: bool = False

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        if not self.rules:
            return
        schema = FULL_KEYS if self.is_full else KEYS
        columns = ", key, following, neighbour" if self.is_full else ""
        of_rule = full_keys_query if self.is_full else keys_query
        query = " UNION ALL ".join(
            f"SELECT {number} AS rule, node, CAST(hash(key) >> 1 AS BIGINT) AS block{columns} FROM ({of_rule(rule)})"
            for number, rule in enumerate(self.rules)
        )
        with task_engine(self.conf) as connection:
            for rows in gathered(batches):
                connection.register("people", rows)
                yield from shaped(connection.sql(query).to_arrow_table(), schema)
                connection.unregister("people")


@dataclass(frozen=True)
class ExactKeys:
    """``people`` in; what the exact rules link by out, in the columns of ``EXACT_KEYS``."""

    conf: Linkage

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        query = exact_keys_query(self.conf.rules)
        with task_engine(self.conf) as connection:
            for rows in gathered(batches):
                connection.register("people", rows)
                yield from shaped(connection.sql(query).to_arrow_table(), EXACT_KEYS)
                connection.unregister("people")


@dataclass(frozen=True)
class ScoreBlocks:
    """Blocks of one model in, whole; the links among their pairs out.

    A row is a record in one of its blocks: ``people``'s columns (source among them), rule, block,
    ``earlier``, its blocks before this one in the order of (rule, block), and ``is_changed``. A pair
    is scored in the first block that holds both, if one of its records is changed.
    """

    conf: Linkage
    model: Model
    least_weight: float

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        placed = _whole(batches)
        if placed is None:
            return
        with task_engine(self.conf) as connection:
            connection.register("arrived", placed)
            connection.execute(
                "CREATE TABLE placed AS SELECT node, source, rule, block, earlier, is_changed FROM arrived"
            )
            connection.execute(
                """CREATE TABLE people AS SELECT * EXCLUDE (rule, block, earlier, is_changed) FROM arrived
                QUALIFY row_number() OVER (PARTITION BY node ORDER BY rule, block) = 1"""
            )
            connection.unregister("arrived")
            del placed
            connection.execute(
                f"""CREATE TABLE blocked AS
                SELECT l.node AS join_key_l, r.node AS join_key_r, CAST(l.rule AS VARCHAR) AS match_key
                FROM placed l JOIN placed r ON l.block = r.block AND l.node < r.node
                WHERE NOT list_has_any(l.earlier, r.earlier) AND (l.is_changed OR r.is_changed)
                    AND {may_be_compared(self.conf.duplicate_free)}"""
            )
            found = connection.sql(
                "SELECT CAST(match_key AS INTEGER) AS rule, count(*) AS found FROM blocked GROUP BY ALL"
            ).to_arrow_table()
            yield from shaped(found, LINKS)
            scored = score_pairs(connection, self.model, "blocked", self.least_weight)
        yield from shaped(links_of(self.model, scored, self.conf), LINKS)


def links_of(model: Model, scored: pa.Table, conf: Linkage) -> pa.Table:
    """The pairs of ``score_pairs`` that may be one person: node_l, node_r, weight and rule."""
    probability, _ = classify(model.relations, scored)
    kept = probability >= conf.review_probability
    links = scored.select(["node_l", "node_r", "rule"]).filter(pa.array(kept))
    return links.append_column("weight", pa.array(log_odds(probability[kept])))


@dataclass(frozen=True)
class ScoreComponents:
    """Components of one model in, whole; their scored pairs and their records' clusters out.

    A row is a record: ``people``'s columns, record_id, label (its component) and blocks (rule,
    block), by which a pair is told the first rule that found it.
    """

    conf: Linkage
    name: str
    model: Model
    rules: tuple[str, ...]
    cut: float

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        placed = _whole(batches)
        if placed is None:
            return
        with task_engine(self.conf) as connection:
            connection.register("arrived", placed)
            connection.execute("CREATE TABLE people AS SELECT * EXCLUDE (blocks) FROM arrived")
            connection.execute(
                "CREATE TABLE homes AS SELECT node, label, unnest(blocks, recursive := true) FROM arrived"
            )
            connection.unregister("arrived")
            del placed
            connection.execute(
                f"""CREATE TABLE inside AS
                WITH b AS (SELECT l.node AS a, r.node AS b, min(l.rule) AS rule
                    FROM homes l JOIN homes r ON l.block = r.block AND l.label = r.label AND l.node < r.node
                    GROUP BY ALL)
                SELECT l.node AS join_key_l, r.node AS join_key_r,
                    CAST(coalesce(b.rule, {NO_RULE}) AS VARCHAR) AS match_key
                FROM people l JOIN people r ON l.label = r.label AND l.node < r.node
                    AND {may_be_compared(self.conf.duplicate_free)}
                LEFT JOIN b ON b.a = l.node AND b.b = r.node"""
            )
            pairs = score_pairs(connection, self.model, "inside")
            judged = judge(connection, self.name, self.model, self.rules, pairs, self.conf)
            keys = connection.sql(
                "SELECT node, source, record_id, label FROM people ORDER BY node"
            ).to_arrow_table()
        yield from self._clustered(keys.combine_chunks(), pairs, judged)

    def _clustered(self, keys: pa.Table, pairs: pa.Table, judged: Judged) -> Iterator[pa.RecordBatch]:
        node = _ints(keys, "node")
        left, right = (np.searchsorted(node, _ints(pairs, side)) for side in ("node_l", "node_r"))
        joins = judged.joins(left, right)
        by_model, by_rules = clustered(len(node), joins, judged.forbidden, self.cut)
        names = cluster_names(keys)
        yield from shaped(
            pa.table(
                {
                    "node": node,
                    "cluster_model": pa.array(names[by_model], pa.string()),
                    "cluster_rules": pa.array(names[by_rules], pa.string()),
                    # A component is called after its smallest node, which came here with the others.
                    "component": pa.array(names[np.searchsorted(node, _ints(keys, "label"))], pa.string()),
                }
            ),
            JUDGED,
        )
        kept = judged.probability >= self.conf.review_probability
        ends = {"l": pa.array(left[kept]), "r": pa.array(right[kept])}
        rows = {
            **{
                f"{column}_{side}": keys[column].take(at)
                for side, at in ends.items()
                for column in ("source", "record_id")
            },
            "match_weight": pairs["match_weight"].filter(pa.array(kept)),
            "match_probability": pairs["match_probability"].filter(pa.array(kept)),
            "same_person_probability": judged.probability[kept],
            "relation": pa.array(judged.relation[kept], pa.string()),
            "decided_by": pa.array(judged.decided_by[kept], pa.string()),
            "blocked_by": pa.array(judged.blocked_by[kept], pa.string()),
            "is_together": by_rules[left[kept]] == by_rules[right[kept]],
        }
        yield from shaped(pa.table(rows), JUDGED)


def cluster_names(keys: pa.Table) -> npt.NDArray[np.object_]:
    """``source:record_id`` of each record."""
    joined = pc.binary_join_element_wise(keys["source"], keys["record_id"], ":")
    return np.asarray(joined.to_numpy(zero_copy_only=False), dtype=object)


def _ints(table: pa.Table, column: str) -> Ints:
    values: Ints = table[column].to_numpy().astype(np.int64)
    return values
