"""Long checks of adopting a generation: a night of its own on Spark, and the report in a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import date
from pathlib import Path

import pytest
from linkage_people import CONF, population
from night_box import Shop
from pyspark.sql import SparkSession

from pipelines.cli import execute
from pipelines.linkage.link import link_night
from pipelines.linkage.training_run import TrainingRun
from pipelines.ops import releases
from pipelines.ops.generations import find, listed
from pipelines.ops.record import rows_of
from pipelines.ops.tables import GATES
from pipelines.ops.training_page import training_page
from pipelines.simulate import simulate

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.soak


def test_adopting_links_everything_by_it_and_says_so(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = simulate(str(tmp_path), customers=100, nights=2, seed=11)
    shop = Shop(Path(made.landing), tmp_path / "warehouse", ROOT / "conf")
    where = ["--warehouse", str(shop.warehouse), "--config", str(shop.config)]
    assert shop.run("--date", "2026-07-01") == 0
    first = find("current", shop.house)
    report = shop.warehouse / "generations" / first.generation_id / "training.html"
    assert "From <b>run 2026-07-01.1</b>" in report.read_text(encoding="utf-8")
    ids = {r["record_id"]: r["customer_id"] for r in shop.rows("SELECT * FROM identity.assignments")}
    with monkeypatch.context() as patch:
        # Another cut is another generation, which the unchanged configuration then links by.
        patch.setenv("PADRON__LINKAGE__CUT_PRECISION", "0.9999999")
        assert execute(["train", *where, "--out", str(tmp_path / "generations")]) == 0
    (folder,) = (tmp_path / "generations").iterdir()
    other = find(str(folder), shop.house)
    assert other.digest != first.digest

    # Without an agreement the night stops, and readers keep what they have.
    capsys.readouterr()
    changes = execute(
        ["run", "--landing", str(shop.landing), *where, "--generation", str(folder), "--date", "2026-07-01"]
    )
    assert changes == 3
    told = " ".join(capsys.readouterr().err.split())
    assert re.search(
        r"would change customers: .* unchanged; records: .* unchanged; revenue of the .* \(.*% of ", told
    )
    gate = next(row for row in rows_of(shop.house, GATES.path)[::-1] if row["gate"] == "generation")
    assert gate["status"] == "blocked"
    assert gate["value"] > gate["bound"]
    assert gate["message"].endswith("To agree: padron generations adopt, or the same run with --approve.")
    assert execute(["status", *where]) == 3
    assert "revenue of the customers touched" in capsys.readouterr().out
    assert releases.required(shop.house).release_id == "2026-07-01.1"

    assert execute(["generations", "adopt", str(folder), "--yes", *where]) == 0
    release = releases.required(shop.house)
    assert (release.release_id, release.business_date) == ("2026-07-01.3", date(2026, 7, 1))
    assert find("current", shop.house).digest == other.digest
    kept = shop.warehouse / "generations" / other.generation_id / "training.html"
    assert kept.read_text(encoding="utf-8") == (folder / "training.html").read_text(encoding="utf-8")
    assert [g.in_use for g in listed(shop.house)] == [True, False]
    now = {r["record_id"]: r["customer_id"] for r in shop.rows("SELECT * FROM identity.assignments")}
    assert now != ids
    causes = shop.rows("SELECT DISTINCT cause FROM identity.events WHERE publication > 1")
    assert causes == [{"cause": "generation"}]

    # What is in use stays: again there is nothing to do, and the next night links by it.
    assert execute(["generations", "adopt", str(folder), "--yes", *where]) == 0
    assert shop.run("--date", "2026-07-01") == 0
    assert releases.required(shop.house).release_id == "2026-07-01.3"
    assert shop.run("--date", "2026-07-02") == 0
    assert find("current", shop.house).models == other.models


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no Chromium (Debian: apt install chromium)")
def test_the_training_report_draws_its_charts(tmp_path: Path) -> None:
    run = TrainingRun()
    linked = link_night(population(220, seed=3)[0], None, CONF, date(2026, 7, 1), run)
    page = tmp_path / "training.html"
    page.write_text(training_page(linked, run, "a test"), encoding="utf-8")
    done = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000"),
            *("--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    charts = sum(map(len, run.charts.values()))
    assert done.stdout.count("<canvas") == charts
    assert "cannot be drawn" not in done.stdout.partition("<script>")[0]
