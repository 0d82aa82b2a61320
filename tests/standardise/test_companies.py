"""Companies: the legal form is known however it is dotted, and is no part of the key."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.companies import has_legal_form, standard_company
from pipelines.standardise.parties import party_type, standard_party
from pipelines.standardise.text import fold

COMPANIES = """
    CONSULTORES SOL S.A. DE C.V.               | Consultores Sol S.A. de C.V.               | consultores sol
    Consultores Sol SA de CV                   | Consultores Sol S.A. de C.V.               | consultores sol
    Consultores Sol, S. A. de C. V.            | Consultores Sol S.A. de C.V.               | consultores sol
    CONSULTORES SOL S.A. ED C.V.               | Consultores Sol S.A. de C.V.               | consultores sol
    FERRETERA DEL NORTE S. DE R.L. DE C.V.     | Ferretera del Norte S. de R.L. de C.V.     | ferretera norte
    FERRETERA DEL NORTE S DE RL DE CV          | Ferretera del Norte S. de R.L. de C.V.     | ferretera norte
    MUEBLES AZTECA SAPI DE CV                  | Muebles Azteca S.A.P.I. de C.V.            | muebles azteca
    Crédito Real S.A.B. de C.V.                | Crédito Real S.A.B. de C.V.                | credito real
    CREDITO FACIL SOFOM E.N.R.                 | Credito Facil SOFOM E.N.R.                 | credito facil
    EJIDO LA LUZ SPR DE RL                     | Ejido la Luz S.P.R. de R.L.                | ejido luz
    CLUB DE LEONES A.C.                        | Club de Leones A.C.                        | club leones
    Bufete Martínez S.C.                       | Bufete Martínez S.C.                       | bufete martinez
    Transportes López, S.L.U.                  | Transportes López S.L.U.                   | transportes lopez
    SUMINISTROS PENA SL                        | Suministros Pena S.L.                      | suministros pena
    Frutas de la Vega S.Coop.                  | Frutas de la Vega S.Coop.                  | frutas vega
    Frutas de la Vega S. Coop. And.            | Frutas de la Vega S.Coop.And.              | frutas vega
    Hermanos Pérez C.B.                        | Hermanos Pérez C.B.                        | hermanos perez
    Talleres Hnos. Gil SL                      | Talleres Hnos. Gil S.L.                    | talleres hermanos gil
    ALIMENTOS LOPEZ Y CIA.                     | Alimentos Lopez y Cia                      | alimentos lopez
    ALIMENTOS LOPEZ Y CIA. S. DE R.L. DE C.V.  | Alimentos Lopez y Cia S. de R.L. de C.V.   | alimentos lopez
    Inmobiliaria Sur Sociedad Limitada         | Inmobiliaria Sur Sociedad Limitada         | inmobiliaria sur
    Ropa & Más SA                              | Ropa & Más S.A.                            | ropa mas
    Nestlé Inc.                                | Nestlé Inc.                                | nestle
    Foo Bar GmbH                               | Foo Bar GmbH                               | foo bar
    DEL PACIFICO S.A. DE C.V.                  | Del Pacifico S.A. de C.V.                  | pacifico
    GRUPO CFTV                                 | Grupo CFTV                                 | grupo cftv
