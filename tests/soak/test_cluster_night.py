"""Two nights on a Spark standalone cluster, an executor killed in each, end in the tables of two local nights.

The workers' Python has third-party packages only: padron reaches them as a zip, as spark-submit ships it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from night_box import Shop
from pyspark.sql import SparkSession
from spark_cluster import SPARK, Cluster, bare_python, cluster, environment
from test_killed_nights import differences

from pipelines.simulate import simulate

pytestmark = pytest.mark.soak

ROOT = Path(__file__).resolve().parents[2]
INTO = 3.0
"""Seconds from the start of a stage to the end of an executor."""
KILLED_IN = {"2026-07-01": "linkage.link", "2026-07-02": "identity.assign"}


@dataclass
class Night:
    """What a night under spark-submit came to."""

    code: int = 1
    log: list[dict[str, Any]] = field(default_factory=list)
    noise: list[str] = field(default_factory=list)
    """What Ivy and Spark said."""
    killed: list[int] = field(default_factory=list)
    was_inside: bool = False
    """Whether the stage had not ended when its executor was killed."""


def padron_zip(folder: Path) -> Path:
    """What ``make zip`` builds."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("padron-*.whl")
    return Path(shutil.copy(wheel, folder / "padron.zip"))


def kill_one(running: Cluster, night: Night) -> None:
    """SIGKILL for one of the executors, in the middle of what it does."""
    time.sleep(INTO)
    victim = min(running.executors())
    os.kill(victim, signal.SIGKILL)
    night.killed.append(victim)


def submitted(running: Cluster, python: Path, package: Path, shop: Shop, date: str) -> Night:
    """``spark-submit jobs/night.py`` on the cluster, in a folder that holds nothing of padron."""
    night, noise = Night(), package.parent / f"{date}.log"
    command = [
        *(str(SPARK / "bin" / "spark-submit"), "--master", running.url, "--driver-memory", "1g"),
        *("--properties-file", str(ROOT / "conf" / "spark-defaults.conf"), "--py-files", str(package)),
        *(str(ROOT / "jobs" / "night.py"), "--date", date),
        *("--landing", str(shop.landing), "--warehouse", str(shop.warehouse)),
    ]
    told = {
        "PADRON_LOG": "json",
        "SPARK_CONF_DIR": str(ROOT / "conf"),
        "PADRON__LINKAGE__PLACEMENT": "many",
    }
    with subprocess.Popen(
        command,
        env={**environment(python), **told},
        cwd=package.parent,
        # spark-submit passes on what the program writes to either stream as its standard output.
        stdout=subprocess.PIPE,
        stderr=noise.open("wb"),
        text=True,
    ) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            night.log.append(json.loads(line))
            if night.log[-1]["stage"] != KILLED_IN[date]:
                continue
            if night.log[-1]["message"] == "started":
                threading.Thread(target=kill_one, args=(running, night), daemon=True).start()
            elif night.log[-1]["message"] == "done":
                night.was_inside = bool(night.killed)
    night.code, night.noise = driver.returncode, noise.read_text(encoding="utf-8").splitlines()
    return night


def test_nights_on_a_cluster_that_loses_executors_end_as_local_ones(
    spark: SparkSession, tmp_path: Path
) -> None:
    made = simulate(str(tmp_path / "retailer"), customers=200, nights=len(KILLED_IN))
    landing = Path(made.landing)
    local, far = (Shop(landing, tmp_path / name, None) for name in ("local", "far"))
    for date in KILLED_IN:
        assert local.run("--config", str(ROOT / "conf"), "--date", date) == 0
    python = bare_python(tmp_path / "python")
    lacks = "import splink, duckdb, deltalake, pyspark\ntry: import pipelines.cli\nexcept ImportError: print('no padron')"
    alone = subprocess.run(
        [str(python), "-c", lacks], env=environment(python), cwd=tmp_path, capture_output=True, check=True
    )
    assert alone.stdout.decode().strip() == "no padron"
    (tmp_path / "dist").mkdir()
    package = padron_zip(tmp_path / "dist")
    with cluster(tmp_path, python) as running:
        for date in KILLED_IN:
            night = submitted(running, python, package, far, date)
            assert night.code == 0, (night.log[-3:], night.noise[-10:])
            assert len(night.killed) == 1
            assert night.was_inside
            assert f"night {date} released" in {line["message"] for line in night.log}
            # Ivy speaks before Spark starts; Spark itself only of the executor that was lost.
            assert [line for line in night.noise if " INFO " in line or " WARN " in line] == []
    assert differences(far, local) == {}
