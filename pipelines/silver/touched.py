"""A night that looks at the rows of bronze of which it may say something else than last night, and takes the rest over.

Each ``Part`` finds these rows and says how its tables are completed; what all feeds have in common, the quarantine and
the counts of outcomes, is completed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.silver.frames import Feeds
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.silver.outcomes import OUTCOMES
from pipelines.silver.quarantine import QUARANTINE
from pipelines.taken_over import TakenOver

Key = tuple[str, str]

FEW = 1_000_000
"""Touched orders, records or cases that are sent to every task whole; of more, every row is looked at."""


@dataclass(frozen=True)
class LastNight:
    """What the night builds on: the release's tables, made by the same code and what of the configuration makes tables."""

    tables: Mapping[str, DataFrame]
    """``OF_ORDERS``, ``silver/customer_records``, ``silver/cases``, ``silver/quarantine`` and ``silver/outcomes``, by ``layer/table``."""
    made_on: date
    """The business date that they were made for."""
    came: Mapping[Key, Sequence[str]]
    """Ids of the batches that landed since, by (source, feed); all that it had are what they were."""


class Part(Protocol):
    """Feeds of which the night looks at some rows."""

    @property
    def rows(self) -> Mapping[Key, DataFrame]:
        """The bronze rows to look at, by (source, feed)."""

    def completed(self, built: Mapping[str, DataFrame]) -> Mapping[str, TakenOver]:
        """The tables that the feeds fill, by ``layer/table``; ``built``: what ``rows`` and all other feeds make."""


def rows_of(parts: Sequence[Part]) -> dict[Key, DataFrame]:
    """The bronze rows to look at, of the feeds of the parts."""
    return {key: rows for part in parts for key, rows in part.rows.items()}


@dataclass(frozen=True)
class Touched:
    """What a night looks at, and what completes it."""

    parts: Sequence[Part]
    """Each of other feeds."""
    rows: Mapping[Key, DataFrame]
    """``rows_of`` the parts, held with all their columns: they are looked at twice."""
    _last: LastNight
    _business_date: date

    def earlier(self) -> dict[Key, DataFrame]:
        """Those of ``rows`` that last night had too."""
        return {
            key: rows.filter(~F.col("_batch_id").isin(list(self._last.came.get(key, ()))))
            for key, rows in self.rows.items()
        }

    def completed(
        self, built: Mapping[str, DataFrame], classified: Feeds, earlier: DataFrame
    ) -> dict[str, DataFrame | TakenOver]:
        """The tables of silver, by ``layer/table``.

        ``built``: what ``rows``, and all rows of the other feeds, make; ``classified``: these; ``earlier``:
        ``outcome_counts`` of the rows of ``earlier()``.
        """
        tonight = F.lit(self._business_date)
        quarantined, counted = QUARANTINE.path, OUTCOME_COUNTS.path
        whole: dict[str, DataFrame | TakenOver] = {
            **built,
            quarantined: QUARANTINE.conform(
                self._quarantined(built[quarantined], classified).withColumn("business_date", tonight)
            ),
            counted: OUTCOME_COUNTS.conform(
                self._counted(built[counted], earlier).withColumn("business_date", tonight)
            ),
        }
        for part in self.parts:
            whole |= part.completed(built)
        return whole

    def _quarantined(self, built: DataFrame, classified: Feeds) -> DataFrame:
        looked_at = [classified[key].select("_batch_id", "_row") for key in sorted(self.rows)]
        last = self._of_parts(self._last.tables[QUARANTINE.path])
        kept = last.join(reduce(DataFrame.unionByName, looked_at), on=["_batch_id", "_row"], how="left_anti")
        return built.unionByName(kept, allowMissingColumns=True)

    def _counted(self, built: DataFrame, earlier: DataFrame) -> DataFrame:
        counts = ["bronze_rows", *OUTCOMES]
        last = self._of_parts(self._last.tables[OUTCOME_COUNTS.path])
        less = earlier.withColumns({name: -F.col(name) for name in counts})
        return (
            reduce(DataFrame.unionByName, [built, last, less])
            .groupBy("source", "feed")
            .agg(
                *[F.sum(name).alias(name) for name in counts],
                # ``earlier`` counts none, and of the others last night and tonight looked back as far.
                F.max("history").alias("history"),
                # What was kept stands since then, or later.
                F.min("stands_since").alias("stands_since"),
            )
        )

    def _of_parts(self, rows: DataFrame) -> DataFrame:
        return rows.filter(F.concat_ws("/", "source", "feed").isin(["/".join(key) for key in self.rows]))
