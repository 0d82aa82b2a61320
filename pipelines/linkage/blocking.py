"""Which pairs are compared: keys by role, blocks capped, each pair once under its first rule.

A rule gives each record one key or several. Records that share a key are a block. A block above
the cap is subdivided by the rule's next keys and, when those do not split it, in slices of
neighbours by name and birth date: it is never compared whole and never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.conditions import block_by_conditions, check_affordable
from pipelines.linkage.config import Blocking
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.over_large_keys import FOUND, in_words

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RuleCost:
    """What one rule brings: its name, pairs first found by it, and its blocks above the cap."""

    rule: str
    pairs: int
    capped_blocks: int
    largest_block: int


def block(
    connection: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    conf: Blocking,
    *,
    duplicate_free: tuple[str, ...] = (),
    touching: str | None = None,
) -> tuple[RuleCost, ...]:
    """Create the table ``blocked`` (join_key_l < join_key_r, match_key) from table ``people``.

    ``match_key`` is the number of the first rule that found the pair. Two records of one
    ``duplicate_free`` source are no pair. With ``touching`` (a table of nodes) a pair without one
    of them is left out.
    """
    check_affordable(connection, rules, conf)
    capped = block_keys(connection, rules, conf)
    costs = block_pairs(connection, rules, capped, duplicate_free=duplicate_free, touching=touching)
    connection.execute("DROP TABLE keys")
    return costs


def block_pairs(
    connection: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    capped: list[tuple[int, int]],
    *,
    duplicate_free: tuple[str, ...] = (),
    touching: str | None = None,
) -> tuple[RuleCost, ...]:
    """What ``block`` does after ``block_keys``, which gave ``capped`` and the table ``keys``.

    Rules with a condition find all their pairs anew, in table ``conditioned``.
    """
    conditions = {number: rule for number, rule in enumerate(rules) if rule.condition is not None}
    touches = f"WHERE {_touches(touching)}" if touching else ""
    if conditions:
        block_by_conditions(connection, conditions)
        if duplicate_free:
            connection.execute(
                f"""DELETE FROM blocked USING people l, people r
                WHERE l.node = join_key_l AND r.node = join_key_r AND NOT {may_be_compared(duplicate_free)}"""
            )
        if len(conditions) == len(rules) and not touching:
            return _costs(connection, rules, capped)
        connection.execute("DROP TABLE IF EXISTS conditioned")
        connection.execute("ALTER TABLE blocked RENAME TO conditioned")
    others = (
        f"UNION ALL SELECT join_key_l, join_key_r, CAST(match_key AS INTEGER) FROM conditioned {touches}"
        if conditions
        else ""
    )
    sided = "(SELECT keys.*, source FROM keys JOIN people USING (node))" if duplicate_free else "keys"
    # A pair of two nodes of ``touching`` is found from both sides, and counts once.
    one = f"(SELECT * FROM {sided} SEMI JOIN {touching} USING (node))" if touching else sided
    order = "l.node <> r.node" if touching else "l.node < r.node"
    connection.execute(
        f"""CREATE OR REPLACE TABLE blocked AS
        SELECT join_key_l, join_key_r, CAST(min(rule) AS VARCHAR) AS match_key
        FROM (SELECT least(l.node, r.node) AS join_key_l, greatest(l.node, r.node) AS join_key_r, l.rule
            FROM {one} l JOIN {sided} r ON l.rule = r.rule AND l.key = r.key AND {order}
                AND {may_be_compared(duplicate_free)} {others})
        GROUP BY join_key_l, join_key_r"""
    )
    return _costs(connection, rules, capped)


def block_inside(
    connection: duckdb.DuckDBPyConnection,
    rules: tuple[Rule, ...],
    labels: str,
    duplicate_free: tuple[str, ...],
) -> None:
    """Add the pairs of one label (table ``labels``: node, label) to ``blocked``, which lacks some of them.

    For pairs inside a component of which ``touching`` left out those without a changed record.
    """
    others = (
        f"""UNION ALL SELECT c.join_key_l, c.join_key_r, CAST(c.match_key AS INTEGER) FROM conditioned c
            JOIN {labels} l ON l.node = c.join_key_l JOIN {labels} r ON r.node = c.join_key_r AND r.label = l.label"""
        if any(rule.condition is not None for rule in rules)
        else ""
    )
    source = ", source" if duplicate_free else ""
    people = "JOIN people USING (node)" if duplicate_free else ""
    connection.execute(
        f"""INSERT INTO blocked
        WITH held AS (SELECT rule, node, key, label{source} FROM keys JOIN {labels} USING (node) {people})
        SELECT join_key_l, join_key_r, CAST(min(rule) AS VARCHAR) AS match_key
        FROM (SELECT l.node AS join_key_l, r.node AS join_key_r, l.rule
            FROM held l JOIN held r ON l.rule = r.rule AND l.key = r.key AND l.label = r.label
                AND l.node < r.node AND {may_be_compared(duplicate_free)} {others}) found
        ANTI JOIN blocked b ON b.join_key_l = found.join_key_l AND b.join_key_r = found.join_key_r
        GROUP BY join_key_l, join_key_r"""
    )


def _touches(nodes: str) -> str:
    """SQL: one of a pair's nodes is in the table."""
    return f"(join_key_l IN (SELECT node FROM {nodes}) OR join_key_r IN (SELECT node FROM {nodes}))"


