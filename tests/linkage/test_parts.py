"""The parts of linkage, each against a small answer worked out by hand or by a simpler method."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkage_people import CONF, population, record, table

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.linkage import evidence, training
from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.blocking import block
from pipelines.linkage.blocking_rules import Rule, rules_for
from pipelines.linkage.comparisons import MODELS, comparisons_for, level_number, splink_settings
from pipelines.linkage.components import Links, bounded_by, bounded_components, components, with_links
from pipelines.linkage.config import Blocking, Linkage
from pipelines.linkage.cut import Joins, counted, expected_precision, log_odds
from pipelines.linkage.engine import engine
from pipelines.linkage.evaluate import evaluate, quality
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.link import link_night
from pipelines.linkage.records import load, prepare
from pipelines.linkage.relation import Relations, classify, informed, starter_relations
from pipelines.linkage.relation_em import doubt_about
from pipelines.linkage.relation_fit import fit_relations
from pipelines.linkage.relation_profiles import PROFILES
from pipelines.linkage.scoring import score_pairs


def test_the_shipped_configuration_is_the_default() -> None:
    assert Conf().load("linkage.yml", Linkage) == Linkage()
    with pytest.raises(ValueError, match="several values"):
        Linkage.model_validate({"never": ["emails"]})


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 30).flatmap(
        lambda n: st.tuples(
            st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=40)
        )
    )
)
def test_components_are_those_of_union_find(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = graph
    parent = list(range(n))

    def root(x: int) -> int:
        while parent[x] != x:
            x = parent[x]
        return x

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    left, right = (np.array([e[i] for e in edges], np.int64) for i in (0, 1))
    assert components(n, left, right).tolist() == [root(x) for x in range(n)]


@given(
    st.integers(2, 30).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.lists(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1), st.integers(-3, 9)).filter(
                    lambda e: e[0] < e[1]
                ),
                max_size=60,
            ),
        )
    ),
    st.integers(1, 7),
)
def test_links_that_come_in_parts_give_the_same_components(
    graph: tuple[int, list[tuple[int, int, int]]], at_a_time: int
) -> None:
    n, edges = graph
    ends = np.array(edges, np.int64).reshape(-1, 3)
    links = Links(ends[:, 0], ends[:, 1], ends[:, 2].astype(float))
    label = np.arange(n)
    for at in range(0, len(edges), at_a_time):
        label = with_links(label, links.left[at : at + at_a_time], links.right[at : at + at_a_time])
    assert label.tolist() == components(n, links.left, links.right).tolist()
    whole = bounded_components(n, links, 4)
    parts = bounded_by(label, lambda is_over: links.where(is_over[links.left]), 4)
    assert (parts.label.tolist(), parts.cuts) == (whole.label.tolist(), whole.cuts)


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_chain_of_all_records_is_one_component(shuffled: bool) -> None:
    nodes = np.random.default_rng(1).permutation(200_000) if shuffled else np.arange(200_000)
    assert not components(len(nodes), nodes[:-1], nodes[1:]).any()
    assert not components(len(nodes), nodes[1:], nodes[:-1]).any()


def test_a_long_chain_is_cut_at_its_weakest_links() -> None:
    n = 50_000
    left = np.arange(n - 1)
    weight = np.where(left % 10 == 9, 1.0, 9.0)
    bounded = bounded_components(n, Links(left, left + 1, weight), 1_000)
    assert (bounded.largest, len(bounded.cuts)) == (n, 1)
    assert np.bincount(bounded.label, minlength=n).max() == 10


def _links(pairs: dict[tuple[int, int], float]) -> Links:
    left, right = (np.array([k[i] for k in pairs], np.int64) for i in (0, 1))
    return Links(left, right, np.array(list(pairs.values())))


def test_one_wrong_link_does_not_chain_two_people() -> None:
    pairs = {(0, 1): 9.0, (0, 2): -8.0, (0, 3): -8.0, (1, 2): 3.0, (1, 3): -8.0, (2, 3): 9.0}
    group = agglomerate(4, _links(pairs), np.zeros(6, bool), 0.0)
    assert group.tolist() == [0, 0, 2, 2]


def test_a_forbidden_pair_is_never_in_one_group() -> None:
    pairs = {(a, b): 15.0 for a in range(6) for b in range(a + 1, 6)}
    forbidden = np.array([key == (0, 5) for key in pairs])
    group = agglomerate(6, _links(pairs), forbidden, 0.0)
    assert group[0] != group[5]
    assert len(set(group.tolist())) == 2


def test_expected_precision_takes_the_best_path() -> None:
    with engine(CONF) as connection:
        value = expected_precision(
            connection,
            np.zeros(3, np.int64),
            np.array([0, 0, 1]),
            np.array([1, 2, 2]),
            np.array([0.9, 0.2, 0.8]),
        )
    # The second pair's best path is 0.72. Read as the same once more it stays 0.72, as evidence of its own it
    # makes 1 - 0.8 * 0.28 = 0.776, and against the pair 0.2 * (0.72 + 0.0229) / (0.1486 + 0.8 * 0.28) = 0.399.
    paths = [(0.9, 0.2 * 0.8), (0.2, 0.9 * 0.8), (0.8, 0.9 * 0.2)]
    holds = [p * (q + (1 - q**0.5) ** 2) for p, q in paths]
    expected = [
        (max(p, q) + 1 - (1 - p) * (1 - q) + h / (h + (1 - p) * (1 - q))) / 3
        for (p, q), h in zip(paths, holds, strict=True)
    ]
    assert expected[1] == pytest.approx((0.72 + 0.776 + 0.399) / 3, abs=1e-3)
    assert value == pytest.approx(sum(expected) / 3)
    assert log_odds(np.array([0.5])).tolist() == [0.0]


def test_quality_against_figures_worked_out_by_hand() -> None:
    # clusters {a,b,c} {d,e} {f}; entities {a,b} {c,d,e} {f}
    q = quality([1, 1, 1, 2, 2, 3], list("xxyyyz"))
    assert (q.made_pairs, q.true_pairs, q.right_pairs, q.largest_cluster) == (4, 4, 2, 3)
    assert (q.precision, q.recall, q.f1) == (0.5, 0.5, 0.5)
    assert q.b3_precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1 + 1) / 6)
    assert q.b3_recall == pytest.approx((1 + 1 + 1 / 3 + 2 / 3 + 2 / 3 + 1) / 6)
    nothing = quality([], [])
    assert (nothing.records, nothing.precision, nothing.recall) == (0, 1.0, 1.0)


def test_evaluate_joins_on_the_key_and_names_missing_columns() -> None:
    clusters = pa.table(
        {"source": ["a", "a", "b"], "record_id": ["1", "2", "1"], "cluster_final": ["x", "x", "y"]}
    )
    truth = pa.table({"source": ["a", "b", "c"], "record_id": ["1", "1", "9"], "entity_id": [7, 7, 8]})
    assert (evaluate(clusters, truth).records, evaluate(clusters, truth).recall) == (2, 0.0)
    with pytest.raises(UsageError, match="entity_id"):
        evaluate(clusters, truth.drop_columns(["entity_id"]))


def test_every_profile_and_starter_level_sums_to_one() -> None:
    for name, comparisons in MODELS.items():
        for comparison in comparisons:
            assert sum(level.m for level in comparison.levels) == pytest.approx(1), comparison.role
            assert sum(level.u for level in comparison.levels) == pytest.approx(1), comparison.role
            for kind, profile in PROFILES[name].items():
                assert len(profile[comparison.role]) == len(comparison.levels), (kind, comparison.role)
                assert sum(profile[comparison.role]) == pytest.approx(1), (kind, comparison.role)


def test_a_large_block_is_subdivided_and_nothing_is_quadratic() -> None:
    rows = [record("crm", f"{i:04d}", given="maria", surname="garcia") for i in range(600)]
    rows += [
        record("crm", f"T{i}", given="maria", surname="garcia", second_surname="zubiri") for i in range(2)
    ]
    rule = Rule(
        "given_surname", "item || surname_phonetic", ("given_formal",), "given_formal", ("second_surname",)
    )
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        use_generic(connection, find_generic(connection, CONF))
        prepare(connection, "person")
        (cost,) = block(connection, (rule,), Blocking(max_block=50))
        assert (cost.capped_blocks, cost.largest_block) == (1, 602)
        assert cost.pairs == 12 * (50 * 49 // 2) + 1
        met = "SELECT count(*) FROM blocked JOIN facts l ON l.node = join_key_l JOIN facts r ON r.node = join_key_r WHERE l.second_surname = r.second_surname"
        assert connection.execute(met).fetchall() == [(1,)]


def test_generic_values_are_counted_by_names_not_by_records() -> None:
    rows = [record("crm", f"{i}", given="ana", surname="ruiz", phones=["+521"]) for i in range(20)]
    rows += [
        record("erp", f"{i}", given=f"n{chr(97 + i)}", surname="x", phones=["+522", "+523"]) for i in range(7)
    ]
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        found = find_generic(connection, CONF)
    assert found["value"].to_pylist() == ["+522", "+523"]
    assert found["distinct_names"].to_pylist() == [7, 7]


def test_a_generic_email_leaves_no_local_part_behind() -> None:
    rows = [
        record("crm", f"{i}", given=f"n{i}", surname=f"s{i}", emails=["ventanilla@tienda.mx"])
        for i in range(8)
    ]
    rows[0]["match_emails"] = ["ventanilla@tienda.mx", "ana.ruiz@mail.mx"]
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        use_generic(connection, find_generic(connection, CONF))
        prepare(connection, "person")
        people = connection.execute("SELECT emails, email_local FROM people ORDER BY node").fetchall()
    assert people == [(["ana.ruiz@mail.mx"], "anaruiz")] + [(None, None)] * 7


def test_a_name_never_seen_counts_as_rare() -> None:
    same = {"given": "ana", "birth_date": None}
    rows = [record("crm", "1", surname="comun", **same), record("crm", "2", surname="comun", **same)]
    rows += [record("crm", "3", surname="raro", **same), record("crm", "4", surname="raro", **same)]
    settings_ = splink_settings("person", set(CONF.fields), 1e-4, starter=True)
    model = training.starter_model("person", set(CONF.fields), 1e-4)
    model = model.__class__(settings_, {"surname": {"comun": 0.05}}, 1e-4, "trained", model.relations)
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        use_generic(connection, find_generic(connection, CONF))
        prepare(connection, "person")
        block(connection, rules_for("person", set(CONF.fields)), CONF.blocking)
        scored = score_pairs(connection, model).to_pylist()
    weight = {(r["node_l"], r["node_r"]): r["match_weight"] for r in scored}
    assert weight[2, 3] - weight[0, 1] == pytest.approx(np.log2(0.05 / 1e-4))
    assert scored[0]["gamma_surname"] == level_number("person", "surname", "equal")
    assert scored[0]["gamma_birth_date"] == -1


LIKE = {
    "given": "benjamin",
    "surname": "novak",
    "birth_date": date(1975, 6, 6),
    "street": "harrison street 16",
    "postal_code": "4505",
    "city": "lindfield",
    "loyalty_id": "3523835",
}


NOISE: list[tuple[str, str, dict[str, Any]]] = [
    # The comparison, its level, and what another record of the same person says instead.
    ("given_name", "in the surname's place", {"given": "novak", "surname": "benjamni"}),
    ("given_name", "alike", {"given": "ebnjamni"}),
    ("surname", "alike", {"surname": "onvka"}),
    ("surname", "elsewhere in the name", {"given": "novak benjamin", "surname": "lee"}),
    ("birth_date", "within a month", {"birth_date": date(1975, 5, 30)}),
    ("birth_date", "within a year", {"birth_date": date(1974, 12, 31)}),
    ("birth_date", "within ten years", {"birth_date": date(1983, 11, 21)}),
    ("postal_code", "street alike", {"street": "harriosn street 16", "postal_code": "9999", "city": "rye"}),
    ("postal_code", "place misspelt", {"street": "rye lane 2", "postal_code": "4550", "city": "lindfeld"}),
    ("loyalty_id", "one slip", {"loyalty_id": "3523853"}),
]


def test_noise_has_levels_of_its_own() -> None:
    rows = [record("crm", "0", **LIKE)]
    rows += [record("web", f"{i}", **{**LIKE, **other}) for i, (_, _, other) in enumerate(NOISE)]
    model = training.starter_model("person", set(CONF.fields), 1e-4)
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        use_generic(connection, find_generic(connection, CONF))
        prepare(connection, "person")
        connection.execute(
            """CREATE TABLE pairs AS SELECT 0 AS join_key_l, node AS join_key_r, '0' AS match_key
            FROM people WHERE node > 0"""
        )
        scored = score_pairs(connection, model, "pairs").to_pylist()
    found = [pair[f"gamma_{role}"] for pair, (role, _, _) in zip(scored, NOISE, strict=True)]
    assert found == [level_number("person", role, level) for role, level, _ in NOISE]


def test_an_em_session_that_underflows_is_smoothed_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    from splink.internals.linker_components.training import LinkerTraining

    def underflow(*_: object, **__: object) -> None:
        raise ValueError("m_probability value 0.0 is below the minimum allowed value")

    monkeypatch.setattr(LinkerTraining, "estimate_parameters_using_expectation_maximisation", underflow)
    records, _ = population(300, seed=9)
    with engine(CONF) as connection:
        load(connection, records, CONF)
        use_generic(connection, find_generic(connection, CONF))
        count = prepare(connection, "person")
        model = training.train_model(connection, "person", set(CONF.fields), count, CONF)
    assert model.kind == "trained"
    assert any("smoothed" in note for note in model.notes)
    m = {
        level["label_for_charts"]: level["m_probability"]
        for comparison in model.settings["comparisons"]
        if comparison["output_column_name"] == "birth_date"
        for level in comparison["comparison_levels"][1:]
    }
    assert 0.8 < m["equal"] < 1
    assert all(value > 0 for value in m.values())


def test_relations_of_nothing_are_the_profiles() -> None:
    empty = pa.table({"gamma_surname": pa.array([], pa.int32())})
    settings_ = splink_settings("person", {"surname"}, 1e-4, starter=True)
    surname = comparisons_for("person", {"surname"})
    assert fit_relations("person", empty, settings_, 0) == starter_relations("person", surname)


def test_a_fit_that_loses_the_class_of_one_person_leaves_the_word_to_splink() -> None:
    lost = replace(starter_relations("person", comparisons_for("person", {"surname"})), trusted=False)
    pairs = pa.table({"gamma_surname": [3, 0], "match_probability": [0.7, 0.2]})
    probability, relation = classify(lost, pairs)
    assert probability.tolist() == [0.7, 0.2]
    assert relation.tolist() == [None, None]


def test_relations_are_believed_only_where_they_say_more_than_splink_alone() -> None:
    def doubt(alone: float, *, converged: bool = True, keeps_person: bool = True) -> str | None:
        return doubt_about(converged=converged, keeps_person=keeps_person, likelihood=-100.0, alone=alone)

    assert doubt(-200.0) is None
    assert doubt(-100.0) == "makes the pairs no likelier than Splink's model does"
    assert doubt(-200.0, converged=False) == "had not settled after 200 rounds"
    assert doubt(-200.0, keeps_person=False) == "lost the class of one person"


def test_why_relations_are_not_believed_travels_with_the_generation() -> None:
    start = starter_relations("person", comparisons_for("person", {"surname"}))
    doubtful = replace(start, trusted=False, doubt="lost the class of one person")
    assert Relations.from_json(doubtful.as_json()) == doubtful
    assert "doubt" not in start.as_json(), "generations of before it was known keep their digest"
    assert Relations.from_json(start.as_json()) == start


def test_a_pair_that_no_rule_found_counts_half_against_the_cut() -> None:
    five = np.zeros(5, np.int64)
    joins = Joins(
        five,
        five,
        np.array([0.8, 0.8, 0.2, 0.45, 0.2]),
        counted(np.ones(5), np.array([0, -1, -1, 0, 0])),
        np.array([False, False, False, True, True]),
        np.array([False, False, False, False, True]),
    )
    assert joins.links(0.2).weight.tolist() == pytest.approx([2.0, 0.0, -2.0, -2.1, np.inf])
    assert joins.links(0.2, with_sure=False).weight.tolist() == pytest.approx([2.0, 0.0, -2.0, -2.1, -2.1])


def test_a_pair_with_little_to_compare_counts_little() -> None:
    relations = training.starter_model("person", {"given_name", "surname", "emails"}, 1e-4).relations
    pairs = pa.table(
        {"gamma_given_name": [8, 8, -1], "gamma_surname": [4, -1, -1], "gamma_emails": [3, -1, -1]}
    )
    part = informed(relations, pairs)
    assert part[0] == pytest.approx(1.0)
    assert 0 < part[1] < 0.5
    assert part[2] == 0
    # 0 and 1 have all in common; 2 shares its only value with 0, and with 1 nothing that could be compared.
    left, right, no = np.array([0, 0, 1]), np.array([1, 2, 2]), np.zeros(3, bool)
    probability = np.array([0.999, 0.9, 0.02])

    def groups(part: Any) -> list[int]:
        links = Joins(left, right, probability, counted(part, np.zeros(3, np.int64)), no, no).links(0.5)
        return agglomerate(3, links, no, 0.0).tolist()

    assert groups(np.ones(3)) == [0, 0, 2]
    assert groups(np.array([1.0, 0.5, 0.1])) == [0, 0, 0]
    # Nothing to compare is no reason to join.
    assert groups(np.zeros(3))[2] == 2


def test_few_and_dirty_fields_do_not_join_strangers() -> None:
    # Frequencies over records make the values of true pairs look common, and people who share a given
    # name share half a birth date here: whether the classes fit or Splink decides, that must not matter.
    rng = np.random.default_rng(4)
    rows = []
    for entity in range(250):
        name, surname = f"g{entity % 60}", f"s{entity % 80}"
        for copy in range(4):
            slip = rng.random(3) < 0.3
            rows.append(
                record(
                    "crm",
                    f"{entity:04d}-{copy}",
                    given=name if not slip[0] else f"x{rng.integers(99)}",
                    surname=surname if not slip[1] else f"y{rng.integers(99)}",
                    birth_date=date(1950 + entity % 50, 1 + entity % 12, int(1 + slip[2])),
                    emails=[f"{name}{entity}@mail.com"] if rng.random() < 0.7 else None,
                )
            )
    linked = link_night(table(rows), None, CONF, date(2026, 7, 1))
    entities = [row["record_id"][:4] for row in linked.clusters.to_pylist()]
    found = quality(linked.clusters["cluster_final"].to_numpy(), entities)
    assert found.precision >= 0.95
    assert found.recall >= 0.4


def drawn(kinds: dict[str, int], seed: int = 3) -> tuple[pa.Table, list[str]]:
    """Pairs of each kind with levels as its profile has them, as Splink's starter model scores them; their kinds."""
    random, roles = np.random.default_rng(seed), [c.role for c in comparisons_for("person", set(CONF.fields))]
    start = starter_relations("person", comparisons_for("person", set(CONF.fields)))
    columns = {
        f"gamma_{role}": np.concatenate(
            [
                random.choice(range(len(p)), n, p=np.array(p[::-1]) / sum(p))
                for k, n in kinds.items()
                for p in [start.levels[k][role]]
            ]
        )
        for role in roles
    }
    same, other = start.levels["same_person"], start.levels["other"]
    odds = np.full(sum(kinds.values()), -6.0)
    for role in roles:
        odds += np.log2(np.array(same[role]) / np.array(other[role]))[::-1][columns[f"gamma_{role}"]]
    pairs = pa.table({**columns, "match_probability": 1 / (1 + np.exp2(-odds))})
    return pairs, [kind for kind, count in kinds.items() for _ in range(count)]


