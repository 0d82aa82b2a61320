"""Splink's SQL of another engine in DuckDB's, where both are sure to mean the same.

A condition that is stored for Spark reads ``"surname_l"`` as a text and not as a column: in the wrong
engine a model gives wrong scores and no error. What only compares columns is translated; functions
differ between engines (a similarity counts bytes or characters, rounds or does not) and are refused.
"""

from __future__ import annotations

from typing import Any

import sqlglot
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

OWN = "duckdb"
_GRAMMAR = {
    "duckdb": "duckdb",
    "spark": "spark",
    "postgres": "postgres",
    "sqlite": "sqlite",
    "athena": "presto",
}
"""Splink's name of an engine → sqlglot's."""

_ALIKE = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Neg),
    *(exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Is, exp.And, exp.Or, exp.Not, exp.Coalesce),
)
"""What means the same in every engine; all else may not."""


class NotExactError(ValueError):
    """SQL of another engine that has no sure counterpart."""


def translated(sql: str, dialect: str) -> str:
    """A condition of ``dialect`` (Splink's name) in DuckDB's SQL. Raises NotExactError where that is not exact."""
    if dialect == OWN or sql.strip().upper() == "ELSE":
        return sql
    if dialect not in _GRAMMAR:
        raise NotExactError(f"{dialect} is no engine of Splink's")
    try:
        tree = sqlglot.parse_one(sql, dialect=_GRAMMAR[dialect])
    except SqlglotError:
        raise NotExactError("its SQL cannot be read") from None
    for node in tree.walk():
        if not isinstance(node, _ALIKE):
            what = node.name if isinstance(node, exp.Anonymous) else node.key
            raise NotExactError(f"{what.upper()} need not give the same there and in DuckDB")
    return tree.sql(dialect=OWN)


def columns_of(sql: str) -> set[str]:
    """Names of the columns in a condition of DuckDB's, without the tables' names. Raises ValueError."""
    if sql.strip().upper() == "ELSE":
        return set()
    try:
        tree = sqlglot.parse_one(sql, dialect=OWN)
    except SqlglotError:
        raise ValueError("its SQL cannot be read") from None
    inner = {argument.name for function in tree.find_all(exp.Lambda) for argument in function.expressions}
    return {column.name for column in tree.find_all(exp.Column)} - inner


def columns_compared(settings: dict[str, Any]) -> set[str]:
    """The records' columns that the comparisons of settings look at. Raises ValueError."""
    found: set[str] = set()
    for comparison in settings["comparisons"]:
        for level in comparison["comparison_levels"]:
            found |= {c.removesuffix("_l").removesuffix("_r") for c in columns_of(level["sql_condition"])}
            found |= {level["tf_adjustment_column"]} if level.get("tf_adjustment_column") else set()
    return found
