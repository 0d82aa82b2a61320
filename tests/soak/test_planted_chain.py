"""A night in which 50,000 records hang together in one chain: it ends, in bounds, and says what it cut."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from made_up import word
from night_box import Shop, write_csv

from pipelines.ops.record import rows_of
from pipelines.ops.speed.processes import measured
from pipelines.ops.tables import GATES
from pipelines.packaged import default_conf
from pipelines.settings import load_settings
from pipelines.simulate import simulate

pytestmark = pytest.mark.soak

FIRST, SECOND = "2026-07-01", "2026-07-02"
CHAINED = 50_000
OF_ONE_NAME = 5
"""Neighbours of one name; the next ones have its second surname as their first."""
OF_ONE_PLACE = 100
"""Neighbours who live at one postal code; the next as many do not say where."""
LONGEST = 1_200.0
"""Seconds after which a night is ended: it hangs."""
PLACEMENTS = ("one", "many")
MOST_BYTES = 6 * 2**30
"""Resident memory of all processes, at most. The night took 3.5 GB in placement one; a program that
looked at every pair of the chain would need 20 GB for their numbers alone."""


def link_of_the_chain(i: int) -> dict[str, str]:
    """A contact that shares a phone with the next one and an e-mail with the one after."""
    name, place = i // OF_ONE_NAME, i // OF_ONE_PLACE
    return {
        "op": "I",
        "contact_id": f"K{i:05d}",
        "nombre": "Maria",
        "apellido_paterno": word(name, 3) + "z",
        "apellido_materno": word(name + 1, 3) + "z",
        "email": f"{word(i + 2, 4)}@gmail.com",
        "email_secundario": f"{word(i, 4)}@gmail.com",
        "tel_movil": f"55{30_000_000 + 7 * (i + 1)}",
        "tel_casa": f"55{30_000_000 + 7 * i}",
        "cp": f"{10_000 + place}" if place % 2 else "",
        "pais": "MX",
        "created_at": FIRST,
        "updated_at": FIRST,
    }


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A night of a small retailer, which trains, and one that brings the chain."""
    made = Path(simulate(str(tmp_path_factory.mktemp("shop")), customers=600, nights=1, seed=5).landing)
    rows = [link_of_the_chain(i) for i in range(CHAINED)]
    values = [
        [row[c] for row in rows if row[c]] for c in ("tel_movil", "tel_casa", "email", "email_secundario")
    ]
    # No value is carried by more than two: none is generic, the chain alone makes the component.
    assert max(Counter(values[0] + values[1]).values()) == max(Counter(values[2] + values[3]).values()) == 2
    with (made / FIRST / "crm" / "contacts.csv").open(encoding="utf-8", newline="") as first:
        columns = next(csv.reader(first))
    # The CRM delivers all of its columns every night, empty where it has nothing to say.
    write_csv(made / SECOND / "crm" / "contacts.csv", [dict.fromkeys(columns, "") | row for row in rows])
    return made


def night(shop: Shop, day: str, placement: str) -> int:
    """``padron run`` in processes of its own; the peak of their resident memory in bytes."""
    command = [
        str(Path(sys.executable).with_name("padron")),
        *("run", "--landing", str(shop.landing), "--warehouse", str(shop.warehouse)),
        *("--config", str(default_conf()), "--date", day),
    ]
    environment = {**os.environ, "PADRON__LINKAGE__PLACEMENT": placement}
    found = measured(command, str(shop.warehouse.parent), LONGEST, environment)
    assert found.outcome == "done", found.said
    return found.peak_bytes


@pytest.fixture(scope="module")
def nights(landing: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Shop, int]]:
    """The shop and the memory of the second night by placement; they have the first in common."""
    first = Shop(landing, tmp_path_factory.mktemp("first") / "warehouse")
    night(first, FIRST, "one")
    found = {}
    for placement in PLACEMENTS:
        shop = Shop(landing, tmp_path_factory.mktemp(placement) / "warehouse")
        shutil.copytree(first.warehouse, shop.warehouse)
        found[placement] = shop, night(shop, SECOND, placement)
    return found


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_chain_is_cut_and_named(nights: dict[str, tuple[Shop, int]], placement: str) -> None:
    shop, _ = nights[placement]
    limit = load_settings(default_conf()).linkage.max_component
    (cut,) = shop.rows("SELECT * FROM linkage.cut_components")
    assert cut["component"] == "crm:K00000"
    assert cut["records"] == CHAINED
    assert cut["largest_piece"] <= limit
    sizes = "SELECT max(n) FROM (SELECT count(*) AS n FROM linkage.clusters GROUP BY {})"
    assert all(
        shop.value(sizes.format(layer)) <= limit
        for layer in ("component", "cluster_model", "cluster_rules", "cluster_final")
    )
    # No record was lost over it.
    assert (
        shop.value("SELECT count(*) FROM identity.assignments WHERE starts_with(record_id, 'K')") == CHAINED
    )
    (gate,) = (g for g in rows_of(shop.house, GATES.path) if g["gate"] == "component_size" and g["value"])
    assert gate["status"] == "warned"
    assert f"{CHAINED:,} records (person) cut into {cut['pieces']:,} pieces" in gate["message"]
    report = (shop.warehouse / "reports" / f"{SECOND}.html").read_text(encoding="utf-8")
    assert f"{CHAINED:,} records (person)" in report


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_its_memory_is_bounded(nights: dict[str, tuple[Shop, int]], placement: str) -> None:
    _, peak = nights[placement]
    assert peak < MOST_BYTES, f"{peak / 2**30:.1f} GB"


def test_both_placements_cut_it_alike(nights: dict[str, tuple[Shop, int]]) -> None:
    for query in (
        "SELECT source, record_id, component, cluster_model, cluster_rules, cluster_final FROM linkage.clusters ORDER BY ALL",
        "SELECT * FROM linkage.cut_components",
    ):
        one, many = (nights[placement][0].rows(query) for placement in PLACEMENTS)
        assert one == many
