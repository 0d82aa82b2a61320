"""What a free text is taken for: its values by field, in every way that makes sense."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.ops.free_text import Said, iso_birth_date, readings

TODAY = date(2026, 7, 1)
CODES = {"tax_id", "loyalty_id", "order"}


def read(text: str) -> list[Said]:
    return list(readings(text, {"crm"}, ("MX", "ES"), TODAY))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("crm:A:1", {"record": "crm:A:1"}),
        ("Ana  García", {"name": "Ana García"}),
        ("c01877tg2e9mvrqwejwb7hzbp", {"customer_id": "C01877TG2E9MVRQWEJWB7HZBP"}),
        ("Tel. 55 2371 5885", {"phone": "55 2371 5885"}),
        ("Móvil: (55) 2371-5885", {"phone": "(55) 2371-5885"}),
        ("pedido no. po 17", {"order": "po 17"}),
        ("tarjeta 77 000123", {"loyalty_id": "77 000123"}),
        ("Miguel Medina <mail@x.com>", {"email": "mail@x.com", "name": "Miguel Medina"}),
        ("correo: mail@x.com", {"email": "mail@x.com"}),
        ("Juan Huerta 22/04/1976", {"birth_date": "1976-04-22", "name": "Juan Huerta"}),
        ("22.4.76", None),
        ("HUERTA, JUAN (22 abr 1976)", {"birth_date": "1976-04-22", "name": "HUERTA, JUAN ( )"}),
        ("Grupo 33 SA de CV", {"name": "Grupo 33 SA de CV"}),
        (
            "Huerta 55 2371 5885, HUHJ 760422 CG8; po-17",
            {"name": "Huerta", "phone": "55 2371 5885", "tax_id": "HUHJ 760422 CG8"}
            | dict.fromkeys(("loyalty_id", "order"), "po-17"),
        ),
    ],
)
def test_the_first_reading(text: str, fields: dict[str, str] | None) -> None:
    expected = fields if fields is not None else dict.fromkeys(CODES, text)
    assert read(text)[0].fields == expected


def test_one_text_may_be_several_values_and_nobody_chooses() -> None:
    (said,) = read("(55) 2371-5885")
    assert said.alternatives == {"phone"} | CODES
    assert set(said.fields.values()) == {"(55) 2371-5885"}
    (said,) = read("CNC 810328 J8A")[:1]
    assert (said.alternatives, said.fields["tax_id"]) == (CODES, "CNC 810328 J8A")
    # A name and a number, or a number that begins with letters.
    whole, parts = read("po 00000000")
    assert (whole.fields["order"], parts.fields["order"], parts.fields["name"]) == (
        "po 00000000",
        "00000000",
        "po",
    )


def test_what_is_not_used_is_kept_to_be_said() -> None:
    assert read("+52 (55) 2371-5885 ext 12")[0].unused == ("ext 12",)
    assert read("a@x.mx b@x.mx Ana")[0].unused == ("b@x.mx",)
    assert read("  ,; ") == []


@pytest.mark.parametrize(
    ("text", "born"),
    [
        ("1976-04-22", "1976-04-22"),
        ("1976/4/22", "1976-04-22"),
        ("22/04/1976", "1976-04-22"),
        ("22-4-1976", "1976-04-22"),
        ("22/04/76", "1976-04-22"),
        ("22 de abril de 1976", "1976-04-22"),
        ("1 sept. 1980", "1980-09-01"),
        ("22-ABR-1976", "1976-04-22"),
        ("31/02/1976", None),
        ("22/04/2027", None),
        ("22 de brumario de 1976", None),
    ],
)
def test_birth_dates_as_people_write_them(text: str, born: str | None) -> None:
    assert iso_birth_date(text, TODAY) == born
