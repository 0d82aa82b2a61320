"""``identity/events``: what happened to which record, why, and the map that replaying it gives."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

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


def published_so_far(events: DataFrame, business_date: date) -> DataFrame:
    """One row: business_date, and its publications and last_sequence in the prior state (0: none)."""
    same_date = events.filter(F.col("business_date") == F.lit(business_date))
    return same_date.agg(
        F.lit(business_date).alias("business_date"),
        F.coalesce(F.max("publication"), F.lit(0)).alias("publications"),
        F.coalesce(F.max("sequence"), F.lit(0)).alias("last_sequence"),
    )


def unnumbered_events(
    assigned: DataFrame, moved: DataFrame, past_stays: DataFrame, *, is_adoption: bool
) -> DataFrame:
    """One row per record for which something happened: event, cause and evidence, without number.

    ``assigned``, ``moved``: of ``moves``. ``is_adoption``: tonight another model was adopted, and
    every move is its doing.
    """
    return _plain_events(assigned).unionByName(
        _move_events(assigned, moved, past_stays, is_adoption=is_adoption)
    )


def numbered(events: DataFrame, published: DataFrame, business_date: date) -> DataFrame:
    """``events`` as rows of the table, numbered on from what the date has (``published_so_far``).

    Numbers follow event, source and record, part by part, so that no task sorts them all.
    """
    part = ["event", "source", "part"]
    parted = events.withColumn("part", F.pmod(F.xxhash64("record_id"), F.lit(SPREAD)))
    earlier = W.orderBy(*part).rowsBetween(W.unboundedPreceding, -1)
    starts = (
        parted.groupBy(*part)
        .agg(F.count("*").alias("events"))
        .select(*part, F.coalesce(F.sum("events").over(earlier), F.lit(0)).alias("start"))
    )
    place = F.row_number().over(W.partitionBy(*part).orderBy("record_id"))
    rows = (
        parted.withColumn("place", place)
        .join(F.broadcast(starts), on=part, how="inner")
        .withColumn("business_date", F.lit(business_date))
        .join(F.broadcast(published), on="business_date", how="inner")
    )
    return EVENTS.conform(
        rows.withColumns(
            {
                "publication": F.col("publications") + 1,
                "sequence": F.col("last_sequence") + F.col("start") + F.col("place"),
            }
        )
    )


def _described(rows: DataFrame) -> DataFrame:
    was = F.col("last_id").alias("old_customer_id")
    return rows.select("event", *RECORD, was, "customer_id", "cause", F.col("cluster").alias("evidence"))


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


def _move_events(
    assigned: DataFrame, moved: DataFrame, past_stays: DataFrame, *, is_adoption: bool
) -> DataFrame:
    """Events of the records that moved from one customer to another."""
    return _described(
        moved.join(_held_before(moved, past_stays), on=list(RECORD), how="left")
        .join(_touches(assigned, moved, "cluster"), on="cluster", how="left")
        .join(_touches(assigned, moved, "prior_id"), on="prior_id", how="left")
        .withColumn("event", _move())
        .withColumn("cause", F.lit("generation") if is_adoption else _cause())
    )


def _held_before(moved: DataFrame, past_stays: DataFrame) -> DataFrame:
    """Moved records that held their new customer's id before: source, record_id, has_held."""
    stays_there = past_stays.withColumnRenamed("stay_id", "customer_id")
    return (
        moved.select(*RECORD, "customer_id")
        .join(stays_there, on=[*RECORD, "customer_id"], how="inner")
        .select(*RECORD, F.lit(True).alias("has_held"))
        .distinct()
    )


def _touches(assigned: DataFrame, moved: DataFrame, by: str) -> DataFrame:
    """What happened to records of the moved records' clusters, or prior ids: one row per ``by``."""
    is_gone, is_back = F.col("cluster").isNull(), ~F.col("is_holder")
    touches = {"decided": F.col("is_decided"), "gone": is_gone, "edited": F.col("is_edited"), "came": is_back}
    happened = {f"{name}_{by}": touch for name, touch in touches.items()}
    return (
        assigned.filter(is_gone | is_back | F.col("is_edited") | F.col("is_decided"))
        .join(moved.select(by).distinct(), on=by, how="left_semi")
        .groupBy(by)
        .agg(*[F.max(touch).alias(name) for name, touch in happened.items()])
    )


def _move() -> Column:
    """The kind of move: what became of the record's prior id, and what its new one is."""
    return (
        F.when(F.col("is_home"), "merged")
        .when(F.col("is_minted"), "split")
        .when(F.col("is_held"), "reassigned")
        .when(F.col("has_held"), "revived")
        .otherwise("split")
    )


def _cause() -> Column:
    """What explains a move best; a deletion pulls records apart, it never joins them."""

    def touched(name: str) -> Column:
        both = [F.coalesce(f"{name}_{by}", F.lit(False)) for by in ("cluster", "prior_id")]
        return both[0] | both[1]

    return (
        F.when(touched("decided"), "decision")
        .when(touched("gone") & (F.col("event") != "merged"), "deleted")
        .when(touched("edited"), "edit")
        .when(touched("came"), "new_record")
        .otherwise("linkage")
    )
