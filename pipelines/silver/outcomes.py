"""What became of every bronze row.

A row of a feed is exactly one of

- *current*: the last row of a live key: what silver is made of;
- *superseded*: an earlier row, or one of a file that a correction of the same name replaced;
- *deleted*: the last row of a dead key: its ``op`` is D, or the newest full snapshot lacks the key;
- *duplicate*: an earlier row of the same key and landing date that a later one repeats: the key
  stands twice in one full snapshot, or the next row says word for word the same;
- *quarantined*: not usable, with the reason. It never replaces a good row; in a full snapshot it
  is a sign that the key still exists, so that a spoilt line deletes nobody.

"Last" is by landing date, then file, then (for a correction of the same name) when it was taken in,
then row. Everything is recomputed from bronze as far back as ``history.py`` looks, so a late file falls into
its place.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines.bronze.tables import TECHNICAL
from pipelines.silver import values
from pipelines.silver.mapping import is_unmapped, key_of, origin, standard_column
from pipelines.silver.targets import TARGETS, is_physical, uses
from pipelines.sources import OP, Mapped
from pipelines.tables import DATE, STRING

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

    from pipelines.silver.row_rules import RowRule
    from pipelines.sources import Feed, Source, Use

OUTCOMES = ("current", "superseded", "deleted", "duplicate", "quarantined")

_TOKEN = r"[,;|\t\"{}\[\]:\x00]+"  # what separates values in a line of CSV or JSON
_MENTION, _REPLACED, _STANDING = 0, 1, 2
_ORDER = ("_standing", "_landing_date", "_file", "_ingested_at", "_batch_id", "_row")


def _deliveries(bronze: DataFrame, feed: Feed, batches: DataFrame | None) -> DataFrame:
    """One row a batch: _batch_id, _is_snapshot, _is_replaced, _newest_snapshot (date of the feed's newest)."""
    if batches is not None:
        known = batches.select(
            F.col("batch_id").alias("_batch_id"),
            F.col("file").alias("_file"),
            F.col("ingested_at").alias("_ingested_at"),
            (F.col("is_snapshot") & F.lit(feed.mode == "snapshot")).alias("_is_snapshot"),
        )
    else:
        op = op_of(bronze)
        known = bronze.groupBy("_batch_id").agg(
            F.max("_file").alias("_file"),
            F.max("_ingested_at").alias("_ingested_at"),
            # A file of which no row can be read says nothing about who still exists.
            (
                F.lit(feed.mode == "snapshot") & ~F.max(op.isNotNull()) & F.max(F.col("_problem").isNull())
            ).alias("_is_snapshot"),
        )
    replaces = F.lit(True) if is_physical(feed) else F.col("_is_snapshot")
    newer = W.partitionBy("_file").orderBy("_ingested_at", "_batch_id").rowsBetween(1, W.unboundedFollowing)
    # All batches are of one feed, be it under a former name; without a partition Spark warns.
    all_of_feed = W.partitionBy(F.col("_batch_id").isNotNull())
    has_newer = F.coalesce(F.max(replaces).over(newer), F.lit(False))
    # Files are few: one task spares two shuffles.
    dated = known.coalesce(1).withColumns(
        {"_is_replaced": has_newer & replaces, "_landing_date": _landing_date()}
    )
    is_valid = F.col("_is_snapshot") & ~F.col("_is_replaced")
    return dated.withColumn(
        "_newest_snapshot", F.max(F.when(is_valid, F.col("_landing_date"))).over(all_of_feed)
    ).select("_batch_id", "_is_snapshot", "_is_replaced", "_newest_snapshot")


def _landing_date() -> SparkColumn:
    return F.try_to_date(F.substring("_batch_id", 1, 10), "yyyy-MM-dd")


def op_of(bronze: DataFrame) -> SparkColumn:
    """What a row of a feed does to its key: I, U or D as delivered, in capitals; NULL where it says nothing."""
    return F.upper(values.present(origin(bronze.columns)(OP)))


def _reason(bronze: DataFrame, source: Source, feed: Feed, rules: Sequence[RowRule]) -> SparkColumn:
    """Why a row is quarantined; NULL where it is not. The first that applies, in this order."""
    text = origin(bronze.columns)
    op = F.col("_op")
    checks: dict[str, SparkColumn] = {"missing_key": F.col("_key").isNull()}
    if feed.mode != "append":
        has_op = F.lit(True) if feed.mode == "delta" else ~F.col("_is_snapshot")
        checks["bad_op"] = has_op & (op.isNull() | ~op.isin("I", "U", "D"))
    is_deletion = op.eqNullSafe(F.lit("D")) if feed.mode != "append" else F.lit(False)
    for name, use in uses(feed).items():
        if use.target not in TARGETS:
            continue
        target = TARGETS[use.target]

        def unread(column: str, use: Use = use) -> SparkColumn:
            return standard_column(column, bronze, source, feed, use, timezone="UTC").isNull()

        # In the order of the target's columns: that of the lines in YAML is no part of the configuration's digest.
        for column in target.columns:
            how = use.map.get(column, ())
            for part in how if isinstance(how, tuple) else (how,):
                unmapped = is_unmapped(part, text)
                if unmapped is not None:
                    checks.setdefault(f"unmapped_{column}", ~is_deletion & unmapped)
        for column, reason in target.mandatory.items():
            # A derived row needs no key in every row that it is made of: those without one make none.
            if name is None or reason.startswith("bad_"):
                _add(checks, reason, ~is_deletion & unread(column))
        for column, reason in target.readable.items():
            source_column = use.map.get(column)
            if isinstance(source_column, Mapped) and source_column.column:
                is_there = values.present(text(source_column.column)).isNotNull()
                _add(checks, reason, ~is_deletion & is_there & unread(column))
        for rule in rules:
            # A column that the source does not map says nothing of its rows.
            if rule.target == use.target and rule.column in use.map:
                value = standard_column(rule.column, bronze, source, feed, use, timezone="UTC")
                broken = rule.broken(value, target.columns[rule.column])
                _add(checks, rule.reason, ~is_deletion & broken)
    whens = [F.when(broken, F.lit(reason)) for reason, broken in checks.items()]
    return F.coalesce(F.col("_problem"), *whens)


def _add(checks: dict[str, SparkColumn], reason: str, broken: SparkColumn) -> None:
    checks[reason] = checks[reason] | broken if reason in checks else broken


def _batches_of(
    bronze: DataFrame, source: Source, feed_name: str, batches: DataFrame | None
) -> DataFrame | None:
    """``_deliveries`` of a feed; None where its rows count whatever their batch is."""
    feed = source.feeds[feed_name]
    own = None
    if batches is not None:
        own = batches.filter(
            (F.col("source") == source.source) & (F.col("feed") == feed_name) & (F.col("status") == "landed")
        )
    elif feed.mode != "snapshot" and not is_physical(feed):
        return None
    return _deliveries(bronze, feed, own)


def _prepared(
    bronze: DataFrame,
    source: Source,
    feed_name: str,
    batches: DataFrame | None,
    rules: Sequence[RowRule] = (),
) -> DataFrame:
    """Bronze rows with ``_key``, ``_op``, ``_landing_date``, what their batch is, ``_reason`` and ``_standing``."""
    feed = source.feeds[feed_name]
    known = _batches_of(bronze, source, feed_name, batches)
    if known is not None:
        placed = bronze.join(F.broadcast(known), on="_batch_id", how="inner")
    else:
        placed = bronze.withColumns(
            {
                "_is_snapshot": F.lit(False),
                "_is_replaced": F.lit(False),
                "_newest_snapshot": F.lit(None).cast(DATE),
            }
        )
    text = origin(bronze.columns)
    keyed = placed.withColumns(
        {
            "_landing_date": _landing_date(),
            "_op": op_of(bronze) if feed.mode != "append" else F.lit(None).cast(STRING),
            "_key": F.when(F.col("_problem").isNull(), key_of(feed, text)),
        }
    )
    judged = keyed.withColumn("_reason", _reason(keyed, source, feed, rules))
    standing = (
        F.when(F.col("_reason").isNotNull(), _MENTION)
        .when(F.col("_is_replaced"), _REPLACED)
        .otherwise(_STANDING)
    )
    return judged.withColumn("_standing", standing)


def _in_keys(rows: DataFrame, feed: Feed, is_replaced: SparkColumn | None = None) -> DataFrame:
    """The rows that say something about a key: the usable ones, and mentions of a key in a full snapshot.

    A quarantined row of a full snapshot mentions its key. Of a malformed one nobody knows which
    value is the key, so each is mentioned; those that are nobody's key change nothing.
    ``is_replaced``: whether a correction replaced the row's file, where it is not ``_is_replaced``.
    """
    if feed.mode != "snapshot":
        return rows.filter(F.col("_reason").isNull())
    gone = F.col("_is_replaced") if is_replaced is None else is_replaced
    is_in_snapshot = F.col("_is_snapshot") & ~gone
    tokens = F.array_distinct(F.transform(F.split("_raw", _TOKEN), lambda t: F.trim(t)))
    of_malformed = F.transform(tokens, lambda t: F.array(t)) if len(feed.key) == 1 else F.array("_key")
    keys = F.when(F.col("_key").isNotNull(), F.array("_key")).when(
        F.col("_problem").isNotNull(), of_malformed
    )
    mentions = F.when(F.col("_reason").isNull() | is_in_snapshot, keys)
    others = [F.col(f"`{name}`") for name in rows.columns if name != "_key"]
    return rows.select(*others, F.explode(mentions).alias("_key"))


def _seen() -> SparkColumn:
    """Landing date of a row that shows that its key exists; a replaced file shows nothing."""
    return F.when(F.col("_standing") != _REPLACED, F.col("_landing_date"))


def _is_alive(standing: SparkColumn, op: SparkColumn, seen: SparkColumn, newest: SparkColumn) -> SparkColumn:
    """Whether a key is live, by its last row and the date when it was seen last."""
    is_in_newest = newest.isNull() | (seen >= newest)
    return (standing == _STANDING) & ~op.eqNullSafe(F.lit("D")) & is_in_newest


def classify(
    bronze: DataFrame,
    source: Source,
    feed_name: str,
    *,
    batches: DataFrame | None = None,
    rules: Sequence[RowRule] = (),
) -> DataFrame:
    """Every bronze row of a feed with ``_landing_date``, ``_outcome`` and ``_reason``.

    ``_reason``: of quarantined rows the code; of deleted ones ``deleted_by_source`` or
    ``missing_from_snapshot``; of either ``corrected_file`` where a correction replaced the file.
    ``batches``: bronze/batches. With it rejected batches are left out, and a full snapshot without
    rows is seen; without it a batch of a snapshot feed is a full snapshot where no row has an ``op``.
    ``rules``: what a row must keep besides, or is quarantined.
    """
    feed = source.feeds[feed_name]
    rows = _prepared(bronze, source, feed_name, batches, rules)
    received = [F.col(f"`{name}`") for name in bronze.columns]
    result = [*received, F.col("_landing_date"), F.col("_outcome"), F.col("_reason")]
    said = [name for name in bronze.columns if name not in TECHNICAL]
    if feed.mode != "snapshot":
        # Alone under a key that no good row has, a quarantined row spares another pass over all to find it.
        own = F.array(F.lit("\0"), F.col("_batch_id"), F.col("_row").cast(STRING))
        is_usable = F.col("_reason").isNull()
        return _judged(rows.withColumn("_key", F.when(is_usable, F.col("_key")).otherwise(own)), said).select(
            *result
        )
    # One of a full snapshot may mention many keys, so that it stands aside.
    unusable = rows.filter(F.col("_reason").isNotNull()).withColumn("_outcome", F.lit("quarantined"))
    usable = _judged(_in_keys(rows, feed), said).filter(F.col("_standing") != _MENTION)
    return usable.select(*result).unionByName(unusable.select(*result))


def _judged(rows: DataFrame, said: list[str]) -> DataFrame:
    """Rows by ``_key`` with their outcome and its reason; ``said`` are the source's own columns."""
    columns = [F.col(f"`{name}`") for name in said]
    # A hash leaves out that a value is NULL, so that goes in besides.
    content = F.xxhash64(*columns, *[column.isNull() for column in columns])
    # Rows are sorted by numbers first: to compare lists is dear.
    of_key = W.partitionBy(F.xxhash64("_key"), "_key").orderBy(*_ORDER)
    whole = of_key.rowsBetween(W.unboundedPreceding, W.unboundedFollowing)
    following = F.struct("_landing_date", "_is_snapshot", "_standing", content.alias("content"))
    seen = rows.withColumns(
        {
            "_content": content,
            "_next": F.lead(following).over(of_key),
            "_is_live": _is_alive(
                F.last("_standing").over(whole),
                F.last("_op").over(whole),
                F.max(_seen()).over(whole),
                F.col("_newest_snapshot"),
            ),
        }
    )
    same_delivery = F.col("_next._landing_date") == F.col("_landing_date")
    twice_in_snapshot = F.col("_is_snapshot") & F.col("_next._is_snapshot")
    said_again = F.col("_next.content") == F.col("_content")
    is_duplicate = (
        same_delivery & (F.col("_standing") == F.col("_next._standing")) & (twice_in_snapshot | said_again)
    )
    is_last = F.col("_next").isNull()
    outcome = (
        F.when(F.col("_reason").isNotNull(), "quarantined")
        .when(is_last & F.col("_is_live"), "current")
        .when(is_last, "deleted")
        .when(is_duplicate, "duplicate")
        .otherwise("superseded")
    )
    is_deleted, is_superseded = F.col("_outcome") == "deleted", F.col("_outcome") == "superseded"
    why = (
        F.when(is_deleted & F.col("_op").eqNullSafe(F.lit("D")), "deleted_by_source")
        .when(F.col("_is_replaced") & (is_deleted | is_superseded), "corrected_file")
        .when(is_deleted, "missing_from_snapshot")
    )
    return seen.withColumn("_outcome", outcome).withColumn("_reason", F.coalesce("_reason", why))


def _state(counts: SparkColumn, is_replaced: SparkColumn, newest: SparkColumn) -> SparkColumn:
    """What a key's rows that count say of it: standing and op of the last, when it was seen, the newest snapshot."""
    is_usable = F.col("_reason").isNull()
    applies = counts & (is_usable | (F.col("_is_snapshot") & ~is_replaced))
    standing = F.when(~is_usable, _MENTION).when(is_replaced, _REPLACED).otherwise(_STANDING)
    order = F.struct(standing.alias("_standing"), *[F.col(name) for name in _ORDER[1:]])
    return F.struct(
        F.max_by(F.struct(standing.alias("standing"), "_op"), F.when(applies, order)).alias("last"),
        F.max(F.when(applies & (standing != _REPLACED), F.col("_landing_date"))).alias("seen"),
        F.max(F.when(applies, newest)).alias("newest"),
    )


def _lives(state: str) -> SparkColumn:
    """Whether a key is live by a ``_state`` of its; one of which nothing is said is not."""
    said = [F.col(f"{state}.{part}") for part in ("last.standing", "last._op", "seen", "newest")]
    return F.coalesce(_is_alive(*said), F.lit(False))


def deleted_share(
    bronze: DataFrame,
    source: Source,
    feed_name: str,
    *,
    tonight: Collection[str],
    batches: DataFrame | None = None,
) -> DataFrame:
    """How many live keys a night deletes: one row (source, feed, live_before, deleted_tonight).

    ``bronze``: with tonight's rows, whose batches ``tonight`` names. ``live_before``: keys that
    are live without them; ``deleted_tonight``: those of them that are not live with them. A half
    snapshot shows as a large share, whatever day it is dated.
    """
    feed = source.feeds[feed_name]
    names = list(tonight)
    is_tonight = F.col("_batch_id").isin(names)
    earlier = None if batches is None else batches.filter(~F.col("batch_id").isin(names))
    # One pass for both states: a row is the same in either, but for what its batch is.
    rows = _prepared(bronze, source, feed_name, batches)
    known = _batches_of(bronze.filter(~is_tonight), source, feed_name, earlier)
    if known is None:
        both = rows.withColumns({"_was_replaced": F.lit(False), "_former_snapshot": F.lit(None).cast(DATE)})
    else:
        former = known.select(
            "_batch_id",
            F.col("_is_replaced").alias("_was_replaced"),
            F.col("_newest_snapshot").alias("_former_snapshot"),
        )
        both = rows.join(F.broadcast(former), on="_batch_id", how="left")
    was_replaced = is_tonight | F.col("_was_replaced")
    lives = _state(F.lit(True), F.col("_is_replaced"), F.col("_newest_snapshot"))
    lived = _state(~is_tonight, was_replaced, F.col("_former_snapshot"))
    keyed = _in_keys(both, feed, F.col("_is_replaced") & was_replaced)
    return (
        keyed.groupBy("_key")
        .agg(lives.alias("now"), lived.alias("before"))
        .select(_lives("now").alias("lives"), _lives("before").alias("lived"))
        .agg(
            F.count_if("lived").alias("live_before"),
            F.count_if(F.col("lived") & ~F.col("lives")).alias("deleted_tonight"),
        )
        .select(
            F.lit(source.source).alias("source"),
            F.lit(feed_name).alias("feed"),
            "live_before",
            "deleted_tonight",
        )
    )
