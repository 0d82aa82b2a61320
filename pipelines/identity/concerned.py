"""The records that a night can move, so that assignment looks at these alone.

Most customers of a large register are tonight what they were: exactly the same live records, in one
cluster. Such a customer keeps its id, whatever happens elsewhere: all who hold it are together, nobody
else is with them, and a claim from the past to an id that others hold is void. So a night is decided by

1. the records that came, went, were edited, renamed or decided on, and every record that shares a cluster
   tonight, or an id before, with one of them, or whose customer and cluster are not the same records;
2. who holds an id that one of those ever held, or what that id became: with a record that comes back
   claiming it, the id is torn, and its holders vote;
3. who holds an id that one of these ever held: they make the claims of a torn id's records void.

Nothing reaches further, since none of (3) is torn or claims anything.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.identity.frames import all_of
from pipelines.identity.tables import RECORD
from pipelines.queries import computed_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column


def concerned_records(
    clusters: DataFrame,
    assignments: DataFrame,
    events: DataFrame,
    aliases: DataFrame,
    marked: Sequence[DataFrame],
    most: int,
) -> DataFrame | None:
    """Keys (source, record_id) of the records that decide the night; None where more than ``most`` were touched.

    ``assignments``, ``events`` and ``aliases``: the prior state, by the names of now. ``marked``: keys of
    records that something happened to, whether or not they exist. Runs jobs.
    """
    touched = computed_once(_touched(clusters, assignments, marked))
    if touched.count() > most:
        return None
    claimed = computed_once(_with_holders(touched, assignments, events, aliases))
    return computed_once(_with_holders(claimed, assignments, events, aliases))


def at_odds(events: DataFrame, assignments: DataFrame, sources: Sequence[str]) -> DataFrame:
    """Keys of the records of ``sources`` for which log and register, by the names of now, do not say the same.

    A rename that is declared late, when both names were known already, makes one past of two.
    """
    moves = events.filter(F.col("source").isin(list(sources)) & (F.col("event") != "changed"))
    newest = F.max(F.struct("business_date", "publication", "customer_id"))["customer_id"]
    told = moves.groupBy(*RECORD).agg(newest.alias("told"))
    held = assignments.filter(F.col("source").isin(list(sources)))
    both = told.join(held, on=list(RECORD), how="full_outer")
    return both.filter(~F.col("told").eqNullSafe(F.col("customer_id"))).select(*RECORD)


def of_records(frame: DataFrame, keys: DataFrame) -> DataFrame:
    """The rows of ``frame`` about these few records."""
    return frame.join(F.broadcast(keys), on=list(RECORD), how="left_semi")


def of_others(frame: DataFrame, keys: DataFrame) -> DataFrame:
    """The rows of ``frame`` about all records but these few."""
    return frame.join(F.broadcast(keys), on=list(RECORD), how="left_anti")


def _touched(clusters: DataFrame, assignments: DataFrame, marked: Sequence[DataFrame]) -> DataFrame:
    parts = [
        clusters.select(*RECORD, F.col("cluster_final").alias("cluster")),
        assignments.select(*RECORD, "customer_id"),
        *[frame.select(*RECORD, F.lit(True).alias("is_marked")) for frame in marked],
    ]
    united = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)
    # A rename may leave a record two rows.
    is_same = (F.count("customer_id") == 1) & F.max("cluster").isNotNull() & F.max("is_marked").isNull()
    # A record that went stands in no cluster, a new one had no customer: each is alone, not all together.
    alone = F.to_json(F.struct(*RECORD))
    records = united.groupBy(*RECORD).agg(
        F.coalesce(F.max("cluster"), alone).alias("cluster"),
        F.coalesce(F.max("customer_id"), alone).alias("customer_id"),
        (~is_same).alias("is_touched"),
    )

    def differs(group: str, other: str) -> Column:
        """Something was touched in the record's group, or the group is several of the other kind."""
        same = all_of(group)
        return F.max("is_touched").over(same) | (F.min(other).over(same) != F.max(other).over(same))

    in_cluster = records.withColumn("in_cluster", differs("cluster", "customer_id"))
    both = in_cluster.withColumn("in_customer", differs("customer_id", "cluster"))
    return both.filter(F.col("in_cluster") | F.col("in_customer")).select(*RECORD)


def _with_holders(
    records: DataFrame, assignments: DataFrame, events: DataFrame, aliases: DataFrame
) -> DataFrame:
    """``records`` and those that hold an id that one of them ever held, or what it became."""
    ids = of_records(events, records).filter(F.col("customer_id").isNotNull()).select("customer_id")
    held = ids.distinct()
    heirs = aliases.filter(F.col("valid_to").isNull() & F.col("became").isNotNull()).join(
        F.broadcast(held), on="customer_id", how="left_semi"
    )
    known = held.unionByName(heirs.select(F.col("became").alias("customer_id"))).distinct()
    holders = assignments.join(F.broadcast(known), on="customer_id", how="left_semi").select(*RECORD)
    return records.unionByName(holders).distinct()
