"""The change feed, told in the stories of the assignment rule: ``A merged >B`` is for whoever keeps A as a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from identity_world import Told, played

if TYPE_CHECKING:
    from collections.abc import Callable

    from identity_world import State
    from pyspark.sql import SparkSession


@pytest.fixture(scope="module")
def states(spark: SparkSession) -> list[State]:
    return played(spark)


@pytest.fixture(scope="module")
def changes(states: list[State]) -> Callable[[str, int], list[str]]:
    """Lines ``id change <from >to in/out/added/deleted/edited cause``."""
    return lambda story, night: Told(states, story).changes(night)


def test_who_comes_alone_or_with_others_makes_a_new_id(changes: Callable[[str, int], list[str]]) -> None:
    assert changes("mint", 0) == ["A created 0/0/2/0/0 new_record", "C created 0/0/1/0/0 new_record"]
    assert changes("mint", 1) == ["D created 0/0/1/0/0 new_record"]


def test_a_merge_tells_both_ids(changes: Callable[[str, int], list[str]]) -> None:
    assert changes("merge", 2) == ["A merged >B 0/2/0/0/0 linkage", "B gained <A 2/0/0/0/0 linkage"]


def test_a_split_tells_who_went_and_where(changes: Callable[[str, int], list[str]]) -> None:
    assert changes("split", 1) == ["A split >A2 0/1/0/0/0 linkage", "A2 created <A 1/0/0/0/0 linkage"]


def test_a_merge_undone_brings_the_id_back(changes: Callable[[str, int], list[str]]) -> None:
    assert changes("undo", 2) == ["A revived <B 1/0/0/0/0 linkage", "B split >A 0/1/0/0/0 linkage"]


def test_a_customer_whose_last_record_goes_is_retired_and_may_come_back(
    changes: Callable[[str, int], list[str]],
) -> None:
    assert changes("comeback", 1) == ["C retired 0/0/0/1/0 deleted"]
    assert changes("comeback", 2) == ["C revived 0/0/1/0/0 new_record"]


def test_an_id_that_stays_tells_what_its_records_did(changes: Callable[[str, int], list[str]]) -> None:
    assert changes("keep", 1) == ["A changed 0/0/1/0/0 new_record", "B changed 0/0/1/0/0 new_record"]
    assert changes("reassign", 1) == ["A split >D 0/1/0/0/0 linkage", "D gained <A 1/0/0/0/0 linkage"]
    assert changes("edit", 1) == ["A changed 0/0/0/0/1 edit"]


def test_a_move_is_explained_by_what_moved_it_and_not_by_what_happened_besides(
    changes: Callable[[str, int], list[str]],
) -> None:
    assert changes("decision", 1) == ["A split >B 0/1/0/0/0 decision", "B created <A 1/0/0/0/0 decision"]


def test_the_feed_alone_keeps_a_copy_of_who_is_a_customer(states: list[State]) -> None:
    """Whoever applies the feed night by night has the live ids and their sizes, in every history."""
    copy: dict[str, int] = {}
    for state in states:
        for row in state.changes:
            copy[row["customer_id"]] = row["records"]
        sizes: dict[str, int] = {}
        for customer in state.ids.values():
            sizes[customer] = sizes.get(customer, 0) + 1
        assert {customer: n for customer, n in copy.items() if n} == sizes
        for row in state.changes:
            came = row["records_in"] + row["records_added"]
            assert (row["change"] in ("merged", "retired")) <= (row["records"] == 0)
            assert bool(row["from_customer_ids"]) == (row["records_in"] > 0)
            assert row["records"] >= came


def test_a_merged_id_of_the_feed_leads_where_it_says(states: list[State]) -> None:
    for state in states:
        for row in state.changes:
            if row["change"] == "merged":
                assert state.leads_to(row["customer_id"]) >= set(row["to_customer_ids"])
