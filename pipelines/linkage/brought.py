"""What blocking makes of given pairs: all rules that bring each together, not only the first."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipelines.linkage.blocking import block_keys
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.evidence import LEAST_WEIGHT, usable
from pipelines.linkage.generations import Generation
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.records import MODELS, Nodes, load, prepare
from pipelines.linkage.relation import classify
from pipelines.linkage.scoring import score_pairs

PAIR = ("source_l", "record_id_l", "source_r", "record_id_r")


def load_as_generation(
    connection: duckdb.DuckDBPyConnection, records: pa.Table, generation: Generation, conf: Linkage
) -> Nodes:
    """Create the tables ``facts`` and ``generic``: the records as the generation sees them."""
    nodes = load(connection, records, conf)
    values = {"field": [role for role, _ in generation.generic], "value": [v for _, v in generation.generic]}
    use_generic(connection, pa.table(values, schema=pa.schema([(name, pa.string()) for name in values])))
    return nodes


def prepare_keys(
    connection: duckdb.DuckDBPyConnection, name: str, generation: Generation, conf: Linkage
) -> tuple[Rule, ...]:
    """Create the tables ``people`` and ``keys`` of one party type's model; returns its rules in order."""
    prepare(connection, name)
    rules = usable(generation.models[name].rules, set(conf.fields))
    block_keys(connection, rules, conf.blocking)
    return rules


def bringing(rules: Sequence[Rule], asked: str, duplicate_free: Sequence[str]) -> str:
    """SQL: a, b, rule; the numbers of all rules that bring a pair of table ``asked`` (a < b), maybe several times.

    Over the tables ``people`` and ``keys`` of ``prepare_keys``. Rules with a condition have no keys: they are asked pair
    by pair. Two records of a ``duplicate_free`` source are brought by none.
    """
    found = [
        f"""SELECT q.a, q.b, kl.rule FROM {asked} q JOIN keys kl ON kl.node = q.a
        JOIN keys kr ON kr.node = q.b AND kr.rule = kl.rule AND kr.key = kl.key"""
    ]
    for number, rule in enumerate(rules):
        if rule.condition is not None:
            side = "people"
            for column in rule.explode:
                side = f'(SELECT * REPLACE (unnest("{column}") AS "{column}") FROM {side})'
            found.append(
                f"""SELECT q.a, q.b, {number} AS rule FROM {asked} q
                JOIN {side} l ON l.node = q.a JOIN {side} r ON r.node = q.b WHERE ({rule.condition})"""
            )
    if not duplicate_free:
        return " UNION ALL ".join(found)
    return f"""SELECT f.* FROM ({" UNION ALL ".join(found)}) f JOIN people l ON l.node = f.a JOIN people r ON r.node = f.b
        WHERE {may_be_compared(duplicate_free)}"""


def rules_of_pairs(records: pa.Table, generation: Generation, conf: Linkage, pairs: pa.Table) -> pa.Table:
    """What blocking makes of pairs (source_l, record_id_l, source_r, record_id_r): the same with ``rules``, the
    names of all rules that bring the pair, the surest first, and ``brought_probability``, its
    same_person_probability before any rule for a single pair; both NULL where no rule brings it,
    the latter also where Splink's weight is too low to be looked at (``LEAST_WEIGHT``).
    The pairs keep no order."""
    with engine(conf) as connection:
        load_as_generation(connection, records, generation, conf)
        connection.register("asked_keys", pairs)
        connection.execute(
            """CREATE TABLE asked AS SELECT l.node AS a, r.node AS b FROM asked_keys k
            JOIN facts l ON l.source = k.source_l AND l.record_id = k.record_id_l
            JOIN facts r ON r.source = k.source_r AND r.record_id = k.record_id_r"""
        )
        connection.execute("CREATE TABLE found (a BIGINT, b BIGINT, rules VARCHAR[], probability DOUBLE)")
        for name in MODELS:
            _find(connection, name, generation, conf)
        return connection.sql(
            """SELECT l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r,
                r.record_id AS record_id_r, f.rules, f.probability AS brought_probability
            FROM asked q JOIN facts l ON l.node = q.a JOIN facts r ON r.node = q.b
            LEFT JOIN found f ON f.a = q.a AND f.b = q.b"""
        ).to_arrow_table()


def _find(connection: duckdb.DuckDBPyConnection, name: str, generation: Generation, conf: Linkage) -> None:
    """Add the asked pairs that a rule of one model brings to the table ``found``."""
    rules = prepare_keys(connection, name, generation, conf)
    schema = pa.schema([("rule", pa.int32()), ("name", pa.string())])
    named = {"rule": list(range(len(rules))), "name": [rule.name for rule in rules]}
    connection.register("names", pa.table(named, schema=schema))
    connection.execute(
        f"""CREATE OR REPLACE TABLE brought AS
        SELECT join_key_l, join_key_r, CAST(min(rule) AS VARCHAR) AS match_key, list(name ORDER BY rule) AS rules
        FROM (SELECT DISTINCT a AS join_key_l, b AS join_key_r, rule, name
              FROM ({bringing(rules, "asked", conf.duplicate_free)}) JOIN names USING (rule))
        GROUP BY join_key_l, join_key_r"""
    )
    connection.execute("CREATE OR REPLACE TABLE to_score AS SELECT * EXCLUDE (rules) FROM brought")
    scored = score_pairs(connection, generation.models[name], "to_score", LEAST_WEIGHT)
    probability = classify(generation.models[name].relations, scored)[0]
    judged = scored.select(["node_l", "node_r"]).append_column("probability", pa.array(probability))
    connection.register("judged", judged)
    connection.execute(
        """INSERT INTO found SELECT b.join_key_l, b.join_key_r, b.rules, j.probability FROM brought b
        LEFT JOIN judged j ON j.node_l = b.join_key_l AND j.node_r = b.join_key_r"""
    )
    connection.unregister("judged")
    connection.unregister("names")
