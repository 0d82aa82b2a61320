"""Expectations about single rows, compiled to Spark predicates: what breaks one is quarantined."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from pipelines.column_types import element_of
from pipelines.errors import UsageError
from pipelines.quality.contracts import check_text, nearest
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
    if not isinstance(column, str) or column not in columns:
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
    if not isinstance(kwargs.get("regex", ""), str):
        raise UsageError(f"{where}: regex is a text in quotes.")
    kind = "int" if head == "bad_length" else element_of(columns[column]) or columns[column]
    if "value_set" in kwargs and (not isinstance(kwargs["value_set"], list) or not kwargs["value_set"]):
        raise UsageError(
            f"{where}: value_set of {column} is a list with a value at least, such as [EUR, MXN]."
        )
    for value in kwargs.get("value_set", ()):
        check_text(where, kind, value)
    limits = [kwargs[b] for b in _LIMITS if kwargs.get(b) is not None]
    for value in (*kwargs.get("value_set", ()), *limits):
        if not _is_of(kind, value):
            raise UsageError(f"{where}: {value!r} can be no value of {column}, which is {kind}.")
    _check_limits(where, kind, kwargs)
    return RowRule(name, column, f"{head}_{column}", lambda value, kind: keeps(value, kind, kwargs))


def _check_limits(where: str, kind: str, kwargs: dict[str, Any]) -> None:
    """Raises UsageError for bounds between which nothing lies, and for a strictness that is neither true nor false."""
    for name in ("strict_min", "strict_max"):
        if not isinstance(kwargs.get(name, False), bool):
            raise UsageError(f"{where}: {name} is true or false.")
    low, high = (kwargs.get(name) for name in _LIMITS)
    if low is not None and high is not None and _comparable(kind, low) > _comparable(kind, high):
        raise UsageError(f"{where}: min_value {low} is above max_value {high}.")


_DAY = r"\d{4}-\d\d-\d\d"
_WRITTEN = {
    "date": _DAY,
    "timestamp": rf"{_DAY}(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d{{1,6}})?)?(?:Z|[+-]\d\d:\d\d)?)?",
    "int": r"[+-]?\d+",
    "bigint": r"[+-]?\d+",
}
"""How Spark reads a value of a type; of the others a decimal number."""
_LARGEST = {"int": 2**31 - 1, "bigint": 2**63 - 1}
_DECIMAL = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"


def _read(kind: str, value: Any) -> Any:
    """A value of conf as one of the type. Raises ValueError or ArithmeticError where it is none."""
    text = str(value)
    if not re.fullmatch(_WRITTEN.get(kind, _DECIMAL), text, re.ASCII):
        raise ValueError(text)
    if kind in ("date", "timestamp"):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    number = Decimal(text)
    if abs(number) > _LARGEST.get(kind, abs(number)):
        raise ValueError(text)
    if sizes := re.fullmatch(r"decimal\((\d+),(\d+)\)", kind):
        digits, places = map(int, sizes.groups())
        if abs(number) >= Decimal(10) ** (digits - places):
            raise ValueError(text)
    return number


def _comparable(kind: str, value: Any) -> Any:
    """A value that ``_is_of`` a type, in the order of the type's values."""
    return str(value) if kind in ("string", "boolean") else _read(kind, value)


def _is_of(kind: str, value: Any) -> bool:
    """True where a value of conf can be compared with a column of a type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, datetime) and kind == "date":
        return False
    # YAML reads dates by itself, and a truth is no number.
    if isinstance(value, date):
        return kind in ("date", "timestamp", "string")
    if isinstance(value, bool) or kind == "string":
        return kind == "string" and isinstance(value, str)
    try:
        _read(kind, value)
    except (ValueError, ArithmeticError):
        return False
    return True
