"""A blocking rule in SQL is counted before it runs."""

from __future__ import annotations

import contextlib

import duckdb
import pytest

from pipelines.errors import UsageError
from pipelines.linkage.blocking_rules import by_condition
from pipelines.linkage.conditions import check_affordable
from pipelines.linkage.config import Blocking


@pytest.mark.parametrize(
    ("columns", "condition", "explode", "pairs"),
    [
        ("'soto' AS a", "l.a = r.a AND l.node <> 7", (), "4,498,500"),
        ("'soto' AS a, 'soto' AS b", "l.a = r.b", (), "4,500,000"),
        ("['x', range::VARCHAR] AS a", "l.a = r.a", ("a",), "4,498,500"),
        ("range AS a", "l.a <= r.a OR l.a IS NULL", (), "4,498,500"),
        ("range AS a", "l.a = r.a", (), None),
        ("range AS a, NULL::INTEGER AS b", "l.b = r.a", (), None),
    ],
)
def test_a_condition_joins_the_pairs_that_agree_on_what_it_wants_equal(
    columns: str, condition: str, explode: tuple[str, ...], pairs: str | None
) -> None:
    connection = duckdb.connect()
    connection.execute(f"CREATE TABLE people AS SELECT range AS node, {columns} FROM range(3000)")
    rule = by_condition("mine", condition, explode)
    expected = (
        contextlib.nullcontext() if pairs is None else pytest.raises(UsageError, match=f"joins {pairs} ")
    )
    with expected:
        check_affordable(connection, [rule], Blocking(max_comparisons_per_record=1))


def test_of_many_records_a_sample_is_counted() -> None:
    connection = duckdb.connect()
    connection.execute("CREATE TABLE people AS SELECT range AS node, range % 2 AS a FROM range(60000)")
    rule = by_condition("mine", "l.a = r.a")
    with pytest.raises(UsageError, match=r"joins (8[5-9]\d|9[0-4]\d),\d{3},\d{3} pairs of 60,000 records"):
        check_affordable(connection, [rule], Blocking())
