"""The gates of a night as data: which is checked when a stage has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pipelines.night import PUBLISHED
from pipelines.night_silver import bronze_tables
from pipelines.ops import checks
from pipelines.ops.event_checks import events, integrity
from pipelines.ops.key_checks import keys_look_right
from pipelines.ops.measure_checks import identity_quality
from pipelines.ops.profile_checks import feeds_look_right
from pipelines.quality.contracts import (
    check_arguments,
    check_conditions,
    check_contracts,
    check_known,
    check_regexes,
)
from pipelines.quality.row_rules import row_rules

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.ops.gates import Verdict
    from pipelines.ops.runner import Gate
    from pipelines.settings import Settings
    from pipelines.sources import Source
    from pipelines.stages import Inputs


def check_contracts_exist(settings: Settings) -> None:
    """Raises UsageError where conf/quality names a table, column or expectation that does not exist."""
    check_known(settings.contracts, PUBLISHED)
    row_rules(settings.contracts)


def check_contracts_can_be_asked(settings: Settings) -> None:
    """Raises UsageError where conf/quality gives an expectation arguments that it does not take; takes seconds."""
    check_arguments(settings.contracts)


def check_contracts_can_be_matched(settings: Settings, spark: SparkSession) -> None:
    """Raises UsageError where a regular expression or a row_condition of conf/quality is none to Spark."""
    check_regexes(settings.contracts, spark)
    check_conditions(settings.contracts, PUBLISHED, spark)


def _contracts(inputs: Inputs) -> list[Verdict]:
    return check_contracts(inputs.settings.contracts, lambda path: inputs.frame(PUBLISHED[path]))


def gates(sources: Mapping[str, Source]) -> dict[str, Gate]:
    """The gate that is checked when a stage has ended, by the stage's name."""
    feeds = bronze_tables(sources)
    conserved = checks.rows_conserved(feeds)
    as_declared = checks.schemas(tuple(PUBLISHED.values()))
    return {
        "bronze.land": checks.landed(feeds),
        "silver.build": lambda inputs: [*conserved(inputs), *events(inputs)],
        "linkage.link": checks.linked,
        "identity.audit": checks.identity_kept,
        "bronze.profile": lambda inputs: [*feeds_look_right(inputs), *keys_look_right(inputs)],
        "gold.reconciliation": checks.money_reconciled,
        "gold.measures": identity_quality,
        "quality.contracts": lambda inputs: [
            *as_declared(inputs),
            *integrity(inputs),
            *_contracts(inputs),
        ],
    }
