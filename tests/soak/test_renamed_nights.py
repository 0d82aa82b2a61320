"""Whole nights in which a source is renamed and another one gives its records new keys: everybody keeps their id."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import date
from pathlib import Path

import pytest
from night_box import Shop, write_csv
from pyspark.sql import SparkSession

from pipelines.cli import execute
from pipelines.ops import releases
from pipelines.ops.history import history
from pipelines.ops.record import rows_of
from pipelines.ops.tables import GATES
from pipelines.packaged import default_conf
from pipelines.simulate import simulate

pytestmark = pytest.mark.soak


def rekeyed(path: Path) -> set[str]:
    """Give the contacts of a file new keys; the old ones."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = {row["contact_id"] for row in rows}
    write_csv(path, [{**row, "contact_id": f"N-{row['contact_id']}"} for row in rows])
    return keys


def ids(shop: Shop) -> dict[tuple[str, str], str]:
    rows = shop.rows("SELECT source, record_id, customer_id FROM identity.assignments")
    return {(r["source"], r["record_id"]): r["customer_id"] for r in rows}


def unassigned(shop: Shop) -> float:
    """Share of orders and cases that are no customer's."""
    return float(
        shop.value(
            "SELECT sum(unassigned) / sum(source_total) FROM gold.reconciliation WHERE measure IN ('orders', 'cases')"
        )
    )


def test_a_renamed_source_and_new_keys_change_no_id(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landing = Path(simulate(str(tmp_path), customers=150, nights=3, seed=5).landing)
    first, second, third = sorted(day for day in landing.iterdir() if day.is_dir())
    conf = tmp_path / "project"
    shutil.copytree(default_conf(), conf)
    shop = Shop(landing, tmp_path / "warehouse", conf)
    assert shop.run("--date", first.name) == 0
    before, unassigned_at_first = ids(shop), unassigned(shop)

    # The web shop's folder has another name from the second night on.
    for day in (second, third):
        if (day / "web").exists():
            (day / "web").rename(day / "shop")
    declared = (conf / "sources" / "web.yml").read_text(encoding="utf-8")
    (conf / "sources" / "web.yml").unlink()
    (conf / "sources" / "shop.yml").write_text(
        declared.replace("source: web", "source: shop", 1), encoding="utf-8"
    )
    source = f"sources: [{{from: web, to: shop, since: {second.name}}}]\n"
    (conf / "renames.yml").write_text(source, encoding="utf-8")
    assert shop.run("--date", second.name) == 0
    now = ids(shop)
    kept = [
        now[("shop", key)] == old
        for (name, key), old in before.items()
        if name == "web" and ("shop", key) in now
    ]
    assert len(kept) > 50
    assert sum(kept) / len(kept) > 0.98
    assert shop.value("SELECT count(*) FROM identity.assignments WHERE source = 'web'") == 0
    assert shop.value("SELECT count(*) FROM identity.events WHERE event = 'added' AND cause = 'rename'") > 50

    # To the gates and to whoever looks it is one source, which delivered before.
    compared = shop.value(
        f"SELECT max(compared_with) FROM ops.profiles WHERE source = 'shop' AND business_date = '{second.name}'"
    )
    assert str(compared) == first.name
    capsys.readouterr()
    assert execute(["status", "--json", "--warehouse", str(shop.warehouse)]) == 0
    assert not {"web"} & set(json.loads(capsys.readouterr().out)["delivered_up_to"])
    assert [
        r["gate"] for r in rows_of(shop.house, GATES.path) if r["gate"].endswith((" web", " web/users"))
    ] == []

    # The CRM gives every contact another key.
    keys = {record for name, record in now if name == "crm"} | rekeyed(next(third.glob("crm/contacts*.csv")))
    write_csv(conf / "crm.csv", [{"old": key, "new": f"N-{key}"} for key in sorted(keys)])
    (conf / "renames.yml").write_text(
        f"{source}keys: [{{source: crm, file: crm.csv, since: {third.name}}}]\n", encoding="utf-8"
    )
    assert shop.run() == 0
    later = ids(shop)
    kept = [
        later[("crm", f"N-{k}")] == i
        for (s, k), i in now.items()
        if s == "crm" and ("crm", f"N-{k}") in later
    ]
    assert len(kept) > 50
    assert sum(kept) / len(kept) > 0.98
    # Orders and cases go on naming contacts by their old keys, and are still theirs.
    assert unassigned(shop) <= unassigned_at_first + 0.02
    old = next(key for name, key in sorted(now) if name == "crm" and ("crm", f"N-{key}") in later)
    told = history(str(shop.warehouse), f"crm:{old}", date.fromisoformat(first.name))
    assert told.names == (f"crm:{old}", f"crm:N-{old}")
    assert told.current == later["crm", f"N-{old}"]

    # Nothing to do with the renames declared still; nor does anybody miss them who no longer declares them.
    versions = shop.versions()
    assert shop.run() == 0
    assert shop.versions() == versions
    assert shop.value("SELECT count(*) FROM silver.renames") == len(keys) + 1

    # Taken back to before both renames, everybody has the older name and id; run again, the newer ones.
    release = min(releases.all_releases(shop.house), key=lambda r: r.business_date).release_id
    decided = ["--by", "maria", "--why", "a test", "--warehouse", str(shop.warehouse)]
    assert execute(["release", "rollback", release, *decided]) == 0
    assert ids(shop) == before
    assert shop.run() == 0
    assert ids(shop) == later
