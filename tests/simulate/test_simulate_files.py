"""The simulated retailer's files: columns, determinism, deltas, and the truth about every record."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from pipelines.errors import UsageError
from pipelines.simulate import Simulation, simulate

Rows = list[dict[str, str]]

COLUMNS = {
    "crm/contacts": "contact_id nombre apellido_paterno apellido_materno fecha_nacimiento email email_secundario tel_movil "
    "tel_casa calle numero colonia municipio estado cp pais created_at updated_at "
    "genero ocupacion empresa estudios idioma canal_preferido",
    "erp/customers": "cust_code tipo_persona razon_social tax_id direccion cp ciudad estado pais telefono email fecha_alta",
    "pos/cards": "card_no nombre_completo telefono email fecha_nac cp tienda fecha_alta",
    "web/users": "user_id display_name email phone birthdate city postal_code country signup_ts cookie_id marketing_opt_in",
    "support/requesters": "requester_id name email phone channel created_at",
    "orders/orders": "source source_customer_id order_id order_ts amount currency status "
    "channel store_id recipient_source recipient_id account_user_id",
    "orders/lines": "order_id line_no sku product_name category quantity unit_price amount",
    "orders/returns": "return_id order_id line_no returned_at channel store_id quantity amount currency reason",
    "support/tickets": "requester_id ticket_id opened_at first_response_at closed_at category priority status csat reopened",
}
CUSTOMER_FEEDS = ("crm/contacts", "erp/customers", "pos/cards", "web/users", "support/requesters")
NIGHTS = 6


def rows(path: str | Path) -> Rows:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def feed(made: Simulation, night: int, name: str) -> Rows:
    path = Path(made.landing, made.dates[night], f"{name}.csv")
    return rows(path) if path.exists() else []


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Simulation:
    return simulate(str(tmp_path_factory.mktemp("shop") / "demo"), customers=800, nights=NIGHTS)


def test_columns_are_those_of_the_feeds(made: Simulation) -> None:
    seen = set()
    for path in sorted(Path(made.landing).rglob("*")):
        if not path.is_file():
            continue
        day, source, name = path.relative_to(made.landing).parts
        key = f"{source}/{name.removesuffix('.csv')}"
        expected = COLUMNS[key].split()
        if key in CUSTOMER_FEEDS and day != made.dates[0]:
            expected = ["op", *expected]
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            assert next(reader) == expected, path
            assert {len(row) for row in reader} == {len(expected)}, path
        seen.add(key)
    assert seen == set(COLUMNS)
    assert made.dates == tuple(f"2026-07-0{1 + night}" for night in range(NIGHTS))


def test_the_same_parameters_give_the_same_bytes(made: Simulation, tmp_path: Path) -> None:
    simulate(str(tmp_path / "again"), customers=800, nights=NIGHTS)
    assert digests(tmp_path / "again") == digests(Path(made.out))


def test_another_seed_gives_other_people(made: Simulation, tmp_path: Path) -> None:
    other = simulate(str(tmp_path / "other"), customers=800, nights=1, seed=1)
    mine = {row["email"] for row in feed(made, 0, "web/users")}
    theirs = {row["email"] for row in feed(other, 0, "web/users")}
    assert len(mine & theirs) < len(mine) / 20


def test_fewer_nights_are_the_first_of_more(made: Simulation, tmp_path: Path) -> None:
    short = simulate(str(tmp_path / "short"), customers=800, nights=2)
    whole = digests(Path(made.landing))
    first = digests(Path(short.landing))
    assert first == {path: digest for path, digest in whole.items() if path[:10] in short.dates}


def test_a_second_call_writes_nothing_and_other_parameters_are_refused(made: Simulation) -> None:
    before = {path: path.stat().st_mtime_ns for path in Path(made.out).rglob("*")}
    again = simulate(made.out, customers=800, nights=NIGHTS)
    assert again.was_there
    assert {**vars(again), "was_there": False} == vars(made)
    with pytest.raises(UsageError, match="other parameters: choose another folder"):
        simulate(made.out, customers=801, nights=NIGHTS)
    assert {path: path.stat().st_mtime_ns for path in Path(made.out).rglob("*")} == before


def test_a_foreign_landing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "landing").mkdir()
    with pytest.raises(UsageError, match="did not write"):
        simulate(str(tmp_path), customers=50)


def test_an_interrupted_simulation_is_made_again(tmp_path: Path) -> None:
    out = tmp_path / "shop"
    simulate(str(out), customers=60, nights=2)
    whole = digests(out)
    mark = out / "truth" / "parameters.json"
    content = json.loads(mark.read_text())
    mark.write_text(json.dumps({**content, "complete": False, "summary": None}))
    (out / "truth" / "entity_map.csv").unlink()
    assert not simulate(str(out), customers=60, nights=2).was_there
    assert digests(out) == whole


def test_a_damaged_mark_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "parameters.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        simulate(str(tmp_path))


@pytest.mark.parametrize(("customers", "nights"), [(9, 3), (100, 0)])
def test_senseless_parameters(tmp_path: Path, customers: int, nights: int) -> None:
    with pytest.raises(UsageError):
        simulate(str(tmp_path), customers=customers, nights=nights)


def test_truth_covers_every_record_ever_delivered(made: Simulation) -> None:
    truth = {(row["source"], row["source_id"]): row for row in rows(made.entity_map)}
    delivered: dict[tuple[str, str], int] = {}
    for night in range(NIGHTS):
        for name in CUSTOMER_FEEDS:
            source, key = name.split("/")[0], COLUMNS[name].split()[0]
            for row in feed(made, night, name):
                delivered.setdefault((source, row[key]), night)
    assert set(truth) == set(delivered)
    assert {key: int(row["first_day"]) for key, row in truth.items()} == delivered
    assert len(truth) == made.records == len(rows(made.entity_map))
    assert not list(Path(made.landing).rglob("*truth*"))


def test_deltas_change_and_delete_what_exists(made: Simulation) -> None:
    events = Counter((r["day"], r["source"], r["source_id"]) for r in rows(made.delta_events))
    found: Counter[tuple[str, str, str]] = Counter()
    ops: Counter[str] = Counter()
    for name in CUSTOMER_FEEDS:
        source, key = name.split("/")[0], COLUMNS[name].split()[0]
        first = [row[key] for row in feed(made, 0, name)]
        live = set(first)
        assert len(live) == len(first)
        gone: set[str] = set()
        for night in range(1, NIGHTS):
            before, lost = len(live), 0
            for row in feed(made, night, name):
                found[(str(night), source, row[key])] += 1
                ops[row["op"]] += 1
                if row["op"] == "I":
                    assert row[key] not in live | gone
                    live.add(row[key])
                elif row["op"] == "U":
                    assert row[key] in live
                else:
                    assert row["op"] == "D"
                    live.remove(row[key])
                    gone.add(row[key])
                    lost += 1
            assert lost <= max(before * 0.01, 4)
        assert len(gone) < 0.05 * (len(live) + len(gone))
    assert found == events
    assert min(ops["I"], ops["U"], ops["D"]) > 0


def test_many_nights_delete_less_than_one_in_twenty(tmp_path: Path) -> None:
    made = simulate(str(tmp_path / "long"), customers=200, nights=40, start=date(2026, 1, 1))
    gone = Counter(r["source"] for r in rows(made.delta_events) if r["event"] == "deleted")
    ever = Counter(r["source"] for r in rows(made.entity_map))
    assert gone
    assert all(count < 0.05 * ever[source] for source, count in gone.items())
