"""``gold/customers``, the single customer view, and ``gold/attribute_values``, what it chose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.attributes import GROUPS, carried_columns, group_columns
from pipelines.gold.clustering import mixture_signs, stated
from pipelines.gold.config import Metrics, Survivorship
from pipelines.gold.golden import attribute_rows, golden_values, rank_candidates
from pipelines.gold.ownership import RECORD
from pipelines.gold.purchases import activity
from pipelines.gold.touched_customers import (
    LastNight,
    Touched,
    changed_customers,
    digest_of,
    said,
    touched_customers,
    without,
)
from pipelines.queries import Keep, as_it_is
from pipelines.tables import BOOLEAN, DATE, DOUBLE, INT, LONG, STRING, STRINGS, Column, Personal, Table
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_KEY = ["customer_id"]
_P = Personal.PSEUDONYM
_Q = Personal.QUASI

CUSTOMERS = Table(
    layer="gold",
    name="customers",
    grain="One row a customer id that was ever a customer and was neither merged into another nor erased.",
    key=("customer_id",),
    owner="data engineering",
    check="party_type IN ('person', 'company', 'unknown') AND party_state IN ('known_user', 'customer')",
    columns=(
        Column("customer_id", STRING, "The persistent customer id.", _P, required=True),
        Column(
            "party_type",
            STRING,
            "person, company or unknown: the kind that a known record states.",
            required=True,
        ),
        Column(
            "party_state",
            STRING,
            "customer with at least one net purchase ever, else known_user.",
            _Q,
            formula="customer if count(counted orders up to as_of) ≥ 1",
            required=True,
        ),
        Column(
            "habitual",
            BOOLEAN,
            "True for a habitual customer by the rule published in conf/metrics.yml.",
            _Q,
            formula="counted orders in habitual.window_days ≥ habitual.orders",
            required=True,
        ),
        Column(
            "is_live",
            BOOLEAN,
            "True while a source still delivers a record; counts filter on it.",
            required=True,
        ),
        Column(
            "full_name",
            STRING,
            "Name for display: given names and surnames, or the company's name.",
            Personal.DIRECT,
            formula="given_name surname second_surname, else company_name",
        ),
        *group_columns(),
        Column("record_count", LONG, "Live source records.", unit="records", formula="count(live records)"),
        Column("sources_present", STRINGS, "Sources with a live record, sorted."),
        Column("sources_missing", STRINGS, "Expected sources without a live record, sorted."),
        Column(
            "completeness",
            DOUBLE,
            "Share of attribute groups that are filled.",
            unit="share",
            formula="filled groups ÷ groups",
        ),
        Column(
            "mixture_signs",
            STRINGS,
            "What its live records have too many of for one person: given_names, surnames, postal_codes, birth_dates, tax_ids.",
            formula="> 3 given names, > 3 sets of surnames, > 5 postal codes, > 1 birth date, two tax ids of one kind",
        ),
        Column("first_seen_on", DATE, "Business date on which the id was first published.", _Q),
        Column(
            "records_digest",
            LONG,
            "64 bits of a digest of what the live records say: who asks whether it changed need not read them.",
            Personal.DIRECT,
            formula="xor of xxhash64 over the live records",
        ),
        Column("previous_customer_ids", STRINGS, "Ids that became this one, by merge or split, sorted.", _P),
        Column("is_stale", BOOLEAN, "True where a contributing source missed its cadence.", required=True),
        Column("stale_sources", STRINGS, "Contributing sources that missed their cadence, sorted."),
        Column("as_of", DATE, "Business date that the row describes.", required=True),
    ),
)

ATTRIBUTE_VALUES = Table(
    layer="gold",
    name="attribute_values",
    grain="One row a customer, attribute group, record and value, the ones that lost included.",
    key=("customer_id", "attribute_group", "rank"),
    owner="data engineering",
    columns=(
        Column("customer_id", STRING, "Customer that the record belongs to.", _P, required=True),
        Column("attribute_group", STRING, "Attribute group of the master (name, address …).", required=True),
        Column(
            "rank",
            INT,
            "Place by the survivorship rule; 1 is the best.",
            unit="rank",
            formula="order by the rule's criteria",
            required=True,
        ),
        Column("source", STRING, "Source of the record that states the value.", required=True),
        Column("record_id", STRING, "The record's key inside its source.", _P, required=True),
        Column("as_of", DATE, "Date of which the record states it.", _Q),
        Column("value", STRING, "The group's columns as a JSON object.", Personal.DIRECT, required=True),
        Column("is_golden", BOOLEAN, "True where the master shows it.", required=True),
    ),
)


@dataclass(frozen=True)
class Customers:
    """Tonight's single customer view."""

    customers: DataFrame | TakenOver
    attribute_values: DataFrame | TakenOver


