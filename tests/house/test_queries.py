"""What is computed once for a stage, and let go when the stage has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pipelines import stages
from pipelines.queries import at_once
from pipelines.stages import Inputs, Shared

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


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


def test_what_several_stages_ask_for_is_computed_once_and_let_go_at_the_end(spark: SparkSession) -> None:
    made: list[str] = []
    shared, nothing = Shared(), cast("Any", None)
    stages_of = [Inputs(spark, nothing, nothing, nothing, {}, {}, shared=shared) for _ in range(4)]
    before = held(spark)

    def sums() -> DataFrame:
        made.append("sums")
        return spark.range(3)

    found = at_once(lambda inputs: inputs.shared("sums", sums).count(), stages_of)
    assert (found, made) == ([3, 3, 3, 3], ["sums"])
    for inputs in stages_of:
        inputs.release()
    assert held(spark) == before + 1
    shared.close()
    assert held(spark) == before


def test_what_could_not_be_computed_is_tried_again_by_who_asks_next(spark: SparkSession) -> None:
    def fails() -> DataFrame:
        raise ConnectionRefusedError

    shared = Shared()
    with pytest.raises(ConnectionRefusedError):
        shared.get("sums", fails)
    assert shared.get("sums", lambda: spark.range(2)).count() == 2
    shared.close()