def _costs(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], capped: list[tuple[int, int]]
) -> tuple[RuleCost, ...]:
    found = dict(connection.execute("SELECT match_key, count(*) FROM blocked GROUP BY match_key").fetchall())
    return tuple(
        RuleCost(rule.name, int(found.get(str(number), 0)), *capped[number])
        for number, rule in enumerate(rules)
    )


def block_keys(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], conf: Blocking
) -> list[tuple[int, int]]:
    """Create the table ``keys`` (rule, node, key) from table ``people``: equal keys are a block.

    Returns each rule's (blocks above the cap, largest block). The rest is as in ``hold_keys``.
    """
    held = hold_keys(connection, rules, conf)
    held.create(connection, "keys")
    return held.capped


@dataclass(frozen=True)
class HeldKeys:
    """The keys of all records, by rule."""

    nodes: list[Ints]
    keys: list[npt.NDArray[np.uint64]]
    """64 bits of a hash of each key, in the order of ``nodes``."""
    capped: list[tuple[int, int]]
    """Blocks above the cap before they were subdivided, and the records of the largest."""
    over_large: pa.Table
    """The keys of these blocks and how they were subdivided: ``over_large_keys.FOUND``."""

    def create(
        self, connection: duckdb.DuckDBPyConnection, table: str, chosen: Sequence[Bools] | None = None
    ) -> None:
        """Create ``table`` (rule, node, key) of the ``chosen`` keys of each rule."""
        connection.execute(f"CREATE OR REPLACE TABLE {table} (rule INTEGER, node BIGINT, key UBIGINT)")
        for number, (node, key) in enumerate(zip(self.nodes, self.keys, strict=True)):
            mask = slice(None) if chosen is None else chosen[number]
            connection.register("held", pa.table({"node": node[mask], "key": key[mask]}))
            connection.execute(f"INSERT INTO {table} SELECT {number}, node, key FROM held")
            connection.unregister("held")

    def shared_with(self, some: Bools) -> list[Bools]:
        """Of each rule the keys that one of ``some`` nodes has."""
        return [
            np.isin(key, np.unique(key[some[node]])) for node, key in zip(self.nodes, self.keys, strict=True)
        ]

    def of(self, some: Bools) -> list[Bools]:
        """Of each rule the keys of ``some`` nodes."""
        return [some[node] for node in self.nodes]


def hold_keys(connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], conf: Blocking) -> HeldKeys:
    """The keys of all records of ``people``, blocks above the cap subdivided.

    Creates the table ``places`` (rule, node, place), which says in words into which part of an
    over-large block a record fell. A rule with a condition has no keys. Nothing is compared yet:
    ``check_affordable`` is for who will.
    """
    connection.execute("CREATE OR REPLACE TABLE places (rule INTEGER, node BIGINT, place VARCHAR)")
    found = [_rule_keys(connection, number, rule, conf.max_block) for number, rule in enumerate(rules)]
    over_large = pa.concat_tables([FOUND.empty_table(), *(f[3] for f in found)])
    return HeldKeys([f[0] for f in found], [f[1] for f in found], [f[2] for f in found], over_large)


def keys_query(rule: Rule) -> str:
    """SQL of a rule's keys over table ``people``: node and key, each pair once."""
    # Only a list may give one record the same key twice.
    once = "DISTINCT" if rule.each else ""
    return f"""SELECT {once} node, CAST({rule.key} AS VARCHAR) AS key
        FROM {_source(rule)} WHERE {rule.key} IS NOT NULL"""


