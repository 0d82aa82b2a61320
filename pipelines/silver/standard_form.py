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
from pipelines.queries import Keep, as_it_is, joined
from pipelines.silver.customer_records import CUSTOMER_RECORDS, MATCHING, MATCHING_DIGEST, RAW, STANDARD
from pipelines.tables import STRING, STRINGS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from pipelines.standardise import Hints

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
READ, OTHERWISE = "_read", "_reads_otherwise"
FEW = 1_000_000
"""Changed records that are sent to every task whole; of more, every record is looked at."""
_STATED = {c.name for c in CUSTOMER_RECORDS.columns} - {
    *MADE,
    MATCHING_DIGEST.name,
    *CUSTOMER_RECORDS.key,
    MADE_ON,
}
"""What a record says, where from, and what standardises it: of these its standard form and its row are made."""
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

    def on(self, business_date: date) -> Hints:
        """What standardisation is told of the feed's records on a date."""
        # Here and not above: its dictionaries are needed on workers only.
        from pipelines.standardise import Hints

        return Hints(
            name_order=self.name_order,
            default_country=self.default_country,
            date_formats=self.date_formats,
            business_date=business_date,
        )


def in_standard_form(
    rows: DataFrame,
    hints: Mapping[int, FeedHints],
    business_date: date,
    before: DataFrame | None = None,
    keep: Keep = as_it_is,
) -> DataFrame:
    """``silver/customer_records`` of ``rows``: what was received, one row a record, with its ``_feed``.

    ``hints``: of the feeds, by that number. ``before``: the table of an earlier night, from which to take
    over what did not change; to see what did is a job. ``keep``: see ``queries``.
    """
    made_by = {feed: known.digest for feed, known in hints.items()}
    told = F.lit(None).cast("string")
    for feed, name in made_by.items():
        told = F.when(F.col("_feed") == feed, F.lit(name)).otherwise(told)
    rows = rows.withColumns({MADE_BY: told, MADE_ON: F.lit(business_date)})
    if before is None:
        return _standardised(rows, hints, business_date)
    changed = keep(_changed(rows, before, hints, business_date))
    if changed.count() > FEW:
        return _standardised(_with_form(rows, before), hints, business_date, takes_over=True)
    key, is_changed = list(CUSTOMER_RECORDS.key), F.broadcast(changed)
    made = _with_form(
        rows.join(is_changed, on=key, how="left_semi"), before.join(is_changed, on=key, how="left_semi")
    )
    kept = before.join(is_changed, on=key, how="left_anti").withColumn(MADE_ON, F.lit(business_date))
    return CUSTOMER_RECORDS.conform(kept).unionByName(
        _standardised(made, hints, business_date, takes_over=True)
    )


def _standardised(
    rows: DataFrame, hints: Mapping[int, FeedHints], business_date: date, *, takes_over: bool = False
) -> DataFrame:
    """Customer records of ``rows``, row by row; ``takes_over``: where a row has a ``_form``, of that."""
    standardise = _Standardise(hints, business_date, takes_over)
    made = T.StructType([field for field in CUSTOMER_RECORDS.schema if field.name in _MADE_HERE.names])
    return with_digest(rows.mapInArrow(standardise, made))


def _changed(
    rows: DataFrame, before: DataFrame, hints: Mapping[int, FeedHints], business_date: date
) -> DataFrame:
    """Keys of the records that are not tonight, column for column, what they were: they came, went or changed, in what
    was received, its origin, or what standardises it; or their birth date reads otherwise today."""
    key = list(CUSTOMER_RECORDS.key)
    content = hash_of({c.name: c.type for c in CUSTOMER_RECORDS.columns if c.name in _STATED})
    otherwise = read_otherwise(before, hints, business_date).select(*key)
    was, now = (frame.select(*key, content.alias(name)) for frame, name in ((before, "_was"), (rows, "_is")))
    both = joined(now, was, key, "full_outer")
    differ = both.filter(~F.coalesce(F.col("_is") == F.col("_was"), F.lit(False))).select(*key)
    return differ.unionByName(otherwise).distinct()


def read_otherwise(records: DataFrame, hints: Mapping[int, FeedHints], business_date: date) -> DataFrame:
    """Those of an earlier night's ``records`` whose birth date reads otherwise on the business date, or that something
    else standardised than any of the ``hints``. Many are born on one day: each text is read once.
    """
    by = {known.digest: known for known in hints.values()}
    read = ("birth_date_raw", MADE_BY, MADE_ON)
    # One text: Spark takes minutes to draw conclusions from what may be NULL on both sides.
    text = F.concat_ws("\n", *[F.coalesce(F.col(name).cast(STRING), F.lit("")) for name in read])
    is_known = F.coalesce(F.col(MADE_BY).isin(list(by)), F.lit(False))
    told = records.filter(is_known).select(*read, text.alias(READ)).distinct()
    # Few: from one day to another only what lies ahead, or very far back, reads otherwise.
    texts = told.mapInArrow(_ReadOtherwise(by, business_date), f"{READ} STRING").withColumn(
        OTHERWISE, F.lit(True)
    )
    told_of = records.withColumn(READ, text).join(F.broadcast(texts), on=READ, how="left")
    return told_of.filter(~is_known | F.col(OTHERWISE).isNotNull()).drop(READ, OTHERWISE)


def with_digest(records: DataFrame) -> DataFrame:
    """Customer ``records`` with their ``matching_digest``.

    Why a value is no evidence makes no other record, so ``match_excluded`` does not count.
    """
    columns = {"party_type": STRING, **{column.name: column.type for column in MATCHING}}
    del columns["match_excluded"]
    return CUSTOMER_RECORDS.conform(records.withColumn(MATCHING_DIGEST.name, hash_of(columns)))


def hash_of(columns: Mapping[str, str]) -> Column:
    """64 bits of a digest of ``columns``, by name and type; lists keep their order.

    What a hash leaves out, that a value is NULL and where a list ends, goes in besides; no list of silver
    holds NULLs.
    """
    shape = [
        F.coalesce(F.size(name), F.lit(-1)) if kind == STRINGS else F.isnull(name)
        for name, kind in columns.items()
    ]
    return F.xxhash64(*columns, *shape)


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
    both = rows.join(old, on=list(key), how="left")
    return both.withColumn("_form", F.when(is_same, F.col("_made"))).drop("_was", "_made")


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
        from pipelines.standardise import same_birth_date, standardise_records

        hints = known.on(self.business_date)
        if self.takes_over:
            holds = same_birth_date(rows["birth_date_raw"], pc.struct_field(rows["_form"], MADE_ON), hints)
            kept = rows.filter(holds)
            yield _records(kept, _form(kept))
            rows = rows.filter(pc.invert(holds))
        yield _records(rows, standardise_records(rows.select(RECEIVED), hints))


@dataclass(frozen=True)
class _ReadOtherwise:
    """Runs on a worker: of birth dates as received those that do not read as they did then."""

    known: Mapping[str, FeedHints]
    """By their digest."""
    business_date: date

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pipelines.standardise import same_birth_date

        for batch in batches:
            every = pa.Table.from_batches([batch])
            for made_by, hints in self.known.items():
                rows = every.filter(pc.equal(every[MADE_BY], made_by))
                same = same_birth_date(rows["birth_date_raw"], rows[MADE_ON], hints.on(self.business_date))
                yield from rows.filter(pc.invert(same)).select([READ]).to_batches()


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
