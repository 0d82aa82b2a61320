"""Long checks through the command as a scheduler calls it: all latam nights, real orders, spark-submit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import latam
import pytest
from night_box import Shop
from summaries import WHOLE

from pipelines.ops.report import render
from pipelines.simulate import simulate

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.soak
SAME = ("silver/customer_records", "identity/assignments", "gold/customers", "gold/rfm", "gold/service")
LINKED = ("linkage/scored_pairs", "linkage/links", "linkage/clusters", "linkage/review_queue")
NIGHTLY = {"_ingested_at"}
"""Columns that say when a night ran: the only ones that may differ between two runs."""


def command(shop: Shop, *options: str, code: int = 0) -> str:
    """``padron run`` in a process of its own; what it printed."""
    config = ["--config", str(shop.config)] if shop.config else []
    where = ["--landing", str(shop.landing), "--warehouse", str(shop.warehouse), *config]
    done = subprocess.run(
        [str(BIN / "padron"), "run", *where, *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr[-2000:]
    return done.stdout + done.stderr


def content(shop: Shop, path: str) -> list[dict[str, Any]]:
    """The released rows of a table, in an order of their own."""
    layer, name = path.split("/")
    rows = [
        {k: v for k, v in r.items() if k not in NIGHTLY} for r in shop.rows(f"SELECT * FROM {layer}.{name}")
    ]
    return sorted(rows, key=lambda row: str(row))


def test_all_latam_nights(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop(tmp_path / "landing", tmp_path / "warehouse", ROOT / "conf")
    before = None
    for night in range(6):
        latam.deliver(data, shop.landing, night)
        command(shop, "--date", latam.date_of(night))
        before = latam.check_night(shop, before)
    with capsys.disabled():
        latam.report_quality(shop, data, 6)
    ids, versions = latam.identity_of(shop), shop.versions()
    assert "Nothing to do" in command(shop)
    assert shop.versions() == versions
    command(shop, "--date", "2026-07-07")
    assert latam.identity_of(shop) == ids, "a night without files changes no id"
    night_by_night = {path: content(shop, path) for path in LINKED}
    command(shop, "--full")
    assert latam.identity_of(shop) == ids, "computing all again from bronze changes no id"
    for path, rows in night_by_night.items():
        assert content(shop, path) == rows, f"{path}: linking what changed is linking everything"


def test_online_retail(data: Path, tmp_path: Path) -> None:
    shop = Shop(tmp_path / "landing", tmp_path / "warehouse", ROOT / "conf" / "examples" / "online_retail")
    folder = shop.landing / "2011-12-10" / "retail"
    folder.mkdir(parents=True)
    shutil.copy(data / "online_retail" / "online_retail_2010_2011.parquet", folder / "lines.parquet")
    command(shop)
    told = {
        row["measure"]: row
        for row in shop.rows("SELECT * FROM gold.reconciliation")
        if row["measure"] in ("lines", "line_amount", "net")
    }
    assert told["lines"]["source_total"] == 541_909
    assert told["lines"]["unassigned"] == 135_080
    assert told["lines"]["in_customers"] == 541_909 - 135_080
    assert round(told["line_amount"]["source_total"], 2) == Decimal("9747747.93")
    assert told["net"]["source_total"] == told["line_amount"]["source_total"]
    for row in told.values():
        assert row["in_customers"] + row["unassigned"] == row["source_total"]
    assert shop.value("SELECT count(*) FROM gold.customers") == 4_372
    assert shop.value("SELECT count(*) FROM silver.quarantine") == 0


def test_spark_submit_gives_the_same_tables(tmp_path: Path) -> None:
    made = simulate(str(tmp_path / "shop"), customers=400, nights=2, seed=5)
    here = Shop(Path(made.landing), tmp_path / "here", ROOT / "conf")
    there = Shop(Path(made.landing), tmp_path / "there", ROOT / "conf")
    command(here)
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    submit = [
        str(BIN / "spark-submit"),
        *("--properties-file", str(ROOT / "conf" / "spark-defaults.conf")),
        str(ROOT / "jobs" / "night.py"),
        *(
            "--landing",
            str(there.landing),
            "--warehouse",
            str(there.warehouse),
            "--config",
            str(there.config),
        ),
    ]
    done = subprocess.run(submit, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    for path in SAME:
        assert content(here, path) == content(there, path), path
    missing = subprocess.run(
        [*submit, "--landing", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert missing.returncode == 2
    assert "Traceback" not in missing.stderr


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium (Debian: apt install chromium)")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_report_opens_in_a_browser(width: int, tmp_path: Path) -> None:
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(render(WHOLE), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--virtual-time-budget=2000", "--enable-logging=stderr", f"--window-size={width},1600"),
            *(f"--screenshot={picture}", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert picture.stat().st_size > 20_000, done.stderr[-1000:]
    assert "CONSOLE" not in done.stderr
