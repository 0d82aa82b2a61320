"""How PySpark finds Java's functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from py4j.java_gateway import JavaClass, JVMView
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from pyspark.sql import Column, SparkSession


def test_java_is_asked_for_its_functions_once(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    def used() -> list[Column]:
        chosen = F.struct(F.coalesce("a", F.lit(1)), F.when(F.isnull("a"), F.lower("b"))).alias("c")
        return [chosen, F.transform("a", lambda x: x + 1)]

    assert len(used()) == 2
    asked: list[str] = []
    for looked_in in (JVMView, JavaClass):
        look_up = looked_in.__getattr__

        def asks(java: object, name: str, look_up: Callable[[object, str], object] = look_up) -> object:
            asked.append(name)
            return look_up(java, name)

        monkeypatch.setattr(looked_in, "__getattr__", asks)
    used()
    # Of the session, PySpark asks again and again whether it is active.
    assert {name for name in asked if "Session" not in name} == set()
