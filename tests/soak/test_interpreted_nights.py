"""Of a large night Spark compiles the queries, and golden records are taken over; the tables are those of a tiny one."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

import latam
import pytest
from night_box import Shop, tune
from pyspark.sql import SparkSession
from test_killed_nights import differences

from pipelines import night_gold
from pipelines.spark import COMPILED, INTERPRETED

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.soak
def test_a_night_says_the_same_whether_its_queries_are_compiled_or_interpreted_and_golden_records_taken_over_or_made(
    spark: SparkSession, data: Path, tmp_path: Path
) -> None:
    # What stands in conf wins over what a night chooses by its records.
    shops = []
    for name, options in (("compiled", COMPILED), ("interpreted", INTERPRETED)):
        shutil.copytree(ROOT / "conf", tmp_path / f"conf_{name}")
        tune(tmp_path / f"conf_{name}", options)
        shops.append(Shop(tmp_path / "landing", tmp_path / name, tmp_path / f"conf_{name}"))
    compiled, plain = shops
    for night in range(3):
        latam.deliver(data, compiled.landing, night)
        with patch.object(night_gold, "WORTH_TAKING_OVER", 1):
            assert compiled.run() == 0
        assert spark.conf.get("spark.sql.codegen.wholeStage") == "true"
        assert plain.run() == 0
        assert spark.conf.get("spark.sql.codegen.wholeStage") == "false"
        assert differences(compiled, plain) == {}, night