def full_keys_query(rule: Rule) -> str:
    """SQL of a rule's keys over table ``people``: node, key, the next keys (following), and neighbour.

    ``neighbour`` is what a block that no key splits is put in order by, before it is cut in slices.
    """
    following = ", ".join(f"coalesce(CAST({key} AS VARCHAR), '')" for key in rule.then)
    return f"""SELECT DISTINCT node, CAST({rule.key} AS VARCHAR) AS key, [{following}]::VARCHAR[] AS following,
            concat_ws(' ', surname, given_name, company_name, birth_text) AS neighbour
        FROM {_source(rule)} WHERE {rule.key} IS NOT NULL"""


def _source(rule: Rule) -> str:
    return f"(SELECT *, unnest({rule.each}) AS item FROM people)" if rule.each else "people"


def _rule_keys(
    connection: duckdb.DuckDBPyConnection, number: int, rule: Rule, cap: int
) -> tuple[Ints, npt.NDArray[np.uint64], tuple[int, int], pa.Table]:
    """Nodes and keys by a rule, blocks above ``cap`` subdivided; how many there were, and the largest; their keys."""
    large = FOUND.empty_table()
    if rule.condition is not None:
        return np.zeros(0, np.int64), np.zeros(0, np.uint64), (0, 0), large
    node, key = _hashed(connection, keys_query(rule))
    ordered = np.sort(key)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(key) else np.zeros(0, int)
    sizes = np.diff(starts, append=len(key))
    over = ordered[starts[sizes > cap]]
    if len(over):
        _subdivide(connection, rule, cap, over)
        connection.execute(f"INSERT INTO places SELECT {number}, node, key FROM divided")
        large = _over_large(connection, rule)
        within = ~np.isin(key, over)
        divided = _hashed(connection, "SELECT node, key FROM divided")
        connection.execute("DROP TABLE divided")
        node, key = np.append(node[within], divided[0]), np.append(key[within], divided[1])
    return node, key, (len(over), int(sizes.max(initial=0))), large


def _hashed(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Ints, npt.NDArray[np.uint64]]:
    found = connection.sql(f"SELECT node, hash(key) AS key FROM ({query})").to_arrow_table()
    return found["node"].to_numpy().astype(np.int64), found["key"].to_numpy().astype(np.uint64)


def _subdivide(
    connection: duckdb.DuckDBPyConnection, rule: Rule, cap: int, over: npt.NDArray[np.uint64]
) -> None:
    """Create the table ``divided``: the records of keys ``over``, which are grown until their blocks fit.

    Columns: node, key, ``first`` (the key that it grew from) and ``depth``, the next keys that it took; one more
    where none of them was enough.
    """
    connection.register("over", pa.table({"key": over}))
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE divided AS
        SELECT *, key AS first, 0 AS depth FROM ({full_keys_query(rule)})
        WHERE hash(key) IN (SELECT key FROM over)"""
    )
    connection.unregister("over")
    above = f"SELECT key FROM divided GROUP BY key HAVING count(*) > {cap}"
    for depth in range(1, len(rule.then) + 1):
        connection.execute(
            f"""UPDATE divided SET key = key || chr(31) || following[{depth}], depth = {depth}
            WHERE key IN ({above})"""
        )
    connection.execute(
        f"""UPDATE divided SET key = divided.key || chr(31) || s.slice, depth = {len(rule.then) + 1} FROM (
            SELECT node, key, (row_number() OVER (PARTITION BY key ORDER BY neighbour, node) - 1) // {cap} AS slice
            FROM divided WHERE key IN ({above})) s
        WHERE divided.node = s.node AND divided.key = s.key"""
    )


def _over_large(connection: duckdb.DuckDBPyConnection, rule: Rule) -> pa.Table:
    """The keys of table ``divided`` as rows of ``over_large_keys.FOUND``."""
    found = connection.sql(
        f"""SELECT {in_words("first")} AS key, count(*) AS records,
            least(max(depth), {len(rule.then)}) AS next_keys, max(depth) > {len(rule.then)} AS is_sliced
        FROM divided GROUP BY first"""
    ).to_arrow_table()
    return found.add_column(0, "rule", pa.array([rule.name] * found.num_rows, pa.string())).cast(FOUND)
