"""Contracts of published tables, declared in ``conf/quality/*.yml`` and checked by Great Expectations.

Only booleans are asked for: no values are collected, no pages are made, nothing leaves the machine.
Expectations of severity ``quarantine`` are about single rows: see ``quality.row_rules``.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.config import Conf, Strict, text_of, validate
from pipelines.config_yaml import parse
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.tables import Table


TOLD = 80
"""Characters of an expectation's arguments that a message holds."""
_SINGLE, _LISTED = ("column", "column_A", "column_B"), ("column_list", "column_set")
"""Arguments that name a column, and several."""
NUMBER = "rule"
"""Key under which an expectation carries its place in its contract."""


class Expectation(Strict):
    """One expectation by its name in Great Expectations."""

    type: str = Field(pattern=r"^expect_[a-z_]+$")
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Literal["warn", "fail", "quarantine"] = Field(
        "warn", description="quarantine: about single rows of silver; a row that breaks it is set aside."
    )
    owner: str | None = Field(
        default=None,
        description="Who answers for it; none: the contract's owner, of quarantined rows the source's.",
    )


class Contract(Strict):
    """What one published table promises."""

    table: str = Field(pattern=r"^[a-z]+/[a-z_]+$")
    expectations: tuple[Expectation, ...]
    owner: str | None = Field(default=None, description="Who answers for it; none: the file's owner.")


class Contracts(Strict):
    """A file of contracts."""

    owner: str
    contracts: tuple[Contract, ...]


def load_contracts(conf: Conf) -> list[Contract]:
    """Every contract of ``conf/quality``. Raises UsageError with file, line and key."""
    found: list[Contract] = []
    for path in conf.files("quality"):
        name = f"conf/quality/{path.name}"
        content, node = parse(text_of(path, name), name)
        file = validate(Contracts, content, node, name)
        found += [c.model_copy(update={"owner": c.owner or file.owner}) for c in file.contracts]
    return found


@cache
def expectations() -> tuple[str, ...]:
    """The names that Great Expectations knows; read from its folder, because importing it takes seconds."""
    spec = importlib.util.find_spec("great_expectations")
    assert spec is not None
    assert spec.origin is not None
    core = Path(spec.origin).parent / "expectations" / "core"
    return tuple(sorted(path.stem for path in core.glob("expect_*.py")))


