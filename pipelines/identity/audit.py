"""The identity contract, checked on the tables themselves: how many rows break each invariant.

Independent of how the ids were assigned: it only compares the prior state, tonight's tables and
tonight's clusters. Determinism and "incremental = full" cannot be seen in one night's tables; the
tests hold them.
"""

from __future__ import annotations

from datetime import date
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.identity.events import published_so_far, stays
from pipelines.identity.frames import FEW, are_few, held
from pipelines.identity.tables import RECORD
from pipelines.queries import HASH, computed_once, hash_first, let_go

if TYPE_CHECKING:
    from pyspark.sql import Column

    from pipelines.identity.assign import Identity

_NIGHT = 2**40
"""More events than a business date has: their places in it begin at 1."""


def audit(
    previous: Identity, current: Identity, clusters: DataFrame, business_date: date, *, records: int = 0
) -> DataFrame:
    """One row per invariant: invariant, violations (0 where it holds).

    ``previous`` and ``current``: the tables of the prior state and as tonight left them, ``events``
    whole in both. ``clusters``: tonight's linkage/clusters, and how many ``records`` they are. Runs jobs:
    what is read several times is computed once.
    """
    is_small = are_few(records)
    only = None if is_small else _not_the_same(_numbers(previous, current, clusters))
    facts = held(_facts(previous, current, clusters, business_date, is_small, only), is_small)
    ids = held(_ids(facts, previous), is_small)
    fates = held(_fates(facts, ids), is_small)
    open_aliases = current.aliases.filter(F.col("valid_to").isNull())
    is_lost = ~F.col("is_kept") & ~F.col("leads_to_known")
    always = F.lit(True)
    return reduce(
        DataFrame.unionByName,
        [
            _counted(
                facts,
                every_change_has_an_event=_lacks_event(),
                a_record_has_one_id=_is_not_one(),
                replay_gives_the_map=~F.col("replayed").eqNullSafe(F.col("now")),
                history_gives_the_map=(F.col("stays") != F.col("ids"))
                | ~F.col("stay").eqNullSafe(F.col("now")),
            ),
            _counted(
                fates,
                a_merge_keeps_one_id=is_lost & ~F.col("is_torn"),
                a_split_keeps_one_id=is_lost & F.col("is_torn"),
            ),
            _counted(ids, a_customer_is_one_cluster=F.col("is_scattered")),
            _counted(_untouched(facts, fates), untouched_customers_keep_their_id=always),
            _counted(_given_away(facts, ids, previous), no_id_goes_to_other_people=always),
            _counted(_unaliased(facts, open_aliases), every_move_has_an_alias=always),
            _counted(_dead_ends(open_aliases, current), aliases_lead_to_customers=always),
        ],
    )


def _counted(frame: DataFrame, **broken: Column) -> DataFrame:
    """One row per condition: its name as invariant, and the rows of ``frame`` for which it is true."""
    counts = [
        F.struct(F.lit(name).alias("invariant"), F.count_if(condition).alias("violations"))
        for name, condition in broken.items()
    ]
    return frame.agg(F.array(*counts).alias("counts")).select(F.inline("counts"))


def _facts(
    previous: Identity,
    current: Identity,
    clusters: DataFrame,
    business_date: date,
    is_small: bool,
    only: DataFrame | None,
) -> DataFrame:
    """One row per record that a table or the log knows now or knew before: cluster, held (before), now, stay (open in
    the history), its events.

    ``ids``, ``stays``: how many rows the map and the open history have. ``event``, ``event_id``:
    tonight's event and the customer that it names. ``replayed``: the customer by the whole log.
    ``only``: numbers of the records that are looked at (``_not_the_same``); None: all.
    """
    before = published_so_far(previous.events, business_date)
    is_tonight = (F.col("business_date") == F.lit(business_date)) & (
        F.col("sequence") > F.lit(before.last_sequence)
    )
    told = F.struct("business_date", "sequence", is_tonight.alias("is_tonight"), "event", "customer_id")
    parts = [
        clusters.select(*RECORD, F.col("cluster_final").alias("cluster")),
        previous.assignments.select(*RECORD, F.col("customer_id").alias("held")),
        current.assignments.select(*RECORD, F.col("customer_id").alias("now")),
        current.assignment_history.filter(F.col("valid_to").isNull()).select(
            *RECORD, F.col("customer_id").alias("stay")
        ),
        current.events.select(*RECORD, told.alias("told")),
    ]
    if only is not None:
        few = F.broadcast(only)
        parts = [
            part.select("*", _record()).join(few, "_record", "left_semi").drop("_record") for part in parts
        ]
    united = _united(parts)
    # Each record has a row in every part, so that nothing is gained by grouping before the rows are moved.
    united = united.coalesce(1) if is_small else united.repartition(*RECORD)
    newest = F.when(F.col("told.is_tonight"), F.col("told"))
    return (
        united.groupBy(hash_first(RECORD), *RECORD)
        .agg(
            *[F.max(name).alias(name) for name in ("cluster", "held", "now", "stay", "told")],
            F.count("now").alias("ids"),
            F.count("stay").alias("stays"),
        )
        .withColumns(
            {
                "event": newest["event"],
                "event_id": newest["customer_id"],
                "replayed": F.col("told.customer_id"),
            }
        )
        .drop("told", HASH)
        # Records that were gone before and stay gone break nothing.
        .filter(F.coalesce("cluster", "held", "now", "stay", "replayed").isNotNull())
    )


