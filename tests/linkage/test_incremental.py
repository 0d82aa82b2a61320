"""Linking what changed gives what linking everything gives, after any history of nights."""

from __future__ import annotations

import random
from datetime import date

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from linkage_people import Row, night_after, population, record, table

from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.recall import Remembered

NIGHT = date(2026, 7, 1)
TABLES = ("scored_pairs", "links", "clusters", "generic_values", "review_queue", "cut_components")
SMALL = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000},
        "threads": 2,
        "blocking": {"max_block": 5},
        "max_component": 4,
        "duplicate_free": ["erp"],
        "rules": [
            {"name": "one_card", "match": ["loyalty_id"]},
            {"name": "two_cities", "match": ["phones"], "never": ["city"]},
        ],
    }
)
"""Blocks that are subdivided, components that are cut, exact rules, a source without duplicates."""


def remembered(linked: Linked) -> Remembered:
    return Remembered(linked.clusters, linked.links, linked.scored_pairs)


def assert_same(some: Linked, other: Linked) -> None:
    for name in TABLES:
        assert getattr(some, name).equals(getattr(other, name)), name
    assert some.generation.content == other.generation.content


@pytest.fixture(scope="module")
def generation() -> Generation:
    return link_night(population(110, seed=5)[0], None, SMALL, NIGHT).generation


def crowd() -> list[Row]:
    """60 records: pairs of one person, a block of one name that only slices divide, cards, companies."""
    rows = population(24, seed=8)[0].to_pylist()
    rows += [record("pos", f"ONE{i:02d}", given="ana", surname="perez", city="puebla") for i in range(12)]
    rows += [
        record(s, "CARD", given=n, surname="soto", loyalty_id="9")
        for s, n in (("crm", "iker"), ("pos", "jana"))
    ]
    return table(rows).to_pylist()


@settings(max_examples=6, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32), nights=st.integers(2, 4))
def test_any_history_ends_in_what_one_full_run_gives(generation: Generation, seed: int, nights: int) -> None:
    dice = random.Random(seed)
    rows = crowd()
    linked = link_night(table(rows), generation, SMALL, NIGHT)
    for at in range(nights):
        rows = night_after(rows, dice, at)
        last = remembered(linked)
        full = link_night(table(rows), linked.generation, SMALL, NIGHT)
        linked = link_night(table(rows), linked.generation, SMALL, NIGHT, last=last)
        assert_same(linked, full)
