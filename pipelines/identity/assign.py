"""Tonight's customers: from clusters and the prior state to assignments, history, aliases and events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.aliases import aliases_after
from pipelines.identity.changes import CHANGES, changed_customers
from pipelines.identity.concerned import at_odds, concerned_records, of_others, of_records
from pipelines.identity.events import numbered, published_so_far, stays, unnumbered_events
from pipelines.identity.evidence import explained
from pipelines.identity.history import history_after
from pipelines.identity.moves import assigned_records, moved_records
from pipelines.identity.records import known_records
from pipelines.identity.renamed import with_renames
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.identity.votes import cast_votes, fates, homes
from pipelines.queries import computed_once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.identity.renamed import Renamed

SALT = "padron"
"""Goes into every new id; two warehouses whose ids must never meet take different ones."""

FEW = 200_000
"""Records and events of a night that are sent to every task whole: most of the register is not moved for them."""


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
    pairs: DataFrame | None = None,
    renamed: Renamed | None = None,
    is_adoption: bool = False,
    is_large: bool = False,
    salt: str = SALT,
) -> Identity:
    """Tonight's identity tables, by the contract in definitions.

    ``clusters``: linkage/clusters, the live records. ``edited``, ``decided``: keys (source, record_id)
    of records whose matching content changed, or that a steward's decision (decision_id) names, since the
    prior state. ``renamed``: the prior state by the names of now, where any were changed. ``pairs``:
    linkage/scored_pairs, from which events get their evidence. ``is_adoption``: a new generation is
    adopted tonight. ``is_large``: the register is so large that it is worth finding out first which
    records the night can move, and to look at these alone. The result depends on nothing but the tables; a
    rerun mints the same ids. Runs jobs: what is read several times is computed once.
    """
    published = published_so_far(prior.events, business_date)
    known = prior if renamed is None else renamed.prior
    names = None if renamed is None else computed_once(renamed.holders)
    seen, past, stay = clusters, known.events, None
    if is_large:
        edited, decided = computed_once(edited), computed_once(decided)
        marked = [edited, decided]
        if names is not None and renamed is not None:
            marked += [names, at_odds(known.events, known.assignments, renamed.sources)]
        keys = concerned_records(clusters, known.assignments, known.events, known.aliases, marked, FEW)
        if keys is not None:
            seen, past = of_records(clusters, keys), of_records(known.events, keys)
            stay = of_others(known.assignments, keys)
    records = computed_once(known_records(seen, past, prior.aliases, edited, decided))
    found = computed_once(homes(cast_votes(records)))
    settled = computed_once(fates(found, stays(known.events), few=stay is not None))
    assigned = computed_once(
        assigned_records(records, settled, business_date, published.publications + 1, salt)
    )
    moved = computed_once(moved_records(assigned, settled))
    happened = computed_once(unnumbered_events(assigned, moved, is_adoption=is_adoption))
    few = happened.count() <= FEW
    told = happened if names is None else computed_once(with_renames(happened, assigned, names))
    live = ASSIGNMENTS.conform(assigned.filter(F.col("customer_id").isNotNull()))
    return Identity(
        assignments=live if stay is None else live.unionByName(ASSIGNMENTS.conform(stay)),
        assignment_history=history_after(
            prior.assignment_history, assigned, business_date, names, few=stay is not None
        ),
        aliases=ALIASES.conform(aliases_after(prior.aliases, assigned, moved, business_date)),
        events=numbered(explained(told, assigned, pairs, few=few), published, business_date),
        changes=changed_customers(happened, assigned, published, business_date, few=few),
    )
