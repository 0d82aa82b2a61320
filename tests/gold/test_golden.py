"""Survivorship: which record's value each group of the golden record takes, and that groups are never mixed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from gold_box import D, lines, rules, table, told
from pyspark.sql import functions as F

from pipelines.errors import UsageError
from pipelines.gold.attributes import GROUPS, group_columns
from pipelines.gold.config import Rule, Survivorship
from pipelines.gold.golden import attribute_rows, golden_values, rank_candidates
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.tables import STRINGS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# customer_id is the story; first_seen_on is 2026-01-01 for all.
RECORDS = """
    | customer_id | source | record_id | given_name | surname | second_surname | updated_at | registered_at | _landing_date |
    | longest     | crm    | n1        | Ana        | P.      |                |            |               | 2026-01-01    |
    | longest     | pos    | n2        | Ana María  | Pérez   | Soto           |            |               | 2026-01-01    |
    | most        | crm    | n3        | Kike       | Roa     |                |            |               | 2026-01-01    |
    | most        | web    | n4        | Enrique    | Roa     |                |            |               | 2026-01-01    |
    | most        | pos    | n5        | enrique    | ROA     |                |            |               | 2026-01-01    |
    | trusted     | web    | n6        | Eva        | Gil     |                |            |               | 2026-01-01    |
    | trusted     | crm    | n7        | Eva María  | Gil     |                |            |               | 2026-01-01    |
    | by_key      | crm    | n9        | Leo        | Paz     |                |            |               | 2026-01-01    |
    | by_key      | crm    | n8        | Lea        | Paz     |                |            |               | 2026-01-01    |
    | dated       | crm    | d1        | Sol        | Uno     |                | 2026-05-01 | 2020-01-01    | 2026-01-01    |
    | dated       | crm    | d2        | Sol        | Dos     |                | 2030-01-01 | 2026-06-01    | 2026-01-01    |
    | dated       | crm    | d3        | Sol        | Tres    |                |            | 2020-01-01    | 2026-07-01    |
    | dated       | crm    | d4        | Sol        | Cuatro  |                |            |               | 2026-01-01    |
"""
ADDRESSES = """
    | customer_id | source | record_id | street_name | street_number | postal_code | city   | updated_at |
    | a_full      | erp    | a1        | Alcalá      |               | 28009       | Madrid | 2020-01-01 |
    | a_full      | pos    | a2        |             |               | 08018       |        | 2026-06-01 |
    | a_full      | crm    | a3        | Balmes      | 72            | 08007       |        | 2024-01-01 |
    | a_full      | crm    | a4        | Aribau      | 9             | 08011       |        | 2025-01-01 |
    | a_none      | crm    | a5        |             |               |             |        | 2025-01-01 |
"""
CONTACTS = """
    | customer_id | source | record_id | emails          | phones                     | match_emails  | match_phones  | match_excluded    |
    | c_many      | crm    | e1        | ana@x.mx;b@x.mx | +525511111111              | ana@x.mx      | +525511111111 |                   |
    | c_many      | web    | e2        | a.na+shop@x.mx;ana@x.mx | | ana@x.mx      |               |                   |
    | c_many      | pos    | e3        | no@no.com       | +525555555555              |               |               | email:placeholder |
    | c_none      | crm    | e4        |                 |                            |               |               |                   |
"""
IDS = """
    | customer_id | source | record_id | tax_id    | tax_id_type | tax_id_valid | birth_date | marketing_opt_in | loyalty_id | home_store |
    | i_valid     | erp    | i1        | XAXX01    | rfc         | false        | 1980-01-01 | true             |            |            |
    | i_valid     | crm    | i2        | PETD680313 | rfc        | true         | 1980-01-01 |                  |            |            |
    | i_valid     | pos    | i3        |           |             |              | 1981-01-01 |                  | 77         | T1         |
    | i_valid     | crm    | i4        |           |             |              |            | false            | 78         |            |
