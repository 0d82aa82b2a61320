"""conf/quality: rows that break a rule are set aside and counted once; a wrong name is told before a night."""

from __future__ import annotations

import os
import socket
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.night import PUBLISHED
from pipelines.quality.contracts import (
    Contract,
    check_arguments,
    check_conditions,
    check_contracts,
    check_known,
    check_regexes,
    load_contracts,
)
from pipelines.quality.row_rules import row_rules
from pipelines.silver.outcomes import classify

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "silver"))
from silver_box import bronze, source, told

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

ORDERS = source("""
source: shop
owner: Shop
channel: orders
feeds:
  sales:
    mode: append
    key: [id]
    target: orders
    columns: {id: {required: true}, who:, at:, money:, cur:}
    map:
      record_id: who
      order_id: id
      ordered_at: {column: at, parse: timestamp}
      amount: {column: money, parse: amount}
      currency: cur
""")
ROWS = """
    | id | who | at         | money  | cur  |
    | 1  | A   | 2026-06-01 | 10     | EUR  |
    | 2  | A   | 1899-12-31 | 10     | EUR  |
    | 3  | A   | 2026-06-01 | 99999  | EUR  |
    | 4  | A   | 2026-06-01 | 10     | euro |
    | 5  | A   | 2026-06-01 | 10     |      |
    | 6  |     | 2026-06-01 | 10     | USD  |
    | 6  |     | 2026-06-01 | 10     | XXX  |
"""


def contract(table: str, *rules: str, severity: str = "quarantine") -> Contract:
    """``expectation column key=value …`` as a contract."""
    made = []
    for rule in rules:
        kind, column, *rest = rule.split()
        kwargs: dict[str, object] = {"column": column}
        for pair in rest:
            key, _, value = pair.partition("=")
            kwargs[key] = value.split(",") if key == "value_set" else value
        made.append({"type": kind, "kwargs": kwargs, "severity": severity})
    return Contract.model_validate({"table": table, "expectations": made})


def test_rows_that_break_a_rule_are_set_aside_and_every_row_has_one_outcome(spark: SparkSession) -> None:
    rules = row_rules(
        [
            contract(
                "silver/orders",
                "expect_column_values_to_be_between ordered_at min_value=1980-01-01",
                "expect_column_values_to_be_between amount max_value=10000",
                "expect_column_values_to_match_regex currency regex=^[A-Z]{3}$",
                "expect_column_values_to_not_be_in_set currency value_set=XXX,XTS",
                "expect_column_values_to_not_be_null record_id",
                "expect_column_values_to_not_be_null status",
            )
        ]
    )
    classified = classify(bronze(spark, ROWS, of="shop/sales"), ORDERS, "sales", rules=rules)
    assert told(classified, "id", "_outcome", "_reason") == [
        "1 current -",
        "2 quarantined not_between_ordered_at",
        "3 quarantined not_between_amount",
        "4 quarantined no_match_currency",
        "5 current -",
        "6 quarantined in_set_currency",
        "6 quarantined missing_record_id",
    ], "no currency is kept, and a status that no map names says nothing"


def test_of_a_list_one_value_that_breaks_the_rule_is_enough(spark: SparkSession) -> None:
    people = source("""
source: crm
owner: CRM
channel: crm
feeds:
  contacts:
    mode: append
    key: [id]
    target: customer_records
    columns: {id: {required: true}, mail:, mail2:}
    map: {record_id: id, emails_raw: [mail, mail2]}
""")
    rules = row_rules(
        [contract("silver/customer_records", "expect_column_values_to_match_regex emails_raw regex=@")]
    )
    rows = bronze(spark, "| id | mail | mail2 |\n| 1 | a@x.es | b |\n| 2 | a@x.es | |\n| 3 | | |")
    assert told(classify(rows, people, "contacts", rules=rules), "id", "_reason") == [
        "1 no_match_emails_raw",
        "2 -",
        "3 -",
    ]