def nearest(name: str, known: Iterable[str]) -> str:
    """`` Did you mean …?``, or what there is."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f" Did you mean {near[0]}?"
    return f" There are: {', '.join(names)}." if 0 < len(names) <= 12 else ""


def check_known(contracts: Iterable[Contract], tables: Mapping[str, Table]) -> None:
    """Raises UsageError for a table, column or expectation that does not exist, before a night begins."""
    for contract in contracts:
        if contract.table not in tables:
            raise UsageError(
                f"conf/quality: {contract.table} is not a published table.{nearest(contract.table, tables)}"
            )
        for rule in contract.expectations:
            where = f"conf/quality: {contract.table}: {rule.type}"
            if rule.type not in expectations():
                raise UsageError(f"{where} is no expectation.{nearest(rule.type, expectations())}")
            _check_named(where, rule)
            if rule.severity != "quarantine":
                _check_columns(where, rule, tables[contract.table])


def _check_named(where: str, rule: Expectation) -> None:
    """Raises UsageError where what should name columns does not."""
    for name in _SINGLE:
        if not isinstance(rule.kwargs.get(name, ""), str):
            raise UsageError(f"{where}: {name} is the name of one column.")
    for name in _LISTED:
        listed = rule.kwargs.get(name, [])
        if not isinstance(listed, list) or not all(isinstance(column, str) for column in listed):
            raise UsageError(f"{where}: {name} is a list of columns, such as [customer_id, as_of].")


def _check_columns(where: str, rule: Expectation, table: Table) -> None:
    """Raises UsageError for a column that the table lacks, or a value that YAML took for another than its text."""
    for name in _columns(rule):
        if name not in table.names:
            raise UsageError(f"{where}: {table.path} has no column {name}.{nearest(name, table.names)}")
    column, values = rule.kwargs.get("column"), rule.kwargs.get("value_set")
    if isinstance(column, str) and isinstance(values, list):
        for value in values:
            check_text(where, table.column(column).type, value)


def check_text(where: str, kind: str, value: object) -> None:
    """Raises UsageError for a truth or a number where a column is text: YAML reads NO as false and 012 as 10."""
    if kind == "string" and isinstance(value, bool | int | float):
        raise UsageError(
            f'{where}: {value!r} is no text, as the column is: write it in quotes ("NO", "012"), which YAML else reads as '
            "a truth or a number."
        )


def check_regexes(contracts: Iterable[Contract], spark: SparkSession) -> None:
    """Raises UsageError for a regular expression that Java, by which Spark matches, does not read."""
    for contract in contracts:
        for rule in contract.expectations:
            many = rule.kwargs.get("regex_list", ())
            for regex in (rule.kwargs.get("regex"), *(many if isinstance(many, list) else ())):
                if isinstance(regex, str):
                    _compile(spark, f"conf/quality: {contract.table}: {rule.type}", regex)


def _compile(spark: SparkSession, where: str, regex: str) -> None:
    from pyspark.errors import IllegalArgumentException

    jvm = spark.sparkContext._jvm
    assert jvm is not None
    try:
        jvm.java.util.regex.Pattern.compile(regex)
    except IllegalArgumentException as error:
        why = str(error).partition("\n")[0]
        hint = " Java names a group (?<name>…)." if "(?P" in regex else ""
        raise UsageError(f"{where}: the regular expression {regex} cannot be read: {why}.{hint}") from None


def check_conditions(contracts: Iterable[Contract], tables: Mapping[str, Table], spark: SparkSession) -> None:
    """Raises UsageError for a row_condition that Spark does not take of the table as it is declared."""
    for contract in contracts:
        for rule in _about_tables(contract):
            if rule.kwargs.get("row_condition") is not None:
                _ask(contract, rule, spark.createDataFrame([], tables[contract.table].schema))


def _ask(contract: Contract, rule: Expectation, empty: DataFrame) -> None:
    condition = _implemented(contract, rule).row_condition
    from great_expectations.exceptions import GreatExpectationsError
    from great_expectations.execution_engine import SparkDFExecutionEngine
    from pyspark.errors import AnalysisException

    engine = SparkDFExecutionEngine(batch_data_dict={"empty": empty}, persist=False)
    try:
        engine.get_domain_records({"row_condition": condition, "batch_id": "empty"})
    except (AnalysisException, GreatExpectationsError) as error:
        why = re.sub(r"^\[[A-Z_.]+\] ", "", str(error).strip().partition("\n")[0]).partition(" SQLSTATE")[0]
        raise UsageError(
            f"conf/quality: {contract.table}: {rule.type}: row_condition {rule.kwargs['row_condition']!r} cannot be asked "
            f"of {contract.table}: {why.rstrip('.')}."
        ) from None


def check_arguments(contracts: Iterable[Contract]) -> None:
    """Raises UsageError for an expectation whose arguments Great Expectations does not take.

    Importing it takes seconds: for who is about to run a night, which needs it anyway.
    """
    for contract in contracts:
        for rule in _about_tables(contract):
            _implemented(contract, rule)


def _about_tables(contract: Contract) -> list[Expectation]:
    return [rule for rule in contract.expectations if rule.severity != "quarantine"]


def _implemented(contract: Contract, rule: Expectation) -> Any:
    """The expectation as Great Expectations has it."""
    # Not a default that the environment may change: nothing about a night is anybody else's.
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    from great_expectations.expectations.registry import get_expectation_impl

    kind = get_expectation_impl(rule.type)
    try:
        return kind(**rule.kwargs)
    except Exception as error:
        where = f"conf/quality: {contract.table}: {rule.type}"
        problem = next(iter(getattr(error, "errors", list)()), None)
        if problem is None:
            raise UsageError(f"{where}: its arguments are not taken ({type(error).__name__}).") from None
        name = str(problem["loc"][0])
        if name == "__root__":
            raise UsageError(f"{where}: {problem['msg']}.") from None
        hint = "" if name in kind.__fields__ else nearest(name, kind.__fields__)
        raise UsageError(f"{where}: {name}: {problem['msg']}.{hint}") from None


def _columns(rule: Expectation) -> list[str]:
    """The columns that an expectation names."""
    k = rule.kwargs
    single = [k[name] for name in _SINGLE if name in k]
    return [*single, *(column for name in _LISTED for column in k.get(name, ()))]


def _arguments(rule: Expectation) -> str:
    """What is asked of the columns, for a message: `` (min_value 1, max_value 5)``."""
    told = ", ".join(
        f"{name} {value}" for name, value in rule.kwargs.items() if name not in (*_SINGLE, *_LISTED)
    )
    return f" ({told if len(told) <= TOLD else told[:TOLD] + ' …'})" if told else ""


def check_contracts(
    contracts: Sequence[Contract], frame_of: Callable[[str], DataFrame]
) -> list[dict[str, Any]]:
    """Verdicts of all contracts as rows of ops/gates (gate, status, severity, value, bound, message).

    What cannot be computed counts as broken. Raises UsageError as ``check_arguments`` does.
    """
    wanted = [
        (c, rules, [_implemented(c, r) for r in rules]) for c in contracts if (rules := _about_tables(c))
    ]
    if not wanted:
        return []
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    spark = context.data_sources.add_or_update_spark("spark", persist=False)
    verdicts: list[dict[str, Any]] = []
    for place, (contract, rules, implemented) in enumerate(wanted):
        # What raised comes first among the results: each says which it is of.
        for number, one in enumerate(implemented):
            one.meta = {NUMBER: number}
        # A project may promise more of a table that another file speaks of.
        name = f"{contract.table.replace('/', '_')}_{place}"
        suite = gx.ExpectationSuite(name=name, expectations=implemented)
        asset = spark.add_dataframe_asset(name=suite.name)
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(
            {"dataframe": frame_of(contract.table)}
        )
        result = batch.validate(suite, result_format="BOOLEAN_ONLY")
        outcomes = {outcome.expectation_config.meta[NUMBER]: outcome for outcome in result.results}
        verdicts += [_verdict(contract, rule, outcomes[number]) for number, rule in enumerate(rules)]
    return _named_apart(verdicts)


def _named_apart(verdicts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The verdicts, those of a name that an earlier one has numbered from 2 on: approvals and issues go by name."""
    seen: Counter[str] = Counter()
    found = []
    for row in verdicts:
        name = row["gate"]
        seen[name] += 1
        found.append(row if seen[name] == 1 else {**row, "gate": f"{name} ({seen[name]})"})
    return found


def _verdict(contract: Contract, rule: Expectation, outcome: Any) -> dict[str, Any]:
    table = contract.table
    info = outcome.exception_info or {}
    is_computed = info.get("raised_exception") is False
    columns = ", ".join(_columns(rule))
    kept = is_computed and bool(outcome.success)
    asked = f"{rule.type}{f' on {columns}' if columns else ''}{_arguments(rule)}"
    broken = f"{table} breaks {asked}: correct the data, or the promise in conf/quality."
    if not is_computed:
        broken = (
            f"{table}: {asked} could not be computed: do its arguments in conf/quality fit the "
            "columns' types?"
        )
    return {
        "gate": f"contract {table} {rule.type.removeprefix('expect_')} {columns}".strip(),
        "status": "passed" if kept else {"warn": "warned", "fail": "blocked"}[rule.severity],
        "severity": rule.severity,
        "value": 1.0 if kept else 0.0,
        "bound": None,
        "message": "kept" if kept else broken,
        "owner": rule.owner or contract.owner,
    }
