"""Records in standard form: the columns of silver, one row for each, whatever a source lacks."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.silver.customer_records import CUSTOMER_RECORDS, RAW
from pipelines.silver.standard_form import MADE
from pipelines.standardise import Hints, same_birth_date, standardise_records
from pipelines.standardise.arrow import cells, column, mapped, mapped_fields
from pipelines.standardise.names import Name
from pipelines.standardise.records import SCHEMA, standard_loyalty

HINTS = Hints("auto", "MX", ("yyyy-MM-dd", "dd/MM/yyyy"), date(2026, 7, 1))
RAW_SCHEMA = pa.schema(
    [(c.name, pa.list_(pa.string()) if c.name in ("emails_raw", "phones_raw") else pa.string()) for c in RAW]
    + [("loyalty_id", pa.string()), ("gender", pa.string())]
)


def standard(*rows: dict[str, Any], hints: Hints = HINTS) -> list[dict[str, Any]]:
    return standardise_records(pa.Table.from_pylist(list(rows), schema=RAW_SCHEMA), hints).to_pylist()


def test_the_columns_are_those_of_silver() -> None:
    declared = CUSTOMER_RECORDS.arrow
    assert tuple(SCHEMA.names) == MADE
    for name in MADE:
        assert SCHEMA.field(name).type == declared.field(name).type, name


def test_a_person_of_the_crm() -> None:
    (made,) = standard(
        {
            "given_name_raw": "Ma. del Carmen",
            "surname_raw": "GÓMEZ",
            "second_surname_raw": "de Ríos",
            "birth_date_raw": "1956-07-29",
            "emails_raw": ["Carmen.Gomez@Gmail.com", None],
            "phones_raw": ["222-526-32-11", "1111111111"],
            "address_raw": "Francisco I. Madero 1143",
            "district_raw": "Villa del Campo",
            "city_raw": "tijuana",
            "state_raw": "Baja California",
            "postal_code_raw": "22254",
            "country_raw": "MX",
            "gender": "F",
        }
    )
    assert {name: value for name, value in made.items() if value is not None} == {
        "party_type": "person",
        "given_name": "María del Carmen",
        "surname": "Gómez",
        "second_surname": "de Ríos",
        "birth_date": date(1956, 7, 29),
        "emails": ["carmen.gomez@gmail.com"],
        "phones": ["+522225263211"],
        "street_name": "Francisco I. Madero",
        "street_number": "1143",
        "district": "Villa del Campo",
        "postal_code": "22254",
        "city": "Tijuana",
        "state": "Baja California",
        "state_code": "MX-BCN",
        "country": "MX",
        "match_given": "maria del carmen",
        "match_given_tokens": ["maria", "carmen"],
        "match_given_formal": ["carmen", "maria"],
        "match_surname": "gomez",
        "match_second_surname": "rios",
        "match_name_tokens": ["carmen", "gomez", "maria", "rios"],
        "match_given_phonetic": "maria",
        "match_surname_phonetic": "gomes",
        "match_birth_date": date(1956, 7, 29),
        "match_birth_year": 1956,
        "match_emails": ["carmengomez@gmail.com"],
        "match_email_local": "carmengomez",
        "match_phones": ["+522225263211"],
        "match_postal_code": "22254",
        "match_city": "tijuana",
        "match_street": "francisco i madero 1143",
        "match_excluded": ["phone:placeholder"],
    }


def test_a_company_of_the_erp_has_no_persons_name() -> None:
    (made,) = standard(
        {
            "full_name_raw": "MUEBLES SOTO DEL NORTE S.A. DE C.V.",
            "party_type_raw": "company",
            "tax_id_raw": "XAXX010101000",
            "country_raw": "MX",
        }
    )
    assert (made["party_type"], made["company_name"]) == ("company", "Muebles Soto del Norte S.A. de C.V.")
    assert made["match_company"] == "muebles soto norte"
    assert made["given_name"] is made["surname"] is made["match_name_tokens"] is None
    assert made["match_tax_id"] is None
    assert made["match_excluded"] == ["tax_id:generic"]


def test_the_birth_date_as_evidence_comes_from_the_tax_id_where_the_source_has_none() -> None:
    tax_id = "SALA591104MX3"
    stated, derived = standard(
        {"full_name_raw": "SANCHEZ LARA JOSE", "tax_id_raw": tax_id, "birth_date_raw": "03/02/1960"},
        {"full_name_raw": "SANCHEZ LARA JOSE", "tax_id_raw": tax_id},
    )
    assert (stated["birth_date"], stated["match_birth_date"]) == (date(1960, 2, 3), date(1960, 2, 3))
    assert (derived["birth_date"], derived["match_birth_date"]) == (None, date(1959, 11, 4))
    assert (stated["match_birth_year"], derived["match_birth_year"]) == (1960, 1959)


def test_a_postal_code_inside_the_address_counts_where_there_is_no_other() -> None:
    inside, both = standard(
        {"address_raw": "Calle Hidalgo 12, C.P. 06700"},
        {"address_raw": "Calle Hidalgo 12, C.P. 06700", "postal_code_raw": "64000"},
    )
    assert (inside["postal_code"], both["postal_code"]) == ("06700", "64000")


def test_reasons_are_sorted_and_each_stands_once() -> None:
    (made,) = standard(
        {
            "full_name_raw": "CLIENTE MOSTRADOR",
            "emails_raw": ["x@x.com", "a@a.com"],
            "phones_raw": ["5555555555", "1111111111"],
            "loyalty_id": "0000000",
        }
    )
    assert made["match_excluded"] == [
        "email:placeholder",
        "given_name:placeholder",
        "loyalty_id:placeholder",
        "phone:placeholder",
    ]
    assert made["party_type"] == "unknown"


def test_missing_columns_count_as_null_and_no_rows_give_no_rows() -> None:
    received = pa.table({"record_id": ["1", "2"], "full_name_raw": ["Ana Soto", None]})
    made = standardise_records(received, HINTS)
    assert made.schema == SCHEMA
    assert made.column("match_surname").to_pylist() == ["soto", None]
    assert made.column("country").to_pylist() == ["MX", "MX"]
    assert made.column("match_excluded").to_pylist() == [None, None]
    assert standardise_records(received.slice(0, 0), HINTS).equals(SCHEMA.empty_table())
    nulls = pa.table([pa.nulls(3, field.type) for field in RAW_SCHEMA], schema=RAW_SCHEMA)
    assert standardise_records(nulls, HINTS).column("party_type").to_pylist() == ["unknown"] * 3


def test_columns_of_no_type_are_read() -> None:
    received = pa.table({"full_name_raw": ["Ana Soto"], "emails_raw": pa.nulls(1), "tax_id_raw": pa.nulls(1)})
    assert standardise_records(received, HINTS).column("given_name").to_pylist() == ["Ana"]


@pytest.mark.parametrize(
    ("received", "usable"),
    [
        ("77499306835045", "77499306835045"),
        ("77-4993 06a", "77499306A"),
        ("0000000", None),
        ("12345678", None),
        ("XXXXXX", None),
        ("n/a", None),
        (None, None),
    ],
)
def test_loyalty_ids(received: str | None, usable: str | None) -> None:
    assert standard_loyalty(received).usable == usable


def test_a_function_runs_once_for_each_distinct_combination() -> None:
    seen: list[tuple[str | None, str]] = []

    def lower(value: str | None, other: str) -> str | None:
        seen.append((value, other))
        return value and value.lower() + other

    values = pa.chunked_array([["A", "B"], [None, "A"]])
    assert mapped(lower, values, "!", kind=pa.string()).to_pylist() == ["a!", "b!", None, "a!"]
    assert seen == [("A", "!"), ("B", "!"), (None, "!")]


def test_the_fields_of_a_result_become_columns() -> None:
    made = mapped_fields(
        lambda value: Name(given_name=value), pa.array(["Ana", None]), kinds={"given_name": pa.string()}
    )
    assert made["given_name"].to_pylist() == ["Ana", None]
    lists = pa.array([["a"], None], pa.list_(pa.string()))
    assert cells(lists) == [("a",), None]
    assert column(pa.table({"x": [1]}), "y", pa.string()).to_pylist() == [None]


NAMES = ["SOTO LUNA ANA", "Ana Soto L.", "xxx", None, "Muebles Sol SA de CV", "jose.cordero"]
ROWS = st.fixed_dictionaries(
    {
        "full_name_raw": st.sampled_from(NAMES),
        "emails_raw": st.sampled_from([None, [], [None], ["a.b@gmail.com", "x@x.com"]]),
        "postal_code_raw": st.sampled_from([None, "7889", "00000"]),
        "country_raw": st.sampled_from([None, "ES", "México"]),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ROWS, max_size=8), st.integers(0, 8))
def test_a_record_does_not_depend_on_those_beside_it(rows: list[dict[str, Any]], cut: int) -> None:
    assert standard(*rows) == standard(*rows[:cut]) + standard(*rows[cut:])
    assert standard(*reversed(rows)) == standard(*rows)[::-1]


NEAR = st.dates(date(2026, 6, 20), date(2026, 7, 10))
BORN = st.one_of(
    st.sampled_from(["", "unknown", "00/00/0000", "1970-01-01", "31/02/1980"]),
    st.builds(
        lambda day, age, pattern: day.replace(year=day.year - age).strftime(pattern),
        NEAR,
        st.sampled_from([-1, 0, 1, 20, 99, 100, 101, 119, 120, 121]),
        st.sampled_from(["%d/%m/%y", "%y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d"]),
    ),
)
FORMATS = st.permutations(["dd/MM/yy", "yyMMdd", "dd/MM/yyyy", "MM/dd/yyyy"])


@settings(max_examples=200, deadline=None)
@given(st.lists(BORN, min_size=1, max_size=8), FORMATS, NEAR, NEAR)
def test_but_for_its_birth_date_a_record_does_not_depend_on_the_night(
    born: list[str], formats: list[str], one: date, other: date
) -> None:
    rows = [{"full_name_raw": "Ana Ruiz", "tax_id_raw": "RUAA060630AB1", "birth_date_raw": b} for b in born]
    hints = [Hints("auto", "MX", tuple(formats), night) for night in (one, other)]
    first, second = (standard(*rows, hints=known) for known in hints)
    same = same_birth_date(pa.array(born), pa.array([one] * len(born)), hints[1]).to_pylist()
    for holds, before, after in zip(same, first, second, strict=True):
        assert not holds or before == after