@pytest.mark.parametrize(
    ("table", "rule", "said"),
    [
        ("silver/ordres", "expect_column_values_to_not_be_null amount", "Did you mean silver/orders?"),
        ("gold/customers", "expect_column_values_to_not_be_null customer_id", "only rows of silver/"),
        ("silver/orders", "expect_column_values_to_not_be_null amonut", "Did you mean amount?"),
        ("silver/orders", "expect_column_values_to_be_unique order_id", "is no rule about single rows"),
        ("silver/orders", "expect_column_values_to_be_betwen amount max_value=1", "to_be_between?"),
        ("silver/orders", "expect_column_values_to_be_between amount max_valeu=1", "Did you mean max_value?"),
        ("silver/orders", "expect_column_values_to_be_between amount", "lacks min_value or max_value"),
        ("silver/orders", "expect_column_values_to_not_be_null amount mostly=0.9", "mostly cannot be asked"),
        (
            "silver/orders",
            "expect_column_values_to_be_between amount min_value=diez",
            "'diez' can be no value of",
        ),
        ("silver/orders", "expect_column_values_to_be_between ordered_at min_value=ayer", "'ayer' can be no"),
        (
            "silver/orders",
            "expect_column_value_lengths_to_be_between currency max_value=tres",
            "'tres' can be",
        ),
        *[
            (
                "silver/orders",
                f"expect_column_values_to_be_between amount max_value={value}",
                f"{value!r} can be",
            )
            for value in ("1_000", "1e40", "nan", "inf")
        ],
        *[
            (
                "silver/orders",
                f"expect_column_values_to_be_between ordered_at max_value={value}",
                f"{value!r} can",
            )
            for value in ("20260101", "2026-W01-1", "2026-02-30")
        ],
        (
            "silver/orders",
            "expect_column_values_to_be_between amount min_value=100 max_value=1",
            "min_value 100 is above max_value 1",
        ),
        (
            "silver/orders",
            "expect_column_values_to_be_between amount min_value=1 strict_min=false",
            "strict_min is true or false",
        ),
    ],
)
def test_what_cannot_be_a_rule_about_rows_is_named(table: str, rule: str, said: str) -> None:
    def check() -> None:
        check_known([contract(table, rule)], PUBLISHED)
        row_rules([contract(table, rule)])

    with pytest.raises(UsageError) as error:
        check()
    assert said in str(error.value)
    assert str(error.value).startswith(f"conf/quality: {table}")


def asked_of(table: str, kind: str, severity: str = "quarantine", **kwargs: object) -> Contract:
    rule = {"type": f"expect_{kind}", "kwargs": kwargs, "severity": severity}
    return Contract.model_validate({"table": table, "expectations": [rule]})


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("currency", "A", "Z"),
        ("ordered_at", "2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z"),
        ("ordered_at", date(2026, 1, 1), datetime(2026, 1, 2, tzinfo=UTC)),
        ("amount", 0, "1e3"),
    ],
)
def test_bounds_of_every_kind_are_compared_as_what_they_are(column: str, low: object, high: object) -> None:
    between = "column_values_to_be_between"
    (rule,) = row_rules([asked_of("silver/orders", between, column=column, min_value=low, max_value=high)])
    assert rule.column == column
    with pytest.raises(UsageError, match="is above max_value"):
        row_rules([asked_of("silver/orders", between, column=column, min_value=high, max_value=low)])


@pytest.mark.parametrize("value", [False, 10, 1.5])
def test_a_code_that_yaml_took_for_a_truth_or_a_number_is_refused(value: object) -> None:
    """``value_set: [ES, NO]`` would set every Norwegian aside."""
    of_rows = asked_of(
        "silver/orders", "column_values_to_be_in_set", column="currency", value_set=["EUR", value]
    )
    with pytest.raises(UsageError, match=r'write it in quotes \("NO", "012"\)'):
        row_rules([of_rows])
    of_table = asked_of(
        "gold/rfm", "column_values_to_be_in_set", "warn", column="currency", value_set=[value]
    )
    with pytest.raises(UsageError, match="is no text"):
        check_known([of_table], PUBLISHED)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            asked_of("silver/orders", "column_values_to_match_regex", column="currency", regex=5),
            "regex is a text",
        ),
        (
            asked_of("silver/orders", "column_values_to_not_be_null", column=["currency"]),
            "name of one column",
        ),
        (asked_of("silver/orders", "column_values_to_not_be_null"), "None is no column"),
        (
            asked_of("gold/rfm", "compound_columns_to_be_unique", "warn", column_list=None),
            "column_list is a list of columns",
        ),
        (
            asked_of("gold/rfm", "compound_columns_to_be_unique", "warn", column_list="customer_id"),
            "column_list is a list of columns",
        ),
    ],
)
def test_arguments_of_a_wrong_shape_are_told_in_one_line(rule: Contract, said: str) -> None:
    def check() -> None:
        check_known([rule], PUBLISHED)
        row_rules([rule])

    with pytest.raises(UsageError) as error:
        check()
    assert said in str(error.value)


