"""Survivorship: which record's value each attribute group of the master takes, and which lost.

Each record puts forward a candidate per group; a customer's candidates stand in one array and
are sorted by the rule's criteria. Ties end on trust, recency and the record's key, so that
the choice depends on nothing but the records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import reduce
from operator import add, or_
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.attributes import GROUPS, Group
from pipelines.gold.config import REST, Rule, Survivorship
from pipelines.silver.customer_records import CUSTOMER_RECORDS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

_MATCH_KEYS = {
    "emails": ("match_emails", "email:placeholder"),
    "phones": ("match_phones", "phone:placeholder"),
}
EVIDENCE = (*(keys for keys, _ in _MATCH_KEYS.values()), "match_excluded")
"""The matching columns that say which of a record's values may survive."""


def stated_on(business_date: date) -> Column:
    """Date of which a record states its values (needs ``first_seen_on``).

    The source's own word first, unless it lies in the future; then the landing date where the
    record was delivered again after it was first seen; then its registration.
    """
    today = F.lit(business_date)

    def not_later(name: str) -> Column:
        on = F.to_date(F.col(name))
        return F.when(on <= today, on)

    landed = F.col("_landing_date")
    later_delivery = F.when(landed > F.col("first_seen_on"), landed)
    return F.coalesce(not_later("updated_at"), later_delivery, not_later("registered_at"), landed)


def _trust_rank(trust: tuple[str, ...]) -> Column:
    """Place of the record's source in ``trust``, 0 the best; NULL where it may not feed the group."""
    rest = F.lit(trust.index(REST)) if REST in trust else F.lit(None).cast("int")
    rank = rest
    for place, source in enumerate(trust):
        if source != REST:
            rank = F.when(F.col("source") == source, F.lit(place)).otherwise(rank)
    return rank


def _says_something(name: str) -> Column:
    """1 where the column is filled; an initial does not fill a name."""
    if name in ("given_name", "surname", "second_surname"):
        is_filled = F.length(F.regexp_replace(name, r"[^\p{L}]", "")) > 1
        return F.coalesce(is_filled, F.lit(False)).cast("int")
    return F.col(name).isNotNull().cast("int")


def _folded(column: Column) -> Column:
    """E-mail without what the same mailbox may be written with."""
    local, domain = F.split_part(column, F.lit("@"), F.lit(1)), F.split_part(column, F.lit("@"), F.lit(2))
    return F.concat(F.regexp_replace(F.regexp_replace(local, r"\+.*$", ""), r"\.", ""), F.lit("@"), domain)


def _is_evidence(group: str, value: Column) -> Column:
    """True where linkage takes the value as evidence: it is no placeholder and not generic."""
    keys = F.col(_MATCH_KEYS[group][0])
    if group == "emails":
        found = F.exists(keys, lambda key: _folded(key) == _folded(value))
    else:
        found = F.array_contains(keys, value)
    return F.coalesce(found, F.lit(False))


_PLACES = {"validity": "invalid", "trust": "trust", "recency": "age", "completeness": "gaps"}
"""What a criterion compares; frequency compares what is known only beside the customer's other candidates."""


def _candidate(rule: Rule, rank: Column, value: Column, key: Column, checks: dict[str, Column]) -> Column:
    """What a record puts forward, by which it is sorted first: the better one is the smaller one."""
    compared = {
        "invalid": checks["validity"].cast("int"),
        "trust": rank,
        "age": -F.unix_date("as_of"),
        "gaps": -checks["completeness"],
    }
    criteria = [F.lit(0) if by == "frequency" else compared[_PLACES[by]] for by in rule.by]
    return F.struct(
        *[criterion.alias(f"by_{place}") for place, criterion in enumerate(criteria)],
        compared["trust"].alias("trust"),
        compared["age"].alias("age"),
        F.col("source").alias("source"),
        F.col("record_id").alias("record_id"),
        checks["position"].cast("int").alias("position"),
        checks["usable"].alias("is_usable"),
        F.col("as_of").alias("as_of"),
        key.alias("key"),
        value.alias("value"),
    )


def _single(group: Group, trust: tuple[str, ...], rule: Rule) -> Column:
    """Array of at most one candidate: the record's value of the whole group."""
    value = F.struct(*[F.col(name) for name in group.fields])
    is_valid = F.coalesce(F.col("tax_id_valid"), F.lit(False)) if group.name == "tax_id" else F.lit(True)
    checks = {
        "validity": ~is_valid,
        "completeness": reduce(add, [_says_something(name) for name in group.counted]),
        "position": F.lit(0),
        "usable": F.lit(True),
    }
    rank = _trust_rank(trust)
    # Nothing else asks which values are the same, and it is dear to say.
    key = F.lower(F.to_json(value)) if "frequency" in rule.by else F.lit(None).cast("string")
    candidate = _candidate(rule, rank, value, key, checks)
    has_value = reduce(or_, [F.col(name).isNotNull() for name in group.needed])
    return F.array_compact(F.array(F.when(has_value & rank.isNotNull(), candidate)))


