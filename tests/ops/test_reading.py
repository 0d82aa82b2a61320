"""Released tables: two versions compared, as a repeated run does, and rows on the terminal."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from register_house import ANA, LEO, register

from pipelines.cli import execute
from pipelines.ops.reading import differing_rows
from pipelines.storage import Warehouse


def test_versions_are_compared_by_the_columns_that_both_have(tmp_path: Path) -> None:
    older = pa.table({"id": ["1", "2"], "name": ["ana", "bea"]})
    newer = older.append_column("_standardised_by", pa.array(["p1", "p1"]))
    other = newer.set_column(2, "_standardised_by", pa.array(["p2", "p2"]))
    edited = other.set_column(1, "name", pa.array(["ana", "eva"]))
    for version in (older, newer, other, edited):
        write_deltalake(str(tmp_path / "silver/people"), version, mode="overwrite", schema_mode="merge")
    house = Warehouse(str(tmp_path))
    assert [differing_rows(house, "silver/people", 0, n) for n in range(4)] == [0, 0, 0, 2]
    assert differing_rows(house, "silver/people", 1, 2) == 0


def test_an_id_is_never_cut_however_narrow_the_terminal(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = register(tmp_path_factory.getbasetemp() / "register")
    query = """SELECT customer_id, full_name, emails, '[' || repeat('word ', 30) AS text, customer_id AS once_more
        FROM gold.customers ORDER BY customer_id"""
    assert execute(["sql", query, "--warehouse", root]) == 0
    printed = capsys.readouterr().out
    assert (printed.count(ANA), printed.count(LEO), "…" in printed) == (2, 2, False)
    assert "[word word" in printed
    assert execute(["sql", "SELECT 1 AS n WHERE false", "--warehouse", root]) == 0


def test_show_takes_an_id_in_small_letters(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = register(tmp_path_factory.getbasetemp() / "register")
    assert execute(["show", f" {ANA.lower()}", "--warehouse", root]) == 0
    assert ANA in capsys.readouterr().out
