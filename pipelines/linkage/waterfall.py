"""From the prior to a pair's match weight, a comparison at a time; and Splink's own chart of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import duckdb
import pyarrow as pa
from splink import DuckDBAPI, Linker

from pipelines.linkage.comparisons import Json
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.training_run import chart_of


@dataclass(frozen=True)
class Bar:
    """One comparison of a pair."""

    comparison: str
    level: str
    """Name of the level of agreement that the pair reached."""
    weight: float
    """log2(m / u) of the level, in bits; 0 where one side does not know."""
    frequency: float | None
    """Bits that the frequency of the agreed value adds; None where the level has no such correction."""
    is_known: bool
    """False where one side has no value."""


@dataclass(frozen=True)
class Step:
    """A line of the waterfall: what a comparison, or the frequency of its value, adds."""

    name: str
    """Empty where it belongs to the comparison of the step before."""
    level: str
    weight: float | None
    """Bits; None where one side does not know."""
    total: float
    """Bits so far."""


@dataclass(frozen=True)
class Waterfall:
    """prior + every bar's weight and frequency = match_weight, in bits."""

    prior: float
    bars: tuple[Bar, ...]
    match_weight: float
    match_probability: float

    @property
    def steps(self) -> list[Step]:
        """From the prior to the match weight, in words."""
        said: list[tuple[str, str, float | None]] = [("prior", "two records at random", self.prior)]
        for bar in self.bars:
            said.append((bar.comparison.replace("_", " "), bar.level, bar.weight if bar.is_known else None))
            if bar.frequency:
                rarity = "rarer than average" if bar.frequency > 0 else "more frequent than average"
                said.append(("", f"the value is {rarity}", bar.frequency))
        totals = accumulate(weight or 0.0 for _, _, weight in said)
        return [Step(*step, total) for step, total in zip(said, totals, strict=True)]


def waterfall(settings: Json, scored: Mapping[str, Any]) -> Waterfall:
    """The waterfall of one row of ``score_pairs`` by the settings that scored it."""
    prior = settings["probability_two_random_records_match"]
    return Waterfall(
        math.log2(prior / (1 - prior)),
        tuple(_bar(comparison, scored) for comparison in settings["comparisons"]),
        scored["match_weight"],
        scored["match_probability"],
    )


def _bar(comparison: Json, scored: Mapping[str, Any]) -> Bar:
    name = comparison["output_column_name"]
    number = scored[f"gamma_{name}"]
    levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
    if number < 0:
        return Bar(name, "unknown", 0.0, None, is_known=False)
    # Splink numbers levels from "everything else", 0, up to the strongest, which stands first.
    level = levels[len(levels) - 1 - number]
    frequency = scored.get(f"rarity_{name}") if "tf_adjustment_column" in level else None
    weight = math.log2(level["m_probability"] / level["u_probability"])
    return Bar(name, level["label_for_charts"], weight, frequency, is_known=True)


def waterfall_chart(
    settings: Json, scored: Mapping[str, Any], values: Sequence[Mapping[str, Any]] | None
) -> Json | None:
    """Splink's waterfall chart, as Vega-Lite; None where Splink cannot draw it.

    ``values``: the two records by column of ``people``, shown when one points at a bar; None leaves
    every value out.
    """
    quiet_splink()
    with duckdb.connect() as connection:
        # The chart asks for a linker but for none of its records.
        connection.register("nobody", pa.table({"node": pa.array([], pa.int64())}))
        linker = Linker(
            DuckDBAPI(connection).register("nobody", table_name="explained"),
            {**settings, "retain_matching_columns": True},
            log_level=logging.CRITICAL,
            validate_settings=False,
        )
        record = _as_predicted(scored)
        for side, row in zip(("l", "r"), values or (), strict=False):
            record |= {f"{name}_{side}": value for name, value in row.items()}
        visual = linker.visualisations
        chart = chart_of(lambda: visual.waterfall_chart([record], remove_sensitive_data=values is None))
    if chart is not None:
        # Of one pair there is no other to choose.
        chart["params"] = [{"name": param["name"], "value": param["value"]} for param in chart["params"]]
    return chart


def _as_predicted(scored: Mapping[str, Any]) -> dict[str, Any]:
    """The row under the names that Splink's charts expect."""
    return {
        f"mw_tf_adj_{name.removeprefix('rarity_')}" if name.startswith("rarity_") else name: value
        for name, value in scored.items()
    }