def _united(parts: list[DataFrame]) -> DataFrame:
    return reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), parts)


def _numbers(previous: Identity, current: Identity, clusters: DataFrame) -> DataFrame:
    """``_facts`` of all records in numbers, without tonight's events: _record, cluster, held, now, stay, replayed, ids, stays.

    A number is a hash of 64 bits: numbers are moved and grouped in a fraction of the time that texts take. Two records
    of one number are not the same in all tables, and so are looked at by their names.
    """
    parts = {
        "cluster": (clusters, "cluster_final"),
        "held": (previous.assignments, "customer_id"),
        "now": (current.assignments, "customer_id"),
        "stay": (current.assignment_history.filter(F.col("valid_to").isNull()), "customer_id"),
        "told": (current.events, "customer_id"),
    }
    since = F.unix_date("business_date").cast("long") * F.lit(_NIGHT) + F.col("sequence")
    said = [
        rows.select(
            _record(),
            F.lit(place).cast("tinyint").alias("_by"),
            _number(name).alias("_says"),
            (since if table == "told" else F.lit(None).cast("long")).alias("_since"),
        )
        for place, (table, (rows, name)) in enumerate(parts.items())
    ]

    def says(table: str) -> Column:
        return F.when(F.col("_by") == list(parts).index(table), F.col("_says"))

    # Each record has a row in every part, so that nothing is gained by grouping before the rows are moved.
    return (
        reduce(DataFrame.unionByName, said)
        .repartition("_record")
        .groupBy("_record")
        .agg(
            *[F.max(says(name)).alias(name) for name in ("cluster", "held", "now", "stay")],
            F.max_by(says("told"), "_since").alias("replayed"),
            F.count(says("now")).alias("ids"),
            F.count(says("stay")).alias("stays"),
        )
        .filter(F.coalesce("cluster", "held", "now", "stay", "replayed").isNotNull())
    )


def _record() -> Column:
    return F.xxhash64(*RECORD).alias("_record")


def _number(name: str) -> Column:
    return F.when(F.col(name).isNotNull(), F.xxhash64(name))


def _not_the_same(numbers: DataFrame) -> DataFrame | None:
    """The numbers of the records that can break an invariant, and of all that share a customer or cluster with one.

    ``numbers``: of ``_numbers``. Most customers are tonight what they were: all tables say the same of each record, and
    customer and cluster are the same records. These break none. None where most are not what they were. Runs jobs.
    """
    said = [F.col(name) == F.col("now") for name in ("held", "stay", "replayed")]
    is_one = (F.col("ids") == 1) & (F.col("stays") == 1) & F.coalesce(reduce(and_, said), F.lit(False))
    marked = computed_once(numbers.withColumn("is_other", ~(is_one & F.col("cluster").isNotNull())))
    found = _of_the_others(marked)
    # Of all records, and held beside what is looked at by name.
    let_go(marked)
    return found


def _of_the_others(marked: DataFrame) -> DataFrame | None:
    """``_not_the_same`` of ``numbers`` with is_other: a table says something else of the record than another."""
    if marked.filter("is_other").count() > FEW:
        return None

    def groups(kind: str, other: str | None = None) -> DataFrame:
        """The clusters or customers with a row that is another, or that are more than one of the ``other``."""
        several = F.lit(False) if other is None else F.min(other) != F.max(other)
        return (
            marked.filter(F.col(kind).isNotNull())
            .groupBy(F.col(kind).alias("key"))
            .agg((F.max("is_other") | several).alias("is_touched"))
            .filter("is_touched")
            .select(F.lit(kind).alias("kind"), "key")
        )

    found = [groups("cluster", "now"), groups("now", "cluster"), groups("held")]
    touched = computed_once(reduce(DataFrame.unionByName, found))
    if touched.count() > FEW:
        return None
    for kind in ("cluster", "now", "held"):
        keys = touched.filter(F.col("kind") == kind).select(
            F.col("key").alias(kind), F.lit(True).alias(f"is_of_{kind}")
        )
        marked = marked.join(F.broadcast(keys), on=kind, how="left")
    # A record without customer or cluster is of no group.
    is_touched = F.col("is_other") | F.coalesce("is_of_cluster", "is_of_now", "is_of_held").isNotNull()
    records = computed_once(marked.filter(is_touched).select("_record").limit(FEW + 1))
    return None if records.count() > FEW else records


