"""Nights of latam_dev, the shape of the real job: the long suite runs them: the first alone, and all six."""

from __future__ import annotations

from pathlib import Path

import latam
import pytest
from night_box import Shop
from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.soak
def test_the_first_night(
    spark: SparkSession, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = Shop(tmp_path / "landing", tmp_path / "warehouse", ROOT / "conf")
    latam.deliver(data, shop.landing, 0)
    assert shop.run() == 0
    latam.check_night(shop, None)
    with capsys.disabled():
        latam.report_quality(shop, data, 1)
    companies = "SELECT count(*) FROM silver.customer_records WHERE source = 'erp' AND party_type = 'company'"
    assert shop.value(companies) > 400
    unassigned = """SELECT sum(unassigned) FROM gold.reconciliation WHERE measure = 'orders'"""
    assert 0 < float(shop.value(unassigned)) <= 559
