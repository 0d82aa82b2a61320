"""Current rows of all feeds of one target, as one frame."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines.silver.mapping import STATE_ORDER, standard_rows
from pipelines.silver.targets import TARGETS, uses

if TYPE_CHECKING:
    from pipelines.sources import Source, Use

Feeds = Mapping[tuple[str, str], DataFrame]
"""A frame a feed, by (source, feed)."""


def uses_of(target: str, feeds: Feeds, sources: Mapping[str, Source]) -> list[tuple[Source, str, Use]]:
    """What fills a target, of the feeds given: (source, feed, use), in the order of their names."""
    return [
        (sources[source], feed, use)
        for source, feed in sorted(feeds)
        for use in uses(sources[source].feeds[feed]).values()
        if use.target == target
    ]


def rows_of(target: str, current: Feeds, sources: Mapping[str, Source], *, timezone: str) -> DataFrame | None:
    """The current rows of every feed of ``target`` in its standard columns, with provenance.

    One row a key of the published table. None where no feed of the target ever came in.
    """
    found = uses_of(target, current, sources)
    if not found:
        return None
    frames = [
        standard_rows(current[source.source, feed], source, feed, use, timezone=timezone)
        for source, feed, use in found
    ]
    united = reduce(DataFrame.unionByName, frames)
    if len(found) == 1 and is_own_key(target, found[0][2]):
        return united
    return newest_of_key(united, TARGETS[target].key)


def newest_of_key(rows: DataFrame, key: tuple[str, ...]) -> DataFrame:
    """One row a key: the newest in the order of state."""
    # A record's _row is text; compared as text, row 9 would be newer than row 10.
    order = [F.col(name).cast("long") if name == "_row" else F.col(name) for name in STATE_ORDER]
    newest_first = W.partitionBy(*key).orderBy(*[column.desc() for column in order])
    return rows.withColumn("_place", F.row_number().over(newest_first)).filter("_place = 1").drop("_place")


def is_own_key(target: str, use: Use) -> bool:
    """True where one row a feed's key is one row a key of the target."""
    made_of: set[str] = set()
    for name in TARGETS[target].key:
        how = use.map.get(name)
        if (
            how is not None
            and not isinstance(how, tuple)
            # Parts joined may be one text in several ways.
            and not how.join
            and (how.parse, how.codes, how.patterns) == ("text", None, None)
        ):
            made_of.update(how.columns)
    return set(use.key) <= made_of