"""


@pytest.fixture(scope="module")
def records(spark: SparkSession) -> DataFrame:
    rows = [
        {"_landing_date": "2026-01-01", **{name: value for name, value in row.items() if value is not None}}
        for text in (RECORDS, ADDRESSES, CONTACTS, IDS)
        for row in lines(text)
    ]
    owners = {row["record_id"]: row.pop("customer_id") for row in rows}
    random.Random(7).shuffle(rows)
    pairs = [F.lit(text) for pair in owners.items() for text in pair]
    return table(spark, CUSTOMER_RECORDS, rows).withColumns(
        {
            "customer_id": F.element_at(F.create_map(*pairs), F.col("record_id")),
            "first_seen_on": F.lit("2026-01-01").cast("date"),
        }
    )


@pytest.fixture(scope="module")
def ranked(records: DataFrame) -> DataFrame:
    return rank_candidates(records, rules(), D).localCheckpoint()


@pytest.fixture(scope="module")
def golden(ranked: DataFrame) -> dict[str, list[str]]:
    """customer_id → its master, one line a group."""
    names = {
        "name": ("given_name", "surname", "second_surname"),
        "address": ("street_name", "street_number", "postal_code", "city"),
        "tax_id": ("tax_id", "tax_id_type", "tax_id_valid"),
        "loyalty": ("loyalty_id", "home_store"),
    }
    master = golden_values(ranked).localCheckpoint()
    said: dict[str, list[str]] = {}
    for group in GROUPS:
        shown = (*names.get(group.name, group.fields), f"{group.name}_record_id", f"{group.name}_as_of")
        for answer in told(master, "customer_id", *shown):
            customer, rest = answer.split(" ", 1)
            said.setdefault(customer, []).append(f"{group.name}: {rest}")
    return said


def of(golden: dict[str, list[str]], customer: str, group: str) -> str:
    (found,) = [line for line in golden[customer] if line.startswith(f"{group}: ")]
    return found.removeprefix(f"{group}: ")


def test_a_whole_name_survives_over_an_initial(golden: dict[str, list[str]]) -> None:
    assert of(golden, "longest", "name") == "Ana María Pérez Soto n2 2026-01-01"


def test_the_spelling_of_most_records_survives_in_the_most_trusted_one_of_them(
    golden: dict[str, list[str]],
) -> None:
    assert of(golden, "most", "name") == "Enrique Roa - n4 2026-01-01"


def test_trust_decides_where_nothing_else_does_and_the_key_where_trust_does_not(
    golden: dict[str, list[str]],
) -> None:
    assert of(golden, "trusted", "name") == "Eva María Gil - n7 2026-01-01"
    assert of(golden, "by_key", "name") == "Lea Paz - n8 2026-01-01"


def test_a_statement_is_as_old_as_the_source_says_unless_that_lies_ahead(
    ranked: DataFrame, golden: dict[str, list[str]]
) -> None:
    names = attribute_rows(ranked).filter("customer_id = 'dated' AND attribute_group = 'name'")
    assert told(names, "rank", "record_id", "as_of") == [
        "1 d3 2026-07-01",
        "2 d2 2026-06-01",
        "3 d1 2026-05-01",
        "4 d4 2026-01-01",
    ]


def test_an_address_comes_whole_from_one_record(golden: dict[str, list[str]]) -> None:
    # Three fields filled beat one, whoever is trusted; of two such the newer one wins, with its gaps.
    assert of(golden, "a_full", "address") == "Aribau 9 08011 - a4 2025-01-01"
    assert of(golden, "a_none", "address") == "- - - - - -"


def test_all_emails_are_kept_evidence_first_and_placeholders_dropped(golden: dict[str, list[str]]) -> None:
    assert of(golden, "c_many", "emails") == "ana@x.mx;a.na+shop@x.mx;b@x.mx e2 2026-01-01"
    assert of(golden, "c_many", "phones") == "+525511111111;+525555555555 e1 2026-01-01"
    assert of(golden, "c_none", "emails") == "- - -"


def test_a_valid_tax_id_survives_over_the_trusted_source(golden: dict[str, list[str]]) -> None:
    assert of(golden, "i_valid", "tax_id") == "PETD680313 rfc True i2 2026-01-01"


def test_groups_survive_each_by_its_own_rule(golden: dict[str, list[str]]) -> None:
    assert of(golden, "i_valid", "birth_date") == "1980-01-01 i2 2026-01-01"
    assert of(golden, "i_valid", "marketing") == "False i4 2026-01-01"
    assert of(golden, "i_valid", "loyalty") == "77 T1 i3 2026-01-01"


def test_what_lost_is_kept_and_one_value_a_group_won(ranked: DataFrame) -> None:
    values = attribute_rows(ranked)
    shown = values.filter("customer_id = 'i_valid' AND attribute_group = 'tax_id'")
    assert told(shown, "rank", "record_id", "value", "is_golden") == [
        '1 i2 {"tax_id":"PETD680313","tax_id_type":"rfc","tax_id_valid":true} True',
        '2 i1 {"tax_id":"XAXX01","tax_id_type":"rfc","tax_id_valid":false} False',
    ]
    emails = values.filter("customer_id = 'c_many' AND attribute_group = 'emails'")
    assert told(emails, "record_id", "value", "is_golden") == [
        'e1 {"emails":"ana@x.mx"} True',
        'e1 {"emails":"b@x.mx"} True',
        'e2 {"emails":"a.na+shop@x.mx"} True',
        'e2 {"emails":"ana@x.mx"} True',
        'e3 {"emails":"no@no.com"} False',
    ]


def test_a_source_that_a_rule_does_not_trust_feeds_nothing(records: DataFrame) -> None:
    strict = rules(name="recency : crm", emails="trust : web")
    master = golden_values(rank_candidates(records, strict, D))
    asked = master.filter("customer_id IN ('longest', 'c_many', 'most')")
    assert told(asked, "customer_id", "given_name", "name_record_id", "emails") == [
        "c_many - - a.na+shop@x.mx;ana@x.mx",
        "longest Ana n1 -",
        "most Kike n3 -",
    ]


def test_every_group_needs_a_rule_and_a_typing_error_is_named() -> None:
    given = {group.name: Rule(by=("trust",)) for group in GROUPS}
    with pytest.raises(UsageError, match=r"groups.address is missing"):
        Survivorship(groups={name: rule for name, rule in given.items() if name != "address"})
    with pytest.raises(UsageError, match=r"groups.adress is not an attribute group. Did you mean address\?"):
        Survivorship(groups={**given, "adress": given["address"]})
    with pytest.raises(UsageError, match="trust names a source twice"):
        Survivorship(groups=given, trust=("crm", "crm"))


def test_groups_are_columns_of_silver_each_in_one_group() -> None:
    fields = [name for group in GROUPS for name in group.fields]
    assert len(fields) == len(set(fields))
    assert set(fields) <= set(CUSTOMER_RECORDS.names)
    assert all(CUSTOMER_RECORDS.column(g.fields[0]).type == STRINGS for g in GROUPS if g.many)
    assert len(list(group_columns())) == len(fields) + 3 * len(GROUPS)
