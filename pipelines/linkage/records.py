"""The records as linkage sees them: one row a node, one column a role, blanks and generic values gone.

Splink takes an empty string for a value that agrees with another empty string, so blanks become
NULL here and nowhere else. Node numbers are the order of (source, record_id): nothing that follows
depends on the order of rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.config import ADDRESS, OF_ADDRESS, Linkage, is_open
from pipelines.linkage.engine import KEY_COLUMNS, ROLE_TYPES, role_type
from pipelines.linkage.generic_values import address_of

MODELS = ("person", "company")
"""The models, one a party type; records of unknown type are compared with persons."""


@dataclass(frozen=True)
class Nodes:
    """The records in node order: node n is the n-th by (source, record_id)."""

    source: pa.Array
    record_id: pa.Array
    party_type: pa.Array

    def __len__(self) -> int:
        return len(self.source)

    def labels(self) -> pa.Array:
        """``source:record_id`` of each node."""
        return pc.binary_join_element_wise(self.source, self.record_id, ":")

    def names(self) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
        """``labels`` as Python's own text, for a few records."""
        return np.asarray(self.labels().to_numpy(zero_copy_only=False), dtype=object)

    def keyed(self, pairs: pa.Table, schema: pa.Schema) -> pa.Table:
        """Pairs of nodes (node_l, node_r) in ``schema``, which names their records instead."""
        for side in ("l", "r"):
            ends = pairs[f"node_{side}"].combine_chunks()
            pairs = pairs.append_column(f"source_{side}", self.source.take(ends))
            pairs = pairs.append_column(f"record_id_{side}", self.record_id.take(ends))
        return pairs.select(schema.names).cast(schema)


def _column(role: str, column: str | None) -> str:
    """SQL of a role's column from the table as received, blanks as NULL."""
    kind = role_type(role)
    if column is None:
        sql_type = {"date32[day]": "DATE", "string": "VARCHAR"}.get(str(kind), "VARCHAR[]")
        return f"CAST(NULL AS {sql_type}) AS {role}"
    quoted = f'"{column}"'
    if pa.types.is_list(kind):
        values = f"CAST({quoted} AS VARCHAR[])"
        kept = f"list_filter({values}, lambda v: v IS NOT NULL AND trim(v) <> '')"
        # Most lists hold one value: what sorts and compares lists is dear and has nothing to do there.
        return f"""CASE WHEN len({values}) = 1 AND trim({values}[1]) <> '' THEN {values}
            WHEN len({kept}) > 0 THEN list_sort(list_distinct({kept})) END AS {role}"""
    if pa.types.is_date(kind):
        return f"TRY_CAST({quoted} AS DATE) AS {role}"
    if is_open(role):
        # No one standardised it: "Médico" and "medico " are one value.
        words = f"regexp_replace(lower(strip_accents(CAST({quoted} AS VARCHAR))), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')"
        return f"nullif(trim({words}), '') AS {role}"
    return f"nullif(trim(CAST({quoted} AS VARCHAR)), '') AS {role}"


def check_columns(columns: Iterable[str], conf: Linkage) -> None:
    """Raises UsageError where a key column or a configured column is not among ``columns``."""
    there = set(columns)
    missing = [c for c in (*KEY_COLUMNS, *conf.fields.values()) if c not in there]
    if missing:
        raise UsageError(
            f"linkage: the records have no column {', '.join(missing)} (conf/linkage.yml: fields)."
        )


def check_keys(doubled: int) -> None:
    """Raises UsageError where ``doubled`` records have the key of another one."""
    if doubled:
        raise UsageError(f"linkage: {doubled} records share (source, record_id) with another record.")


def facts_query(conf: Linkage, received: str = "received") -> str:
    """SQL of the columns of ``facts`` over the table ``received``, the records with their node."""
    opened = [role for role in conf.fields if is_open(role)]
    roles = ", ".join(_column(role, conf.fields.get(role)) for role in (*ROLE_TYPES, *opened))
    return f"""SELECT node, source, record_id, party_type,
            CASE party_type WHEN 'company' THEN 'company' ELSE 'person' END AS model, {roles}
        FROM {received}"""


def load(
    connection: duckdb.DuckDBPyConnection, records: pa.Table, conf: Linkage, *, lazily: bool = False
) -> Nodes:
    """Create ``facts``: node, model and every role's column, as received but for blanks.

    It is a table in the order of nodes, or ``lazily`` a view, which works out what is asked of it: where
    few records are looked at closely. The view ``received`` has the records with their node. Raises
    UsageError where a key column or a configured column is missing, or a key stands twice.
    """
    check_columns(records.column_names, conf)
    connection.register("given", records.select(["source", "record_id"]))
    node = connection.sql(
        """SELECT CAST(row_number() OVER (ORDER BY source, record_id) - 1 AS BIGINT) AS node
        FROM (SELECT row_number() OVER () AS arrival, source, record_id FROM given) ORDER BY arrival"""
    ).to_arrow_table()["node"]
    connection.unregister("given")
    order = pa.array(np.argsort(node.to_numpy(), kind="stable"))
    nodes = Nodes(*(_flat(records[name].take(order)) for name in KEY_COLUMNS))
    before = slice(0, max(len(nodes) - 1, 0))
    same = [pc.equal(keys[1:], keys[before]) for keys in (nodes.source, nodes.record_id)]
    check_keys(int(pc.sum(pc.and_(*same)).as_py() or 0))
    connection.register("received", records.append_column("node", node))
    if lazily:
        connection.execute(f"CREATE OR REPLACE VIEW facts AS {facts_query(conf)}")
    else:
        connection.execute(f"CREATE OR REPLACE TABLE facts AS {facts_query(conf)} ORDER BY node")
    return nodes


