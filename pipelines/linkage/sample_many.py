"""A sample to train on, drawn by Spark: what ``sample.draw`` gives in one process."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.linkage.config import Linkage
from pipelines.linkage.placed import place, task_schema
from pipelines.linkage.records import MODELS
from pipelines.linkage.sample import (
    Group,
    Sample,
    affordable,
    drawn_again,
    drawn_below,
    floors_of,
    tried,
)
from pipelines.linkage.tasks import People, people_schema
from pipelines.linkage.training_run import rounded
from pipelines.queries import computed_once


def draw_many(nodes: DataFrame, records: int, generic: pa.Table, conf: Linkage) -> Sample:
    """A sample of ``nodes`` (the records as received, with their node), ``records`` in number."""
    roles: set[str] = set(conf.fields)
    groups: dict[str, Group] = {}
    homes: list[DataFrame] = []
    total = 0
    for name in MODELS:
        schema = people_schema(conf, name)
        people = computed_once(nodes.mapInArrow(People(conf, name, generic, schema), task_schema(schema)))
        count = people.count()
        rules = tried(name, roles, conf)
        placed = place(people, rules, conf)
        home = placed.homes.select("node", F.explode("blocks").alias("home")).select("node", "home.*")
        sums = home.groupBy("rule").agg(F.sum(F.col("n") - 1).alias("ends")).collect()
        pairs = {row["rule"]: row["ends"] // 2 for row in sums}
        kept = affordable(name, rules, pairs, count, conf)
        total += sum(pairs.get(number, 0) for number in kept)
        homes.append(
            home.where(F.col("rule").isin(list(kept))).select("node", F.lit(name).alias("model"), "block")
        )
        frequencies = _frequencies(people, floors_of(name, roles, count, conf))
        groups[name] = Group(count, tuple(rules[number] for number in kept), frequencies)
    home = computed_once(reduce(DataFrame.unionByName, homes))
    below = drawn_below(conf, records, total)
    below = drawn_again(conf, below, _taken(nodes, home, below).count())
    taken = F.broadcast(_taken(nodes, home, below))
    return Sample(nodes.join(taken, on="node", how="left_semi").drop("node").toArrow(), below, groups)


def _taken(nodes: DataFrame, home: DataFrame, below: int) -> DataFrame:
    """The drawn nodes and all that share a block (of ``home``) with one."""
    number = F.conv(F.substring(F.md5(F.concat_ws(":", "source", "record_id")), 1, 8), 16, 10).cast("bigint")
    drawn = nodes.where(number < below).select("node")
    # Few were drawn: their list goes to the rows instead of the rows to it.
    blocks = home.join(F.broadcast(drawn), on="node", how="left_semi").select("model", "block").distinct()
    beside = home.join(F.broadcast(blocks), on=["model", "block"], how="left_semi").select("node")
    return drawn.unionByName(beside).distinct()


def _frequencies(people: DataFrame, floors: Mapping[str, float]) -> Mapping[str, Mapping[str, float]]:
    """``training.frequent_values`` of all records."""
    found: dict[str, dict[str, float]] = {}
    for column, floor in floors.items():
        value = F.col(column).cast("string").alias("value")
        counts = people.where(F.col(column).isNotNull()).groupBy(value).count()
        known = people.agg(F.count(column)).collect()[0][0]
        rows = counts.where(F.col("count") > floor * known).collect()
        shares = {row["value"]: rounded(row["count"] / known) for row in rows}
        found[column] = dict(sorted(shares.items()))
    return found
