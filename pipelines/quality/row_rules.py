"""Expectations about single rows, compiled to Spark predicates: what breaks one is quarantined."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from pipelines.column_types import element_of
from pipelines.errors import UsageError
from pipelines.quality.contracts import nearest
from pipelines.silver.row_rules import RowRule
from pipelines.silver.targets import TARGETS

if TYPE_CHECKING:
    from pyspark.sql import Column

    from pipelines.quality.contracts import Contract, Expectation

Keeps = Callable[["Column", str], "Column"]
_LIMITS = ("min_value", "max_value")
_BOUNDS = (*_LIMITS, "strict_min", "strict_max")


def _within(value: Column, kind: str, k: dict[str, Any]) -> Column:
    kept = F.lit(True)
    low, high = k.get("min_value"), k.get("max_value")
    if low is not None:
        least = F.lit(low).cast(kind)
        kept &= value > least if k.get("strict_min") else value >= least
    if high is not None:
        most = F.lit(high).cast(kind)
        kept &= value < most if k.get("strict_max") else value <= most
    return kept


def _one_of(value: Column, kind: str, k: dict[str, Any]) -> Column:
    return value.isin([F.lit(v).cast(kind) for v in k["value_set"]])


def _matches(value: Column, kind: str, k: dict[str, Any]) -> Column:
    return value.cast("string").rlike(k["regex"])


RULES: dict[str, tuple[str, tuple[str, ...], Callable[[Column, str, dict[str, Any]], Column]]] = {
    "expect_column_values_to_not_be_null": ("missing", (), lambda v, t, k: v.isNotNull()),
    "expect_column_values_to_be_in_set": ("not_in_set", ("value_set",), _one_of),
    "expect_column_values_to_not_be_in_set": ("in_set", ("value_set",), lambda v, t, k: ~_one_of(v, t, k)),
    "expect_column_values_to_be_between": ("not_between", _BOUNDS, _within),
    "expect_column_values_to_match_regex": ("no_match", ("regex",), _matches),
    "expect_column_values_to_not_match_regex": ("match", ("regex",), lambda v, t, k: ~_matches(v, t, k)),
    "expect_column_value_lengths_to_be_between": (
        "bad_length",
        _BOUNDS,
        lambda v, t, k: _within(F.length(v), "int", k),
    ),
}
"""Expectation → the head of its code, its keyword arguments, and what it keeps. NULL is kept by all but the first."""


def row_rules(contracts: Iterable[Contract]) -> list[RowRule]:
    """The expectations of severity ``quarantine`` as rules of silver.

    Raises UsageError that names the table, expectation, column or argument that cannot be one.
    """
    return [
        _rule(contract.table, rule)
        for contract in contracts
        for rule in contract.expectations
        if rule.severity == "quarantine"
    ]


def owners_of(contracts: Iterable[Contract]) -> dict[tuple[str, str], str]:
    """Target and reason in silver/quarantine → who answers for its rows, of the rules that name an ``owner`` themselves.

    Rows that the others set aside are the source's owner's.
    """
    return {
        (contract.table.partition("/")[2], f"{RULES[rule.type][0]}_{rule.kwargs.get('column')}"): rule.owner
        for contract in contracts
        for rule in contract.expectations
        if rule.severity == "quarantine" and rule.owner and rule.type in RULES
    }


def _rule(table: str, rule: Expectation) -> RowRule:
    where = f"conf/quality: {table}: {rule.type}"
    layer, _, name = table.partition("/")
    if layer != "silver" or name not in TARGETS:
        known = ", ".join(f"silver/{target}" for target in TARGETS)
        raise UsageError(f"{where}: only rows of {known} can be quarantined; use severity warn or fail.")
    if rule.type not in RULES:
        raise UsageError(f"{where} is no rule about single rows.{nearest(rule.type, RULES)}")
    head, arguments, keeps = RULES[rule.type]
    kwargs = dict(rule.kwargs)
    column = kwargs.pop("column", None)
    columns = TARGETS[name].columns
    if column not in columns:
        raise UsageError(
            f"{where}: {column} is no column that a source's map makes.{nearest(str(column), columns)}"
        )
    unknown = sorted(set(kwargs) - set(arguments))
    if unknown:
        raise UsageError(
            f"{where}: {unknown[0]} cannot be asked of a single row.{nearest(unknown[0], arguments)}"
        )
    needed = [a for a in arguments if a in ("value_set", "regex") and a not in kwargs]
    if needed or (arguments == _BOUNDS and not {"min_value", "max_value"} & set(kwargs)):
        raise UsageError(f"{where} lacks {needed[0] if needed else 'min_value or max_value'}.")
    if "regex" in kwargs:
        _check_regex(where, kwargs["regex"])
    kind = "int" if head == "bad_length" else element_of(columns[column]) or columns[column]
    if "value_set" in kwargs and (not isinstance(kwargs["value_set"], list) or not kwargs["value_set"]):
        raise UsageError(
            f"{where}: value_set of {column} is a list with a value at least, such as [EUR, MXN]."
        )
    for value in (*kwargs.get("value_set", ()), *(kwargs[b] for b in _LIMITS if kwargs.get(b) is not None)):
        if not _is_of(kind, value):
            raise UsageError(f"{where}: {value!r} can be no value of {column}, which is {kind}.")
    return RowRule(name, column, f"{head}_{column}", lambda value, kind: keeps(value, kind, kwargs))


def _is_of(kind: str, value: Any) -> bool:
    """True where a value of conf can be compared with a column of a type."""
    read: dict[str, Callable[[str], object]] = {
        "date": date.fromisoformat,
        "timestamp": datetime.fromisoformat,
        "int": int,
        "bigint": int,
    }
    if kind == "boolean":
        return isinstance(value, bool)
    # YAML reads dates by itself, and a truth is no number.
    if isinstance(value, date):
        return kind in ("date", "timestamp", "string")
    if isinstance(value, bool) or kind == "string":
        return kind == "string" and isinstance(value, str | int | float)
    try:
        read.get(kind, Decimal)(str(value))
    except (ValueError, ArithmeticError):
        return False
    return True


def _check_regex(where: str, regex: str) -> None:
    try:
        re.compile(regex)
    except re.error as error:
        raise UsageError(f"{where}: the regular expression cannot be read: {error}.") from None
    if "(?P" in regex:
        raise UsageError(f"{where}: Spark names a group (?<name>…), and not (?P<name>…).")
