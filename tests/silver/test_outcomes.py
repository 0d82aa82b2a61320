"""Every bronze row has exactly one outcome, and the newest usable row of a live key is the current one."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from deliveries import as_text, deliveries, live, live_by_hand
from silver_box import CRM, bronze, told

from pipelines.silver.deletions import deletions_told
from pipelines.silver.outcome_counts import outcome_counts
from pipelines.silver.outcomes import OUTCOMES, classify, deleted_share

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def outcomes(frame: DataFrame, feed: str = "contacts", *more: str) -> list[str]:
    """Lines of: day, file, row, key, outcome, and ``more``."""
    made = classify(frame, CRM, feed).selectExpr(
        "*", "dayofmonth(_landing_date) AS day", "substring_index(_file, '/', -1) AS file"
    )
    return told(made, "day", "file", "_row", "id", "_outcome", *more)


def test_the_newest_row_by_landing_date_is_current_and_a_late_file_falls_into_its_place(
    spark: SparkSession,
) -> None:
    # Day 2 comes last: its update of A and its insert of B are older than what day 3 said.
    late = bronze(
        spark,
        """
        | date | batch | op | id | name    |
        | 1    |       |    | A  | first   |
        | 3    |       | U  | A  | newest  |
        | 3    |       | D  | B  |         |
        | 2    | z     | U  | A  | late    |
        | 2    | z     | I  | B  | late    |
        | 2    | z     | I  | C  | late    |
        """,
    )
    assert outcomes(late) == [
        "1 contacts.csv 2 A superseded",
        "2 contacts.csv 2 A superseded",
        "2 contacts.csv 3 B superseded",
        "2 contacts.csv 4 C current",
        "3 contacts.csv 2 A current",
        "3 contacts.csv 3 B deleted",
    ]


def test_one_delta_can_hold_insert_update_and_delete_of_one_key(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name |
        | 1    | I  | A  | a    |
        | 1    | u  | A  | aa   |
        | 1    | I  | B  | b    |
        | 1    | d  | B  |      |
        | 1    | D  | C  |      |
        | 1    | I  | C  | back |
        """,
        of="crm/changes",
    )
    assert outcomes(frame, "changes") == [
        "1 changes.csv 2 A superseded",
        "1 changes.csv 3 A current",
        "1 changes.csv 4 B superseded",
        "1 changes.csv 5 B deleted",
        "1 changes.csv 6 C superseded",
        "1 changes.csv 7 C current",
    ]


def test_a_key_that_the_newest_snapshot_lacks_is_deleted_and_parts_are_one_snapshot(
    spark: SparkSession,
) -> None:
    frame = bronze(
        spark,
        """
        | date | file           | op | id | name  |
        | 1    | contacts.csv   |    | A  | a     |
        | 1    | contacts.csv   |    | B  | b     |
        | 1    | contacts.csv   |    | C  | c     |
        | 2    | contacts.csv   | I  | D  | d     |
        | 3    | contacts-1.csv |    | A  | a     |
        | 3    | contacts-2.csv |    | C  | c     |
        | 4    | contacts.csv   | I  | B  | again |
        """,
    )
    assert outcomes(frame, "contacts", "_reason") == [
        "1 contacts.csv 2 A superseded -",
        "1 contacts.csv 3 B superseded -",
        "1 contacts.csv 4 C superseded -",
        "2 contacts.csv 2 D deleted missing_from_snapshot",
        "3 contacts-1.csv 2 A current -",
        "3 contacts-2.csv 2 C current -",
        "4 contacts.csv 2 B current -",
    ]


def test_a_corrected_snapshot_replaces_the_former_of_the_same_name_and_date(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | file           | batch | id | name  | op |
        | 1    | contacts-1.csv | a     | A  | wrong |    |
        | 1    | contacts-1.csv | a     | B  | gone  |    |
        | 1    | contacts-2.csv | a     | C  | c     |    |
        | 1    | contacts-1.csv | b     | A  | right |    |
        """,
    )
    assert outcomes(frame, "contacts", "name", "_reason") == [
        "1 contacts-1.csv 2 A current right -",
        "1 contacts-1.csv 2 A superseded wrong corrected_file",
        "1 contacts-1.csv 3 B deleted gone corrected_file",
        "1 contacts-2.csv 2 C current c -",
    ]


def test_a_key_twice_in_a_snapshot_or_the_same_row_sent_twice_is_a_duplicate(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | file           | op | id | name |
        | 1    | contacts.csv   |    | A  | a    |
        | 1    | contacts.csv   |    | A  | aa   |
        | 2    | contacts-1.csv | U  | A  | x    |
        | 2    | contacts-2.csv | U  | A  | x    |
        | 2    | contacts-2.csv | U  | A  | y    |
        """,
    )
    assert outcomes(frame) == [
        "1 contacts.csv 2 A duplicate",
        "1 contacts.csv 3 A superseded",
        "2 contacts-1.csv 2 A duplicate",
        "2 contacts-2.csv 2 A superseded",
        "2 contacts-2.csv 3 A current",
    ]


