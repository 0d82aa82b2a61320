"""What an event rests on: the pair that speaks for it, and the decision that made it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from identity_world import State, arrow_frame, on, play, scene

from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def pairs(spark: SparkSession, *told: tuple[str, str, float]) -> DataFrame:
    """linkage/scored_pairs of (left, right, weight); the rule that brought a pair is named after it."""
    rows = [
        {
            "source_l": "crm",
            "record_id_l": left,
            "source_r": "crm",
            "record_id_r": right,
            "match_weight": weight,
            "same_person_probability": weight / 20,
            "decided_by": "relation",
            "blocked_by": left + right,
        }
        for left, right, weight in told
    ]
    return arrow_frame(spark, rows, arrow_schema(SCORED_PAIRS))


def evidence(state: State) -> dict[str, dict[str, Any] | None]:
    return {e["record_id"]: e["evidence"] and json.loads(e["evidence"]) for e in state.tonight}


def test_events_say_which_pair_speaks_for_them(spark: SparkSession) -> None:
    first = play(
        spark,
        State(),
        on(0),
        scene("crm", "a b | c d | e f | g"),
        pairs=pairs(spark, ("a", "b", 10), ("c", "d", 9), ("e", "f", 12), ("a", "g", 2)),
    )
    told = evidence(first)
    assert told["b"] == {
        "cluster": "crm:a",
        "pair": ["crm:a", "crm:b"],
        "match_weight": 10.0,
        "probability": 0.5,
        "rule": "ab",
        "decided_by": "relation",
    }
    assert told["g"] == {"cluster": "crm:g"}

    # a b and c d become one by b ~ d, although a ~ b is stronger; f leaves e, to which little is left; g goes.
    second = play(
        spark,
        first,
        on(1),
        scene("crm", "a b c d h | e! | f!"),
        pairs=pairs(spark, ("a", "b", 15), ("b", "d", 8), ("a", "c", 3), ("c", "h", 7), ("e", "f", 1)),
    )
    told = evidence(second)
    assert sorted(told) == ["c", "d", "f", "g", "h"]
    assert {record: (told[record] or {}).get("pair") for record in told} == {
        "c": ["crm:b", "crm:d"],
        "d": ["crm:b", "crm:d"],
        "f": ["crm:e", "crm:f"],
        "g": None,
        "h": ["crm:c", "crm:h"],
    }
    assert told["g"] is None
    assert {record for record, said in told.items() if said and said.get("decision") == "d1"} == {"f"}
