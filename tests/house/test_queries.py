"""What is computed once for a stage, and let go when the stage has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.stages import Inputs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def held(spark: SparkSession) -> int:
    """Results that the executors hold."""
    return int(spark.sparkContext._jsc.sc().getPersistentRDDs().size())


def test_what_a_stage_keeps_is_held_until_it_has_ended(spark: SparkSession) -> None:
    nothing: Any = None
    inputs = Inputs(spark, nothing, nothing, nothing, {}, {})
    before = held(spark)
    kept = inputs.keep_all({"few": spark.range(3), "more": spark.range(5)})
    assert held(spark) == before + 2
    assert {name: frame.count() for name, frame in kept.items()} == {"few": 3, "more": 5}
    inputs.release()
    assert held(spark) == before