def _several(group: Group, trust: tuple[str, ...], rule: Rule) -> Column:
    """Array of one candidate a value of the record's list."""
    name = group.fields[0]
    reason = _MATCH_KEYS[group.name][1]
    has_placeholder = F.coalesce(F.array_contains("match_excluded", reason), F.lit(False))
    rank = _trust_rank(trust)

    def candidate(value: Column, position: Column) -> Column:
        is_evidence = _is_evidence(group.name, value)
        checks = {
            "validity": ~is_evidence,
            "completeness": F.lit(1),
            "position": position,
            "usable": is_evidence | ~has_placeholder,
        }
        return _candidate(rule, rank, F.struct(value.alias(name)), F.lower(value), checks)

    values = F.transform(F.array_compact(F.col(name)), candidate)
    return F.when(rank.isNotNull() & F.col(name).isNotNull(), values).otherwise(F.slice(values, 1, 0))


def _gathered(group: Group) -> Column:
    """All candidates of a group, of the candidates of each record."""
    by_record = F.col(f"records.{group.name}")
    # A list that a source does not state is NULL, and one NULL makes all of it NULL.
    return F.flatten(F.array_compact(by_record) if group.many else by_record)


def _ranked(name: str, rule: Rule) -> Column:
    """The customer's candidates of a group, best first."""
    candidates = F.col(name)

    def with_frequency(candidate: Column) -> Column:
        same = F.size(F.filter(candidates, lambda other: other["key"] == candidate["key"]))
        return candidate.withField(f"by_{rule.by.index('frequency')}", -same)

    told = F.transform(candidates, with_frequency) if "frequency" in rule.by else candidates
    # Most customers have one record, and what an array is asked item by item is dear.
    return F.when(F.size(candidates) > 1, F.sort_array(told)).otherwise(candidates)


def rank_candidates(
    records: DataFrame,
    survivorship: Survivorship,
    business_date: date,
    besides: Mapping[str, Column] | None = None,
    say: Sequence[str] = (),
) -> DataFrame:
    """One row per customer: customer_id and, per attribute group, its candidates best first.

    ``records`` are live ``silver/customer_records`` with customer_id and first_seen_on. ``besides``: aggregates of
    ``as_of``, the date of which the customer's records state their values, and of their columns ``say``, that are wanted
    in the same pass, by the name of their column.
    """
    wanted = besides or {}
    put_forward = records.withColumn("as_of", stated_on(business_date)).select(
        "customer_id",
        *((*say, "as_of") if wanted else ()),
        *[
            (_several if group.many else _single)(
                group, survivorship.trust_of(group.name), survivorship.groups[group.name]
            ).alias(group.name)
            for group in GROUPS
        ],
    )
    # One list for all groups: each list is written and read again while it is gathered.
    gathered = put_forward.groupBy("customer_id").agg(
        F.collect_list(F.struct(*[group.name for group in GROUPS])).alias("records"),
        *[aggregate.alias(name) for name, aggregate in wanted.items()],
    )
    told = gathered.select("customer_id", *wanted, *[_gathered(group).alias(group.name) for group in GROUPS])
    return told.select(
        "customer_id",
        *wanted,
        *[_ranked(group.name, survivorship.groups[group.name]).alias(group.name) for group in GROUPS],
    )


def _survivors(group: Group) -> list[Column]:
    """The master's columns of a group: the best usable candidate's, or all usable values best first."""
    # Only of several values some may be placeholders.
    usable = (
        F.filter(group.name, lambda candidate: candidate["is_usable"]) if group.many else F.col(group.name)
    )
    best = F.get(usable, F.lit(0))
    if group.many:
        name = group.fields[0]
        values = F.array_distinct(F.transform(usable, lambda candidate: candidate["value"][name]))
        columns = [F.when(F.size(values) > 0, values).alias(name)]
    else:
        columns = [
            best["value"][name].cast(CUSTOMER_RECORDS.column(name).type).alias(name) for name in group.fields
        ]
    return columns + [best[key].alias(f"{group.name}_{key}") for key in ("source", "record_id", "as_of")]


def golden_values(ranked: DataFrame) -> DataFrame:
    """One row per customer: the master's columns of every group, with their provenance, and what stands besides."""
    named = {group.name for group in GROUPS}
    others = [name for name in ranked.columns if name not in named]
    return ranked.select(*others, *[column for group in GROUPS for column in _survivors(group)])


def attribute_rows(ranked: DataFrame) -> DataFrame:
    """One row per customer, attribute group, record and value: what won and what lost."""

    def rows(group: Group) -> Column:
        def row(candidate: Column, place: Column) -> Column:
            is_golden = candidate["is_usable"] if group.many else place == 0
            return F.struct(
                F.lit(group.name).alias("attribute_group"),
                (place + 1).cast("int").alias("rank"),
                candidate["source"].alias("source"),
                candidate["record_id"].alias("record_id"),
                candidate["as_of"].alias("as_of"),
                F.to_json(candidate["value"]).alias("value"),
                is_golden.alias("is_golden"),
            )

        return F.transform(F.col(group.name), row)

    everything = F.concat(*[rows(group) for group in GROUPS])
    return ranked.select("customer_id", F.explode(everything).alias("row")).select("customer_id", "row.*")
