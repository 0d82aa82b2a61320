"""The silver stage of a night: from the bronze tables, and where little changed from last night's silver."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pipelines.bronze.tables import bronze_table
from pipelines.quality.row_rules import row_rules
from pipelines.silver.build import SILVER, build_from, classify_all
from pipelines.silver.cases import CASES
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.outcome_counts import OUTCOME_COUNTS, outcome_counts
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.received import Received
from pipelines.silver.renames import RENAMES, begun_on
from pipelines.silver.touched import LastNight, Part, Touched, rows_of
from pipelines.silver.touched_cases import touched_cases
from pipelines.silver.touched_orders import OF_ORDERS, touched_orders
from pipelines.silver.touched_records import TouchedRecords, touched_records
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from pipelines.silver.frames import Feeds
    from pipelines.sources import Source
    from pipelines.stages import Content, Inputs
    from pipelines.tables import Table
    from pipelines.taken_over import TakenOver

WORTH_A_JOIN = 5_000
"""Customer records; fewer are standardised in less time than a join with last night's takes."""
WORTH_A_LOOK = 50_000
"""Orders, lines and returns, or customer records, or cases; fewer are made again in less time than it takes to find out which are touched."""


def bronze_tables(sources: Mapping[str, Source]) -> dict[tuple[str, str], Table]:
    """The bronze table of every declared feed, by (source, feed)."""
    return {(s.source, feed): bronze_table(s, feed) for s in sources.values() for feed in s.feeds}


def received(inputs: Inputs) -> Received:
    """The bronze tables as silver reads them."""
    return Received(inputs, bronze_tables(inputs.settings.sources))


def silver(inputs: Inputs) -> Content:
    """The tables of ``SILVER`` and the renames in force."""
    came = received(inputs)
    feeds = came.feeds()
    filled = came.targets() | {QUARANTINE.name, OUTCOME_COUNTS.name}
    # A table that no feed fills, or none any more, is written once, empty, so that readers find it.
    content: dict[str, DataFrame | TakenOver | pa.Table] = {
        table.path: arrow_schema(table).empty_table()
        for table in SILVER
        if (not feeds or table.name not in filled)
        and (not inputs.exists(table) or inputs.previous_rows(table))
    }
    if feeds:
        built = _built(inputs, came, {key: came.frame(key) for key in feeds})
        content |= {table.path: built[table.path] for table in SILVER if table.name in filled}
    if begun_on(came.renames, came.stored).num_rows or not inputs.exists(RENAMES):
        content[RENAMES.path] = came.renames
    return content


def _built(inputs: Inputs, came: Received, bronze: Feeds) -> Mapping[str, DataFrame | TakenOver]:
    settings, today = inputs.settings, inputs.night.business_date
    rules = row_rules(settings.contracts)
    last = _last_night(inputs, came)
    orders = None if last is None else _touched_events(touched_orders, OF_ORDERS, inputs, bronze, last)
    records = None if last is None else _touched_records(inputs, came, bronze, last)
    cases = None if last is None else _touched_events(touched_cases, (CASES,), inputs, bronze, last)
    parts: list[Part] = [part for part in (orders, records, cases) if part is not None]
    touched = None
    if last is not None and parts:
        # Bronze is scanned for them, and that is the dear part.
        touched = Touched(parts, inputs.keep_all(rows_of(parts)), last, today)
    looked_at = bronze if touched is None else {**bronze, **touched.rows}
    # Every table is made of the same verdicts.
    classified = inputs.keep_all(
        classify_all(looked_at, settings.sources, batches=came.batches(), rules=rules)
    )
    built = build_from(
        classified,
        settings.sources,
        settings.project,
        business_date=today,
        before=_records_before(inputs) if records is None else records.before(),
        history=came.history_rows(),
        snapshots=came.snapshots_before_last(),
        keep=inputs.keep,
    )
    if touched is None:
        return built.tables
    before = classify_all(touched.earlier(), settings.sources, batches=came.batches(), rules=rules)
    return touched.completed(built.tables, classified, outcome_counts(before, business_date=today))


def _last_night(inputs: Inputs, came: Received) -> LastNight | None:
    """What tables may be completed from; None where all of bronze has to be looked at."""
    night, counts = inputs.night, inputs.previous_arrow(OUTCOME_COUNTS)
    since = came.came_since() if night.is_same_program and not night.is_full else None
    if since is None or counts is None or not counts.num_rows:
        return None
    # After a rejection or a rollback the release has the date of the night taken back, and the tables of an earlier one.
    made_on = max(counts["business_date"].to_pylist())
    wanted = (CUSTOMER_RECORDS, *OF_ORDERS, CASES, QUARANTINE, OUTCOME_COUNTS)
    return LastNight({table.path: inputs.previous(table) for table in wanted}, made_on, since)


def _touched_events(
    find: Callable[..., Part | None],
    tables: Sequence[Table],
    inputs: Inputs,
    bronze: Feeds,
    last: LastNight,
) -> Part | None:
    """What the night has to look at of the events that fill ``tables``, by ``find``; None where that is everything."""
    if not _is_worth_a_look(inputs, *tables):
        return None
    return find(
        bronze,
        inputs.settings.sources,
        last,
        timezone=inputs.settings.project.timezone,
        business_date=inputs.night.business_date,
        keep=inputs.keep,
    )


def _touched_records(inputs: Inputs, came: Received, bronze: Feeds, last: LastNight) -> TouchedRecords | None:
    """What the night has to look at of its customer records; None where that is everything."""
    if not _is_worth_a_look(inputs, CUSTOMER_RECORDS):
        return None
    return touched_records(
        bronze,
        inputs.settings.sources,
        last,
        came.going_on(last.came),
        default_country=inputs.settings.project.country,
        timezone=inputs.settings.project.timezone,
        business_date=inputs.night.business_date,
        keep=inputs.keep,
    )


def _is_worth_a_look(inputs: Inputs, *tables: Table) -> bool:
    """True where last night left ``tables`` of so many rows, and all that it takes to complete them."""
    fits = all(map(inputs.previous_fits, (*tables, QUARANTINE, OUTCOME_COUNTS)))
    return fits and sum(map(inputs.previous_rows, tables)) >= WORTH_A_LOOK


def _records_before(inputs: Inputs) -> DataFrame | None:
    """Last night's customer records, where there are so many that taking their form over is worth a join."""
    if inputs.night.is_full or not inputs.previous_fits(CUSTOMER_RECORDS):
        return None
    is_worth_it = inputs.previous_rows(CUSTOMER_RECORDS) >= WORTH_A_JOIN
    return inputs.previous(CUSTOMER_RECORDS) if is_worth_it else None
