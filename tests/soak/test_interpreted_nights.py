"""Of a large night Spark compiles the queries, and golden records are taken over; the tables are those of a tiny one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import latam
import pytest
from night_box import Shop
from pyspark.sql import SparkSession
from test_killed_nights import differences

from pipelines import night_gold
from pipelines.spark import INTERPRETED

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def interpreted(spark: SparkSession) -> Iterator[None]:
    before = {name: str(spark.conf.get(name)) for name in INTERPRETED}
    for name, value in INTERPRETED.items():
        spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            spark.conf.set(name, value)


@pytest.mark.soak
def test_a_night_says_the_same_whether_its_queries_are_compiled_or_interpreted_and_golden_records_taken_over_or_made(
    spark: SparkSession, data: Path, tmp_path: Path
) -> None:
    compiled = Shop(tmp_path / "landing", tmp_path / "compiled", ROOT / "conf")
    plain = Shop(tmp_path / "landing", tmp_path / "interpreted", ROOT / "conf")
    for night in range(3):
        latam.deliver(data, compiled.landing, night)
        with patch.object(night_gold, "WORTH_TAKING_OVER", 1):
            assert compiled.run() == 0
        with interpreted(spark):
            assert plain.run() == 0
        assert differences(compiled, plain) == {}, night
