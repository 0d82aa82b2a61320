"""Keys that too many records share: named with how they are subdivided, part of the generation, revised by a night."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from linkage_people import Row, empty_records, record, table

from pipelines.linkage.config import Linkage
from pipelines.linkage.differences import differences
from pipelines.linkage.generations import Generation, ancestry, came_into_use, lineage, newest
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.many import link_many
from pipelines.linkage.over_large_keys import OVER_LARGE_KEYS, over_large_keys
from pipelines.linkage.recall import Remembered

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FIRST, SECOND, THIRD = date(2026, 7, 1), date(2026, 7, 2), date(2026, 7, 3)
SMALL = Linkage.model_validate({"threads": 2, "blocking": {"max_block": 3}})


@pytest.fixture(scope="module")
def starter() -> Generation:
    """The starter model, which has the fixed rules, given+surname among them."""
    return link_night(empty_records(), None, SMALL, FIRST).generation


def anas(count: int, **values: object) -> list[Row]:
    """``count`` records of the name Ana Perez with nothing else in common, or with ``values``."""
    return [
        record("crm", f"ANA{i}", given="ana", surname="perez", **{"city": f"city {i}", **values})
        for i in range(count)
    ]


OTHERS = [
    record("crm", f"X{i}", given=given, surname=surname, city="soria")
    for i, (given, surname) in enumerate([("luis", "gil"), ("rosa", "vega"), ("hugo", "soto")])
]


def keys_of(linked: Linked) -> list[tuple[object, ...]]:
    """(rule, key, records, next_keys, is_sliced), without the model."""
    assert linked.over_large_keys.schema == OVER_LARGE_KEYS.arrow
    return [tuple(row.values())[1:] for row in linked.over_large_keys.to_pylist()]


def remembered(linked: Linked) -> Remembered:
    return Remembered(linked.clusters, linked.links, linked.scored_pairs)


def test_a_key_of_more_records_than_a_block_may_have_is_named(starter: Generation) -> None:
    assert keys_of(link_night(table(anas(3)), starter, SMALL, FIRST)) == []
    # given+surname is divided by birth date, second surname, postal code and then by city, which tells them apart.
    ((rule, key, *how),) = keys_of(link_night(table(anas(4)), starter, SMALL, FIRST))
    assert (rule, how) == ("given+surname", [4, 4, False])
    assert isinstance(key, str)
    assert key.startswith("ana + ")


def test_how_far_a_key_was_subdivided_is_said_and_both_placements_say_the_same(
    spark: SparkSession, starter: Generation
) -> None:
    born = {
        "ana": [date(1980, 5, 1)] * 3 + [date(1991, 2, 3)] * 3,
        # The later date is still of four, and nothing else differs.
        "eva": [date(1980, 5, 1)] * 3 + [date(1991, 2, 3)] * 4,
    }
    rows = table(
        [
            record("crm", f"{given}{i}", given=given, surname="perez", birth_date=day, city="lugo")
            for given, days in born.items()
            for i, day in enumerate(days)
        ]
    )
    one = link_night(rows, starter, SMALL, FIRST)
    found = [tuple(how) for rule, _, *how in keys_of(one) if rule == "given+surname"]
    assert found == [(6, 1, False), (7, 4, True)]
    many = link_many(spark.createDataFrame(rows), starter, SMALL, FIRST)
    assert many.over_large_keys.equals(one.over_large_keys)
    assert many.generation == one.generation


def test_a_key_first_seen_at_night_revises_the_generation_and_touches_no_other_record(
    starter: Generation,
) -> None:
    first = link_night(table(anas(3) + OTHERS), starter, SMALL, FIRST)
    assert first.generation_row is None
    rows = table(anas(4) + OTHERS)
    second = link_night(rows, first.generation, SMALL, SECOND, last=remembered(first))
    revised = second.generation
    assert (revised.previous_id, revised.created_on) == (starter.generation_id, SECOND)
    assert revised.over_large == over_large_keys(second.over_large_keys)
    assert len(revised.over_large) == 1
    assert second.generation_row is not None
    assert second.generation_row["generation_id"].to_pylist() == [revised.generation_id]
    # The new one, and the three with whom it shares the key: not the three others.
    assert second.figures["changed_records"] == 4
    full = link_night(rows, revised, SMALL, SECOND)
    assert full.generation == revised
    for name in ("scored_pairs", "links", "clusters", "over_large_keys"):
        assert getattr(full, name).equals(getattr(second, name)), name
    again = link_night(rows, revised, SMALL, THIRD, last=remembered(second))
    assert (again.generation, again.figures["changed_records"]) == (revised, 0)


def test_a_key_that_is_gone_brings_back_the_generation_of_before(starter: Generation) -> None:
    history = came_into_use(starter, None, None)
    assert history is not None
    generation = starter
    for night, count in ((FIRST, 3), (SECOND, 4), (THIRD, 3)):
        linked = link_night(table(anas(count) + OTHERS), generation, SMALL, night)
        new = came_into_use(linked.generation, None, history)
        history = history if new is None else pa.concat_tables([history, new])
        generation = linked.generation
    assert generation.digest == starter.digest
    named = history["generation_id"].to_pylist()
    assert [named.index(name) for name in named] == [0, 1, 0]
    in_use = newest(history)
    assert in_use is not None
    assert in_use.generation_id == starter.generation_id
    # What was made under the revision, a steward's file for one, is still of this training.
    assert lineage(history) == [starter.generation_id, named[1]]
    assert ancestry(history, named[1]) == [named[1], starter.generation_id]


def test_a_training_knows_its_keys_and_is_no_revision() -> None:
    linked = link_night(table(anas(5) + OTHERS), None, SMALL, FIRST)
    assert linked.generation.previous_id is None
    assert len(linked.generation.over_large) == 1


def test_keys_travel_with_the_generation_and_count_in_its_digest(starter: Generation) -> None:
    # A generation of before keys were listed has none and keeps its digest.
    assert "over_large" not in json.loads(starter.content)
    keys = (
        ("person", "given+surname", "ana + PRS", 4, False),
        ("person", "email_name", "ana.perez", 1, True),
    )
    revised = starter.revised((), keys, SECOND)
    assert revised.digest != starter.digest
    assert Generation.from_json(revised.to_json()) == revised
    assert starter.revised((), (), SECOND) is starter
    deeper = revised.revised((), (("person", "given+surname", "ana + PRS", 4, True),), THIRD)
    assert differences(revised, deeper)["over_large_keys"] == {
        "added": 0,
        "removed": 1,
        "subdivided_otherwise": 1,
        "kept": 0,
    }
