"""``padron lookup``: who is this, in any spelling; one customer, or candidates, never a guess."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_house import ANA, EVA, FIRST, HUGO, LEO, OLDER, SHOP, register

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops.lookup import SCHEMA, Register, lookup
from pipelines.settings import load_settings


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return register(tmp_path_factory.getbasetemp() / "register")


@pytest.fixture(scope="module")
def people(root: str) -> Register:
    return Register(root, load_settings())


def who(people: Register, text: str | None = None, **said: str | date) -> tuple[str, list[str]]:
    found = people.lookup(text, **said)
    return found.outcome, [c.customer_id for c in found.candidates]


@pytest.mark.parametrize(
    "text",
    [
        "Ana.Garcia@GMAIL.com",
        "anagarcia+otra@gmail.com",
        "77 000123",
        "a-17",
        "crm:1",
        "web:1",
        ANA.lower(),
        "García López Ana 1980-03-01",
        "Ana García López, nacida el 1 de marzo de 1980",
        "Ana García López <ana.garcia@gmail.com>",
        "pedido a 17",
        "A17",
        "García (55) 7391-4826 ext 12, 01/03/1980",
    ],
)
def test_a_text_of_any_kind_finds_the_one_customer(people: Register, text: str) -> None:
    assert who(people, text) == ("one", [ANA])


@pytest.mark.parametrize("spelling", ["612847309", "+34 612 84 73 09", "0034612847309", "612.847.309"])
def test_a_phone_is_found_in_any_spelling_of_any_country_that_the_register_knows(
    people: Register, spelling: str
) -> None:
    assert who(people, phone=spelling) == ("one", [OLDER])


def test_a_tax_id_is_found_in_any_spelling(people: Register) -> None:
    assert who(people, tax_id="12.345.678-z") == ("one", [OLDER])


@pytest.fixture(scope="module")
def unscored(root: str) -> Register:
    """A register that asks no model, and so is quick."""
    found = Register(root, load_settings())
    found.generation = None
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_spelling_of_a_number_finds_whose_it_is(unscored: Register, data: st.DataObject) -> None:
    number, customer = data.draw(
        st.sampled_from([("612847309", OLDER), ("12345678Z", OLDER), ("A17", ANA), ("77000123", ANA)])
    )
    cuts = data.draw(st.sets(st.integers(1, len(number) - 1), max_size=3))
    signs = data.draw(st.lists(st.sampled_from([" ", "-", ".", "/", " - "]), min_size=3, max_size=3))
    parts = [number[a:b] for a, b in pairwise([0, *sorted(cuts), len(number)])]
    spelt = "".join(part + sign for part, sign in zip(parts, [*signs[: len(parts) - 1], ""], strict=True))
    name = {OLDER: "Hugo Molina", ANA: "Ana García"}[customer]
    # Behind a name, letters apart from their digits may be a part of it.
    beside = [f"{name}, {spelt}", f"{name} <{spelt}>"] if number[0].isdigit() else []
    text = data.draw(st.sampled_from([spelt, spelt.lower(), *beside]))
    assert who(unscored, text) == ("one", [customer])


def test_a_phone_of_two_people_gives_both_and_the_name_tells_them_apart(people: Register) -> None:
    outcome, ids = who(people, phone="+52 55 7391 4826")
    assert (outcome, sorted(ids)) == ("candidates", sorted([ANA, EVA]))
    assert who(people, phone="+52 55 7391 4826", name="Eva García") == ("one", [EVA])


def test_candidates_are_ranked_by_what_agrees_and_by_the_model(people: Register) -> None:
    found = people.lookup(phone="55 7391 4826", email="ana.garcia@gmail.com")
    assert found.outcome == "one"
    found = people.lookup(phone="55 7391 4826", email="unknown@correo.mx")
    probabilities = [c.probability for c in found.candidates]
    assert found.outcome == "candidates"
    assert None not in probabilities
    assert probabilities == sorted(probabilities, reverse=True)  # type: ignore[type-var]


def test_a_phone_with_another_name_is_no_answer(people: Register) -> None:
    found = people.lookup(phone="612 847 309", name="Pedro Infante")
    assert found.outcome == "candidates"
    assert [(c.customer_id, c.agrees, c.differs) for c in found.candidates] == [
        (OLDER, ("phone",), ("name",))
    ]


def test_a_shared_value_says_that_it_is_shared(people: Register) -> None:
    found = people.lookup(phone=SHOP, limit=3)
    assert (found.outcome, found.total, len(found.candidates)) == ("candidates", 7, 3)
    assert found.notes == ("the phone is shared by 7 names in 7 records: it says nothing about who it is",)
    assert who(people, phone=SHOP, name="Luz Nava")[0] == "candidates"


def test_a_name_alone_never_decides_and_a_misspelt_one_neither(people: Register) -> None:
    assert who(people, "Leticia Zapata") == ("nobody", [])
    assert who(people, name="Rosa Prado")[0] == "candidates"
    found = people.lookup(name="Anna Garsia López", birth_date=date(1980, 3, 1))
    assert found.outcome == "candidates"
    assert (found.candidates[0].customer_id, "similar_name" in found.candidates[0].agrees) == (ANA, True)
    assert found.candidates[0].probability is not None
    assert found.candidates[0].probability > 0.5


def test_one_word_of_a_name_gives_all_who_bear_it(people: Register) -> None:
    found = people.lookup("García", limit=1)
    assert (found.outcome, found.total, len(found.candidates)) == ("candidates", 2, 1)
    assert found.candidates[0].agrees == ("name",)
    assert found.notes == (
        "2 customers have that name: give more, such as a birth date, a phone or an e-mail",
    )
    assert who(people, "Garsía")[0] == "candidates"
    # Too few to be sure of somebody by a given name and a day; enough beside a phone.
    assert who(people, name="Eva", birth_date="1984-07-09") == ("candidates", [EVA])
    assert who(people, name="Eva", phone="55 7391 4826") == ("one", [EVA])
    # Leo has no live record.
    assert who(people, "Vega") == ("candidates", [LEO])


def test_a_value_that_identifies_goes_before_a_name(people: Register) -> None:
    found = people.lookup(phone="612 847 309", name="Eva García")
    assert [(c.customer_id, c.agrees, c.differs, c.unknown) for c in found.candidates] == [
        (OLDER, ("phone",), ("name",), ()),
        (EVA, ("name",), ("phone",), ()),
    ]
    found = people.lookup(order="a-17", name="Eva García", birth_date=date(1984, 7, 9))
    assert [(c.customer_id, c.agrees, c.differs) for c in found.candidates] == [
        (ANA, ("order",), ("name", "birth_date")),
        (EVA, ("name", "birth_date"), ("order",)),
    ]
    assert [c.unknown for c in people.lookup(name="Hugo Molina", birth_date="1/2/1980").candidates] == [
        ("birth_date",)
    ]


def test_what_two_records_of_a_customer_say_agrees_together(people: Register) -> None:
    assert who(people, tax_id="12345678Z", phone="612847309") == ("one", [OLDER])


def test_what_of_a_text_is_nobodys_or_unused_is_said(people: Register) -> None:
    found = people.lookup("Eva García 55 1111 2345, A-17, x-99")
    assert found.notes[-1] == "not looked for: “x-99”"
    found = people.lookup("Hugo Molina 998877")
    assert (found.outcome, [c.customer_id for c in found.candidates]) == ("candidates", [OLDER])
    assert found.notes[0] == "“998877” is nobody's tax id, loyalty id or order"
    assert found.asked == {"name": "Hugo Molina"}
    found = people.lookup(name="Hugo Molina 77")
    assert "not looked for: “77”" in found.notes


def test_an_id_that_was_merged_leads_to_its_customer_and_says_so(people: Register) -> None:
    found = people.lookup(HUGO)
    assert (found.outcome, found.candidates[0].customer_id) == ("one", OLDER)
    assert found.notes == (f"{HUGO} is no customer any more: merged into {OLDER}",)


def test_a_customer_without_live_records_is_found_by_what_was_last_known(people: Register) -> None:
    found = people.lookup(email="leo@correo.mx")
    assert (found.outcome, found.candidates[0].customer_id, found.candidates[0].is_live) == (
        "one",
        LEO,
        False,
    )


def test_an_order_of_an_unknown_record_is_nobodys(people: Register) -> None:
    found = people.lookup(order="A-18")
    assert (found.outcome, found.notes) == ("nobody", ("the order is known, and whose it is is not",))


def test_as_of_asks_the_release_of_that_date_and_says_what_the_id_is_now(root: str) -> None:
    found = lookup(root, email="hugo@correo.mx", as_of=FIRST)
    assert (found.outcome, found.candidates[0].customer_id, found.candidates[0].now) == (
        "one",
        HUGO,
        (OLDER,),
    )
    with pytest.raises(UsageError, match="first release is later"):
        lookup(root, "hugo@correo.mx", as_of=date(2026, 6, 30))


def test_a_notebook_gets_a_table(people: Register) -> None:
    found = people.lookup("hugo@correo.mx")
    assert found.table.schema == SCHEMA
    assert found.table.num_rows == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "Say whom to look up"),
        ({"birth_date": "1980-03-01"}, "add --name"),
        ({"phone": "123"}, "given as phone cannot be read"),
        ({"email": "nobody"}, "given as email cannot be read"),
        ({"name": "Ana", "birth_date": "31/02/1980"}, "given as birth date cannot be read"),
    ],
)
def test_what_cannot_be_read_is_said(people: Register, said: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        people.lookup(**said)  # type: ignore[arg-type]


def test_a_text_and_options_together_are_refused(people: Register) -> None:
    with pytest.raises(UsageError, match="not both"):
        people.lookup("ana", name="ana")


def test_the_command_tells_outcomes_apart_by_its_exit_code(
    root: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def run(*arguments: str) -> int:
        return execute(["lookup", "--warehouse", root, *arguments])

    assert run("hugo@correo.mx", "--json") == 0
    assert json.loads(capsys.readouterr().out)["candidates"][0]["customer_id"] == OLDER
    assert run("--phone", "55 7391 4826") == 5
    printed = capsys.readouterr().out
    assert ANA in printed
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80
    assert run("--phone", "612 847 309", "--name", "Eva García") == 5
    printed = " ".join(capsys.readouterr().out.split())
    assert "by phone and name," in printed
    assert "who agrees with most first" in printed
    assert "phone; not name" in printed
    assert "name; not phone" in printed
    assert run("Hugo Molina Ruiz 612847309") == 0
    assert "by name “Hugo Molina Ruiz” and phone “612847309”," in capsys.readouterr().out
    assert run("nobody@correo.mx") == 6
    assert run("--phone", "12") == 2
    assert execute(["lookup", "--warehouse", str(tmp_path), "x@correo.mx"]) == 1
