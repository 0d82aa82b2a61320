"""``identity/assignment_history``: the stays of every record, by business date."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import ASSIGNMENT_HISTORY, RECORD

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def history_after(
    assignment_history: DataFrame,
    assigned: DataFrame,
    business_date: date,
    renamed: DataFrame | None = None,
    *,
    few: bool = False,
) -> DataFrame:
    """The history with tonight's stays; ``assigned``: of ``moves.assigned_records``.

    ``renamed``: ``Renamed.holders``; a stay ends under the old name, as published, and begins under the new.
    ``few``: what changed fits every task, and the history stays where it is.

    A stay lasts from ``valid_from`` until before ``valid_to``. Where a business date is published
    again, the stay that began on it is replaced, and one that ended on it goes on if the record
    is back where it was: a record has one row a date.
    """
    changes = _changes(assigned, business_date)
    if renamed is not None:
        changes = _under_own_name(changes, assignment_history, business_date)
        changes = changes.unionByName(_under_new_names(assigned, renamed))
    begun = changes.filter(F.col("next_id").isNotNull() & ~F.col("goes_on")).select(
        *RECORD,
        F.col("next_id").alias("customer_id"),
        F.lit(business_date).alias("valid_from"),
        F.lit(None).alias("valid_to"),
    )
    carried = _carried(assignment_history, F.broadcast(changes) if few else changes, business_date)
    return ASSIGNMENT_HISTORY.conform(carried).unionByName(ASSIGNMENT_HISTORY.conform(begun))


def _changes(assigned: DataFrame, business_date: date) -> DataFrame:
    """The records whose stay begins or ends tonight: source, record_id, next_id (NULL: gone), goes_on.

    ``goes_on``: before tonight's date the record was with the same customer, and left it on that date.
    """
    is_other = ~F.col("customer_id").eqNullSafe(F.col("last_id"))
    earlier = F.filter("past", lambda move: move["since"]["business_date"] < F.lit(business_date))
    was_with = F.try_element_at(earlier, F.lit(-1))["customer_id"]
    has_left = F.size(earlier) < F.size("past")
    return assigned.filter(~F.col("is_holder") | is_other).select(
        *RECORD,
        F.col("customer_id").alias("next_id"),
        (has_left & was_with.eqNullSafe(F.col("customer_id"))).alias("goes_on"),
    )


def _under_own_name(changes: DataFrame, assignment_history: DataFrame, business_date: date) -> DataFrame:
    """``changes`` that go on only where the stay that ended tonight is under the name of now.

    Where the date's first publication renamed the record, the older stay ended under its former name.
    """
    ended = (F.col("valid_to") == F.lit(business_date)) & (F.col("valid_from") < F.lit(business_date))
    resumable = assignment_history.filter(ended).select(
        *RECORD, F.col("customer_id").alias("next_id"), F.lit(True).alias("is_there")
    )
    found = changes.join(resumable, on=[*RECORD, "next_id"], how="left")
    goes_on = F.col("goes_on") & F.coalesce("is_there", F.lit(False))
    return found.withColumn("goes_on", goes_on).select(*changes.columns)


def _under_new_names(assigned: DataFrame, renamed: DataFrame) -> DataFrame:
    """``_changes`` of records that kept their customer under a new name, and of all former names."""
    is_kept = F.col("is_holder") & F.col("customer_id").eqNullSafe(F.col("last_id"))
    goes_on = F.lit(False).alias("goes_on")
    begun = assigned.filter(is_kept).join(renamed.select(*RECORD), on=list(RECORD), how="left_semi")
    ended = renamed.select(
        F.col("old_source").alias("source"),
        F.col("old_record_id").alias("record_id"),
        F.lit(None).cast("string").alias("next_id"),
        goes_on,
    )
    return ended.unionByName(begun.select(*RECORD, F.col("customer_id").alias("next_id"), goes_on))


def _carried(assignment_history: DataFrame, changes: DataFrame, business_date: date) -> DataFrame:
    """The prior rows, those of ``changes`` ended, dropped or going on."""
    tonight = F.lit(business_date)
    carried = assignment_history.join(
        changes.withColumn("is_changing", F.lit(True)), on=list(RECORD), how="left"
    )
    is_changing = F.coalesce("is_changing", F.lit(False))
    is_replaced = is_changing & F.col("next_id").isNotNull() & (F.col("valid_from") == tonight)
    is_resumed = (
        (F.col("valid_to") == tonight) & F.col("goes_on") & (F.col("customer_id") == F.col("next_id"))
    )
    ends = is_changing & F.col("valid_to").isNull()
    until = F.when(is_resumed, F.lit(None)).when(ends, tonight).otherwise(F.col("valid_to"))
    return carried.filter(~is_replaced).withColumn("valid_to", until.cast("date"))