def test_what_is_not_usable_is_quarantined_and_never_replaces_a_good_row(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name | problem         | raw   |
        | 1    | I  | A  | good |                 |       |
        | 2    | X  | A  | bad  |                 |       |
        | 2    |    | A  | bad  |                 |       |
        | 2    | U  |    | bad  |                 |       |
        | 2    |    |    |      | too_many_fields | U,A,, |
        | 2    | D  |    |      |                 |       |
        """,
        of="crm/changes",
    )
    assert outcomes(frame, "changes", "_reason") == [
        "1 changes.csv 2 A current -",
        "2 changes.csv 2 A quarantined bad_op",
        "2 changes.csv 3 A quarantined bad_op",
        "2 changes.csv 4 - quarantined missing_key",
        "2 changes.csv 5 - quarantined too_many_fields",
        "2 changes.csv 6 - quarantined missing_key",
    ]


def test_a_spoilt_line_of_a_snapshot_deletes_nobody(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name | problem         | raw          |
        | 1    |    | A  | a    |                 |              |
        | 1    |    | B  | b    |                 |              |
        | 2    |    |    |      | too_many_fields | "A" ;x;y;z;; |
        | 2    |    | C  | c    |                 |              |
        """,
    )
    assert outcomes(frame, "contacts") == [
        "1 contacts.csv 2 A current",
        "1 contacts.csv 3 B deleted",
        "2 contacts.csv 2 - quarantined",
        "2 contacts.csv 3 C current",
    ]


def test_a_file_of_which_nothing_can_be_read_is_no_snapshot(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name | problem         | raw |
        | 1    |    | A  | a    |                 |     |
        | 2    |    |    |      | too_many_fields | ;;; |
        """,
    )
    assert outcomes(frame) == ["1 contacts.csv 2 A current", "2 contacts.csv 2 - quarantined"]


def test_bronze_batches_show_snapshots_without_rows_and_rejected_batches(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name  |
        | 1    |    | A  | a     |
        | 2    | I  | B  | taken |
        | 4    | I  | C  | c     |
        """,
    )
    schema = (
        "batch_id string, source string, feed string, file string, ingested_at timestamp, is_snapshot boolean, "
        "status string"
    )

    def batch(day: int, status: str, *, is_snapshot: bool) -> tuple[object, ...]:
        path = f"2026-07-0{day}/crm/contacts.csv"
        name = f"2026-07-0{day}/crm/contacts/aaaaaaaaaaaa/contacts.csv"
        return (name, "crm", "contacts", path, None, is_snapshot, status)

    batches = spark.createDataFrame(
        [
            batch(1, "landed", is_snapshot=True),
            batch(2, "rejected", is_snapshot=False),
            batch(3, "landed", is_snapshot=True),
            batch(4, "landed", is_snapshot=False),
        ],
        schema,
    )
    made = classify(frame, CRM, "contacts", batches=batches)
    assert told(made, "id", "_outcome") == ["A deleted", "C current"]


def test_how_many_live_keys_a_night_deletes(spark: SparkSession) -> None:
    frame = bronze(
        spark,
        """
        | date | op | id | name |
        | 1    |    | A  | a    |
        | 1    |    | B  | b    |
        | 1    |    | C  | c    |
        | 2    | D  | C  |      |
        | 3    |    | A  | a    |
        | 3    |    | Z  | new  |
        """,
    )
    tonight = ["2026-07-03/crm/contacts/aaaaaaaaaaaa/contacts.csv"]
    share = deleted_share(frame, CRM, "contacts", tonight=tonight)
    assert told(share, "source", "feed", "live_before", "deleted_tonight") == ["crm contacts 2 1"]


@pytest.mark.parametrize("seed", [2, 5, 7])
def test_what_a_night_deletes_lives_in_a_replay_without_it_and_not_in_one_with_it(
    spark: SparkSession, seed: int
) -> None:
    lines = deliveries(seed)
    # Of the newest day, and of the day before: a late file deletes what nothing newer says.
    day = 3 + seed % 2
    before = live_by_hand([line for line in lines if line[0] != day]).keys()
    deleted = before - live_by_hand(lines).keys()
    assert deleted, "or the seed shows nothing"
    tonight = sorted(
        {f"2026-07-{d:02d}/crm/contacts/{b * 12}/{file}" for d, file, b, *_ in lines if d == day}
    )
    share = deleted_share(bronze(spark, as_text(lines)), CRM, "contacts", tonight=tonight)
    assert told(share, "live_before", "deleted_tonight") == [f"{len(before)} {len(deleted)}"]


@pytest.mark.parametrize("seed", [5, 34, 49])
def test_a_night_without_a_full_snapshot_deletes_no_more_keys_than_it_has_rows_that_say_so(
    spark: SparkSession, seed: int
) -> None:
    lines = deliveries(seed)
    own = [line for line in lines if line[0] == 4]
    assert all(line[3] for line in own)
    before = live_by_hand([line for line in lines if line[0] != 4]).keys()
    deleted = before - live_by_hand(lines).keys()
    assert deleted, "or the seed shows nothing"
    tonight = {f"2026-07-04/crm/contacts/{b * 12}/{file}" for _, file, b, *_ in own}
    said = deletions_told(bronze(spark, as_text(lines)), tonight).collect()[0]["told"]
    assert len(deleted) <= said == len([line for line in own if line[3] == "D"])


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_live_keys_are_those_of_a_plain_replay_and_outcomes_add_up(spark: SparkSession, seed: int) -> None:
    lines = deliveries(seed)
    # Shuffled: neither the order of rows nor their partitions decide.
    made = classify(bronze(spark, as_text(lines)).repartition(3, "name"), CRM, "contacts").cache()
    current = live(made)
    assert current == live_by_hand(lines)
    assert made.filter("_outcome = 'current'").count() == len(current)
    (counts,) = outcome_counts({("crm", "contacts"): made}, business_date=date(2026, 7, 4)).collect()
    assert counts["bronze_rows"] == len(lines) == sum(counts[outcome] for outcome in OUTCOMES)
    made.unpersist()


def test_outcome_counts_needs_a_feed() -> None:
    with pytest.raises(ValueError, match="at least one feed"):
        outcome_counts({}, business_date=date(2026, 7, 1))
