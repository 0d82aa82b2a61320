"""``bronze/batches``: every landed file, what it brought and how its rows fared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.bronze.landing import micros
from pipelines.bronze.secrets import REMOVED
from pipelines.bronze.tables import TECHNICAL
from pipelines.tables import BOOLEAN, DATE, LONG, STRING, STRINGS, TIMESTAMP, Column, Kind, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.bronze.contract import FileHead
    from pipelines.sources import Source

_P = Personal.PSEUDONYM

BATCHES = Table(
    layer="bronze",
    name="batches",
    grain="One row a landed file.",
    key=("batch_id",),
    kind=Kind.APPEND,
    owner="data engineering",
    check="status IN ('landed', 'rejected')",
    columns=(
        Column("batch_id", STRING, "The landed file, by place and content.", _P, required=True),
        Column("source", STRING, "Source that delivered it.", required=True),
        Column("feed", STRING, "Feed that it belongs to.", required=True),
        Column("file", STRING, "Path inside the landing folder.", _P, required=True),
        Column("digest", STRING, "SHA-256 of the file as stored.", required=True),
        Column("landing_date", DATE, "Date of its landing folder.", required=True),
        Column("business_date", DATE, "Date of the night that took it in.", required=True),
        Column(
            "is_late",
            BOOLEAN,
            "True when the night before it was already published: dated on or before the newest release.",
            required=True,
        ),
        Column(
            "is_snapshot",
            BOOLEAN,
            "True when the file is the feed's full state: what it lacks was deleted.",
            required=True,
        ),
        Column("bytes", LONG, "Size as stored.", unit="bytes"),
        Column("modified_at", TIMESTAMP, "When the storage says that the file was last written."),
        Column("rows", LONG, "Rows without header and blank lines, malformed ones included.", unit="rows"),
        Column("malformed", LONG, "Rows of them that could not be read into columns.", unit="rows"),
        Column(
            "is_cut_off",
            BOOLEAN,
            "True where its last line, which has no line end, is only the beginning of a row. NULL: landed by a version "
            "that did not look.",
        ),
        Column("columns", STRINGS, "Columns of the file, in its own order."),
        Column("new_columns", STRINGS, "Columns that the feed does not declare."),
        Column("missing_columns", STRINGS, "Declared columns that the file lacks."),
        Column("secret_columns", STRINGS, "Columns of credentials, which were not stored."),
        Column(
            "secrets", LONG, "Rows in which a value looked like a credential and was removed.", unit="rows"
        ),
        Column("ingested_at", TIMESTAMP, "When the night took it in.", required=True),
        Column("status", STRING, "landed, or rejected by release reject: silver skips it.", required=True),
    ),
)


_COUNTED = ("rows", "malformed", "secrets")
_DELIVERED = ["source", "feed", "landing_date", "status"]


def batch_rows(bronze: DataFrame) -> DataFrame:
    """Of each batch of a bronze table's slice: ``_batch_id``, rows, malformed, secrets."""
    from pyspark.sql import functions as F

    texts = [F.col(f"`{c}`") for c in bronze.columns if c not in TECHNICAL or c == "_raw"]
    has_secret = reduce(or_, [F.coalesce(F.contains(text, F.lit(REMOVED)), F.lit(False)) for text in texts])
    return bronze.groupBy("_batch_id").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count("_problem").alias("malformed"),
        F.count_if(has_secret).alias("secrets"),
    )


def batches_frame(
    spark: SparkSession,
    heads: Sequence[FileHead],
    counts: DataFrame,
    *,
    business_date: date,
    ingested_at: datetime,
    released: date | None,
) -> DataFrame:
    """The night's rows of ``bronze/batches``.

    ``counts`` is the union of ``batch_rows`` over the night's feeds: a file that it lacks has no
    rows. ``released`` is the date of the release that the night builds on; files dated up to it
    are late.
    """
    rows: list[dict[str, Any]] = [
        {
            "batch_id": head.file.batch_id,
            "source": head.file.source,
            "feed": head.file.feed,
            "file": head.file.path,
            "digest": head.file.digest,
            "landing_date": head.file.landing_date,
            "business_date": business_date,
            "is_late": released is not None and head.file.landing_date <= released,
            "is_snapshot": head.is_snapshot,
            "bytes": head.file.bytes,
            "modified_at": None if head.file.modified_at is None else micros(head.file.modified_at),
            "is_cut_off": head.is_cut_off,
            "columns": list(head.columns),
            "new_columns": list(head.new_columns),
            "missing_columns": list(head.missing_columns),
            "secret_columns": list(head.secret_columns),
            "ingested_at": ingested_at,
            "status": "landed",
        }
        for head in heads
    ]
    from pyspark.sql import functions as F

    own = pa.schema([f for f in BATCHES.arrow if f.name not in _COUNTED])
    known = spark.createDataFrame(pa.Table.from_pylist(rows, schema=own))
    counted = counts.withColumnRenamed("_batch_id", "batch_id")
    joined = known.join(F.broadcast(counted), on="batch_id", how="left")
    return BATCHES.conform(joined.fillna(0, subset=list(_COUNTED)))


@dataclass(frozen=True)
class Punctuality:
    """How a source keeps its cadence, or a feed that has one of its own."""

    source: str
    feeds: tuple[str, ...]
    """Feeds that it is about, sorted."""
    about: str
    """The source, or source/feed where the feed has a cadence of its own."""
    last: date
    """Newest landing date of the feeds."""
    cadence_days: int
    days_late: int
    """Days by which ``last`` is older than the cadence; 0 within it."""


def punctuality(
    batches: pa.Table | None, sources: Mapping[str, Source], business_date: date
) -> list[Punctuality]:
    """The sources and feeds with a cadence that ever delivered, sorted; rejected batches do not count.

    The feeds of a source without a cadence of their own keep it together: the newest counts.
    """
    marks: dict[tuple[str, str], date] = {}
    for row in [] if batches is None else batches.select(_DELIVERED).to_pylist():
        if row["status"] == "landed":
            key = row["source"], row["feed"]
            marks[key] = max(row["landing_date"], marks.get(key, row["landing_date"]))
    found = []
    for name, source in sorted(sources.items()):
        own = sorted(feed for feed, spec in source.feeds.items() if spec.has_own_cadence)
        # What was delivered as a feed that conf does not know any more was delivered all the same.
        former = {feed for of, feed in marks if of == name}
        others = sorted((source.feeds.keys() | former) - set(own))
        for feeds, about in ((others, name), *(((feed,), f"{name}/{feed}") for feed in own)):
            last = max((marks[name, feed] for feed in feeds if (name, feed) in marks), default=None)
            cadence = source.cadence_days if about == name else source.cadence_of(feeds[0])
            if last is not None and cadence is not None:
                late = max((business_date - last).days - cadence, 0)
                found.append(Punctuality(name, tuple(feeds), about, last, cadence, late))
    return found


def high_water_marks(batches: pa.Table) -> dict[str, date]:
    """The newest landing date that each source has delivered; rejected batches do not count."""
    marks: dict[str, date] = {}
    for row in batches.select(["source", "landing_date", "status"]).to_pylist():
        if row["status"] == "landed":
            marks[row["source"]] = max(row["landing_date"], marks.get(row["source"], row["landing_date"]))
    return marks
