"""The metrics against answers that others computed: the truth of latam_dev, the R package rfm, a whole shop."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv as pacsv
import pytest
from gold_box import booked
from pyspark.sql import functions as F

from pipelines.gold.config import Metrics
from pipelines.gold.ownership import resolve
from pipelines.gold.purchases import purchase_facts, purchase_sums
from pipelines.gold.reconciliation import BookedOrders, build_reconciliation, imbalances
from pipelines.gold.rfm_scores import quantile_cut_points, score_by
from pipelines.gold.service import build_service
from pipelines.silver.cases import CASES, cases
from pipelines.silver.orders import ORDERS, orders
from pipelines.tables import Table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def texts(spark: SparkSession, path: Path, **names: str) -> DataFrame:
    """A CSV's columns as text, empty ones NULL, under the names given."""
    with path.open(encoding="utf-8") as file:
        header = next(csv.reader(file))
    options = pacsv.ConvertOptions(
        column_types={name: pa.string() for name in header}, strings_can_be_null=True, null_values=[""]
    )
    read = pacsv.read_csv(path, convert_options=options)
    return spark.createDataFrame(read.rename_columns([names.get(name, name) for name in header]))


def standard(rows: DataFrame, table: Table, **made: str) -> DataFrame:
    """``rows`` with every column of ``table``, by its SQL, by its name, or NULL, in its type."""
    return rows.select(
        *[
            F.expr(made.get(c.name, c.name if c.name in rows.columns else "NULL")).cast(c.type).alias(c.name)
            for c in table.columns
        ],
        *[F.expr(sql).alias(name) for name, sql in made.items() if name not in table.names],
    )


@pytest.fixture(scope="module")
def owners(spark: SparkSession, data: Path) -> DataFrame:
    """The true map, as if identity had found it."""
    path = data / "latam_dev" / "truth" / "entity_map.csv"
    renamed = texts(spark, path, source_id="record_id", true_id="customer_id")
    return renamed.select("source", "record_id", "customer_id").localCheckpoint()


