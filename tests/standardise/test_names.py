"""Names of persons: which words are given names and which surnames, in standard spelling."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.standardise.names import Name, is_placeholder, standard_name

WHOLE = """
    PACHECO DE LA CRUZ ANA LAURA            | Ana Laura            | Pacheco         | de la Cruz
    PEREZ TORRES MARIA DE LOURDES           | Maria de Lourdes     | Perez           | Torres
    MARIA DE LOS ANGELES MARTINEZ CONTRERAS | Maria de los Angeles | Martinez        | Contreras
    MARIN MIGUEL ISABEL MARIA               | Isabel Maria         | Marin           | Miguel
    LOPEZ ROSA MARIA                        | Rosa Maria           | Lopez           |
    GOMEZ TOMAS                             | Tomas                | Gomez           |
    YOLANDA VALENTINA PONCE DE LEON SANDOVAL| Yolanda Valentina    | Ponce de Leon   | Sandoval
    FERNANDEZ PONCE DE LEON CECILIA         | Cecilia              | Fernandez       | Ponce de Leon
    Sofía Montes de Oca                     | Sofía                | Montes de Oca   |
    DE JESUS OLVERA DOLORES                 | Dolores              | de Jesus        | Olvera
    José de Jesús Cervantes                 | José de Jesús        | Cervantes       |
    Juan de Dios Ruiz Vera                  | Juan de Dios         | Ruiz            | Vera
    María del Carmen                        | María del Carmen     |                 |
    María de la Luz Peña                    | María de la Luz      | Peña            |
    Juana de la Cruz                        | Juana                | de la Cruz      |
    ROBLES MARIA DE LOS ANGELES             | Maria de los Angeles | Robles          |
    flores josé                             | José                 | Flores          |
    Martínez Lander                         | Lander               | Martínez        |
    Hernández Óscar                         | Óscar                | Hernández       |
    vilarreal raúl edgar                    | Raúl Edgar           | Vilarreal       |
    Reyes Ofelia Miriam                     | Ofelia Miriam        | Reyes           |
    Luna Valentina                          | Valentina            | Luna            |
    Valentina Luna                          | Valentina            | Luna            |
    SANTIAGO CRUZ LUIS                      | Luis                 | Santiago        | Cruz
    Tomas Hernandez R.                      | Tomas                | Hernandez       | R.
    Antón Aguilar P.                        | Antón                | Aguilar         | P.
    Luis Ponce de León L.                   | Luis                 | Ponce de León   | L.
    Ana G.                                  | Ana                  | G.              |
    José M. López                           | José M.              | López           |
    J. Morales                              | J.                   | Morales         |
    J. Guadalupe Nieto                      | José Guadalupe       | Nieto           |
    J. Gpe. Nieto                           | José Guadalupe       | Nieto           |
    J. Ma. Soto                             | José María           | Soto            |
    Ma. del Pilar Hdz. Glez.                | María del Pilar      | Hernández       | González
    Mª Fernanda Gómez                       | María Fernanda       | Gómez           |
    M.ª Fernanda Gómez                      | María Fernanda       | Gómez           |
    GOMEZ GLEZ Mª FERNANDA                  | María Fernanda       | Gomez           | González
    Fco. Hernándes                          | Francisco            | Hernándes       |
    Ana Ma Delgado                          | Ana María            | Delgado         |
    Ma Rosario Zúñiga R.                    | María Rosario        | Zúñiga          | R.
    Jack Ma                                 | Jack                 | Ma              |
    ISMAEL GTZ.                             | Ismael               | Gutiérrez       |
    Miguel                                  | Miguel               |                 |
    martín                                  | Martín               |                 |
    GARCIA                                  |                      | Garcia          |
    Ana Alejandra                           | Ana Alejandra        |                 |
    Antonio Roberto                         | Antonio Roberto      |                 |
    Juan Manuel                             | Juan Manuel          |                 |
    jose.cordero                            | Jose                 | Cordero         |
    navarro.natividad                       | Natividad            | Navarro         |
    EDUARDO_GONZALEZ                        | Eduardo              | Gonzalez        |
    jose.escudero.castillo                  | Jose                 | Escudero        | Castillo
    luz2708                                 | Luz                  |                 |
    SEBASTIANGOMEZ                          | Sebastian            | Gomez           |
    josefinamartinez568                     | Josefina             | Martinez        |
    gomezluis                               | Luis                 | Gomez           |
    jgonzalezrivera                         | J.                   | Gonzalez        | Rivera
    ana.ruiz@correo.mx                      | Ana                  | Ruiz            |
    Juanqui Molina                          | Juanqui              | Molina          |
    Reyes Lencho                            | Lencho               | Reyes           |
    Nena Luna Contreras                     | Nena                 | Luna            | Contreras
    Juan Ca Serrano                         | Juan Ca              | Serrano         |
    Txema San Vicente                       | Txema                | San Vicente     |
    Sta. Cruz Mora Luis                     | Luis                 | Santa Cruz      | Mora
    Ortega y Gasset José                    | José                 | Ortega          | Gasset
    Pere Pi i Margall                       | Pere                 | Pi              | Margall
    Ana García-Huidobro Soto                | Ana                  | García-Huidobro | Soto
    MARIA LOPEZ DE FLORES                   | Maria                | Lopez           | de Flores
    Sra. Dña. Ana Pérez Vda. de Ruiz        | Ana                  | Pérez           | de Ruiz
    Lic. Pedro Soto Mora                    | Pedro                | Soto            | Mora
    Dr. Pedro Soto, Ing.                    | Pedro                | Soto            |
    D. Juan Pérez                           | Juan                 | Pérez           |
    García López, Juan Carlos               | Juan Carlos          | García          | López
    Ana Ruiz, Puebla                        | Ana                  | Ruiz            |
    Fr4ncisco Soto Mora                     | Fr4ncisco            | Soto            | Mora
    ANA (NENA) SOTO                         | Ana                  | Soto            |
    AdriÃ¡n Soto                            | Adrián               | Soto            |
    Ángel Rodrcguez del Pozo                | Ángel                | Rodrcguez       | del Pozo
    MARTNEZ PEREZ ANA MARIA                 | Ana Maria            | Martnez         | Perez
    ana   SOTO   de  LA  torre              | Ana                  | Soto            | de la Torre
    Krzysztof Penderecki                    | Krzysztof            | Penderecki      |
    Иван Петров                             | Иван                 | Петров          |
