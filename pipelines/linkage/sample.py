"""A sample to train on where the records are too many: some of them drawn, with all that share a block.

Single records drawn at random would lose nearly every true pair, blocks drawn at random would
favour the large ones. So records are drawn, and every record that shares a block with one of them
comes along. A pair that touches a drawn record stands for the pairs of all records, a drawn record
for the records; whatever training counts, it counts on those. How often a value stands there is
counted on all records.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import duckdb
import pyarrow as pa

from pipelines.linkage.blocking import MOST_COMPARISONS, Rule, add_keys, rules_for
from pipelines.linkage.comparisons import comparisons_for, frequency_columns, splink_settings
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.records import MODELS, load, prepare
from pipelines.linkage.training import frequency_floor, frequent_values, rounded

STEPS = 2**32
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


def drawn_below(conf: Linkage, records: int, comparisons: int) -> int:
    """The number below which a record is drawn, so that about ``training.max_records`` are taken in all.

    ``comparisons``: pairs of all blocks; each drawn record brings twice their mean, at most.
    """
    with_neighbours = records + 2 * comparisons
    return min(STEPS, max(1, int(STEPS * conf.training.max_records / max(with_neighbours, 1))))


def affordable(rules: tuple[Rule, ...], pairs: Mapping[int, int], records: int) -> tuple[int, ...]:
    """Numbers of the rules without the optional ones of too many pairs a record."""
    return tuple(
        number
        for number, rule in enumerate(rules)
        if not (rule.is_optional and pairs.get(number, 0) > MOST_COMPARISONS * records)
    )


def corrected_columns(model: str, roles: set[str]) -> list[str]:
    """The columns whose values' frequencies a model of these roles needs."""
    return (
        frequency_columns(splink_settings(model, roles, 1.0, starter=False))
        if comparisons_for(model, roles)
        else []
    )


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
            rules = rules_for(name, roles)
            add_keys(connection, rules, conf.blocking)
            pairs = {
                rule: int(n)
                for rule, n in connection.execute(
                    """SELECT rule, sum(n * (n - 1) / 2) FROM
                    (SELECT rule, count(*) AS n FROM keys GROUP BY rule, key) GROUP BY rule"""
                ).fetchall()
            }
            kept = affordable(rules, pairs, count)
            total += sum(pairs.get(number, 0) for number in kept)
            connection.execute(
                "INSERT INTO homes SELECT node, hash($1, rule, key) FROM keys WHERE list_contains($2, rule)",
                [name, list(kept)],
            )
            floor = rounded(frequency_floor(count))
            frequencies = frequent_values(connection, corrected_columns(name, roles), floor)
            groups[name] = Group(count, tuple(rules[number] for number in kept), frequencies)
        below = drawn_below(conf, len(nodes), total)
        sample = Sample(records.slice(0, 0), below, groups)
        sample.mark(connection)
        connection.execute(
            """CREATE TABLE taken AS SELECT node FROM drawn UNION SELECT node FROM homes SEMI JOIN
            (SELECT DISTINCT block FROM homes SEMI JOIN drawn USING (node)) USING (block)"""
        )
        connection.register("received", records)
        rows = connection.sql(
            """SELECT r.* FROM received r SEMI JOIN
            (SELECT source, record_id FROM facts SEMI JOIN taken USING (node)) USING (source, record_id)"""
        ).to_arrow_table()
    values = tuple(zip(generic["field"].to_pylist(), generic["value"].to_pylist(), strict=True))
    return replace(sample, records=rows), values
