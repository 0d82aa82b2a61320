"""The customer records of which tonight's files, or the date, say something; of all others last night's stand.

What silver says of a record follows from the rows of its feed that have its key, and, for birth dates alone, from the
business date. So of a feed whose files tonight are no full snapshot, which says something of every key, a night looks at
the rows of keys that

- a row that came tonight has;
- belong to a record whose birth date reads otherwise today;

and at all rows that cannot be read, for in a full snapshot these are a sign that some key still exists, and with them at
those without a key.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.queries import Keep, as_it_is
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.frames import Feeds, uses_of
from pipelines.silver.mapping import plain_column, standard_column
from pipelines.silver.records import hints_of
from pipelines.silver.standard_form import MADE_ON, read_otherwise
from pipelines.silver.touched import FEW
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from pyspark.sql import Column

    from pipelines.silver.touched import Key, LastNight
    from pipelines.sources import Feed, Source

_RECORD = list(CUSTOMER_RECORDS.key)
_ID = "_touched_record"
_NONE = ""
"""Stands for the record of a row without a key: no text of silver is empty."""


@dataclass(frozen=True)
class TouchedRecords:
    """The part of a night's customer records that is computed (``touched.Part``)."""

    rows: dict[Key, DataFrame]
    _ids: DataFrame
    """Keys of the records to be made again."""
    _records: DataFrame
    """Last night's."""
    _business_date: date

    def before(self) -> DataFrame:
        """Last night's records but for those that are taken over as they are."""
        others, partial = self._records.filter(~self._is_partial()), self._records.filter(self._is_partial())
        return others.unionByName(partial.join(F.broadcast(self._ids), on=_RECORD, how="left_semi"))

    def completed(self, built: Mapping[str, DataFrame]) -> dict[str, TakenOver]:
        """``silver/customer_records``, by ``layer/table``, of what ``rows`` make and of last night's."""
        path, dated = CUSTOMER_RECORDS.path, {MADE_ON: self._business_date}
        return {path: TakenOver(built[path], self._ids, _RECORD, self._sources, dated)}

    @property
    def _sources(self) -> list[str]:
        """The sources of which not all rows are looked at."""
        return [source for source, _ in self.rows]

    def _is_partial(self) -> Column:
        """True for a record of a source of which not all rows are looked at."""
        return F.col("source").isin(self._sources)


def touched_records(
    bronze: Feeds,
    sources: Mapping[str, Source],
    last: LastNight,
    going_on: Collection[Key],
    *,
    default_country: str,
    timezone: str,
    business_date: date,
    keep: Keep = as_it_is,
) -> TouchedRecords | None:
    """What a night has to look at of its customer records, from the bronze tables, by (source, feed), of all feeds.

    ``going_on``: feeds whose files tonight only add to what last night looked at (``history.going_on``).
    ``default_country``, ``timezone``: see ``records.customer_records``. None where everything is looked at: no feed
    suits, or more than ``FEW`` records are touched. Runs jobs. ``keep``: see ``queries``.
    """
    feeds = _feeds_of_records(bronze, sources, going_on)
    if not feeds:
        return None
    named = {key: _named(bronze[key], sources[key[0]], feed, timezone) for key, feed in feeds.items()}
    records = last.tables[CUSTOMER_RECORDS.path]
    hints = hints_of(uses_of("customer_records", bronze, sources), default_country)
    found = [read_otherwise(records, hints, business_date).select(*_RECORD)]
    for (source, feed), rows in named.items():
        came = rows.filter(F.col("_batch_id").isin(list(last.came.get((source, feed), ()))))
        # All without a key are looked at, though none came.
        nobodys = rows.sparkSession.range(1).select(F.lit(_NONE).alias(_ID))
        found.append(
            came.select(_ID)
            .unionByName(nobodys)
            .select(F.lit(source).alias("source"), F.col(_ID).alias("record_id"))
        )
    ids = keep(reduce(DataFrame.unionByName, found).distinct())
    if ids.count() > FEW:
        return None
    chosen = {}
    for (source, feed), rows in named.items():
        of_source = ids.filter(F.col("source") == source).select(F.col("record_id").alias(_ID))
        looked_at = rows.join(F.broadcast(of_source), on=_ID, how="left_semi")
        chosen[source, feed] = looked_at.select(
            *[F.col(f"`{name}`") for name in bronze[source, feed].columns]
        )
    return TouchedRecords(chosen, ids, records, business_date)


def _feeds_of_records(
    bronze: Feeds, sources: Mapping[str, Source], going_on: Collection[Key]
) -> dict[Key, Feed]:
    """The feeds that fill customer records alone, each with the only rows of its records; none where sources are mixed."""
    found = uses_of("customer_records", bronze, sources)
    # A feed that maps `source` may bring anybody's records.
    if any("source" in use.map for _, _, use in found):
        return {}
    suited = {}
    for source, name, use in found:
        feed = source.feeds[name]
        is_only = sum(other is source for other, _, _ in found) == 1
        is_plain = use is feed and not feed.derive and _is_of_one_record(feed)
        if (source.source, name) in going_on and is_only and is_plain:
            suited[source.source, name] = feed
    return suited


def _is_of_one_record(feed: Feed) -> bool:
    """True where the key of a row is the record's, as it is: all rows of a key are of one record, and all of a record of one key."""
    return feed.key == (plain_column(feed, "record_id"),)


def _named(rows: DataFrame, source: Source, feed: Feed, timezone: str) -> DataFrame:
    """``rows`` with the record that they are of."""
    record = standard_column("record_id", rows, source, feed, feed, timezone=timezone)
    return rows.withColumn(_ID, F.coalesce(F.when(F.col("_problem").isNull(), record), F.lit(_NONE)))
