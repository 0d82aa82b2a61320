"""The night's linkage in many tasks: Spark distributes, Splink on DuckDB scores.

For what one machine's memory does not hold. The records of a block, and later those of a
component, are brought together, and every task scores its own pairs by the function that scores
them in one process, so that both placements give the same tables. The driver holds the links as
numbers, and nothing else of the records.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, field
from datetime import date
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.errors import UsageError
from pipelines.linkage.blocking import RuleCost
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.components import Bounded, Links, bounded_components
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut_components import cut_rows
from pipelines.linkage.engine import KEY_COLUMNS
from pipelines.linkage.evidence import LEAST_WEIGHT, TooManyLinksError, check_compared, usable
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.generic_values import ONLY_VALUE, ONLY_VALUE_NAMES, generic_rows
from pipelines.linkage.link import LISTED, link_night, trained_on
from pipelines.linkage.placed import (
    Placed,
    in_blocks,
    largest_share,
    numbered,
    place,
    task_count,
    task_schema,
)
from pipelines.linkage.records import MODELS, check_columns, check_keys
from pipelines.linkage.review_queue import review_queue
from pipelines.linkage.rules import NAME_ALONE
from pipelines.linkage.sample_many import draw_many
from pipelines.linkage.scored_pairs import SCHEMA as SCORED
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.tasks import (
    CARRIERS,
    JUDGED,
    KEYS,
    LINKS,
    Carriers,
    ExactKeys,
    People,
    ScoreBlocks,
    ScoreComponents,
    judging_columns,
    people_schema,
    scoring_columns,
)
from pipelines.queries import Say, computed_once, silent, watched

Ints = npt.NDArray[np.int64]
KEYS_OF_PEOPLE = ("node", "source", "record_id")
LINK = pa.schema([("node_l", pa.int64()), ("node_r", pa.int64()), ("weight", pa.float64())])
COLLECTED = 5_000_000
"""Links that come to the driver at a time: Spark bounds what one query may bring there."""


@dataclass(frozen=True)
class LinkedFrames:
    """What ``Linked`` holds, with the large tables still spread over the executors."""

    scored_pairs: DataFrame
    clusters: DataFrame
    generic_values: pa.Table
    review_queue: pa.Table
    cut_components: pa.Table
    generation: Generation
    generation_row: pa.Table | None
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """The records of one party type."""

    judged: DataFrame | None
    """Rows of ``tasks.JUDGED``; None where no record shares a component with another."""
    rules: tuple[Rule, ...]
    costs: tuple[RuleCost, ...]
    bounded: Bounded
    tasks: int
    fullest: float
    """Pairs of the fullest scoring task over those of the mean one."""


def link_many(
    records: DataFrame,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    say: Say = silent,
) -> LinkedFrames:
    """Link the records of a night as ``link_night`` does, by tasks of Spark.

    ``records`` has the columns of ``read_records`` and may have more. ``say`` is told what is being
    done. Raises UsageError where columns are missing or a key stands twice, TooManyLinksError where
    the driver may not hold the links.
    """
    check_columns(records.columns, conf)
    say("putting the records in order")
    chosen = records.select(*dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
    count = chosen.count()
    nodes = numbered(chosen, count, ("source", "record_id"), "node")
    check_keys(count - nodes.select("source", "record_id").distinct().count())
    say(f"{count:,} records: values that many names share")
    generic = _generic(nodes, conf)
    generation = _generation(nodes, count, generic, previous, conf, business_date, say)
    parts = {
        name: _part(nodes, count, name, generation.models[name], generic, generation.cut, conf, say)
        for name in MODELS
    }
    say("writing pairs and clusters")
    return _linked(nodes, count, parts, generic, generation, previous, conf)


def _generic(nodes: DataFrame, conf: Linkage) -> pa.Table:
    """Rows of ``linkage/generic_values``."""
    limits = conf.generic.distinct_names
    carried = nodes.mapInArrow(Carriers(conf), task_schema(CARRIERS))
    # A record carries a value once, so its rows are its records.
    counts = (F.countDistinct("name").alias("distinct_names"), F.count("*").alias("records"))
    field = F.col("field")
    found = carried.groupBy("field", "value").agg(*counts)
    over = [(field == role) & (F.col("distinct_names") > names) for role, names in sorted(limits.items())]
    shared = found.where(reduce(operator.or_, over, F.lit(False)))
    alone = (
        carried.where(field.isin(*ONLY_VALUE))
        .groupBy("field")
        .agg(*counts, F.min("value").alias("value"), F.max("value").alias("last"))
    )
    only = alone.where((F.col("value") == F.col("last")) & (F.col("distinct_names") > ONLY_VALUE_NAMES))
    rows = shared.withColumn("reason", F.lit("shared_by_names")).unionByName(
        only.drop("last").withColumn("reason", F.lit("only_value"))
    )
    return generic_rows(rows.toArrow())


def _generation(
    nodes: DataFrame,
    count: int,
    generic: pa.Table,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    say: Say,
) -> Generation:
    values = tuple(zip(generic["field"].to_pylist(), generic["value"].to_pylist(), strict=True))
    if previous is not None:
        return previous if values == previous.generic else previous.revised(values, business_date)
    if count > conf.training.max_records:
        say("drawing a sample to train on")
        sample = draw_many(nodes, count, generic, conf)
        return trained_on(sample, values, count, conf, business_date, say=say)
    say("training on the driver")
    return link_night(nodes.drop("node").toArrow(), None, conf, business_date).generation


def _part(
    nodes: DataFrame,
    count: int,
    name: str,
    model: Model,
    generic: pa.Table,
    cut: float,
    conf: Linkage,
    say: Say,
) -> _Part:
    spark = nodes.sparkSession
    rules = usable(model.rules, set(conf.fields))
    _check_keys_only(rules)
    schema = people_schema(conf, name)
    check_compared(schema.names, name, model)
    say(f"{name}: blocks by {len(rules)} rules")
    people = computed_once(nodes.mapInArrow(People(conf, name, generic, schema), task_schema(schema)))
    if people.isEmpty():
        nobody = np.arange(count, dtype=np.int64)
        costs = tuple(RuleCost(rule.name, 0, 0, 0) for rule in rules)
        return _Part(None, rules, costs, Bounded(nobody, min(count, 1), ()), 0, 1.0)
    placed = place(people, rules, conf)
    tasks = task_count(spark, placed.pairs, placed.rows, conf)
    columns = ["source", *scoring_columns(model, [c for c in people.columns if c not in KEYS_OF_PEOPLE])]
    rows = in_blocks(people, placed, columns, tasks)
    with watched(spark, say, f"{name}: scoring about {placed.pairs:,} pairs"):
        scored = computed_once(rows.mapInArrow(ScoreBlocks(conf, model, LEAST_WEIGHT), task_schema(LINKS)))
    costs, found = _costs(scored, rules, placed)
    links = _links(scored.where("node_l IS NOT NULL"), found, _chained(people, conf), conf)
    say(f"{name}: components of {len(links):,} links")
    bounded = bounded_components(count, links, conf.max_component)
    inside = _inside(people, placed, bounded.label, model, conf)
    if inside is None:
        return _Part(None, rules, costs, bounded, tasks, 1.0)
    cluster = ScoreComponents(conf, name, model, tuple(rule.name for rule in rules), cut)
    with watched(spark, say, f"{name}: clustering"):
        judged = computed_once(inside.mapInArrow(cluster, task_schema(JUDGED)))
    return _Part(judged, rules, costs, bounded, tasks, largest_share(placed, tasks))


def _check_keys_only(rules: tuple[Rule, ...]) -> None:
    """Raises UsageError for a rule that has no key to bring its records together by."""
    written = [rule.name for rule in rules if rule.condition is not None]
    if written:
        raise UsageError(
            f"linkage: the blocking rules {', '.join(written)} are conditions on two records, which one process "
            "can join by and many tasks cannot: write them as lists of what must be equal (blocking.rules in "
            "conf/linkage.yml) and train, or set placement: one."
        )


def _costs(scored: DataFrame, rules: tuple[Rule, ...], placed: Placed) -> tuple[tuple[RuleCost, ...], int]:
    """What each rule brought, and the number of links."""
    counts = scored.groupBy("rule").agg(F.sum("found").alias("found"), F.count("node_l").alias("links"))
    rows = counts.collect()
    found = {row["rule"]: row["found"] or 0 for row in rows}
    costs = tuple(
        RuleCost(rule.name, found.get(number, 0), capped.blocks, capped.largest)
        for number, (rule, capped) in enumerate(zip(rules, placed.capped, strict=True))
    )
    return costs, sum(row["links"] for row in rows)


def _chained(people: DataFrame, conf: Linkage) -> DataFrame | None:
    """``exact_rules.chains`` by Spark: pairs of nodes that put what a rule links into one component."""
    if all(rule.never for rule in conf.rules):
        return None
    keys = people.mapInArrow(ExactKeys(conf), task_schema(KEYS))
    before = F.lag("node").over(Window.partitionBy("rule", "key").orderBy("node"))
    pairs = keys.select(before.alias("node_l"), F.col("node").alias("node_r"))
    return computed_once(
        pairs.where("node_l IS NOT NULL").distinct().withColumn("weight", F.lit(float("inf")))
    )


def _links(links: DataFrame, found: int, chained: DataFrame | None, conf: Linkage) -> Links:
    """The links, of which ``found`` were scored, on the driver, in order."""
    sure = chained.count() if chained is not None else 0
    if found + sure > conf.max_links:
        raise TooManyLinksError(
            f"linkage: {found + sure} links are more than max_links ({conf.max_links}) in conf/linkage.yml."
        )
    tables = [_collected(links, found), *([_collected(chained, sure)] if chained is not None else [])]
    rows = pa.concat_tables(tables)
    left, right, weight = (rows[c].to_numpy() for c in LINK.names)
    order = np.lexsort((right, left))
    return Links(left[order].astype(np.int64), right[order].astype(np.int64), weight[order])


def _collected(links: DataFrame, count: int) -> pa.Table:
    """``links``, which are computed already, a part of their partitions at a time."""
    times = max(1, math.ceil(count / COLLECTED))
    turn_of = F.pmod(F.spark_partition_id(), F.lit(times))
    return pa.concat_tables(
        [links.where(turn_of == turn).select(*LINK.names).toArrow().cast(LINK) for turn in range(times)]
    )


def _inside(people: DataFrame, placed: Placed, label: Ints, model: Model, conf: Linkage) -> DataFrame | None:
    """The records of every component of two or more, whole components in one partition."""
    sizes = np.bincount(label, minlength=1).astype(np.int64)
    node = np.flatnonzero(sizes[label] > 1) if len(label) else np.zeros(0, np.int64)
    if not len(node):
        return None
    pairs = int((sizes * (sizes - 1) // 2).sum())
    tasks = task_count(people.sparkSession, pairs, len(node), conf)
    labels = people.sparkSession.createDataFrame(pa.table({"node": node, "label": label[node]}))
    columns = judging_columns(model, conf, [c for c in people.columns if c not in KEYS_OF_PEOPLE])
    return (
        people.select(*KEYS_OF_PEOPLE, *columns)
        .join(labels, on="node", how="inner")
        .join(placed.homes, on="node", how="left")
        .repartition(tasks, "label")
    )


def _linked(
    nodes: DataFrame,
    count: int,
    parts: dict[str, _Part],
    generic: pa.Table,
    generation: Generation,
    previous: Generation | None,
    conf: Linkage,
) -> LinkedFrames:
    found = [part.judged for part in parts.values() if part.judged is not None]
    empty = nodes.sparkSession.createDataFrame([], task_schema(JUDGED))
    judged = reduce(DataFrame.unionByName, found, empty)
    pairs = judged.where("node IS NULL")
    members = judged.where("node IS NOT NULL").select("node", "cluster_model", "cluster_rules")
    own = F.concat_ws(":", "source", "record_id")
    clusters = computed_once(
        CLUSTERS.conform(
            nodes.join(members, on="node", how="left").withColumns(
                {
                    "cluster_model": F.coalesce("cluster_model", own),
                    "cluster_rules": F.coalesce("cluster_rules", own),
                    # No decision is applied yet: the stewards' layer is the rules' one.
                    "cluster_final": F.coalesce("cluster_rules", own),
                }
            )
        )
    )
    scored = SCORED_PAIRS.conform(pairs)
    queue = _queue(pairs, generation.cut, conf)
    cut = _cut_components(nodes, parts)
    is_new = previous is None or generation.generation_id != previous.generation_id
    return LinkedFrames(
        scored,
        clusters,
        generic,
        queue,
        cut,
        generation,
        generation.row() if is_new else None,
        _figures(count, parts, scored, clusters, queue, generic, cut, generation, conf),
    )


def _cut_components(nodes: DataFrame, parts: dict[str, _Part]) -> pa.Table:
    """Rows of ``linkage/cut_components``."""
    cuts = {name: part.bounded.cuts for name, part in parts.items()}
    wanted = [cut.component for found in cuts.values() for cut in found]
    if not wanted:
        return cut_rows({}, {})
    listed = nodes.sparkSession.createDataFrame(pa.table({"node": pa.array(wanted, pa.int64())}))
    named = nodes.join(F.broadcast(listed), on="node", how="left_semi")
    rows = named.select("node", F.concat_ws(":", "source", "record_id").alias("name")).collect()
    return cut_rows(cuts, {row["node"]: row["name"] for row in rows})


def _queue(pairs: DataFrame, cut: float, conf: Linkage) -> pa.Table:
    """The review queue: Spark takes the nearest pairs, the queue's own function does the rest."""
    nearest = (
        pairs.where(~F.col("is_together"))
        .orderBy(F.abs(F.col("same_person_probability") - cut), *SCORED_PAIRS.key)
        .limit(conf.max_review)
    )
    rows = nearest.select(*SCORED.names).toArrow().cast(SCORED)
    return review_queue(rows, pa.array([False] * rows.num_rows, pa.bool_()), cut, conf.max_review)


def _figures(
    count: int,
    parts: dict[str, _Part],
    scored: DataFrame,
    clusters: DataFrame,
    queue: pa.Table,
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
    candidates = sum(cost.pairs for part in parts.values() for cost in part.costs)
    return {
        "placement": "many",
        "records": count,
        "clusters": made["clusters"],
        "largest_cluster": made["largest"] or 0,
        "candidate_pairs": candidates,
        "over_comparison_budget": candidates > conf.blocking.max_comparisons_per_record * count,
        "scored_pairs": pairs["pairs"],
        "links": pairs["links"],
        "split_by_rules": made["clusters"] - (made["by_model"] or 0),
        "review_queue": queue.num_rows,
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
            }
            for name, part in parts.items()
            for cost in part.costs
        },
        "notes": [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes],
        "tasks": {name: part.tasks for name, part in parts.items()},
        "fullest_task": {name: round(part.fullest, 2) for name, part in parts.items()},
    }