"""
FIELDS = """
    María de Lourdes | Franco        | Torres     | María de Lourdes | Franco        | Torres
    MARIO FRANCISCO  | Luna          | del Ángel  | Mario Francisco  | Luna          | del Ángel
    María            | Fernández     | de muñoz   | María            | Fernández     | de Muñoz
    Luz              | Rivera        | de de la Torre | Luz          | Rivera        | de de la Torre
    Ma.              | Rodríguez     |            | María            | Rodríguez     |
    Ma               | Rodríguez     |            | María            | Rodríguez     |
    Victor J.        | Chavez        | Hdz.       | Victor J.        | Chavez        | Hernández
    Juan             | García López  |            | Juan             | García        | López
    Luis             | Ponce de León |            | Luis             | Ponce de León |
    Ana              | San Martín    |            | Ana              | San Martín    |
    María Castillo   |               |            | María            | Castillo      |
    Rosa María       |               |            | Rosa María       |               |
    Ayala            | carlos        | Mora       | Carlos           | Ayala         | Mora
    MÉNDEZ           | Pablo Manuel  | Ortiz      | Pablo Manuel     | Méndez        | Ortiz
    Jorge            | Purificacion  | Pérez      | Jorge            | Purificacion  | Pérez
    Cruz             | Rosario       |            | Cruz             | Rosario       |
    Luz              | Guadalupe     | Mora       | Luz              | Guadalupe     | Mora
    Sean             | O'NEILL       |            | Sean             | O'Neill       |
    Ewan             | McGregor      |            | Ewan             | McGregor      |