@pytest.mark.parametrize("regex", ["^\\p{L}+$", "(?<name>a)", "^[A-Z]{3}$"])
def test_a_regular_expression_is_what_spark_takes(spark: SparkSession, regex: str) -> None:
    check_regexes(
        [asked_of("silver/orders", "column_values_to_match_regex", column="currency", regex=regex)], spark
    )


@pytest.mark.parametrize(
    ("regex", "said"),
    [
        ("[", "regular expression [ cannot be read: Unclosed character class"),
        ("^[A-Z]{,3}$", "cannot be read"),
        ("(?P<a>x)", "Java names a group (?<name>…)"),
    ],
)
def test_a_regular_expression_that_spark_cannot_read_is_told_before_a_night(
    spark: SparkSession, regex: str, said: str
) -> None:
    of_rows = asked_of("silver/orders", "column_values_to_match_regex", column="currency", regex=regex)
    listed = asked_of(
        "gold/rfm", "column_values_to_match_regex_list", "warn", column="currency", regex_list=[regex]
    )
    for rule in (of_rows, listed):
        with pytest.raises(UsageError) as error:
            check_regexes([rule], spark)
        assert said in str(error.value)
        assert len(str(error.value).splitlines()) == 1


def on_rows(condition: object, parser: str | None = None) -> Contract:
    asked = {"row_condition": condition, **({"condition_parser": parser} if parser else {})}
    return asked_of("gold/rfm", "column_values_to_not_be_null", "warn", column="monetary_value", **asked)


@pytest.mark.filterwarnings("ignore:.*deprecated as of GX:DeprecationWarning")
@pytest.mark.parametrize(
    ("condition", "parser"),
    [
        ("currency = 'EUR' and as_of > date'2026-01-01'", None),
        ('col("currency") == "EUR"', "great_expectations"),
        (
            {"type": "comparison", "column": {"name": "currency"}, "operator": "==", "parameter": "EUR"},
            None,
        ),
    ],
)
def test_a_condition_on_rows_is_what_great_expectations_takes(
    spark: SparkSession, condition: object, parser: str | None
) -> None:
    check_conditions([on_rows(condition, parser)], PUBLISHED, spark)


@pytest.mark.filterwarnings("ignore:.*deprecated as of GX:DeprecationWarning")
@pytest.mark.parametrize(
    ("condition", "parser", "said"),
    [
        ("curency = 'EUR'", "spark", "name `curency` cannot be resolved. Did you mean one of the following?"),
        ("currency = ", None, "Syntax error at or near end of input."),
        ("as_of", None, 'Filter expression "as_of" of type "DATE" is not a boolean.'),
        ('col("curency") == "EUR"', "great_expectations", "name `curency` cannot be resolved"),
    ],
)
def test_a_condition_on_rows_that_cannot_be_asked_is_told_with_its_place_before_a_night(
    spark: SparkSession, condition: object, parser: str | None, said: str
) -> None:
    with pytest.raises(UsageError) as error:
        check_conditions([on_rows(condition, parser)], PUBLISHED, spark)
    text = str(error.value)
    assert text.startswith("conf/quality: gold/rfm: expect_column_values_to_not_be_null: row_condition ")
    assert said in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize("value_set", ["EUR", [], None])
