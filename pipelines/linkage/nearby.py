"""The few records and pairs, of all that were linked, that the explanation of one pair depends on.

All that ``explain_pair`` says follows from the records of the two components and, because a block above the
cap is subdivided by all its records, from those that share such a block with one of them. They are found in the
files, which are streamed, so that what is held does not grow with the records that there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.blocking import keys_query
from pipelines.linkage.engine import KEY_COLUMNS, check_fits, engine, free_memory
from pipelines.linkage.evidence import usable
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.records import check_columns, facts_query, prepare, prepare_lazily

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb
    from pyarrow.dataset import Dataset

    from pipelines.linkage.config import Linkage
    from pipelines.linkage.generations import Generation

Key = tuple[str, str]
_NODE = "concat(source, chr(31), record_id) AS node"
"""What stands for a record's number, which would ask for an order of all of them."""
INSTEAD = "ask about two records whose values fewer others share"


def unknown_record(key: Key, sources: Sequence[str]) -> UsageError:
    """The error about a ``key`` (source, record_id) that no live record has."""
    known = ", ".join(sources) or "none"
    return UsageError(f"There is no live record {':'.join(key)}; the sources with records are {known}.")


def nearby(
    records: Dataset,
    scored: Dataset,
    clusters: Dataset,
    generation: Generation,
    conf: Linkage,
    left: Key,
    right: Key,
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """The rows of ``records``, ``scored`` and ``clusters`` that ``explain_pair`` needs for ``left`` and ``right``.

    They are ``silver/customer_records``, ``linkage/scored_pairs`` and ``linkage/clusters`` of one release, which the
    ``generation`` linked. Raises UsageError for a record or a column that is not there, DoesNotFitError where
    too many records share a block with the two.
    """
    check_columns(records.schema.names, conf)
    with engine(conf) as connection:
        for name, stored in (("stored", records), ("pairs", scored), ("homes", clusters)):
            connection.register(name, stored)
        connection.register(
            "asked", pa.table({"source": [left[0], right[0]], "record_id": [left[1], right[1]]})
        )
        models = _models(connection, left, right)
        # All pairs that were kept are of one component.
        connection.execute(
            """CREATE TABLE near AS SELECT source, record_id FROM homes WHERE component IN (
                SELECT component FROM homes SEMI JOIN asked USING (source, record_id))
            UNION SELECT source, record_id FROM asked"""
        )
        if len(models) == 1:
            _add_capped_blocks(connection, models.pop(), generation, conf)
        count = connection.execute("SELECT count(*) FROM near").fetchall()[0][0]
        check_fits(int(count), free_memory(), INSTEAD)
        columns = ", ".join(f'"{name}"' for name in dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
        return (
            _table(connection, f"SELECT {columns} FROM stored SEMI JOIN near USING (source, record_id)"),
            _table(
                connection,
                """SELECT p.* FROM pairs p SEMI JOIN near n ON p.source_l = n.source AND p.record_id_l = n.record_id
                SEMI JOIN near n ON p.source_r = n.source AND p.record_id_r = n.record_id""",
            ),
            _table(connection, "SELECT * FROM homes SEMI JOIN asked USING (source, record_id)"),
        )


def _table(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    return connection.sql(query).to_arrow_table()


def _models(connection: duckdb.DuckDBPyConnection, left: Key, right: Key) -> set[str]:
    """The models of the two records; more than one where they are never compared."""
    rows = connection.execute(
        """SELECT source, record_id, CASE party_type WHEN 'company' THEN 'company' ELSE 'person' END
        FROM stored SEMI JOIN asked USING (source, record_id)"""
    ).fetchall()
    found = {(source, record_id): model for source, record_id, model in rows}
    for key in (left, right):
        if key not in found:
            sources = connection.execute("SELECT DISTINCT source FROM stored ORDER BY source").fetchall()
            raise unknown_record(key, [source for (source,) in sources])
    return set(found.values())


def _add_capped_blocks(
    connection: duckdb.DuckDBPyConnection, name: str, generation: Generation, conf: Linkage
) -> None:
    """Add to table ``near`` the records of all blocks above the cap that one of its records is in."""
    values = [{"field": role, "value": value} for role, value in generation.generic]
    kinds = pa.schema([("field", pa.string()), ("value", pa.string())])
    use_generic(connection, pa.Table.from_pylist(values, schema=kinds))
    rules = [
        (number, keys_query(rule))
        for number, rule in enumerate(usable(generation.models[name].rules, set(conf.fields)))
        if rule.condition is None
    ]
    connection.execute(
        f"CREATE TABLE members AS SELECT *, {_NODE} FROM stored SEMI JOIN near USING (source, record_id)"
    )
    connection.execute(f"CREATE VIEW facts AS {facts_query(conf, 'members')}")
    prepare(connection, name)
    connection.execute("CREATE TABLE own_keys (rule INTEGER, key VARCHAR)")
    for number, query in rules:
        connection.execute(f"INSERT INTO own_keys SELECT DISTINCT {number}, key FROM ({query})")
    connection.execute(f"CREATE VIEW every AS SELECT *, {_NODE} FROM stored")
    connection.execute(f"CREATE OR REPLACE VIEW facts AS {facts_query(conf, 'every')}")
    prepare_lazily(connection, name)
    for number, query in rules:
        own = f"SELECT key FROM own_keys WHERE rule = {number}"
        connection.execute(
            f"""CREATE OR REPLACE TABLE capped AS SELECT key FROM ({query}) WHERE key IN ({own})
            GROUP BY key HAVING count(*) > {conf.blocking.max_block}"""
        )
        if connection.execute("SELECT count(*) FROM capped").fetchall()[0][0]:
            connection.execute(
                f"""INSERT INTO near SELECT source, record_id FROM every
                SEMI JOIN (SELECT node FROM ({query}) WHERE key IN (SELECT key FROM capped)) USING (node)"""
            )
    connection.execute("CREATE OR REPLACE TABLE near AS SELECT DISTINCT * FROM near")
