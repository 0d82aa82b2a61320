"""Silver under names that changed: a renamed source and re-keyed records are not deleted, whatever the mode."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa
from silver_box import bronze, source, told

from pipelines.bronze.tables import bronze_table
from pipelines.linkage.decisions import DECISIONS
from pipelines.renames import DECLARED
from pipelines.silver.outcomes import classify, deleted_share
from pipelines.silver.received import Received
from pipelines.silver.renames import RENAMES, by_names_of_now, decisions_now, in_force
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.stages import Inputs

SHOP = source(
    """
source: shop
owner: e-commerce
channel: web
feeds:
  users:
    mode: snapshot
    key: [user_id]
    target: customer_records
    columns: {user_id: {required: true}, email:}
    map: {record_id: user_id, emails_raw: [email]}
"""
)
WEB = SHOP.model_copy(update={"source": "web"})
FEEDS = {("shop", "users"): bronze_table(SHOP, "users")}
SECOND, THIRD = date(2026, 7, 2), date(2026, 7, 3)
DECLARED_ROWS = [
    {"source": "web", "new_source": "shop", "since": SECOND},
    {"source": "shop", "record_id": "1", "new_source": "shop", "new_record_id": "A1", "since": THIRD},
    {"source": "shop", "record_id": "2", "new_source": "shop", "new_record_id": "A2", "since": THIRD},
]


def inputs(spark: SparkSession, frames: dict[str, DataFrame]) -> Inputs:
    """What ``Received`` asks of a stage's inputs, on the third night."""

    def frame(table: Any) -> DataFrame:
        return frames[table.path] if table.path in frames else spark.createDataFrame([], table.schema)

    made = SimpleNamespace(
        settings=SimpleNamespace(
            sources={"shop": SHOP}, renames=pa.Table.from_pylist(DECLARED_ROWS, schema=DECLARED)
        ),
        night=SimpleNamespace(business_date=THIRD, is_full=False),
        previous_arrow=lambda table: None,
        exists=lambda table: table.path in frames,
        frame=frame,
    )
    return cast("Inputs", made)


def test_what_was_delivered_is_of_the_source_of_now() -> None:
    renames = in_force(None, pa.Table.from_pylist(DECLARED_ROWS, schema=DECLARED), THIRD)
    batches = pa.table({"source": ["web", "crm", "shop"], "rows": [1, 2, 3]})
    assert by_names_of_now(batches, renames)["source"].to_pylist() == ["shop", "crm", "shop"]
    only_keys = renames.filter([False, True, True])
    assert by_names_of_now(batches, only_keys) is batches


def test_a_renamed_source_and_new_keys_delete_nobody(spark: SparkSession) -> None:
    before = bronze(
        spark,
        """
        | user_id | email      | date |
        | 1       | a@mail.com | 1    |
        | 2       | b@mail.com | 1    |
        | 3       | c@mail.com | 1    |
        """,
        of="web/users",
    )
    after = bronze(
        spark,
        """
        | user_id | email      | date |
        | 1       | a@mail.com | 2    |
        | 2       | b@mail.com | 2    |
        | 3       | c@mail.com | 2    |
        | A1      | a@mail.com | 3    |
        | A2      | n@mail.com | 3    |
        | 1       | z@mail.com | 3    |
        """,
        of="shop/users",
    )
    tables = {bronze_table(WEB, "users").path: before, FEEDS["shop", "users"].path: after}
    received = Received(inputs(spark, tables), FEEDS)
    assert list(received.feeds()) == [("shop", "users")]
    rows = received.frame(("shop", "users"))

    # The key 1 of the third day is somebody new; 3 is missing from that day's full snapshot.
    outcomes = classify(rows, SHOP, "users")
    assert told(outcomes.filter("_outcome = 'current'"), "user_id", "email") == [
        "1 z@mail.com",
        "A1 a@mail.com",
        "A2 n@mail.com",
    ]
    assert told(outcomes.filter("_outcome = 'deleted'"), "user_id", "_reason") == ["3 missing_from_snapshot"]

    third = {row["_batch_id"] for row in after.filter("_batch_id LIKE '2026-07-03%'").collect()}
    share = deleted_share(rows, SHOP, "users", tonight=third).collect()[0]
    assert (share["live_before"], share["deleted_tonight"]) == (3, 1)


def test_a_feed_that_has_not_come_under_its_new_name_yet_is_not_lost(spark: SparkSession) -> None:
    before = bronze(spark, "| user_id | email |\n| 1 | a@mail.com |\n| 3 | c@mail.com |", of="web/users")
    received = Received(inputs(spark, {bronze_table(WEB, "users").path: before}), FEEDS)
    assert told(received.frame(("shop", "users")), "user_id") == ["3", "A1"]


def test_decisions_follow_the_records_that_they_name() -> None:
    renames = in_force(None, pa.Table.from_pylist(DECLARED_ROWS, schema=DECLARED), THIRD)
    row = {
        "decision_id": "d1",
        "kind": "no_match",
        "left_records": ["web:1", "crm:1"],
        "right_records": ["web:7"],
        "decided_by": "ana",
        "decided_at": datetime(2026, 7, 1, tzinfo=UTC),
    }
    now = decisions_now(pa.Table.from_pylist([row], schema=arrow_schema(DECISIONS)), renames)
    assert now is not None
    assert now["left_records"].to_pylist() == [["shop:A1", "crm:1"]]
    assert now["right_records"].to_pylist() == [["shop:7"]]
    assert RENAMES.names == renames.column_names
