"""The night's linkage in many tasks: Spark distributes, Splink on DuckDB scores.

For what one machine's memory does not hold. The records of a block, and later those of a
component, are brought together, and every task scores its own pairs by the function that scores
them in one process, so that both placements give the same tables. The driver holds the links as
numbers, and nothing else of the records.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from pipelines.errors import UsageError
from pipelines.linkage.blocking import RuleCost
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.components import Bounded, Links, bounded_by, bounded_components, with_links
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import KEY_COLUMNS
from pipelines.linkage.evidence import LEAST_WEIGHT, TooManyLinksError, check_compared, usable
from pipelines.linkage.fingerprints import linked_by, matching_columns
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.generic_values import ONLY_VALUE, ONLY_VALUE_NAMES, generic_rows, value_pairs
from pipelines.linkage.link import link_night, trained_on
from pipelines.linkage.linked_many import LinkedFrames, Part, assemble
from pipelines.linkage.over_large_keys import FOUND, over_large_keys, over_large_rows
from pipelines.linkage.placed import (
    COLLECTED,
    LINK,
    Placed,
    all_work,
    collected,
    in_blocks,
    in_order,
    largest_share,
    numbered,
    parts_of,
    place,
    task_count,
    task_schema,
    work_of,
)
from pipelines.linkage.recall_many import RecalledFrames, RememberedFrames, recall_many, still
from pipelines.linkage.records import MODELS, check_columns, check_keys
from pipelines.linkage.sample_many import draw_many
from pipelines.linkage.task_prints import PRINTS, Prints
from pipelines.linkage.tasks import (
    CARRIERS,
    EXACT_KEYS,
    JUDGED,
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
from pipelines.linkage.training_run import TrainingRun
from pipelines.queries import Say, computed_once, silent, watched

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
KEYS_OF_PEOPLE = ("node", "source", "record_id")


def link_many(
    records: DataFrame,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    say: Say = silent,
    last: RememberedFrames | None = None,
    decisions: pa.Table | None = None,
    run: TrainingRun | None = None,
) -> LinkedFrames:
    """Link the records of a night as ``link_night`` does, by tasks of Spark.

    ``records`` has the columns of ``read_records`` and may have more. ``say`` is told what is being
    done. ``last``: what an earlier night left; only what changed since is scored. ``decisions``: rows of
    ``linkage/decisions``. ``run``: what a training shows of itself. Raises UsageError where columns are missing or a key stands twice,
    TooManyLinksError where the driver may not hold the links.
    """
    check_columns(records.columns, conf)
    say("putting the records in order")
    chosen = records.select(*dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
    count = chosen.count()
    nodes = numbered(chosen, count, ("source", "record_id"), "node")
    check_keys(count - nodes.select("source", "record_id").distinct().count())
    say(f"{count:,} records: values that many names share")
    generic = _generic(nodes, conf)
    generation = previous or _trained(nodes, count, generic, conf, business_date, run, say)
    recalled = None
    if last is not None and previous is not None:
        say("what the night before left")
        turned = set(previous.generic).symmetric_difference(value_pairs(generic))
        carrying = _carriers(nodes, sorted(turned), conf)
        recalled = recall_many(nodes, count, last, linked_by(previous, conf), carrying)
    parts = {
        name: _part(nodes, count, name, generation.models[name], generic, generation.cut, conf, say, recalled)
        for name in MODELS
    }
    large = over_large_rows((name, part.over_large) for name, part in parts.items())
    revised = generation.revised(value_pairs(generic), over_large_keys(large), business_date)
    # What training on a sample left out is no revision.
    generation = replace(revised, previous_id=None) if previous is None else revised
    say("writing pairs and clusters")
    return assemble(nodes, count, parts, generic, large, generation, previous, conf, recalled, decisions)


def _generic(nodes: DataFrame, conf: Linkage) -> pa.Table:
    """Rows of ``linkage/generic_values``."""
    carried = nodes.mapInArrow(Carriers(conf), task_schema(CARRIERS))
    field = F.col("field")
    ends = (
        carried.where(field.isin(*ONLY_VALUE))
        .groupBy("field")
        .agg(F.min("value").alias("value"), F.max("value").alias("last"))
    )
    # Names are counted only where there are enough records, and where a field has one value: few of all.
    only = [row["field"] for row in ends.where("value = last").select("field").collect()]
    limits = sorted(conf.generic.distinct_names.items())
    most = reduce(
        lambda so_far, limit: so_far.when(field == limit[0], limit[1]), limits, F.when(F.lit(False), 0)
    )
    counts = (F.countDistinct("name").alias("distinct_names"), F.count("*").alias("records"))
    # A record carries a value once, so its rows are its records.
    frequent = carried.groupBy("field", "value").count().where(F.col("count") > most)
    known = F.broadcast(frequent.select("field", "value"))
    shared = (
        carried.join(known, on=["field", "value"], how="left_semi").groupBy("field", "value").agg(*counts)
    )
    rows = shared.where(F.col("distinct_names") > most).withColumn("reason", F.lit("shared_by_names"))
    if only:
        alone = carried.where(field.isin(*only)).groupBy("field", "value").agg(*counts)
        rows = rows.unionByName(
            alone.where(F.col("distinct_names") > ONLY_VALUE_NAMES).withColumn("reason", F.lit("only_value"))
        )
    return generic_rows(rows.toArrow())


def _carriers(nodes: DataFrame, values: list[tuple[str, str]], conf: Linkage) -> DataFrame:
    """``generic_values.carriers`` by Spark: the nodes that carry one of ``values`` (role, value)."""
    listed = nodes.sparkSession.createDataFrame(values, "field string, value string")
    carried = nodes.mapInArrow(Carriers(conf), task_schema(CARRIERS))
    return carried.join(F.broadcast(listed), on=["field", "value"], how="left_semi").select("node").distinct()


def _trained(
    nodes: DataFrame,
    count: int,
    generic: pa.Table,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None,
    say: Say,
) -> Generation:
    if count > conf.training.max_records:
        say("drawing a sample to train on")
        sample = draw_many(nodes, count, generic, conf)
        return trained_on(sample, value_pairs(generic), count, conf, business_date, run, say)
    say("training on the driver")
    return link_night(nodes.drop("node").toArrow(), None, conf, business_date, run).generation


def _part(
    nodes: DataFrame,
    count: int,
    name: str,
    model: Model,
    generic: pa.Table,
    cut: float,
    conf: Linkage,
    say: Say,
    recalled: RecalledFrames | None,
) -> Part:
    spark = nodes.sparkSession
    rules = usable(model.rules, set(conf.fields))
    _check_keys_only(rules)
    schema = people_schema(conf, name)
    check_compared(schema.names, name, model)
    say(f"{name}: blocks by {len(rules)} rules")
    people = computed_once(nodes.mapInArrow(People(conf, name, generic, schema), task_schema(schema)))
    own = _own_nodes(people, count)
    if not own.any():
        nobody = np.arange(count, dtype=np.int64)
        costs = tuple(RuleCost(rule.name, 0, 0, 0) for rule in rules)
        alone = Bounded(nobody, min(count, 1), ())
        return Part(None, None, None, rules, costs, FOUND.empty_table(), alone, 0, 1.0, own, own)
    placed = place(people, rules, conf)
    prints = _prints(nodes, placed, name, conf)
    is_changed, changed, work = own, None, all_work(placed)
    if recalled is not None:
        changed = computed_once(recalled.changed(prints))
        is_changed = _flags(changed, count)
        work = work_of(placed, changed)
    tasks = task_count(spark, work.pairs, work.rows, conf)
    columns = ["source", *scoring_columns(model, [c for c in people.columns if c not in KEYS_OF_PEOPLE])]
    rows = in_blocks(people, work, columns, tasks)
    with watched(spark, say, f"{name}: scoring about {work.pairs:,} pairs"):
        scored = computed_once(rows.mapInArrow(ScoreBlocks(conf, model, LEAST_WEIGHT), task_schema(LINKS)))
    costs, found = _costs(scored, rules, placed)
    linked = scored.where("node_l IS NOT NULL").select(*LINK.names)
    if recalled is not None and changed is not None:
        linked = computed_once(linked.unionByName(still(recalled.links, changed, people.select("node"))))
        found = linked.count()
    bounded = _bounded(name, linked, found, _chained(people, conf), count, conf, say)
    is_open = own
    if recalled is not None:
        is_open = own & ~recalled.on_driver.holds(bounded.label, is_changed)
    inside = _inside(people, placed, bounded.label, is_open, model, conf)
    judged = None
    if inside is not None:
        cluster = ScoreComponents(conf, name, model, tuple(rule.name for rule in rules), cut)
        with watched(spark, say, f"{name}: clustering"):
            judged = computed_once(inside.mapInArrow(cluster, task_schema(JUDGED)))
    fullest = largest_share(work, tasks)
    return Part(
        judged, linked, prints, rules, costs, placed.over_large, bounded, tasks, fullest, is_changed, is_open
    )


def _own_nodes(people: DataFrame, count: int) -> Bools:
    """Which nodes stand in ``people``."""
    return _flags(people.select("node"), count)


def _flags(nodes: DataFrame, count: int) -> Bools:
    """Which of ``count`` nodes are among ``nodes``, which is computed already."""
    found = np.zeros(count, bool)
    found[collected(nodes, count)["node"].to_numpy()] = True
    return found


def _prints(nodes: DataFrame, placed: Placed, name: str, conf: Linkage) -> DataFrame:
    """The own part of the fingerprint of each record of a model."""
    is_company = F.col("party_type").eqNullSafe("company")
    own = nodes.where(is_company if name == "company" else ~is_company)
    rows = own.select("node", *matching_columns(conf)).join(placed.places, on="node", how="left")
    return computed_once(rows.mapInArrow(Prints(conf), task_schema(PRINTS)))


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
    keys = people.mapInArrow(ExactKeys(conf), task_schema(EXACT_KEYS))
    before = F.lag("node").over(Window.partitionBy("rule", "key").orderBy("node"))
    pairs = keys.select(before.alias("node_l"), F.col("node").alias("node_r"))
    return computed_once(
        pairs.where("node_l IS NOT NULL").distinct().withColumn("weight", F.lit(float("inf")))
    )


def _bounded(
    name: str, links: DataFrame, found: int, chained: DataFrame | None, count: int, conf: Linkage, say: Say
) -> Bounded:
    """The components of ``found`` links and of what exact rules link, solved on the driver.

    Up to ``max_links`` it holds them; of more it holds the nodes, sees a part of the links at a time, and asks
    for those of over-large components again. Raises TooManyLinksError where these are too many to be held.
    """
    sure = chained.count() if chained is not None else 0
    every = links if chained is None else links.unionByName(chained)
    say(f"{name}: components of {found + sure:,} links")
    if found + sure <= conf.max_links:
        held = in_order(collected(every, found + sure))
        return bounded_components(count, held, conf.max_component)
    label = np.arange(count)
    for part in parts_of(every, found + sure, min(conf.max_links, COLLECTED)):
        label = with_links(label, part["node_l"].to_numpy(), part["node_r"].to_numpy())

    def of_large(is_over: Bools) -> Links:
        large = pa.table({"node_l": np.flatnonzero(is_over)})
        there = every.join(links.sparkSession.createDataFrame(large), on="node_l", how="left_semi")
        rows = there.count()
        if rows > conf.max_links:
            raise TooManyLinksError(
                f"linkage: components above max_component ({conf.max_component}) have {rows:,} links ({name}), more "
                f"than max_links ({conf.max_links:,}) in conf/linkage.yml: look for a value that many share in "
                "linkage/generic_values, or raise max_links if the driver holds 24 bytes for each."
            )
        return in_order(collected(there, rows))

    return bounded_by(label, of_large, conf.max_component)


def _inside(
    people: DataFrame, placed: Placed, label: Ints, is_open: Bools, model: Model, conf: Linkage
) -> DataFrame | None:
    """The records of every open component of two or more, whole components in one partition."""
    sizes = np.bincount(label[is_open], minlength=len(label)).astype(np.int64)
    node = np.flatnonzero(is_open & (sizes[label] > 1))
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
