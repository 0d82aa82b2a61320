"""Contracts of published tables, declared in ``conf/quality/*.yml`` and checked by Great Expectations.

Only booleans are asked for: no values are collected, no pages are made, nothing leaves the machine.
Expectations of severity ``quarantine`` are about single rows: see ``quality.row_rules``.
"""

from __future__ import annotations

import difflib
import importlib.util
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.config import Conf, Strict, parse, validate
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.tables import Table


TOLD = 80
"""Characters of an expectation's arguments that a message holds."""
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
        content, node = parse(path.read_text(encoding="utf-8"), name)
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
            columns = () if rule.severity == "quarantine" else _columns(rule)
            for column in columns:
                if column not in tables[contract.table].names:
                    hint = nearest(column, tables[contract.table].names)
                    raise UsageError(f"{where}: {contract.table} has no column {column}.{hint}")


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
    single = [k[name] for name in ("column", "column_A", "column_B") if name in k]
    listed = [c for name in ("column_list", "column_set") for c in k.get(name, ())]
    return [str(column) for column in (*single, *listed)]


def _arguments(rule: Expectation) -> str:
    """What is asked of the columns, for a message: `` (min_value 1, max_value 5)``."""
    columns = ("column", "column_A", "column_B", "column_list", "column_set")
    told = ", ".join(f"{name} {value}" for name, value in rule.kwargs.items() if name not in columns)
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
    for contract, rules, implemented in wanted:
        # What raised comes first among the results: each says which it is of.
        for number, one in enumerate(implemented):
            one.meta = {NUMBER: number}
        suite = gx.ExpectationSuite(name=contract.table.replace("/", "_"), expectations=implemented)
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
    asked = f"{rule.type} on {columns}{_arguments(rule)}"
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
