"""What ``padron link`` takes columns for: headers in five languages, categories by content."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from linkage_people import CONF, population

from pipelines.cli import execute
from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.linkage.columns import recognised
from pipelines.linkage.config import Linkage
from pipelines.linkage.link import link_night


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (
            [
                "Prénom",
                "Nom de famille",
                "Date de naissance",
                "Courriel",
                "Téléphone",
                "Code postal",
                "Ville",
            ],
            ["given_name", "surname", "birth_date", "emails", "phones", "postal_code", "city"],
        ),
        (
            ["Vorname", "Nachname", "Geburtsdatum", "E-Mail-Adresse", "Handy", "Straße", "PLZ", "Wohnort"],
            ["given_name", "surname", "birth_date", "emails", "phones", "address", "postal_code", "city"],
        ),
        (
            ["nome próprio", "apelido", "data de nascimento", "telemóvel", "morada", "CEP", "CPF", "bairro"],
            ["given_name", "surname", "birth_date", "phones", "address", "postal_code", "tax_id", "district"],
        ),
        (
            ["nombre", "primer apellido", "segundo apellido", "sexo", "lugar de nacimiento", "código postal"],
            ["given_name", "surname", "second_surname", "category", "category", "postal_code"],
        ),
        (
            ["NOM_CTE", "Apellido1", "apellido_2", "Tlf. 1", "C.P.", "Edo."],
            ["given_name", "surname", "second_surname", "phones", "postal_code", "state"],
        ),
        (
            ["forename", "last_name", "dob", "birth_place", "town", "gender", "notes"],
            ["given_name", "surname", "birth_date", "category", "city", "category", "text"],
        ),
    ],
)
def test_headers_of_five_languages(columns: list[str], fields: list[str]) -> None:
    found = recognised(columns, {})
    of_column = {name: field.removesuffix("_raw") for field, names in found.items() for name in names}
    assert [of_column.get(name) for name in columns] == fields


def test_the_word_for_name_is_a_surname_beside_a_given_name() -> None:
    words = {"Vorname": ["Anna", "Karl"], "Name": ["Huber", "Vogel"]}
    assert recognised(words, words) == {"given_name_raw": ("Vorname",), "surname_raw": ("Name",)}
    whole = {"prénom": ["Anne", "Paul"], "nom": ["Anne Petit", "Paul Roux"]}
    assert recognised(whole, whole) == {"given_name_raw": ("prénom",), "full_name_raw": ("nom",)}
    assert recognised(["nom"], {"nom": ["Petit"]}) == {"full_name_raw": ("nom",)}


def test_the_word_for_name_is_the_given_one_beside_a_surname() -> None:
    given = recognised(
        ["name", "surname"], {"name": ["Ana", "Luis Alberto"], "surname": ["Ruiz Soto", "Vega"]}, {}
    )
    assert given == {"given_name_raw": ("name",), "surname_raw": ("surname",)}
    whole = recognised(
        ["name", "surname"], {"name": ["Ana Ruiz", "Luis Vega"], "surname": ["Ruiz", "Vega"]}, {}
    )
    assert whole == {"full_name_raw": ("name",), "surname_raw": ("surname",)}


def test_repeated_text_is_a_category_unless_it_is_about_the_record() -> None:
    jobs = ["baker", "smith", "baker", "smith", "miller", "baker"]
    sample = {
        "trade": jobs,
        "import_batch": jobs,
        "entity": jobs,
        "newsletter": ["yes", "no", "no", "yes", "no", "no"],
        "visits": ["1", "2", "1", "2", "3", "1"],
        "alias": ["al", "bo", "cy", "di", "ed", "flo"],
        "planet": ["earth"] * 6,
    }
    assert recognised(sample, sample) == {"category": ("trade",)}
    # The whole file decides where the sample repeats by chance, or does not.
    assert recognised(["trade"], sample, {"trade": 0.9}) == {}
    assert recognised(["alias"], sample, {"alias": 0.01}) == {"category": ("alias",)}


DAYS = [f"{1 + n % 12:02d}-{1 + n % 28:02d}" for n in range(60)]
BIRTHS = [f"{1940 + n}-{day}" for n, day in enumerate(DAYS)]


@pytest.mark.parametrize(
    ("dates", "is_birth"),
    [
        (BIRTHS, True),
        ([f"{date[8:]}/{date[5:7]}/{date[:4]}" for date in BIRTHS], True),
        ([date.replace("-", "") for date in BIRTHS], True),
        # Four years of visits, with one slip of the keyboard; fifteen years of contracts, mostly young.
        ([f"{2022 + n % 4}-{day}" for n, day in enumerate(DAYS)] + ["2099-12-31"], False),
        ([f"{2025 - n // 4}-{day}" for n, day in enumerate(DAYS)], False),
        ([f"{2024 - (n % 30) * (n % 5 == 0)}-{day}" for n, day in enumerate(DAYS)], False),
        ([f"{date} 10:30" for date in BIRTHS], False),
    ],
)
def test_a_date_is_one_of_birth_where_it_is_as_old_as_people(dates: list[str], is_birth: bool) -> None:
    found = recognised(["visit", "at_day"], {"visit": dates, "at_day": dates})
    assert found.get("birth_date_raw") == (("visit",) if is_birth else None)


def test_numbers_are_phones_where_such_phones_exist() -> None:
    sample = {
        "phone": [f"6{n:08d}" for n in range(12345678, 12345738)],
        "iban_no": [f"2100{n:016d}" for n in range(60)],
        "invoice": [f"{n:09d}" for n in range(202400000, 202400060)],
        "reach": [f"91 {n:03d} 41 27" for n in range(400, 460)],
        "abroad": [f"+44 20 7946 {n:04d}" for n in range(60)],
    }
    assert recognised(sample, sample) == {"phones_raw": ("phone", "reach", "abroad")}
    # Spanish numbers are none in Britain; with the country in front they are everywhere.
    del sample["phone"]
    assert recognised(sample, sample, country="GB") == {"phones_raw": ("abroad",)}


def words(text: str) -> list[str]:
    return text.split()


GIVEN = words("Ana Luis Marta Jorge Elena Pablo Irene David Carmen Pedro Lucía Andrés Sonia Raúl Julia Mario")
SURNAMES = words(
    "García López Pérez Gómez Ruiz Ortega Soto Núñez Molina Castro Ortiz Rubio Marín Sanz Iglesias"
)
CITIES = words(
    "Zaragoza Córdoba León Toledo Segovia Ávila Burgos Soria Huesca Teruel Lugo Vigo Murcia Palencia"
)


def test_names_are_recognised_by_the_dictionaries_where_no_header_tells_of_any() -> None:
    pairs = [(first, last) for first in GIVEN for last in SURNAMES]
    sample = {
        "c1": [f"{last} {SURNAMES[n % 15]}" if n % 2 else last for n, (_, last) in enumerate(pairs)],
        "c2": [f"{first} {GIVEN[n % 16]}" if n % 3 else first for n, (first, _) in enumerate(pairs)],
        "c3": [CITIES[n % 14] for n in range(len(pairs))],
        "c4": ["f" if n % 2 else "m" for n in range(len(pairs))],
    }
    found = recognised(sample, sample)
    assert found == {"surname_raw": ("c1",), "given_name_raw": ("c2",), "category": ("c3", "c4")}
    # A header goes first, also where it tells of one name only.
    named = {**sample, "name": [" ".join(pair) for pair in pairs]}
    assert set(recognised(named, named)) == {"full_name_raw", "category"}
    # Surnames alone may be anything that is called after people.
    alone = {"c1": sample["c1"]}
    assert "surname_raw" not in recognised(alone, alone)
    few = {name: values[:5] for name, values in sample.items()}
    assert "given_name_raw" not in recognised(few, few)


def test_a_number_of_a_customer_is_no_name_of_one() -> None:
    assert recognised(["id_cliente", "numero_cliente"], {}) == {}
    assert recognised(["cliente"], {}) == {"full_name_raw": ("cliente",)}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two records a person; half of the names are shared by two people of different trades."""
    rng = Random(3)
    trades = ["baker", "smith", "miller", "weaver", "cooper", "tanner", "carter", "mason"]
    letters = "abdefghiklmnoprstuv"
    rows = []
    for n in range(200):
        name = ("".join(rng.choices(letters, k=6)), "".join(rng.choices(letters, k=8)))
        for twin in range(1 + n % 2):
            trade = trades[(n + 3 * twin) % len(trades)]
            rows += [
                [f"r{n:03d}{twin}{copy}", *name, trade.upper() if copy else trade, f"p{n}-{twin}"]
                for copy in range(2)
            ]
    path = tmp_path_factory.mktemp("workers") / "workers.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "forename", "surname", "trade", "person"], *rows])
    return path


