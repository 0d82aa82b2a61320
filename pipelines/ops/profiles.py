"""``ops/profiles``: what each delivered feed looks like, column by column, and how it differs from the last time.

Counts and shares of every column; values only of columns that say nothing about a person, and there only those
that many rows share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import Window as W
from pyspark.sql import functions as F
from pyspark.sql import types as T

from pipelines.bronze.tables import TECHNICAL, stored_name
from pipelines.silver import values
from pipelines.silver.mapping import has_no_code, origin
from pipelines.silver.targets import personal_of, uses
from pipelines.sources import OP
from pipelines.tables import DATE, DOUBLE, INT, LONG, STRING, Column, Personal, Table

if TYPE_CHECKING:
    from pipelines.sources import Source
    from pipelines.stages import Inputs

FORMS = {
    "integer": r"^[+-]?\d{1,18}$",
    "decimal": r"^[+-]?(\d{1,3}([.,]\d{3})+|\d+)[.,]\d+$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}",
    "day_first_date": r"^\d{1,2}[/.-]\d{1,2}[/.-]\d{4}$",
    "email": r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$",
    "phone": r"^\+?[\d ().-]{9,20}$",
    "words": r"^[^\d]+$",
}
"""Form of a value → the regular expression that it fits; the first that does. Others are ``other``."""
MOST = 0.95
"""Share of a column's values that have one form where that form is the column's kind."""
TOP, SHOWN_FROM = 10, 5
"""Values shown of a column, and the rows that must share one of them."""
TRACKED = 1_000
"""Different values that are counted exactly to find the most frequent."""

PROFILES = Table(
    layer="ops",
    name="profiles",
    grain="One column of a feed that was delivered, in one night.",
    key=("business_date", "source", "feed", "column"),
    owner="data engineering",
    columns=(
        Column("business_date", DATE, "Night that took the feed in.", required=True),
        Column("source", STRING, "Source folder.", required=True),
        Column("feed", STRING, "Feed of it.", required=True),
        Column("column", STRING, "Column as bronze stores it.", required=True),
        Column("rows", LONG, "Rows that the night took in; malformed ones not.", unit="rows", required=True),
        Column("filled", LONG, "Rows of them with a value.", unit="rows", required=True),
        Column("null_share", DOUBLE, "Rows without a value.", unit="share", formula="1 − filled ÷ rows"),
        Column("distinct", LONG, "Different values, to about 5 %.", unit="values"),
        Column(
            "kind",
            STRING,
            f"{', '.join(FORMS)}: the form of most values; mixed where none is; NULL when empty.",
        ),
        Column("forms", T.MapType(STRING, DOUBLE), "Form → share of the values that have it.", unit="share"),
        Column("shortest", INT, "Characters of the shortest value.", unit="characters"),
        Column("longest", INT, "Characters of the longest value.", unit="characters"),
        Column(
            "lowest",
            STRING,
            "Smallest number or date; NULL for text and for columns that name a person.",
            Personal.QUASI,
        ),
        Column("highest", STRING, "Largest number or date, where lowest stands.", Personal.QUASI),
        Column(
            "top",
            T.MapType(STRING, LONG),
            f"Most frequent values and their rows, of columns that say nothing about a person; from {SHOWN_FROM} rows on.",
            unit="rows",
        ),
        Column(
            "unmapped",
            LONG,
            "Values that have no translation; NULL where the map translates nothing.",
            unit="rows",
        ),
        Column("compared_with", DATE, "Night of the feed's profile before; NULL for the first."),
        Column(
            "drift",
            DOUBLE,
            "Largest change of a share since then.",
            unit="share",
            formula="max(|null_share − before|, |share of a form − before|)",
        ),
    ),
)


@dataclass(frozen=True)
class Delivered:
    """Tonight's rows of one feed."""

    source: Source
    feed: str
    rows: DataFrame
    """Of its bronze table, tonight's batches only."""


def delivered_feeds(inputs: Inputs, tables: Mapping[tuple[str, str], Table]) -> list[Delivered]:
    """The feeds that the night takes in; ``tables``: bronze tables by (source, feed)."""
    batches: dict[tuple[str, str], list[str]] = {}
    for file in inputs.night.files:
        batches.setdefault((file.source, file.feed), []).append(file.batch_id)
    return [
        Delivered(
            inputs.settings.sources[source],
            feed,
            inputs.frame(tables[source, feed]).filter(F.col("_batch_id").isin(names)),
        )
        for (source, feed), names in sorted(batches.items())
    ]


def profiled(delivered: Delivered) -> DataFrame:
    """One row a value of the feed's columns: source, feed, column, value, is_shown, has_range, is_unmapped."""
    spec = delivered.source.feeds[delivered.feed]
    text = origin(delivered.rows.columns)
    classes = personal_of(spec)
    coded: dict[str, list[SparkColumn]] = {}
    for use in uses(spec).values():
        for part in use.parts:
            missing = has_no_code(part, text)
            if missing is not None and part.column:
                coded.setdefault(stored_name(part.column).casefold(), []).append(missing)
    cells = []
    for name in delivered.rows.columns:
        if name in TECHNICAL or name == OP:
            continue
        personal = classes.get(name.casefold(), Personal.DIRECT)
        unmapped = coded.get(name.casefold())
        cells.append(
            F.struct(
                F.lit(name).alias("column"),
                values.present(F.col(f"`{name}`")).alias("value"),
                F.lit(personal is Personal.NONE).alias("is_shown"),
                F.lit(personal in (Personal.NONE, Personal.QUASI)).alias("has_range"),
                (
                    F.lit(None).cast("boolean") if unmapped is None else F.greatest(*unmapped, F.lit(False))
                ).alias("is_unmapped"),
            )
        )
    readable = delivered.rows.filter(F.col("_problem").isNull())
    return readable.select(
        F.lit(delivered.source.source).alias("source"),
        F.lit(delivered.feed).alias("feed"),
        F.inline(F.array(*cells)),
    )


