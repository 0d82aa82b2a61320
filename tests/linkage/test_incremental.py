"""Linking what changed gives what linking everything gives, after any history of nights."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from linkage_people import Row, night_after, population, record, table

from pipelines.linkage.config import GENERIC_LIMITS, Generic, Linkage
from pipelines.linkage.fingerprints import linked_by
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.recall import Remembered
from pipelines.linkage.scoring import Scorer

NIGHT = date(2026, 7, 1)
TABLES = (
    "scored_pairs",
    "links",
    "clusters",
    "generic_values",
    "over_large_keys",
    "review_queue",
    "cut_components",
)
SMALL = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000},
        "threads": 2,
        "blocking": {"max_block": 5},
        "max_component": 4,
        "generic": {"distinct_names": {**GENERIC_LIMITS, "address": 5}},
        "duplicate_free": ["erp"],
        "rules": [
            {"name": "one_card", "match": ["loyalty_id"]},
            {"name": "two_cities", "match": ["phones"], "never": ["city"]},
        ],
    }
)
"""Blocks that are subdivided, components that are cut, exact rules, a source without duplicates, addresses soon generic."""
LARGE = SMALL.model_copy(update={"max_component": 60, "task_pairs": 150})
"""With ``SURE`` components that hold many groups, that most nights change somewhere, and that are looked at in parts."""
NAMES = ("ana", "luis", "ana maria", "ana", "luis", "ana maria")
SURE = 0.6
"""A cut well above the probability from which pairs are kept."""


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


def families(*names: str) -> list[Row]:
    """People of five records each, of whom each shares a phone number with the next: fewer components than groups."""
    people = [
        record(
            source,
            f"FAMILY{person}",
            given=name,
            surname="perez",
            city="puebla",
            emails=[f"e{person}@x.com"],
            phones=[f"+52555500000{n}" for n in (person, person + 1)[: 2 if source == "pos" else 1]],
        )
        for person, name in enumerate(names)
        for source in ("crm", "fax", "pos", "shop", "web")
    ]
    return table(people).to_pylist()


def chain() -> list[Row]:
    """Records of one name, of which each shares an e-mail address with the next: surely one, and most pairs are not."""
    people = [
        record(
            "pos",
            f"CHAIN{i:02d}",
            given="ana",
            surname="perez",
            city=f"city {i}",
            emails=[f"a{i}@x.com", f"a{i + 1}@x.com"],
        )
        for i in range(14)
    ]
    return table(people).to_pylist()


def check_history(generation: Generation, conf: Linkage, seed: int, nights: int) -> None:
    dice = random.Random(seed)
    rows = crowd()
    if conf is LARGE:
        rows, generation = [*rows, *chain(), *families(*NAMES)], replace(generation, cut=SURE)
    linked = link_night(table(rows), generation, conf, NIGHT)
    for at in range(nights):
        rows = night_after(rows, dice, at)
        last = remembered(linked)
        full = link_night(table(rows), linked.generation, conf, NIGHT)
        linked = link_night(table(rows), linked.generation, conf, NIGHT, last=last)
        assert_same(linked, full)
        assert linked.figures["changed_records"] < len(rows)


@pytest.mark.parametrize("conf", [SMALL, LARGE], ids=["small", "large"])
@settings(max_examples=1, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32))
def test_any_history_ends_in_what_one_full_run_gives(
    generation: Generation, conf: Linkage, seed: int
) -> None:
    check_history(generation, conf, seed, nights=2)


@pytest.mark.soak
@pytest.mark.parametrize("conf", [SMALL, LARGE], ids=["small", "large"])
@settings(max_examples=25, deadline=None, phases=(Phase.reuse, Phase.generate))
@given(seed=st.integers(0, 2**32), nights=st.integers(2, 6))
def test_many_long_histories_end_in_what_one_full_run_gives(
    generation: Generation, conf: Linkage, seed: int, nights: int
) -> None:
    check_history(generation, conf, seed, nights)


def test_of_a_component_that_grows_the_pairs_that_nothing_is_to_come_of_are_not_scored_again(
    generation: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = []
    of = Scorer.of

    def counted(self: Scorer, pairs: str, least_weight: float | None = None) -> pa.Table:
        found = of(self, pairs, least_weight)
        scored.append(found.num_rows)
        return found

    rows = families("ana", "luis", "ana", "luis")
    first = link_night(table(rows), replace(generation, cut=SURE), LARGE, NIGHT)
    components = first.clusters["component"].to_pylist()
    assert first.figures["clusters"] == 4 > len(set(components))
    grown = Counter(components).most_common(1)[0][0]
    more = [*rows, {**rows[components.index(grown)], "record_id": "NEW"}]
    monkeypatch.setattr(Scorer, "of", counted)
    again = link_night(table(more), first.generation, LARGE, NIGHT, last=remembered(first))
    few = sum(scored)
    scored.clear()
    assert_same(again, link_night(table(more), first.generation, LARGE, NIGHT))
    assert again.figures["clustered_records"] == components.count(grown) + 1
    assert few < sum(scored) / 2


def test_nothing_changed_scores_nothing(generation: Generation) -> None:
    rows = table(crowd())
    first = link_night(rows, generation, SMALL, NIGHT)
    again = link_night(rows, first.generation, SMALL, NIGHT, last=remembered(first))
    assert_same(again, first)
    assert again.figures["changed_records"] == again.figures["candidate_pairs"] == 0
    assert again.figures["clustered_records"] == 0


def test_another_generation_or_configuration_links_all_again(generation: Generation) -> None:
    rows = table(crowd())
    first = link_night(rows, generation, SMALL, NIGHT)
    free = SMALL.model_copy(update={"never": ()})
    assert link_night(rows, generation, free, NIGHT, last=remembered(first)).figures[
        "changed_records"
    ] == len(rows)
    other = replace(generation, cut=0.5)
    linked = link_night(rows, other, SMALL, NIGHT, last=remembered(first))
    assert linked.figures["changed_records"] == len(rows)
    assert_same(linked, link_night(rows, other, SMALL, NIGHT))


@pytest.mark.parametrize(
    "change",
    [
        {"rules": SMALL.rules[:1]},
        {"never": ()},
        {"review_probability": 0.2},
        {"blocking": SMALL.blocking.model_copy(update={"max_block": 6})},
        {"max_component": 5},
        {"duplicate_free": ()},
        {"generic": Generic(distinct_names={"phones": 2})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_configuration_alone_decides_links_all_again(
    generation: Generation, change: dict[str, Any]
) -> None:
    # No generation has these: the fingerprints have to notice.
    other = SMALL.model_copy(update=change)
    assert linked_by(generation, other) != linked_by(generation, SMALL)
    rows = table(crowd())
    first = link_night(rows, generation, SMALL, NIGHT)
    changed = link_night(rows, generation, other, NIGHT, last=remembered(first))
    assert changed.figures["changed_records"] == len(rows)
    assert_same(changed, link_night(rows, generation, other, NIGHT))


def test_what_only_the_machine_decides_links_nothing_again(generation: Generation) -> None:
    placed = SMALL.model_copy(
        update={"placement": "many", "threads": 1, "memory_limit": "1GB", "max_links": 3_000}
    )
    assert linked_by(generation, placed) == linked_by(generation, SMALL)


def test_a_value_that_became_generic_changes_who_carries_it(generation: Generation) -> None:
    rows = crowd()
    first = link_night(table(rows), generation, SMALL, NIGHT)
    named = {(row["match_given_phonetic"], row["match_surname_phonetic"]): row for row in rows}
    carriers = list(named.values())[:8]
    for row in carriers:
        row["match_phones"] = ["+525500000000"]
    shared = link_night(table(rows), generation, SMALL, NIGHT, last=remembered(first))
    assert shared.generic_values["value"].to_pylist() == ["+525500000000"]
    # Three of them are gone tonight: the value is evidence again, also between those that nobody touched.
    fewer = [row for row in rows if row not in carriers[:3]]
    linked = link_night(table(fewer), shared.generation, SMALL, NIGHT, last=remembered(shared))
    assert linked.generic_values.num_rows == 0
    assert linked.figures["changed_records"] == 5
    assert_same(linked, link_night(table(fewer), shared.generation, SMALL, NIGHT))
