"""The assignment rule, told in stories: ``a:B`` is record a of the customer first seen with record b."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from identity_stories import STORIES
from identity_world import Scene, Told, on, play, played, scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    Tell = Callable[[str], Told]


@pytest.fixture(scope="module")
def tell(spark: SparkSession) -> Tell:
    states = played(spark)
    return lambda story: Told(states, story)


def nights(told: Told) -> list[str]:
    """The nights that the story tells."""
    stories = {state_rows[0]["source"] for state in told.states if (state_rows := state.assignments)}
    return told.nights()[: len(STORIES[stories.pop()])]


def test_a_new_cluster_gets_a_new_id(tell: Tell) -> None:
    assert nights(tell("mint")) == ["a:A b:A c:C", "a:A b:A c:C d:D"]
    assert tell("mint").events(1) == ["d created >D new_record"]


def test_an_id_is_opaque_and_has_no_part_of_the_record(tell: Tell) -> None:
    (minted,) = set(tell("split_of_equals").states[0].ids.values())
    assert len(minted) == 25
    assert minted[0] == "C"
    assert set(minted) <= set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")


def test_a_customer_keeps_its_id_when_records_come_and_go_and_its_smallest_changes(tell: Tell) -> None:
    assert nights(tell("keep")) == ["a:A b:B c:B", "a:A b:B c:B d:A e:B", "a:A c:B d:A e:B"]
    assert tell("keep").events(1) == ["d added >A new_record", "e added >B new_record"]


def test_a_merge_keeps_the_older_id_although_the_other_has_more_records(tell: Tell) -> None:
    told = tell("merge")
    assert nights(told) == ["b:B", "a:A b:B c:A", "a:B b:B c:B"]
    assert told.events(2) == ["a merged A>B linkage", "c merged A>B linkage"]
    assert told.aliases(2) == ["A merged B"]


def test_of_ids_of_one_night_a_merge_keeps_the_one_with_more_records(tell: Tell) -> None:
    assert nights(tell("merge_of_equals")) == ["a:A b:B c:B", "a:B b:B c:B"]


def test_a_split_leaves_the_id_with_most_of_its_records(tell: Tell) -> None:
    told = tell("split")
    assert nights(told) == ["a:A b:A c:A", "a:A2 b:A c:A"]
    assert told.events(1) == ["a split A>A2 linkage"]
    assert told.aliases(1) == ["A split A", "A split A2"]


def test_a_split_in_equal_parts_leaves_the_id_with_the_smallest_record(tell: Tell) -> None:
    assert nights(tell("split_of_equals")) == ["a:A b:A", "a:A b:B"]


def test_a_part_that_joins_an_older_customer_takes_the_id_along(tell: Tell) -> None:
    told = tell("split_then_joined")
    assert nights(told) == ["w:W", "a:A b:A w:W", "a:W b:B w:W"]
    assert told.events(2) == ["a merged A>W linkage", "b split A>B linkage"]
    assert told.aliases(2) == ["A merged B", "A merged W"]


def test_one_record_that_goes_over_is_reassigned(tell: Tell) -> None:
    told = tell("reassign")
    assert nights(told) == ["a:A b:A c:A d:D e:D", "a:A b:A c:D d:D e:D"]
    assert told.events(1) == ["c reassigned A>D linkage"]
    assert told.aliases(1) == ["A split A", "A split D"]


def test_undoing_a_merge_gives_both_their_ids_back(tell: Tell) -> None:
    told = tell("undo")
    assert nights(told) == ["a:A b:B c:B d:B", "a:B b:B c:B d:B", "a:A b:B c:B d:B"]
    assert told.aliases(1) == ["A merged B"]
    assert told.aliases(2) == ["B split A", "B split B"]
    assert told.events(2) == ["a revived B>A linkage"]
    assert told.history("a") == ["A 1-2", "B 2-3", "A 3-"]


def test_undoing_a_merge_gives_the_older_id_to_the_smaller_part(tell: Tell) -> None:
    assert nights(tell("undo_older")) == [
        "a:A",
        "a:A b:B c:B d:B",
        "a:A b:A c:A d:A",
        "a:A b:A c:A d:A",
        "a:A b:B c:B d:B",
    ]


def test_nested_merges_are_undone_one_at_a_time(tell: Tell) -> None:
    told = tell("undo_nested")
    assert nights(told) == ["b:B", "a:A b:B c:C", "a:B b:B c:C", "a:B b:B c:B", "a:B b:B c:C", "a:A b:B c:C"]
    assert told.aliases(3) == ["A merged B", "C merged B"]
    assert told.aliases(4) == ["A merged B", "B split B", "B split C"]
    assert told.aliases(5) == ["B split A", "B split B", "B split C"]


def test_the_inner_of_nested_merges_can_be_undone_alone(tell: Tell) -> None:
    assert nights(tell("undo_inner_first"))[-2:] == ["a:B b:B c:B", "a:A b:B c:B"]


def test_a_merge_into_an_older_id_can_be_undone_across_an_earlier_merge(tell: Tell) -> None:
    told = tell("undo_of_kept_last")
    assert nights(told)[-3:] == ["a:B b:B c:C", "a:C b:C c:C", "a:A b:C c:C"]
    assert told.aliases(5) == ["B merged A", "B merged C", "C split A", "C split C"]


def test_nested_merges_can_be_undone_at_once(tell: Tell) -> None:
    assert nights(tell("undo_all_at_once"))[-2:] == ["a:B b:B c:B", "a:A b:B c:C"]


def test_a_merge_can_be_undone_on_the_date_of_the_merge(tell: Tell) -> None:
    told = tell("undo_same_day")
    assert nights(told)[1:] == ["a:A b:B c:C", "a:A b:B c:B", "a:A b:B c:C"]
    assert told.history("c") == ["C 2-"]
    assert [e["publication"] for e in told.states[3].tonight] == [2]


def test_a_merge_can_be_undone_and_done_again(tell: Tell) -> None:
    assert nights(tell("undo_twice"))[1:] == ["a:A b:B", "a:A b:A", "a:A b:B", "a:A b:A", "a:A b:B"]


def test_records_that_joined_after_the_merge_do_not_speak_where_older_ones_are(tell: Tell) -> None:
    told = tell("undo_with_later")
    assert nights(told)[-2:] == ["a:A b:A m:A n:A o:A", "a:A b:B m:B n:B o:B"]
    assert told.events(4)[1:] == ["m split A>B linkage", "n split A>B linkage", "o split A>B linkage"]


def test_records_that_joined_after_the_merge_do_not_take_the_id_of_older_ones(tell: Tell) -> None:
    assert nights(tell("undo_later_alone"))[-1] == "a:A b:B m:M n:M o:M"


def test_an_undone_id_without_records_of_its_own_stays_the_customer_of_its_deleted_ones(tell: Tell) -> None:
    told = tell("undo_of_dead")
    assert nights(told)[-2:] == ["a:W b:W", "a:A b:B"]
    assert told.aliases(4) == ["W split A", "W split B", "W split W"]


def test_a_part_that_never_held_another_id_keeps_it_when_a_merge_is_undone(tell: Tell) -> None:
    assert nights(tell("undo_held"))[1:] == ["a:A b:B c:B", "a:B b:B c:C", "a:B b:B c:C", "a:A b:B c:C"]


def test_a_deleted_record_is_retired_and_its_customer_stays(tell: Tell) -> None:
    told = tell("delete")
    assert nights(told) == ["a:A b:A c:C", "a:A c:C", "a:A"]
    assert told.events(1) == ["b retired A> deleted"]
    assert told.events(2) == ["c retired C> deleted"]
    assert told.aliases(2) == []
    assert told.history("c") == ["C 1-3"]


def test_a_split_that_follows_a_deletion_says_so(tell: Tell) -> None:
    assert tell("deleted_bridge").events(1) == ["b retired A> deleted", "c split A>C deleted"]


def test_a_record_that_comes_back_gets_its_id_back(tell: Tell) -> None:
    told = tell("comeback")
    assert nights(told) == ["a:A b:A c:C", "a:A b:A", "a:A b:A c:C"]
    assert told.events(2) == ["c revived C>C new_record"]
    assert told.history("c") == ["C 1-2", "C 3-"]


def test_a_record_that_comes_back_elsewhere_takes_no_id_from_its_holders(tell: Tell) -> None:
    assert nights(tell("comeback_elsewhere"))[-1] == "a:A b:C c:C"
    assert nights(tell("comeback_alone"))[-1] == "a:A b:B"
    assert tell("comeback_alone").events(2) == ["b split A>B new_record"]


def test_a_record_that_comes_back_alone_gets_the_id_of_before_a_merge(tell: Tell) -> None:
    assert nights(tell("comeback_to_own"))[-1] == "a:A b:B"


def test_a_record_that_comes_back_moves_nobody_who_stayed(tell: Tell) -> None:
    # b held A alone for a night; a, which A was first given to, is back elsewhere.
    assert nights(tell("comeback_of_heir")) == ["a:A", "a:A b:B", "a:A b:A", "b:A", "a:A2 b:A"]


def test_a_record_takes_no_id_that_only_an_alias_gives_it(tell: Tell) -> None:
    # e's customer A became part of B while e was away; then nobody is left of B.
    told = tell("comeback_of_merged")
    assert nights(told)[:5] == ["a:A b:B e:A", "b:B", "a:B b:B", "", "e:A"]
    assert told.events(4) == ["e revived A>A new_record"]
    assert told.aliases(3) == ["A merged B"]
    assert told.aliases(4) == ["B split A", "B split B"]
    assert nights(tell("comeback_beside_merged"))[4] == "a:B e:A"
    # With somebody who held B it is B's, as its id says.
    assert nights(tell("comeback_with_merged"))[4] == "b:B e:B"


def test_a_record_that_comes_back_votes_for_what_its_id_has_become(tell: Tell) -> None:
    told = tell("comeback_after_merge")
    assert nights(told)[-1] == "a:A b:A c:A"
    assert told.events(4) == ["c revived B>A new_record"]


def test_a_record_whose_id_became_several_starts_anew_and_its_old_id_leads_there_too(tell: Tell) -> None:
    told = tell("comeback_after_split")
    assert nights(told)[-1] == "a:A b:A c:C d:D"
    assert told.aliases(5) == ["B merged A", "B merged C", "B merged D"]


def test_an_id_without_live_records_is_the_older_one_when_it_returns(tell: Tell) -> None:
    told = tell("comeback_of_older")
    assert nights(told) == ["a:A", "b:B", "a:A b:A"]
    assert told.events(2) == ["a revived A>A new_record", "b merged B>A new_record"]


def test_an_id_leads_to_its_customer_in_one_step_through_any_chain(tell: Tell) -> None:
    told = tell("chain")
    assert nights(told)[-3:] == ["a:A b:B c:C", "a:A b:B c:B", "a:A b:A c:A"]
    assert told.aliases(4) == ["C merged B"]
    assert told.aliases(5) == ["B merged A", "C merged A"]


def test_a_chain_leads_back_when_its_last_merge_is_undone(tell: Tell) -> None:
    told = tell("chain_undone")
    assert told.aliases(4) == ["B merged A", "C merged A"]
    assert told.aliases(5) == ["A split A", "A split C", "B merged C"]


def test_a_part_that_was_split_off_is_followed_into_another_customer(tell: Tell) -> None:
    assert tell("split_then_merge").aliases(2) == ["A split A", "A split C", "B merged C"]


def test_an_edit_in_place_changes_no_id(tell: Tell) -> None:
    told = tell("edit")
    assert nights(told) == ["a:A b:A c:C"] * 3
    assert (told.events(1), told.events(2)) == (["a changed A>A edit"], ["b changed A>A edit"])


def test_the_cause_is_what_touched_the_records(tell: Tell) -> None:
    assert tell("edit_splits").events(1) == ["b split A>B edit"]
    assert tell("edit_merges").events(2) == ["a changed A>A edit", "b merged B>A edit"]
    assert tell("decision").events(1) == ["b split A>B decision"]
    assert tell("decision").events(2) == ["b merged B>A decision"]
    assert tell("arrival_bridges").events(2) == ["b added >A new_record", "c merged C>A new_record"]


def test_a_night_without_changes_adds_no_event(tell: Tell) -> None:
    assert [tell(story).events(5) for story, told in STORIES.items() if len(told) < 5] == [
        [] for told in STORIES.values() if len(told) < 5
    ]


def test_a_new_generation_is_the_cause_of_every_move_of_its_night(spark: SparkSession) -> None:
    first = played(spark)[0].of("reassign")
    adopted = play(spark, first, on(1), scene("reassign", "a b | c d* e"), is_adoption=True)
    told = sorted(f"{e['record_id']} {e['event']} {e['cause']}" for e in adopted.tonight)
    assert told == ["c reassigned generation", "d changed edit"]


def test_a_night_without_any_record_retires_them_all(spark: SparkSession) -> None:
    first = played(spark)[0].of("split")
    nobody = play(spark, first, on(1), Scene(frozenset()))
    assert nobody.assignments == nobody.aliases == []
    assert [(e["record_id"], e["event"]) for e in nobody.tonight] == [(r, "retired") for r in "abc"]
