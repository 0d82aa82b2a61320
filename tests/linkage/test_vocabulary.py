"""Comparisons and blocking rules of conf/linkage.yml, in Splink's vocabulary."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from linkage_people import CONF, population, record, table, together

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.linkage.brought import PAIR, rules_of_pairs
from pipelines.linkage.comparisons import (
    comparisons_for,
    comparisons_of,
    frequency_floors,
    splink_comparison,
)
from pipelines.linkage.config import Linkage
from pipelines.linkage.evaluate import evaluate
from pipelines.linkage.explain import explain_pair
from pipelines.linkage.exported import splink_settings
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.relation import no_relations
from pipelines.linkage.rules import name_alone
from pipelines.linkage.vocabulary import own_comparison, own_comparisons, own_rules

DAY = date(2026, 7, 1)
OWN = """
comparisons:
  surname: {JaroWinklerAtThresholds: {score_threshold_or_thresholds: [0.92, 0.85]}, term_frequency_adjustments: true}
  whole_name:
    comparison_levels:
      - {sql_condition: "name_tokens_l IS NULL OR name_tokens_r IS NULL", is_null_level: true}
      - {sql_condition: "list_has_all(name_tokens_l, name_tokens_r)", label_for_charts: all, m_probability: 0.7}
      - {sql_condition: ELSE, label_for_charts: not all}
blocking:
  rules:
    - {sql: "l.phones[1] = r.phones[1]"}
    - [surname, birth_date]
    - [emails]
    - ["substr(surname, 1, 3)", given_name]
    - {sql: "l.name_tokens = r.name_tokens AND l.city = r.city", explode: [name_tokens]}
"""


def read(folder: Path, text: str) -> Linkage:
    (folder / "linkage.yml").write_text(text, encoding="utf-8")
    return Conf(folder).load("linkage.yml", Linkage)


def problem(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        read(folder, text)
    return str(caught.value)


def test_a_library_name_replaces_a_roles_comparison_and_any_other_name_adds_one(tmp_path: Path) -> None:
    own = own_comparisons(read(tmp_path, OWN))
    found = {c.role: c for c in comparisons_for("person", {"given_name", "surname"}, own)}
    assert list(found) == ["given_name", "surname", "whole_name"]
    conditions = [level.condition for level in found["surname"].levels]
    assert conditions == [
        '"surname_l" = "surname_r"',
        'jaro_winkler_similarity("surname_l", "surname_r") >= 0.92',
        'jaro_winkler_similarity("surname_l", "surname_r") >= 0.85',
        None,
    ]
    assert [level.frequency_of for level in found["surname"].levels] == ["surname", None, None, None]
    assert found["whole_name"].levels[0].m == 0.7
    # A replaced comparison of persons is none of companies.
    assert [c.role for c in comparisons_for("company", {"surname"}, own)] == ["whole_name"]


def test_rules_are_keys_or_conditions(tmp_path: Path) -> None:
    rules = own_rules(read(tmp_path, OWN))
    assert [rule.name for rule in rules][1:4] == [
        "surname, birth_date",
        "emails",
        "substr(surname, 1, 3), given_name",
    ]
    assert [rule.each for rule in rules] == [None, None, "emails", None, None]
    assert [rule.condition is None for rule in rules] == [False, True, True, True, False]
    assert rules[4].explode == ("name_tokens",)
    assert [rule.needs for rule in rules][::4] == [("phones",), ("city", "name_tokens")]


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Linked, Linkage, pa.Table, pa.Table]:
    conf = read(tmp_path_factory.mktemp("conf"), OWN).model_copy(update={"training": CONF.training})
    records, truth = population(150, 5)
    return link_night(records, None, conf, DAY), conf, records, truth


def test_they_decide_the_linkage(linked: tuple[Linked, Linkage, pa.Table, pa.Table]) -> None:
    made, _, _, truth = linked
    found = evaluate(made.clusters, truth)
    assert found.f1 > 0.8
    blocks = {name.removeprefix("person.") for name in made.figures["blocks"] if name.startswith("person.")}
    assert blocks == {rule.name for rule in own_rules(linked[1])}
    by_rule = {name: block["pairs"] for name, block in made.figures["blocks"].items()}
    assert all(
        by_rule[f"person.{name}"] > 0
        for name in ("surname, birth_date", "emails", "l.phones[1] = r.phones[1]")
    )
    person = made.generation.models["person"]
    assert "whole_name" in person.relations.levels["same_person"]
    assert len(person.relations.levels["same_person"]["surname"]) == 4


def test_a_generation_keeps_its_rules(linked: tuple[Linked, Linkage, pa.Table, pa.Table]) -> None:
    made, conf, records, _ = linked
    kept = Generation.from_json(made.generation.to_json())
    assert kept == made.generation
    again = link_night(records, kept, conf, DAY)
    assert again.clusters == made.clusters
    assert again.scored_pairs == made.scored_pairs


def test_the_strongest_level_of_a_replaced_comparison_is_the_same_name(tmp_path: Path) -> None:
    own = own_comparisons(read(tmp_path, OWN))
    pairs = pa.table({"gamma_given_name": [6, 6], "gamma_surname": [3, 2]})
    assert name_alone("person", pairs, no_relations("person"), own).tolist() == [False, True]


def test_small_data_use_its_values(tmp_path: Path) -> None:
    conf = read(tmp_path, OWN)
    rows = [
        record("crm", "1", given="ana", surname="soto vidal", emails=["ana.soto@x.org"], birth_date=DAY),
        record("web", "2", given="ana", surname="soto vidal", emails=["ana.soto@x.org"], birth_date=DAY),
        record("web", "3", given="luis", surname="gil mora"),
    ]
    made = link_night(table(rows), None, conf, DAY)
    assert together(made.clusters, "crm:1", "web:2")
    assert not together(made.clusters, "crm:1", "web:3")


@pytest.mark.parametrize("party_type", ["person", "company"])
def test_the_comparisons_of_an_exported_generation_are_taken_back(party_type: str, tmp_path: Path) -> None:
    records, _ = population(150, 5)
    fields = {**CONF.fields, "category_work": "match_city", "text_notes": "match_street"}
    conf = CONF.model_copy(update={"fields": fields})
    exported = json.loads(
        json.dumps(splink_settings(link_night(records, None, conf, DAY).generation.models[party_type]))
    )
    pasted = {c["output_column_name"]: c for c in exported["comparisons"]}
    # JSON is YAML, but for numbers such as 5e-05, which it takes for texts.
    text = json.dumps({"fields": fields, "comparisons": pasted})
    assert "e-05" in text
    taken = own_comparisons(read(tmp_path, text))
    assert list(taken.values()) == list(comparisons_of(exported))
    own = comparisons_for(party_type, set(fields), taken)
    assert [splink_comparison(c, 0.5, starter=True) for c in own] == exported["comparisons"]


def frequent(level: str, rest: str) -> str:
    """A comparison of surnames whose first level has the key ``level``, its second ``rest``."""
    return f"""
