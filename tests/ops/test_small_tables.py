"""Tables of the operation are read once, and what other writers made of them meanwhile is seen all the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.ops.tables import LOCK
from pipelines.storage import Warehouse
from pipelines.stored import StoredTables


@pytest.fixture
def house(tmp_path: Path) -> Warehouse:
    return Warehouse(str(tmp_path / "warehouse"))


def row(owner: str) -> dict[str, Any]:
    none = dict.fromkeys(column.name for column in LOCK.columns)
    return {**none, "owner": owner, "heartbeat_at": datetime(2026, 7, 1, tzinfo=UTC)}


def owners(house: Warehouse) -> set[str]:
    content = house.arrow(LOCK.path)
    assert content is not None
    return set(content["owner"].to_pylist())


def test_what_nobody_wrote_to_is_read_once(house: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    read, whole = [], StoredTables.rows_of

    def counted(self: StoredTables, path: str, table: DeltaTable) -> pa.Table:
        read.append(path)
        return whole(self, path, table)

    monkeypatch.setattr(StoredTables, "rows_of", counted)
    house.append_rows(LOCK, [row("ana")])
    assert owners(house) == owners(house) == {"ana"}
    assert len(read) == 1
    Warehouse(house.root).append_rows(LOCK, [row("eva")])
    assert owners(house) == {"ana", "eva"}
    assert len(read) == 2


def test_a_commit_that_was_lost_and_written_anew_is_seen_under_its_number(house: Warehouse) -> None:
    house.append_rows(LOCK, [row("ana")])
    house.append_rows(LOCK, [row("lost")])
    assert owners(house) == {"ana", "lost"}
    newest = house.version(LOCK.path)
    Path(house.uri(LOCK.path), "_delta_log", f"{newest:020d}.json").unlink()
    Warehouse(house.root).append_rows(LOCK, [row("anew")])
    assert house.version(LOCK.path) == newest
    assert owners(house) == {"ana", "anew"}


def test_columns_that_older_files_lack_are_null(house: Warehouse) -> None:
    house.append_rows(LOCK, [row("ana")])
    more = pa.Table.from_pylist([row("eva")], schema=LOCK.arrow).append_column("more", pa.array(["x"]))
    write_deltalake(house.uri(LOCK.path), more, mode="append", schema_mode="merge")
    content = house.arrow(LOCK.path)
    assert content is not None
    assert {r["owner"]: r["more"] for r in content.to_pylist()} == {"ana": None, "eva": "x"}


def test_a_table_with_parts_by_value_keeps_their_values(house: Warehouse) -> None:
    content = pa.table({"number": pa.array([1, 2], pa.int64()), "kind": ["x", "y"]})
    write_deltalake(house.uri("ops/foreign"), content, partition_by=["kind"])
    found = house.arrow("ops/foreign")
    assert found is not None
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == [(1, "x"), (2, "y")]