"""


def rows(text: str) -> list[tuple[str, ...]]:
    return [tuple(cell.strip() for cell in line.split("|")) for line in text.strip().splitlines()]


@pytest.mark.parametrize(("received", "spelled", "key"), rows(COMPANIES))
def test_companies_by_hand(received: str, spelled: str, key: str) -> None:
    made = standard_company(received)
    assert (made.company_name, made.match_company) == (spelled, key)


@pytest.mark.parametrize("name", ["Y", "De la", "SA", "La S.A."])
def test_a_name_of_connectors_or_forms_keeps_a_key(name: str) -> None:
    assert standard_company(name).match_company


def test_a_placeholder_is_no_company() -> None:
    made = standard_company("PÚBLICO EN GENERAL")
    assert (made.company_name, made.match_company) == (None, None)
    assert made.reasons == ("company_name:placeholder",)
    assert standard_company("  ").reasons == ()


@pytest.mark.parametrize(
    "name",
    [
        "Muebles Sol SA de CV",
        "Gil y Cía",
        "Acme Ltd",
        "FERRETERIA LA LUZ",
        "Bufete Soto S.C.",
        "Teresa Soto S.L.",
    ],
)
def test_a_legal_form_or_a_trade_makes_a_company(name: str) -> None:
    assert has_legal_form(name)


@pytest.mark.parametrize("name", ["Ana S. C.", "Ana Soto SC", "Luis Sa", "Juan Pérez", "María Ventas", ""])
def test_initials_and_surnames_make_none(name: str) -> None:
    assert not has_legal_form(name)


@pytest.mark.parametrize(
    ("declared", "tax_party", "name", "expected"),
    [
        ("person", "company", "Muebles Sol S.A.", "person"),
        ("company", "person", "Ana Soto", "company"),
        (None, "company", "Ana Soto", "company"),
        (None, "person", "Muebles Sol S.A.", "person"),
        (None, None, "Muebles Sol S.A.", "company"),
        ("other", None, "Ana Soto", None),
        (None, None, "", None),
    ],
)
def test_the_declared_type_counts_first_then_the_tax_id_then_the_legal_form(
    declared: str | None, tax_party: str | None, name: str, expected: str | None
) -> None:
    assert party_type(declared, tax_party, name) == expected


def test_a_company_has_no_given_name_and_a_person_no_company_name() -> None:
    company = standard_party("SOTO LUNA SA DE CV", None, None, None, None, None, "auto", "MX")
    assert (company.party_type, company.company.match_company) == ("company", "soto luna")
    assert (company.name.given_name, company.name.surname, company.name.match_name_tokens) == (
        None,
        None,
        None,
    )
    person = standard_party("SOTO LUNA ANA", None, None, None, None, None, "auto", "MX")
    assert (person.party_type, person.name.given_name) == ("person", "Ana")
    assert person.company.company_name is None


def test_a_company_may_come_in_the_fields_of_a_person() -> None:
    made = standard_party(None, "Ana", "Sal", None, None, None, "auto", "MX")
    assert (made.party_type, made.name.surname) == ("person", "Sal")
    assert standard_party("Ana Sal", None, None, None, None, None, "auto", "MX").party_type == "company"
    assert standard_party(None, "Muebles Sol", "Sal", None, None, None, "auto", "MX").party_type == "company"
    made = standard_party(None, "Muebles Soto", "SA de CV", None, None, None, "auto", "MX")
    assert (made.party_type, made.company.company_name) == ("company", "Muebles Soto S.A. de C.V.")


def test_nobody_is_of_unknown_type() -> None:
    assert standard_party(None, None, " ", None, None, None, "auto", "MX").party_type == "unknown"
    assert (
        standard_party("cliente mostrador", None, None, None, None, None, "auto", "MX").party_type
        == "unknown"
    )
    assert standard_party(None, None, None, None, None, "person", "auto", "MX").party_type == "person"


FORMS = ["S.A. de C.V.", "SA DE CV", "s. de r.l. de c.v.", "S.L.", "SAPI de CV", "S.C.", "A.C.", "SLU"]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["Muebles", "Soto", "del", "Norte", "Águila", "y", "Peña"]), min_size=1, max_size=4
    ),
    st.sampled_from(FORMS),
)
def test_the_form_the_case_and_the_accents_do_not_change_the_key(words: list[str], form: str) -> None:
    name = " ".join([*words, "Sol"])
    key = standard_company(name).match_company
    assert standard_company(f"{name} {form}").match_company == key
    assert standard_company(fold(name).upper()).match_company == key


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=25))
def test_any_text_gives_a_key_or_nothing(text: str) -> None:
    made = standard_company(text)
    assert made.match_company is None or made.match_company == fold(made.match_company)
