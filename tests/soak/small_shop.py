"""A small retailer of made-up people: what each system delivers on a healthy day, as it lies in the landing folder.

Every person has a contact and a web account. Every fifth contact is a father and the account under the same name his
son's: nobody can tell by the records alone. The couples of the ERP share a phone; each has a tax id.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_up import word
from night_box import write_csv

DAYS = ("2026-07-01", "2026-07-02", "2026-07-03", "2026-07-04")
"""Three days that were healthy, and tonight."""
TONIGHT = DAYS[-1]
PEOPLE, IN_ERP, ORDERS, TICKETS = 80, 20, 120, 12
GIVEN = ("Ana", "Luis", "Eva", "Jorge", "Marta", "Pablo", "Elena", "Hugo")
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
Row = dict[str, Any]


def is_family(person: int) -> bool:
    """True where contact and account are father and son."""
    return person % 5 == 0


def _said(person: int) -> Row:
    """What both systems say of a person."""
    return {
        "given": GIVEN[person % len(GIVEN)],
        "surnames": (f"{word(person, 3)}z", f"{word(person + 500, 3)}z"),
        "email": f"{word(person, 4)}@gmail.com",
        "phone": f"6{10_203_040 + 7_919 * person:08d}",
        "born": ""
        if is_family(person)
        else f"{1950 + person % 50}-{1 + person % 12:02d}-{1 + person % 28:02d}",
        "postal_code": f"{28_001 + person % 50}",
    }


def contact(key: str, person: int) -> Row:
    """A row of the CRM."""
    said = _said(person)
    return {
        "contact_id": key,
        "nombre": said["given"],
        "apellido_paterno": said["surnames"][0],
        "apellido_materno": said["surnames"][1],
        "fecha_nacimiento": said["born"],
        "email": said["email"],
        "tel_movil": said["phone"],
        "cp": said["postal_code"],
        "municipio": "Madrid",
        "pais": "ES",
        "created_at": "2026-01-01",
        "updated_at": "2026-06-01",
    }


def account(key: str, person: int) -> Row:
    """A row of the web shop."""
    said = _said(person)
    return {
        "user_id": key,
        "display_name": " ".join((said["given"], *said["surnames"])),
        "email": said["email"],
        "phone": said["phone"],
        "birthdate": said["born"],
        "city": "Madrid",
        "postal_code": said["postal_code"],
        "country": "ES",
        "signup_ts": "2026-01-01T10:00:00",
    }


def customer(number: int) -> Row:
    """A row of the ERP: two neighbours in number are a couple."""
    surnames = f"{word(number + 1_000, 3)}z {word(number + 1_500, 3)}z"
    dni = 20_304_050 + 7_907 * number
    return {
        "cust_code": f"E{number:03d}",
        "tipo_persona": "F",
        "razon_social": f"{surnames} {GIVEN[number % len(GIVEN)]}",
        "tax_id": f"{dni}{DNI_LETTERS[dni % 23]}",
        "cp": f"{8_001 + number // 2:05d}",
        "ciudad": "Barcelona",
        "pais": "ES",
        "telefono": f"6{50_203_040 + 7_919 * (number // 2):08d}",
        "fecha_alta": "2026-01-01",
    }


def contacts(day: str) -> list[Row]:
    """The CRM's snapshot of a day: one person more than the day before."""
    return [contact(f"K{i:03d}", i) for i in range(PEOPLE + DAYS.index(day))]


def accounts(day: str) -> list[Row]:
    """The web shop's snapshot of a day."""
    return [account(f"W{i:03d}", i) for i in range(PEOPLE + DAYS.index(day))]


def customers(day: str) -> list[Row]:
    """The ERP's snapshot of a day."""
    return [customer(i) for i in range(IN_ERP + DAYS.index(day))]


def orders(day: str, many: int = ORDERS) -> list[Row]:
    """A day's orders, all of web accounts."""
    return [
        {
            "source": "web",
            "source_customer_id": f"W{i % PEOPLE:03d}",
            "order_id": f"{day}-{i}",
            "order_ts": f"{day}T10:00:00",
            "amount": f"{20 + i % 7}.50",
            "currency": "EUR",
            "status": "completed",
            "channel": "web",
        }
        for i in range(many)
    ]


def tickets(day: str, many: int = TICKETS) -> list[Row]:
    """A day's cases of people whom no other system knows."""
    return [
        {
            "requester_id": f"R{i:03d}",
            "ticket_id": f"{day}-{i}",
            "opened_at": f"{day}T09:00:00",
            "first_response_at": f"{day}T09:30:00",
            "closed_at": f"{day}T11:00:00",
            "category": "envio",
            "priority": "media",
            "status": "cerrado",
            "csat": 4,
            "reopened": "N",
        }
        for i in range(many)
    ]


def delivered(landing: Path, day: str, feed: str, rows: list[Row]) -> None:
    """Put one feed of a day (``crm/contacts``) into the landing folder, in the place of what lay there."""
    write_csv(landing / day / f"{feed}.csv", rows)


def deliver(landing: Path, day: str) -> None:
    """A healthy day: every feed."""
    for feed, rows in (
        ("crm/contacts", contacts(day)),
        ("web/users", accounts(day)),
        ("erp/customers", customers(day)),
        ("orders/orders", orders(day)),
        ("support/tickets", tickets(day)),
    ):
        delivered(landing, day, feed, rows)
