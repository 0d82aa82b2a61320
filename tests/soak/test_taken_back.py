"""Real nights stopped, approved, rejected and rolled back through the command."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from night_box import Shop
from pyspark.sql import SparkSession

from pipelines.cli import execute
from pipelines.ops import releases
from pipelines.ops.summarise import summarise
from pipelines.settings import load_settings
from pipelines.simulate import simulate

ROOT = Path(__file__).resolve().parents[2]
CHANGED = "SELECT count(*) FROM identity.events WHERE cause = 'rollback'"
ASSIGNED = "SELECT * FROM identity.assignments ORDER BY ALL"
UNRESOLVED = """
    WITH ids AS (SELECT DISTINCT customer_id FROM identity.events WHERE customer_id IS NOT NULL)
    SELECT count(*) FROM ids ANTI JOIN gold.customers c ON c.customer_id = ids.customer_id
        ANTI JOIN identity.aliases a ON a.customer_id = ids.customer_id AND a.valid_to IS NULL
"""


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Two released nights of 250 customers."""
    folder = tmp_path_factory.mktemp("shop")
    made = simulate(str(folder), customers=250, nights=2, seed=11)
    shop = Shop(Path(made.landing), folder / "warehouse", ROOT / "conf")
    assert shop.run() == 0
    return shop


def copied(shop: Shop, folder: Path) -> Shop:
    shutil.copytree(shop.landing, folder / "landing")
    shutil.copytree(shop.warehouse, folder / "warehouse")
    return Shop(folder / "landing", folder / "warehouse", shop.config)


def decide(shop: Shop, *arguments: str) -> int:
    return execute(
        ["release", *arguments, "--by", "maria", "--why", "a test", "--warehouse", str(shop.warehouse)]
    )


@pytest.mark.soak
def test_a_night_is_rolled_back_and_run_again(shop: Shop, tmp_path: Path) -> None:
    shop = copied(shop, tmp_path)
    first, second = releases.all_releases(shop.house)
    after = shop.rows(ASSIGNED)
    assert decide(shop, "rollback", first.release_id) == 0
    before = shop.house.arrow("identity/assignments", first.tables["identity/assignments"])
    assert before is not None
    assert shop.rows(ASSIGNED) == sorted(
        before.to_pylist(), key=lambda r: (r["source"], r["record_id"], r["customer_id"])
    )
    assert int(str(shop.value(CHANGED))) > 0
    told = summarise(str(shop.warehouse), load_settings(shop.config))
    assert (told.status, told.gates, told.stages) == ("restored", (), ())
    # The files of the second night come again: the same customers with the same ids.
    assert shop.run() == 0
    assert shop.rows(ASSIGNED) == after
    assert shop.value(UNRESOLVED) == 0
    assert second.release_id not in {
        r.release_id for r in releases.all_releases(shop.house) if r.status == "released"
    }


@pytest.mark.soak
def test_a_released_night_is_rejected_and_the_next_one_goes_on(shop: Shop, tmp_path: Path) -> None:
    shop = copied(shop, tmp_path)
    _, second = releases.all_releases(shop.house)
    published = {r["customer_id"] for r in shop.rows("SELECT DISTINCT customer_id FROM identity.assignments")}
    assert decide(shop, "reject", second.release_id) == 0
    assert shop.run() == 0
    assert len(releases.all_releases(shop.house)) == 3, "its files are not taken in again"
    assert shop.run("--date", "2026-07-05") == 0
    known = {r["customer_id"] for r in shop.rows("SELECT customer_id FROM gold.customers")}
    known |= {r["customer_id"] for r in shop.rows("SELECT customer_id FROM identity.aliases")}
    assert published <= known
    assert shop.value(UNRESOLVED) == 0
