"""``Feed.map`` in Spark: source columns as text → the standard columns of the feed's target."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.bronze.tables import stored_name
from pipelines.silver import values
from pipelines.silver.targets import TARGETS, parse_of
from pipelines.sources import FILE, ROW, Mapped
from pipelines.tables import DATE, LONG, STRING, TIMESTAMP, Personal
from pipelines.tables import Column as Declared

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from pipelines.sources import Feed, Source, Use

PROVENANCE = (
    Declared("_batch_id", STRING, "Batch that brought the row.", Personal.PSEUDONYM),
    Declared("_file", STRING, "File that brought it.", Personal.PSEUDONYM),
    Declared("_row", LONG, "Physical line or row number inside the file.", Personal.PSEUDONYM),
    Declared("_landing_date", DATE, "Landing folder's date of that file."),
    Declared("_ingested_at", TIMESTAMP, "When the night took the file in."),
)
STATE_ORDER = ("_landing_date", "_file", "_ingested_at", "_batch_id", "_row")
"""Rows of a key from oldest to newest: never by what the source calls its time of change."""

Origin = Callable[[str], "Column"]
"""The text of a source column by its name in YAML."""


def origin(columns: list[str]) -> Origin:
    """Source columns of a bronze frame; one that no file has brought is NULL."""
    spelling = {name.casefold(): name for name in columns}

    def text(name: str) -> Column:
        found = spelling.get((name if name in (FILE, ROW) else stored_name(name)).casefold())
        return F.lit(None).cast(STRING) if found is None else F.col(f"`{found}`").cast(STRING)

    return text


def key_of(use: Use, text: Origin) -> Column:
    """The key as one array of texts; NULL where a part of it is missing."""
    parts = [values.present(text(name)) for name in use.key]
    return F.when(reduce(operator.and_, [part.isNotNull() for part in parts]), F.array(*parts))


def _received(made: Mapped, text: Origin, *, as_it_is: bool) -> Column:
    if made.constant is not None:
        return F.lit(made.constant)
    if made.join:
        joined = F.concat_ws(" ", *[values.present(text(name)) for name in made.join])
        return values.present(joined)
    value = text(made.column or "")
    return F.when(values.present(value).isNotNull(), value) if as_it_is else values.present(value)


def _translation(made: Mapped, value: Column) -> Column | None:
    """The standard code of a value; NULL where it has none. None where the map translates nothing."""
    if made.codes is not None:
        pairs = {values.fold(code): standard for code, standard in made.codes.items()}
        literals = [F.lit(item) for pair in pairs.items() for item in pair]
        return (
            F.try_element_at(F.create_map(*literals), values.folded(value))
            if pairs
            else F.lit(None).cast(STRING)
        )
    if made.patterns is not None:
        first = F.lit(None).cast(STRING)
        for pattern, standard in reversed(made.patterns.items()):
            first = F.when(value.rlike(pattern), F.lit(standard)).otherwise(first)
        return first
    return None


def is_unmapped(made: Mapped, text: Origin) -> Column | None:
    """True where a code stands that has no translation; None where that quarantines nothing."""
    return has_no_code(made, text) if made.unmapped == "quarantine" else None


def has_no_code(made: Mapped, text: Origin) -> Column | None:
    """True where a code stands that has no translation; None where the map translates nothing."""
    value = _received(made, text, as_it_is=False)
    translated = _translation(made, value)
    return None if translated is None else value.isNotNull() & translated.isNull()


def _text(made: Mapped, text: Origin, *, as_it_is: bool) -> Column:
    value = _received(made, text, as_it_is=as_it_is)
    translated = _translation(made, value)
    if translated is None:
        return value
    rest = {"keep": value, "other": F.when(value.isNotNull(), F.lit("other"))}.get(made.unmapped)
    return translated if rest is None else F.coalesce(translated, rest)


def made_column(
    made: Mapped | tuple[Mapped, ...],
    wanted: str,
    text: Origin,
    feed: Feed,
    *,
    zone: str,
    as_it_is: bool = False,
) -> Column:
    """One standard column of type ``wanted``: NULL where what was received cannot be read.

    ``zone``: of timestamps without an offset. ``as_it_is``: keep the blanks around a text.
    """
    if isinstance(made, tuple):
        parts = [made_column(part, STRING, text, feed, zone=zone, as_it_is=as_it_is) for part in made]
        kept = F.array_compact(F.array(*parts))
        return F.when(F.size(kept) > 0, kept)
    if made.product:
        left, right = made.product
        return values.product(text(left), text(right), feed.decimal).try_cast(wanted)
    value = _text(made, text, as_it_is=as_it_is)
    parse = parse_of(made, wanted)
    read: dict[str, Callable[[], Column]] = {
        "text": lambda: value,
        "date": lambda: values.as_date(value, made.formats),
        "timestamp": lambda: values.as_timestamp(value, made.formats, zone=zone),
        "amount": lambda: values.as_amount(value, feed.decimal),
        "number": lambda: values.as_number(value, feed.decimal),
        "integer": lambda: values.as_integer(value, feed.decimal),
        "boolean": lambda: values.as_boolean(value),
    }
    return read[parse]().try_cast(wanted)


def standard_column(
    name: str, rows: DataFrame, source: Source, feed: Feed, use: Use, *, timezone: str
) -> Column:
    """One column of the use's target over ``rows``, typed; NULL where the map does not name it.

    ``timezone``: the business zone, for sources that declare none.
    """
    wanted = TARGETS[use.target].columns[name]
    how = use.map.get(name)
    if how is None:
        return F.lit(source.source if name == "source" else None).cast(wanted)
    zone = source.timezone or timezone
    return made_column(how, wanted, origin(rows.columns), feed, zone=zone, as_it_is=name.endswith("_raw"))


def standard_rows(
    current: DataFrame, source: Source, feed_name: str, use: Use, *, timezone: str
) -> DataFrame:
    """The current rows of a feed as rows of the use's target, with provenance.

    ``use`` is the feed itself, or one of its ``derive``: then rows of one key become one, each
    column by its ``take``, with the provenance of the newest of them; rows without a key become none.
    """
    feed = source.feeds[feed_name]
    types = TARGETS[use.target].columns
    rows = [
        standard_column(name, current, source, feed, use, timezone=timezone).alias(name) for name in types
    ]
    provenance = [F.col(column.name) for column in PROVENANCE]
    if use is feed:
        return current.select(*rows, *provenance)
    keyed = current.select(key_of(use, origin(current.columns)).alias("_key"), *rows, *provenance)
    state = F.struct(*STATE_ORDER)
    newest = F.max(state).alias("_newest")
    grouped = (
        keyed.filter(F.col("_key").isNotNull())
        .groupBy("_key")
        .agg(*[_taken(name, use, state).alias(name) for name in types], newest)
    )
    return grouped.select(
        *[F.col(name).try_cast(types[name]).alias(name) for name in types],
        *[F.col(f"_newest.{column.name}").alias(column.name) for column in PROVENANCE],
    )


def _taken(name: str, use: Use, state: Column) -> Column:
    how = use.map.get(name)
    take = "last" if how is None or isinstance(how, tuple) else how.take
    if take == "sum":
        return F.sum(name)
    if take == "min":
        return F.min(name)
    if take == "max":
        return F.max(name)
    candidate = F.when(F.col(name).isNotNull(), state)
    return F.min_by(name, candidate) if take == "first" else F.max_by(name, candidate)


def plain_column(feed: Feed, name: str) -> str | None:
    """The column whose text, but for the blanks around it, a feed takes for ``name``; None where it makes it of more."""
    how = feed.map.get(name)
    if not isinstance(how, Mapped) or how.codes is not None or how.patterns is not None:
        return None
    return how.column if how.parse == "text" else None
