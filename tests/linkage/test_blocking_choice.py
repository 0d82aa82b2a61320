"""Which blocking rules training chooses, against answers that a person can work out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from linkage_people import CONF, record, table
from scipy.sparse import csr_matrix

from pipelines.linkage import splink_counts, training
from pipelines.linkage.blocking import block
from pipelines.linkage.blocking_choice import (
    _greedy,
    _recall,
    _report,
    _Trial,
    choose_rules,
    measured,
    with_rules,
)
from pipelines.linkage.blocking_report import BlockingReport
from pipelines.linkage.blocking_rules import FIXED, IDENTIFIERS, Rule, by_condition, candidates, rules_for
from pipelines.linkage.config import Blocking
from pipelines.linkage.engine import engine
from pipelines.linkage.generations import Model
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.records import load, prepare

RULES = tuple(Rule(name, name, (name,)) for name in ("phone", "surname", "city", "postal_code"))


def found(*rows: list[int], pairs: int) -> csr_matrix:
    """Which rule (row) finds which pair."""
    matrix = np.zeros((len(rows), pairs), np.int8)
    for rule, columns in enumerate(rows):
        matrix[rule, columns] = 1
    return csr_matrix(matrix)


def chosen(weights: tuple[np.ndarray, np.ndarray], matrix: csr_matrix, budget: float) -> BlockingReport:
    """The greedy choice with ``phone`` given, from what each pair costs and is likely to be."""
    trial = _Trial(*weights, matrix, records=10)
    conf = CONF.model_copy(update={"blocking": Blocking(max_comparisons_per_record=100)})
    return _report(RULES, _greedy([0], trial, budget), trial, conf, records=50)


def test_candidates_are_distinct_and_hold_the_fixed_rules() -> None:
    roles = set(CONF.fields)
    for model in ("person", "company"):
        names = [rule.name for rule in candidates(model, roles)]
        assert len(names) == len(set(names))
        assert {rule.name for rule in FIXED[model]} <= set(names)
        assert candidates(model, roles)[: len(IDENTIFIERS[model])] == IDENTIFIERS[model]
    few = {rule.name for rule in candidates("person", {"surname_phonetic", "category_trade"})}
    assert few == {"surname", "surname+category_trade"}
    assert rules_for("person", {"tax_id", "city"})[0].name == "tax_id"


def test_the_rule_with_most_new_matches_a_comparison_comes_next() -> None:
    # Ten pairs, the first six are matches. phone finds one match; surname three matches among four
    # pairs; city the same three among all ten; postal_code two more matches with nothing else.
    likely = np.array([1.0] * 6 + [0.0] * 4)
    one = np.ones(10)
    matrix = found([0], [1, 2, 3, 6], [1, 2, 3, 4, 5, 6, 7, 8, 9], [4, 5], pairs=10)
    choice = chosen((one, likely), matrix, budget=100)
    assert [gain.rule for gain in choice.gains] == ["phone", "postal_code", "surname"]
    assert [gain.comparisons for gain in choice.gains] == [1, 2, 4]
    assert [gain.matches for gain in choice.gains] == [1, 2, 3]
    assert [gain.share for gain in choice.gains] == pytest.approx([1 / 6, 2 / 6, 3 / 6], abs=1e-6)
    # A trial of ten records that stand for fifty.
    assert [line.comparisons for line in choice.lines()] == [50, 100, 200]
    assert [line.together for line in choice.lines()] == pytest.approx([1 / 6, 3 / 6, 1], abs=1e-5)
    assert choice.budget_used == 0.07
    # city brings nothing that the others do not, so that it is not chosen however cheap.
    tight = chosen((one, likely), matrix, budget=4)
    assert [gain.rule for gain in tight.gains] == ["phone", "postal_code"]


def test_a_rule_whose_matches_later_rules_find_as_well_is_left_out() -> None:
    likely = np.ones(4)
    # surname is the best a comparison at first; city brings its pair and three more.
    matrix = found([], [0], [0, 1, 2, 3], [], pairs=4)
    weights = (np.array([0.1, 1.0, 1.0, 1.0]), likely)
    choice = chosen(weights, matrix, budget=100)
    assert [gain.rule for gain in choice.gains] == ["phone", "city"]
    # What surname brought is now city's.
    assert choice.gains[1].matches == 4
    assert choice.gains[1].comparisons == pytest.approx(3.1)


def test_what_no_rule_found_is_estimated_from_what_one_and_two_found() -> None:
    # Four matches caught once, two caught twice: at least 4 * 4 / (2 * 2) = 4 were caught by none.
    matrix = found([0, 1, 4, 5], [2, 3, 4, 5], pairs=6)
    assert _recall(matrix, [0, 1], np.ones(6)) == pytest.approx(6 / 10)
    assert _recall(matrix, [0], np.ones(6)) is None, "nothing was caught twice"
    assert _recall(matrix, [], np.ones(6)) is None


def misspelt() -> pa.Table:
    """150 people, three records each. Nobody has e-mail or phone; surnames are misspelt in the last
    record, so that only given name and birth date find it. Everybody lives in one of two cities."""
    rows = []
    for n in range(150):
        given, surname = (
            f"n{chr(97 + n % 26)}{chr(97 + n // 26)}o",
            f"p{chr(97 + n % 25)}{chr(97 + n // 25)}ez",
        )
        born = date(1940 + n % 50, 1 + n % 12, 1 + n % 28)
        for copy in range(3):
            written = surname if copy < 2 else f"q{surname[::-1]}"
            rows.append(
                record(
                    "crm", f"{n:03d}-{copy}", given=given, surname=written, birth_date=born, city=f"c{n % 2}"
                )
            )
    return table(rows)


@contextmanager
def prepared(records: pa.Table) -> Iterator[tuple[duckdb.DuckDBPyConnection, int, Model]]:
    """The persons among the records as linkage has them, how many, and their model."""
    with engine(CONF) as connection:
        load(connection, records, CONF)
        use_generic(connection, find_generic(connection, CONF))
        count = prepare(connection, "person")
        yield connection, count, training.train_model(connection, "person", set(CONF.fields), count, CONF)


TRUE_PAIRS = """SELECT count(*) FROM blocked b JOIN facts l ON l.node = b.join_key_l
    JOIN facts r ON r.node = b.join_key_r WHERE left(l.record_id, 3) = left(r.record_id, 3)"""


def test_the_data_decide_and_the_budget_holds() -> None:
    conf = CONF.model_copy(update={"blocking": Blocking(max_comparisons_per_record=5, trial_records=400)})
    with prepared(misspelt()) as (connection, count, model):
        rules, report = choose_rules(connection, "person", model, set(CONF.fields), conf)
        assert choose_rules(connection, "person", model, set(CONF.fields), conf) == (rules, report)
        costs = block(connection, rules, conf.blocking)
        true = connection.execute(TRUE_PAIRS).fetchall()[0][0]
    assert true == 150 * 3
    assert sum(cost.pairs for cost in costs) <= 5 * count
    assert not {"city", "given+city", "surname+city"} >= {rule.name for rule in rules}
    assert [gain.rule for gain in report.gains] == [rule.name for rule in rules]
    # 400 of 450 records were tried: what they say of all is near what blocking then brings.
    assert (report.trial, report.records) == (400, 450)
    assert sum(line.comparisons for line in report.lines()) == pytest.approx(
        sum(cost.pairs for cost in costs), rel=0.1
    )
    assert report.lines()[-1].together == pytest.approx(1, abs=0.01)


def test_rules_that_were_given_are_measured_as_they_stand() -> None:
    by_birth = Rule("birth", "birth_text", ("birth_date",))
    given = (
        Rule("surname", "surname", ("surname",)),
        by_condition("same_birth", "l.birth_date = r.birth_date"),
        by_birth,
    )
    with prepared(misspelt()) as (connection, _, model):
        report = measured(connection, "person", model, given, CONF)
        costs = block(connection, given, CONF.blocking)
        assert measured(connection, "person", model, (), CONF) is None
    assert report is not None
    surname, same_birth, birth = report.lines()
    # Two spellings of 150 people; all that share a birth date; then nothing is left.
    assert surname.comparisons == costs[0].pairs == 150
    assert same_birth.comparisons == costs[1].pairs
    assert (birth.comparisons, birth.matches, birth.share) == (0, 0, 0)
    assert birth.together == pytest.approx(1, abs=1e-5)
    assert report.tried == 3


def test_a_training_that_is_shown_has_splinks_count_of_its_rules() -> None:
    conf = CONF.model_copy(update={"blocking": Blocking(max_block=20, rules=(("city",), ("surname",)))})
    with prepared(misspelt()) as (connection, _, model):
        unseen = with_rules(connection, "person", model, set(CONF.fields), conf)
        tables = connection.execute("SHOW TABLES").fetchall()
        shown = with_rules(connection, "person", model, set(CONF.fields), conf, is_shown=True)
        assert connection.execute("SHOW TABLES").fetchall() == tables
        (in_cities,) = connection.execute(
            "SELECT sum(n * (n - 1) // 2) FROM (SELECT count(*) AS n FROM people WHERE city IS NOT NULL GROUP BY city)"
        ).fetchall()[0]
    assert unseen.blocking is not None
    assert shown.blocking is not None
    assert unseen.rules == shown.rules
    assert (unseen.blocking.splink_share, shown.blocking.splink_share) == (None, 1)
    assert BlockingReport.from_json(shown.blocking.as_json()) == shown.blocking
    city, _ = shown.blocking.lines()
    assert city.uncapped == in_cities > city.comparisons


def test_counts_that_splink_cannot_make_cost_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise duckdb.BinderException("no such column")

    monkeypatch.setattr(splink_counts, "count_comparisons_from_blocking_rules", fails)
    with prepared(misspelt()) as (connection, _, model):
        shown = with_rules(connection, "person", model, set(CONF.fields), CONF, is_shown=True)
    assert shown.blocking is not None
    assert shown.blocking.splink_share is None
    assert {line.uncapped for line in shown.blocking.lines()} == {None}
