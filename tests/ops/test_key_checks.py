"""A feed in JSON lines has lost a column when rows enough to have it have none; a key is new wherever it stands."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from pipelines.bronze.contract import HEAD_ROWS, inspect
from pipelines.bronze.landing import discover
from pipelines.bronze.rows import arrow_schema, file_task, read_file
from pipelines.config import Project
from pipelines.ops.key_checks import keys_beyond, late_keys, lost_keys
from pipelines.sources import Source

D = date(2026, 7, 10)
WEB = Source.model_validate(
    {
        "source": "web",
        "owner": "web team",
        "channel": "web",
        "feeds": {
            "users": {
                "mode": "append",
                "key": ["id"],
                "target": "bronze_only",
                "columns": {"id": None, "Born": None},
            }
        },
    }
)


def profile(day: int, rows: int, filled: int, column: str = "Born") -> dict[str, Any]:
    return {"business_date": date(2026, 7, day), "column": column, "rows": rows, "filled": filled}


def lost(*nights: tuple[int, int, int], column: str = "Born") -> list[dict[str, Any]]:
    """The verdicts of the tenth, by (day, rows, rows with a value) of the nights."""
    return lost_keys(Project(), "web/users", [profile(*night, column) for night in nights], D)


def test_a_column_that_no_row_has_and_fifty_should_is_lost() -> None:
    (verdict,) = lost((9, 1_000, 100), (10, 500, 0))
    assert (verdict["gate"], verdict["status"]) == ("lost_columns web/users", "blocked")
    assert verdict["message"].startswith("no row of web/users has Born")


@pytest.mark.parametrize(
    "nights",
    [
        [(9, 1_000, 100), (10, 499, 0)],
        [(9, 1_000, 100), (10, 500, 1)],
        [(9, 1_000, 0), (10, 500, 0)],
        [(10, 500, 0)],
        [(8, 1_000, 100), (9, 500, 0)],
    ],
    ids=[
        "too few rows to tell",
        "one row has it",
        "it never had a value",
        "a first delivery",
        "none tonight",
    ],
)
def test_a_sparse_column_is_not_lost(nights: list[tuple[int, int, int]]) -> None:
    assert lost(*nights) == []


def test_small_deliveries_add_up_and_the_loss_is_told_once() -> None:
    small = [(6, 1_000, 100), (7, 200, 0), (8, 200, 0)]
    assert lost(*small, (10, 99, 0)) == []
    assert lost(*small, (10, 100, 0)) != []
    assert lost(*small, (9, 100, 0), (10, 5_000, 0)) == [], "the night of the ninth was agreed to"


def landed(tmp_path: Path, rows: list[dict[str, str]]) -> tuple[ds.Dataset, str]:
    """The bronze rows of one file, as tasks read it, and its batch."""
    path = tmp_path / str(D) / "web" / "users.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken: 1}\n", encoding="utf-8")
    (file,) = discover(str(tmp_path), {"web": WEB}).files
    head = inspect(file, WEB)
    batches = list(read_file(file_task(head, WEB), head.columns))
    return ds.dataset(pa.Table.from_batches(batches, arrow_schema(head.columns))), file.batch_id


def test_a_key_that_no_row_of_the_head_has_is_told(tmp_path: Path) -> None:
    head = [{"id": f"{n}", "Born": "1980-01-01"} for n in range(HEAD_ROWS)]
    late = [{"id": "a", "nick": "Lola"}, {"ID": "b", "born": "1990-01-01"}, {"id": "c", "api_key": "x" * 40}]
    rows, batch = landed(tmp_path, [*head, *late])
    assert keys_beyond(rows, [batch]) == {"id", "nick"}, "another spelling is taken, a credential not told"
    assert keys_beyond(rows, ["another"]) == set()


def test_keys_that_may_be_values_are_counted_and_not_told() -> None:
    (verdict,) = late_keys(
        Project(), "web/users", {"nick", "", "ana.ruiz@example.com", "Ana Ruiz", "600102030"}
    )
    assert (verdict["gate"], verdict["status"], verdict["value"]) == ("new_columns web/users", "warned", 5)
    assert "bring keys that no column takes: nick and 4 that do not look like names." in verdict["message"]
    assert late_keys(Project(), "web/users", set()) == []
