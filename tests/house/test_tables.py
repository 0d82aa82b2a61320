"""Every published column is documented; every table can be created."""

from __future__ import annotations

import pytest

from pipelines.config import Conf
from pipelines.night import catalogue
from pipelines.sources import load_sources
from pipelines.tables import Table

TABLES = catalogue(load_sources(Conf()))
DECLARED = [t for t in TABLES if t.layer != "bronze"]


@pytest.mark.parametrize("table", DECLARED, ids=lambda t: t.path)
def test_every_column_says_what_it_means(table: Table) -> None:
    assert table.grain.endswith(".")
    for column in table.columns:
        assert column.meaning.endswith("."), f"{table.path}.{column.name}"
    assert set(table.key) <= set(table.names)


@pytest.mark.parametrize("table", [t for t in TABLES if t.layer == "gold"], ids=lambda t: t.path)
def test_every_gold_number_has_a_unit_or_a_formula(table: Table) -> None:
    numeric = ("double", "decimal", "bigint", "int")
    bare = [
        c.name for c in table.columns if c.type.startswith(numeric) and c.unit is None and c.formula is None
    ]
    assert bare == []


def test_a_table_stands_once() -> None:
    paths = [t.path for t in TABLES]
    assert len(paths) == len(set(paths))
