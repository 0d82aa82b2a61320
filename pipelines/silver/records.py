"""The builder of ``silver/customer_records``: mapped in Spark, then brought to standard form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.queries import Keep, as_it_is
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.frames import Feeds, is_own_key, newest_of_key, uses_of
from pipelines.silver.mapping import standard_rows
from pipelines.silver.standard_form import FeedHints, in_standard_form
from pipelines.tables import STRING

if TYPE_CHECKING:
    from pipelines.sources import Source, Use


def customer_records(
    current: Feeds,
    sources: Mapping[str, Source],
    *,
    default_country: str,
    timezone: str,
    business_date: date,
    before: DataFrame | None = None,
    keep: Keep = as_it_is,
) -> DataFrame | None:
    """``silver/customer_records`` from the current rows of all feeds, by (source, feed).

    ``default_country``: of records that name none and whose source declares none. ``timezone``: of
    timestamps without an offset in sources that declare none. ``before``: the table of the
    night before, whose standard forms are taken over where nothing changed. Where several feeds of a source bring one
    record, the newest row stands. ``keep``: see ``queries``. None where no feed of customers ever came in.
    """
    found = uses_of("customer_records", current, sources)
    if not found:
        return None
    hints = hints_of(found, default_country)
    frames = []
    for number, (source, feed, use) in enumerate(found):
        rows = standard_rows(current[source.source, feed], source, feed, use, timezone=timezone)
        frames.append(rows.withColumn("_feed", F.lit(number)))
    received = reduce(DataFrame.unionByName, frames)
    # A feed that maps `source` may bring anybody's records.
    owners = [None if "source" in use.map else source.source for source, _, use in found]
    is_unique = None not in owners and len(set(owners)) == len(owners)
    if not (is_unique and all(is_own_key("customer_records", use) for _, _, use in found)):
        received = newest_of_key(received, CUSTOMER_RECORDS.key)
    received = received.withColumn("_row", F.col("_row").cast(STRING))
    return in_standard_form(received, hints, business_date, before, keep)


def hints_of(uses: Sequence[tuple[Source, str, Use]], default_country: str) -> dict[int, FeedHints]:
    """What is known of the records of each of ``uses`` (``frames.uses_of``), by its place."""
    return {
        number: FeedHints(
            name_order=use.name_order,
            default_country=source.country or default_country,
            date_formats=use.birth_date_formats,
        )
        for number, (source, _, use) in enumerate(uses)
    }
