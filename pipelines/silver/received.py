"""The bronze tables of a night's feeds as silver reads them: also what came under former names.

A renamed source's earlier files lie in the table of its former name; re-keyed records of earlier files
have their old keys. Read under the names of now, nobody is deleted by a rename. Read is what landed since the date that
``history.py`` looks back to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.bronze.batches import BATCHES, punctuality
from pipelines.bronze.tables import bronze_table, stored_name
from pipelines.silver.history import going_on, looked_back_to, rows_before, snapshots_before_last
from pipelines.silver.mapping import plain_column
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.silver.renames import RENAMES, begun_on, by_names_of_now, former_names, in_force, source_now
from pipelines.silver.targets import delivered_targets, uses

if TYPE_CHECKING:
    from pipelines.sources import Feed
    from pipelines.stages import Inputs
    from pipelines.tables import Table

Key = tuple[str, str]


class Received:
    """What came in so far, by (source, feed) of the sources that are declared now."""

    def __init__(self, inputs: Inputs, tables: Mapping[Key, Table]) -> None:
        """``tables``: the bronze table of every declared feed. Raises UsageError of ``in_force``."""
        self._inputs = inputs
        self._tables = tables
        self.stored = inputs.previous_arrow(RENAMES)
        self.renames = in_force(self.stored, inputs.settings.renames, inputs.night.business_date)

    def tables(self, key: Key) -> list[Table]:
        """The tables that hold the feed's rows: its own, then those of the source's former names."""
        source, feed = key
        declared = self._inputs.settings.sources[source]
        former = [
            bronze_table(declared.model_copy(update={"source": name}), feed)
            for name in former_names(self.renames, source)
        ]
        return [self._tables[key], *(table for table in former if self._inputs.exists(table))]

    def feeds(self) -> dict[Key, Table]:
        """The feeds that ever came in, under any name."""
        return {
            key: table
            for key, table in self._tables.items()
            if any(self._inputs.exists(one) for one in self.tables(key))
        }

    @cached_property
    def since(self) -> dict[Key, date]:
        """The landing date that tonight looks back to, by (source, feed); a full night looks at everything."""
        if self._inputs.night.is_full:
            return {}
        counts = self.by_names_of_now(self._inputs.previous_arrow(OUTCOME_COUNTS))
        return looked_back_to(counts, self._inputs.settings.sources)

    def history_rows(self) -> dict[Key, int]:
        """Rows that landed before ``since``, by its (source, feed)."""
        return rows_before(self.batch_rows(), self.since) if self.since else {}

    def came_since(self) -> dict[Key, list[str]] | None:
        """Ids of the batches that landed since the release that the night builds on, by (source, feed).

        None where one that it has is not in force any more, or names change tonight.
        """
        if begun_on(self.renames, self.stored).num_rows:
            return None
        earlier, now = (
            _landed(self.by_names_of_now(batches))
            for batches in (self._inputs.previous_arrow(BATCHES), self._inputs.arrow(BATCHES))
        )
        if not earlier.items() <= now.items():
            return None
        came: dict[Key, list[str]] = {}
        for batch in sorted(now.keys() - earlier.keys()):
            came.setdefault(now[batch], []).append(batch)
        return came

    def going_on(self, came: Mapping[Key, Collection[str]]) -> set[Key]:
        """The feeds whose files tonight, ``came_since``, only add to what the release looked at."""
        counts = self.by_names_of_now(self._inputs.previous_arrow(OUTCOME_COUNTS))
        return going_on(counts, self.batch_rows(), came, self._inputs.settings.sources)

    def snapshots_before_last(self) -> dict[Key, date]:
        """Date of the full snapshot before the newest, by (source, feed) that has had two."""
        return snapshots_before_last(self.batch_rows(), self._inputs.settings.sources)

    def frame(self, key: Key) -> DataFrame:
        """The rows of a feed that landed on or after ``since``."""
        source, feed = key
        frames = [self._inputs.frame(table) for table in self.tables(key)]
        if key in self.since:
            # The id of a batch begins with its date, and files and row groups know their least and greatest.
            is_open = F.col("_batch_id") >= F.lit(self.since[key].isoformat())
            frames = [frame.filter(is_open) for frame in frames]
        rows = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), frames)
        return self._rekeyed(rows, source, self._inputs.settings.sources[source].feeds[feed])

    def batches(self) -> DataFrame:
        """bronze/batches with the names that sources have now."""
        batches = self._inputs.frame(BATCHES)
        name = F.col("source")
        now = F.when(F.lit(False), name)
        for source in self._inputs.settings.sources:
            former = former_names(self.renames, source)
            now = now.when(name.isin(former), F.lit(source)) if former else now
        return batches.withColumn("source", now.otherwise(name))

    def batch_rows(self) -> pa.Table | None:
        """bronze/batches with the names that sources have now, as Arrow."""
        return self.by_names_of_now(self._inputs.arrow(BATCHES))

    def by_names_of_now(self, found: pa.Table | None) -> pa.Table | None:
        """A table with a column ``source`` under the names that sources have now."""
        return None if found is None else by_names_of_now(found, self.renames)

    def targets(self) -> frozenset[str]:
        """The silver tables that a feed that ever came in fills."""
        return delivered_targets(self.feeds(), self._inputs.settings.sources)

    def stale(self, *targets: str) -> list[str]:
        """The stale sources of ``targets``: one that fills them missed its cadence, or its feed that does its own. Sorted."""
        sources = self._inputs.settings.sources
        found = {
            kept.source
            for kept in punctuality(self.batch_rows(), sources, self._inputs.night.business_date)
            if kept.days_late
            and any(
                use.target in targets
                for feed in kept.feeds
                if feed in sources[kept.source].feeds
                for use in uses(sources[kept.source].feeds[feed]).values()
            )
        }
        return sorted(found)

    def _rekeyed(self, rows: DataFrame, source: str, feed: Feed) -> DataFrame:
        """``rows`` with the keys that the source's records have now, where the feed is of its own records."""
        column = _stored_column(_key_column(feed), rows.columns)
        is_key = pc.is_valid(self.renames["record_id"])
        keys = self.renames.filter(is_key)
        if column is None or not keys.num_rows:
            return rows
        landed = F.try_to_date(F.substring("_batch_id", 1, 10), "yyyy-MM-dd")
        dates = sorted(
            set(zip(keys["source"].to_pylist(), keys["since"].to_pylist(), strict=True)), key=lambda k: k[1]
        )
        for name, since in dates:
            if source_now(self.renames, name, since) != source:
                continue
            chosen = pc.and_(pc.equal(keys["source"], name), pc.equal(keys["since"], pa.scalar(since)))
            step = keys.filter(chosen).select(["record_id", "new_record_id"]).rename_columns(["_old", "_new"])
            names = rows.sparkSession.createDataFrame(step)
            stored = F.col(f"`{column}`")
            is_old = (F.trim(stored) == F.col("_old")) & (landed < F.lit(since))
            rows = rows.join(names, on=is_old, how="left").withColumn(column, F.coalesce("_new", stored))
            rows = rows.drop("_old", "_new")
        return rows


def _landed(batches: pa.Table | None) -> dict[str, Key]:
    """The feed, as (source, feed), of each batch that landed, by its id."""
    if batches is None:
        return {}
    rows = batches.select(["batch_id", "source", "feed", "status"]).to_pylist()
    return {row["batch_id"]: (row["source"], row["feed"]) for row in rows if row["status"] == "landed"}


def _stored_column(name: str | None, columns: list[str]) -> str | None:
    """How a bronze table spells a source's column; None where no file brought it."""
    spelling = {column.casefold(): column for column in columns}
    return None if name is None else spelling.get(stored_name(name).casefold())


def _key_column(feed: Feed) -> str | None:
    """The column that holds the key of a record of the source itself; None where the feed has none."""
    if feed.target != "customer_records" or "source" in feed.map:
        return None
    return plain_column(feed, "record_id")
