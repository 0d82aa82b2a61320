"""What the records look like before anything is trained: how full fields are, and what rules would compare.

For who names the fields and fixes blocking by hand. Splink's charts of values show the most common
values themselves: they are personal data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import duckdb
import pyarrow as pa
from splink import DuckDBAPI
from splink.exploratory import profile_columns

from pipelines.errors import UsageError
from pipelines.linkage.blocking_choice import measured
from pipelines.linkage.blocking_report import BlockingReport
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.config import ADDRESS, Linkage
from pipelines.linkage.engine import engine, quiet_splink, role_type
from pipelines.linkage.generations import Model
from pipelines.linkage.generic_values import carriers_query, find_generic, use_generic
from pipelines.linkage.records import load, prepare
from pipelines.linkage.splink_counts import splink_counts
from pipelines.linkage.training_run import chart_of

Json = dict[str, Any]


@dataclass(frozen=True)
class FieldProfile:
    """One role's values over all records, as received but for blanks."""

    role: str
    column: str
    known: float
    """Share of records that have a value."""
    values: int
    """Different values."""
    largest: float
    """Share of the known records that have the most common value."""
    pairs: int
    """Pairs of records that share a value: what blocking by it alone would compare."""
    generic: int
    """Values that too many names share to be evidence; of the street also addresses."""


@dataclass(frozen=True)
class RuleCount:
    """What one blocking rule compares, as Splink counts it: blocks whole, however large."""

    rule: str
    comparisons: int
    """That no rule before it makes."""
    together: int
    """Of this rule and those before it."""
    per_record: float
    """``together``, a record."""


def profile(records: pa.Table, conf: Linkage) -> list[FieldProfile]:
    """A line a role of ``conf.fields``, in its order; ``records`` as of ``read_records``.

    Raises UsageError where a column is missing or a key stands twice.
    """
    with engine(conf) as connection:
        load(connection, records, conf)
        counted = find_generic(connection, conf)["field"].to_pylist()
        counted = ["street" if field == ADDRESS else field for field in counted]
        return [
            _profile(connection, role, column, records.num_rows, counted.count(role))
            for role, column in conf.fields.items()
        ]


def _profile(
    connection: duckdb.DuckDBPyConnection, role: str, column: str, records: int, generic: int
) -> FieldProfile:
    known, values, largest, pairs = connection.execute(
        f"""WITH carried AS ({carriers_query(role)})
        SELECT (SELECT count(DISTINCT node) FROM carried), count(*), coalesce(max(n), 0),
            CAST(coalesce(sum(n * (n - 1) / 2), 0) AS BIGINT)
        FROM (SELECT count(DISTINCT node) AS n FROM carried GROUP BY value)"""
    ).fetchall()[0]
    return FieldProfile(
        role, column, known / max(records, 1), values, largest / max(known, 1), pairs, generic
    )


@contextmanager
def _people(
    records: pa.Table, conf: Linkage, party_type: str
) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
    """Table ``people`` of one party type without generic values, and how many they are."""
    with engine(conf) as connection:
        load(connection, records, conf)
        use_generic(connection, find_generic(connection, conf))
        yield connection, prepare(connection, party_type)


def values_chart(
    records: pa.Table, conf: Linkage, roles: Sequence[str], party_type: str = "person"
) -> Json | None:
    """Splink's chart of how the values of ``roles`` are distributed, as Vega-Lite.

    It names the most and least common values: personal data. Lists of values have no chart. None where
    there is nothing to draw. Raises UsageError for a role without a column.
    """
    unknown = sorted(set(roles) - set(conf.fields))
    listed = sorted(role for role in roles if pa.types.is_list(role_type(role)))
    if unknown or listed:
        why = f"{', '.join(unknown)} has no column in fields" if unknown else f"{', '.join(listed)} is a list"
        raise UsageError(f"no chart of values: {why}.")
    quiet_splink()
    with _people(records, conf, party_type) as (connection, _):
        people = DuckDBAPI(connection).register("people", table_name="profiled_people")
        return chart_of(lambda: profile_columns(people, list(roles)))


def count_comparisons(
    records: pa.Table, conf: Linkage, rules: Sequence[Rule], party_type: str = "person"
) -> list[RuleCount]:
    """Splink's count of the comparisons of each rule after those before it.

    Splink does not subdivide large blocks: where padron compares fewer, its cap holds. Counted as
    ``splink_counts`` does.
    """
    with _people(records, conf, party_type) as (connection, people):
        counts = splink_counts(connection, rules).comparisons
    together = accumulate(counts)
    return [
        RuleCount(rule.name, count, so_far, so_far / max(people, 1))
        for rule, count, so_far in zip(rules, counts, together, strict=True)
    ]


def measure_rules(
    records: pa.Table, conf: Linkage, rules: Sequence[Rule], model: Model, party_type: str = "person"
) -> BlockingReport | None:
    """What ``rules`` would cost and bring in place of the model's own, judged by ``model``.

    None where there is no pair to compare.
    """
    with _people(records, conf, party_type) as (connection, _):
        return measured(connection, party_type, model, tuple(rules), conf)
