"""Taking a release back: the customers of an older release, reached from the present by events that say so.

Nothing published is forgotten: what the releases in between did stays in the history and the
events, the ids that they published lead to where their people are now, and the replay of the log gives
the older map again.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.identity.aliases import aliases_after
from pipelines.identity.assign import Identity
from pipelines.identity.changes import changed_customers
from pipelines.identity.events import numbered, published_so_far, unnumbered_events
from pipelines.identity.evidence import explained
from pipelines.identity.frames import all_of
from pipelines.identity.history import history_after
from pipelines.identity.moves import moved_records
from pipelines.identity.records import known_records
from pipelines.identity.tables import ALIASES, ASSIGNMENTS, RECORD
from pipelines.queries import computed_once

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def restored(prior: Identity, wanted: DataFrame, business_date: date) -> Identity:
    """The identity tables when every record has again the customer that ``wanted`` gives it.

    ``wanted``: identity/assignments of the older release; ``prior``: the tables of the newest one.
    ``business_date``: the newest one's. As of ``assign``, ``events`` and ``changes`` are the compensating ones only.
    """
    published = published_so_far(prior.events, business_date)
    clusters = wanted.select(*RECORD, F.col("customer_id").alias("cluster_final"))
    nobody = wanted.select(*RECORD, F.lit(None).cast("string").alias("decision_id")).limit(0)
    records = known_records(clusters, prior.events, prior.aliases, nobody, nobody)
    stays = F.col("is_holder") & (F.col("prior_id") == F.col("cluster"))
    assigned = computed_once(
        records.withColumns(
            {
                "customer_id": F.col("cluster"),
                "is_minted": F.lit(False),
                "is_held": F.coalesce(F.max(stays).over(all_of("cluster")), F.lit(False)),
            }
        )
    )
    moved = computed_once(moved_records(assigned, _fates(assigned)))
    events = unnumbered_events(assigned, moved, is_adoption=False)
    happened = computed_once(events.withColumn("cause", F.lit("rollback")))
    return Identity(
        assignments=ASSIGNMENTS.conform(assigned.filter(F.col("customer_id").isNotNull())),
        assignment_history=history_after(prior.assignment_history, assigned, business_date),
        aliases=ALIASES.conform(aliases_after(prior.aliases, assigned, moved, business_date)),
        events=numbered(explained(happened, assigned, None), published, business_date),
        changes=changed_customers(happened, assigned, published, business_date),
    )


def _fates(assigned: DataFrame) -> DataFrame:
    """One row per id that live records hold: customer_id, the ``cluster`` that is its home, home_id.

    Its home is the customer of that id where there is one again, else the one with most of its records.
    """
    counted = (
        assigned.filter(F.col("cluster").isNotNull() & F.col("prior_id").isNotNull())
        .groupBy("prior_id", "cluster")
        .agg(F.count("*").alias("votes"))
    )
    first = F.struct(F.col("cluster") != F.col("prior_id"), -F.col("votes"), "cluster")
    return (
        counted.groupBy(F.col("prior_id").alias("customer_id"))
        .agg(F.min_by("cluster", first).alias("cluster"))
        .withColumn("home_id", F.col("cluster"))
    )