def test_a_set_of_values_is_a_list(value_set: object) -> None:
    rule = asked_of("silver/orders", "column_values_to_be_in_set", column="currency", value_set=value_set)
    with pytest.raises(UsageError, match="value_set of currency is a list"):
        row_rules([rule])


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("expect_column_values_to_be_uniqe customer_id", "is no expectation. Did you mean expect_column_v"),
        (
            "expect_column_values_to_be_unique customer_ids",
            "no column customer_ids. Did you mean customer_id?",
        ),
    ],
)
def test_an_expectation_or_column_of_a_table_that_does_not_exist_is_named(rule: str, said: str) -> None:
    with pytest.raises(UsageError) as error:
        check_known([contract("gold/customers", rule, severity="warn")], PUBLISHED)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            "expect_column_values_to_be_between recency_days min_valeu=1",
            "min_valeu: extra fields not permitted. Did you mean min_value?",
        ),
        ("expect_column_values_to_be_between recency_days", "min_value and max_value cannot both be None."),
        ("expect_column_values_to_be_unique currency mostly=3", "mostly: ensure this value is less than"),
        ("expect_compound_columns_to_be_unique currency", "column_list: field required."),
    ],
)
def test_arguments_that_an_expectation_does_not_take_are_told_before_a_night(rule: str, said: str) -> None:
    asked = contract("gold/rfm", rule, severity="fail")
    check_known([asked], PUBLISHED)
    with pytest.raises(UsageError) as error:
        check_arguments([asked])
    assert said in str(error.value)
    assert str(error.value).startswith("conf/quality: gold/rfm: expect_")
    assert len(str(error.value).splitlines()) == 1


def test_what_only_the_data_shows_cannot_be_computed_is_a_verdict(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [("champions", "EUR", 1)], "segment STRING, currency STRING, recency_days INT"
    )
    regex = "expect_column_values_to_match_regex"
    asked = contract(
        "gold/rfm",
        f"{regex} segment regex=[",
        "expect_column_values_to_be_unique recency_days",
        severity="fail",
    )
    mild = contract("gold/rfm", f"{regex} currency regex=[", severity="warn")
    asked = asked.model_copy(update={"expectations": (*asked.expectations, *mild.expectations)})
    check_arguments([asked])
    found = check_contracts([asked], lambda path: frame)
    assert [verdict["status"] for verdict in found] == ["blocked", "passed", "warned"]
    assert found[0]["message"].startswith(f"gold/rfm: {regex} on segment (regex [) could not be computed")


def test_two_expectations_of_one_type_and_column_are_two_gates(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("champions",)], "segment STRING")
    matches = "expect_column_values_to_match_regex segment"
    asked = contract(
        "gold/rfm", f"{matches} regex=^x", f"{matches} regex=^c", f"{matches} regex=y$", severity="fail"
    )
    found = check_contracts([asked], lambda path: frame)
    name = "contract gold/rfm column_values_to_match_regex segment"
    assert {row["gate"]: row["status"] for row in found} == {
        name: "blocked",
        f"{name} (2)": "passed",
        f"{name} (3)": "blocked",
    }


def test_two_files_may_promise_of_one_table(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("champions",), ("champions",)], "segment STRING")
    shipped = contract("gold/rfm", "expect_column_values_to_not_be_null segment", severity="fail")
    own = contract("gold/rfm", "expect_column_values_to_be_unique segment", severity="warn")
    assert [row["status"] for row in check_contracts([shipped, own], lambda path: frame)] == [
        "passed",
        "warned",
    ]


def test_a_promise_about_no_column_is_told_without_one(spark: SparkSession) -> None:
    rule = asked_of("gold/rfm", "table_row_count_to_be_between", "warn", min_value=5)
    (found,) = check_contracts([rule], lambda path: spark.range(1))
    assert found["message"].startswith("gold/rfm breaks expect_table_row_count_to_be_between (min_value 5)")


def test_the_contracts_that_ship_are_known_and_have_an_owner() -> None:
    found = load_contracts(Conf())
    check_known(found, PUBLISHED)
    check_arguments(found)
    assert {rule.reason for rule in row_rules(found)} >= {"not_between_ordered_at", "bad_length_currency"}
    assert all(c.owner for c in found)


def test_the_engine_sends_nothing_and_answers_with_booleans_and_owners(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = socket.getaddrinfo

    def at_home(host: str, *given: Any, **named: Any) -> Any:
        assert host in ("localhost", "127.0.0.1"), "Great Expectations looked for a host"
        return looked_up(host, *given, **named)

    monkeypatch.setenv("GX_ANALYTICS_ENABLED", "True")
    monkeypatch.setattr(socket, "getaddrinfo", at_home)
    frame = spark.createDataFrame([("C1",), ("C1",)], "customer_id STRING")
    promised = contract("gold/customers", "expect_column_values_to_be_unique customer_id", severity="fail")
    (verdict,) = check_contracts([promised.model_copy(update={"owner": "stewards"})], lambda path: frame)
    assert (verdict["status"], verdict["owner"]) == ("blocked", "stewards")
    assert os.environ["GX_ANALYTICS_ENABLED"] == "False"
