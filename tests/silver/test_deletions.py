"""What a night deletes is told by its own rows where they name it, and by all rows where they may not."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
import pytest
from silver_box import CRM, bronze

from pipelines.bronze.batches import BATCHES
from pipelines.bronze.tables import bronze_table
from pipelines.config import Project
from pipelines.ops import deletion_checks
from pipelines.ops.deletion_checks import deletions
from pipelines.renames import DECLARED
from pipelines.silver.deletions import names_what_it_deletes
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.stages import Inputs

FEEDS = {("crm", "contacts"): bronze_table(CRM, "contacts")}
FOUR_LIVE = """
| date | op | id | name |
| 1    |    | A  | a    |
| 1    |    | B  | b    |
| 1    |    | C  | c    |
| 1    |    | D  | d    |
"""


def outcome_counts(current: int, **others: int) -> pa.Table:
    """Of crm/contacts, and of the feed ``cards`` of ``others``."""
    said = {
        "business_date": date(2026, 7, 1),
        "superseded": 0,
        "deleted": 0,
        "duplicate": 0,
        "quarantined": 0,
    }
    feeds = [("crm", "contacts", current), *((name, "cards", rows) for name, rows in others.items())]
    rows = [
        {**said, "source": source, "feed": feed, "bronze_rows": rows, "current": rows}
        for source, feed, rows in feeds
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(OUTCOME_COUNTS))


def tonight(
    spark: SparkSession, rows: DataFrame, *, most: float, full: bool = False, before: pa.Table | None = None
) -> Inputs:
    """The second night's inputs, whose file is the second day's; ``full``: it is a full snapshot."""
    found = rows.select("_batch_id", "_file", "_ingested_at").distinct().collect()
    batches = [
        {
            "batch_id": row["_batch_id"],
            "source": "crm",
            "feed": "contacts",
            "file": row["_file"],
            "digest": "0",
            "landing_date": date.fromisoformat(row["_batch_id"][:10]),
            "business_date": date.fromisoformat(row["_batch_id"][:10]),
            "is_late": False,
            "is_snapshot": full or row["_batch_id"] < "2026-07-02",
            "ingested_at": row["_ingested_at"],
            "status": "landed",
        }
        for row in found
    ]
    known = pa.Table.from_pylist(batches, schema=arrow_schema(BATCHES))
    frames = {
        FEEDS["crm", "contacts"].path: rows,
        BATCHES.path: spark.createDataFrame(known.to_pylist(), BATCHES.schema),
    }
    new = [row for row in batches if row["landing_date"] == date(2026, 7, 2)]
    made = SimpleNamespace(
        settings=SimpleNamespace(
            sources={"crm": CRM},
            renames=pa.Table.from_pylist([], schema=DECLARED),
            project=Project(max_deleted_share=most),
        ),
        night=SimpleNamespace(
            business_date=date(2026, 7, 2),
            base_date=date(2026, 7, 1),
            is_same_program=True,
            is_full=False,
            files=[SimpleNamespace(source="crm", feed="contacts", batch_id=row["batch_id"]) for row in new],
        ),
        arrow=lambda table: known if table.path == BATCHES.path else None,
        previous_arrow=lambda table: before if table.path == OUTCOME_COUNTS.path else None,
        exists=lambda table: table.path in frames,
        frame=lambda table: frames[table.path],
    )
    return cast("Inputs", made)


def judged(inputs: Inputs) -> list[tuple[str, float]]:
    return [(row["status"], row["value"]) for row in deletions(FEEDS)(inputs)]


def test_few_rows_that_delete_are_enough_to_know(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion_checks, "deleted_share", None)
    rows = bronze(spark, FOUR_LIVE + "| 2 | D | A | |\n| 2 | U | B | bb |\n")
    night = tonight(spark, rows, most=0.6, before=outcome_counts(4))
    assert judged(night) == [("passed", 0.25)]


def test_a_night_that_deletes_too_many_stops(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | D | A | |\n| 2 | D | B | |\n")
    night = tonight(spark, rows, most=0.3, before=outcome_counts(4))
    assert judged(night) == [("blocked", 0.5)]


def test_a_night_that_deletes_many_is_warned_of(spark: SparkSession) -> None:
    live = "".join(f"| 1 | | P{n} | a |\n" for n in range(120))
    deleted = "".join(f"| 2 | D | P{n} | |\n" for n in range(4))
    rows = bronze(spark, f"| date | op | id | name |\n{live}{deleted}")
    (row,) = deletions(FEEDS)(tonight(spark, rows, most=0.05, before=outcome_counts(120)))
    assert (row["status"], row["value"]) == ("warned", 4 / 120)
    assert row["message"].endswith("of crm/contacts: is the file whole? Above 5.0% the night stops.")


def test_rows_that_delete_who_is_not_there_stop_nothing(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | D | X | |\n| 2 | D | Y | |\n| 2 | D | A | |\n")
    night = tonight(spark, rows, most=0.3, before=outcome_counts(4))
    assert judged(night) == [("passed", 0.25)]


def test_whom_a_full_snapshot_leaves_out_is_counted(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | | A | a |\n")
    night = tonight(spark, rows, most=0.3, full=True, before=outcome_counts(4))
    assert judged(night) == [("blocked", 0.75)]


def test_without_counts_of_the_night_before_all_rows_are_looked_at(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | D | A | |\n")
    assert judged(tonight(spark, rows, most=0.3)) == [("passed", 0.25)]


def test_by_another_program_others_were_live_and_all_rows_are_looked_at(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | D | A | |\n| 2 | D | B | |\n")
    night: Any = tonight(spark, rows, most=0.3, before=outcome_counts(400))
    night.night.is_same_program = False
    assert judged(night) == [("blocked", 0.5)]


def test_the_correction_of_a_file_whose_rows_stand_for_themselves_deletes_without_saying_so() -> None:
    feed = CRM.feeds["contacts"].model_copy(update={"mode": "delta", "key": ("_file", "_row")})
    first, second = ({"batch_id": name, "file": "a.csv", "is_snapshot": False} for name in ("1", "2"))
    assert names_what_it_deletes(feed, ["1"], pa.Table.from_pylist([first]))
    assert not names_what_it_deletes(feed, ["2"], pa.Table.from_pylist([first, second]))
    by_id = feed.model_copy(update={"key": ("id",)})
    assert names_what_it_deletes(by_id, ["2"], pa.Table.from_pylist([first, second]))


def test_a_first_night_deletes_nobody(spark: SparkSession) -> None:
    night: Any = tonight(spark, bronze(spark, FOUR_LIVE), most=0.3)
    night.night.base_date = None
    assert judged(night) == []


def test_a_feed_that_conf_declares_no_more_takes_nobody_along_unasked(spark: SparkSession) -> None:
    rows = bronze(spark, FOUR_LIVE + "| 2 | U | B | bb |\n")
    inputs = tonight(spark, rows, most=0.5, before=outcome_counts(4, pos=1_200, web=0))
    _, gone = deletions(FEEDS)(inputs)
    assert (gone["gate"], gone["status"], gone["value"]) == ("deleted_share pos/cards", "blocked", 1.0)
    assert "its 1,200 rows would leave silver" in gone["message"]
    assert "conf/renames.yml" in gone["message"]
