"""The review queue by Spark: tasks look inside whole clusters and at the pairs between them, by the functions of one process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.linkage.config import Linkage
from pipelines.linkage.decided import Decided
from pipelines.linkage.placed import numbered, task_schema
from pipelines.linkage.review_queue import KEYS, REVIEW_QUEUE, SUSPECTS, contradicted, doubtful
from pipelines.linkage.scored_pairs import SCHEMA as SCORED
from pipelines.linkage.suspects import MEMBERS, PARTITION, Suspects, said
from pipelines.queries import computed_once

RECORD = ("source", "record_id")


class Doubtful:
    """``doubtful`` of the pairs of one partition."""

    def __init__(self, cut: float) -> None:
        self.cut = cut

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            pairs = pa.Table.from_batches([batch]).select(SCORED.names).cast(SCORED)
            yield from doubtful(pairs, self.cut).to_batches()


def queue_many(
    pairs: DataFrame, clusters: DataFrame, records: DataFrame, decided: Decided, cut: float, conf: Linkage
) -> tuple[DataFrame, int]:
    """Rows of ``linkage/review_queue``, and how many. ``pairs``: those of ``linkage/scored_pairs``, with
    ``is_together``."""
    spark = pairs.sparkSession
    pairs = _with_final(pairs, decided)
    if decided.final.num_rows:
        pairs = computed_once(pairs)
    between = _unsettled(pairs, decided).select(*SCORED.names)
    cases = between.mapInArrow(Doubtful(cut), task_schema(SUSPECTS)).unionByName(
        _suspects(pairs, clusters, records, decided, cut, conf)
    )
    cases = cases.withColumn("decision_id", F.lit(None).cast("string"))
    held = contradicted(decided.states)
    if held.num_rows:
        told = spark.createDataFrame(held)
        cases = cases.join(F.broadcast(told.select(*KEYS)), on=list(KEYS), how="left_anti").unionByName(told)
    cases = computed_once(cases.withColumn("doubt", F.negative("uncertainty")))
    count = cases.count()
    ranked = numbered(cases, count, ("doubt", *KEYS), "rank").withColumn("priority", F.col("rank") + 1)
    return REVIEW_QUEUE.conform(ranked), count


def _with_final(pairs: DataFrame, decided: Decided) -> DataFrame:
    """``pairs`` with ``is_together`` by the final clusters."""
    if not decided.final.num_rows:
        return pairs
    final = pairs.sparkSession.createDataFrame(decided.final)
    for side in ("l", "r"):
        names = {
            "source": f"source_{side}",
            "record_id": f"record_id_{side}",
            "cluster_final": f"final_{side}",
        }
        keys = [names[name] for name in RECORD]
        pairs = pairs.join(F.broadcast(final.withColumnsRenamed(names)), on=keys, how="left")
    # The final clusters are known of whole clusters: who is not there shares one with nobody who is.
    both = F.col("final_l").isNotNull() & F.col("final_r").isNotNull()
    together = F.when(both, F.col("final_l") == F.col("final_r")).otherwise(F.col("is_together"))
    return pairs.withColumn("is_together", together).drop("final_l", "final_r")


def _unsettled(pairs: DataFrame, decided: Decided) -> DataFrame:
    """The ``pairs`` in two clusters, without those that a decision keeps apart."""
    apart = pairs.where(~F.col("is_together"))
    if not decided.settled.num_rows:
        return apart
    settled = F.broadcast(pairs.sparkSession.createDataFrame(decided.settled))
    return apart.join(settled, on=list(KEYS), how="left_anti")


def _suspects(
    pairs: DataFrame, clusters: DataFrame, records: DataFrame, decided: Decided, cut: float, conf: Linkage
) -> DataFrame:
    """``suspects`` by tasks: rows of ``SUSPECTS``."""
    final = clusters.select(*RECORD, F.col("cluster_final").alias("cluster"))
    several = final.groupBy("cluster").agg(F.count("*").alias("n")).where("n > 1").select("cluster")
    told = [
        (F.col(column) if column else F.lit(None)).alias(name)
        for name, column in said(conf, records.columns).items()
    ]
    types = task_schema(MEMBERS)
    members = (
        records.select(*RECORD, *told)
        .join(final, on=list(RECORD), how="inner")
        .join(several, on="cluster", how="left_semi")
        .select(*(F.col(field.name).cast(field.dataType) for field in types))
    )
    own = final.withColumnsRenamed({name: f"{name}_l" for name in RECORD})
    inside = pairs.where("is_together").join(own, on=["source_l", "record_id_l"], how="inner")
    inside = inside.select(
        "cluster", *KEYS, F.col("same_person_probability").alias("probability"), "relation", "decided_by"
    )
    rows = members.unionByName(inside, allowMissingColumns=True).select(*PARTITION.names)
    return rows.repartition("cluster").mapInArrow(Suspects(decided.confirmed, cut), task_schema(SUSPECTS))
