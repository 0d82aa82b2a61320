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

D, BEFORE = date(2026, 7, 10), date(2026, 7, 9)
FEED = ("web", "users")
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


def profile(night: date, column: str, rows: int, filled: int) -> dict[str, Any]:
    return {
        "business_date": night,
        "source": "web",
        "feed": "users",
        "column": column,
        "rows": rows,
        "filled": filled,
        "compared_with": BEFORE if night == D else None,
    }


def lost(*tonight: tuple[str, int, int], before: tuple[int, int] = (1_000, 20)) -> list[dict[str, Any]]:
    last = [profile(BEFORE, column, *before) for column in ("Born", "nick")]
    rows = [*last, *[profile(D, *one) for one in tonight]]
    return lost_keys(Project(), rows, D, {FEED}, {"web": WEB})


def test_a_column_that_no_row_has_and_ten_should_is_lost() -> None:
    (verdict,) = lost(("Born", 500, 0))
    assert (verdict["gate"], verdict["status"]) == ("lost_columns web/users", "blocked")
    assert verdict["message"].startswith("no row of web/users has Born")


@pytest.mark.parametrize(
    ("tonight", "before"),
    [
        (("Born", 499, 0), (1_000, 20)),
        (("Born", 500, 1), (1_000, 20)),
        (("nick", 500, 0), (1_000, 20)),
        (("Born", 500, 0), (1_000, 0)),
    ],
    ids=["too few rows to tell", "one row has it", "nobody declared it", "it never had a value"],
)
def test_a_sparse_column_is_not_lost(tonight: tuple[str, int, int], before: tuple[int, int]) -> None:
    assert lost(tonight, before=before) == []


def test_a_first_delivery_and_one_of_another_night_have_lost_nothing() -> None:
    first = {**profile(D, "Born", 500, 0), "compared_with": None}
    old = profile(BEFORE, "Born", 500, 0)
    assert lost_keys(Project(), [first, old], D, {FEED}, {"web": WEB}) == []


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
    assert keys_beyond(rows, [batch]) == {"nick"}, (
        "another spelling is the same key, and a credential is not told"
    )
    assert keys_beyond(rows, ["another"]) == set()
    (verdict,) = late_keys(Project(), FEED, {"nick"})
    assert (verdict["gate"], verdict["status"], verdict["value"]) == ("new_columns web/users", "warned", 1)
    assert "first 1,000 bring nick: kept in _raw" in verdict["message"]
    assert late_keys(Project(), FEED, set()) == []
