"""Training: what it takes from data and labels, what it leaves alone, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from linkage_people import CONF, population, record, table
from splink.internals.em_training_session import EMTrainingSession
from splink.internals.exceptions import SplinkException
from splink.internals.linker_components.evaluation import LinkerEvalution

from pipelines.errors import UsageError
from pipelines.linkage import em_guards
from pipelines.linkage.comparisons import BIRTH_DATE, SURNAME
from pipelines.linkage.config import Blocking
from pipelines.linkage.differences import weights
from pipelines.linkage.engine import engine
from pipelines.linkage.generations import Model
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.labels import PRIOR_PAIRS, read_labels, unknown
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.records import load, prepare
from pipelines.linkage.training import train_model
from pipelines.linkage.training_run import TrainingRun, chart_libraries, chart_of

NIGHT = date(2026, 7, 1)


@pytest.fixture(scope="module")
def people() -> tuple[pa.Table, pa.Table]:
    return population(220, seed=3)


@pytest.fixture(scope="module")
def shown(people: tuple[pa.Table, pa.Table]) -> tuple[Linked, TrainingRun]:
    run = TrainingRun()
    return link_night(people[0], None, CONF, NIGHT, run), run


def learn(records: pa.Table, run: TrainingRun | None = None) -> Model:
    """The model of persons alone, before any pair is scored."""
    with engine(CONF) as connection:
        load(connection, records, CONF)
        use_generic(connection, find_generic(connection, CONF))
        count = prepare(connection, "person")
        return train_model(connection, "person", set(CONF.fields), count, CONF, run)


def notes(model: Model) -> str:
    return "; ".join(model.notes)


def test_what_a_training_shows_does_not_change_it(
    people: tuple[pa.Table, pa.Table], shown: tuple[Linked, TrainingRun]
) -> None:
    unseen, seen = learn(people[0]), shown[0].generation.models["person"]
    assert (unseen.settings, unseen.frequencies) == (seen.settings, seen.frequencies)
    assert unseen.notes == seen.notes[: len(unseen.notes)]


def test_a_training_shows_splinks_charts_and_its_sessions(shown: tuple[Linked, TrainingRun]) -> None:
    linked, run = shown
    assert set(run.charts["person"]) == {"Match weights", "m and u", "Unlinkable records", "m by session"}
    sessions = {s.rule: s for s in run.sessions["person"]}
    assert sessions["birth_date"].outcome == "trained"
    assert 0 < (sessions["birth_date"].true_pairs or 0) <= sessions["birth_date"].pairs
    assert sessions["tax_id"].outcome == "too few pairs"
    history = sessions["birth_date"].charts["Match weights by iteration"]["data"]["values"]
    assert {r["iteration"] for r in history} == set(range((sessions["birth_date"].iterations or 0) + 1))
    drawn = {
        (r["comparison_name"], r["label_for_charts"]): r["log2_bayes_factor"]
        for r in run.charts["person"]["Match weights"]["data"]["values"]
    }
    for key, found in weights(linked.generation.models["person"]).items():
        assert drawn[key] == pytest.approx(found["weight"])
    # A party type without records has a model to draw, and nobody to be unlinkable.
    assert set(run.charts["company"]) == {"Match weights", "m and u"}


def test_the_scripts_that_draw_the_charts_are_there() -> None:
    libraries = chart_libraries()
    assert list(libraries) == ["vega", "vega-lite", "vega-embed"]
    assert all(len(text) > 10_000 for text in libraries.values())


def test_a_chart_of_nothing_is_none() -> None:
    def nothing() -> None:
        raise ValueError("max() iterable argument is empty")

    assert chart_of(nothing) is None


@pytest.mark.parametrize("error", [SplinkException("no memory"), AttributeError("chart")])
def test_a_chart_that_cannot_be_drawn_changes_nothing_of_the_training(
    shown: tuple[Linked, TrainingRun],
    people: tuple[pa.Table, pa.Table],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(EMTrainingSession, "match_weights_interactive_history_chart", fails)
    monkeypatch.setattr(LinkerEvalution, "unlinkables_chart", fails)
    without = link_night(people[0], None, CONF, NIGHT, TrainingRun())
    assert without.generation.digest == shown[0].generation.digest


def test_no_true_pair_leaves_the_starter_model(people: tuple[pa.Table, pa.Table]) -> None:
    first: dict[str, dict[str, Any]] = {}
    for row, true in zip(people[0].to_pylist(), people[1].to_pylist(), strict=True):
        first.setdefault(true["entity_id"], row)
    model = learn(table(list(first.values())))
    assert model.kind == "starter"
    assert "no blocking rule brought enough pairs" in notes(model)


def test_a_session_that_takes_no_pair_for_a_match_teaches_nothing(
    people: tuple[pa.Table, pa.Table], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(em_guards, "LEAST_TRUE_PAIRS", 1e9)
    run = TrainingRun()
    model = learn(people[0], run)
    assert model.kind == "starter"
    assert "looks like one person, left out" in notes(model)
    assert {s.outcome for s in run.sessions["person"]} == {"no true pair", "too few pairs"}


def test_a_session_in_which_agreeing_speaks_against_a_match_is_not_believed() -> None:
    u = {"surname": {"equal": 0.01}, "birth_date": {"equal": 0.3}}
    m = {"surname": {"equal": 0.9}, "birth_date": {"equal": 0.1}}
    kept, reversed_roles = em_guards.without_reversed(m, u, [SURNAME, BIRTH_DATE])
    assert kept == {"surname": {"equal": 0.9}}
    assert reversed_roles == ["birth_date"]
    assert em_guards.has_no_true_pair(9.9)
    assert em_guards.has_no_true_pair(float("nan"))
    assert not em_guards.has_no_true_pair(10.0)


def test_a_column_without_any_value_keeps_the_starters_weights(people: tuple[pa.Table, pa.Table]) -> None:
    model = learn(table([{**row, "match_phones": None} for row in people[0].to_pylist()]))
    assert model.kind == "trained"
    assert "phones: no session could learn it, by the starter model" in notes(model)
    found = weights(model)
    assert found["phones", "one in common"]["m"] == pytest.approx(0.8)
    assert found["phones", "one in common"]["u"] == pytest.approx(0.00005)


@pytest.mark.parametrize(
    ("column", "value", "role"),
    [("match_birth_date", date(1980, 1, 1), "birth_date"), ("match_surname", "garcia", "surname")],
)
def test_the_only_value_of_a_column_is_no_evidence(
    people: tuple[pa.Table, pa.Table], column: str, value: object, role: str
) -> None:
    rows = [{**row, column: value} for row in people[0].to_pylist()]
    with engine(CONF) as connection:
        load(connection, table(rows), CONF)
        found = find_generic(connection, CONF).to_pylist()
        # A family is no reason to think so.
        load(connection, table(rows[:5]), CONF)
        assert find_generic(connection, CONF).num_rows == 0
    assert [(r["field"], r["value"], r["reason"]) for r in found] == [(role, str(value), "only_value")]


def test_postal_codes_that_never_differ_say_nothing(people: tuple[pa.Table, pa.Table]) -> None:
    model = learn(table([{**row, "match_postal_code": "01000"} for row in people[0].to_pylist()]))
    found = weights(model)["postal_code", "postal code"]
    assert found["u"] > 0.95
    assert found["weight"] < 0.05


def test_copies_of_one_record_are_one_person() -> None:
    one = record(
        "crm", "0", given="ana", surname="lopez", birth_date=date(1980, 1, 1), emails=["ana@lopez.es"]
    )
    linked = link_night(table([{**one, "record_id": str(i)} for i in range(201)]), None, CONF, NIGHT)
    assert "100% of all pairs look like one person" in notes(linked.generation.models["person"])
    assert linked.figures["clusters"] == 1


def test_ones_own_comparisons_stay_where_the_starter_model_stands_in() -> None:
    copies = [record("crm", str(n), given="ana", surname="lopez", postal_code="28001") for n in range(201)]
    conf = CONF.model_copy(update={"comparisons": {"surname": {"ExactMatch": {}}}})
    linked = link_night(table(copies), None, conf, NIGHT)
    person = linked.generation.models["person"]
    assert person.kind == "starter"
    assert len(person.relations.levels["same_person"]["surname"]) == 2


def test_people_without_birth_dates_and_tax_ids_are_learnt_from_what_else_they_share(
    people: tuple[pa.Table, pa.Table],
) -> None:
    nothing = {"match_birth_date": None, "match_birth_year": None, "match_tax_id": None}
    run = TrainingRun()
    model = learn(table([{**row, **nothing} for row in people[0].to_pylist()]), run)
    assert model.kind == "trained"
    outcomes = {s.rule: s.outcome for s in run.sessions["person"]}
    assert (outcomes["birth_date"], outcomes["given_name, surname"]) == ("too few pairs", "trained")
    assert "trained" in {
        outcomes.get(rule) for rule in ("email_first", "phone_first", "surname, postal_code")
    }
    assert "given_name: no session could learn it" not in notes(model)
    assert "the prior's rules found no pair" not in notes(model)


def test_the_spare_rules_are_left_alone_where_others_suffice(shown: tuple[Linked, TrainingRun]) -> None:
    rules = {s.rule for s in shown[1].sessions["person"]}
    assert rules == {"given_name, surname", "birth_date", "tax_id"}


@pytest.mark.parametrize("count", [0, 1])
def test_no_record_and_one_record_train_the_starter_generation(count: int) -> None:
    run = TrainingRun()
    linked = link_night(population(5, seed=1)[0].slice(0, count), None, CONF, NIGHT, run)
    assert linked.generation.kind == "starter"
    assert linked.figures["clusters"] == count
    assert {"Match weights", "m and u"} <= set(run.charts["person"])


def test_a_key_that_stands_twice_is_refused(people: tuple[pa.Table, pa.Table]) -> None:
    few = people[0].slice(0, 3)
    with pytest.raises(UsageError, match=r"2 records share \(source, record_id\) with another record"):
        link_night(pa.concat_tables([few, few.slice(0, 2)]), None, CONF, NIGHT)


def test_records_that_say_nothing_stay_alone() -> None:
    linked = link_night(table([record("crm", str(n)) for n in range(250)]), None, CONF, NIGHT)
    assert linked.generation.kind == "starter"
    assert (linked.figures["candidate_pairs"], linked.figures["clusters"]) == (0, 250)


def test_a_given_rule_on_a_column_without_any_value_brings_nothing_and_says_so(
    people: tuple[pa.Table, pa.Table],
) -> None:
    conf = CONF.model_copy(update={"blocking": Blocking(rules=(("tax_id",),))})
    linked = link_night(people[0], None, conf, NIGHT)
    assert (linked.figures["candidate_pairs"], linked.figures["clusters"]) == (0, people[0].num_rows)
    report = linked.generation.models["person"].blocking
    assert report is not None
    (line,) = report.lines()
    assert (line.comparisons, line.matches, line.together, report.recall) == (0, 0, 0, None)


def labels_of(people: tuple[pa.Table, pa.Table], keep: Callable[[dict, dict], bool]) -> pa.Table:
    """Matches by the truth that ``keep`` wants, as a labels file has them."""
    by_entity: dict[str, list[dict[str, Any]]] = {}
    for row, true in zip(people[0].to_pylist(), people[1].to_pylist(), strict=True):
        by_entity.setdefault(true["entity_id"], []).append(row)
    rows = [
        {
            "source_l": a["source"],
            "record_id_l": a["record_id"],
            "source_r": b["source"],
            "record_id_r": b["record_id"],
            "is_match": "1",
        }
        for members in by_entity.values()
        for i, a in enumerate(members)
        for b in members[:i]
        if keep(a, b)
    ]
    return pa.Table.from_pylist(rows)


def test_labelled_matches_train_m(
    people: tuple[pa.Table, pa.Table], shown: tuple[Linked, TrainingRun]
) -> None:
    # The judge only saw misspelt surnames: labels must win over what EM thought.
    given = labels_of(
        people,
        lambda a, b: (
            (a["match_surname"] != b["match_surname"]) and bool(a["match_surname"] and b["match_surname"])
        ),
    )
    count = given.num_rows
    assert count >= 20
    first, last = people[0].slice(0, 1).to_pylist()[0], people[0].slice(people[0].num_rows - 1).to_pylist()[0]
    no_match = pair(
        source_l=first["source"],
        record_id_l=first["record_id"],
        source_r=last["source"],
        record_id_r=last["record_id"],
        is_match="0",
    )
    labels = read_labels(pa.concat_tables([given, no_match]), CONF)
    model = learn(people[0], TrainingRun(labels))
    assert f"m learnt from {count} labelled matches" in notes(model)
    misspelt = "surname", "sounds alike or misspelt"
    before, after = weights(shown[0].generation.models["person"])[misspelt], weights(model)[misspelt]
    assert after["m"] == pytest.approx((count + PRIOR_PAIRS * before["m"]) / (count + PRIOR_PAIRS), abs=1e-6)
    assert after["u"] == before["u"]


def test_labels_that_are_no_matches_say_nothing_of_m(
    people: tuple[pa.Table, pa.Table], shown: tuple[Linked, TrainingRun]
) -> None:
    given = labels_of(people, lambda a, b: True).slice(0, 5)
    labels = read_labels(given.set_column(4, "is_match", pa.array(["0"] * 5)), CONF)
    model = learn(people[0], TrainingRun(labels))
    assert "none of them a match" in notes(model)
    assert weights(model) == weights(shown[0].generation.models["person"])


def pair(**values: str) -> pa.Table:
    columns = {"source_l": "crm", "record_id_l": "1", "source_r": "erp", "record_id_r": "2", **values}
    return pa.table({name: [value] for name, value in columns.items()})


def test_labels_in_any_shape_are_read() -> None:
    turned = pair(source_l="erp", record_id_l="2", source_r="crm", record_id_r="1", is_match="true")
    assert read_labels(turned, CONF).to_pylist() == [
        {"source_l": "crm", "record_id_l": "1", "source_r": "erp", "record_id_r": "2", "score": 1.0}
    ]
    assert read_labels(pair(), CONF)["score"].to_pylist() == [1.0]
    assert read_labels(pair(clerical_match_score="0.25"), CONF)["score"].to_pylist() == [0.25]
    of_file = read_labels(pa.table({"rec_l": ["b"], "rec_r": ["a"]}), CONF, "rec")
    assert of_file.to_pylist() == [
        {"source_l": "file", "record_id_l": "a", "source_r": "file", "record_id_r": "b", "score": 1.0}
    ]
    known = pa.table({"source": ["crm", "erp"], "record_id": ["1", "2"]})
    assert unknown(read_labels(pair(), CONF), known) == 0
    assert unknown(read_labels(pair(record_id_r="3"), CONF), known) == 1


def test_labels_that_cannot_be_used_say_why() -> None:
    with pytest.raises(UsageError, match="no column source_r, record_id_r"):
        read_labels(pair().drop_columns(["source_r", "record_id_r"]), CONF)
    with pytest.raises(UsageError, match="1 pairs have no is_match between 0 and 1"):
        read_labels(pair(is_match="perhaps"), CONF)
    with pytest.raises(UsageError, match="1 pairs have no is_match between 0 and 1"):
        read_labels(pair(is_match="7"), CONF)
    with pytest.raises(UsageError, match="1 pairs name one record twice"):
        read_labels(pair(source_r="crm", record_id_r="1"), CONF)
    turned = pair(source_l="erp", record_id_l="2", source_r="crm", record_id_r="1", is_match="0")
    with pytest.raises(UsageError, match="stand twice with different answers"):
        read_labels(pa.concat_tables([pair(is_match="1"), turned]), CONF)
    with pytest.raises(UsageError, match="no pair in it"):
        read_labels(pair().slice(0, 0), CONF)
