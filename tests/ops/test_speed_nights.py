"""``padron bench night``: what is told of a night's stages, what the nights are given, what the bars say."""

from __future__ import annotations

import csv
import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops.record import Record
from pipelines.ops.speed.cells import Cell
from pipelines.ops.speed.config import NightBench
from pipelines.ops.speed.figures import figures
from pipelines.ops.speed.killed_night import main as kill
from pipelines.ops.speed.night_bars import verdicts
from pipelines.ops.speed.night_page import markdown
from pipelines.ops.speed.nights import NIGHTS, check_victim
from pipelines.ops.speed.processes import Measured
from pipelines.ops.speed.retailers import Retailer, Retailers
from pipelines.ops.speed.stage_costs import REST, StageCost, stage_costs
from pipelines.settings import load_settings
from pipelines.stages import StageResult
from pipelines.storage import Warehouse

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
MB = 2**20


def line(second: float, stage: str | None, message: str, **figures: float) -> str:
    told = {"stage": stage, "message": message, "figures": figures}
    return json.dumps({"time": datetime.fromtimestamp(NOON + second, UTC).isoformat(), **told})


def test_seconds_and_memory_are_those_of_a_stage_and_the_rest_is_told_too() -> None:
    log = [
        "WARNING: a line of Java's",
        line(3, None, "night 2026-07-01 started", files=9),
        line(4, "bronze.land", "started"),
        line(6, "bronze.land", "done", seconds=2.0, rows_out=10),
        line(6, "silver.build", "started"),
        line(7, "bronze.profile", "started"),
        line(7.1, "bronze.profile", "reused", seconds=0.1),
        line(9, "silver.build", "failed: out of memory", seconds=3.0),
        line(9, "silver.build", "gate schema warned", value=1.0),
    ]
    memory = [(NOON, 10 * MB), (NOON + 5, 50 * MB), (NOON + 8, 90 * MB), (NOON + 12, 20 * MB)]
    assert stage_costs(log, memory, seconds=12.0) == (
        StageCost("bronze.land", "done", 2.0, 50 * MB),
        StageCost("bronze.profile", "reused", 0.1, 0),
        StageCost("silver.build", "failed", 3.0, 90 * MB),
        # Twelve seconds less those from 4 to 9.
        StageCost(REST, "done", 7.0, 20 * MB),
    )


@pytest.fixture(scope="module")
def retailer(tmp_path_factory: pytest.TempPathFactory) -> Retailer:
    conf = NightBench(changed=0.004)
    return Retailers(str(tmp_path_factory.mktemp("bench")), conf, load_settings(ROOT / "conf")).of(500)


def test_a_retailer_has_the_records_asked_for_and_few_changes(retailer: Retailer) -> None:
    assert 400 < retailer.records < 600
    assert 1 < retailer.orders / retailer.records < 3
    # Each of the five sources keeps a row at least.
    assert 0.004 * retailer.records <= retailer.changes < 0.004 * retailer.records + 6
    folder = Path(retailer.landing)
    second = {
        f.parent.name: list(csv.DictReader(f.open())) for f in folder.glob(f"{retailer.second}/*/*.csv")
    }
    assert all(row["op"] in "IUD" for row in second["crm"])
    whole = folder.parent.parent / "retailers" / folder.name / "landing" / retailer.second
    assert sum(1 for _ in (whole / "crm" / "contacts.csv").open()) > len(second["crm"]) + 1
    assert "spark.driver.memory  4g" in (Path(retailer.config) / "spark-defaults.conf").read_text()


def test_a_resumed_night_names_the_stages_that_ran_again(retailer: Retailer, tmp_path: Path) -> None:
    results = tmp_path / "results"
    house = Warehouse(str(results / "warehouse"))
    for done in (("bronze.land", "silver.build"), ("silver.build", "gold.rfm")):
        record = Record(house, date(2026, 7, 1), {})
        record.state("started")
        for stage in done:
            record.stage(StageResult(stage, "done", stage))
    (tmp_path / "stderr.txt").write_text(line(1, "gold.rfm", "done", seconds=1.0), encoding="utf-8")
    found = NIGHTS["resumed"].read(retailer, str(results), Measured("done", 5.0, 5.0, MB))
    assert found["repeated"] == ("silver.build",)
    assert [stage.stage for stage in found["stages"]] == ["gold.rfm", REST]


