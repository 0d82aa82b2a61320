"""Which blocking rules bring given pairs together: all of them, not only the first."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from pipelines.linkage.blocking import Rule, block_keys, rules_for
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.generations import Generation
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.records import MODELS, load, prepare

PAIR = ("source_l", "record_id_l", "source_r", "record_id_r")


def load_as_generation(
    connection: duckdb.DuckDBPyConnection, records: pa.Table, generation: Generation, conf: Linkage
) -> None:
    """Create the tables ``facts`` and ``generic``: the records as the generation sees them."""
    load(connection, records, conf)
    values = {"field": [role for role, _ in generation.generic], "value": [v for _, v in generation.generic]}
    use_generic(connection, pa.table(values, schema=pa.schema([(name, pa.string()) for name in values])))


def prepare_keys(
    connection: duckdb.DuckDBPyConnection, name: str, generation: Generation, conf: Linkage
) -> tuple[Rule, ...]:
    """Create the tables ``people`` and ``keys`` of one party type's model; returns its rules in order."""
    prepare(connection, name)
    rules = rules_for(name, set(conf.fields), generation.models[name].rules)
    block_keys(connection, rules, conf.blocking)
    return rules


def rules_of_pairs(records: pa.Table, generation: Generation, conf: Linkage, pairs: pa.Table) -> pa.Table:
    """The pairs (source_l, record_id_l, source_r, record_id_r) with ``rules``, the names of all rules
    that bring them, the surest first; NULL where none does. The pairs keep no order."""
    with engine(conf) as connection:
        load_as_generation(connection, records, generation, conf)
        connection.register("asked_keys", pairs)
        connection.execute(
            """CREATE TABLE asked AS SELECT l.node AS a, r.node AS b FROM asked_keys k
            JOIN facts l ON l.source = k.source_l AND l.record_id = k.record_id_l
            JOIN facts r ON r.source = k.source_r AND r.record_id = k.record_id_r"""
        )
        connection.execute("CREATE TABLE found (a BIGINT, b BIGINT, rule INTEGER, name VARCHAR)")
        for name in MODELS:
            rules = prepare_keys(connection, name, generation, conf)
            names = pa.table({"rule": list(range(len(rules))), "name": [rule.name for rule in rules]})
            connection.register("names", names.cast(pa.schema([("rule", pa.int32()), ("name", pa.string())])))
            connection.execute(
                """INSERT INTO found SELECT DISTINCT q.a, q.b, l.rule, names.name FROM asked q
                JOIN keys l ON l.node = q.a JOIN keys r ON r.node = q.b AND r.rule = l.rule AND r.key = l.key
                JOIN names ON names.rule = l.rule"""
            )
        return connection.sql(
            """SELECT l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r,
                r.record_id AS record_id_r, f.rules
            FROM asked q JOIN facts l ON l.node = q.a JOIN facts r ON r.node = q.b
            LEFT JOIN (SELECT a, b, list(name ORDER BY rule) AS rules FROM found GROUP BY a, b) f
                ON f.a = q.a AND f.b = q.b"""
        ).to_arrow_table()
