"""The identity stage: which records changed, what stewards decided, and tonight's assignment."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.assign import SALT, Identity, assign
from pipelines.identity.concerned import of_records
from pipelines.identity.tables import RECORD
from pipelines.queries import computed_once
from pipelines.silver.customer_records import MATCHING_DIGEST
from pipelines.silver.renames import named_now

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.identity.renamed import Renamed


def edited_records(records: DataFrame, previous: DataFrame, touched: DataFrame | None = None) -> DataFrame:
    """Keys of the records in both nights whose matching content differs: source, record_id.

    Both are silver/customer_records. One without a digest, of before it was kept, says nothing about change.
    ``touched``: keys of the few records that can be among them, None where any can.
    """
    now = records.select(*RECORD, F.col(MATCHING_DIGEST.name).alias("now"))
    before = previous.select(*RECORD, F.col(MATCHING_DIGEST.name).alias("before"))
    if touched is not None:
        now, before = of_records(now, touched), of_records(before, touched)
    both = now.join(before, on=list(RECORD), how="inner")
    return both.filter(F.col("now") != F.col("before")).select(*RECORD)


def decided_records(decisions: DataFrame, previous: DataFrame) -> DataFrame:
    """Records that decisions new tonight name, or named when they revoke one: source, record_id, decision_id.

    ``decision_id``: the new one; the largest of several. Both are linkage/decisions, tonight's and the
    prior state's.
    """
    new = decisions.join(previous, on="decision_id", how="left_anti")
    sides = ("left_records", "right_records")
    revoking = new.filter(F.col("revokes").isNotNull()).select(
        F.col("decision_id").alias("new_id"), F.col("revokes").alias("decision_id")
    )
    revoked = decisions.join(revoking, on="decision_id", how="inner")
    concerned = new.select(*sides, "decision_id").unionByName(
        revoked.select(*sides, F.col("new_id").alias("decision_id"))
    )
    named = F.concat(*[F.coalesce(side, F.array().cast("array<string>")) for side in sides])
    names = concerned.select(F.explode(named).alias("name"), "decision_id")
    return (
        names.groupBy("name")
        .agg(F.max("decision_id").alias("decision_id"))
        .select(
            "decision_id",
            F.substring_index("name", ":", 1).alias("source"),
            F.expr("substring(name, instr(name, ':') + 1)").alias("record_id"),
        )
    )


def build_identity(
    clusters: DataFrame,
    touched: DataFrame | None,
    records: DataFrame,
    previous_records: DataFrame,
    decisions: DataFrame,
    previous_decisions: DataFrame,
    prior: Identity,
    business_date: date,
    *,
    pairs: DataFrame | None = None,
    renamed: Renamed | None = None,
    is_adoption: bool = False,
    register: int = 0,
    salt: str = SALT,
) -> Identity:
    """``assign`` from the tables of a night: linkage's clusters, decisions and scored ``pairs``, silver's records.

    ``touched``: linkage/touched_records, None where there are too many to look at these alone. ``previous_…`` and
    ``prior`` are of the prior state as published, empty the first night; ``renamed``: the same by the names of now,
    where any changed. ``register``, ``is_adoption``: see ``assign``.
    """
    decided = decided_records(decisions, previous_decisions)
    if renamed is not None:
        decided = named_now(decided, renamed.renames)
        previous_records = named_now(previous_records, renamed.begun)
        # Linkage compares names: of two that swapped theirs, each may say what the other said.
        touched = None if touched is None else touched.unionByName(renamed.holders.select(*RECORD))
    if touched is not None:
        touched = computed_once(touched)
    return assign(
        clusters,
        prior,
        business_date,
        edited=edited_records(records, previous_records, touched),
        touched=touched,
        decided=decided,
        pairs=pairs,
        renamed=renamed,
        is_adoption=is_adoption,
        register=register,
        salt=salt,
    )