def test_a_night_is_killed_when_a_table_of_the_stage_is_written(tmp_path: Path) -> None:
    write = (
        "import sys, time; from pipelines.gold.xref import XREF; from pipelines.storage import *; "
        "Warehouse(sys.argv[1]).write(XREF, arrow_schema(XREF).empty_table(), None); time.sleep(60)"
    )
    night = [sys.executable, "-c", write, str(tmp_path)]
    assert kill("gold.xref", str(tmp_path), str(ROOT / "conf"), night) == 0
    assert kill("gold.rfm", str(tmp_path), str(ROOT / "conf"), [sys.executable, "-S", "-c", ""]) == 1


def made(size: int, night: str, seconds: float, **more: object) -> Cell:
    stages = (StageCost("silver.build", "done", seconds / 2, MB), StageCost(REST, "done", 5.0, MB))
    return Cell(size, night, 1, "", "done", seconds, seconds, 4 * 2**30, stages=stages, **more)  # type: ignore[arg-type]


def test_bars_and_page(retailer: Retailer) -> None:
    conf = NightBench(sizes=(1_000, 10_000), tiny=100)
    cells = [
        *(made(100, "first", 50), made(100, "change", 70), made(100, "resumed", 40, repeated=())),
        *(made(1_000, "first", 60), made(1_000, "resumed", 40, repeated=("silver.build",))),
        *(made(10_000, "first", 1_200), made(10_000, "change", 120)),
    ]
    found = figures(cells)
    judged = {v.name: (v.value, v.said()) for v in verdicts(found, conf)}
    assert judged == {
        "first: growth, 1k to 10k": (pytest.approx(1.301, abs=1e-3), "missed by 18 %"),
        "first: peak memory in GB, 10k": (4.0, "reached"),
        "change / first, 10k": (pytest.approx(0.1), "reached"),
        "first: seconds on 100 records": (50, "reached"),
        "change: seconds on 100 records": (70, "missed by 17 %"),
        "resumed: stages repeated, 100": (0.0, "reached"),
        "resumed: stages repeated, 1k": (1.0, "missed"),
    }
    given = dict.fromkeys((100, 1_000, 10_000), retailer)
    page = markdown(found, verdicts(found, conf), list(NIGHTS.values()), given, conf)
    assert "| Stages of first | 100 s | 100 GB | 1k s | 1k GB | 10k s | 10k GB |" in page
    assert "| silver.build | 25.0 | 0.00 | 30.0 | 0.00 | 600.0 | 0.00 |" in page
    assert "- resumed, 1,000: 0 stages reused, repeated: silver.build." in page


def test_what_is_asked_for_wrongly_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["bench", "night", "--nights", "last", "--out", str(tmp_path)]) == 2
    assert "no night last; there are first, change, resumed" in capsys.readouterr().err
    with pytest.raises(UsageError, match=r"killed_in: gold\.nothing is no stage that writes"):
        check_victim(NightBench(killed_in="gold.nothing"), load_settings(ROOT / "conf"))


@pytest.mark.soak
def test_nights_of_a_small_retailer(tmp_path: Path) -> None:
    where = ["bench", "night", "--sizes", "1000", "--repeat", "1", "--out", str(tmp_path / "out")]
    assert execute(where) == 0
    found = json.loads((tmp_path / "out" / "night.json").read_text())
    assert {cell["outcome"] for cell in found["cells"]} == {"done"}
    resumed = [cell for cell in found["cells"] if cell["peer"] == "resumed"]
    assert [cell["repeated"] for cell in resumed] == [[], []]
    assert all(any(stage["status"] == "reused" for stage in cell["stages"]) for cell in resumed)
