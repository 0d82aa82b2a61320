"""``silver/quarantine``: every row that is not usable, whole, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.bronze.tables import TECHNICAL
from pipelines.tables import DATE, LONG, STRING, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

QUARANTINE = Table(
    layer="silver",
    name="quarantine",
    grain="One bronze row that is not usable.",
    key=("_batch_id", "_row"),
    owner="data engineering",
    columns=(
        Column("source", STRING, "Source folder.", required=True),
        Column("feed", STRING, "Feed of it.", required=True),
        Column(
            "reason",
            STRING,
            "Why: missing_key, bad_op, bad_timestamp, bad_amount, bad_quantity, unmapped_<column>, "
            "missing_<column>, of a rule of conf/quality (not_between_<column> …), or the code of a malformed row (too_many_fields, nul_byte …).",
            required=True,
        ),
        Column("row", STRING, "The whole row: as received where malformed, else as JSON.", Personal.DIRECT),
        Column("_file", STRING, "File that brought it.", Personal.PSEUDONYM),
        Column("_row", LONG, "Physical line or row number inside the file.", Personal.PSEUDONYM),
        Column("_batch_id", STRING, "Batch that brought it.", Personal.PSEUDONYM, required=True),
        Column("_landing_date", DATE, "Landing folder's date of that file."),
        Column("business_date", DATE, "Night that the table is of.", required=True),
    ),
)


def quarantine(classified: Mapping[tuple[str, str], DataFrame], *, business_date: date) -> DataFrame:
    """The quarantined rows of the feeds given, by (source, feed). Raises ValueError where there is none."""
    if not classified:
        raise ValueError("quarantine needs at least one feed")
    frames = [
        rows.filter(F.col("_outcome") == "quarantined").select(
            F.lit(source).alias("source"),
            F.lit(feed).alias("feed"),
            F.col("_reason").alias("reason"),
            _whole_row(rows).alias("row"),
            "_file",
            "_row",
            "_batch_id",
            "_landing_date",
        )
        for (source, feed), rows in sorted(classified.items())
    ]
    united = reduce(DataFrame.unionByName, frames)
    return QUARANTINE.conform(united.withColumn("business_date", F.lit(business_date)))


def _whole_row(rows: DataFrame) -> SparkColumn:
    technical = {*TECHNICAL, "_landing_date", "_outcome", "_reason"}
    said = [F.col(f"`{name}`") for name in rows.columns if name not in technical]
    return F.coalesce("_raw", F.to_json(F.struct(*said)))
