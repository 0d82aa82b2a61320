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

from pipelines.identity.frames import all_of, are_few, held
from pipelines.identity.tables import RECORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column

    from pipelines.identity.assign import Identity


def standing_records(clusters: DataFrame, assignments: DataFrame, *, is_small: bool = False) -> DataFrame:
    """One row per record that is live tonight or was before: source, record_id, cluster, customer_id, ids.

    ``ids``: how many customers it had; a rename may leave it two. ``is_small``: one task looks at all.
    """
    live = clusters.select(*RECORD, F.col("cluster_final").alias("cluster"))
    both = live.unionByName(assignments.select(*RECORD, "customer_id"), allowMissingColumns=True)
    return (
        (both.coalesce(1) if is_small else both)
        .groupBy(*RECORD)
        .agg(
            F.max("cluster").alias("cluster"),
            F.max("customer_id").alias("customer_id"),
            F.count("customer_id").alias("ids"),
        )
    )


def concerned_records(
    standing: DataFrame,
    known: Identity,
    marked: Sequence[DataFrame],
    most: int,
    *,
    is_small: bool = False,
) -> DataFrame | None:
    """Keys (source, record_id) of the records that decide the night, some several times.

    None where more than ``most`` were touched.

    ``standing``: of ``standing_records``. ``known``: the prior state, by the names of now. ``marked``: keys of
    records that something happened to, whether or not they exist. ``is_small``: one task looks at all
    records, see ``frames.held``. Runs jobs.
    """
    touched = held(_touched(standing, marked, is_small), is_small)
    rows = touched.count()
    if rows > most:
        return None
    claimed = held(_with_holders(touched, known), are_few(rows))
    return held(_with_holders(claimed, known), are_few(rows))


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


def _touched(standing: DataFrame, marked: Sequence[DataFrame], is_small: bool) -> DataFrame:
    marks = [frame.select(*RECORD, F.lit(True).alias("is_marked")) for frame in marked]
    united = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), [standing, *marks])
    united = united.coalesce(1) if is_small else united
    is_same = (F.max("ids") == 1) & F.max("cluster").isNotNull() & F.max("is_marked").isNull()
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


def _with_holders(records: DataFrame, known: Identity) -> DataFrame:
    """``records`` and those that hold an id that one of them ever held, or what it became; some several times.

    Nothing is asked of them but who is among them, and making each the only one moves rows.
    """
    ids = of_records(known.events, records).filter(F.col("customer_id").isNotNull()).select("customer_id")
    heirs = known.aliases.filter(F.col("valid_to").isNull() & F.col("became").isNotNull()).join(
        F.broadcast(ids), on="customer_id", how="left_semi"
    )
    sought = ids.unionByName(heirs.select(F.col("became").alias("customer_id")))
    holders = known.assignments.join(F.broadcast(sought), on="customer_id", how="left_semi").select(*RECORD)
    return records.unionByName(holders)
