"""``ops/profiles``: what each delivered feed looks like, column by column, and how it differs from the last time.

Counts and shares of every column; values only of columns that say nothing about a person, of others the codes that conf
translates, and there only those that many rows share. A range that says something of persons rests on as many values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.bronze.tables import TECHNICAL, stored_name
from pipelines.column_types import map_of
from pipelines.silver import values
from pipelines.silver.mapping import has_no_code, origin
from pipelines.silver.targets import personal_of, uses
from pipelines.sources import OP
from pipelines.storage import arrow_schema
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
DECLARED = "declared_date"
"""Form of a value that has none of them, and that a format of conf/sources reads as a date or moment."""
MOST = 0.95
"""Share of a column's values that have one form where that form is the column's kind."""
TOP, SHOWN_FROM = 10, 5
"""Values shown of a column, and the rows that must share one of them, or the values that a range must rest on."""
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
            f"{', '.join(FORMS)}, {DECLARED} (none of them, read by a format of conf/sources): the form of most values; "
            "mixed where none is; NULL when empty.",
        ),
        Column("forms", map_of(STRING, DOUBLE), "Form → share of the values that have it.", unit="share"),
        Column("shortest", INT, "Characters of the shortest value.", unit="characters"),
        Column("longest", INT, "Characters of the longest value.", unit="characters"),
        Column(
            "lowest",
            STRING,
            "Smallest number or date, read as conf/sources says (decimal, formats); NULL for text, for columns that name a "
            f"person, and for fewer than {SHOWN_FROM} values in others that say something of one.",
            Personal.QUASI,
        ),
        Column("highest", STRING, "Largest number or date, where lowest stands.", Personal.QUASI),
        Column(
            "top",
            map_of(STRING, LONG),
            "Most frequent values and their rows, of columns that say nothing about a person, and of others the codes that "
            f"conf/sources translates; from {SHOWN_FROM} rows on.",
            Personal.QUASI,
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
    """One row a value of the feed's columns: source, feed, column, value, is_shown, is_coded, has_range, is_unmapped.

    ``is_coded``: conf lists the codes of the column. ``number`` and ``day`` (an ISO text) where conf says that they come in
    another form than most; what is of the common ones is read for all feeds at once.
    """
    spec = delivered.source.feeds[delivered.feed]
    text = origin(delivered.rows.columns)
    classes = personal_of(spec)
    coded: dict[str, list[SparkColumn]] = {}
    listed: set[str] = set()
    formats: dict[str, tuple[str, ...]] = {}
    for use in uses(spec).values():
        for part in use.parts:
            if part.column is None:
                continue
            key = stored_name(part.column).casefold()
            missing = has_no_code(part, text)
            if missing is not None:
                coded.setdefault(key, []).append(missing)
            if part.codes:
                listed.add(key)
            told = use.birth_date_formats if part is use.map.get("birth_date_raw") else part.formats
            formats[key] = (*formats.get(key, ()), *told)
    cells = []
    for name in delivered.rows.columns:
        if name in TECHNICAL or name == OP:
            continue
        key, value = name.casefold(), values.present(F.col(f"`{name}`"))
        personal = classes.get(key, Personal.DIRECT)
        has_range = personal in (Personal.NONE, Personal.QUASI)
        unmapped = coded.get(key)
        cells.append(
            F.struct(
                F.lit(name).alias("column"),
                value.alias("value"),
                F.lit(personal is Personal.NONE).alias("is_shown"),
                F.lit(personal is not Personal.DIRECT and key in listed).alias("is_coded"),
                F.lit(has_range).alias("has_range"),
                (
                    F.lit(None).cast("boolean") if unmapped is None else F.greatest(*unmapped, F.lit(False))
                ).alias("is_unmapped"),
                _number(value, spec.decimal if has_range else ".").alias("number"),
                _day(value, formats.get(key, ()) if has_range else ()).alias("day"),
            )
        )
    readable = delivered.rows.filter(F.col("_problem").isNull())
    return readable.select(
        F.lit(delivered.source.source).alias("source"),
        F.lit(delivered.feed).alias("feed"),
        F.inline(F.array(*cells)),
    )


def _number(value: SparkColumn, decimal: Literal[".", ","]) -> SparkColumn:
    """A number of a feed with a decimal comma; NULL of the others, which are read together."""
    return values.as_number(value, decimal) if decimal == "," else F.lit(None).cast("double")


def _day(value: SparkColumn, formats: Sequence[str]) -> SparkColumn:
    """A date or moment as ISO text, read by one of ``formats`` that are not ISO 8601; NULL where there is none."""
    other = [pattern for pattern in dict.fromkeys(formats) if pattern not in values.ISO_PATTERNS]
    if not other:
        return F.lit(None).cast("string")
    # A moment of a form of its own is told as a date, which most of them are.
    read = F.regexp_replace(values.as_timestamp(value, other).cast("string"), r" 00:00:00$", "")
    return F.when(value.rlike(r"\d"), read)


def build_profiles(
    delivered: Sequence[Delivered], past: pa.Table | None, business_date: date, keep_days: int
) -> pa.Table:
    """Tonight's profiles beside those of ``past`` nights (``ops/profiles`` of the prior state).

    Of the past stay ``keep_days``, and the newest of each feed. Raises ValueError without a feed.
    """
    if not delivered:
        raise ValueError("a profile needs a feed")
    # As many rows as the feeds have columns: from here on it is not the data that counts.
    counted: list[Row] = _counted([profiled(d) for d in delivered]).toArrow().to_pylist()
    before: list[Row] = past.to_pylist() if past else []
    earlier = [row for row in before if row["business_date"] < business_date]
    newest: dict[tuple[str, str], date] = {}
    for row in earlier:
        feed = row["source"], row["feed"]
        newest[feed] = max(row["business_date"], newest.get(feed, row["business_date"]))
    last = {
        (r["source"], r["feed"], r["column"]): r
        for r in earlier
        if r["business_date"] == newest[r["source"], r["feed"]]
    }
    tonight = [
        {
            "business_date": business_date,
            **_finished(row, last.get((row["source"], row["feed"], row["column"]))),
        }
        for row in counted
    ]
    since = business_date - timedelta(days=keep_days)
    kept = [
        r
        for r in earlier
        if r["business_date"] >= since or r["business_date"] == newest[r["source"], r["feed"]]
    ]
    # An earlier night of the same date took in other feeds.
    feeds = {(d.source.source, d.feed) for d in delivered}
    kept += [
        r for r in before if r["business_date"] == business_date and (r["source"], r["feed"]) not in feeds
    ]
    rows = sorted([*kept, *tonight], key=lambda r: tuple(str(r[name]) for name in PROFILES.key))
    return pa.Table.from_pylist(rows, schema=arrow_schema(PROFILES))


Row = dict[str, Any]
_FORM_NAMES = (*FORMS, DECLARED, "other")


def _form(value: SparkColumn, day: SparkColumn) -> SparkColumn:
    """The first of FORMS that fits; else whether conf's formats read it as ``day``, or other; NULL for none."""
    fits = {form: F.when(value.rlike(regex), form) for form, regex in FORMS.items()}
    # From ( to 9 lie all characters that a number, a date and a phone can begin with: words are spared their forms.
    is_figure = F.ascii(value).between(ord("("), ord("9"))
    other = F.when(day.isNotNull(), DECLARED).otherwise("other")
    return F.when(is_figure, F.coalesce(*fits.values(), other)).when(
        value.isNotNull(), F.coalesce(fits["email"], fits["words"], other)
    )


