"""Linkage reads the files of a version itself: the columns that it needs, from a disk or from a store."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from linkage_people import population
from pyarrow import fs

from pipelines import files
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import read_records


def test_only_the_needed_columns_are_read(tmp_path: Path) -> None:
    records, _ = population(5, seed=1)
    path = tmp_path / "part.parquet"
    pq.write_table(records.append_column("full_name_raw", pa.nulls(records.num_rows, pa.string())), path)
    read = read_records([str(path)])
    assert read.column_names == records.column_names
    assert read.num_rows == records.num_rows
    assert read_records([]).num_rows == 0
    with pytest.raises(UsageError, match="my_surname"):
        read_records([str(path)], Linkage.model_validate({"fields": {"surname": "my_surname"}}))


def test_files_of_a_store_are_read_as_those_of_a_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, _ = population(5, seed=1)
    half = records.num_rows // 2
    # The first was written when there was no such column yet.
    pq.write_table(records.slice(0, half).drop_columns(["match_postal_code"]), tmp_path / "a.parquet")
    pq.write_table(records.slice(half), tmp_path / "b c.parquet")
    names = ("a.parquet", "b c.parquet")
    near = read_records([str(tmp_path / name) for name in names])
    bucket = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())
    monkeypatch.setattr(files, "_root", lambda root: (bucket, ""))
    far = [f"s3://shop/{name}" for name in names]
    order = [("source", "ascending"), ("record_id", "ascending")]
    assert read_records(far).sort_by(order).equals(near.sort_by(order))
    with pytest.raises(UsageError, match="no column my_surname"):
        read_records(far, Linkage.model_validate({"fields": {"surname": "my_surname"}}))
