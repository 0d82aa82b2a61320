"""Records that go on under another name: a renamed source, or new keys.

The log keeps the names that were published. A record votes by all that it did under any name; on the night
of the rename it is told twice, so that replaying the log gives the map: it is retired under the old name, and
added under the new one to the customer that it had. Its customer does not change by that.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from pipelines.identity.tables import RECORD
from pipelines.silver.renames import RENAMES, begun_on, named_now

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.identity.assign import Identity
    from pipelines.stages import Inputs

OLD = ("old_source", "old_record_id")


@dataclass(frozen=True)
class Renamed:
    """The prior state by the names of now."""

    prior: Identity
    """``assignments`` and ``events`` under the names of now; the rest as published."""
    holders: DataFrame
    """Live records of the prior state that have another name since tonight: old_source, old_record_id, held_id,
    and source, record_id, as they are called now."""
    renames: pa.Table
    """silver/renames of tonight."""
    begun: pa.Table
    """Those of them that begin tonight."""

    @property
    def sources(self) -> list[str]:
        """The sources whose records were ever renamed, by the names that they had since."""
        named = self.renames.column("new_source").to_pylist() + self.renames.column("source").to_pylist()
        return sorted(set(named))


def renamed_prior(inputs: Inputs, prior: Identity) -> Renamed | None:
    """``named`` of a night; None where nothing was ever renamed."""
    renames = inputs.arrow(RENAMES)
    if renames is None or not renames.num_rows:
        return None
    begun = begun_on(renames, inputs.previous_arrow(RENAMES))
    return named(prior, renames, begun, inputs.night.business_date)


def named(prior: Identity, renames: pa.Table, begun: pa.Table, business_date: date) -> Renamed:
    """``prior`` by the names of now. ``renames``: silver/renames of tonight, ``begun`` those that are new."""
    events = named_now(
        prior.events, renames, "business_date", begun=business_date if begun.num_rows else None
    )
    former = {old: F.col(name) for old, name in zip(OLD, RECORD, strict=True)}
    assignments = named_now(prior.assignments.withColumns(former), begun)
    is_other = (F.col("source") != F.col("old_source")) | (F.col("record_id") != F.col("old_record_id"))
    # A new name that somebody bears already was given before the rename was declared: both are known then.
    # One whose bearer is renamed too is free.
    borne = assignments.filter(~is_other).select(*RECORD)
    holders = (
        assignments.filter(is_other)
        .join(borne, on=list(RECORD), how="left_anti")
        .select(*OLD, *RECORD, F.col("customer_id").alias("held_id"))
    )
    named_prior = replace(prior, assignments=assignments.select(*prior.assignments.columns), events=events)
    return Renamed(named_prior, holders, renames, begun)


def with_renames(events: DataFrame, assigned: DataFrame, holders: DataFrame) -> DataFrame:
    """``events`` (``unnumbered_events``) and what the renames of tonight add to the log."""
    nothing = F.lit(None).cast("string")
    told = {
        "old_customer_id": F.col("held_id"),
        "cause": F.lit("rename"),
        "is_holder": F.lit(True),
        "is_minted": F.lit(False),
        "has_moved": F.lit(False),
        "decision_id": nothing,
    }
    former = {new: F.col(old) for old, new in zip(OLD, RECORD, strict=True)}
    gone = holders.withColumns(
        {**former, **told, "event": F.lit("retired"), "customer_id": nothing, "cluster": nothing}
    )
    # Only a record that did not move has to be told where it is: a move says it.
    moved = events.filter(F.col("event") != "changed").select(*RECORD)
    live = assigned.filter(F.col("cluster").isNotNull()).select(*RECORD, "customer_id", "cluster")
    stayed = holders.join(moved, on=list(RECORD), how="left_anti").join(live, on=list(RECORD), how="inner")
    come = stayed.withColumns({**told, "event": F.lit("added")})
    told_otherwise = events.join(stayed.select(*RECORD), on=list(RECORD), how="left_anti")
    return told_otherwise.unionByName(gone.select(*events.columns)).unionByName(come.select(*events.columns))
