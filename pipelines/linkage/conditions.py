"""Blocking by a condition on two records, as Splink's own rules are written.

Such a rule has no key, so nothing of it is capped or subdivided: Splink joins as its owner wrote it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import duckdb
from splink import DuckDBAPI, Linker

from pipelines.linkage.engine import quiet_splink

if TYPE_CHECKING:
    from pipelines.linkage.blocking_rules import Rule


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
