"""``padron bench ids`` and ``bench lookup``: what is made, what is asked, what the bar says."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pipelines.errors import UsageError
from pipelines.ops.speed.config import IdBench
from pipelines.ops.speed.id_nights import IdNight, id_nights, markdown, verdicts
from pipelines.ops.speed.lookups import LookUps, look_ups

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.ops.lookup import Register

CONF = IdBench(sizes=(1_000, 10_000), changed=(0.01, 0.1))


def night(records: int, changed: float, *seconds: float) -> IdNight:
    return IdNight(records, changed, round(records * changed), seconds, tuple(s / 2 for s in seconds))


def test_the_bar_compares_nights_with_as_many_changes() -> None:
    found = [
        night(1_000, 0.01, 2.0),
        night(1_000, 0.1, 4.0, 3.0, 9.0),
        night(10_000, 0.01, 6.0),
        night(10_000, 0.1, 20.0),
    ]
    (verdict,) = verdicts(found, CONF)
    assert (verdict.name, verdict.bar, verdict.value) == ("1.00% of 10,000 / 10.00% of 1,000", 3.0, 1.5)
    told = markdown(found, CONF, 3)
    assert "| 1,000 | 10.00% | 100 | 4.0 | 2.0 |" in told
    assert "≤ 3.00 | 1.50 | reached |" in told
    assert verdicts(found[:1], CONF) == []


def test_look_ups_ask_for_values_of_the_register() -> None:
    drawn = {"phones_raw": ["55 12", "55 13", "0000"], "order_id": ["o1"], "concat_ws": ["Ana Ruiz"]}
    asked: list[dict[str, str]] = []

    def rows(query: str) -> list[dict[str, object]]:
        found = next((values for name, values in drawn.items() if name in query), [])
        return [{"value": value, "beside": date(1980, 5, 17)} for value in found]

    def lookup(**said: str) -> Any:
        asked.append(said)
        if said.get("phone") == "0000":
            raise UsageError("no phone")
        return SimpleNamespace(outcome="candidates" if said.get("phone") == "55 13" else "one")

    reader = SimpleNamespace(has=lambda path: path != "silver/orders", rows=rows)
    register = cast("Register", SimpleNamespace(reader=reader, lookup=lookup))
    found = list(look_ups(register, 3))
    assert [(each.by, len(each.seconds), dict(each.outcomes)) for each in found] == [
        ("phone", 3, {"one": 1, "candidates": 1, "unreadable": 1}),
        ("name, birth date", 1, {"one": 1}),
    ]
    assert asked == [
        {"phone": "55 12"},
        {"phone": "55 12"},
        {"phone": "55 13"},
        {"phone": "0000"},
        {"name": "Ana Ruiz", "birth_date": "1980-05-17"},
    ]
    slow = LookUps("tax_id", (0.1, 0.2, 0.9), Counter(one=2, nobody=1))
    assert slow.row() == ("tax id", "3", "0.20", "0.90", "2", "0", "1", "0")


@pytest.mark.soak
def test_the_nights_of_a_made_register_keep_the_contract(spark: SparkSession, tmp_path: Path) -> None:
    conf = IdBench(sizes=(600, 30_000), changed=(0.5,))
    small, large = id_nights(spark, str(tmp_path), conf, 1)
    assert (small.records, large.records) == (600, 30_000)
    # Of 300 people about half are changed, most with one event.
    assert 100 < small.events < 300
    assert 6_000 < large.events < 12_000
