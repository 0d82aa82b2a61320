"""How good the ids are and how much they moved: every measure worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from gold_box import D, line, lines, sums, table, told
from gold_box import orders as order_rows
from pyspark.sql import functions as F

from pipelines.gold.clustering import mixture_signs, stated
from pipelines.gold.judged_quality import judged_quality, measured_rows
from pipelines.gold.measures import MEASURES, NIGHTS_KEPT, build_measures, measures_so_far
from pipelines.identity.tables import ASSIGNMENTS, EVENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.judgements import JUDGEMENTS, digest_of
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.ops.report import NIGHTS_SHOWN
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.renames import RENAMES
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# Ana is Ana María and lost her web account to C2; Paco is Francisco; C3 is two people in one.
RECORDS = """
    | source | record_id | was | is | given              | surname | second | tax       | kind | born       | email    | street     | postal |
    | crm    | 1         | C1  | C1 | ana;maria          | ruiz    | gil    | 12345678Z | dni  | 1980-01-01 | a@x.es   | sol 1      | 28013  |
    | erp    | 1         | C1  | C1 | ana                | ruiz    |        | CURP1     | curp | 1980-01-01 | a@x.es   | sol 1      | 28013  |
    | web    | 1         | C1  | C2 | ana                | ruiz    | gil    |           |      | 1980-01-01 | a@x.es   |            |        |
    | crm    | 2         | C3  | C3 | francisco          | sanz    | vega   | 87654321X | dni  | 1970-05-05 | p@x.es   | luna 2     | 41001  |
    | pos    | 2         | C3  | C3 | francisco;paco     | sanz    | v      | 00000000T | dni  | 1971-05-05 | p@x.es   | mar 3      | 08001  |
    | pos    | 3         | C4  | C3 | francisco          | sanz    | vega   |           |      |            | p@x.es   |            |        |
    | web    | 4         |     | C5 | leo                | mas     |        |           |      |            |          |            |        |
"""
STATED = {
    "crm 1": {"birth_date": "1980-01-01", "emails": "a@x.es", "updated_at": "2026-07-10 12:00:00"},
    "crm 2": {"birth_date": "1970-05-05", "updated_at": "2026-06-30 12:00:00"},
    "erp 1": {"_landing_date": "2026-07-12"},
}
EVENT_ROWS = f"""
    | business_date | publication | sequence | event  | source | record_id | old_customer_id | customer_id | cause      |
    | {D}    | 1           | 1        | split  | web    | 1         | C1              | C2          | edit       |
    | {D}    | 1           | 2        | merged | pos    | 3         | C4              | C3          | edit       |
    | {D}    | 1           | 3        | created| web    | 4         |                 | C5          | new_record |
"""
ORDERS = """
    | customer_id | order_id | gross | currency |
    | C1          | 1        | 60    | EUR      |
    | C5          | 2        | 40    | EUR      |
    | C5          | 3        | 10    | MXN      |
    |             | 4        | 999   | EUR      |
"""
PAIRS = """
    | source_l | record_id_l | source_r | record_id_r | match_weight | same_person_probability |
    | crm      | 1           | erp      | 1           | 20           | 1                       |
    | crm      | 1           | web      | 1           | 2            | 0.5                     |
    | crm      | 2           | pos      | 2           | 4            | 0.9                     |
    | pos      | 2           | pos      | 3           | 7            | 0.99                    |
