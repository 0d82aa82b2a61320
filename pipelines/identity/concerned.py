"""The records that a night can move, so that assignment looks at these alone.

Most customers of a large register are tonight what they were: exactly the same live records, in one
cluster. Such a customer keeps its id, whatever happens elsewhere: all who hold it are together, nobody
else is with them, and a claim from the past to an id that others hold is void. So a night is decided by

1. the records that came, went, were edited, renamed or decided on, or are in a cluster of another name (linkage
   says which, ``linkage/touched_records``), and every record that shares a cluster tonight, or an id before, with one
   of them;
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

from pipelines.identity.frames import are_few, held
from pipelines.identity.tables import RECORD
from pipelines.queries import computed_once

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.identity.assign import Identity


def concerned_records(
    clusters: DataFrame, known: Identity, marked: Sequence[DataFrame], most: int
) -> DataFrame | None:
    """Keys (source, record_id) of the records that decide the night, some several times.

    None where more than ``most`` were marked, or share a cluster or a customer with one that was.

    ``clusters``: linkage/clusters. ``known``: the prior state, by the names of now. ``marked``: keys of records
    that something happened to, whether or not they exist, as ``assign`` wants of ``touched``. Runs jobs, none of
    which moves a row of a large table.
    """
    named = computed_once(
        reduce(DataFrame.unionByName, [frame.select(*RECORD) for frame in marked]).distinct()
    )
    if named.count() > most:
        return None
    touched = computed_once(_with_company(named, clusters, known).distinct())
    rows = touched.count()
    if rows > most:
        return None
    if are_few(rows):
        touched = touched.coalesce(1)
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


def _with_company(records: DataFrame, clusters: DataFrame, known: Identity) -> DataFrame:
    """``records``, who shares a cluster with one of them tonight, and who shares a customer before; some several times."""
    cluster = F.col("cluster_final").alias("group")
    customer = F.col("customer_id").alias("group")
    parts = [records]
    for everybody, group in ((clusters, cluster), (known.assignments, customer)):
        members = everybody.select(*RECORD, group)
        groups = F.broadcast(of_records(members, records).select("group"))
        parts.append(members.join(groups, on="group", how="left_semi").select(*RECORD))
    return reduce(DataFrame.unionByName, parts)


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
