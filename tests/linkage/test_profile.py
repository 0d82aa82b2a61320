"""What the records look like before training, counted by hand."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from linkage_people import CONF, record, table

from pipelines.errors import UsageError
from pipelines.linkage import splink_counts
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.profile import count_comparisons, measure_rules, profile, values_chart
from pipelines.linkage.training import starter_model


def people() -> pa.Table:
    """Three Lopez, one Ruiz, one of no name; two share a phone."""
    born = date(1980, 1, 1)
    return table(
        [
            record("crm", "1", given="ana", surname="lopez", birth_date=born, phones=["+521", "+522"]),
            record("crm", "2", given="ana", surname="lopez", birth_date=born, phones=["+521"]),
            record("crm", "3", given="luis", surname="lopez"),
            record("crm", "4", given="ana", surname="ruiz"),
            record("crm", "5"),
        ]
    )


def test_a_field_is_told_by_how_full_and_how_telling_it_is() -> None:
    found = {p.role: p for p in profile(people(), CONF)}
    surname = found["surname"]
    assert (surname.known, surname.values, surname.largest, surname.pairs) == (0.8, 2, 0.75, 3)
    phones = found["phones"]
    assert (phones.known, phones.values, phones.largest, phones.pairs) == (0.4, 2, 1, 1)
    assert (found["city"].known, found["city"].values, found["city"].pairs) == (0, 0, 0)
    nobody = profile(people().slice(0, 0), CONF)
    assert {p.known for p in nobody} == {0}


def test_splink_counts_the_comparisons_of_rules_one_after_another() -> None:
    rules = (
        Rule("phone", "item", ("phones",), "phones"),
        Rule("surname", "surname", ("surname",)),
        Rule("given", "given_name", ("given_name",)),
    )
    counted = count_comparisons(people(), CONF, rules)
    assert [(c.rule, c.comparisons, c.together) for c in counted] == [
        ("phone", 1, 1),
        ("surname", 2, 3),
        ("given", 2, 5),
    ]
    assert counted[-1].per_record == 1
    assert count_comparisons(people(), CONF, ()) == []


def test_the_eleventh_rule_takes_no_pair_from_an_earlier_one() -> None:
    phone = Rule("phone", "item", ("phones",), "phones")
    nothing = [Rule(f"none{n}", f"surname || '{n}' || street", ("surname",)) for n in range(9)]
    surname = Rule("surname", "surname", ("surname",))
    # Both find the pair with the phone; the rule of a phone is the third, that of the surname the eleventh.
    counted = count_comparisons(people(), CONF, (*nothing[:2], phone, *nothing[2:], surname))
    assert [c.comparisons for c in counted] == [0, 0, 1, *[0] * 7, 2]


def test_where_rules_compare_much_splink_counts_a_share_of_the_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [record("crm", str(n), surname=f"name{n % 20}", city=f"town{n % 3}") for n in range(600)]
    rules = (Rule("surname", "surname", ("surname",)), Rule("city", "city", ("city",)))
    exact = [20 * 30 * 29 // 2, 3 * 200 * 199 // 2 - 20 * (45 * 3)]
    assert [c.comparisons for c in count_comparisons(table(rows), CONF, rules)] == exact
    monkeypatch.setattr(splink_counts, "MOST_PAIRS", 20_000)
    estimated = [c.comparisons for c in count_comparisons(table(rows), CONF, rules)]
    assert estimated != exact
    assert estimated == pytest.approx(exact, rel=0.2)


def test_rules_of_ones_own_are_measured_without_training() -> None:
    model = starter_model("person", set(CONF.fields), 0.001)
    report = measure_rules(people(), CONF, (Rule("surname", "surname", ("surname",)),), model)
    assert report is not None
    assert [(line.rule, line.comparisons, line.matches) for line in report.lines()] == [("surname", 3, 1)]
    assert measure_rules(people().slice(0, 1), CONF, (), model) is None


def test_values_are_drawn_where_there_are_any() -> None:
    chart = values_chart(people(), CONF, ["surname"])
    assert chart is not None
    assert "lopez" in str(chart)
    with pytest.raises(UsageError, match="phones is a list"):
        values_chart(people(), CONF, ["phones"])
    with pytest.raises(UsageError, match="category_trade has no column"):
        values_chart(people(), CONF, ["category_trade"])