comparisons:
  surname:
    comparison_levels:
      - {{sql_condition: "surname_l IS NULL OR surname_r IS NULL", is_null_level: true}}
      - {{sql_condition: "surname_l = surname_r", tf_adjustment_column: surname, {level}}}
      - {{sql_condition: "surname_phonetic_l = surname_phonetic_r", tf_adjustment_column: surname, {rest}}}
      - {{sql_condition: ELSE}}
"""


def test_only_what_is_more_frequent_than_the_lowest_minimum_is_kept(tmp_path: Path) -> None:
    def rarest(text: str) -> tuple[float, float]:
        conf = read(tmp_path, text).model_copy(update={"training": CONF.training})
        model = link_night(population(150, 5)[0], None, conf, DAY).generation.models["person"]
        return frequency_floors(model.settings)["surname"], min(model.frequencies["surname"].values())

    assert rarest(frequent("tf_minimum_u_value: 0.02", "tf_minimum_u_value: 0.01"))[0] == 0.01
    assert rarest(frequent("tf_minimum_u_value: 0.02", "tf_minimum_u_value: 0.01"))[1] > 0.01
    # A level that names none has the model's own.
    floor, least = rarest(frequent("tf_minimum_u_value: 0.02", "tf_adjustment_weight: 0"))
    assert floor == 0.001
    assert 0.001 < least < 0.01


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("blocking: {rules: [[surnme]]}", "rule 1: no column surnme; did you mean surname?"),
        ("blocking: {rules: [{sql: 'l.surname = r.famly'}]}", "rule 1: no column famly"),
        ("blocking: {rules: [[emails, phones]]}", "one list a rule, not emails, phones"),
        ("blocking: {rules: [['substr(surname']]}", "rule 1: its SQL cannot be read"),
        ("blocking: {rules: [[]]}", "names nothing"),
        ("blocking: {rules: [['surname - 1']]}", "rule 1 cannot be computed"),
        ("comparisons: {surname: {JaroWinklr: {}}}", "JaroWinklr is not in Splink's comparison library"),
        ("comparisons: {surname: {JaroWinklerAtThreshold: {}}}", "did you mean JaroWinklerAtThresholds?"),
        ("comparisons: {surname: {ExactMatch: {threshold: 1}}}", "ExactMatch has no argument threshold"),
        ("comparisons: {surname: {DateOfBirthComparison: {}}}", "Splink refuses DateOfBirthComparison"),
        ("comparisons: {surname: {term_frequency_adjustments: true}}", "name one comparison"),
        ("comparisons: {last: {ExactMatch: {}}}", "no column last"),
        (
            "comparisons: {birth_date: {LevenshteinAtThresholds: {}}}",
            "comparisons: birth_date cannot be computed",
        ),
        ("comparisons: {surname: {comparison_levels: []}}", "two levels or more"),
        (
            "comparisons: {surname: {comparison_levels: [{sql_condition: 'surname_l < surname_r', "
            "tf_adjustment_column: surname}, {sql_condition: ELSE}]}}",
            "Could not find an exact match level for surname",
        ),
        (
            "comparisons: {city: {comparison_levels: [{sql_condition: 'city_l = city_r'}, "
            "{sql_condition: 'city_l IS NULL', is_null_level: true}, {sql_condition: ELSE}]}}",
            "the null level stands first",
        ),
    ],
)
def test_what_cannot_be_used_says_why(text: str, said: str, tmp_path: Path) -> None:
    found = problem(tmp_path, text + "\n")
    assert found.startswith("conf/linkage.yml:1: ")
    assert said in found
    assert "Value error" not in found


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    lines = """
threads: 1
comparisons:
  city: {ExactMatch: {}}
  surname: {Exact: {}}
