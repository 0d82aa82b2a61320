"""Which pairs are compared: keys by role, blocks capped, each pair once under its first rule.

A rule gives each record one key or several. Records that share a key are a block. A block above
the cap is subdivided by the rule's next keys and, when those do not split it, in slices of
neighbours by name and birth date: it is never compared whole and never dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.conditions import block_by_conditions
from pipelines.linkage.config import Blocking
from pipelines.linkage.link_only import may_be_compared


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
    conditions = {number: rule for number, rule in enumerate(rules) if rule.condition is not None}
    if conditions:
        block_by_conditions(connection, conditions)
    if len(conditions) == len(rules) > 0:
        if touching:
            connection.execute(f"DELETE FROM blocked WHERE NOT ({_touches(touching)})")
        return _costs(connection, rules, [(0, 0)] * len(rules))
    capped = block_keys(connection, rules, conf)
    sided = "(SELECT keys.*, source FROM keys JOIN people USING (node))" if duplicate_free else "keys"
    others = (
        "UNION ALL SELECT join_key_l, join_key_r, CAST(match_key AS INTEGER) FROM blocked"
        if conditions
        else ""
    )
    connection.execute(
        f"""CREATE OR REPLACE TABLE blocked AS
        SELECT join_key_l, join_key_r, CAST(min(rule) AS VARCHAR) AS match_key
        FROM (SELECT l.node AS join_key_l, r.node AS join_key_r, l.rule
            FROM {sided} l JOIN {sided} r ON l.rule = r.rule AND l.key = r.key AND l.node < r.node
                AND {may_be_compared(duplicate_free)} {others})
        {f"WHERE {_touches(touching)}" if touching else ""}
        GROUP BY join_key_l, join_key_r"""
    )
    connection.execute("DROP TABLE keys")
    return _costs(connection, rules, capped)


def _touches(nodes: str) -> str:
    """SQL: one of a pair's nodes is in the table."""
    return f"join_key_l IN (SELECT node FROM {nodes}) OR join_key_r IN (SELECT node FROM {nodes})"


def _costs(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], capped: list[tuple[int, int]]
) -> tuple[RuleCost, ...]:
    """What each rule first found in table ``blocked``; ``capped``: its blocks above the cap, and its largest."""
    found = dict(connection.execute("SELECT match_key, count(*) FROM blocked GROUP BY match_key").fetchall())
    return tuple(
        RuleCost(rule.name, int(found.get(str(number), 0)), *capped[number])
        for number, rule in enumerate(rules)
    )


def block_keys(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], conf: Blocking
) -> list[tuple[int, int]]:
    """Create the table ``keys`` (rule, node, key) from table ``people``: equal keys are a block.

    Blocks above the cap are subdivided in it. Returns each rule's (blocks above the cap, largest block).
    """
    connection.execute("CREATE OR REPLACE TABLE keys (rule INTEGER, node BIGINT, key VARCHAR)")
    return [_add_keys(connection, number, rule, conf.max_block) for number, rule in enumerate(rules)]


def keys_query(rule: Rule) -> str:
    """SQL of a rule's keys over table ``people``: node, key, the next keys (following), and neighbour.

    ``neighbour`` is what a block that no key splits is put in order by, before it is cut in slices.
    """
    source = f"(SELECT *, unnest({rule.each}) AS item FROM people)" if rule.each else "people"
    following = ", ".join(f"coalesce(CAST({key} AS VARCHAR), '')" for key in rule.then)
    return f"""SELECT DISTINCT node, CAST({rule.key} AS VARCHAR) AS key, [{following}]::VARCHAR[] AS following,
            concat_ws(' ', surname, given_name, company_name, birth_text) AS neighbour
        FROM {source} WHERE {rule.key} IS NOT NULL"""


def _add_keys(connection: duckdb.DuckDBPyConnection, number: int, rule: Rule, cap: int) -> tuple[int, int]:
    """Append a rule's keys, blocks above ``cap`` subdivided; returns (blocks above, the largest)."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE rule_keys AS {keys_query(rule)}")
    over, largest = connection.execute(
        f"""SELECT count(*) FILTER (n > {cap}), coalesce(max(n), 0)
        FROM (SELECT count(*) AS n FROM rule_keys GROUP BY key)"""
    ).fetchall()[0]
    above = f"SELECT key FROM rule_keys GROUP BY key HAVING count(*) > {cap}"
    if over:
        for depth in range(1, len(rule.then) + 1):
            connection.execute(
                f"UPDATE rule_keys SET key = key || chr(31) || following[{depth}] WHERE key IN ({above})"
            )
        connection.execute(
            f"""UPDATE rule_keys SET key = rule_keys.key || chr(31) || s.slice FROM (
                SELECT node, key, (row_number() OVER (PARTITION BY key ORDER BY neighbour, node) - 1) // {cap} AS slice
                FROM rule_keys WHERE key IN ({above})) s
            WHERE rule_keys.node = s.node AND rule_keys.key = s.key"""
        )
    connection.execute(f"INSERT INTO keys SELECT {number}, node, key FROM rule_keys")
    connection.execute("DROP TABLE rule_keys")
    return int(over), int(largest)
