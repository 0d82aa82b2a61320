"""A sample to train on where the records are too many: some of them drawn, with all that share a block.

Single records drawn at random would lose nearly every true pair, blocks drawn at random would
favour the large ones. So records are drawn, and every record that shares a block with one of them
comes along. A pair that touches a drawn record stands for the pairs of all records, a drawn record
for the records; whatever training counts, it counts on those. How often a value stands there is
counted on all records.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from pipelines.linkage.blocking import block_keys
from pipelines.linkage.blocking_rules import IDENTIFIERS, Rule, candidates
from pipelines.linkage.comparisons import frequency_floors, splink_settings
from pipelines.linkage.conditions import check_affordable
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.generic_values import find_generic, use_generic, value_pairs
from pipelines.linkage.records import MODELS, load, prepare
from pipelines.linkage.training import frequency_floor, frequent_values
from pipelines.linkage.training_run import rounded
from pipelines.linkage.vocabulary import own_comparisons, own_rules

STEPS = 2**32
OF_BUDGET = 0.1
"""Part of the budget of comparisons that one rule may take to be tried on a sample."""
DRAW = "CAST('0x' || left(md5(source || ':' || record_id), 8) AS BIGINT)"
"""A number below ``STEPS`` that a record always draws; Spark's twin is in ``sample_many.py``."""


@dataclass(frozen=True)
class Group:
    """What a sample must know of all records of one party type."""

    records: int
    rules: tuple[Rule, ...]
    """The rules that may be chosen: those that compare too much are left out."""
    frequencies: Mapping[str, Mapping[str, float]]
    """Of its frequent values, by column."""


@dataclass(frozen=True)
class Sample:
    """Records to train on."""

    records: pa.Table
    """As received."""
    below: int
    """Those that draw a number below this were drawn, the others came along."""
    groups: Mapping[str, Group]

    def mark(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Create the table ``drawn`` (node) from table ``facts``."""
        connection.execute(
            f"CREATE OR REPLACE TABLE drawn AS SELECT node FROM facts WHERE {DRAW} < {self.below}"
        )

    def stands_for(self, connection: duckdb.DuckDBPyConnection, name: str) -> int:
        """Records whose pairs are as many as those that touch a drawn record of table ``people``."""
        drawn = connection.execute("SELECT count(*) FROM people SEMI JOIN drawn USING (node)").fetchall()[0][
            0
        ]
        pairs = drawn * (self.groups[name].records - 1) - drawn * (drawn - 1) / 2
        return round((1 + math.sqrt(1 + 8 * pairs)) / 2)


def drawn_below(conf: Linkage, records: int, comparisons: int) -> int:
    """The number below which a record is drawn, so that fewer than ``training.max_records`` are taken.

    ``comparisons``: pairs of all blocks. A drawn record brings twice their mean, and fewer where blocks
    overlap: how many fewer, ``drawn_again`` learns from what was taken.
    """
    with_neighbours = records + 2 * comparisons
    return min(STEPS, max(1, int(STEPS * conf.training.max_records / max(with_neighbours, 1))))


def drawn_again(conf: Linkage, below: int, taken: int) -> int:
    """The number below which a record is drawn when by ``below`` so many were ``taken``.

    Twice the drawn records take less than twice as many.
    """
    return min(STEPS, max(below, int(below * conf.training.max_records / max(taken, 1))))


def tried(model: str, roles: set[str], conf: Linkage) -> tuple[Rule, ...]:
    """The rules that training may choose from, or has to take."""
    return own_rules(conf) or candidates(model, roles)


def affordable(
    model: str, rules: tuple[Rule, ...], pairs: Mapping[int, int], records: int, conf: Linkage
) -> tuple[int, ...]:
    """Numbers of the rules without those that alone would spend much of the budget of comparisons.

    A drawn record brings its neighbours by every rule that is tried: a few common keys would leave
    hardly any record to be drawn.
    """
    most = OF_BUDGET * conf.blocking.max_comparisons_per_record * records
    return tuple(
        number
        for number, rule in enumerate(rules)
        if rule in IDENTIFIERS[model] or pairs.get(number, 0) <= most
    )


def floors_of(model: str, roles: set[str], records: int, conf: Linkage) -> dict[str, float]:
    """The columns whose values' frequencies a model of these roles needs, with that of a rare value."""
    floor = rounded(frequency_floor(records))
    return frequency_floors(splink_settings(model, roles, floor, starter=False, own=own_comparisons(conf)))


def draw(records: pa.Table, conf: Linkage) -> tuple[Sample, tuple[tuple[str, str], ...]]:
    """A sample of ``records``, and the generic values of all of them."""
    roles: set[str] = set(conf.fields)
    groups: dict[str, Group] = {}
    total = 0
    with engine(conf) as connection:
        nodes = load(connection, records, conf)
        generic = find_generic(connection, conf)
        use_generic(connection, generic)
        connection.execute("CREATE TABLE homes (node BIGINT, block UBIGINT)")
        for name in MODELS:
            count = prepare(connection, name)
            rules = tried(name, roles, conf)
            check_affordable(connection, rules, conf.blocking)
            block_keys(connection, rules, conf.blocking)
            pairs = {
                rule: int(n)
                for rule, n in connection.execute(
                    """SELECT rule, sum(n * (n - 1) / 2) FROM
                    (SELECT rule, count(*) AS n FROM keys GROUP BY rule, key) GROUP BY rule"""
                ).fetchall()
            }
            kept = affordable(name, rules, pairs, count, conf)
            total += sum(pairs.get(number, 0) for number in kept)
            connection.execute(
                "INSERT INTO homes SELECT node, hash($1, rule, key) FROM keys WHERE list_contains($2, rule)",
                [name, list(kept)],
            )
            frequencies = frequent_values(connection, floors_of(name, roles, count, conf))
            groups[name] = Group(count, tuple(rules[number] for number in kept), frequencies)
        sample = Sample(records.slice(0, 0), drawn_below(conf, len(nodes), total), groups)
        taken = _take(connection, sample)
        sample = replace(sample, below=drawn_again(conf, sample.below, taken))
        _take(connection, sample)
        connection.register("received", records)
        rows = connection.sql(
            """SELECT r.* FROM received r SEMI JOIN
            (SELECT source, record_id FROM facts SEMI JOIN taken USING (node)) USING (source, record_id)"""
        ).to_arrow_table()
    return replace(sample, records=rows), value_pairs(generic)


def _take(connection: duckdb.DuckDBPyConnection, sample: Sample) -> int:
    """Create the table ``taken``: the drawn nodes and all that share a block with one; returns their number."""
    sample.mark(connection)
    connection.execute(
        """CREATE OR REPLACE TABLE taken AS SELECT node FROM drawn UNION SELECT node FROM homes SEMI JOIN
        (SELECT DISTINCT block FROM homes SEMI JOIN drawn USING (node)) USING (block)"""
    )
    return int(connection.execute("SELECT count(*) FROM taken").fetchall()[0][0])
