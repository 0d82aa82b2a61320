"""Blocking by a condition on two records, as Splink's own rules are written.

Such a rule has no key, so nothing of it is capped or subdivided: Splink joins as its owner wrote it.
What it would join is counted first, for one value that most records share makes it quadratic.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import duckdb
from splink import DuckDBAPI, Linker
from splink.internals.blocking import BlockingRule

from pipelines.errors import UsageError
from pipelines.linkage.engine import quiet_splink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.linkage.blocking_rules import Rule
    from pipelines.linkage.config import Blocking

OF_BUDGET = 100
"""Times the budget of comparisons that one rule may cost; beyond, its owner did not mean it."""
FEW_PAIRS = 1_000_000
"""Pairs that are compared whatever the budget says: they take a second or two."""
COUNTED = 20_000
"""Records whose blocks are counted, of more a sample: one that hurts is large in it too."""


def check_affordable(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule], conf: Blocking) -> None:
    """Raises UsageError where a rule with a condition joins far more pairs of ``people`` than the budget.

    Counted are the pairs that agree on what the rule says must be equal; any other condition is only
    asked of these pairs, one by one.
    """
    written = [rule for rule in rules if rule.condition is not None]
    if not written:
        return
    records = int(connection.execute("SELECT count(*) FROM people").fetchall()[0][0])
    most = max(FEW_PAIRS, OF_BUDGET * conf.max_comparisons_per_record * records)
    every = -(-records // COUNTED)
    connection.execute(
        f"CREATE TEMP TABLE counted AS SELECT * FROM people WHERE hash(node) % {every or 1} = 0"
    )
    joined = [
        joined_pairs(connection, "counted", str(rule.condition), rule.explode) * every**2 for rule in written
    ]
    connection.execute("DROP TABLE counted")
    for rule, pairs in zip(written, joined, strict=True):
        if pairs > most:
            raise UsageError(
                f"blocking rule {rule.name} joins {pairs:,} pairs of {records:,} records, {pairs // records:,} a "
                "record: too many share a value. Let it ask for one more column, or drop it; if it is meant, raise "
                f"blocking.max_comparisons_per_record in conf/linkage.yml ({conf.max_comparisons_per_record}; a rule "
                f"may take {OF_BUDGET} times that)."
            )


def joined_pairs(
    connection: duckdb.DuckDBPyConnection, table: str, condition: str, explode: Sequence[str] = ()
) -> int:
    """Pairs of ``table`` that agree on all that ``condition`` wants equal, before anything else is asked of them."""
    source = table
    for column in explode:
        source = f'(SELECT * REPLACE (unnest("{column}") AS "{column}") FROM {source})'
    equal = BlockingRule(condition, "duckdb")._equi_join_conditions
    if not equal:
        return int(
            connection.execute(f"SELECT count(*) * (count(*) - 1) // 2 FROM {source}").fetchall()[0][0]
        )
    left, right = ([pair[side] for pair in equal] for side in (0, 1))
    if left == right:
        query = f"SELECT sum(n * (n - 1) / 2) FROM ({_blocks(source, left)})"
    else:
        # Of the two orders of a pair one counts.
        query = f"SELECT sum(l.n * r.n / 2) FROM ({_blocks(source, left)}) l JOIN ({_blocks(source, right)}) r USING (key)"
    return int(connection.execute(query).fetchall()[0][0] or 0)


def _blocks(source: str, keys: list[str]) -> str:
    known = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    return f"SELECT hash({', '.join(keys)}) AS key, count(*) AS n FROM {source} WHERE {known} GROUP BY key"


def block_by_conditions(connection: duckdb.DuckDBPyConnection, rules: Mapping[int, Rule]) -> None:
    """Create the table ``blocked`` (join_key_l < join_key_r, match_key) by rules with a condition.

    ``rules``: by the number that their pairs carry in match_key. A pair stands once, under its first rule.
    """
    quiet_splink()
    api = DuckDBAPI(connection)
    settings: dict[str, Any] = {
        "link_type": "dedupe_only",
        "unique_id_column_name": "node",
        "comparisons": [],
        "blocking_rules_to_generate_predictions": [
            {
                "blocking_rule": rule.condition,
                "sql_dialect": "duckdb",
                "arrays_to_explode": list(rule.explode) or None,
            }
            for rule in rules.values()
        ],
    }
    people = api.register("people", table_name="blocked_people")
    linker = Linker(people, settings, log_level=logging.CRITICAL, validate_settings=False)
    found = linker.inference.compute_blocked_pairs_for_predict().physical_name
    connection.execute("DROP TABLE IF EXISTS blocked")
    # Splink excludes pairs of earlier rules itself, but for those of rules that explode an array.
    if list(rules) == list(range(len(rules))) and not any(rule.explode for rule in rules.values()):
        connection.execute(f"ALTER TABLE {found} RENAME TO blocked")
    else:
        numbers = f"{list(rules)}[CAST(match_key AS INTEGER) + 1]"
        connection.execute(
            f"""CREATE TABLE blocked AS
            SELECT join_key_l, join_key_r, CAST(min({numbers}) AS VARCHAR) AS match_key
            FROM {found} GROUP BY join_key_l, join_key_r"""
        )
    api.delete_tables_created_by_splink_from_db()
