"""Contracts of published tables, declared in ``conf/quality/*.yml`` and checked by Great Expectations.

Only booleans are asked for: no values are collected, no pages are made, nothing leaves the machine.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from pipelines.config import Conf, Strict, parse, validate
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Expectation(Strict):
    """One expectation by its name in Great Expectations."""

    type: str = Field(pattern=r"^expect_[a-z_]+$")
    kwargs: dict[str, Any] = Field(default_factory=dict)
    severity: Literal["warn", "block"] = "warn"


class Contract(Strict):
    """What one published table promises."""

    table: str = Field(pattern=r"^[a-z]+/[a-z_]+$")
    expectations: tuple[Expectation, ...]


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
        found.extend(validate(Contracts, content, node, name).contracts)
    return found


def check_contracts(
    contracts: Sequence[Contract], frame_of: Callable[[str], DataFrame]
) -> list[dict[str, Any]]:
    """Verdicts of all contracts as rows of ops/gates (gate, status, severity, value, bound, message).

    Raises UsageError for an expectation that Great Expectations does not know or cannot compute.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    import great_expectations as gx
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    spark = context.data_sources.add_or_update_spark("spark", persist=False)
    verdicts: list[dict[str, Any]] = []
    for contract in contracts:
        suite = gx.ExpectationSuite(name=contract.table.replace("/", "_"))
        for rule in contract.expectations:
            try:
                suite.add_expectation(get_expectation_impl(rule.type)(**rule.kwargs))
            except Exception as error:
                raise UsageError(
                    f"conf/quality: {contract.table}: {rule.type}: {type(error).__name__}."
                ) from None
        asset = spark.add_dataframe_asset(name=suite.name)
        batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(
            {"dataframe": frame_of(contract.table)}
        )
        result = batch.validate(suite, result_format="BOOLEAN_ONLY")
        for rule, outcome in zip(contract.expectations, result.results, strict=True):
            verdicts.append(_verdict(contract.table, rule, outcome))
    return verdicts


def _verdict(table: str, rule: Expectation, outcome: Any) -> dict[str, Any]:
    info = outcome.exception_info or {}
    errored = "raised_exception" not in info or info["raised_exception"]
    if errored:
        raise UsageError(f"conf/quality: {table}: {rule.type} could not be computed: check its columns.")
    columns = rule.kwargs.get("column") or ", ".join(rule.kwargs.get("column_list", []))
    kept = bool(outcome.success)
    return {
        "gate": f"contract {table} {rule.type.removeprefix('expect_')} {columns}".strip(),
        "status": "passed" if kept else {"warn": "warned", "block": "blocked"}[rule.severity],
        "severity": rule.severity,
        "value": 1.0 if kept else 0.0,
        "bound": None,
        "message": "kept" if kept else f"{table} breaks {rule.type} on {columns}",
    }
