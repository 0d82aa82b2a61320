"""The simulated retailer makes sense: people, families, traps, ids, money and tickets."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from stdnum.es import cif, nie, nif
from stdnum.mx import rfc

from pipelines.simulate import Simulation, simulate
from pipelines.simulate.names import load
from pipelines.simulate.noise import typos
from pipelines.simulate.people import CHILD, JUNIOR, RECYCLED_PHONE, SHARED_EMAIL, TWIN, People, make_people
from pipelines.simulate.places import gazetteer
from pipelines.simulate.taxids import cif as make_cif
from pipelines.simulate.taxids import nif as make_nif
from pipelines.simulate.text import scramble, text

Rows = list[dict[str, str]]
DAY = r"[0-3]\d/[01]\d/(19|20)\d\d"


def rows(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(str(tmp_path_factory.mktemp("shop") / "demo"), customers=3000, nights=3)


@pytest.fixture(scope="module")
def people() -> People:
    return make_people(
        np.random.default_rng(7),
        load(),
        gazetteer(),
        20_000,
        first_number=0,
        first_household=0,
        today=20_600,
    )


def every(made: Simulation, name: str) -> Rows:
    return [row for path in sorted(Path(made.landing).glob(f"*/{name}.csv")) for row in rows(path)]


def test_sizes(made: Simulation) -> None:
    truth = rows(Path(made.entity_map))
    first = [row for row in truth if row["first_day"] == "0"]
    assert len({row["true_id"] for row in first}) == 3000
    assert made.customers == len({row["true_id"] for row in truth})
    persons = [row for row in first if row["entity_type"] == "person"]
    a_person = len(persons) / len({row["true_id"] for row in persons})
    assert 2.1 < a_person < 2.6
    sources = defaultdict(set)
    for row in persons:
        sources[row["true_id"]].add(row["source"])
    assert {len(held) for held in sources.values()} == {1, 2, 3, 4, 5}
    assert {row["trap"] for row in truth} >= {
        "",
        "twin",
        "junior",
        "homonym",
        "shared_email",
        "shared_phone",
        "recycled_phone",
        "sister_company",
    }
    countries = Counter(row["pais"] for row in rows(Path(made.landing, made.dates[0], "crm/contacts.csv")))
    assert 0.68 < countries["MX"] / countries.total() < 0.82
    for feed, count in made.rows.items():
        assert count == len(every(made, feed)), feed


def test_families(people: People) -> None:
    twin = np.flatnonzero(people.trap == TWIN)
    by_household = defaultdict(list)
    for row in twin:
        by_household[people.household[row]].append(row)
    assert len(by_household) > 100
    for pair in by_household.values():
        one, two = pair
        assert people.birth[one] == people.birth[two]
        assert people.given[one] != people.given[two]
        assert people.surname[one] == people.surname[two]
    for son in np.flatnonzero(people.trap == JUNIOR):
        adults = np.flatnonzero((people.household == people.household[son]) & (people.role != CHILD))
        assert people.given[son] in people.given[adults[people.gender[adults] == 0]]
    ages = (20_600 - people.birth) / 365.25
    assert ages.min() >= 16
    assert ages.max() < 95


def test_contacts_are_shared_only_by_the_traps(people: People) -> None:
    mobile = Counter(people.mobile.tolist())
    shared = [row for row in range(len(people)) if mobile[people.mobile[row]] > 1]
    households = defaultdict(set)
    for row in shared:
        households[people.mobile[row]].add(people.household[row])
    assert all(len(held) == 1 for held in households.values())
    emails = Counter(people.email.to_pylist())
    more = sum(count - 1 for count in emails.values())
    assert 0 < more <= int((people.trap == SHARED_EMAIL).sum()) + 60
    former = set(people.former_mobile.tolist())
    recycled = np.flatnonzero(people.trap == RECYCLED_PHONE)
    assert len(recycled) > 50
    assert all(int(people.mobile[row]) in former for row in recycled)


def test_names_are_as_many_as_a_country_has(people: People) -> None:
    assert len(set(people.surname.tolist())) > 2500
    assert len(set(people.given.tolist())) > 1000
    top = Counter(people.surname.tolist()).most_common(1)[0][1] / len(people)
    assert top > 0.01


def test_tax_ids_have_the_right_check_character(people: People) -> None:
    for row, tax_id in enumerate(people.tax_id.to_pylist()[:4000]):
        if people.country[row] == 0:
            assert rfc.is_valid(tax_id, validate_check_digits=True), tax_id
        else:
            assert nif.is_valid(tax_id), tax_id
    counter = np.arange(3000)
    for value in make_nif(counter, np.zeros(3000, int)).to_pylist():
        assert nif.is_valid(value)
    for value in make_nif(counter, 1 + counter % 3).to_pylist():
        assert nie.is_valid(value)
    for value in make_cif(counter, counter % 2).to_pylist():
        assert cif.is_valid(value)


def test_company_tax_ids(made: Simulation) -> None:
    firms = [r for r in every(made, "erp/customers") if r["tipo_persona"] == "M" and r["tax_id"]]
    assert len(firms) > 200
    for row in firms:
        check = rfc.is_valid(row["tax_id"], True) if row["pais"] == "MX" else cif.is_valid(row["tax_id"])
        assert check, row["tax_id"]
    suffixes = ("S.A. DE C.V.", "SA DE CV", "S.L.", " SL", "S. DE R.L. DE C.V.")
    assert sum(r["razon_social"].endswith(suffixes) for r in firms) > len(firms) * 0.6


def test_what_a_source_looks_like(made: Simulation) -> None:
    erp = every(made, "erp/customers")
    assert all(row["razon_social"] == row["razon_social"].upper() for row in erp)
    for row in every(made, "pos/cards"):
        assert re.fullmatch(DAY, row["fecha_alta"])
        assert not row["fecha_nac"] or re.fullmatch(DAY, row["fecha_nac"])
    for row in every(made, "web/users"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["signup_ts"])
        assert row["email"]
    phones = [row["tel_movil"] for row in every(made, "crm/contacts")]
    for writing in ("044", "52 1 ", "+52", "+521", "+34", "0034 ", "("):
        assert any(phone.startswith(writing) for phone in phones), writing
    values = {
        value for name in ("crm/contacts", "erp/customers") for r in every(made, name) for value in r.values()
    }
    assert values >= {"1111111111", "x@x.com", "S/N", "1900-01-01", "XAXX010101000"}
    for row in [*erp, *every(made, "crm/contacts")]:
        assert next(iter(row.values())), "every record has its key"
    assert all(row["nombre"] and row["apellido_paterno"] for row in every(made, "crm/contacts"))


def test_money_adds_up(made: Simulation) -> None:
    orders = {row["order_id"]: row for row in every(made, "orders/orders")}
    assert len(orders) == made.rows["orders/orders"]
    lines: dict[str, Decimal] = defaultdict(Decimal)
    line_amount = {}
    for row in every(made, "orders/lines"):
        assert Decimal(row["amount"]) == Decimal(row["unit_price"]) * int(row["quantity"])
        lines[row["order_id"]] += Decimal(row["amount"])
        line_amount[(row["order_id"], row["line_no"])] = row
    assert lines == {key: Decimal(row["amount"]) for key, row in orders.items()}
    back: dict[str, Decimal] = defaultdict(Decimal)
    for row in every(made, "orders/returns"):
        line = line_amount[(row["order_id"], row["line_no"])]
        assert int(row["quantity"]) <= int(line["quantity"])
        assert row["returned_at"] > orders[row["order_id"]]["order_ts"]
        assert row["currency"] == orders[row["order_id"]]["currency"]
        back[row["order_id"]] += Decimal(row["amount"])
    assert back
    for key, amount in back.items():
        assert amount <= lines[key]
        assert orders[key]["status"] == "completed"
    assert {row["status"] for row in orders.values()} == {"completed", "cancelled"}
    anonymous = [row for row in orders.values() if not row["source_customer_id"]]
    assert anonymous
    assert {row["source"] for row in anonymous} == {"pos"}
    assert any(row["recipient_id"] for row in orders.values())


def test_orders_and_tickets_belong_to_records_of_their_time(made: Simulation) -> None:
    truth = {(r["source"], r["source_id"]): r for r in rows(Path(made.entity_map))}
    country = {r["cust_code"]: r["pais"] for r in every(made, "erp/customers")}
    known = [r for r in every(made, "orders/orders") if r["source_customer_id"]]
    for row in known:
        assert (row["source"], row["source_customer_id"]) in truth
        if row["source"] == "erp":
            assert row["currency"] == {"MX": "MXN", "ES": "EUR"}[country[row["source_customer_id"]]]
    for night, day in enumerate(made.dates):
        for name, column in (
            ("orders/orders", "order_ts"),
            ("orders/returns", "returned_at"),
            ("support/tickets", "opened_at"),
        ):
            path = Path(made.landing, day, f"{name}.csv")
            found = rows(path) if path.exists() else []
            assert all(row[column] < day for row in found)
            if night and name != "support/tickets":
                assert all(row[column] >= made.dates[night - 1] for row in found)
    assert min(r["order_ts"] for r in known) >= "2024-07-01"
    assert all(("support", r["requester_id"]) in truth for r in every(made, "support/tickets"))


def test_tickets_as_they_stood_each_night(made: Simulation) -> None:
    seen: dict[str, dict[str, str]] = {}
    for row in every(made, "support/tickets"):
        assert row["category"] in {"queja", "garantia", "devolucion", "envio", "factura", "cuenta"}
        assert row["priority"] in {"baja", "media", "alta", "critica"}
        assert (row["status"] == "resuelto") == bool(row["closed_at"])
        assert row["csat"] in {"", "1", "2", "3", "4", "5"}
        assert not row["csat"] or row["closed_at"]
        assert row["reopened"] in {"Y", "N"}
        if row["first_response_at"]:
            assert row["opened_at"] < row["first_response_at"]
        if row["closed_at"]:
            assert row["first_response_at"] < row["closed_at"]
        before = seen.get(row["ticket_id"])
        if before:
            assert before["opened_at"] == row["opened_at"]
            assert before["first_response_at"] in {"", row["first_response_at"]}
        seen[row["ticket_id"]] = row
    assert len(seen) < made.rows["support/tickets"], "a ticket comes again when it changes"
    assert {row["reopened"] for row in seen.values()} == {"Y", "N"}


def test_rates_cover_every_day(made: Simulation) -> None:
    rates = rows(Path(made.rates))
    assert {r["currency"] for r in rates} == {"MXN", "EUR"}
    assert {float(r["rate"]) for r in rates if r["currency"] == "MXN"} == {1.0}
    assert all(15 < float(r["rate"]) < 26 for r in rates if r["currency"] == "EUR")
    days = {r["date"] for r in rates}
    assert len(rates) == 2 * len(days)
    assert {row["order_ts"][:10] for row in every(made, "orders/orders")} | set(made.dates) <= days


def test_scrambled_counters_never_repeat() -> None:
    for space in (10**4, 6 * 10**5, 8 * 10**4):
        assert len(set(scramble(np.arange(space), space).tolist())) == space


def test_a_typo_changes_little() -> None:
    names = ["María Fernanda", "Jiménez", "Ana", "Velázquez", None] * 400
    written = typos(np.random.default_rng(1), text(names), 0.5).to_pylist()
    changed = [(a, b) for a, b in zip(names, written, strict=True) if a != b]
    assert 400 < len(changed) < 900
    assert all(b is not None and abs(len(a) - len(b)) <= 1 for a, b in changed if a)
    assert all(b is None for a, b in zip(names, written, strict=True) if a is None)
