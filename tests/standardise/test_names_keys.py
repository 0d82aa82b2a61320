"""Matching keys of names: what two spellings of one person's name have in common."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import UsageError
from pipelines.standardise import text
from pipelines.standardise.handles import divided
from pipelines.standardise.hypocoristics import formal_names
from pipelines.standardise.name_evidence import evidence, without_particles
from pipelines.standardise.name_words import PARTICLES, Unit, spelled, units
from pipelines.standardise.names import Name, standard_name
from pipelines.standardise.text import fold, repaired


def fields(given_name: str | None, surname: str | None = None, second: str | None = None) -> Name:
    return standard_name(None, given_name, surname, second, "given_first", "MX")


KEYS = """
    José Ángel      | PEÑA            | de la O        | jose angel       | jose,angel   | pena          | o
    Mª de los Ángeles | Hdz.          | Glez.          | maria de los angeles | maria,angeles | hernandez | gonzalez
    María del Carmen | de la Cruz     | de Flores      | maria del carmen | maria,carmen | cruz          | flores
    Juan            | Ponce de León   | L.             | juan             | juan         | ponce leon    | l
    J.              | San Martín      |                | j                | j            | san martin    |
    Jean-Pierre     | García-Huidobro |                | jean pierre      | jean,pierre  | garcia huidobro |
    Sean            | O'Neill         |                | sean             | sean         | oneill        |
    Ana             | G.              | Mora           | ana              | ana          |               | mora
"""


def rows(text: str) -> list[tuple[str | None, ...]]:
    return [tuple(cell.strip() or None for cell in line.split("|")) for line in text.strip().splitlines()]


@pytest.mark.parametrize(
    ("first", "family", "mother", "given_key", "tokens", "surname", "second"), rows(KEYS)
)
def test_keys_by_hand(
    first: str,
    family: str,
    mother: str | None,
    given_key: str,
    tokens: str,
    surname: str | None,
    second: str | None,
) -> None:
    made = fields(first, family, mother)
    assert made.match_given == given_key
    assert made.match_given_tokens == tuple(tokens.split(","))
    assert (made.match_surname, made.match_second_surname) == (surname, second)


def test_tokens_are_sorted_without_particles_and_initials_whatever_the_order_of_names() -> None:
    made = fields("María del Carmen", "de la Cruz", "R.")
    assert made.match_name_tokens == ("carmen", "cruz", "maria")
    assert standard_name("CRUZ MARIA CARMEN", None, None, None, "auto", "MX").match_name_tokens == (
        "carmen",
        "cruz",
        "maria",
    )


def test_phonetic_keys_are_of_the_first_given_name_and_the_first_surname() -> None:
    made = fields("Geovanni José", "Ponce de León", "Vázquez")
    assert (made.match_given_phonetic, made.match_surname_phonetic) == ("jeobani", "ponseleon")
    assert fields("J.", "Soto").match_given_phonetic is None


def test_a_lost_tilde_is_heard_but_two_surnames_stay_two() -> None:
    assert fields("Ana", "Munoz").match_surname_phonetic == fields("Ana", "Muñoz").match_surname_phonetic
    assert fields("Ana", "Pena").match_surname_phonetic != fields("Ana", "Peña").match_surname_phonetic
    assert fields("Ana", "Pena").match_surname == fields("Ana", "Peña").match_surname


FORMAL = """
    Paco        | francisco paco
    Lupita      | guadalupe lupita maria
    Maru        | eugenia maria maru
    Juanqui     | carlos juan juanqui
    Pepe Luis   | antonio jose luis pepe
    Juan Ca     | ca carlos juan
    Chuy        | chuy jesus
    Nachito     | ignacio nachito
    Antoñito    | antonio antonito
    Dieguito    | diego dieguito
    Paquito     | francisco paco paquito
    Carlitos    | carlitos carlos
    Margarita   | margarita
    Benito      | benito
    José        | jose
    María José  | jose maria
    Xyz         | xyz
