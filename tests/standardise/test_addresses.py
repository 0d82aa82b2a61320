"""Street lines of Mexico and Spain, part by part."""

from __future__ import annotations

import csv
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.addresses import Address, parse_address
from pipelines.standardise.spelling import name_key, spelled
from pipelines.standardise.text import plain

TABLE = Path(__file__).with_name("addresses_table.csv")
FIELDS = [
    "street_type",
    "street_name",
    "street_number",
    "interior",
    "district",
    "postal_code",
    "street_key",
]
LATIN = st.text(alphabet=string.ascii_letters + "áéíóúñÁÉÍÓÚÑüÜ" + string.digits + " .,#/-ºª()", max_size=60)


def table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row['country']} {row['line']}")
def test_a_line_gives_its_parts(row: dict[str, str]) -> None:
    address = parse_address(row["line"], None, row["country"])
    assert {name: getattr(address, name) for name in FIELDS} == {name: row[name] or None for name in FIELDS}
    assert address.reasons == ()


@pytest.mark.parametrize(
    "line",
    [
        "Domicilio conocido",
        "conocido",
        "S/N",
        "x",
        "XXX",
        "n/a",
        "sin direccion",
        "CALLE",
        "Calle sin nombre",
        "Conocido S/N",
        "-",
    ],
)
def test_a_placeholder_gives_nothing_and_says_so(line: str) -> None:
    assert parse_address(line, None, "MX") == Address(reasons=("address:placeholder",))


@pytest.mark.parametrize("line", [None, "", "   "])
def test_no_line_gives_nothing(line: str | None) -> None:
    assert parse_address(line, None, "MX") == Address()


def test_a_placeholder_keeps_the_district() -> None:
    address = parse_address("Domicilio conocido S/N, Ejido Hidalgo", None, "MX")
    assert address == Address(district="Hidalgo", reasons=("address:placeholder",))


@pytest.mark.parametrize(
    ("district", "expected"),
    [
        ("  emiliano  zapata  ", "Emiliano Zapata"),
        ("Col. Del Valle", "Del Valle"),
        ("FRACC. LOS PINOS", "Los Pinos"),
        ("COLINAS DEL BOSQUE 1A SECCION", "Colinas del Bosque 1a Sección"),
        ("Emiliano Zapata (Fomerrey 18)", "Emiliano Zapata (Fomerrey 18)"),
        ("Ampl. Tlacuitlapa", "Ampliación Tlacuitlapa"),
        ("Residencial Pensiones I y II", "Residencial Pensiones I y II"),
        ("Barrio de la Salud", "La Salud"),
        ("Bo. San Juan", "San Juan"),
    ],
)
def test_a_district_of_its_own_goes_before_the_lines(district: str, expected: str) -> None:
    assert parse_address("Juárez 5 Col. Otra", district, "MX").district == expected


def test_an_unusable_district_leaves_the_lines() -> None:
    assert parse_address("Juárez 5 Col. Centro", "N/A", "MX").district == "Centro"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C. FRANCISCO I. MADERO 301 COL AMPLIACIÓN TLACUITLAPA", "Francisco I. Madero 301"),
        ("CALLE DE BALMES 72, COL. ABANDO", "Balmes 72"),
        ("AVENIDA DE LA PAZ 5", "La Paz, 5"),
        ("GRAL. ANAYA 12", "General Anaya #12"),
        ("Ntra. Sra. de Guadalupe 3", "Calle Nuestra Señora Guadalupe No. 3"),
        ("JOSE MA. MORELOS Y PAVON 8", "José María Morelos y Pavón 8, Int. 3"),
        ("Cinco de Mayo 10", "Calle 5 de Mayo 10"),
        ("Av. Paseo de la Reforma 222", "Reforma 222"),
        ("Hidalgo 12 B", "HIDALGO 12-B"),
        ("Hidalgo 12B", "Hidalgo núm. 12-b"),
        ("Benito Juárez S/N", "Calle Benito Juárez"),
        ("Díaz Ordaz 130 Pte.", "Blvd. Díaz Ordaz Poniente 130"),
    ],
)
def test_one_street_has_one_key_however_it_is_written(one: str, other: str) -> None:
    assert parse_address(one, None, "MX").street_key == parse_address(other, None, "MX").street_key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hidalgo 12", "Hidalgo 21"),
        ("Hidalgo 12", "Hidalgo 12 bis"),
        ("3 Sur 104", "3 Norte 104"),
        ("Calle 60 480", "Calle 62 480"),
        ("5 de Mayo 4", "15 de Mayo 4"),
        ("Carretera Nacional Km 5", "Carretera Nacional 5"),
    ],
)
def test_different_houses_have_different_keys(one: str, other: str) -> None:
    assert parse_address(one, None, "MX").street_key != parse_address(other, None, "MX").street_key


@settings(max_examples=300, deadline=None)
@given(
    st.none() | st.text(max_size=80), st.none() | st.text(max_size=30), st.sampled_from(["MX", "ES", "US"])
)
def test_nothing_raises(line: str | None, district: str | None, country: str) -> None:
    address = parse_address(line, district, country)
    assert address.street_key is None or address.street_name is not None
    assert all(value is None or value == value.strip() != "" for value in address[:-1])


def test_a_long_line_does_not_raise() -> None:
    assert parse_address("Juárez 5 " + "edificio Alfa " * 2000, None, "MX").street_key == "juarez 5"


@settings(max_examples=300, deadline=None)
@given(LATIN, st.sampled_from(["MX", "ES", "US"]))
def test_a_standard_spelling_is_standard_again(text: str, country: str) -> None:
    once = spelled(text, country)
    assert spelled(once, country) == once


@settings(max_examples=200, deadline=None)
@given(LATIN, st.sampled_from(["MX", "ES"]))
def test_a_key_is_the_same_without_case_and_accents(text: str, country: str) -> None:
    keys = {
        name_key(spelled(form, country)) for form in (text, text.upper(), text.lower(), _unaccented(text))
    }
    assert len(keys) == 1


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row['country']} {row['line']}")
def test_case_and_accents_do_not_change_the_street(row: dict[str, str]) -> None:
    forms = (row["line"].upper(), row["line"].lower(), _unaccented(row["line"]))
    addresses = [parse_address(form, None, row["country"]) for form in forms]
    assert {address.street_key for address in addresses} == {row["street_key"] or None}
    assert {address.street_number for address in addresses} == {row["street_number"] or None}
    assert {address.street_type for address in addresses} == {row["street_type"] or None}


def _unaccented(text: str) -> str:
    """Without accents, but with the signs of ordinals, which decide between floor and letter."""
    return "".join(c if c in "ºªè" else plain(c) for c in text)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        ("SAN PEDRO DE LOS GARZA", "San Pedro de los Garza"),
        ("LAZARO CARDENAS", "Lázaro Cárdenas"),
        ("francisco i. madero", "Francisco I. Madero"),
        ("ninos heroes", "Niños Héroes"),
        ("juan xxiii", "Juan XXIII"),
        ("RAMON Y CAJAL", "Ramón y Cajal"),
        ("CONSTITUCION", "Constitución"),
        ("mazatlan", "Mazatlán"),
        ("SANT MARTI DE PROVENCALS", "Sant Marti de Provencals"),
        ("O'HIGGINS", "O'Higgins"),
        ("Pte. Masaryk", "Presidente Masaryk"),
        ("5 PTE", "5 Poniente"),
        ("VITORIA-GASTEIZ", "Vitoria-Gasteiz"),
    ],
)
def test_names_get_their_usual_spelling(received: str, expected: str) -> None:
    assert spelled(received, "ES") == expected
