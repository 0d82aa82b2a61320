"""What an event rests on: the strongest pair of records that speaks for it, and the decision that made it.

A record that came is explained by its own strongest pair inside its cluster. Records that moved together
are explained by the strongest pair between them and the others there; those that left, by the strongest
pair that was left between them and their old customer: what was not enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LEFT = "split"
"""The event whose pair is one that did not hold."""

_SIDE = ("side_cluster", "side_from", "side_record")


def explained(
    events: DataFrame, assigned: DataFrame, pairs: DataFrame | None, *, few: bool = False
) -> DataFrame:
    """``events`` (``events.unnumbered_events``, computed) with ``evidence`` as JSON.

    Keys: cluster (its smallest source:record_id), pair (two source:record_id), match_weight (bits),
    probability, rule (what brought the pair), decided_by, decision; those that do not apply are left
    out. ``assigned``: of ``moves``; ``pairs``: linkage/scored_pairs, None where nobody has any.
    ``few``: the events fit every task, and pairs and records stay where they are.
    """
    if pairs is None:
        return events.withColumn("evidence", _json({}))
    sought = events.filter(F.col("customer_id").isNotNull()).select(
        _key(F.col("source"), F.col("record_id")).alias("seeker"),
        F.col("cluster"),
        F.when(F.col("has_moved"), F.col("old_customer_id")).alias("from_id"),
        (F.col("event") == LEFT).alias("left"),
        *[column.alias(name) for name, column in _sides().items()],
    )
    best = (
        _met(pairs, F.broadcast(sought) if few else sought, assigned, few=few)
        .groupBy(*_SIDE)
        .agg(F.max("found").alias("found"))
    )
    sided = events.withColumns(_sides())
    told = sided.join(F.broadcast(best) if few else best, on=list(_SIDE), how="left")
    shown = {
        "pair": F.col("found.pair"),
        "match_weight": F.round("found.match_weight", 2),
        "probability": F.round("found.probability", 4),
        "rule": F.col("found.rule"),
        "decided_by": F.col("found.decided_by"),
    }
    return told.withColumn("evidence", _json(shown)).drop("found", *_SIDE)


def _key(source: Column, record_id: Column) -> Column:
    return F.concat_ws(":", source, record_id)


def _sides() -> dict[str, Column]:
    """Who shares one explanation: records that moved together, or a record alone."""
    together = F.col("has_moved") & F.col("old_customer_id").isNotNull()
    nothing = F.lit("")
    return {
        "side_cluster": F.when(together, F.col("cluster")).otherwise(nothing),
        "side_from": F.when(together, F.col("old_customer_id")).otherwise(nothing),
        "side_record": F.when(together, nothing).otherwise(_key(F.col("source"), F.col("record_id"))),
    }


def _met(pairs: DataFrame, sought: DataFrame, assigned: DataFrame, *, few: bool) -> DataFrame:
    """The pairs that speak for or about the sides of ``sought``: the side, and ``found``, strongest highest."""
    left, right = (_key(F.col(f"source_{end}"), F.col(f"record_id_{end}")) for end in ("l", "r"))
    said = F.struct(
        F.col("same_person_probability").alias("probability"),
        "match_weight",
        F.array("left_key", "right_key").alias("pair"),
        F.col("blocked_by").alias("rule"),
        "decided_by",
    )
    both = pairs.withColumns({"left_key": left, "right_key": right}).withColumn("found", said)
    ends = F.array(
        F.struct(F.col("left_key").alias("seeker"), F.col("right_key").alias("other")),
        F.struct(F.col("right_key").alias("seeker"), F.col("left_key").alias("other")),
    )
    touching = both.select("found", F.inline(ends)).join(sought, on="seeker", how="inner")
    others = assigned.select(
        _key(F.col("source"), F.col("record_id")).alias("other"),
        F.col("cluster").alias("other_cluster"),
        F.col("prior_id").alias("other_from"),
    )
    met = others.join(F.broadcast(touching) if few else touching, on="other", how="inner")
    is_inside = F.col("other_cluster") == F.col("cluster")
    is_mate = F.col("other_from").eqNullSafe(F.col("from_id"))
    speaks = (
        F.when(F.col("left"), is_mate & ~is_inside)
        .when(F.col("from_id").isNotNull(), is_inside & ~is_mate)
        .otherwise(is_inside)
    )
    return met.filter(speaks).select(*_SIDE, "found")


def _json(shown: dict[str, Column]) -> Column:
    """The evidence as JSON without what is NULL; NULL where the record is gone."""
    parts = {"cluster": F.col("cluster"), **shown, "decision": F.col("decision_id")}
    fields = [column.alias(name) for name, column in parts.items()]
    return F.when(F.col("customer_id").isNotNull(), F.to_json(F.struct(*fields)))