def truth(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def latam_orders(spark: SparkSession, data: Path, owners: DataFrame) -> BookedOrders:
    rows = texts(
        spark, data / "latam_dev" / "orders.csv", source_customer_id="record_id", order_ts="ordered_at"
    )
    typed = standard(rows, ORDERS, amount="CAST(amount AS DECIMAL(20,4))")
    silver = orders(typed, None, None, timezone="UTC", business_date=date(2026, 7, 1)).localCheckpoint()
    return booked(silver, resolve(silver, owners).localCheckpoint())


def test_recency_frequency_and_money_are_the_truth_of_latam_dev(
    data: Path, latam_orders: BookedOrders
) -> None:
    metrics = Metrics(window_days=None, sale_statuses=("completed",))
    day = date(2026, 7, 1)
    facts = purchase_facts(purchase_sums(latam_orders.resolved, None, metrics, day)).collect()
    made = {(f.customer_id, f.currency, (day - f.last_order_on).days, f.frequency, f.monetary) for f in facts}
    expected = {
        (t["true_id"], t["currency"], int(t["recency_days"]), int(t["frequency"]), Decimal(t["monetary"]))
        for t in truth(data / "latam_dev" / "truth" / "rfm_2026-07-01.csv")
    }
    assert len(expected) > 1000
    assert made == expected


def test_the_money_of_latam_dev_reconciles(
    spark: SparkSession, data: Path, latam_orders: BookedOrders, owners: DataFrame
) -> None:
    made = build_reconciliation(
        owners.select("customer_id").distinct(), orders=latam_orders
    ).localCheckpoint()
    assert imbalances(made).isEmpty()
    total = made.filter("measure = 'orders'").agg(F.sum("source_total")).head()
    assert total is not None
    assert total[0] == 14386


def test_cases_and_response_times_are_the_truth_of_latam_dev(
    spark: SparkSession, data: Path, owners: DataFrame
) -> None:
    rows = texts(
        spark, data / "latam_dev" / "support_tickets.csv", requester_id="record_id", ticket_id="case_id"
    )
    typed = standard(
        rows,
        CASES,
        source="'support'",
        status="CASE status WHEN 'abierto' THEN 'open' ELSE 'solved' END",
        case_type="category",
        is_reopened="reopened = 'Y'",
    )
    day = date(2026, 7, 1)
    silver = cases(typed, timezone="UTC", business_date=day)
    ids = owners.select("customer_id").distinct()
    service = build_service(ids, resolve(silver, owners), Metrics(), day, timezone="UTC")
    made = {row.customer_id: row for row in service.collect()}
    expected = {t["true_id"]: t for t in truth(data / "latam_dev" / "truth" / "service_metrics.csv")}
    counts = {
        name: (row.cases, row.open_cases, row.reopened_cases) for name, row in made.items() if row.cases
    }
    assert counts == {
        name: (int(t["tickets"]), int(t["open_tickets"]), int(t["reopened"])) for name, t in expected.items()
    }
    for name, t in expected.items():
        mean = made[name].first_response_minutes_mean
        if t["avg_first_response_min"]:
            assert mean == pytest.approx(float(t["avg_first_response_min"]), abs=0.0501), name
        else:
            assert mean is None, name


def test_quantile_scores_are_those_of_the_r_package(spark: SparkSession, data: Path) -> None:
    bought = texts(spark, data / "rfm_orders" / "rfm_data_orders.csv")
    facts = bought.groupBy("customer_id").agg(
        F.lit("USD").alias("currency"),
        F.date_diff(F.lit(date(2006, 12, 31)), F.max(F.to_date("order_date"))).alias("recency_days"),
        F.count("*").alias("frequency"),
        F.sum(F.col("revenue").cast("decimal(20,4)")).alias("monetary"),
    )
    scores = {"recency": "r", "frequency": "f", "monetary": "m"}
    facts = facts.localCheckpoint()
    made = score_by(facts, quantile_cut_points(facts), scores).collect()
    expected = truth(data / "rfm_orders" / "expected_scores_2006-12-31.csv")
    assert {(row.customer_id, row.r, row.f, row.m) for row in made} == {
        (
            t["customer_id"],
            int(float(t["recency_score"])),
            int(float(t["frequency_score"])),
            int(float(t["monetary_score"])),
        )
        for t in expected
    }


@pytest.mark.soak
def test_a_shop_of_541909_lines_reconciles_to_the_penny(spark: SparkSession, data: Path) -> None:
    """online_retail: a line in four has no customer; the shop numbers no lines."""
    rows = spark.read.parquet(str(data / "online_retail" / "online_retail_2010_2011.parquet"))
    price = "CAST(CAST(UnitPrice AS DECIMAL(20,4)) * Quantity AS DECIMAL(20,4))"
    lines = rows.selectExpr(
        "InvoiceNo AS order_id", "CAST(Quantity AS DOUBLE) AS quantity", f"{price} AS amount"
    )
    invoices = rows.groupBy(F.col("InvoiceNo").alias("order_id")).agg(
        F.max(F.col("CustomerID").cast("bigint")).alias("customer"),
        F.min("InvoiceDate").alias("at"),
        F.sum(F.expr(price)).alias("amount"),
    )
    typed = (
        standard(
            invoices,
            ORDERS,
            source="'shop'",
            record_id="customer",
            ordered_at="at",
            amount="amount",
            currency="'GBP'",
        )
        .drop("line_count", "line_amount")
        .withColumn("status", F.lit("completed"))
    )
    silver = orders(typed, lines, None, timezone="Europe/London", business_date=date(2011, 12, 31))
    silver = silver.localCheckpoint()
    owned = silver.select("source", "record_id", F.col("record_id").alias("customer_id"))
    resolved = resolve(silver, owned.filter("record_id IS NOT NULL").distinct()).localCheckpoint()
    ids = resolved.select("customer_id").filter("customer_id IS NOT NULL").distinct()
    made = build_reconciliation(ids, orders=booked(silver, resolved), order_lines=lines).collect()
    by_measure = {row.measure: row for row in made}
    assert all(row.in_customers + row.unassigned == row.source_total for row in made)
    assert by_measure["lines"].source_total == 541_909
    assert by_measure["lines"].unassigned == 135_080
    assert by_measure["line_amount"].source_total == by_measure["net"].source_total == Decimal("9747747.934")