"""


def rows(text: str) -> list[tuple[str | None, ...]]:
    return [tuple(cell.strip() or None for cell in line.split("|")) for line in text.strip().splitlines()]


def whole(name: str, order: str = "auto", country: str = "MX") -> Name:
    return standard_name(name, None, None, None, order, country)


def fields(given: str | None, surname: str | None = None, second: str | None = None) -> Name:
    return standard_name(None, given, surname, second, "given_first", "MX")


@pytest.mark.parametrize(("received", "given_name", "surname", "second"), rows(WHOLE))
def test_whole_names_of_no_declared_order(
    received: str, given_name: str | None, surname: str | None, second: str | None
) -> None:
    made = whole(received)
    assert (made.given_name, made.surname, made.second_surname) == (given_name, surname, second)


@pytest.mark.parametrize(
    ("given_raw", "surname_raw", "second_raw", "given_name", "surname", "second"), rows(FIELDS)
)
def test_names_in_fields_of_their_own(
    given_raw: str | None,
    surname_raw: str | None,
    second_raw: str | None,
    given_name: str | None,
    surname: str | None,
    second: str | None,
) -> None:
    made = fields(given_raw, surname_raw, second_raw)
    assert (made.given_name, made.surname, made.second_surname) == (given_name, surname, second)


def test_a_declared_order_counts_more_than_the_dictionaries() -> None:
    assert whole("Rosario Cruz", "given_first").surname == "Cruz"
    assert whole("Rosario Cruz", "surname_first").given_name == "Cruz"


def test_the_fields_count_before_the_whole_name() -> None:
    made = standard_name("SOTO ANITA", "Ana", "Soto", None, "auto", "MX")
    assert (made.given_name, made.surname) == ("Ana", "Soto")
    made = standard_name("Ana Soto", "n/a", " ", None, "auto", "MX")
    assert (made.given_name, made.surname, made.reasons) == ("Ana", "Soto", ("given_name:placeholder",))


def test_where_one_surname_is_usual_the_last_word_is_it() -> None:
    assert whole("Mary Ann Watson", "given_first", "GB").surname == "Watson"
    made = whole("Ludwig van Beethoven", "given_first", "DE")
    assert (made.given_name, made.surname, made.match_surname) == ("Ludwig", "van Beethoven", "beethoven")
    assert whole("Vaughan Cornish", "auto", "GB").surname == "Cornish"
    assert whole("Ma Baker", "auto", "US").given_name == "Ma"
    # But two surnames that everybody bears are two.
    made = whole("Ana Hernández Muñoz", "given_first", "US")
    assert (made.surname, made.second_surname) == ("Hernández", "Muñoz")


@pytest.mark.parametrize(
    "text",
    [
        *("xxx", "XX", "x", "aaaa", "test", "Prueba", "usuario", "NULL", "N/A", "n.a.", "-", ".", "12345"),
        *("desconocido", "anónimo", "sin nombre", "No aplica", "cliente", "CLIENTE MOSTRADOR"),
        *("cliente final 3", "público en general"),
    ],
)
def test_what_is_typed_instead_of_a_name(text: str) -> None:
    assert is_placeholder(text)
    made = whole(text)
    assert made == Name(reasons=("given_name:placeholder",))


@pytest.mark.parametrize(
    "text", ["Nil", "Ventas", "A", "General", "Na", "Ana Prueba", "王伟", "María Cliente Soto"]
)
def test_what_looks_like_a_placeholder_and_is_a_name(text: str) -> None:
    assert not is_placeholder(text)


def test_a_placeholder_in_one_field_leaves_the_others() -> None:
    made = fields("xxx", "Soto", "sin apellido")
    assert (made.given_name, made.surname, made.second_surname) == (None, "Soto", None)
    assert made.reasons == ("given_name:placeholder", "second_surname:placeholder")


def test_nothing_gives_nothing() -> None:
    assert standard_name(None, None, None, None, "auto", "MX") == Name()
    assert standard_name(" ", "", None, "  ", "auto", "MX") == Name()


GIVEN = st.sampled_from(["José", "María", "Luis", "Ana", "Juan", "Carmen", "Pedro", "Sofía"])
FAMILY = st.sampled_from(["Hernández", "García", "Pérez", "Muñoz", "Gutiérrez", "de la Torre", "Velázquez"])


@settings(max_examples=80, deadline=None)
@given(GIVEN, FAMILY, FAMILY)
def test_both_orders_of_a_plain_name_are_the_same_person(first: str, family: str, mother: str) -> None:
    one, other = whole(f"{first} {family} {mother}"), whole(f"{family} {mother} {first}".upper())
    assert (one.match_given, one.match_surname, one.match_second_surname) == (
        other.match_given,
        other.match_surname,
        other.match_second_surname,
    )


@settings(max_examples=80, deadline=None)
@given(GIVEN, FAMILY, FAMILY)
def test_the_standard_spelling_of_a_name_is_its_own_standard(first: str, family: str, mother: str) -> None:
    made = fields(first.upper(), family.upper(), mother.lower())
    assert fields(made.given_name, made.surname, made.second_surname) == made


@settings(max_examples=150, deadline=None)
@given(
    st.none() | st.text(max_size=25),
    st.none() | st.text(max_size=15),
    st.none() | st.text(max_size=15),
    st.sampled_from(["auto", "given_first", "surname_first"]),
    st.sampled_from(["MX", "ES", "GB"]),
)
def test_no_text_raises_and_no_part_is_blank(
    text: str | None, given_name: str | None, surname: str | None, order: str, country: str
) -> None:
    made = standard_name(text, given_name, surname, None, order, country)
    assert all(part is None or (part and part != " ") for part in made[:-1])


ODD = [
    "de",
    "del",
    "la",
    "y",
    "san",
    "sta.",
    "ma.",
    "Mª",
    "j.",
    "d.",
    "lic.",
    "cruz",
    "ponce",
    "leon",
    "ana",
    "-",
    ",",
    "O'",
]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.sampled_from(ODD),
        max_size=7,
    )
)
def test_no_combination_of_particles_and_short_forms_raises(words: list[str]) -> None:
    for order in ("auto", "given_first", "surname_first"):
        whole(" ".join(words), order)
