"""Blocks in Spark: every record's final keys, and the records of a block brought together.

Keys are the same SQL as in one process and over-large blocks are subdivided in the same steps; only
the counting is Spark's. Records travel, pairs do not: a task finds the pairs of its blocks itself,
and the keys that a record has in earlier rules say which of them another task finds.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T
from pyspark.sql import window as W
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.components import Links
from pipelines.linkage.config import Linkage
from pipelines.linkage.over_large_keys import FOUND
from pipelines.linkage.tasks import FULL_KEYS, KEYS, NUMBERED, Keys, Number
from pipelines.queries import computed_once

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SEPARATOR = "\x1f"
"""Stands between a key and the next one that subdivides it, as in one process."""
BLOCK = ("rule", "block")
KEY = ("rule", "key")
ROWS = 200_000
"""Rows of one task at most, about: what Arrow and DuckDB hold of them at once stays small."""

COLLECTED = 5_000_000
"""Rows that come to the driver at a time: Spark bounds what one query may bring there."""
LINK = pa.schema([("node_l", pa.int64()), ("node_r", pa.int64()), ("weight", pa.float64())])
WORTH_A_TASK = 50_000
"""Fewer pairs, or rows, take less time than a task's own start."""


def task_schema(schema: pa.Schema) -> T.StructType:
    """The Spark schema of what a task gives."""
    found = from_arrow_schema(schema)
    assert isinstance(found, T.StructType)
    return found


def numbered(frame: DataFrame, rows: int, order: Sequence[str], name: str) -> DataFrame:
    """``frame`` of ``rows`` rows, computed now, with each row's rank by ``order`` from 0 as ``name``.

    ``order`` is a key. No task holds more than its share, however often a value of the first columns
    stands there. What follows keeps the partitions: as few as keep the cores busy, because a
    worker takes half a second to begin with one.
    """
    busy = min(frame.sparkSession.sparkContext.defaultParallelism, math.ceil(rows / WORTH_A_TASK))
    count = max(1, busy, math.ceil(rows / ROWS))
    ordered = frame.repartitionByRange(count, *order).sortWithinPartitions(*order)
    schema = pa.schema([*to_arrow_schema(ordered.schema), *NUMBERED])
    placed = computed_once(ordered.mapInArrow(Number(schema), task_schema(schema)))
    sizes = {row["part"]: row["count"] for row in placed.groupBy("part").count().collect()}
    offsets, before = [], 0
    for part in range(max(sizes, default=0) + 1):
        offsets.append(before)
        before += sizes.get(part, 0)
    offset = F.element_at(F.array(*[F.lit(n).cast("bigint") for n in offsets]), F.col("part") + 1)
    return placed.withColumn(name, offset + F.col("place")).drop(*NUMBERED.names)


@dataclass(frozen=True)
class Capped:
    """Of one rule: its blocks above the cap, and the records of its largest."""

    blocks: int
    largest: int


@dataclass(frozen=True)
class Placed:
    """The blocks of one model."""

    places: DataFrame
    """node and places of records in subdivided blocks, as ``fingerprints.PLACES`` has them."""
    homes: DataFrame
    """One row a record that shares a block: node, ``blocks`` (rule, block, n records) in their order."""
    capped: tuple[Capped, ...]
    """By rule."""
    over_large: pa.Table
    """The keys above the cap and how they were subdivided: ``over_large_keys.FOUND``."""
    pairs: int
    """Pairs of all blocks; a pair of two blocks counts twice."""
    rows: int
    """Records of all blocks."""


