"""Customer records as received → in standard form, on Arrow columns; what last night made is taken over.

Standardising a record is the dearest thing that silver does, and from night to night few records
change. A record's standard form follows from what the source says of it (``RECEIVED``), from what
is known of its feed, from the program, and for birth dates alone from the business date: where all
of it is as it was, the form in last night's table is the one that would be made again.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING
from unicodedata import unidata_version

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipelines.config import digest
from pipelines.digests import LIBRARIES, code_digest, version_of
from pipelines.silver.customer_records import CUSTOMER_RECORDS, MATCHING, MATCHING_DIGEST, RAW, STANDARD
from pipelines.tables import STRING, STRINGS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

RECEIVED = (*[column.name for column in RAW], "loyalty_id")
"""What standardisation looks at."""
PASSED_ON = (
    *("loyalty_id", "cookie_id", "gender", "occupation", "employer", "education", "language"),
    *("preferred_channel", "marketing_opt_in", "home_store", "registered_at", "updated_at"),
)
"""Standard columns that hold what was received."""
MADE = tuple(column.name for column in (*STANDARD, *MATCHING) if column.name not in PASSED_ON)
"""What standardisation makes."""
MADE_BY = "_standardised_by"
MADE_ON = "_standardised_on"
_MADE_HERE = pa.schema([field for field in CUSTOMER_RECORDS.arrow if field.name != MATCHING_DIGEST.name])
"""What a worker gives of a record."""


@dataclass(frozen=True)
class FeedHints:
    """What is known of a feed's records beside their rows; see ``pipelines.standardise.Hints``."""

    name_order: str
    default_country: str
    date_formats: tuple[str, ...]

    @property
    def digest(self) -> str:
        """What standardises the feed's records, but for the business date: these hints, the program, and the
        libraries that know numbering plans, check digits, legal forms and characters."""
        known = (code_digest("silver"), *map(version_of, LIBRARIES["silver"]), unidata_version)
        return digest(self.name_order, self.default_country, self.date_formats, known)


def in_standard_form(
    rows: DataFrame, hints: Mapping[int, FeedHints], business_date: date, before: DataFrame | None = None
) -> DataFrame:
    """``silver/customer_records`` of ``rows``: what was received, one row a record, with its ``_feed``.

    ``hints``: of the feeds, by that number. ``before``: the table of an earlier night, from which to take
    over what did not change.
    """
    made_by = {feed: known.digest for feed, known in hints.items()}
    told = F.lit(None).cast("string")
    for feed, name in made_by.items():
        told = F.when(F.col("_feed") == feed, F.lit(name)).otherwise(told)
    rows = rows.withColumns({MADE_BY: told, MADE_ON: F.lit(business_date)})
    if before is not None:
        rows = _with_form(rows, before)
    standardise = _Standardise(hints, business_date, takes_over=before is not None)
    made = T.StructType([field for field in CUSTOMER_RECORDS.schema if field.name in _MADE_HERE.names])
    return with_digest(rows.mapInArrow(standardise, made))


def with_digest(records: DataFrame) -> DataFrame:
    """Customer ``records`` with their ``matching_digest``; lists keep their order.

    Why a value is no evidence makes no other record, so ``match_excluded`` does not count.

    What a hash leaves out, that a value is NULL and where a list ends, goes in besides; no list of silver
    holds NULLs.
    """
    columns = {"party_type": STRING, **{column.name: column.type for column in MATCHING}}
    del columns["match_excluded"]
    shape = [
        F.coalesce(F.size(name), F.lit(-1)) if kind == STRINGS else F.isnull(name)
        for name, kind in columns.items()
    ]
    return CUSTOMER_RECORDS.conform(records.withColumn(MATCHING_DIGEST.name, F.xxhash64(*columns, *shape)))


def _with_form(rows: DataFrame, records: DataFrame) -> DataFrame:
    """``rows`` with ``_form``: what was made of a record that was received as it is now; else NULL."""
    key = CUSTOMER_RECORDS.key
    compared = (*RECEIVED, MADE_BY)
    old = records.select(
        *key,
        F.struct(*compared).alias("_was"),
        F.struct(*MADE, MADE_ON).alias("_made"),
    )
    is_same = reduce(operator.and_, [F.col(name).eqNullSafe(F.col(f"_was.{name}")) for name in compared])
    joined = rows.join(old, on=list(key), how="left")
    return joined.withColumn("_form", F.when(is_same, F.col("_made"))).drop("_was", "_made")


@dataclass(frozen=True)
class _Standardise:
    """Runs on a worker: rows as received in, customer records out."""

    feeds: Mapping[int, FeedHints]
    business_date: date
    takes_over: bool

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            every = pa.Table.from_batches([batch])
            for feed, known in self.feeds.items():
                rows = every.filter(pc.equal(every["_feed"], feed))
                for part in self._made(rows, known) if rows.num_rows else ():
                    yield from part.to_batches()

    def _made(self, rows: pa.Table, known: FeedHints) -> Iterator[pa.Table]:
        # Here and not above: its dictionaries are needed on workers only.
        from pipelines.standardise import Hints, same_birth_date, standardise_records

        hints = Hints(
            name_order=known.name_order,
            default_country=known.default_country,
            date_formats=known.date_formats,
            business_date=self.business_date,
        )
        if self.takes_over:
            holds = same_birth_date(rows["birth_date_raw"], pc.struct_field(rows["_form"], MADE_ON), hints)
            kept = rows.filter(holds)
            yield _records(kept, _form(kept))
            rows = rows.filter(pc.invert(holds))
        yield _records(rows, standardise_records(rows.select(RECEIVED), hints))


def _form(rows: pa.Table) -> pa.Table:
    form = rows["_form"]
    return pa.table({name: pc.struct_field(form, name) for name in MADE})


def _records(received: pa.Table, made: pa.Table) -> pa.Table:
    """The published columns: those that were made, the others as received."""
    columns = []
    for field in _MADE_HERE:
        source = made if field.name in made.column_names else received
        columns.append(source.column(field.name).cast(field.type))
    return pa.Table.from_arrays(columns, schema=_MADE_HERE)
