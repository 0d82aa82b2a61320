"""``identity/assignment_history``: the stays of every record, by business date."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import ASSIGNMENT_HISTORY, RECORD

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def stay_changes(assigned: DataFrame) -> DataFrame:
    """The records whose stay begins or ends tonight: source, record_id, next_id (NULL: gone)."""
    is_other = ~F.col("customer_id").eqNullSafe(F.col("last_id"))
    return assigned.filter(~F.col("is_holder") | is_other).select(
        *RECORD, F.col("customer_id").alias("next_id"), F.lit(True).alias("is_changing")
    )


def history_after(assignment_history: DataFrame, assigned: DataFrame, business_date: date) -> DataFrame:
    """The history with tonight's stays; ``assigned``: of ``moves.assigned_records``.

    A stay lasts from ``valid_from`` until before ``valid_to``. Where a business date is published
    again, the stay that began on it is replaced, and one that ended on it goes on if the record
    is back where it was: a record has one row a date.
    """
    tonight = F.lit(business_date)
    changes = stay_changes(assigned)
    ended_today = assignment_history.filter(F.col("valid_to") == tonight)
    goes_on = (
        changes.withColumnRenamed("next_id", "customer_id")
        .join(ended_today.filter(F.col("valid_from") < tonight), on=[*RECORD, "customer_id"], how="inner")
        .select(*RECORD, F.lit(True).alias("goes_on"))
    )
    decided = changes.join(goes_on, on=list(RECORD), how="left")
    begun = (
        decided.filter(F.col("next_id").isNotNull() & F.col("goes_on").isNull())
        .withColumn("valid_from", tonight)
        .withColumn("valid_to", F.lit(None).cast("date"))
        .withColumnRenamed("next_id", "customer_id")
    )
    return ASSIGNMENT_HISTORY.conform(_carried(assignment_history, decided, business_date)).unionByName(
        ASSIGNMENT_HISTORY.conform(begun)
    )


def _carried(assignment_history: DataFrame, changes: DataFrame, business_date: date) -> DataFrame:
    """The prior rows, those of ``changes`` ended, dropped or going on."""
    tonight = F.lit(business_date)
    is_changing = F.coalesce("is_changing", F.lit(False))
    is_replaced = is_changing & F.col("next_id").isNotNull() & (F.col("valid_from") == tonight)
    is_resumed = (
        (F.col("valid_to") == tonight) & F.col("goes_on") & (F.col("customer_id") == F.col("next_id"))
    )
    ends = is_changing & F.col("valid_to").isNull()
    carried = assignment_history.join(changes, on=list(RECORD), how="left").filter(~is_replaced)
    until = F.when(is_resumed, F.lit(None)).when(ends, tonight).otherwise(F.col("valid_to"))
    return carried.withColumn("valid_to", until.cast("date"))