def _flat(column: pa.ChunkedArray) -> pa.Array:
    text = column.cast(pa.string())
    return pa.concat_arrays(text.chunks) if text.num_chunks else pa.array([], pa.string())


def _without_generic(role: str, generic: set[str]) -> str:
    """SQL of a role's column over ``facts`` f without the values that list ``g.<role>`` holds.

    ``generic``: the roles that have such a list, and address, of which a generic one takes its parts along.
    """
    at_generic = role in OF_ADDRESS and ADDRESS in generic
    if role not in generic and not at_generic:
        # To compare each of its values costs more than all else here.
        return f"f.{role}"
    if pa.types.is_list(role_type(role)):
        kept = f"list_filter(f.{role}, lambda v: NOT coalesce(list_contains(g.{role}, v), false))"
        return f"CASE WHEN len({kept}) > 0 THEN {kept} END AS {role}"
    lists = [f"list_contains(g.{role}, CAST(f.{role} AS VARCHAR))"] if role in generic else []
    lists += [f"list_contains(g.{ADDRESS}, {address_of('f')})"] if at_generic else []
    return f"CASE WHEN {' OR '.join(lists)} THEN NULL ELSE f.{role} END AS {role}"


def prepare(connection: duckdb.DuckDBPyConnection, model: str) -> int:
    """Create the table ``people`` for one model: ``facts`` without generic values, with derived columns.

    Needs the table ``generic`` (role, value). Returns the number of records.
    """
    _drop_people(connection)
    connection.execute(f"CREATE OR REPLACE TABLE people AS {_people_query(connection, model)} ORDER BY node")
    return int(connection.execute("SELECT count(*) FROM people").fetchall()[0][0])


def prepare_lazily(connection: duckdb.DuckDBPyConnection, model: str) -> None:
    """Create ``people`` as ``prepare`` does, as a view."""
    _drop_people(connection)
    connection.execute(f"CREATE VIEW people AS {_people_query(connection, model)}")


def _drop_people(connection: duckdb.DuckDBPyConnection) -> None:
    # Neither kind of DROP takes the other kind.
    views = connection.execute("SELECT 1 FROM duckdb_views() WHERE view_name = 'people'").fetchall()
    connection.execute("DROP VIEW people" if views else "DROP TABLE IF EXISTS people")


def choose(connection: duckdb.DuckDBPyConnection, conf: Linkage, model: str, nodes: str) -> None:
    """Make of the view ``people`` a table of the records that table ``nodes`` (node) names."""
    query = _chosen_query(connection, conf, model, nodes)
    connection.execute("DROP VIEW people")
    connection.execute(f"CREATE TABLE people AS {query} ORDER BY node")


def choose_more(connection: duckdb.DuckDBPyConnection, conf: Linkage, model: str, nodes: str) -> None:
    """Add the records that table ``nodes`` names to the table ``people`` that ``choose`` made."""
    connection.execute(
        f"CREATE OR REPLACE TABLE missing AS SELECT node FROM {nodes} ANTI JOIN people USING (node)"
    )
    query = _chosen_query(connection, conf, model, "missing")
    connection.execute(f"INSERT INTO people {query}")


def _chosen_query(connection: duckdb.DuckDBPyConnection, conf: Linkage, model: str, nodes: str) -> str:
    # First which records, then their columns: most of the work is in these.
    connection.execute(f"CREATE OR REPLACE TABLE chosen AS FROM received SEMI JOIN {nodes} USING (node)")
    connection.execute(f"CREATE OR REPLACE VIEW chosen_facts AS {facts_query(conf, 'chosen')}")
    return _people_query(connection, model, "chosen_facts")


def _people_query(connection: duckdb.DuckDBPyConnection, model: str, facts: str = "facts") -> str:
    """SQL of the columns of ``people`` over ``facts``, without an order."""
    opened = [name for name, *_ in connection.execute(f"DESCRIBE {facts}").fetchall() if is_open(name)]
    roles = [*ROLE_TYPES, *opened]
    generic = {row[0] for row in connection.execute("SELECT DISTINCT role FROM generic").fetchall()}
    columns = [_without_generic(role, generic) for role in roles]
    if "emails" in generic:
        # The local part of a generic e-mail is as generic: it is read again from what is left.
        left = "list_filter(f.emails, lambda v: NOT coalesce(list_contains(g.emails, v), false))"
        local = f"nullif(regexp_replace(split_part(({left})[1], '@', 1), '[^A-Za-z]', '', 'g'), '')"
        columns[roles.index("email_local")] = (
            f"CASE WHEN list_has_any(f.emails, g.emails) THEN {local} ELSE f.email_local END AS email_local"
        )
    # One list of generic values a role, compared as a set: a join a role would cost more than it saves.
    lists = [
        "count(*) AS values_known",
        *(f"list(value) FILTER (role = '{role}') AS {role}" for role in sorted(generic)),
    ]
    tokens = "".join(
        f", list_distinct(string_split({role}, ' ')) AS {role}_tokens"
        for role in opened
        if role.startswith("text_")
    )
    return f"""WITH g AS (SELECT {", ".join(lists)} FROM generic),
        kept AS (SELECT f.node, f.source, {", ".join(columns)}
            FROM {facts} f CROSS JOIN g WHERE f.model = '{model}')
        SELECT *,
            strftime(birth_date, '%Y%m%d') AS birth_text,
            strftime(birth_date, '%Y%d%m') AS birth_swapped,
            strftime(birth_date, '%m%d') AS birth_day,
            strftime(birth_date, '%y') AS birth_year,
            CASE WHEN emails IS NOT NULL THEN list_distinct(list_transform(emails, lambda v: split_part(v, '@', 1)))
            END AS email_locals,
            emails[1] AS email_first, phones[1] AS phone_first{tokens}
        FROM kept"""
