"""The gate on what a night deletes."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.ops.gates import Verdict, verdict
from pipelines.silver.deletions import deletions_told, names_what_it_deletes
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.silver.outcomes import deleted_share
from pipelines.silver.received import Received

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.stages import Inputs
    from pipelines.tables import Table

    Key = tuple[str, str]


WARNS_AT = 0.5
"""Part of ``max_deleted_share`` from which on a night is warned of, of a feed with at least ``LEAST`` live keys."""
LEAST = 100


def deletions(feeds: Mapping[Key, Table]) -> Callable[[Inputs], list[Verdict]]:
    """``deleted_share``: a half snapshot looks like many deletions, and stops before silver; so does a feed that
    conf/sources declares no more.

    Where files name what they delete, and name little, their own rows say enough: the share is of the rows that
    do, the most that it can be. Else all that ever came in is looked at.
    """

    def gate(inputs: Inputs) -> list[Verdict]:
        if inputs.night.base_date is None:
            return []
        tonight: dict[Key, list[str]] = {}
        for file in inputs.night.files:
            if inputs.settings.sources[file.source].feeds[file.feed].mode != "append":
                tonight.setdefault((file.source, file.feed), []).append(file.batch_id)
        received = Received(inputs, feeds)
        found = _told(inputs, received, tonight)
        found |= _seen(inputs, received, {key: names for key, names in tonight.items() if key not in found})
        return [
            *(row for key in sorted(found) for row in _judged(inputs, key, *found[key])),
            *_undeclared(inputs, received, feeds),
        ]

    return gate


def _undeclared(inputs: Inputs, received: Received, feeds: Mapping[Key, Table]) -> list[Verdict]:
    """Feeds that conf/sources declares no more: silver would be made without all that they ever brought."""
    before = received.by_names_of_now(inputs.previous_arrow(OUTCOME_COUNTS))
    gone = {
        (row["source"], row["feed"]): row["current"]
        for row in (before.to_pylist() if before else ())
        if row["current"] and (row["source"], row["feed"]) not in feeds
    }
    return [found for key, rows in sorted(gone.items()) for found in _missed(inputs, key, rows)]


def _missed(inputs: Inputs, key: Key, rows: int) -> list[Verdict]:
    """The verdict on a feed of so many ``rows`` that conf/sources declares no more."""
    settings, about = inputs.settings, "/".join(key)
    # A source may get another name, a feed of one may not.
    renamed = "" if key[0] in settings.sources else ", say in conf/renames.yml what its source is called now,"
    return verdict(
        settings.project,
        "deleted_share",
        value=1.0,
        bound=settings.project.max_deleted_share,
        message=f"conf/sources declares {about} no more: its {rows:,} rows would leave silver, and with them customers that "
        f"nothing else knows. Declare it again{renamed} or approve, if it is gone for good or was kept in bronze only.",
        about=about,
    )


def _told(inputs: Inputs, received: Received, tonight: Mapping[Key, list[str]]) -> dict[Key, tuple[int, int]]:
    """(live keys before, rows that say they delete one) of the feeds for which no more is to be known.

    Who was live is what last night's code and configuration said, so they have to be tonight's too.
    """
    batches, before = received.batch_rows(), inputs.previous_arrow(OUTCOME_COUNTS)
    if batches is None or before is None or not inputs.night.is_same_program:
        return {}
    live = {(row["source"], row["feed"]): row["current"] for row in before.to_pylist()}
    naming = [
        key
        for key, names in sorted(tonight.items())
        if key in live
        and names_what_it_deletes(inputs.settings.sources[key[0]].feeds[key[1]], names, batches)
    ]
    if not naming:
        return {}
    counts = [
        deletions_told(received.frame(key), tonight[key]).withColumn("place", F.lit(place))
        for place, key in enumerate(naming)
    ]
    told = {naming[row["place"]]: row["told"] for row in reduce(DataFrame.unionByName, counts).collect()}
    most = inputs.settings.project.max_deleted_share * WARNS_AT
    return {key: (live[key], rows) for key, rows in told.items() if rows <= most * live[key]}


def _seen(inputs: Inputs, received: Received, tonight: Mapping[Key, list[str]]) -> dict[Key, tuple[int, int]]:
    """(live keys before, keys that tonight deletes), by all rows of the feeds."""
    batches = received.batches()
    shares = [
        deleted_share(
            received.frame((source, feed)),
            inputs.settings.sources[source],
            feed,
            tonight=names,
            batches=batches,
        )
        for (source, feed), names in sorted(tonight.items())
    ]
    rows = reduce(DataFrame.unionByName, shares).collect() if shares else []
    return {(row["source"], row["feed"]): (row["live_before"], row["deleted_tonight"]) for row in rows}


def _judged(inputs: Inputs, key: Key, live: int, deleted: int) -> list[Verdict]:
    share, most = deleted / live if live else 0.0, inputs.settings.project.max_deleted_share
    about = "/".join(key)
    what_to_do = (
        "If it is, raise max_deleted_share in conf/padron.yml for this night."
        if share > most
        else f"Above {most:.1%} the night stops."
    )
    return verdict(
        inputs.settings.project,
        "deleted_share",
        value=share,
        bound=most,
        message=f"tonight deletes {deleted:,} of {live:,} records ({share:.1%}) of {about}: is the file whole? {what_to_do}",
        about=about,
        warn_above=most * WARNS_AT if live >= LEAST else None,
    )