"""


def assigned(spark: SparkSession, column: str) -> DataFrame:
    rows = [
        {"source": r["source"], "record_id": r["record_id"], "customer_id": r[column]}
        for r in lines(RECORDS)
        if r[column]
    ]
    return table(spark, ASSIGNMENTS, rows)


def silver(spark: SparkSession) -> DataFrame:
    rows = [
        {
            "source": r["source"],
            "record_id": r["record_id"],
            "party_type": "person",
            "match_given_formal": r["given"],
            "match_surname": r["surname"],
            "match_second_surname": r["second"],
            "match_name_tokens": ";".join(sorted({str(r["given"]).split(";")[0], str(r["surname"])})),
            "match_tax_id": r["tax"],
            "tax_id_type": r["kind"],
            "match_birth_date": r["born"],
            "match_emails": r["email"],
            "match_street": r["street"],
            "match_postal_code": r["postal"],
            **STATED.get(f"{r['source']} {r['record_id']}", {}),
        }
        for r in lines(RECORDS)
    ]
    return table(spark, CUSTOMER_RECORDS, rows)


def golden(spark: SparkSession) -> DataFrame:
    """gold/customers, as far as measures look at it; one of them has no record any more."""
    live = (
        assigned(spark, "is")
        .join(silver(spark), on=["source", "record_id"], how="inner")
        .groupBy("customer_id")
        .agg(
            F.lit(True).alias("is_live"),
            F.count("*").alias("record_count"),
            F.array_sort(F.collect_set("source")).alias("sources_present"),
            mixture_signs(F.collect_list(stated())).alias("mixture_signs"),
        )
    )
    none = F.array().cast("array<string>")
    gone = spark.range(1).select(
        F.lit("gone").alias("customer_id"),
        F.lit(False).alias("is_live"),
        F.lit(0).cast("bigint").alias("record_count"),
        none.alias("sources_present"),
        none.alias("mixture_signs"),
    )
    return live.unionByName(gone)


@pytest.fixture(scope="module")
def measured(spark: SparkSession) -> dict[str, str]:
    """``measure part`` → ``value numerator denominator`` of tonight, and what was known before."""
    past = pa.Table.from_pylist(
        [
            {"business_date": date(2026, 7, 14), "measure": "consolidation", "part": "all", "value": 0.5},
            {"business_date": D, "measure": "consolidation", "part": "all", "value": 0.9},
        ],
        schema=arrow_schema(MEASURES),
    )
    built = build_measures(
        assigned(spark, "is"),
        assigned(spark, "was"),
        table(spark, EVENTS, EVENT_ROWS),
        silver(spark),
        table(spark, SCORED_PAIRS, PAIRS),
        golden(spark),
        sums(order_rows(spark, ORDERS)),
        D,
    )
    rows = measures_so_far(past, built, 60).to_pylist()
    assert sorted(line(r, "measure", "value") for r in rows if r["business_date"] == date(2026, 7, 14)) == [
        "consolidation 0.5"
    ]
    tonight = [r for r in rows if r["business_date"] == D]
    return {line(r, "measure", "part"): line(r, "value", "numerator", "denominator") for r in tonight}


def test_a_record_of_both_nights_with_another_id_is_jitter_by_its_kind(measured: dict[str, str]) -> None:
    assert measured["id_jitter all"] == "0.3333 2 6"
    assert measured["id_jitter split"] == "0.1667 1 6"
    assert measured["id_jitter merge"] == "0.1667 1 6"
    assert measured["id_jitter reassign"] == "0 0 6"


def test_revenue_jitter_is_by_currency_and_weighs_currencies_by_orders(measured: dict[str, str]) -> None:
    assert measured["revenue_jitter EUR"] == "0.6 60 100"
    assert measured["revenue_jitter MXN"] == "0 0 10"
    assert measured["revenue_jitter all"] == "0.4 1.2 3"


def test_a_customer_that_holds_two_of_what_people_have_one_of_is_over_clustered(
    measured: dict[str, str],
) -> None:
    assert measured["over_clustering tax_ids"] == "0.25 1 4", "a DNI and a CURP say nothing of each other"
    assert measured["over_clustering birth_dates"] == "0.25 1 4"
    assert measured["over_clustering given_names"] == "0 0 4"
    assert measured["over_clustering surnames"] == "0 0 4"
    assert measured["over_clustering all"] == "0.25 1 4"


def test_the_same_name_and_email_in_two_customers_is_a_duplicate_left(measured: dict[str, str]) -> None:
    assert measured["under_clustering name_email"] == "1 1 1", "Ana's; Francisco's is in one"
    assert measured["under_clustering name_address"] == "0 0 3"
    assert measured["under_clustering all"] == "0.25 1 4"


def test_sizes_and_sources(measured: dict[str, str]) -> None:
    assert measured["consolidation all"] == "0.4286 3 7"
    assert measured["cross_source all"] == "0.5 2 4"
    assert measured["largest_customer all"] == "3 3 -"
    assert measured["p99_customer all"] == "2.97 2.97 -"
    assert measured["customers_over_64 all"] == "0 0 4"
    assert measured["deduplication pos"] == "0.5 1 2"
    assert measured["deduplication web"] == "0 0 2"


def test_each_source_has_a_scorecard_of_attributes_and_age(measured: dict[str, str]) -> None:
    assert measured["completeness crm/birth_date"] == "1 2 2"
    assert measured["completeness erp/birth_date"] == "0 0 1"
    assert measured["completeness crm/emails"] == "0.5 1 2"
    assert measured["recency crm"] == "10 10 -", "5 and 15 days old"
    assert measured["recency crm/birth_date"] == "10 10 -"
    assert measured["recency crm/emails"] == "5 5 -", "of the one that states an e-mail"
    assert "recency erp/birth_date" not in measured, "nobody states one"
    assert measured["recency erp"] == "3 3 -", "where the source says nothing, the file's date"


def test_the_weakest_link_is_where_a_customer_would_fall_in_two_first(measured: dict[str, str]) -> None:
    assert measured["weakest_link all"] == "4 4 -", "the pair of weight 2 joins two customers, not one"
    assert measured["weakest_link p01"] == "4.16 4.16 -", "C1 hangs by 20, C3 by 4"


def test_given_names_are_compared_by_formal_form_and_part(spark: SparkSession) -> None:
    three = ["ana", "ana;maria", "francisco;paco", "francisco", "leo", "j"]
    said = [
        {"source": customer, "record_id": i, "party_type": "person", "match_given_formal": name}
        for customer, names in {"three": three, "four": [*three, "eva"]}.items()
        for i, name in enumerate(names)
    ]
    signs = mixture_signs(F.collect_list(stated())).alias("mixture_signs")
    found = table(spark, CUSTOMER_RECORDS, said).groupBy("source").agg(signs)
    assert told(found, "source", "mixture_signs") == ["four given_names", "three []"], (
        "Ana María, Francisco and Leo are three"
    )


def test_the_first_night_has_no_jitter(spark: SparkSession) -> None:
    built = build_measures(
        assigned(spark, "is"),
        None,
        table(spark, EVENTS, []),
        silver(spark),
        table(spark, SCORED_PAIRS, []),
        golden(spark),
        None,
        D,
    )
    names = set(measures_so_far(None, built, 60)["measure"].to_pylist())
    assert {"id_jitter", "revenue_jitter", "weakest_link"}.isdisjoint(names)
    assert "over_clustering" in names


@pytest.mark.parametrize(("keep_days", "nights"), [(60, 61), (7, NIGHTS_KEPT)])
def test_nights_older_than_the_retention_go_but_for_those_that_the_report_shows(
    spark: SparkSession, keep_days: int, nights: int
) -> None:
    of_a_night = {"measure": "consolidation", "part": "all", "value": 0.5}
    past = pa.Table.from_pylist(
        [{**of_a_night, "business_date": D - timedelta(days=ago)} for ago in range(1, 101)],
        schema=arrow_schema(MEASURES),
    )
    tonight = table(spark, MEASURES, [{**of_a_night, "business_date": D}])
    kept = measures_so_far(past, tonight, keep_days)["business_date"].to_pylist()
    assert kept == [D - timedelta(days=ago) for ago in reversed(range(nights))]
    assert nights >= NIGHTS_SHOWN


def test_judged_pairs_tell_the_precision_of_tonight_under_the_names_of_now(spark: SparkSession) -> None:
    """Ana's pair is right and still together; Leo's is wrong, and his W2 was called X2 when it was judged."""
    said = {"C1": "Ana", "W1": "Ana", "C2": "Leo", "W2": "Lea"}
    records = [
        {"source": "crm", "record_id": name, "party_type": "person", "given_name": given}
        for name, given in said.items()
    ]
    clusters = [
        {"source": "crm", "record_id": name, "party_type": "person", "cluster_final": name[1:]}
        for name in said
    ]
    silver = table(spark, CUSTOMER_RECORDS, records)
    digests = {row["record_id"]: digest_of(row) for row in silver.toArrow().to_pylist()}
    judged_at = datetime(2026, 7, 1, tzinfo=UTC)
    common = {
        "release_id": "r",
        "stratum": "s",
        "stratum_pairs": 2,
        "band": "b",
        "is_inside": True,
        "judged_by": "ana",
    }
    pairs = [
        {
            **common,
            "source_l": "crm",
            "record_id_l": left,
            "source_r": "crm",
            "record_id_r": right,
            "answer": answer,
            "digest_l": digests[left],
            "digest_r": digests[right.replace("X", "W")],
            "judged_at": judged_at,
        }
        for left, right, answer in (("C1", "W1", "match"), ("C2", "X2", "no_match"))
    ]
    renamed = {"source": "crm", "record_id": "X2", "new_source": "crm", "new_record_id": "W2"}
    found = judged_quality(
        pa.Table.from_pylist(pairs, schema=arrow_schema(JUDGEMENTS)),
        pa.Table.from_pylist([{**renamed, "since": D, "business_date": D}], schema=arrow_schema(RENAMES)),
        silver,
        table(spark, CLUSTERS, clusters),
    )
    assert found is not None
    rows = {line(row, "measure", "part"): row for row in measured_rows(found, D)}
    assert rows["precision_estimate all"]["value"] == 0.5
    assert rows["precision_estimate low"]["value"] < 0.5
    assert rows["precision_estimate left_out"]["numerator"] == 0
    assert "recall_estimate all" not in rows, "no pair between customers was judged"
