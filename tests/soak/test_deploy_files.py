"""Files for schedulers, read by what will read them: Airflow, the spark-operator's models, systemd."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli.night import run

pytestmark = pytest.mark.soak

DEPLOY = Path(__file__).resolve().parents[2] / "jobs" / "deploy"
MINUTES = 15


def python_with(folder: Path, *packages: str) -> Path:
    """A throw-away Python with ``packages``; skips the test where they do not install."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", *packages]
    try:
        done = subprocess.run(install, check=False, capture_output=True, text=True, timeout=60 * MINUTES)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{', '.join(packages)}: not installed in {MINUTES} minutes")
    if done.returncode:
        pytest.skip(f"{', '.join(packages)}: {done.stderr.strip().splitlines()[-1]}")
    return python


def answer(python: Path, script: str, path: Path, **environment: str) -> Any:
    """What a script beside this one says about a file."""
    command = [str(python), str(Path(__file__).with_name(script)), str(path)]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_airflow_reads_the_dag(tmp_path: Path) -> None:
    packages = ("apache-airflow>=3.3,<4", "apache-airflow-providers-apache-spark>=6.3,<7")
    python = python_with(tmp_path / "airflow", *packages)
    told = {"AIRFLOW_HOME": str(tmp_path / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    found = answer(python, "read_dag.py", DEPLOY / "airflow", **told)
    assert found["errors"] == {}
    (dag,) = found["dags"]
    assert (dag["dag"], dag["at_once"], dag["catchup"]) == ("padron_night", 1, False)
    night = dag["tasks"]["night"]
    assert night["kind"] == "SparkSubmitOperator"
    assert night["application"].endswith("jobs/night.py")
    # The night of the second of July publishes the first.
    assert night["arguments"][:2] == ["--date", "2026-07-01"]
    assert run.make_context("run", list(night["arguments"])).params["landing"].endswith("/extracts")


def test_the_operator_knows_every_field_of_the_manifest(tmp_path: Path) -> None:
    python = python_with(tmp_path / "operator", "kubeflow-spark-api>=2.4,<3", "pyyaml>=6")
    assert answer(python, "read_manifest.py", DEPLOY / "kubernetes" / "night.yml") == []
    wrong = tmp_path / "night.yml"
    wrong.write_text(
        (DEPLOY / "kubernetes" / "night.yml").read_text().replace("memoryOverhead", "memoryOver")
    )
    assert answer(python, "read_manifest.py", wrong) == [
        "/spec/template/driver/memoryOver",
        "/spec/template/executor/memoryOver",
    ]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    units = [Path(shutil.copy(path, tmp_path)) for path in sorted((DEPLOY / "systemd").iterdir())]
    command = ["systemd-analyze", "verify", *(str(unit) for unit in units)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    own = [line for line in done.stderr.splitlines() if "padron" in line]
    assert (done.returncode, own) == (0, [])
