"""``identity/events``: what happened to which record, why, and the map that replaying it gives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines.identity.frames import all_of
from pipelines.identity.moves import has_moved
from pipelines.identity.tables import EVENTS, RECORD

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

STARTS = ("created", "added", "merged", "split", "reassigned", "revived")
"""Events with which a record's stay with a customer begins."""

SPREAD = 64
"""Parts in which the events of one kind and source are numbered: a first load is no single task."""


def stays(events: DataFrame) -> DataFrame:
    """One row per stay of a record with a customer that ever began: source, record_id, since, stay_id.

    ``since`` is (business_date, publication): unlike the history's dates it tells apart two
    publications of one date.
    """
    return events.filter(F.col("event").isin(*STARTS)).select(
        *RECORD,
        F.struct("business_date", "publication").alias("since"),
        F.col("customer_id").alias("stay_id"),
    )


def replay(events: DataFrame) -> DataFrame:
    """The map that the event log gives, from empty: source, record_id, customer_id of the live records."""
    newest = F.max_by("customer_id", F.struct("business_date", "sequence"))
    replayed = events.groupBy(*RECORD).agg(newest.alias("customer_id"))
    return replayed.filter(F.col("customer_id").isNotNull())


@dataclass(frozen=True)
class Published:
    """What a business date has in the prior state: publications, and its last event's number (0: none)."""

    publications: int
    last_sequence: int


def published_so_far(events: DataFrame, business_date: date) -> Published:
    """Asks the log about one date: a job over the files that have it, so that two numbers are no join."""
    same_date = events.filter(F.col("business_date") == F.lit(business_date))
    found = same_date.agg(F.max("publication"), F.max("sequence")).collect()[0]
    return Published(found[0] or 0, found[1] or 0)


def unnumbered_events(assigned: DataFrame, moved: DataFrame, *, is_adoption: bool) -> DataFrame:
    """One row per record for which something happened: event and cause, without number and evidence.

    Beside the table's columns: cluster, is_holder, is_minted, has_moved, and decision_id, the steward's
    decision that moved it. ``assigned``, ``moved``: of ``moves``. ``is_adoption``: tonight another model
    was adopted, and every move is its doing.
    """
    return _plain_events(assigned).unionByName(_move_events(assigned, moved, is_adoption=is_adoption))


def numbered(events: DataFrame, published: Published, business_date: date) -> DataFrame:
    """``events`` as rows of the table, numbered on from what the date has.

    Numbers follow event, source and record, part by part, so that no task sorts them all. What ends goes
    before what begins: where keys move up, a name ends as one record's and begins as another's.
    """
    part = ["begins", "event", "source", "part"]
    parted = events.withColumns(
        {
            "begins": F.col("event").isin(*STARTS),
            "part": F.pmod(F.xxhash64("record_id"), F.lit(SPREAD)),
        }
    )
    earlier = W.orderBy(*part).rowsBetween(W.unboundedPreceding, -1)
    starts = (
        parted.groupBy(*part)
        .agg(F.count("*").alias("events"))
        .select(*part, F.coalesce(F.sum("events").over(earlier), F.lit(0)).alias("start"))
    )
    place = F.row_number().over(W.partitionBy(*part).orderBy("record_id"))
    rows = parted.withColumn("place", place).join(F.broadcast(starts), on=part, how="inner")
    return EVENTS.conform(
        rows.withColumns(
            {
                "business_date": F.lit(business_date),
                "publication": F.lit(published.publications + 1),
                "sequence": F.col("start") + F.col("place") + F.lit(published.last_sequence),
            }
        )
    )


def _described(rows: DataFrame) -> DataFrame:
    """The columns that events have besides their evidence, and those that it and the change feed ask for."""
    was = F.col("last_id").alias("old_customer_id")
    decision = F.when(F.col("cause") == "decision", F.col("decision_id")).alias("decision_id")
    told = ["event", *RECORD, "customer_id", "cause", "cluster", "is_holder", "is_minted"]
    return rows.select(*told, was, has_moved().alias("has_moved"), decision)


def _plain_events(assigned: DataFrame) -> DataFrame:
    """Events that a record's own row explains: it came, came back, went, or was edited in place."""
    is_new = F.col("last_id").isNull()
    told = {
        "retired": (F.col("cluster").isNull(), "deleted"),
        "created": (is_new & F.col("is_minted"), "new_record"),
        "added": (is_new, "new_record"),
        "revived": (~F.col("is_holder"), "new_record"),
        "changed": (F.col("is_edited"), "edit"),
    }
    event = F.coalesce(*[F.when(applies, F.lit(kind)) for kind, (applies, _) in told.items()])
    cause = F.coalesce(*[F.when(applies, F.lit(why)) for applies, why in told.values()])
    plain = assigned.filter(~has_moved()).withColumns({"event": event, "cause": cause})
    return _described(plain.filter(F.col("event").isNotNull()))


def _move_events(assigned: DataFrame, moved: DataFrame, *, is_adoption: bool) -> DataFrame:
    """Events of the records that moved from one customer to another."""
    touched = assigned.filter(~has_moved() & F.exists(F.array(*_touches().values()), lambda touch: touch))
    rows = moved.unionByName(touched, allowMissingColumns=True)
    # A gone record stands in no cluster, a new one left no customer: each is alone, not all together.
    alone = F.to_json(F.struct(*RECORD))
    keyed = rows.withColumns(
        {"in": F.coalesce("cluster", alone), "from": F.coalesce("prior_id", alone), **_touches()}
    )
    around = {name: F.max(name).over(all_of("in")) | F.max(name).over(all_of("from")) for name in _touches()}
    decisions = [F.max("decision_id").over(all_of(group)) for group in ("in", "from")]
    events = (
        keyed.withColumns({**around, "decision_id": F.coalesce(*decisions)})
        .filter(has_moved())
        .withColumn("event", _move())
    )
    return _described(events.withColumn("cause", F.lit("generation") if is_adoption else _cause()))


def _touches() -> dict[str, Column]:
    """What can have moved records, by name."""
    return {
        "was_decided": F.col("is_decided"),
        "went": F.col("cluster").isNull(),
        "was_edited": F.col("is_edited"),
        "came": F.col("cluster").isNotNull() & ~F.col("is_holder"),
    }


def _move() -> Column:
    """The kind of move: what became of the record's prior id, and what its new one is."""
    has_held = F.exists("past", lambda move: move["customer_id"].eqNullSafe(F.col("customer_id")))
    return (
        F.when(F.col("is_home"), "merged")
        .when(F.col("is_minted"), "split")
        .when(F.col("is_held"), "reassigned")
        .when(has_held, "revived")
        .otherwise("split")
    )


def _cause() -> Column:
    """What explains a move best; a deletion pulls records apart, it never joins them."""
    return (
        F.when(F.col("was_decided"), "decision")
        .when(F.col("went") & (F.col("event") != "merged"), "deleted")
        .when(F.col("was_edited"), "edit")
        .when(F.col("came"), "new_record")
        .otherwise("linkage")
    )