"""


@pytest.mark.parametrize(("received", "expected"), rows(FORMAL))
def test_formal_names_that_a_short_form_may_stand_for(received: str, expected: str) -> None:
    words = fold(received).split()
    assert formal_names(words, evidence()) == tuple(expected.split())


def test_the_short_form_is_kept_and_its_formal_names_are_keys() -> None:
    made = fields("Paco", "Soto")
    assert (made.given_name, made.match_given) == ("Paco", "paco")
    assert made.match_given_formal == ("francisco", "paco")


@pytest.mark.parametrize(
    ("word", "given_names", "surname", "second"),
    [
        ("anajimenez", "Ana", "Jimenez", None),
        ("ltamezfuentes", "L.", "Tamez", "Fuentes"),
        ("acarrillobautista", "A.", "Carrillo", "Bautista"),
        ("victormanuel", "Victor Manuel", None, None),
        ("JiménezAna", "Ana", "Jiménez", None),
    ],
)
def test_names_in_one_word(word: str, given_names: str, surname: str | None, second: str | None) -> None:
    found = divided(units(word)[0], evidence())
    assert found is not None
    assert " ".join(unit.spelling for unit in found.given) == given_names
    assert found.surname == (surname and Unit(surname, (fold(surname),)))
    assert found.second_surname == (second and Unit(second, (fold(second),)))


@pytest.mark.parametrize(
    "word", ["margarita", "Villarreal", "schwarzenegger", "ana", "kzxwv", "Montesinos", "tqmhjk"]
)
def test_one_name_stays_one(word: str) -> None:
    assert divided(units(word)[0], evidence()) is None


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("GARCÍA", "García"),
        ("garcía-huidobro", "García-Huidobro"),
        ("o´neill", "O'Neill"),
        ("McGregor", "McGregor"),
        ("DeLeón", "DeLeón"),
        ("gARCIA", "Garcia"),
        ("ñandú", "Ñandú"),
    ],
)
def test_spelling(received: str, expected: str) -> None:
    assert spelled(received) == expected


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("AdriÃ¡n", "Adrián"),
        ("PeÃ±a", "Peña"),
        ("MartÃ\u00adnez", "Martínez"),
        ("Ã\u0081ngel", "Ángel"),
        ("SÃO", "SÃO"),
        ("Ana", "Ana"),
    ],
)
def test_text_read_in_the_wrong_encoding_is_read_again(received: str, expected: str) -> None:
    assert repaired(received) == expected


def test_folding() -> None:
    assert fold("  PEÑA-O'Neill,  José ") == "pena oneill jose"
    assert fold("Çelik Groß Øre 12") == "celik gross ore 12"
    assert fold("Иван") == "иван"
    assert fold("¿?") == ""


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=25))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=25) | st.sampled_from(["maria de la o", "de la", "jose luis", "José  de", "o'neill"]))
def test_an_entry_without_particles_is_its_folded_words(name: str) -> None:
    words = tuple(fold(name).split())
    assert without_particles(name) == (tuple(word for word in words if word not in PARTICLES) or words)


def test_a_row_of_a_dictionary_that_is_too_short_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "dictionaries").mkdir()
    (tmp_path / "dictionaries" / "trades.csv").write_text("word,kind\nbar,shop\n\nkiosk\n", encoding="utf-8")
    monkeypatch.setattr(text, "default_conf", lambda: tmp_path)
    with pytest.raises(UsageError, match=r"trades\.csv, line 4: it needs 2 values \(word, kind\)"):
        list(text.dictionary("trades.csv"))


SPELLINGS = st.sampled_from([str.upper, str.lower, str.title, lambda s: f"  {s}  ".replace(" ", "  ")])


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(["José Luis", "Mª Fernanda", "Juan de Dios", "Ángel"]),
    st.sampled_from(["Muñoz", "de la Torre", "Ponce de León", "Hdz."]),
    st.sampled_from(["Núñez", "de Solís", "R.", "San Vicente"]),
    SPELLINGS,
)
def test_case_and_blanks_do_not_change_the_keys(
    first: str, family: str, mother: str, spelling: object
) -> None:
    assert callable(spelling)
    keys = fields(first, family, mother)
    assert fields(spelling(first), spelling(family), spelling(mother))[3:] == keys[3:]