def build_profiles(
    delivered: Sequence[Delivered], past: DataFrame, business_date: date, keep_days: int
) -> DataFrame:
    """Tonight's profiles beside those of ``past`` nights (``ops/profiles`` of the prior state).

    Of the past stay ``keep_days``, and the newest of each feed. Raises ValueError without a feed.
    """
    if not delivered:
        raise ValueError("a profile needs a feed")
    cells = reduce(DataFrame.unionByName, [profiled(d) for d in delivered])
    fitting = [F.when(F.col("value").rlike(regex), form) for form, regex in FORMS.items()]
    form = F.when(F.col("value").isNotNull(), F.coalesce(*fitting, F.lit("other")))
    has_number = F.col("has_range") & F.col("form").isin("integer", "decimal")
    number = F.when(has_number, values.as_number(F.col("value")))
    day = F.when(F.col("has_range") & F.col("form").isin("date", "timestamp"), F.col("value"))
    length = F.length("value")
    # A form of its own for each aggregate keeps the plan small: there are as many as columns.
    counted = (
        cells.withColumn("form", form)
        .groupBy("source", "feed", "column")
        .agg(
            F.count(F.lit(1)).alias("rows"),
            F.count("value").alias("filled"),
            F.approx_count_distinct("value").alias("distinct"),
            *[F.count_if(F.col("form") == name).alias(f"form_{name}") for name in _FORM_NAMES],
            F.min(length).alias("shortest"),
            F.max(length).alias("longest"),
            F.min(number).alias("least"),
            F.max(number).alias("most"),
            F.min(day).alias("first"),
            F.max(day).alias("last"),
            F.sum(F.col("is_unmapped").cast("long")).alias("unmapped"),
            F.expr(f"approx_top_k(CASE WHEN is_shown THEN value END, {TOP}, {TRACKED})").alias("frequent"),
        )
    )
    tonight = _finished(counted).withColumn("business_date", F.lit(business_date))
    earlier = past.filter(F.col("business_date") < F.lit(business_date))
    newest = W.partitionBy("source", "feed")
    earlier = earlier.withColumn("_newest", F.max("business_date").over(newest))
    last = earlier.filter(F.col("business_date") == F.col("_newest")).select(
        "source",
        "feed",
        "column",
        F.col("business_date").alias("compared_with"),
        F.col("null_share").alias("was_null"),
        F.col("forms").alias("was"),
    )
    compared = tonight.join(last, on=["source", "feed", "column"], how="left").withColumn("drift", _drift())
    since = F.lit(business_date - timedelta(days=keep_days))
    kept = earlier.filter((F.col("business_date") >= since) | (F.col("business_date") == F.col("_newest")))
    return PROFILES.conform(PROFILES.conform(kept).unionByName(PROFILES.conform(compared)))


_FORM_NAMES = (*FORMS, "other")


def _finished(counted: DataFrame) -> DataFrame:
    filled = F.col("filled")
    shares: Mapping[str, SparkColumn] = {n: F.col(f"form_{n}") / filled for n in _FORM_NAMES}
    entries = F.array(*[F.struct(F.lit(n).alias("key"), share.alias("value")) for n, share in shares.items()])
    forms = F.map_from_entries(F.filter(entries, lambda e: e["value"] > 0))
    kind = F.coalesce(*[F.when(share >= MOST, n) for n, share in shares.items()], F.lit("mixed"))
    frequent = F.filter("frequent", lambda e: e["item"].isNotNull() & (e["count"] >= SHOWN_FROM))
    return counted.withColumns(
        {
            "null_share": 1 - filled / F.col("rows"),
            "kind": F.when(filled > 0, kind),
            "forms": F.when(filled > 0, forms),
            "lowest": F.coalesce(F.col("first"), F.col("least").cast(STRING)),
            "highest": F.coalesce(F.col("last"), F.col("most").cast(STRING)),
            "top": F.when(F.size(frequent) > 0, F.map_from_entries(frequent)),
        }
    )


def _drift() -> SparkColumn:
    """The largest change of a share; NULL without an earlier profile. Of an empty column only how empty it is."""
    none = F.create_map().cast("map<string,double>")
    is_known = F.col("forms").isNotNull() & F.col("was").isNotNull()
    now, was = F.coalesce("forms", none), F.coalesce("was", none)
    by_form = [
        F.when(is_known, F.abs(F.coalesce(now[n], F.lit(0.0)) - F.coalesce(was[n], F.lit(0.0))))
        for n in _FORM_NAMES
    ]
    return F.when(
        F.col("compared_with").isNotNull(),
        F.greatest(F.abs(F.col("null_share") - F.col("was_null")), *by_form),
    )
