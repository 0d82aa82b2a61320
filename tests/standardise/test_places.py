"""Countries, postal codes, cities and states in their standard form."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.standardise.places import Place, standard_country, standard_place
from pipelines.standardise.text import dictionary

NAMES = st.text(alphabet="abcdeilmnorstuxyzABCDEILMNORSTUXYZáéíóúñÁÉÍÓÚÑ .,-/'()0123456789", max_size=30)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("MX", "MX"),
        ("mex", "MX"),
        ("México", "MX"),
        ("MEXICO", "MX"),
        ("ES", "ES"),
        ("ESP", "ES"),
        ("ESPAÑA", "ES"),
        ("Espana", "ES"),
        ("Spain", "ES"),
        ("EE.UU.", "US"),
        ("Estados Unidos", "US"),
        ("United States", "US"),
        ("U.S.A.", "US"),
        ("Reino Unido", "GB"),
        ("UK", "GB"),
        ("Rep. Dominicana", "DO"),
        ("El Salvador", "SV"),
        ("Países Bajos", "NL"),
        ("Perú", "PE"),
        ("PerÃº", "PE"),
        ("Atlantis", "CO"),
        ("N/A", "CO"),
        ("", "CO"),
        (None, "CO"),
    ],
)
def test_a_country_is_known_by_code_and_name(raw: str | None, expected: str) -> None:
    assert standard_country(raw, "CO") == expected


@pytest.mark.parametrize(
    ("raw", "country", "expected"),
    [
        ("07889", "MX", "07889"),
        ("7889", "MX", "07889"),
        ("1650.0", "MX", "01650"),
        ("C.P. 06700", "MX", "06700"),
        ("CP06700", "MX", "06700"),
        (" 64 000 ", "MX", "64000"),
        ("33333", "MX", "33333"),
        ("28013", "ES", "28013"),
        ("8001", "ES", "08001"),
        ("E-28013", "ES", "28013"),
        ("11111", "ES", "11111"),
        ("1234567", "PT", "1234-567"),
        ("1234-567", "PT", "1234-567"),
        ("90210-1234", "US", "90210"),
        ("2134", "US", "02134"),
        ("sw1a 1aa", "GB", "SW1A 1AA"),
        ("1425", "AR", "1425"),
        ("C1425ABC", "AR", "C1425ABC"),
    ],
)
def test_a_postal_code_gets_its_countrys_form(raw: str, country: str, expected: str) -> None:
    place = standard_place(raw, None, None, country)
    assert (place.postal_code, place.postal_usable, place.reasons) == (expected, expected, ())


@pytest.mark.parametrize(
    ("raw", "country", "reason"),
    [
        ("00000", "MX", "placeholder"),
        ("99999", "MX", "placeholder"),
        ("11111", "MX", "placeholder"),
        ("12345", "MX", "placeholder"),
        ("S/N", "MX", "placeholder"),
        ("N/A", "ES", "placeholder"),
        ("99999", "ES", "placeholder"),
        ("17500", "MX", "invalid"),
        ("650", "MX", "invalid"),
        ("284065", "MX", "invalid"),
        ("53001", "ES", "invalid"),
        ("Madrid", "ES", "invalid"),
        ("ABC", "GB", "invalid"),
    ],
)
def test_what_cannot_be_a_postal_code_is_none_and_says_why(raw: str, country: str, reason: str) -> None:
    place = standard_place(raw, None, None, country)
    assert place == Place(reasons=(f"postal_code:{reason}",))


@pytest.mark.parametrize("raw", [None, "", "  "])
def test_no_postal_code_needs_no_reason(raw: str | None) -> None:
    assert standard_place(raw, None, None, "MX") == Place()


@pytest.mark.parametrize(
    ("raw", "country", "name", "code"),
    [
        ("CIUDAD DE MEXICO", "MX", "Ciudad de México", "MX-CMX"),
        ("CDMX", "MX", "Ciudad de México", "MX-CMX"),
        ("D.F.", "MX", "Ciudad de México", "MX-CMX"),
        ("Distrito Federal", "MX", "Ciudad de México", "MX-CMX"),
        ("México", "MX", "México", "MX-MEX"),
        ("Estado de México", "MX", "México", "MX-MEX"),
        ("Edo. Mex.", "MX", "México", "MX-MEX"),
        ("Edomex", "MX", "México", "MX-MEX"),
        ("N.L.", "MX", "Nuevo León", "MX-NLE"),
        ("NUEVO LEON", "MX", "Nuevo León", "MX-NLE"),
        ("Q. Roo", "MX", "Quintana Roo", "MX-ROO"),
        ("B.C.", "MX", "Baja California", "MX-BCN"),
        ("B.C.S.", "MX", "Baja California Sur", "MX-BCS"),
        ("S.L.P.", "MX", "San Luis Potosí", "MX-SLP"),
        ("Coahuila", "MX", "Coahuila de Zaragoza", "MX-COA"),
        ("Coahuila de Zaragoza", "MX", "Coahuila de Zaragoza", "MX-COA"),
        ("MICHOACAN", "MX", "Michoacán de Ocampo", "MX-MIC"),
        ("Veracruz", "MX", "Veracruz de Ignacio de la Llave", "MX-VER"),
        ("MX-JAL", "MX", "Jalisco", "MX-JAL"),
        ("JAL", "MX", "Jalisco", "MX-JAL"),
        ("Guipúzcoa", "ES", "Gipuzkoa", "ES-SS"),
        ("Gipuzkoa", "ES", "Gipuzkoa", "ES-SS"),
        ("VIZCAYA", "ES", "Bizkaia", "ES-BI"),
        ("La Coruña", "ES", "A Coruña", "ES-C"),
        ("A CORUNA", "ES", "A Coruña", "ES-C"),
        ("Lérida", "ES", "Lleida", "ES-L"),
        ("Gerona", "ES", "Girona", "ES-GI"),
        ("Baleares", "ES", "Illes Balears", "ES-PM"),
        ("Islas Baleares", "ES", "Illes Balears", "ES-PM"),
        ("Comunidad de Madrid", "ES", "Madrid", "ES-M"),
        ("Principado de Asturias", "ES", "Asturias", "ES-O"),
        ("València", "ES", "Valencia", "ES-V"),
        ("Sta. Cruz de Tenerife", "ES", "Santa Cruz de Tenerife", "ES-TF"),
        ("8", "ES", "Barcelona", "ES-B"),
        ("Cataluña", "ES", "Cataluña", "ES-CT"),
        ("ANTIOQUIA", "CO", "Antioquia", None),
    ],
)
def test_a_state_is_known_by_its_spellings(raw: str, country: str, name: str, code: str | None) -> None:
    place = standard_place(None, None, raw, country)
    assert (place.state, place.state_code) == (name, code)


@pytest.mark.parametrize(
    ("postal", "city", "state", "country", "name", "code"),
    [
        ("01650", None, None, "MX", "Ciudad de México", "MX-CMX"),
        ("53970", None, None, "MX", "México", "MX-MEX"),
        ("98000", None, "N/A", "MX", "Zacatecas", "MX-ZAC"),
        ("48009", None, None, "ES", "Bizkaia", "ES-BI"),
        ("08001", None, "Cataluña", "ES", "Barcelona", "ES-B"),
        ("28001", None, "Cataluña", "ES", "Cataluña", "ES-CT"),
        ("64000", None, "Jalisco", "MX", "Jalisco", "MX-JAL"),
        (None, "CDMX", None, "MX", "Ciudad de México", "MX-CMX"),
        (None, "Sevilla", None, "ES", "Sevilla", "ES-SE"),
        (None, "Hidalgo", None, "MX", None, None),
        (None, None, None, "MX", None, None),
    ],
)
def test_a_state_not_stated_follows_from_the_code_and_a_stated_one_stands(
    postal: str | None, city: str | None, state: str | None, country: str, name: str | None, code: str | None
) -> None:
    place = standard_place(postal, city, state, country)
    assert (place.state, place.state_code) == (name, code)


@pytest.mark.parametrize(
    ("city", "state", "country", "expected", "key"),
    [
        ("ALVARO OBREGON", "CDMX", "MX", "Álvaro Obregón", "alvaro obregon"),
        ("Del. Álvaro Obregón", "CDMX", "MX", "Álvaro Obregón", "alvaro obregon"),
        ("LEON", "GTO", "MX", "León", "leon"),
        ("León de los Aldama", "GTO", "MX", "León", "leon"),
        ("MEXICO", "CDMX", "MX", "Ciudad de México", "ciudad de mexico"),
        ("México, D.F.", None, "MX", "Ciudad de México", "ciudad de mexico"),
        ("Cd. Juárez", "CHIHUAHUA", "MX", "Ciudad Juárez", "ciudad juarez"),
        ("Juárez", "CHIHUAHUA", "MX", "Ciudad Juárez", "ciudad juarez"),
        ("Juárez", "NUEVO LEON", "MX", "Juárez", "juarez"),
        ("San Pedro", "N.L.", "MX", "San Pedro Garza García", "san pedro garza garcia"),
        ("San Pedro", "Coahuila", "MX", "San Pedro", "san pedro"),
        ("SAN NICOLAS DE LOS GARZA", "N.L.", "MX", "San Nicolás de los Garza", "san nicolas de los garza"),
        ("san pedro de los garza", "N.L.", "MX", "San Pedro de los Garza", "san pedro de los garza"),
        ("Gral. Escobedo", "N.L.", "MX", "General Escobedo", "general escobedo"),
        ("Sta. Catarina", "N.L.", "MX", "Santa Catarina", "santa catarina"),
        ("Sto. Domingo Tehuantepec", "Oax.", "MX", "Santo Domingo Tehuantepec", "santo domingo tehuantepec"),
        ("Santiago de Querétaro", "QUERETARO", "MX", "Querétaro", "queretaro"),
        ("Jalapa", "Veracruz", "MX", "Xalapa", "xalapa"),
        ("TEPATITLAN DE MORELOS", "JALISCO", "MX", "Tepatitlán de Morelos", "tepatitlan de morelos"),
        ("Tijuana, B.C.", "B.C.", "MX", "Tijuana", "tijuana"),
        ("  gustavo  a. madero ", "CDMX", "MX", "Gustavo A. Madero", "gustavo a madero"),
        ("MALAGA", "Málaga", "ES", "Málaga", "malaga"),
        ("La Coruña", "A Coruña", "ES", "A Coruña", "a coruna"),
        (
            "HOSPITALET DE LLOBREGAT",
            "Barcelona",
            "ES",
            "L'Hospitalet de Llobregat",
            "lhospitalet de llobregat",
        ),
        ("Palma de Mallorca", "Baleares", "ES", "Palma", "palma"),
        ("San Sebastián", "Guipúzcoa", "ES", "Donostia / San Sebastián", "donostia san sebastian"),
        ("Jerez", "Cádiz", "ES", "Jerez de la Frontera", "jerez de la frontera"),
        ("Alcobendas (Madrid)", "Madrid", "ES", "Alcobendas", "alcobendas"),
        ("n/a", None, "MX", None, None),
        ("12345", None, "MX", None, None),
    ],
)
def test_a_city_gets_its_usual_name(
    city: str, state: str | None, country: str, expected: str | None, key: str | None
) -> None:
    place = standard_place(None, city, state, country)
    assert (place.city, place.city_key) == (expected, key)


def test_every_state_has_its_own_postal_prefixes() -> None:
    rows = [row for row in dictionary("states.csv") if row["kind"] != "community"]
    counts = {country: sum(row["country"] == country for row in rows) for country in ("MX", "ES")}
    assert counts == {"MX": 32, "ES": 52}
    prefixes = [(row["country"], each) for row in rows for each in row["postal_prefixes"].split()]
    assert len(prefixes) == len(set(prefixes)) == 96 + 52


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12), st.text(max_size=30), st.text(max_size=30), st.sampled_from(["MX", "ES", "GB"]))
def test_nothing_raises(postal: str, city: str, state: str, country: str) -> None:
    place = standard_place(postal, city, state, standard_country(state, country))
    assert place.postal_usable == place.postal_code


@settings(max_examples=200, deadline=None)
@given(
    st.none() | st.text(max_size=12),
    st.none() | NAMES,
    st.none() | NAMES,
    st.sampled_from(["MX", "ES", "PT", "GB", "AR"]),
)
@example(None, "0,A", None, "ES")
@example(None, "CDMX, centro", None, "MX")
def test_a_standard_place_is_standard_again(
    postal: str | None, city: str | None, state: str | None, country: str
) -> None:
    once = standard_place(postal, city, state, country)
    again = standard_place(once.postal_code, once.city, once.state, country)
    assert again._replace(reasons=once.reasons) == once


@pytest.mark.parametrize("row", list(dictionary("cities.csv")), ids=lambda row: row["name"])
def test_a_citys_standard_name_stays(row: dict[str, str]) -> None:
    state = row["state_code"] or None
    assert standard_place(None, row["name"], state, row["country"]).city == row["name"]


@pytest.mark.parametrize("row", list(dictionary("states.csv")), ids=lambda row: row["code"])
def test_a_state_is_known_by_its_code_and_name(row: dict[str, str]) -> None:
    for stated in (row["code"], row["name"], row["name"].upper()):
        place = standard_place(None, None, stated, row["country"])
        assert (place.state, place.state_code) == (row["name"], row["code"])
