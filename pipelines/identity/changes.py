"""``identity/changes``: the change feed for business systems, one row a customer id that a night changed.

What a CRM or an ERP needs to follow the register without reading records: which ids are new, which
became part of another, which lost people and to whom. The events say the same record by record.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.tables import CAUSES, one_of
from pipelines.tables import DATE, INT, LONG, STRING, STRINGS, Column, Kind, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

    from pipelines.identity.events import Published

_P = Personal.PSEUDONYM

CHANGE_KINDS = {
    "created": "the id is new; its records are new too, or left `from_customer_ids`",
    "revived": "the id had no live record and has one again: its own, or those of a merge undone",
    "merged": "the id is no customer any more; its records are at `to_customer_ids`",
    "split": "records left for `to_customer_ids`; the id stays",
    "gained": "records of `from_customer_ids` came to it; the id stays",
    "changed": "records were added, edited or deleted; the id stays",
    "retired": "no source delivers a record of it any more; the id stays a customer",
    "erased": "its last records were erased on request",
}
"""What can happen to a customer id; of several the first that applies, from a new id to a changed one."""

CHANGES = Table(
    layer="identity",
    name="changes",
    grain="One customer id that a publication of a business date changed.",
    key=("business_date", "publication", "customer_id"),
    columns=(
        Column("business_date", DATE, "Business date of the night.", required=True),
        Column("publication", INT, "Publication of the business date, as in identity/events.", required=True),
        Column("customer_id", STRING, "The id that changed.", _P, required=True),
        Column(
            "change",
            STRING,
            "; ".join(f"{kind}: {meaning}" for kind, meaning in CHANGE_KINDS.items()) + ".",
            required=True,
        ),
        Column("from_customer_ids", STRINGS, "Ids from which records came tonight, sorted.", _P),
        Column("to_customer_ids", STRINGS, "Ids to which records went tonight, sorted.", _P),
        Column("records", LONG, "Live records of the id after the night.", unit="records"),
        Column("records_in", LONG, "Records that came from other ids.", unit="records"),
        Column("records_out", LONG, "Records that went to other ids.", unit="records"),
        Column("records_added", LONG, "Records that are new, or back after a deletion.", unit="records"),
        Column("records_deleted", LONG, "Records that no source delivers any more.", unit="records"),
        Column("records_edited", LONG, "Records that stayed and say something else now.", unit="records"),
        Column(
            "cause",
            STRING,
            "Why, as in identity/events: of records that moved, else of the others; of several the most telling.",
            required=True,
        ),
    ),
    owner="data engineering",
    kind=Kind.APPEND,
    check=f"{one_of('change', CHANGE_KINDS)} AND {one_of('cause', CAUSES)}",
)

_TELLING = (
    "erasure",
    "rollback",
    "decision",
    "generation",
    "deleted",
    "edit",
    "new_record",
    "linkage",
    "rename",
)


def changed_customers(
    events: DataFrame,
    assigned: DataFrame,
    published: Published,
    business_date: date,
    *,
    few: bool = False,
) -> DataFrame:
    """Tonight's rows of the change feed.

    ``events``: of ``events.unnumbered_events``; ``assigned``: of ``moves``; ``published``: what the date
    has in the prior state. ``few``: the events fit every task, and records stay where they are.
    """
    counts = [column.alias(name) for name, column in _counts().items()]
    changed = _sides(events).groupBy("customer_id").agg(*counts)
    ids = changed.select("customer_id")
    counted = _live(assigned).join(F.broadcast(ids) if few else ids, on="customer_id", how="left_semi")
    live = counted.groupBy("customer_id").agg(
        F.count_if("is_after").alias("records"), F.count_if("is_before").alias("records_before")
    )
    described = changed.join(live, on="customer_id", how="left").withColumns(
        {
            "records": F.coalesce("records", F.lit(0)),
            "records_before": F.coalesce("records_before", F.lit(0)),
        }
    )
    return CHANGES.conform(
        described.withColumns(
            {
                "change": _change(),
                "business_date": F.lit(business_date),
                "publication": F.lit(published.publications + 1),
            }
        )
    )


def _sides(events: DataFrame) -> DataFrame:
    """One row per event and id that it touches: customer_id, other_id, way (in, out, same), event, cause, is_minted."""
    before = F.when(F.col("is_holder"), F.col("old_customer_id"))
    after = F.col("customer_id")
    kept = ["event", "cause", "is_minted"]
    is_same = before.eqNullSafe(after)

    def side(own: SparkColumn, other: SparkColumn, way: str) -> SparkColumn:
        return F.struct(own.alias("customer_id"), other.alias("other_id"), F.lit(way).alias("way"))

    sides = F.when(is_same, F.array(side(after, F.lit(None).cast("string"), "same"))).otherwise(
        F.array(side(after, before, "in"), side(before, after, "out"))
    )
    return events.select(*kept, F.inline(sides)).filter(F.col("customer_id").isNotNull())


def _counts() -> dict[str, SparkColumn]:
    way, other = F.col("way"), F.col("other_id")
    is_in, is_out, moved = way == "in", way == "out", other.isNotNull()
    telling = F.array_position(F.array(*[F.lit(c) for c in _TELLING]), F.col("cause"))
    return {
        "from_customer_ids": F.array_sort(F.collect_set(F.when(is_in, other))),
        "to_customer_ids": F.array_sort(F.collect_set(F.when(is_out, other))),
        "records_in": F.count_if(is_in & moved),
        "records_out": F.count_if(is_out & moved),
        "records_added": F.count_if(is_in & ~moved),
        "records_deleted": F.count_if(is_out & ~moved),
        "records_edited": F.count_if(way == "same"),
        "cause": F.min_by("cause", F.struct(~moved, telling)),
        "was_minted": F.max(is_in & F.col("is_minted")),
        "was_merged": F.max(is_out & (F.col("event") == "merged")),
        "was_erased": F.max(F.col("event") == "erased"),
    }


def _live(assigned: DataFrame) -> DataFrame:
    """One row per record and id that it has now or had before: customer_id, is_before, is_after."""
    now = F.struct(F.col("customer_id"), F.lit(False).alias("is_before"), F.lit(True).alias("is_after"))
    before = F.when(F.col("is_holder"), F.col("last_id"))
    held = F.struct(
        before.alias("customer_id"), F.lit(True).alias("is_before"), F.lit(False).alias("is_after")
    )
    return assigned.select(F.inline(F.array(now, held))).filter(F.col("customer_id").isNotNull())


def _change() -> SparkColumn:
    lives, lived = F.col("records") > 0, F.col("records_before") > 0
    return (
        F.when(lives & ~lived & F.col("was_minted"), "created")
        .when(lives & ~lived, "revived")
        .when(~lives & F.col("was_erased"), "erased")
        .when(~lives & F.col("was_merged"), "merged")
        .when(F.col("records_out") > 0, "split")
        .when(~lives, "retired")
        .when(F.col("records_in") > 0, "gained")
        .otherwise("changed")
    )