def test_planted_relations_are_found_by_their_names() -> None:
    kinds = {"same_person": 2000, "household": 900, "parent_child": 500, "namesake": 900, "other": 1200}
    pairs, planted = drawn(kinds)
    plain = splink_settings("person", set(CONF.fields), 1e-4, starter=True)
    relations = fit_relations("person", pairs, plain, 3000)
    assert (relations.trusted, relations.doubt) == (True, None)
    probability, relation = classify(relations, pairs)
    found = {
        kind: np.mean(relation[np.array(planted) == kind] == kind) for kind in kinds if kind != "namesake"
    }
    assert min(found.values()) > 0.75, found
    # Who shares a name by chance alone is a stranger too: nothing here says how rare the name is.
    assert np.isin(relation[np.array(planted) == "namesake"], ["namesake", "other"]).mean() > 0.9
    is_person = np.array(planted) == "same_person"
    splink = pairs["match_probability"].to_numpy()
    wrong = ((probability > 0.5) != is_person).sum()
    assert wrong < ((splink > 0.5) != is_person).sum(), "kin look like one person to Splink alone"


def test_a_fit_without_anybody_twice_leaves_the_word_to_splink_and_says_so() -> None:
    pairs, _ = drawn({"other": 3000})
    doubted = pairs.set_column(
        pairs.column_names.index("match_probability"), "match_probability", pa.array([0.9] * 3000)
    )
    plain = splink_settings("person", set(CONF.fields), 1e-4, starter=True)
    relations = fit_relations("person", doubted, plain, 3000)
    assert relations.doubt == "lost the class of one person"
    model = replace(training.starter_model("person", set(CONF.fields), 1e-4), settings=plain)
    noted = evidence._with_relations("person", model, doubted, 3000)
    assert noted.notes[-1] == "the relation model lost the class of one person: Splink's probability decides"