def _counted(cells: Sequence[DataFrame]) -> DataFrame:
    """One row a source, feed and column, with what is counted in the one pass over the rows."""
    length = F.length("value")
    has_number = F.col("has_range") & F.col("form").isin("integer", "decimal")
    number = F.when(has_number, F.coalesce("number", values.as_number(F.col("value"))))
    is_iso = F.col("has_range") & F.col("form").isin("date", "timestamp")
    is_a_day = F.substring("value", 1, 10).try_cast(DATE).isNotNull()
    day = F.when(is_iso & is_a_day, F.col("value")).otherwise(F.col("day"))
    # A code of a vocabulary names nobody, although it narrows down who somebody is; what else stands there may.
    is_shown = F.col("is_shown") | (F.col("is_coded") & ~F.col("is_unmapped"))
    return (
        reduce(DataFrame.unionByName, cells)
        .withColumns({"form": _form(F.col("value"), F.col("day")), "shown": F.when(is_shown, F.col("value"))})
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
            F.count(number).alias("numbers"),
            F.count(day).alias("days"),
            F.bool_or("is_shown").alias("is_open"),
            F.sum(F.col("is_unmapped").cast("long")).alias("unmapped"),
            F.expr(f"approx_top_k(shown, {TOP}, {TRACKED})").alias("frequent"),
        )
    )


def _finished(row: Row, before: Row | None) -> Row:
    """A row of PROFILES from what was counted, compared with the feed's profile before."""
    filled = row["filled"]
    forms = {n: row[f"form_{n}"] / filled for n in _FORM_NAMES if row[f"form_{n}"]}
    frequent = [(e["item"], e["count"]) for e in row["frequent"] or () if e["item"] is not None]
    top = sorted((item for item in frequent if item[1] >= SHOWN_FROM), key=lambda item: (-item[1], item[0]))
    null_share = 1 - filled / row["rows"]
    low, high = _range(row)
    return {
        **{name: row[name] for name in ("source", "feed", "column", "rows", "filled")},
        # Near a few dozen values the estimate may pass what there is.
        "distinct": min(row["distinct"], filled),
        **{name: row[name] for name in ("shortest", "longest", "unmapped")},
        "null_share": null_share,
        "kind": next((n for n, share in forms.items() if share >= MOST), "mixed") if filled else None,
        "forms": sorted(forms.items()) if filled else None,
        "lowest": None if low is None else str(low),
        "highest": None if high is None else str(high),
        "top": top or None,
        "compared_with": before["business_date"] if before else None,
        "drift": _drift(null_share, forms, before) if before else None,
    }


def _range(row: Row) -> tuple[Any, Any]:
    """Lowest and highest day or number; none where so few have one that they are somebody's."""
    low, high, found = ("first", "last", "days") if row["days"] else ("least", "most", "numbers")
    return (row[low], row[high]) if row["is_open"] or row[found] >= SHOWN_FROM else (None, None)


def _drift(null_share: float, forms: Mapping[str, float], before: Row) -> float:
    """The largest change of a share; of a column that is empty in one of the nights only how empty it is."""
    changes = [abs(null_share - before["null_share"])]
    if forms and before["forms"]:
        was = dict(before["forms"])
        if DECLARED not in was and "other" in was:
            # An older program knew no declared dates.
            forms = {**forms, "other": forms.get("other", 0.0) + forms.get(DECLARED, 0.0), DECLARED: 0.0}
        changes += [abs(forms.get(name, 0.0) - was.get(name, 0.0)) for name in _FORM_NAMES]
    return float(max(changes))
