"""latam_dev in the landing layout: what each night delivers, and what must hold after it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from night_box import Shop

from pipelines.config import Conf
from pipelines.linkage.breakdown import by_case, judged_records
from pipelines.linkage.evaluate import quality
from pipelines.ops.benchmark import Benchmarks
from pipelines.ops.reading import Reader
from pipelines.ops.speed.page import verdict_row
from pipelines.ops.summarise import read_truth

FEEDS = {
    "crm": "contacts",
    "erp": "customers",
    "pos": "cards",
    "web": "users",
    "support": "requesters",
}
TRUTH = "latam_dev/truth/entity_map.csv"
BARS = {"F1", "precision, twin", "precision, junior", "precision, homonym", "largest cluster"}


def date_of(night: int) -> str:
    return f"2026-07-{night + 1:02d}"


def deliver(data: Path, landing: Path, night: int) -> None:
    """Copy the files of one night (0 to 5) into ``landing``."""
    source = data / "latam_dev"
    folder = landing / date_of(night)
    for system, feed in FEEDS.items():
        name = f"d0_{system}.csv" if night == 0 else f"d{night}_{system}_delta.csv"
        if (source / name).exists():
            target = folder / system / f"{feed}.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target)
    if night == 0:
        for name, system, feed in (
            ("orders.csv", "orders", "orders"),
            ("support_tickets.csv", "support", "tickets"),
        ):
            target = folder / system / f"{feed}.csv"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target)


def identity_of(shop: Shop) -> dict[tuple[str, str], str]:
    rows = shop.rows("SELECT source, record_id, customer_id FROM identity.assignments")
    return {(r["source"], r["record_id"]): r["customer_id"] for r in rows}


def clusters_of(shop: Shop) -> dict[tuple[str, str], frozenset[tuple[str, str]]]:
    """The records that each record stands together with."""
    members: dict[str, set[tuple[str, str]]] = {}
    for r in shop.rows("SELECT source, record_id, cluster_final FROM linkage.clusters"):
        members.setdefault(r["cluster_final"], set()).add((r["source"], r["record_id"]))
    return {record: frozenset(group) for group in members.values() for record in group}


def check_night(shop: Shop, before: dict[str, Any] | None) -> dict[str, Any]:
    """The identity contract, worked out again from the tables, without the code that made them."""
    ids, together = identity_of(shop), clusters_of(shop)
    assert set(ids) == set(together), "every live record has exactly one customer"
    homes: dict[str, set[frozenset[tuple[str, str]]]] = {}
    for record, customer in ids.items():
        homes.setdefault(customer, set()).add(together[record])
    assert all(len(found) == 1 for found in homes.values()), "a customer is one cluster"
    customers = {r["customer_id"] for r in shop.rows("SELECT customer_id FROM gold.customers")}
    assert set(ids.values()) <= customers
    published = set(ids.values())
    if before is not None:
        published |= before["published"]
        for record, customer in before["ids"].items():
            if together.get(record) == before["together"][record]:
                assert ids[record] == customer, "an untouched cluster keeps its id"
        changed = {r for r in ids if r in before["ids"] and ids[r] != before["ids"][r]}
        told = shop.rows(
            """SELECT source, record_id FROM identity.events e
            WHERE business_date = (SELECT max(business_date) FROM identity.events) AND
                old_customer_id IS DISTINCT FROM customer_id"""
        )
        assert changed <= {(r["source"], r["record_id"]) for r in told}, "every change has its event"
    aliases = shop.rows("SELECT customer_id, became FROM identity.aliases WHERE valid_to IS NULL")
    resolves = customers | {r["customer_id"] for r in aliases}
    assert published <= resolves, "every id ever published resolves"
    assert {r["became"] for r in aliases} <= customers, "aliases point at current customers"
    return {"ids": ids, "together": together, "published": published}


def report_quality(shop: Shop, data: Path, nights: int) -> None:
    """Say how good the customers are; the bars of the set in conf/benchmarks.yml hold after every night."""
    asked = next(s for s in Conf().load("benchmarks.yml", Benchmarks).quality if s.truth_file == TRUTH)
    truth = read_truth(str(data / TRUTH), case=asked.hard_cases)
    customers = Reader(shop.house).arrow("SELECT source, record_id, customer_id FROM identity.assignments")
    judged = judged_records(customers, truth, made="customer_id")
    found = quality(*(judged[column].to_numpy(zero_copy_only=False) for column in ("made", "entity")))
    figures = ", ".join(
        f"{name} {found.as_dict()[name]:.4f}" for name in ("precision", "recall", "f1", "b3_f1")
    )
    verdicts = asked.bars.verdicts("latam_dev", found, by_case(judged))
    told = [f"\nlatam_dev after {nights} nights: {figures}"]
    told += ["  ".join(verdict_row(verdict, "{:.4g}".format)) for verdict in verdicts]
    print("\n".join(told))  # noqa: T201 (what a reader of the run wants to see)
    assert {verdict.name.removeprefix("latam_dev: ") for verdict in verdicts} == BARS
    assert all(verdict.is_reached for verdict in verdicts), told