def place(people: DataFrame, rules: tuple[Rule, ...], conf: Linkage) -> Placed:
    """The blocks of ``people`` by ``rules``, subdivided where they are above the cap."""
    cap = conf.blocking.max_block
    keys = computed_once(people.mapInArrow(Keys(conf, rules), task_schema(KEYS)))
    sizes = keys.groupBy(*BLOCK).count()
    stats = {
        row["rule"]: Capped(row["over"], row["largest"])
        for row in sizes.groupBy("rule")
        .agg(F.count_if(F.col("count") > cap).alias("over"), F.max("count").alias("largest"))
        .collect()
    }
    capped = tuple(stats.get(number, Capped(0, 0)) for number in range(len(rules)))
    divided = keys.select("rule", "node", F.lit("").alias("key")).limit(0)
    over_large = FOUND.empty_table()
    if any(rule.blocks for rule in capped):
        over = F.broadcast(computed_once(_over(keys, BLOCK, cap)))
        full = people.mapInArrow(Keys(conf, rules, is_full=True), task_schema(FULL_KEYS))
        of_over = full.join(over, on=list(BLOCK), how="left_semi").drop("block")
        divided, over_large = _subdivided(of_over, rules, cap)
        parts = divided.select("rule", "node", F.xxhash64("key").alias("block"))
        keys = keys.join(over, on=list(BLOCK), how="left_anti").unionByName(parts)
    place = F.concat_ws(SEPARATOR, F.col("rule").cast("string"), "key")
    places = divided.groupBy("node").agg(F.array_sort(F.collect_list(place)).alias("places"))
    # No block is above the cap any more, so no partition of this window is large.
    size = F.count("*").over(W.Window.partitionBy(*BLOCK))
    shared = keys.withColumn("n", size).where(F.col("n") > 1)
    # 63 bits of a hash for a key of any length: two keys of one pair of records would have to collide.
    home = F.struct("rule", F.xxhash64(*BLOCK).alias("block"), "n")
    homes = computed_once(
        shared.groupBy("node")
        .agg(F.array_sort(F.collect_list(home)).alias("blocks"))
        .select("node", "blocks")
    )
    total = homes.select(F.explode("blocks").alias("home")).agg(
        F.sum(F.col("home.n") - 1).alias("pairs"), F.count("*").alias("rows")
    )
    found = total.collect()[0]
    return Placed(places, homes, capped, over_large, (found["pairs"] or 0) // 2, found["rows"])


def _over(keys: DataFrame, by: Sequence[str], cap: int) -> DataFrame:
    """The blocks above the cap: few, so that they are joined without bringing any of them together."""
    return F.broadcast(keys.groupBy(*by).count().where(F.col("count") > cap).select(*by))


def _subdivided(keys: DataFrame, rules: tuple[Rule, ...], cap: int) -> tuple[DataFrame, pa.Table]:
    """Rule, node and key of over-large blocks: by the next keys, then in slices of neighbours; and ``_listed``.

    A record's key grows by the next keys until the block of all who share it fits: those who share a
    longer key share the shorter ones, so one count of all of them says where each record stops.
    """
    entry = computed_once(keys)
    grown = [
        F.concat_ws(SEPARATOR, "key", F.slice("following", F.lit(1), F.lit(depth)))
        for depth in range(max(len(rule.then) for rule in rules) + 1)
    ]
    every = F.explode(F.slice(F.array(*grown), F.lit(1), F.size("following") + 1))
    over = _over(entry.select("rule", every.alias("key")), KEY, cap)
    is_over = []
    for n, key in enumerate(grown):
        mark = over.select(F.col("rule").alias(f"rule_{n}"), F.col("key").alias(f"key_{n}"))
        holds = (F.col("rule") == F.col(f"rule_{n}")) & (key == F.col(f"key_{n}"))
        entry = entry.join(F.broadcast(mark), on=holds & (F.size("following") >= n), how="left")
        is_over.append(F.col(f"key_{n}").isNotNull().cast("int"))
    depth = reduce(operator.add, is_over)
    taken = F.least(depth, F.size("following"))
    key = F.concat_ws(SEPARATOR, "key", F.slice("following", F.lit(1), taken))
    marked = computed_once(
        entry.select(
            "rule",
            "node",
            F.col("key").alias("first"),
            key.alias("key"),
            "neighbour",
            taken.alias("next_keys"),
            (depth > F.size("following")).alias("is_left"),
        )
    )
    over_large = _listed(marked, rules)
    rest = marked.where("NOT is_left").select("rule", "node", "key")
    left = marked.where("is_left").select("rule", "node", "key", "neighbour")
    rows = left.count()
    return (rest.unionByName(_sliced(left, rows, cap)) if rows else rest), over_large


def _listed(marked: DataFrame, rules: tuple[Rule, ...]) -> pa.Table:
    """``over_large_keys.FOUND``: every key has more than ``max_block`` records, so there are few."""
    names = F.element_at(F.array(*[F.lit(rule.name) for rule in rules]), F.col("rule") + 1)
    keys = marked.groupBy("rule", "first").agg(
        F.count("*").alias("records"),
        F.max("next_keys").alias("next_keys"),
        F.max("is_left").alias("is_sliced"),
    )
    key = F.replace("first", F.lit(SEPARATOR), F.lit(" + "))
    return (
        keys.select(names.alias("rule"), key.alias("key"), "records", "next_keys", "is_sliced")
        .toArrow()
        .cast(FOUND)
    )


def _sliced(keys: DataFrame, rows: int, cap: int) -> DataFrame:
    """Blocks that no key divides, in slices of neighbours by name and birth date."""
    ranked = numbered(keys, rows, (*KEY, "neighbour", "node"), "rank")
    first = F.broadcast(ranked.groupBy(*KEY).agg(F.min("rank").alias("first")))
    slice_of = F.floor((F.col("rank") - F.col("first")) / cap).cast("bigint").cast("string")
    return ranked.join(first, on=list(KEY), how="inner").select(
        "rule", "node", F.concat_ws(SEPARATOR, "key", slice_of).alias("key")
    )


def task_count(spark: SparkSession, pairs: int, rows: int, conf: Linkage) -> int:
    """Tasks for so many pairs of so many rows: about ``task_pairs`` each, not too many rows, no core idle.

    A block or component is far smaller than a task, so a hash of it shares them out evenly.
    """
    busy = min(spark.sparkContext.defaultParallelism, math.ceil(pairs / WORTH_A_TASK))
    return max(1, busy, math.ceil(pairs / conf.task_pairs), math.ceil(rows / ROWS))


@dataclass(frozen=True)
class Work:
    """The blocks that must be looked at tonight."""

    homes: DataFrame
    """One row a record: node, blocks (of ``Placed``), ``wanted``, the places in these, and ``is_changed``."""
    pairs: int
    """Pairs of these blocks with a changed record, about."""
    rows: int
    """Records of these blocks."""


def all_work(placed: Placed) -> Work:
    """Every block, with every record changed."""
    every = F.sequence(F.lit(0), F.size("blocks") - 1)
    homes = placed.homes.withColumns({"wanted": every, "is_changed": F.lit(True)})
    return Work(homes, placed.pairs, placed.rows)


def work_of(placed: Placed, changed: DataFrame) -> Work:
    """The blocks that hold a ``changed`` node: the pairs of others are what they were."""
    marked = placed.homes.join(changed.withColumn("is_changed", F.lit(True)), on="node", how="left")
    marked = computed_once(marked.fillna(False, ["is_changed"]))
    each = marked.select("node", "is_changed", F.posexplode("blocks").alias("at", "home"))
    touched = each.where("is_changed").select("home.block").distinct()
    rows = each.withColumn("block", F.col("home.block")).join(touched, on="block", how="left_semi")
    wanted = rows.groupBy("node").agg(
        F.array_sort(F.collect_list("at")).alias("wanted"),
        F.sum(F.when(F.col("is_changed"), F.col("home.n") - 1).otherwise(0)).alias("pairs"),
    )
    homes = computed_once(marked.join(wanted, on="node", how="inner"))
    found = homes.agg(F.sum("pairs").alias("pairs"), F.sum(F.size("wanted")).alias("rows")).collect()[0]
    return Work(homes.drop("pairs"), found["pairs"] or 0, found["rows"] or 0)


def largest_share(work: Work, tasks: int) -> float:
    """Pairs of the fullest task over those of the mean one, as if all records of its blocks were changed."""
    each = work.homes.select(F.explode(F.transform("wanted", lambda at: F.get("blocks", at))).alias("home"))
    # Spark's repartition by a column puts a row by this very hash.
    task = F.pmod(F.hash("home.block"), F.lit(tasks))
    shares = each.groupBy(task.alias("task")).agg(F.sum(F.col("home.n") - 1).alias("pairs"))
    found = shares.agg(F.max("pairs").alias("fullest"), F.sum("pairs").alias("pairs")).collect()[0]
    return float(found["fullest"]) * tasks / found["pairs"] if found["pairs"] else 1.0


def in_blocks(people: DataFrame, work: Work, columns: Sequence[str], tasks: int) -> DataFrame:
    """One row a record and block: node, ``columns``, rule, block, the record's earlier blocks, is_changed.

    The records of a block stand in one partition of ``tasks``.
    """
    chosen = people.select("node", *columns).join(work.homes, on="node", how="inner")
    home = F.get("blocks", F.col("at"))
    return (
        chosen.withColumn("at", F.explode("wanted"))
        .select(
            "node",
            *columns,
            home["rule"].alias("rule"),
            home["block"].alias("block"),
            F.transform(F.slice("blocks", F.lit(1), F.col("at")), lambda home: home["block"]).alias(
                "earlier"
            ),
            "is_changed",
        )
        .repartition(tasks, "block")
    )


def collected(frame: DataFrame, rows: int) -> pa.Table:
    """About ``rows`` rows of ``frame``, which is computed already, a part of its partitions at a time."""
    return pa.concat_tables(parts_of(frame, rows, COLLECTED))


def parts_of(frame: DataFrame, rows: int, at_a_time: int) -> Iterator[pa.Table]:
    """About ``rows`` rows of ``frame``, which is computed already, about ``at_a_time`` of them at a time.

    A part is some of its partitions, so a partition comes whole.
    """
    times = max(1, math.ceil(rows / at_a_time))
    turn_of = F.pmod(F.spark_partition_id(), F.lit(times))
    return (frame.where(turn_of == turn).toArrow() for turn in range(times))


def in_order(links: pa.Table) -> Links:
    """Rows of ``LINK`` as links, in the order of their nodes."""
    rows = links.cast(LINK)
    left, right, weight = (rows[name].to_numpy() for name in LINK.names)
    order = np.lexsort((right, left))
    return Links(left[order].astype(np.int64), right[order].astype(np.int64), weight[order])
