"""Values that too many different names share to be evidence of one person.

A phone of three hundred names, ``x@x.com`` or the shop's own address are found from the data: a
value counts as generic when more distinct names than ``generic.distinct_names`` of its role carry
it, or when it is the only one that a name or birth date ever has. It stays in the records and counts neither for blocking nor for comparison.

An address is the street and number with the postal code, or with the city where there is no postal code; a
street alone is none. With a generic one, all three of the record count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.config import ADDRESS, Linkage, Role
from pipelines.linkage.engine import role_type
from pipelines.tables import LONG, STRING, Column, Personal, Table

Ints = npt.NDArray[np.int64]

GENERIC_VALUES = Table(
    layer="linkage",
    name="generic_values",
    grain="One value of a field that is no evidence because too many names share it.",
    key=("field", "value"),
    columns=(
        Column(
            "field",
            STRING,
            "Role of the field in conf/linkage.yml (emails, phones, tax_id and others), or address.",
            required=True,
        ),
        Column(
            "value",
            STRING,
            "The value as matching sees it; of an address the street, a comma, and postal code or city.",
            Personal.DIRECT,
            required=True,
        ),
        Column(
            "distinct_names",
            LONG,
            "Different names among the records that carry it.",
            unit="names",
            formula="count of distinct first given name and surname, or company name",
        ),
        Column("records", LONG, "Records that carry it.", unit="records"),
        Column("reason", STRING, "Why it is generic: shared_by_names, or only_value of its field."),
    ),
    owner="data engineering",
)

ONLY_VALUE: tuple[Role, ...] = ("given_name", "surname", "second_surname", "birth_date", "company_name")
"""Roles whose only value is no evidence; the levels of an address tell the same from their shares."""
ONLY_VALUE_NAMES = 6
"""Different names that such a value has at the least: a few records may well be one family."""
_NAME = "coalesce(company_name, concat_ws(' ', given_phonetic, coalesce(surname_phonetic, surname)))"
"""One person's spellings differ, so a name is its sound: first given name and surname."""

SCHEMA: pa.Schema = GENERIC_VALUES.arrow


def find_generic(connection: duckdb.DuckDBPyConnection, conf: Linkage) -> pa.Table:
    """The generic values of table ``facts`` as rows of ``linkage/generic_values``."""
    # Names are counted only where there are enough records, and where a field has one value: few of all.
    parts = []
    for role, limit in sorted(conf.generic.distinct_names.items()):
        frequent = connection.execute(
            f"""CREATE OR REPLACE TEMP TABLE frequent_{role} AS
            SELECT value FROM (SELECT {_values(role)} AS value FROM facts) WHERE value IS NOT NULL
            GROUP BY value HAVING count(*) > {int(limit)}"""
        ).fetchall()[0][0]
        if not frequent:
            continue
        parts.append(
            f"""SELECT '{role}' AS field, value, count(DISTINCT {_NAME}) AS distinct_names,
                count(DISTINCT node) AS records, 'shared_by_names' AS reason
            FROM facts JOIN
                (SELECT node, value FROM (SELECT node, {_values(role)} AS value FROM facts) SEMI JOIN frequent_{role} USING (value))
                USING (node)
            GROUP BY value HAVING count(DISTINCT {_NAME}) > {int(limit)}"""
        )
    parts += [
        f"""SELECT field, min(value) AS value, count(DISTINCT name) AS distinct_names,
            count(DISTINCT node) AS records, 'only_value' AS reason
        FROM ({carriers_query(role)}) GROUP BY field HAVING count(DISTINCT name) > {ONLY_VALUE_NAMES}"""
        for role in ONLY_VALUE
        if connection.execute(f"SELECT min({role}) = max({role}) FROM facts").fetchall()[0][0]
    ]
    if not parts:
        return SCHEMA.empty_table()
    return generic_rows(connection.sql(" UNION ALL ".join(parts)).to_arrow_table())


def carriers(connection: duckdb.DuckDBPyConnection, values: Iterable[tuple[str, str]]) -> Ints:
    """The nodes of ``facts`` that carry one of ``values`` (field, value)."""
    by_role: dict[str, list[str]] = {}
    for role, value in values:
        by_role.setdefault(role, []).append(value)
    found = [
        connection.sql(
            f"SELECT node FROM ({carriers_query(role)}) WHERE list_contains($1, value)", params=[wanted]
        ).to_arrow_table()["node"]
        for role, wanted in sorted(by_role.items())
    ]
    nodes: Ints = np.unique(np.concatenate([np.zeros(0, np.int64), *(each.to_numpy() for each in found)]))
    return nodes


def carriers_query(role: str) -> str:
    """SQL over table ``facts``: field, value, node and the name, for every value of a role or address."""
    return f"""SELECT '{role}' AS field, value, name, node
        FROM (SELECT node, {_values(role)} AS value, {_NAME} AS name FROM facts
            WHERE {"street" if role == ADDRESS else role} IS NOT NULL)
        WHERE value IS NOT NULL"""


def address_of(facts: str) -> str:
    """SQL of a record's address as one value, over ``facts`` by that name; NULL without a street or a place.

    Standard forms hold no comma. A street without a number is no address: a long one has thousands of names.
    """
    address = f"{facts}.street || ', ' || coalesce({facts}.postal_code, {facts}.city)"
    return f"CASE WHEN regexp_matches({facts}.street, '[0-9]') THEN {address} END"


def _values(role: str) -> str:
    """SQL over ``facts``: the values of a role, a row each."""
    if role == ADDRESS:
        return address_of("facts")
    return f"unnest({role})" if pa.types.is_list(role_type(role)) else f"CAST({role} AS VARCHAR)"


def value_pairs(rows: pa.Table) -> tuple[tuple[str, str], ...]:
    """(role, value) of rows of ``linkage/generic_values``."""
    return tuple(zip(rows["field"].to_pylist(), rows["value"].to_pylist(), strict=True))


def generic_rows(found: pa.Table) -> pa.Table:
    """Rows of ``linkage/generic_values``, in order."""
    ordered = found.sort_by([("field", "ascending"), ("value", "ascending")])
    return ordered.select(SCHEMA.names).cast(SCHEMA)


def use_generic(connection: duckdb.DuckDBPyConnection, values: pa.Table) -> None:
    """Create the table ``generic`` (role, value) that ``records.prepare`` leaves out."""
    connection.register("generic_found", values)
    connection.execute("CREATE OR REPLACE TABLE generic AS SELECT field AS role, value FROM generic_found")
    connection.unregister("generic_found")
