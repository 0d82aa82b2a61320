"""What ``link_many`` gives, put together: tables spread over the executors, figures on the driver."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from pipelines.linkage.blocking import RuleCost
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.components import Bounded
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut_components import cut_rows
from pipelines.linkage.decided import Decided, decide, named_records
from pipelines.linkage.engine import KEY_COLUMNS
from pipelines.linkage.fingerprints import linked_by
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import LISTED
from pipelines.linkage.links import LINKS
from pipelines.linkage.placed import LINK, task_schema
from pipelines.linkage.queue_many import queue_many
from pipelines.linkage.recall_many import RecalledFrames
from pipelines.linkage.rules import NAME_ALONE
from pipelines.linkage.scored_pairs import SCHEMA as SCORED
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.task_prints import PRINTS
from pipelines.linkage.tasks import JUDGED
from pipelines.queries import computed_once, no_rows

Bools = npt.NDArray[np.bool_]
RECORD = ("source", "record_id")


@dataclass(frozen=True)
class LinkedFrames:
    """What ``Linked`` holds, with the large tables still spread over the executors."""

    scored_pairs: DataFrame
    links: DataFrame
    clusters: DataFrame
    generic_values: pa.Table
    over_large_keys: pa.Table
    review_queue: DataFrame
    cut_components: pa.Table
    decision_states: pa.Table
    generation: Generation
    generation_row: pa.Table | None
    changed: DataFrame
    """source, record_id of the records that were scored against all others tonight."""
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """The records of one party type."""

    judged: DataFrame | None
    """Rows of ``tasks.JUDGED``; None where no record shares a component with another."""
    links: DataFrame | None
    """node_l, node_r, weight of what the components are made of, but for the exact rules; None for none."""
    prints: DataFrame | None
    """node and fingerprint of its records; None where there are none."""
    rules: tuple[Rule, ...]
    costs: tuple[RuleCost, ...]
    over_large: pa.Table
    """``over_large_keys.FOUND`` of its rules."""
    bounded: Bounded
    tasks: int
    fullest: float
    """Pairs of the fullest scoring task over those of the mean one."""
    is_changed: Bools
    """Its nodes that were scored against all others."""
    is_open: Bools
    """Its nodes in the components of which the pairs were scored."""


def assemble(
    records: DataFrame,
    count: int,
    parts: dict[str, Part],
    generic: pa.Table,
    large: pa.Table,
    generation: Generation,
    previous: Generation | None,
    conf: Linkage,
    recalled: RecalledFrames | None,
    decisions: pa.Table | None,
) -> LinkedFrames:
    """The night's tables from the evidence of its party types.

    ``records``: all records with their node. ``generic``, ``large``: tonight's generic values and over-large
    keys. ``recalled``: where it is given, the outcome of components
    that hold is taken over from there. ``decisions``: rows of ``linkage/decisions``.
    """
    spark = records.sparkSession
    nodes = records.select("node", *KEY_COLUMNS)
    empty = no_rows(spark, task_schema(JUDGED))
    judged = reduce(DataFrame.unionByName, [p.judged for p in parts.values() if p.judged is not None], empty)
    prints = reduce(
        DataFrame.unionByName,
        [p.prints for p in parts.values() if p.prints is not None],
        no_rows(spark, task_schema(PRINTS)),
    )
    is_open = np.logical_or.reduce([p.is_open for p in parts.values()])
    pairs = judged.where("node IS NULL")
    clusters = _clusters(nodes, judged, prints, is_open, linked_by(generation, conf), recalled)
    if recalled is not None:
        pairs = pairs.unionByName(_held(recalled, nodes, clusters, is_open), allowMissingColumns=True)
    pairs = computed_once(pairs)
    scored = SCORED_PAIRS.conform(pairs)
    decided = decide(_around(clusters, records, decisions), decisions, generation, conf)
    clusters = _with_final(clusters, decided)
    queue, waiting = queue_many(pairs, clusters, records, decided, generation.cut, conf)
    cut = _cut_components(nodes, parts)
    is_new = previous is None or generation.generation_id != previous.generation_id
    return LinkedFrames(
        scored,
        _link_rows(nodes, parts),
        clusters,
        generic,
        large,
        queue,
        cut,
        decided.states,
        generation,
        generation.row() if is_new else None,
        _flagged(nodes, np.logical_or.reduce([p.is_changed for p in parts.values()]), "is_changed")
        .where("is_changed")
        .select(*RECORD),
        _figures(count, parts, scored, clusters, waiting, generic, cut, generation, conf),
    )


def _own_name() -> Column:
    return F.concat_ws(":", "source", "record_id")


def _flagged(nodes: DataFrame, flags: Bools, name: str = "is_open") -> DataFrame:
    """``nodes`` with their flag as ``name``."""
    listed = pa.table({"node": np.flatnonzero(flags)})
    if not listed.num_rows:
        return nodes.withColumn(name, F.lit(False))
    marked = nodes.sparkSession.createDataFrame(listed).withColumn(name, F.lit(True))
    return nodes.join(marked, on="node", how="left").fillna(False, [name])


def _clusters(
    nodes: DataFrame,
    judged: DataFrame,
    prints: DataFrame,
    is_open: Bools,
    shared: int,
    recalled: RecalledFrames | None,
) -> DataFrame:
    """Rows of ``linkage/clusters``, computed; ``shared`` is the part of a fingerprint that all have."""
    names = ("cluster_model", "cluster_rules", "component")
    members = judged.where("node IS NOT NULL").select("node", *names)
    rows = nodes.join(members, on="node", how="left").join(prints, on="node", how="left")
    found = {name: F.coalesce(name, _own_name()) for name in names}
    if recalled is not None:
        was = recalled.was.select("node", *(F.col(name).alias(f"{name}_then") for name in names))
        rows = _flagged(rows, is_open).join(was, on="node", how="left")
        found = {
            name: F.when(F.col("is_open"), now).otherwise(F.col(f"{name}_then"))
            for name, now in found.items()
        }
    fingerprint = F.col("fingerprint").bitwiseXOR(F.lit(shared).cast("bigint"))
    return computed_once(
        CLUSTERS.conform(
            rows.withColumns({**found, "fingerprint": fingerprint}).withColumn(
                "cluster_final", F.col("cluster_rules")
            )
        )
    )


def _around(clusters: DataFrame, records: DataFrame, decisions: pa.Table | None) -> pa.Table:
    """``decided.around`` by Spark."""
    columns = [name for name in records.columns if name != "node"]
    named = records.sparkSession.createDataFrame([(n,) for n in named_records(decisions)], "name string")
    own = clusters.withColumn("name", _own_name()).join(F.broadcast(named), on="name", how="left_semi")
    homes = F.broadcast(own.select("cluster_rules").distinct())
    members = clusters.select(*RECORD, "cluster_rules").join(homes, on="cluster_rules", how="left_semi")
    return records.join(members, on=list(RECORD), how="inner").select(*columns, "cluster_rules").toArrow()


def _with_final(clusters: DataFrame, decided: Decided) -> DataFrame:
    """``decided.with_final`` by Spark."""
    if not decided.final.num_rows:
        return clusters
    final = clusters.sparkSession.createDataFrame(decided.final).withColumnRenamed("cluster_final", "final")
    joined = clusters.join(F.broadcast(final), on=list(RECORD), how="left")
    return CLUSTERS.conform(joined.withColumn("cluster_final", F.coalesce("final", "cluster_final")))


def _held(recalled: RecalledFrames, nodes: DataFrame, clusters: DataFrame, is_open: Bools) -> DataFrame:
    """The pairs of components that hold, with ``is_together``."""
    kept = _flagged(nodes.select("node"), is_open).where(~F.col("is_open")).select("node")
    home = nodes.join(clusters, on=["source", "record_id"], how="inner").select("node", "cluster_rules")
    pairs = recalled.pairs
    for side in ("l", "r"):
        end = home.select(
            F.col("node").alias(f"node_{side}"), F.col("cluster_rules").alias(f"cluster_{side}")
        )
        pairs = pairs.join(end, on=f"node_{side}", how="inner")
    pairs = pairs.join(kept, on=F.col("node_l") == F.col("node"), how="left_semi")
    together = F.col("cluster_l") == F.col("cluster_r")
    return pairs.select(*SCORED.names, together.alias("is_together"))


def _link_rows(nodes: DataFrame, parts: dict[str, Part]) -> DataFrame:
    """Rows of ``linkage/links``."""
    empty = no_rows(nodes.sparkSession, task_schema(LINK))
    found = reduce(DataFrame.unionByName, [p.links for p in parts.values() if p.links is not None], empty)
    for side in ("l", "r"):
        end = nodes.select(*(F.col(name).alias(f"{name}_{side}") for name in ("node", "source", "record_id")))
        found = found.join(end, on=f"node_{side}", how="inner")
    return LINKS.conform(found.withColumnRenamed("weight", "bits"))


def _cut_components(nodes: DataFrame, parts: dict[str, Part]) -> pa.Table:
    """Rows of ``linkage/cut_components``."""
    cuts = {name: part.bounded.cuts for name, part in parts.items()}
    wanted = [cut.component for found in cuts.values() for cut in found]
    if not wanted:
        return cut_rows({}, {})
    listed = nodes.sparkSession.createDataFrame(pa.table({"node": pa.array(wanted, pa.int64())}))
    named = nodes.join(F.broadcast(listed), on="node", how="left_semi")
    rows = named.select("node", F.concat_ws(":", "source", "record_id").alias("name")).collect()
    return cut_rows(cuts, {row["node"]: row["name"] for row in rows})


def _figures(
    count: int,
    parts: dict[str, Part],
    scored: DataFrame,
    clusters: DataFrame,
    waiting: int,
    generic: pa.Table,
    cut: pa.Table,
    generation: Generation,
    conf: Linkage,
) -> dict[str, Any]:
    # A cluster is called after one of its records.
    names_one = F.count_if(F.col("cluster_model") == F.concat_ws(":", "source", "record_id"))
    sizes = clusters.groupBy("cluster_rules").agg(F.count("*").alias("n"), names_one.alias("by_model"))
    made = sizes.agg(
        F.count("*").alias("clusters"), F.max("n").alias("largest"), F.sum("by_model").alias("by_model")
    ).collect()[0]
    likely = (F.col("same_person_probability") >= generation.cut) & (F.col("decided_by") != NAME_ALONE)
    pairs = scored.agg(
        F.count("*").alias("pairs"),
        F.count_if(likely).alias("links"),
        F.count_if(F.col("decided_by").startswith("rule:")).alias("sure"),
    ).collect()[0]
    changes = {name: int(part.is_changed.sum()) for name, part in parts.items()}
    changed = sum(changes.values())
    candidates = sum(cost.pairs for part in parts.values() for cost in part.costs)
    return {
        "placement": "many",
        "records": count,
        "clusters": made["clusters"],
        "largest_cluster": made["largest"] or 0,
        "changed_records": changed,
        "clustered_records": sum(int(part.is_open.sum()) for part in parts.values()),
        "candidate_pairs": candidates,
        "over_comparison_budget": candidates > conf.blocking.max_comparisons_per_record * changed,
        "scored_pairs": pairs["pairs"],
        "links": pairs["links"],
        "split_by_rules": made["clusters"] - (made["by_model"] or 0),
        "review_queue": waiting,
        "generic_values": generic.num_rows,
        "cut": generation.cut,
        "generation_id": generation.generation_id,
        "kind": generation.kind,
        "linked_by_rules": pairs["sure"],
        "largest_component": max(part.bounded.largest for part in parts.values()),
        "cut_components": cut.num_rows,
        # No keys here: the table linkage/cut_components has them.
        "largest_cut_components": cut.drop_columns(["component"]).slice(0, LISTED).to_pylist(),
        "blocks": {
            f"{name}.{cost.rule}": {
                "pairs": cost.pairs,
                "capped_blocks": cost.capped_blocks,
                "largest_block": cost.largest_block,
                "records": changes[name],
            }
            for name, part in parts.items()
            for cost in part.costs
        },
        "notes": [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes],
        "tasks": {name: part.tasks for name, part in parts.items()},
        "fullest_task": {name: round(part.fullest, 2) for name, part in parts.items()},
    }