def _ids(facts: DataFrame, previous: Identity) -> DataFrame:
    """One row per customer with live records: has_holder, is_known, is_scattered.

    ``has_holder``: a record held the id in the prior state; ``is_known``: it was published before.
    """
    ids = (
        facts.filter(F.col("now").isNotNull())
        .groupBy(F.col("now").alias("customer_id"))
        .agg(
            F.max(F.col("held").eqNullSafe(F.col("now"))).alias("has_holder"),
            (F.min("cluster") != F.max("cluster")).alias("is_scattered"),
        )
    )
    unheld = ids.filter(~F.col("has_holder")).select("customer_id")
    published = stays(previous.events).select(F.col("stay_id").alias("customer_id"))
    known = published.unionByName(previous.aliases.select("customer_id")).join(
        unheld, on="customer_id", how="left_semi"
    )
    marked = ids.join(known.distinct().withColumn("was_known", F.lit(True)), on="customer_id", how="left")
    return marked.select(
        "customer_id",
        "has_holder",
        (F.col("has_holder") | F.col("was_known").isNotNull()).alias("is_known"),
        F.coalesce("is_scattered", F.lit(False)).alias("is_scattered"),
    )


def _fates(facts: DataFrame, ids: DataFrame) -> DataFrame:
    """One row per id with records in both nights: is_kept, leads_to_known, is_torn, has_lost (records gone)."""
    heirs = ids.select(F.col("customer_id").alias("now"), "is_known")
    return (
        facts.filter(F.col("held").isNotNull())
        .join(heirs, on="now", how="left")
        .groupBy("held")
        .agg(
            F.max(F.col("now").eqNullSafe(F.col("held"))).alias("is_kept"),
            F.coalesce(F.max("is_known"), F.lit(False)).alias("leads_to_known"),
            F.coalesce(F.min("cluster") != F.max("cluster"), F.lit(False)).alias("is_torn"),
            F.max(F.col("cluster").isNull()).alias("has_lost"),
            F.count("now").alias("live"),
        )
        .filter(F.col("live") > 0)
    )


def _untouched(facts: DataFrame, fates: DataFrame) -> DataFrame:
    """Clusters of exactly the records of one customer before, with another id now."""
    whole = fates.filter(~F.col("is_torn") & ~F.col("has_lost")).select("held")
    return (
        facts.filter(F.col("cluster").isNotNull())
        .groupBy("cluster")
        .agg(
            F.min("held").alias("held"),
            F.max("held").alias("last_held"),
            F.max(F.col("held").isNull()).alias("has_new"),
            F.max(~F.col("held").eqNullSafe(F.col("now"))).alias("has_moved"),
        )
        .filter((F.col("held") == F.col("last_held")) & ~F.col("has_new") & F.col("has_moved"))
        .join(whole, on="held", how="left_semi")
    )


def _lacks_event() -> Column:
    is_told = F.col("event").isNotNull() & F.col("event_id").eqNullSafe(F.col("now"))
    return ~F.col("held").eqNullSafe(F.col("now")) & ~is_told


def _is_not_one() -> Column:
    """Live without exactly one id, or with an id although it is gone."""
    return F.col("ids") != F.when(F.col("cluster").isNotNull(), 1).otherwise(0)


def _given_away(facts: DataFrame, ids: DataFrame, previous: Identity) -> DataFrame:
    """Ids published before, none of whose records ever held them."""
    back = ids.filter(F.col("is_known") & ~F.col("has_holder")).select("customer_id")
    records = facts.select(*RECORD, F.col("now").alias("customer_id")).join(
        back, on="customer_id", how="left_semi"
    )
    held = stays(previous.events).withColumnRenamed("stay_id", "customer_id")
    returned = records.join(held, on=[*RECORD, "customer_id"], how="inner").select("customer_id").distinct()
    return back.join(returned, on="customer_id", how="left_anti")


def _unaliased(facts: DataFrame, open_aliases: DataFrame) -> DataFrame:
    """Customers that records went to without their former id leading there."""
    is_moved = F.col("now").isNotNull() & (F.col("now") != F.col("held"))
    moves = facts.filter(is_moved).select(F.col("held").alias("customer_id"), F.col("now").alias("became"))
    return moves.distinct().join(open_aliases, on=["customer_id", "became"], how="left_anti")


def _dead_ends(open_aliases: DataFrame, current: Identity) -> DataFrame:
    """Open aliases that lead to an id that is no customer itself."""
    merged = open_aliases.filter(F.col("kind") == "merged").select("customer_id").distinct()
    live = current.assignments.select("customer_id")
    retired = merged.join(live, on="customer_id", how="left_anti").withColumnRenamed("customer_id", "became")
    return open_aliases.join(retired, on="became", how="left_semi")
