"""Tonight's customers: from clusters and the prior state to assignments, history, aliases and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.aliases import aliases_after
from pipelines.identity.events import numbered, published_so_far, stays, unnumbered_events
from pipelines.identity.history import history_after
from pipelines.identity.mint import minted_id
from pipelines.identity.moves import assigned_records, moved_records
from pipelines.identity.records import known_records
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS, RECORD
from pipelines.identity.votes import ballots, homes, kept_ids

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Keep = Callable[["DataFrame"], "DataFrame"]
"""Holds a frame that is read several times (``stages.Inputs.keep``)."""

SALT = "padron"
"""Goes into every new id; two warehouses whose ids must never meet take different ones."""


@dataclass(frozen=True)
class Identity:
    """The identity tables: of the prior state whole, of tonight with tonight's events only."""

    assignments: DataFrame
    assignment_history: DataFrame
    aliases: DataFrame
    events: DataFrame

    @property
    def tables(self) -> dict[str, DataFrame]:
        """By ``layer/name``."""
        return {t.path: getattr(self, t.name) for t in (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, EVENTS)}


def customers_of_clusters(
    records: DataFrame, kept: DataFrame, published: DataFrame, business_date: date, salt: str
) -> DataFrame:
    """One row per cluster: cluster, customer_id, is_minted (tonight), is_held (by records that had it).

    ``records``: of ``known_records``; ``kept``: of ``votes.kept_ids``; ``published``: of
    ``events.published_so_far``.
    """
    clusters = (
        records.filter(F.col("cluster").isNotNull())
        .groupBy("cluster")
        .agg(F.min(F.struct(*RECORD)).alias("smallest"))
        .withColumn("business_date", F.lit(business_date))
        .join(F.broadcast(published), on="business_date", how="inner")
    )
    origin = [F.col(name) for name in ("business_date", "publications", "smallest")]
    return clusters.join(kept, on="cluster", how="left").select(
        "cluster",
        F.coalesce("customer_id", minted_id(*origin, salt=salt)).alias("customer_id"),
        F.col("customer_id").isNull().alias("is_minted"),
        F.coalesce("is_held", F.lit(False)).alias("is_held"),
    )


def assign(
    clusters: DataFrame,
    prior: Identity,
    business_date: date,
    *,
    edited: DataFrame,
    decided: DataFrame,
    is_adoption: bool = False,
    salt: str = SALT,
    keep: Keep,
) -> Identity:
    """Tonight's identity tables, by the contract in definitions.

    ``clusters``: linkage/clusters, the live records. ``edited``, ``decided``: keys (source, record_id)
    of records whose matching content changed, or that a steward's decision names, since the prior
    state. ``is_adoption``: a new generation is adopted tonight. ``keep`` holds a frame that is read
    several times. The result depends on nothing but these; a rerun mints the same ids.
    """
    past_stays = stays(prior.events)
    published = published_so_far(prior.events, business_date)
    # Votes, clusters and the assignment read it.
    records = keep(known_records(clusters, prior.assignment_history, prior.aliases, edited, decided))
    # Read for what is kept, for the ids that compete, and for what became of those that moved.
    found = keep(homes(ballots(records, past_stays)))
    customers = customers_of_clusters(records, kept_ids(found, past_stays), published, business_date, salt)
    # All four tables and every kind of event read them.
    assigned = keep(assigned_records(records, customers))
    moved = keep(moved_records(assigned, found))
    # Read once to be counted, once to be numbered.
    happened = keep(unnumbered_events(assigned, moved, past_stays, is_adoption=is_adoption))
    aliases = aliases_after(prior.aliases, assigned, moved, past_stays, business_date, keep)
    return Identity(
        assignments=ASSIGNMENTS.conform(assigned.filter(F.col("customer_id").isNotNull())),
        assignment_history=history_after(prior.assignment_history, assigned, business_date),
        aliases=ALIASES.conform(aliases),
        events=numbered(happened, published, business_date),
    )
