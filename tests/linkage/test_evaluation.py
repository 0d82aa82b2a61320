"""Quality by source, party type, size and cut, and the reason of every wrong pair."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from linkage_people import CONF, population

from pipelines.errors import UsageError
from pipelines.linkage import evaluation as evaluations
from pipelines.linkage.breakdown import (
    MOST_CASES,
    CaseQuality,
    PairQuality,
    RecordQuality,
    SizeCount,
    by_case,
    by_group,
    by_group_pair,
    judged_records,
    size_counts,
)
from pipelines.linkage.brought import rules_of_pairs
from pipelines.linkage.curve import APPROXIMATE, EXACT, curve
from pipelines.linkage.cut import Joins
from pipelines.linkage.evaluation import Basis, evaluation
from pipelines.linkage.link import Inside, Linked, link_night
from pipelines.linkage.mistakes import FALSE, MISSED, false_pairs, missed_pairs, unscored_missed_pairs
from pipelines.linkage.scored_pairs import SCHEMA

NIGHT = date(2026, 7, 1)


def clusters(*rows: tuple[str, str, str, str]) -> pa.Table:
    """(source, record_id, party_type, cluster)"""
    return pa.Table.from_pylist(
        [dict(zip(("source", "record_id", "party_type", "cluster_final"), row, strict=True)) for row in rows]
    )


def truth(**entity: str) -> pa.Table:
    """source_id=entity"""
    keys = [name.split("_") for name in entity]
    return pa.table(
        {
            "source": [k[0] for k in keys],
            "record_id": [k[1] for k in keys],
            "entity_id": list(entity.values()),
        }
    )


JUDGED = judged_records(
    clusters(
        ("crm", "1", "person", "A"),
        ("crm", "2", "person", "A"),
        ("web", "1", "person", "A"),
        ("web", "2", "company", "B"),
        ("web", "3", "company", "C"),
        ("web", "4", "company", "D"),
    ),
    truth(crm_1="p", crm_2="q", web_1="p", web_2="k", web_3="k", erp_9="p"),
    made="cluster_final",
)


def test_records_that_only_one_side_knows_are_left_out() -> None:
    assert JUDGED.num_rows == 5


def test_pairs_are_counted_by_pair_of_sources() -> None:
    assert by_group_pair(JUDGED, "source") == (
        PairQuality("crm", "crm", 0, 1, 0, 0.0, 1.0, 0.0),
        PairQuality("crm", "web", 1, 2, 1, 0.5, 1.0, 2 / 3),
        PairQuality("web", "web", 1, 0, 0, 1.0, 0.0, 0.0),
    )


def test_b3_is_the_mean_over_the_records_of_a_group() -> None:
    # crm:1 and web:1 share p inside a cluster of three, crm:2 stands alone in it.
    assert by_group(JUDGED, "party_type") == (
        RecordQuality("company", 2, 1.0, 0.5, 2 / 3),
        RecordQuality("person", 3, pytest.approx(5 / 9), 1.0, pytest.approx(5 / 7)),
    )


def with_cases(known: pa.Table, **case: str) -> pa.Table:
    """The truth with a hard_case of the records source_id=case; the others have none."""
    keys = zip(known["source"].to_pylist(), known["record_id"].to_pylist(), strict=True)
    return known.append_column("hard_case", pa.array([case.get(f"{s}_{r}", " ") for s, r in keys]))


def test_hard_cases_are_judged_by_the_pairs_that_touch_them() -> None:
    made = clusters(
        ("crm", "1", "person", "A"),
        ("crm", "2", "person", "A"),
        ("web", "1", "person", "A"),
        ("web", "2", "person", "B"),
        ("web", "3", "person", "C"),
        ("pos", "1", "person", "D"),
        ("pos", "2", "person", "D"),
    )
    # p and q are twins; k has a father of his name, who has no record; r is nobody's double.
    known = truth(crm_1="p", crm_2="q", web_1="p", web_2="k", web_3="k", pos_1="r", pos_2="r")
    known = with_cases(known, crm_1="twin", crm_2="twin", web_1="twin", web_2="junior", web_3="junior")
    judged = judged_records(made, known, made="cluster_final")
    assert by_case(judged) == (
        CaseQuality("junior", 2, 1, 0, 0, 1.0, 0.0, 0.0),
        CaseQuality("twin", 3, 1, 3, 1, 1 / 3, 1.0, 0.5),
    )
    # A twin in a cluster of somebody who is none: the pair touches twins all the same.
    mixed = clusters(("crm", "1", "person", "A"), ("pos", "1", "person", "A"))
    (twin,) = by_case(judged_records(mixed, known, made="cluster_final"))
    assert (twin.records, twin.made_pairs, twin.precision) == (1, 1, 0.0)


def test_without_hard_cases_there_is_nothing_to_say_and_names_are_no_cases() -> None:
    assert by_case(JUDGED) == ()
    keys = {f"crm_{n}": f"p{n}" for n in range(MOST_CASES + 1)}
    known = with_cases(truth(**keys), **keys)
    made = clusters(*[("crm", str(n), "person", "A") for n in range(MOST_CASES + 1)])
    with pytest.raises(UsageError, match="21 values; name one with a few kinds of people"):
        by_case(judged_records(made, known, made="cluster_final"))


def test_sizes_stand_side_by_side() -> None:
    assert size_counts(JUDGED) == (SizeCount(1, 1, 2), SizeCount(2, 2, 0), SizeCount(3, 0, 1))


def test_nothing_to_judge_is_no_error() -> None:
    nothing = JUDGED.slice(0, 0)
    assert by_group_pair(nothing, "source") == ()
    assert by_group(nothing, "source") == ()
    assert size_counts(nothing) == ()


def test_tables_that_cannot_be_judged_are_named() -> None:
    made = clusters(("crm", "1", "person", "A"))
    with pytest.raises(UsageError, match="truth have no column entity_id"):
        judged_records(made, truth(crm_1="p").drop_columns(["entity_id"]), made="cluster_final")
    with pytest.raises(UsageError, match="clusters have no column customer_id"):
        judged_records(made, truth(crm_1="p"), made="customer_id")
    twice = pa.concat_tables([truth(crm_1="p"), truth(crm_1="q")])
    with pytest.raises(UsageError, match="1 rows of the truth share"):
        judged_records(made, twice, made="cluster_final")


def layered(*rows: tuple[str, str, str, str, str]) -> pa.Table:
    """Judged records of source s: (record_id, cluster_model, cluster_rules, made, entity)."""
    names = ("record_id", "cluster_model", "cluster_rules", "made", "entity")
    return pa.Table.from_pylist([{"source": "s", **dict(zip(names, row, strict=True))} for row in rows])


def scored(*rows: tuple[str, str, float, str, str]) -> pa.Table:
    """Scored pairs of source s: (left, right, probability, decided_by, blocked_by)."""
    return pa.Table.from_pylist(
        [
            {
                "source_l": "s",
                "record_id_l": left,
                "source_r": "s",
                "record_id_r": right,
                "same_person_probability": p,
                "decided_by": decided_by,
                "blocked_by": rule,
            }
            for left, right, p, decided_by, rule in rows
        ],
        schema=SCHEMA,
    )


def test_every_missed_pair_has_its_reason() -> None:
    pairs = [f"{letter}{side}" for letter in "abcdefghij" for side in "12"]
    rows = []
    for key in pairs:
        letter = key[0]
        model = letter if letter in ("d", "e") else key
        rules = letter if letter == "e" else key
        rows.append((key, model, rules, key, letter))
    judged = layered(*rows)
    found = scored(
        ("a1", "a2", 0.95, "relation", "email"),
        ("b1", "b2", 0.49, "name_alone", "given_surname"),
        ("c1", "c2", 0.95, "never", "phone"),
        ("d1", "d2", 0.30, "relation", "phone"),
        ("f1", "f2", 0.30, "relation", "component"),
    )
    asked = unscored_missed_pairs(judged, found)
    assert [(r["record_id_l"], r["record_id_r"]) for r in asked.to_pylist()] == [
        (f"{x}1", f"{x}2") for x in "eghij"
    ]
    rules = {"g1": ["phone", "postal"], "j1": ["email"]}
    probability = {"g1": 0.02, "j1": 0.99}
    left = asked["record_id_l"].to_pylist()
    brought = asked.append_column("rules", pa.array([rules.get(key) for key in left], pa.list_(pa.string())))
    brought = brought.append_column("brought_probability", pa.array([probability.get(key) for key in left]))
    homes = pa.table(
        {
            "source": ["s"] * len(pairs),
            "record_id": pairs,
            "component": [7 if key[0] == "h" else i + 10 for i, key in enumerate(pairs)],
        }
    )
    missed = missed_pairs(judged, found, 0.9, brought, homes)
    reasons = {r["entity_l"]: (r["reason"], r["blocked_by"]) for r in missed.pairs.to_pylist()}
    assert reasons == {
        "a": ("cut_by_clustering", "email"),
        "b": ("name_alone", "given_surname"),
        "c": ("vetoed", "phone"),
        "d": ("vetoed", "phone"),
        "e": ("decision", None),
        "f": ("below_threshold", "component"),
        "g": ("below_threshold", "phone"),
        "h": ("below_threshold", None),
        "i": ("not_blocked", None),
        "j": ("component_cut", "email"),
    }
    assert missed.by_reason() == {
        "below_threshold": 3,
        "vetoed": 2,
        "component_cut": 1,
        "cut_by_clustering": 1,
        "decision": 1,
        "name_alone": 1,
        "not_blocked": 1,
    }
    assert set(missed.by_reason()) <= set(MISSED)
    unknown = missed_pairs(judged, found, 0.9, None, None).by_reason()
    assert unknown["not_kept"] == 4


def test_every_false_pair_says_what_joined_it() -> None:
    judged = layered(
        ("1", "A", "A", "A", "p"),
        ("2", "A", "A", "A", "q"),
        ("3", "A", "A", "A", "r"),
        ("4", "B", "A", "A", "s"),
        ("5", "C", "C", "A", "t"),
    )
    wrong = false_pairs(judged, scored(("1", "2", 0.95, "relation", "email")), 0.9)
    reasons = {(r["record_id_l"], r["record_id_r"]): r["reason"] for r in wrong.pairs.to_pylist()}
    assert reasons == {
        ("1", "2"): "linked",
        ("1", "3"): "through_others",
        ("2", "3"): "through_others",
        ("1", "4"): "rule",
        ("2", "4"): "rule",
        ("3", "4"): "rule",
        **{(str(i), "5"): "decision" for i in range(1, 5)},
    }
    assert set(wrong.by_reason()) == set(FALSE)


def test_the_curve_clusters_again_at_every_cut() -> None:
    # 0-1 at 0.95, 1-2 at 0.6, 0-2 at 0.6; node 3 is unknown to the truth.
    no = np.zeros(3, bool)
    joins = Joins(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.95, 0.6, 0.6]), np.ones(3), no, no)
    inside = Inside(np.array([0, 0, 0, 3]), joins, no)
    points = curve(inside, np.array([0, 0, 1, -1]), [0.9, 0.5, 0.99])
    assert [(p.cut, p.quality.made_pairs, p.quality.right_pairs) for p in points] == [
        (0.5, 3, 1),
        (0.9, 1, 1),
        (0.99, 0, 0),
    ]
    assert points[0].quality.records == 3
    assert [p.expected for p in points] == [None, None, None]


def test_every_cut_says_what_precision_the_model_expects() -> None:
    # Before the rules 0-1 was believed at 0.9; alone in its group that is what the group lets expect.
    no = np.zeros(3, bool)
    joins = Joins(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([0.95, 0.6, 0.6]), np.ones(3), no, no)
    inside = Inside(np.array([0, 0, 0]), joins, no, np.array([0.9, 0.6, 0.6]))
    low, middle, high = curve(inside, np.array([0, 0, 1]), [0.5, 0.9, 0.99])
    assert (middle.expected, high.expected) == (pytest.approx(0.9), None)
    assert low.expected is not None
    assert 0.6 < low.expected < 0.9


@pytest.fixture(scope="module")
def world() -> tuple[Linked, pa.Table, pa.Table]:
    records, answers = population(150, seed=5)
    # Without contacts there is something to get wrong.
    for name in ("match_emails", "match_email_local", "match_phones"):
        at = records.schema.get_field_index(name)
        records = records.set_column(at, name, pa.nulls(records.num_rows, records.schema.field(at).type))
    return link_night(records, None, CONF, NIGHT), records, answers


@pytest.fixture(scope="module")
def exact(world) -> evaluations.Evaluation:
    linked, records, answers = world
    basis = Basis(records, linked.generation, CONF)
    return evaluation(linked.clusters, answers, linked.scored_pairs, linked.generation.cut, basis=basis)


@pytest.fixture(scope="module")
def of_kept(world) -> evaluations.Evaluation:
    linked, _, answers = world
    return evaluation(linked.clusters, answers, linked.scored_pairs, linked.generation.cut)


def test_linking_once_more_gives_the_same_clusters_and_exact_reasons(exact) -> None:
    found = exact
    at_cut = next(p for p in found.curve if p.cut == found.cut)
    assert at_cut.quality == found.quality
    assert at_cut.expected == found.expected_precision == found.as_dict()["expected_precision"]
    # The cut is the lowest at which that much is expected.
    assert at_cut.expected is not None
    assert at_cut.expected >= CONF.cut_precision
    assert found.curve_is == EXACT
    assert found.best is not None
    assert found.best.quality.f1 == max(p.quality.f1 for p in found.curve)
    assert found.missed is not None
    assert found.false is not None
    assert "not_kept" not in found.missed.by_reason()
    q = found.quality
    assert found.missed.pairs.num_rows == q.true_pairs - q.right_pairs > 0
    assert found.false.pairs.num_rows == q.made_pairs - q.right_pairs
    assert sum(p.true_pairs for p in found.by_source_pair) == q.true_pairs
    assert sum(p.right_pairs for p in found.by_source_pair) == q.right_pairs
    assert sum(s.size * s.made for s in found.sizes) == q.records


def test_kept_pairs_alone_give_nearly_the_curve_and_say_so(exact, of_kept) -> None:
    assert of_kept.quality == exact.quality
    assert of_kept.curve_is == APPROXIMATE
    real_at = {p.cut: p for p in exact.curve}
    assert {p.cut for p in of_kept.curve} == set(real_at)
    for near in of_kept.curve:
        assert near.quality.f1 == pytest.approx(real_at[near.cut].quality.f1, abs=0.05)


def test_the_order_of_rows_changes_no_figure(world, exact) -> None:
    linked, records, answers = world
    order = list(range(records.num_rows))
    random.Random(2).shuffle(order)
    basis = Basis(records.take(order), linked.generation, CONF)
    kept = linked.scored_pairs
    again = evaluation(
        linked.clusters.take(order),
        answers.take(order),
        kept.take(list(reversed(range(kept.num_rows)))),
        linked.generation.cut,
        basis=basis,
    )
    assert again.as_dict() == exact.as_dict()
    assert again.missed is not None
    assert again.missed.pairs.equals(exact.missed.pairs)


def test_too_many_wrong_pairs_are_counted_and_not_listed(world, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluations, "MOST_LISTED", 0)
    linked, _, answers = world
    found = evaluation(linked.clusters, answers, linked.scored_pairs, linked.generation.cut)
    assert found.missed is None
    assert "too many true pairs" in " ".join(found.notes)
    assert found.as_dict()["missed"] is None


def test_the_rules_that_bring_a_pair_begin_with_the_one_that_blocked_it(world) -> None:
    linked, records, _ = world
    kept = linked.scored_pairs
    brought = rules_of_pairs(records, linked.generation, CONF, kept.select(SCHEMA.names[:4]))
    rules = {
        (r["source_l"], r["record_id_l"], r["source_r"], r["record_id_r"]): r["rules"] or []
        for r in brought.to_pylist()
    }
    blocked_by = {
        (r["source_l"], r["record_id_l"], r["source_r"], r["record_id_r"]): r["blocked_by"]
        for r in kept.to_pylist()
    }
    assert {key: (names or ["component"])[0] for key, names in rules.items()} == blocked_by
    assert len(rules) > 100
    probable = {
        (r["source_l"], r["record_id_l"], r["source_r"], r["record_id_r"]): r["brought_probability"]
        for r in brought.to_pylist()
    }
    for r in kept.to_pylist():
        key = (r["source_l"], r["record_id_l"], r["source_r"], r["record_id_r"])
        if r["decided_by"] == "relation" and r["blocked_by"] != "component":
            assert probable[key] == pytest.approx(r["same_person_probability"], abs=1e-12)