def _strings(values: Sequence[str]) -> SparkColumn:
    return F.array(*[F.lit(v) for v in sorted(values)]).cast("array<string>")


def _expected(survivorship: Survivorship) -> SparkColumn:
    """Sources that should know a party of the row's kind; an unknown kind is expected like a person."""
    kinds = survivorship.expected_sources
    expected = _strings(kinds.get("unknown", kinds.get("person", ())))
    for kind in ("person", "company"):
        if kind in kinds:
            expected = F.when(F.col("party_type") == kind, _strings(kinds[kind])).otherwise(expected)
    return expected


_PROFILED = ("source", "party_type", "said", "stated")
"""What ``_profile`` looks at, besides ``as_of``."""


def _profile() -> dict[str, SparkColumn]:
    """What a customer's live records say by their number: aggregates by the name of their column."""
    says = F.col("party_type")
    people, companies = F.count_if(says == "person"), F.count_if(says == "company")
    party_type = (
        F.when(people + companies == 0, "unknown").when(companies > people, "company").otherwise("person")
    )
    return {
        "party_type": party_type,
        "record_count": F.count("*"),
        "sources_present": F.array_sort(F.collect_set("source")),
        "records_digest": digest_of(F.col("said")),
        "mixture_signs": mixture_signs(F.collect_list("stated")),
    }


def _with_activity(register: DataFrame, sums: DataFrame | None, metrics: Metrics, keep: Keep) -> DataFrame:
    """``register`` with what the customer's counted orders make of it: party_state and habitual."""
    if sums is None:
        active = register.withColumns({"orders_ever": F.lit(0), "orders_recent": F.lit(0)})
    else:
        active = register.join(keep(activity(sums)), on="customer_id", how="left")
    ever, recently = (F.coalesce(name, F.lit(0)) for name in ("orders_ever", "orders_recent"))
    return active.select(
        *register.columns,
        F.when(ever >= 1, "customer").otherwise("known_user").alias("party_state"),
        (recently >= metrics.habitual.orders).alias("habitual"),
    )


def _kept(previous: DataFrame, known: DataFrame) -> DataFrame:
    """The last golden values of customers without live records."""
    gone = known.filter(~F.col("is_live")).select("customer_id")
    wanted = ["party_type", *carried_columns()]
    # A table written before a column was added lacks it.
    columns = [
        F.col(c) if c in previous.columns else F.lit(None).cast(CUSTOMERS.column(c).type).alias(c)
        for c in wanted
    ]
    return previous.select("customer_id", *columns).join(gone, on="customer_id", how="left_semi")


def _taken_over(last: LastNight, touched: Touched, columns: Sequence[str]) -> DataFrame:
    """Last night's golden records, those ``columns``, of the customers that were not touched."""
    return without(last.made_of_records, touched).select(*columns)


