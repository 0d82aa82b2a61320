"""The builder of ``silver/customer_records``: mapped in Spark, standardised on Arrow columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.frames import Feeds, is_own_key, newest_of_key, uses_of
from pipelines.silver.mapping import standard_rows
from pipelines.tables import STRING

if TYPE_CHECKING:
    from pipelines.sources import Source


@dataclass(frozen=True)
class _Standardise:
    """Runs on a worker: standard rows of one feed in, customer records out."""

    name_order: str
    default_country: str
    date_formats: tuple[str, ...]
    business_date: date

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Here and not above: its dictionaries are needed on workers only.
        from pipelines.standardise import Hints, standardise_records

        hints = Hints(
            name_order=self.name_order,
            default_country=self.default_country,
            date_formats=self.date_formats,
            business_date=self.business_date,
        )
        schema = CUSTOMER_RECORDS.arrow
        for batch in batches:
            if not batch.num_rows:
                continue
            received = pa.Table.from_batches([batch])
            made = standardise_records(received, hints)
            if made.num_rows != received.num_rows:
                raise ValueError(f"{received.num_rows} records went in, {made.num_rows} came out")
            columns = []
            for field in schema:
                source = made if field.name in made.column_names else received
                columns.append(source.column(field.name).cast(field.type))
            yield from pa.Table.from_arrays(columns, schema=schema).to_batches()


def customer_records(
    current: Feeds,
    sources: Mapping[str, Source],
    *,
    default_country: str,
    timezone: str,
    business_date: date,
) -> DataFrame | None:
    """``silver/customer_records`` from the current rows of all feeds, by (source, feed).

    ``default_country``: of records that name none and whose source declares none. ``timezone``: of
    timestamps without an offset in sources that declare none. Where several feeds of a source
    bring one record, the newest row stands. None where no feed of customers ever came in.
    """
    found = uses_of("customer_records", current, sources)
    if not found:
        return None
    made = []
    for source, feed, use in found:
        rows = standard_rows(current[source.source, feed], source, feed, use, timezone=timezone)
        standardise = _Standardise(
            name_order=use.name_order,
            default_country=source.country or default_country,
            date_formats=use.birth_date_formats,
            business_date=business_date,
        )
        received = rows.withColumn("_row", F.col("_row").cast(STRING))
        made.append(received.mapInArrow(standardise, CUSTOMER_RECORDS.schema))
    records = CUSTOMER_RECORDS.conform(reduce(DataFrame.unionByName, made))
    # A feed that maps `source` may bring anybody's records.
    owners = [None if "source" in use.map else source.source for source, _, use in found]
    is_unique = None not in owners and len(set(owners)) == len(owners)
    if is_unique and all(is_own_key("customer_records", use) for _, _, use in found):
        return records
    return newest_of_key(records, CUSTOMER_RECORDS.key)
