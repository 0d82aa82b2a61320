"""A register made for timing the ids: records of people in clusters, and a night in which some of them change.

Of every six records one is a person's alone, two are another's, three a third one's. Of the people that a night
changes a quarter each loses a record, gets one, says something else, and comes apart or joins another.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.touched_records import TOUCHED_RECORDS
from pipelines.silver.customer_records import CUSTOMER_RECORDS, MATCHING
from pipelines.silver.standard_form import with_digest
from pipelines.tables import DATE, INT, STRING, STRINGS, Table

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

PARTS = 1_000_000
"""Shares of people are counted in millionths."""
_BORN = date(1940, 1, 1)


@dataclass(frozen=True)
class MadeNight:
    """What identity reads of a night."""

    clusters: DataFrame
    touched_records: DataFrame
    customer_records: DataFrame
    scored_pairs: DataFrame

    @property
    def tables(self) -> dict[Table, DataFrame]:
        return {
            CLUSTERS: self.clusters,
            TOUCHED_RECORDS: self.touched_records,
            CUSTOMER_RECORDS: self.customer_records,
            SCORED_PAIRS: self.scored_pairs,
        }


def made_night(spark: SparkSession, records: int, changed: float) -> MadeNight:
    """About ``records`` records; ``changed``: the share of people that something happens to, 0 the first night."""
    place, six = F.col("id") % 6, F.floor(F.col("id") / 6) * 3
    person = six + F.when(place == 0, 0).when(place <= 2, 1).otherwise(2)
    known = spark.range(records).withColumns({"place": place, "person": person})
    is_hit = F.pmod(F.xxhash64("person"), F.lit(PARTS)) < round(changed * PARTS)
    known = known.withColumns(
        {
            "happens": F.when(is_hit, F.pmod(F.xxhash64("person", F.lit("what")), F.lit(4))),
            "is_first": F.col("place").isin(0, 1, 3),
            "is_last": F.col("place").isin(0, 2, 5),
            "version": F.lit(0),
            "is_new": F.lit(False),
        }
    )
    lost, gained, said, moved = ((F.col("happens") == kind) for kind in range(4))
    is_gone = F.coalesce(lost & F.col("is_last"), F.lit(False))
    is_edited = F.coalesce(said & F.col("is_first"), F.lit(False))
    stayed = known.filter(~is_gone).withColumn("version", is_edited.cast("int"))
    come = known.filter(gained & F.col("is_last")).withColumn("is_new", F.lit(True))
    alone = F.concat(F.lit("apart"), F.col("person"))
    beside = F.concat(F.lit("person"), F.col("person") + 1)
    own = F.concat(F.lit("person"), F.col("person"))
    goes = moved & F.col("is_last")
    names = {
        "source": F.concat(F.lit("s"), F.col("id") % 4),
        "record_id": F.concat(F.when(F.col("is_new"), "n").otherwise("r"), F.lpad("id", 10, "0")),
    }
    # As linkage names them: all records of whom something happened to, those that went among them.
    touched = known.filter(is_hit).unionByName(come).withColumns(names)
    live = stayed.unionByName(come).withColumns(
        {
            **names,
            "cluster": F.when(goes & (F.col("place") == 0), beside).when(goes, alone).otherwise(own),
            "party_type": F.lit("person"),
        }
    )
    return MadeNight(_clusters(live), TOUCHED_RECORDS.conform(touched), _records(live), _pairs(live))


def _whole(table: Table, frame: DataFrame) -> DataFrame:
    """``frame`` as the table is declared; what it lacks is NULL."""
    missing = {c.name: F.lit(None).cast(c.type) for c in table.columns if c.name not in frame.columns}
    return table.conform(frame.withColumns(missing))


def _clusters(live: DataFrame) -> DataFrame:
    layers = ("cluster_model", "cluster_rules", "cluster_final", "component")
    return _whole(CLUSTERS, live.withColumns({name: F.col("cluster") for name in layers}))


def _records(live: DataFrame) -> DataFrame:
    """Every matching column is filled."""

    def word(name: str, *more: str) -> Column:
        return F.hex(F.xxhash64("id", "version", *[F.lit(part) for part in (name, *more)]))

    def made(name: str, kind: str) -> Column:
        by_kind = {
            STRING: word(name),
            STRINGS: F.array(word(name), word(name, "second")),
            DATE: F.date_add(F.lit(_BORN), F.pmod(F.xxhash64("id"), F.lit(20_000)).cast("int")),
            INT: F.pmod(F.xxhash64("id"), F.lit(60)).cast("int"),
        }
        return by_kind[kind]

    return with_digest(
        _whole(CUSTOMER_RECORDS, live.withColumns({c.name: made(c.name, c.type) for c in MATCHING}))
    )


def _pairs(live: DataFrame) -> DataFrame:
    """Each record with the next of its person."""
    key = F.struct("source", "record_id")
    ends = live.select("person", "id", key.alias("key"))
    one, other = ends.alias("one"), ends.alias("other")
    is_next = (F.col("one.person") == F.col("other.person")) & (F.col("other.id") == F.col("one.id") + 1)
    left, right = (
        f(F.col("one.key"), F.col("other.key")).alias(n) for f, n in ((F.least, "l"), (F.greatest, "r"))
    )
    found = one.join(other, on=is_next, how="inner").select(left, right)
    said = {
        "match_weight": F.lit(12.0),
        "match_probability": F.lit(0.9998),
        "same_person_probability": F.lit(0.9998),
        "decided_by": F.lit("relation"),
        "blocked_by": F.lit("email"),
    }
    names = {
        f"{name}_{end}": F.col(f"{end}.{name}") for end in ("l", "r") for name in ("source", "record_id")
    }
    return _whole(SCORED_PAIRS, found.withColumns({**names, **said}))