def build_customers(
    records: DataFrame,
    owners: DataFrame,
    register: DataFrame,
    sums: DataFrame | None,
    previous: DataFrame | None,
    survivorship: Survivorship,
    metrics: Metrics,
    business_date: date,
    stale_sources: Sequence[str] = (),
    keep: Keep = as_it_is,
    last: LastNight | None = None,
) -> Customers:
    """One row per customer ever current, with its golden record; and every value it chose from.

    ``records``: silver/customer_records. ``owners``: ``live_owners``, and ``register``, of ``gold.ownership``.
    ``sums``: ``purchases.purchase_sums``, None where no source delivers orders.
    ``previous``: gold/customers of the prior state (None or empty the first night), from which
    customers without live records keep their values. ``stale_sources`` missed their cadence.
    ``keep``: see ``queries``. ``last``: what golden records may be taken over from; the tables are the same with it
    and without.
    """
    touched = None if last is None else touched_customers(records, owners, last, business_date, keep)
    if touched is not None:
        # There are few: records are wide, and stay where they are.
        owners = F.broadcast(touched.owners)
    live = records.join(owners.select(*RECORD, "customer_id", "first_seen_on"), on=RECORD, how="inner")
    live = live.withColumns({"said": said(), "stated": stated()})
    # Both tables are made of it, and sorting the candidates is the dear part.
    ranked = keep(rank_candidates(live, survivorship, business_date, _profile(), _PROFILED))
    golden, values = golden_values(ranked), ATTRIBUTE_VALUES.conform(attribute_rows(ranked))
    # Where rows may stand, it is looked at first, and once more where too many do not.
    of_orders = as_it_is if touched is None else keep
    known, changed = _with_activity(register, sums, metrics, of_orders), None
    if last is not None and touched is not None:
        changed = changed_customers(known, touched, last, _strings(stale_sources), keep)
        if changed is not None:
            known, last, previous = _only(changed, last, previous)
        golden = golden.unionByName(_taken_over(last, touched, golden.columns))
    if previous is not None:
        golden = golden.unionByName(_kept(previous, known), allowMissingColumns=True)
    described = known.join(golden, on="customer_id", how="left")
    finished = CUSTOMERS.conform(_finished(described, survivorship, business_date, stale_sources))
    return Customers(
        customers=finished
        if changed is None
        else TakenOver(finished, changed.select(*_KEY), _KEY, stamped={"as_of": business_date}),
        attribute_values=values if touched is None else TakenOver(values, touched.customers, _KEY),
    )


def _only(
    changed: DataFrame, last: LastNight, previous: DataFrame | None
) -> tuple[DataFrame, LastNight, DataFrame | None]:
    """Of the customers in ``changed`` (``changed_customers``): what is known of them, and what was last night."""
    ids = F.broadcast(changed.select(*_KEY))

    def of_these(customers: DataFrame) -> DataFrame:
        return customers.join(ids, on=_KEY, how="left_semi")

    known = changed.filter("is_known").drop("is_known")
    before = None if previous is None else of_these(previous)
    return known, LastNight(of_these(last.customers)), before


def _finished(
    described: DataFrame,
    survivorship: Survivorship,
    business_date: date,
    stale_sources: Sequence[str],
) -> DataFrame:
    """``described`` with what is computed from the row itself."""
    person = F.nullif(F.concat_ws(" ", "given_name", "surname", "second_surname"), F.lit(""))
    filled = [F.col(f"{group.name}_source").isNotNull().cast("int") for group in GROUPS]
    return (
        described.withColumns(
            {
                "party_type": F.coalesce("party_type", F.lit("unknown")),
                "record_count": F.coalesce("record_count", F.lit(0)),
                "sources_present": F.coalesce("sources_present", _strings(())),
                "mixture_signs": F.coalesce("mixture_signs", _strings(())),
            }
        )
        .withColumns(
            {
                "full_name": F.coalesce(person, F.col("company_name")),
                "sources_missing": F.array_except(_expected(survivorship), F.col("sources_present")),
                "stale_sources": F.array_intersect("sources_present", _strings(stale_sources)),
                "completeness": F.try_divide(sum(filled[1:], filled[0]), F.lit(len(GROUPS))).cast("double"),
                "as_of": F.lit(business_date),
            }
        )
        .withColumn("is_stale", F.size("stale_sources") > 0)
    )
