"""Tonight's customers: from clusters and the prior state to assignments, history, aliases and events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.aliases import aliases_after
from pipelines.identity.changes import CHANGES, changed_customers
from pipelines.identity.concerned import at_odds, concerned_records, of_others, of_records
from pipelines.identity.events import numbered, published_so_far, stays, unnumbered_events
from pipelines.identity.evidence import explained
from pipelines.identity.frames import FEW, are_few, held
from pipelines.identity.history import history_after
from pipelines.identity.moves import assigned_records, moved_records
from pipelines.identity.records import known_records
from pipelines.identity.renamed import with_renames
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.identity.votes import cast_votes, fates, homes
from pipelines.queries import at_once, both, computed_once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.identity.renamed import Renamed

SALT = "padron"
"""Goes into every new id; two warehouses whose ids must never meet take different ones."""

WORTH_A_LOOK = 20_000
"""Live records; of fewer, all ids are assigned in less time than it takes to find out which can change."""


@dataclass(frozen=True)
class Identity:
    """The identity tables: of the prior state whole, of tonight with tonight's events and changes only."""

    assignments: DataFrame
    assignment_history: DataFrame
    aliases: DataFrame
    events: DataFrame
    changes: DataFrame | None = None
    """The change feed; a prior state needs none."""

    @property
    def tables(self) -> dict[str, DataFrame]:
        """By ``layer/name``."""
        named = (
            ASSIGNMENTS,
            ASSIGNMENT_HISTORY,
            ALIASES,
            EVENTS,
            *([CHANGES] if self.changes is not None else []),
        )
        return {t.path: getattr(self, t.name) for t in named}


def assign(
    clusters: DataFrame,
    prior: Identity,
    business_date: date,
    *,
    edited: DataFrame,
    decided: DataFrame,
    touched: DataFrame | None = None,
    pairs: DataFrame | None = None,
    renamed: Renamed | None = None,
    is_adoption: bool = False,
    register: int = 0,
    salt: str = SALT,
) -> Identity:
    """Tonight's identity tables, by the contract in definitions.

    ``clusters``: linkage/clusters, the live records. ``edited``, ``decided``: keys (source, record_id)
    of records whose matching content changed, or that a steward's decision (decision_id) names, since the
    prior state. ``touched``: linkage/touched_records, or at least the records that came or went, were edited, or
    are in a cluster of another name since then; None where any may be. ``renamed``: the prior state by the names of
    now, where any were changed. ``pairs``: linkage/scored_pairs, from which events get their evidence.
    ``is_adoption``: a new generation is adopted tonight. ``register``: live records of the prior state; from
    ``WORTH_A_LOOK`` up it is found out from ``touched`` which records the night can move, and these alone are
    looked at. The result depends on nothing but the tables; a rerun mints the same ids. Runs jobs: what is read
    several times is computed once.
    """
    known = prior if renamed is None else renamed.prior
    names = None if renamed is None else computed_once(renamed.holders)
    if register < WORTH_A_LOOK:
        touched = None
    looks = partial(_looked_at, clusters, known, edited, decided, touched, renamed, names)
    published, looked = both(partial(published_so_far, prior.events, business_date), looks)
    stay = looked.stay
    records = computed_once(
        known_records(looked.clusters, looked.past, prior.aliases, looked.edited, looked.decided)
    )
    is_small = are_few(records.count())
    if is_small:
        records = records.coalesce(1)
    found = held(homes(cast_votes(records, is_small=is_small), is_small=is_small), is_small)
    is_few = stay is not None
    settled = held(fates(found, stays(known.events), few=is_few, is_small=is_small), is_small)
    assigned = held(
        assigned_records(records, settled, business_date, published.publications + 1, salt),
        is_small,
    )
    moved = held(moved_records(assigned, settled), is_small)
    begun = unnumbered_events(assigned, moved, is_adoption=is_adoption)
    later = partial(aliases_after, prior.aliases, assigned, moved, business_date, is_small=is_small)
    happened, aliases = both(partial(held, begun, is_small), later)
    few = is_small or happened.count() <= FEW
    told = happened if names is None else held(with_renames(happened, assigned, names), is_small)
    live = ASSIGNMENTS.conform(assigned.filter(F.col("customer_id").isNotNull()))

    def history() -> DataFrame:
        return history_after(prior.assignment_history, assigned, business_date, names, few=is_few)

    def events() -> DataFrame:
        return numbered(explained(told, assigned, pairs, few=few), published, business_date)

    def changes() -> DataFrame:
        return changed_customers(happened, assigned, published, business_date, few=few)

    # Putting the queries together takes as long as running them.
    stays_after, log, feed = at_once(lambda make: make(), [history, events, changes])
    assignments = live if stay is None else live.unionByName(ASSIGNMENTS.conform(stay))
    return Identity(assignments, stays_after, ALIASES.conform(aliases), log, feed)


@dataclass(frozen=True)
class _LookedAt:
    """What the night is decided by."""

    clusters: DataFrame
    past: DataFrame
    edited: DataFrame
    decided: DataFrame
    stay: DataFrame | None
    """Assignments of all other records, which stay; None where all were looked at."""


def _looked_at(
    clusters: DataFrame,
    known: Identity,
    edited: DataFrame,
    decided: DataFrame,
    touched: DataFrame | None,
    renamed: Renamed | None,
    names: DataFrame | None,
) -> _LookedAt:
    """All clusters and events, or those of the records that the night can move by ``touched``. Runs jobs."""
    everything = _LookedAt(clusters, known.events, edited, decided, None)
    if touched is None:
        return everything
    edited, decided = at_once(computed_once, [edited, decided])
    marked = [touched, decided]
    if names is not None and renamed is not None:
        marked += [names, at_odds(known.events, known.assignments, renamed.sources)]
    keys = concerned_records(clusters, known, marked, FEW)
    if keys is None:
        return replace(everything, edited=edited, decided=decided)
    return _LookedAt(
        of_records(clusters, keys),
        of_records(known.events, keys),
        edited,
        decided,
        of_others(known.assignments, keys),
    )