blocking:
  max_block: 300
  rules:
    - [x]
    - [city]
    - {sql: "l.y = r.y"}
    - ["surname - 1"]
"""
    found = problem(tmp_path, lines).splitlines()
    assert [line.partition(" ")[0] for line in found] == [f"conf/linkage.yml:{n}:" for n in (5, 9, 11, 12)]
    for line, part in zip(found, ("comparisons: surname", "rule 1", "rule 3", "rule 4"), strict=True):
        assert part in line


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ({"m_probability": 1.5}, "m_probability is 1.5"),
        ({"fix_m_probability": True}, "fix_m_probability has no effect in padron, where training finds"),
        ({"disable_tf_exact_match_detection": True}, "where frequencies correct"),
        ({"tf_adjustment_colum": "city"}, "no key of a level; did you mean tf_adjustment_column?"),
        ({"tf_minimum_u_value": 0.01}, "need a tf_adjustment_column"),
        ({"tf_adjustment_column": "city", "tf_minimum_u_value": 0}, "is 0, not between 1e-05 and 1: padron"),
        ({"tf_adjustment_column": "city", "tf_minimum_u_value": "low"}, "is 'low', no number"),
        ({"label_for_charts": "else"}, "two levels are called else"),
    ],
)
def test_a_level_with_what_padron_does_not_do_is_refused(level: dict[str, Any], said: str) -> None:
    levels = [
        {"sql_condition": "city_l = city_r", **level},
        {"sql_condition": "ELSE", "label_for_charts": "else"},
    ]
    with pytest.raises(ValueError, match=said):
        own_comparison("city", {"comparison_levels": levels})


def test_what_a_condition_brings_is_explained_as_the_night_found_it(
    linked: tuple[Linked, Linkage, pa.Table, pa.Table],
) -> None:
    made, conf, records, _ = linked
    pairs = made.scored_pairs.filter(pc.not_equal(made.scored_pairs["blocked_by"], "component"))
    asked = rules_of_pairs(records, made.generation, conf, pairs.select(list(PAIR)))
    first = {tuple(row[c] for c in PAIR): row["rules"][0] for row in asked.to_pylist()}
    assert first == {tuple(row[c] for c in PAIR): row["blocked_by"] for row in pairs.to_pylist()}
    conditions = {rule.name for rule in own_rules(conf) if rule.condition is not None}
    assert conditions & set(first.values())
    by_condition = next(row for row in pairs.to_pylist() if row["blocked_by"] in conditions)
    ends = [(by_condition[f"source_{s}"], by_condition[f"record_id_{s}"]) for s in "lr"]
    found = explain_pair(records, made.scored_pairs, made.clusters, made.generation, conf, *ends)
    assert found.rules[0] == by_condition["blocked_by"]
    assert found.same_person_probability == pytest.approx(by_condition["same_person_probability"])
