"""Scoring: Splink's weight for pairs of records, by a generation's model.

One function scores a table of pairs; blocking, missing pairs inside a component and single pairs
all go through it, so that a pair has one score whoever asks.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa
from splink import DuckDBAPI, Linker

from pipelines.linkage.comparisons import frequency_floors
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.generations import Model

LOWEST_WEIGHT = -60.0


def score_pairs(
    connection: duckdb.DuckDBPyConnection,
    model: Model,
    pairs: str = "blocked",
    least_weight: float | None = None,
) -> pa.Table:
    """Score the pairs of table ``pairs`` (join_key_l, join_key_r, match_key) over table ``people``.

    Returns node_l, node_r, match_weight, match_probability, rule, and ``gamma_<role>``, the number
    of the level of each comparison (-1 unknown, 0 all else, the strongest highest); pairs below
    ``least_weight`` are left out. Sorted by node_l, node_r. A foreign model gives level numbers only where
    its settings keep Splink's intermediate columns: without classes of relation nothing looks at them.
    """
    with scorer(connection, model) as scores:
        return scores.of(pairs, least_weight)


@contextmanager
def scorer(connection: duckdb.DuckDBPyConnection, model: Model) -> Iterator[Scorer]:
    """Scores of several tables of pairs, as long as table ``people`` stays as it is."""
    api, linker = open_linker(connection, model)
    try:
        yield Scorer(connection, model, api, linker)
    finally:
        api.delete_tables_created_by_splink_from_db()


@dataclass(frozen=True)
class Scorer:
    """Splink's linker of one model over table ``people``."""

    connection: duckdb.DuckDBPyConnection
    model: Model
    api: DuckDBAPI
    linker: Linker
    turn: Iterator[int] = field(default_factory=count)

    def of(self, pairs: str, least_weight: float | None = None) -> pa.Table:
        """``score_pairs`` of a table."""
        linker = self.linker
        # Splink takes the pairs that were registered last, and knows its tables by their SQL.
        given = linker.table_management.register_blocked_pairs_for_predict(
            self.api.register(pairs, table_name=f"{pairs}_to_score_{next(self.turn)}")
        )
        # Of pairs that were given it would copy the records of both sides first, each time anew.
        given.metadata["registered_for_predict"] = False
        predicted = linker.inference.predict(threshold_match_weight=least_weight, warning_mode="never")
        has_levels = self.model.settings["retain_intermediate_calculation_columns"]
        comparisons = linker._settings_obj.comparisons if has_levels else []
        gammas = "".join(f", {_gamma(comparison)}" for comparison in comparisons)
        corrected = [c for c in comparisons if c._has_tf_adjustments]
        rarity = "".join(
            f', "{c._mw_tf_adj_column_name}" AS "rarity_{c.output_column_name}"' for c in corrected
        )
        # Nobody asks what a comparison weighs whose meaning nobody knows.
        weighed = [] if self.model.is_foreign else comparisons
        weights = "".join(f', "{c._mw_column_name}" AS "weight_{c.output_column_name}"' for c in weighed)
        scored = self.connection.sql(
            f"""SELECT node_l, node_r, greatest(match_weight, {LOWEST_WEIGHT}) AS match_weight,
                match_probability, CAST(match_key AS INTEGER) AS rule{gammas}{rarity}{weights}
            FROM {predicted.physical_name} ORDER BY node_l, node_r"""
        ).to_arrow_table()
        predicted.drop_table_from_database_and_remove_from_cache()
        return scored


def open_linker(connection: duckdb.DuckDBPyConnection, model: Model) -> tuple[DuckDBAPI, Linker]:
    """Splink's linker of a model over table ``people``, with the model's frequencies.

    Who opens it deletes what Splink left in its interface.
    """
    quiet_splink()
    # One Splink database interface a call: its cache belongs to the interface, not to the linker,
    # and would hand one model's frequencies and pairs to another.
    api = DuckDBAPI(connection)
    linker = Linker(
        api.register("people", table_name="scored_people"),
        model.settings,
        log_level=logging.CRITICAL,
        validate_settings=False,
    )
    # Splink counts itself for settings that their owner brought.
    floors = {} if model.is_foreign else frequency_floors(model.settings)
    for column, floor in floors.items():
        _register_frequencies(connection, api, linker, model, column, floor)
    return api, linker


def _gamma(comparison: Any) -> str:
    """SQL of a comparison's level number, read from its weight.

    Splink keeps level numbers only together with every compared value, which makes the pairs
    many times wider; each level has its own weight, and that it keeps.
    """
    weight = comparison._mw_column_name
    cases = " ".join(
        f'WHEN abs("{weight}" - ({level._match_weight!r})) < 1e-7 THEN {level.comparison_vector_value}'
        for level in comparison._comparison_levels_excluding_null
    )
    return f'CASE {cases} ELSE -1 END AS "gamma_{comparison.output_column_name}"'


def _register_frequencies(
    connection: duckdb.DuckDBPyConnection,
    api: DuckDBAPI,
    linker: Linker,
    model: Model,
    column: str,
    floor: float,
) -> None:
    """Give Splink the frequency of every value present: the generation's, or the floor.

    A value that Splink finds no frequency for gets no correction and would count as average.
    """
    known = model.frequencies.get(column, {})
    table = pa.table(
        {"value": pa.array(list(known), pa.string()), "share": pa.array(list(known.values()), pa.float64())}
    )
    connection.register("known_frequencies", table)
    connection.execute(
        f"""CREATE OR REPLACE TABLE frequency_{column} AS
        SELECT p.{column}, coalesce(k.share, {floor}) AS tf_{column}
        FROM (SELECT DISTINCT {column} FROM people WHERE {column} IS NOT NULL) p
        LEFT JOIN known_frequencies k ON k.value = CAST(p.{column} AS VARCHAR)"""
    )
    connection.unregister("known_frequencies")
    linker.table_management.register_term_frequency_lookup(
        api.register(f"frequency_{column}", table_name=f"lookup_{column}"), column
    )
