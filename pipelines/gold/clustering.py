"""Signs of customers that hold too much, and of customers that are still two."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import functions as F

from pipelines.gold.figures import (
    CUSTOMER_NUMBER,
    RECORD_NUMBER,
    customer_number,
    figure,
    figures,
    numbered,
    record_number,
)
from pipelines.linkage.spanning import weakest_links

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import Column, DataFrame

MOST = {"given_names": 3, "surnames": 3, "postal_codes": 5, "birth_dates": 1}
"""More different ones of these in one customer are a sign of two people in it."""
LARGE = (64, 500)
"""Records of a customer above which it is counted as large, and as very large."""


_BETWEEN = "\n"
"""Stands between the words of a name; no standard form holds it."""


def _without_null(values: Column) -> Column:
    """The different values, without NULL. Spark compiles it, unlike what takes a function of an element."""
    return F.array_except(values, F.array(F.lit(None)))


def _words(*columns: str) -> Column:
    """The words of the columns, sorted; initials say nothing. NULL where none is left."""
    parts = F.array(*[F.when(F.length(name) > 1, F.col(name)) for name in columns])
    words = F.sort_array(_without_null(parts))
    return F.when(F.size(words) > 0, F.array_join(words, _BETWEEN))


def _formal(column: str) -> Column:
    """The formal forms that a given name may stand for, without initials; NULL where none is left."""
    words = F.sort_array(F.filter(F.col(column), lambda word: F.length(word) > 1))
    return F.when(F.size(words) > 0, F.array_join(words, _BETWEEN))


def _different(names: Column) -> Column:
    """How many sets of words are not part of another: ``Ana`` is no other name than ``Ana María``."""
    sets = F.transform(names, lambda name: F.split(name, _BETWEEN))
    others = F.size(
        F.filter(
            sets,
            lambda one: (
                ~F.exists(
                    sets,
                    lambda other: (F.size(other) > F.size(one)) & (F.size(F.array_except(one, other)) == 0),
                )
            ),
        )
    )
    # Most customers have one name.
    return F.when(F.size(names) > 1, others).otherwise(F.size(names))


STATED = (
    "match_given_formal",
    "match_surname",
    "match_second_surname",
    "match_postal_code",
    "match_birth_date",
    "match_tax_id",
    "tax_id_type",
)
"""The columns of silver/customer_records that signs of mixture are read from."""
SIGNS = (*MOST, "tax_ids")
"""What there may be too many of in one customer."""


def stated() -> Column:
    """What a record states that one person has few of, of its columns ``STATED``."""
    has_tax_id = F.col("match_tax_id").isNotNull()
    kind = F.when(has_tax_id, F.coalesce("tax_id_type", F.lit("")))
    return F.struct(
        _formal("match_given_formal").alias("given"),
        _words("match_surname", "match_second_surname").alias("surname"),
        F.col("match_postal_code").alias("postal_code"),
        F.col("match_birth_date").alias("birth_date"),
        kind.alias("tax_kind"),
        F.when(has_tax_id, F.concat_ws(_BETWEEN, kind, "match_tax_id")).alias("tax_id"),
    )


def mixture_signs(of_records: Column) -> Column:
    """Which of ``SIGNS`` speak for two people in a customer, by the list of what each of its records ``stated``.

    More different ones than ``MOST`` allows, or two different valid tax ids of one kind.
    """

    def found(name: str) -> Column:
        return _without_null(of_records[name])

    counts = {
        "given_names": _different(found("given")),
        "surnames": _different(found("surname")),
        "postal_codes": F.size(found("postal_code")),
        "birth_dates": F.size(found("birth_date")),
    }
    too_many = {name: counts[name] > most for name, most in MOST.items()}
    # Ids of two kinds (RFC, CURP) say nothing about each other.
    too_many["tax_ids"] = F.size(found("tax_id")) > F.size(found("tax_kind"))
    return F.array_compact(F.array(*[F.when(too_many[name], F.lit(name)) for name in SIGNS]))


def sizes_and_mixtures(customers: DataFrame) -> DataFrame:
    """consolidation, cross_source, over_clustering, and the sizes of customers, as ``figures``.

    ``over_clustering``: live ``customers`` (gold/customers) with a sign of mixture, over all of them; by what is too
    many, and ``all``.
    """
    signs = F.col("mixture_signs")
    is_large = {size: F.col("records") > size for size in LARGE}
    live = customers.filter("is_live").withColumn("records", F.col("record_count"))
    counted = live.agg(
        F.count(F.lit(1)).alias("customers"),
        F.coalesce(F.sum("records"), F.lit(0)).alias("total"),
        F.max("records").alias("largest"),
        F.percentile("records", F.lit(0.99)).alias("p99"),
        F.count_if(F.size("sources_present") > 1).alias("cross"),
        F.count_if(F.size(signs) > 0).alias("mixed_all"),
        *[F.count_if(F.array_contains(signs, name)).alias(f"mixed_{name}") for name in SIGNS],
        *[F.count_if(flag).alias(f"customers_over_{n}") for n, flag in is_large.items()],
        *[
            F.sum(F.when(flag, F.col("records")).otherwise(0)).alias(f"records_over_{n}")
            for n, flag in is_large.items()
        ],
    )
    customer_count, total = F.col("customers"), F.col("total")
    return figures(
        counted,
        figure("consolidation", "all", total - customer_count, total),
        figure("cross_source", "all", F.col("cross"), customer_count),
        figure("largest_customer", "all", F.col("largest")),
        figure("p99_customer", "all", F.col("p99")),
        *[
            figure("over_clustering", name, F.col(f"mixed_{name}"), customer_count)
            for name in ("all", *SIGNS)
        ],
        *[figure(f"customers_over_{n}", "all", F.col(f"customers_over_{n}"), customer_count) for n in LARGE],
        *[figure(f"records_over_{n}", "all", F.col(f"records_over_{n}"), total) for n in LARGE],
    )


def found_by_source(assignments: DataFrame) -> DataFrame:
    """``deduplication`` of each source: 1 − its customers ÷ its records."""
    counted = assignments.groupBy("source").agg(
        F.count(F.lit(1)).alias("records"), F.count_distinct(customer_number()).alias("customers")
    )
    records = F.col("records")
    return figures(counted, figure("deduplication", F.col("source"), records - F.col("customers"), records))


def duplicates_left(assignments: DataFrame, records: DataFrame) -> DataFrame:
    """``under_clustering``: different (name, e-mail), (name, phone) and (name, address) that stand in
    several customers, over those in exactly one; by key, and ``all``."""
    place = F.concat_ws(" ", "match_street", F.coalesce("match_postal_code", "match_city"))
    address = F.when(
        F.col("match_street").isNotNull() & F.coalesce("match_postal_code", "match_city").isNotNull(),
        F.array(place),
    )
    keys = {"name_email": F.col("match_emails"), "name_phone": F.col("match_phones"), "name_address": address}
    homes = (
        records.filter(F.size("match_name_tokens") > 1)
        .select(
            record_number(), "match_name_tokens", F.posexplode(F.array(*keys.values())).alias("at", "values")
        )
        .select(RECORD_NUMBER, "at", "match_name_tokens", F.explode("values").alias("value"))
        .select(RECORD_NUMBER, "at", F.xxhash64("match_name_tokens", "value").alias("stated"))
        .join(numbered(assignments), on=RECORD_NUMBER, how="inner")
        .groupBy("at", "stated")
        .agg(F.min(CUSTOMER_NUMBER).alias("first"), F.max(CUSTOMER_NUMBER).alias("last"))
    )
    is_apart = F.col("first") != F.col("last")
    by_key = homes.groupBy("at").agg(F.count_if(is_apart).alias("apart"), F.count_if(~is_apart).alias("one"))
    every = by_key.agg(F.sum("apart").alias("apart"), F.sum("one").alias("one"))
    key = F.get(F.array(*[F.lit(name) for name in keys]), F.col("at"))
    apart, one = F.col("apart"), F.col("one")
    return figures(by_key, figure("under_clustering", key, apart, one)).unionByName(
        figures(every, figure("under_clustering", "all", apart, one))
    )


def held_together_by(assignments: DataFrame, scored_pairs: DataFrame) -> DataFrame:
    """``weakest_link`` of each customer: the weight of the pair by which it would fall in two first; of all
    customers the weakest (``all``) and the 1st percentile (``p01``), in bits of match weight.

    Between two parts of a customer the strongest pair counts, so that a weak bridge shows however tight both
    parts are. Deterministic rules have no finite weight and hold for ever; what only a steward joined has no pair.
    """
    ids = numbered(assignments)
    inside = scored_pairs.filter((F.col("match_weight") > -float("inf")) & ~F.isnan("match_weight")).select(
        F.xxhash64("source_l", "record_id_l").alias("left"),
        F.xxhash64("source_r", "record_id_r").alias("right"),
        F.col("match_weight").alias("weight"),
    )
    for side in ("left", "right"):
        of_side = ids.select(
            F.col(RECORD_NUMBER).alias(side), F.col(CUSTOMER_NUMBER).alias(f"customer_{side}")
        )
        inside = inside.join(of_side, on=side, how="inner")
    inside = inside.filter(F.col("customer_left") == F.col("customer_right")).select(
        F.col("customer_left").alias("customer_id"), "left", "right", "weight"
    )
    weakest = inside.repartition("customer_id").mapInArrow(_weakest, "customer_id LONG, weight DOUBLE")
    counted = weakest.agg(F.min("weight").alias("least"), F.percentile("weight", F.lit(0.01)).alias("p01"))
    return figures(
        counted,
        figure("weakest_link", "all", F.col("least")),
        figure("weakest_link", "p01", F.col("p01")),
    )


def _weakest(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """``weakest_links`` of the customers of one partition."""
    listed = list(batches)
    if listed:
        yield from weakest_links(pa.Table.from_batches(listed)).to_batches()