@pytest.fixture(autouse=True)
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADRON__LINKAGE__TRAINING__U_PAIRS", "50000")


def linked(path: Path, out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, object]:
    where = ["link", str(path), "--id", "id", "--truth", "person", "--country", "GB", "--out", str(out)]
    assert execute([*where, "--json", *more]) == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_category_is_evidence(workers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = linked(workers, tmp_path / "a", capsys)
    assert found["fields"]["category"] == ["trade"]  # type: ignore[index]
    # Namesakes of two trades are two people: by their names alone precision is below one half.
    assert found["quality"]["precision"] > 0.9  # type: ignore[index]
    assert found["quality"]["recall"] > 0.9  # type: ignore[index]


def test_fields_name_categories_and_texts(
    workers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = linked(workers, tmp_path / "a", capsys, "--fields", "ignore=trade,text=surname")
    assert found["fields"] == {"full_name_raw": ["forename"], "text": ["surname"]}
    assert found["unused"] == ["trade"]


def test_only_categories_are_no_people(workers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = "ignore=forename,ignore=surname"
    assert execute(["link", str(workers), "--id", "id", "--truth", "person", "--fields", only]) == 2
    assert "no column is recognised" in capsys.readouterr().err


def test_a_role_that_is_none_says_which_was_meant(tmp_path: Path) -> None:
    def problem(text: str) -> str:
        (tmp_path / "linkage.yml").write_text(text, encoding="utf-8")
        with pytest.raises(UsageError) as caught:
            Conf(tmp_path).load("linkage.yml", Linkage)
        return str(caught.value)

    assert "did you mean surname" in problem("fields: {surnme: x}\n")
    assert "name given_name, surname and name_tokens" in problem("fields: {full_name: x}\n")
    assert "name phones" in problem("fields: {phone: x}\n")
    assert "name street, postal_code and city" in problem("fields: {address: x}\n")
    assert "category_<name>" in problem("fields: {category: x}\n")
    assert "category_job has no column" in problem("never: [category_job]\n")


def test_a_generation_for_other_fields_is_refused() -> None:
    records, _ = population(20, 1)
    trades = pa.array(["baker", "smith"] * records.num_rows, pa.string())[: records.num_rows]
    more = CONF.model_copy(update={"fields": {**CONF.fields, "category_trade": "trade"}})
    made = link_night(records.append_column("trade", trades), None, more, date(2026, 7, 1))
    with pytest.raises(UsageError, match=r"compares category_trade \(person\).*train a new generation"):
        link_night(records, made.generation, CONF, date(2026, 7, 2))


@pytest.mark.parametrize("form", ["{given} {one} {other}", "{one} {other}, {given}", "{given} {one}"])
def test_a_column_of_whole_names_is_recognised_by_its_values(form: str) -> None:
    people = [
        form.format(given=g, one=SURNAMES[n % 10], other=SURNAMES[(n + 3) % 10])
        for n, g in enumerate(GIVEN * 3)
    ]
    streets = [f"Calle {name} {n}" for n, name in enumerate(people)]
    assert recognised(["c1", "c2"], {"c1": people, "c2": streets}) == {"full_name_raw": ("c1",)}
    # Beside a column that says what it is, nothing else is taken for a name.
    found = recognised(["surname", "c1"], {"surname": SURNAMES * 3, "c1": people})
    assert "full_name_raw" not in found


def test_a_column_of_tax_ids_is_recognised_where_the_check_digits_hold() -> None:
    letters = "TRWAGMYFPDXBNJZSQVHLCKE"
    valid = [f"{n}{letters[n % 23]}" for n in range(12_345_000, 12_345_030)]
    assert recognised(["c1"], {"c1": valid}, country="ES") == {"tax_id_raw": ("c1",)}
    slips = [value[:-1] + ("A" if value[-1] != "A" else "B") for value in valid]
    assert recognised(["c1"], {"c1": slips}, country="ES") == {}


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("email_cliente", "emails_raw"),
        ("dni_cliente", "tax_id_raw"),
        ("nombre_cliente", "full_name_raw"),
        ("email_first_name", "full_name_raw"),
        ("Billing Address First Name", "full_name_raw"),
    ],
)
def test_whose_a_column_is_says_less_than_what_it_is(name: str, field: str) -> None:
    assert recognised([name], {}) == {field: (name,)}


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (["nombre completo", "correo", "vendedor", "correo_vendedor"], ["full_name", "emails", None, None]),
        (["name", "agentEmail", "created_by_email", "email"], ["full_name", None, None, "emails"]),
        (["seller_name", "seller_email"], ["full_name", "emails"]),
        (["employee_name", "employee_email", "company_phone"], ["full_name", "emails", "phones"]),
        (["name", "contact_by_email", "contacto_por_email"], ["full_name", "emails", "emails"]),
    ],
)
def test_staff_are_left_out_where_somebody_else_is_named(
    columns: list[str], fields: list[str | None]
) -> None:
    found = recognised(columns, {})
    of_column = {name: field.removesuffix("_raw") for field, names in found.items() for name in names}
    assert [of_column.get(name) for name in columns] == fields
