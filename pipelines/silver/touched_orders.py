"""The orders of which tonight's files, or the date, say something; of all others last night's rows stand.

What silver says of an order follows from the rows of the feeds of orders, lines and returns that name it, and from the
business date, up to which returns count. So a night looks at the rows that name an order which

- a row that came tonight names, or an earlier row of a key (a return) that came again tonight;
- has a return whose day lies between the two nights' dates.

Rows without an order count as one order of their own. Of a feed whose key is not of one order (returns, which may move to
another), all rows of a key are looked at, so that each row's outcome is the one that a look at everything would find.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.queries import Keep, as_it_is
from pipelines.silver.frames import Feeds, is_own_key
from pipelines.silver.mapping import key_of, origin, plain_column, standard_column
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.silver.targets import is_physical, uses
from pipelines.silver.touched import FEW
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from pipelines.silver.touched import Key, LastNight
    from pipelines.sources import Feed, Source

OF_ORDERS = (ORDERS, ORDER_LINES, RETURNS)
_ORDER, _ROW_KEY, _LINES_CAME = "_touched_order", "_touched_key", "_lines_came"
_NONE = ""
"""Stands for the order of what names none: no text of silver is empty."""


@dataclass(frozen=True)
class TouchedOrders:
    """The part of a night's orders that is computed (``touched.Part``)."""

    rows: dict[Key, DataFrame]
    _ids: DataFrame
    """One row an order: ``_ORDER``, and ``_LINES_CAME``: whether a row of tonight that makes lines names it, or did."""

    def completed(self, built: Mapping[str, DataFrame]) -> dict[str, TakenOver]:
        """``OF_ORDERS``, by ``layer/table``, of what ``rows`` make and of last night's."""
        orders = self._ids.select(_ORDER)
        # Lines follow from their own rows alone: of an order that only a return touched they stand, as most lines do.
        of_lines = self._ids.filter(_LINES_CAME).select(_ORDER)
        return {
            table.path: _whole(built[table.path], of_lines if table is ORDER_LINES else orders)
            for table in OF_ORDERS
        }


def _whole(built: DataFrame, ids: DataFrame) -> TakenOver:
    # A return whose key was looked at may be of an order that was not.
    made = built.withColumn(_ORDER, F.coalesce("order_id", F.lit(_NONE)))
    return TakenOver(made.join(F.broadcast(ids), on=_ORDER, how="left_semi").drop(_ORDER), ids, ["order_id"])


def touched_orders(
    bronze: Feeds,
    sources: Mapping[str, Source],
    last: LastNight,
    *,
    timezone: str,
    business_date: date,
    keep: Keep = as_it_is,
) -> TouchedOrders | None:
    """What a night has to look at of its orders, from the bronze tables, by (source, feed), of all feeds.

    None where that is everything: where a feed of orders is not appended to, has a row's place as its key or fills
    other tables besides, a return may come under several keys, or more than ``FEW`` orders are touched. Runs jobs.
    ``keep``: see ``queries``.
    """
    feeds = _feeds_of_orders(bronze, sources)
    if not feeds:
        return None
    named = {key: _named(bronze[key], sources[key[0]], feed, timezone) for key, feed in feeds.items()}
    began, ended = sorted((last.made_on, business_date))
    is_dated = (F.col("return_date") > F.lit(began)) & (F.col("return_date") <= F.lit(ended))
    order = F.coalesce("order_id", F.lit(_NONE)).alias(_ORDER)
    found = [last.tables[RETURNS.path].filter(is_dated).select(order, F.lit(False).alias(_LINES_CAME))]
    for key, feed in feeds.items():
        makes_lines = F.lit(feed.target == ORDER_LINES.name).alias(_LINES_CAME)
        came = named[key].filter(F.col("_batch_id").isin(list(last.came.get(key, ()))))
        found.append(came.select(_ORDER, makes_lines))
        if not _is_of_one_order(feed):
            of_keys = named[key].join(_keys(came), on=_ROW_KEY, how="left_semi")
            found.append(of_keys.select(_ORDER, makes_lines))
    touched = reduce(DataFrame.unionByName, found).groupBy(_ORDER)
    ids = keep(touched.agg(F.max(_LINES_CAME).alias(_LINES_CAME)))
    if ids.count() > FEW:
        return None
    rows = {}
    for key, feed in feeds.items():
        chosen = named[key].join(F.broadcast(ids), on=_ORDER, how="left_semi")
        if not _is_of_one_order(feed):
            by_key = named[key].join(_keys(chosen), on=_ROW_KEY, how="left_semi")
            chosen = by_key.unionByName(chosen.filter(F.col(_ROW_KEY).isNull()))
        rows[key] = chosen.select(*[F.col(f"`{name}`") for name in bronze[key].columns])
    return TouchedOrders(rows, ids)


def _feeds_of_orders(bronze: Feeds, sources: Mapping[str, Source]) -> dict[Key, Feed]:
    """The feeds that fill ``OF_ORDERS``; none where one of them does not suit."""
    tables = {table.name for table in OF_ORDERS}
    found = {}
    for source, name in sorted(bronze):
        feed = sources[source].feeds[name]
        filled = {use.target for use in uses(feed).values()}
        if not filled & tables:
            continue
        if feed.derive or feed.mode != "append" or is_physical(feed):
            return {}
        found[source, name] = feed
    # Of a return that several feeds, or several keys of one, bring, the newest row stands, whatever order it names.
    returns = [feed for feed in found.values() if feed.target == "returns"]
    if len(returns) > 1 or not all(is_own_key("returns", feed) for feed in returns):
        return {}
    return found


def _named(rows: DataFrame, source: Source, feed: Feed, timezone: str) -> DataFrame:
    """``rows`` with the order that they name and their key."""
    order = standard_column("order_id", rows, source, feed, feed, timezone=timezone)
    is_read = F.col("_problem").isNull()
    return rows.withColumns(
        {
            _ORDER: F.coalesce(F.when(is_read, order), F.lit(_NONE)),
            _ROW_KEY: F.when(is_read, key_of(feed, origin(rows.columns))),
        }
    )


def _keys(rows: DataFrame) -> DataFrame:
    return rows.filter(F.col(_ROW_KEY).isNotNull()).select(_ROW_KEY).distinct()


def _is_of_one_order(feed: Feed) -> bool:
    """True where all rows of a key name the same order: its column is part of the key."""
    return plain_column(feed, "order_id") in feed.key
