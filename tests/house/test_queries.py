"""What is computed once for a stage, and let go when the stage has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines import stages
from pipelines.stages import Inputs

if TYPE_CHECKING:
    import pytest
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


def test_a_spark_that_is_gone_does_not_hide_how_the_stage_ended(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(frame: object) -> None:
        raise ConnectionRefusedError

    nothing: Any = None
    inputs = Inputs(spark, nothing, nothing, nothing, {}, {})
    kept = inputs.keep_all({"few": spark.range(3)})
    with monkeypatch.context() as patch:
        patch.setattr(stages, "let_go", gone)
        inputs.release()
    stages.let_go(kept["few"])
