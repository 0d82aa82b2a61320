"""Two versions of a table compared: what a repeated run finds."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

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
