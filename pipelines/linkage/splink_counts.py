"""What blocking rules compare by Splink's count: blocks whole, however large, where padron subdivides them."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
from splink import DuckDBAPI
from splink.blocking_analysis import count_comparisons_from_blocking_rules

from pipelines.linkage.conditions import joined_pairs
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.exported import splink_rule

if TYPE_CHECKING:
    from pipelines.linkage.blocking_rules import Rule

Json = dict[str, Any]

MOST_PAIRS = 5_000_000
"""Pairs that Splink makes to count them; it estimates more from a share of the records."""
ORDERED = 10
"""Rules whose pairs Splink leaves to the first that finds them. Beyond, where one explodes an array, it
compares their numbers as text, and the eleventh rule takes pairs from the third; the sum stays right."""


@dataclass(frozen=True)
class SplinkCounts:
    """Comparisons by rule, in the order of the rules."""

    comparisons: tuple[int, ...]
    """That each rule makes and none before it."""
    share: float
    """Of the records that Splink made pairs of: below 1 it estimates the rest from them."""


def splink_counts(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> SplinkCounts:
    """What ``rules`` compare on table ``people``.

    Exact up to ``MOST_PAIRS`` of all rules, else Splink's estimate from so many. Pairs of one
    ``duplicate_free`` source are counted too.
    """
    if not rules:
        return SplinkCounts((), 1.0)
    quiet_splink()
    written = [splink_rule(rule) for rule in rules]
    made = sum(
        joined_pairs(connection, "people", rule["blocking_rule"], rule.get("arrays_to_explode", ()))
        for rule in written
    )
    share = min(1.0, math.sqrt(MOST_PAIRS / max(made, 1)))
    if not any("arrays_to_explode" in rule for rule in written):
        return SplinkCounts(tuple(_counted(connection, written, share)), share)
    counts = _counted(connection, written[:ORDERED], share)
    so_far = sum(counts)
    for end in range(ORDERED + 1, len(written) + 1):
        together = sum(_counted(connection, written[:end], share))
        # Estimates are rounded rule by rule.
        counts.append(max(together - so_far, 0))
        so_far = together
    return SplinkCounts(tuple(counts), share)


def shown_counts(connection: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> SplinkCounts | None:
    """``splink_counts`` for a report; None where Splink cannot.

    Never raises: a figure that is only shown is not worth the training.
    """
    try:
        return splink_counts(connection, rules)
    except Exception as error:
        logging.getLogger(__name__).debug("no counts: %s", type(error).__name__)
        return None


def _counted(connection: duckdb.DuckDBPyConnection, rules: list[Json], share: float) -> list[int]:
    api = DuckDBAPI(connection)
    with warnings.catch_warnings():
        # Splink warns of every rule that few of the sampled pairs are of; its row says that it is small.
        warnings.simplefilter("ignore", UserWarning)
        counts = count_comparisons_from_blocking_rules(
            api.register("people", table_name="counted_people"),
            blocking_rules=rules,
            link_type="dedupe_only",
            unique_id_column_name="node",
            record_sample_proportion=share,
        )
    api.delete_tables_created_by_splink_from_db()
    return [int(count["marginal_comparison_count"]) for count in counts]
