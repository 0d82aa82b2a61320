"""The nights that are timed: the first, one of few changes after it, and one that was killed, resumed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from pipelines.errors import UsageError
from pipelines.night import stages
from pipelines.ops.record import rows_of
from pipelines.ops.speed.config import NightBench
from pipelines.ops.speed.peers import Peer
from pipelines.ops.speed.processes import Measured
from pipelines.ops.speed.retailers import Retailer
from pipelines.ops.speed.stage_costs import stage_costs
from pipelines.ops.tables import STAGES
from pipelines.settings import Settings
from pipelines.storage import Warehouse

_START = "import sys; from pipelines.cli import main; main()"
_USES = ("pyspark", "delta-spark", "deltalake", "splink", "duckdb", "pyarrow", "great-expectations")
_LAYERS = ("bronze", "silver", "linkage", "identity", "gold", "quality", "standardise")
_OPS = (
    "run.py",
    "one_night.py",
    "runner.py",
    "record.py",
    "releases.py",
    "profiles.py",
    "source_catalogue.py",
    "summarise.py",
)
_NIGHT = ("night.py", "night_gates.py", "night_gold.py", "night_linkage.py", "night_silver.py")
_MODULES = ("config.py", "config_yaml.py", *_NIGHT, "queries.py", "settings.py")
_CODE = (*_LAYERS, *_MODULES, "spark.py", "stages.py", "storage.py", "tables.py", *(f"ops/{m}" for m in _OPS))
"""Code that decides what a night does."""


def check_victim(conf: NightBench, settings: Settings) -> None:
    """Raises UsageError where the stage to be killed is none that writes."""
    writing = [stage.name for stage in stages(settings.sources) if stage.writes]
    if conf.killed_in not in writing:
        raise UsageError(
            f"conf/benchmarks.yml: night: killed_in: {conf.killed_in} is no stage that writes. There are: {', '.join(writing)}."
        )


def _warehouse(out: str) -> str:
    return os.path.join(out, "warehouse")


def _run(given: Retailer, out: str, date: str) -> list[str]:
    where = ["--landing", given.landing, "--warehouse", _warehouse(out), "--config", given.config]
    return [sys.executable, "-c", _START, "run", "--log-format", "json", "--date", date, *where]


def _first(given: Retailer, out: str) -> list[str]:
    return _run(given, out, given.first)


def _second(given: Retailer, out: str) -> list[str]:
    return _run(given, out, given.second)


def _released(given: Retailer, out: str) -> list[str]:
    """The warehouse after the first night: the one that was kept, or made now."""
    kept = _kept(given)
    return ["cp", "-r", kept, _warehouse(out)] if os.path.exists(kept) else _first(given, out)


def _kept(given: Retailer) -> str:
    return os.path.join(given.kept, f"{given.size}-{given.digest}-{NIGHTS['first'].digest()}")


def _killed(given: Retailer, out: str) -> list[str]:
    worker = [sys.executable, "-m", "pipelines.ops.speed.killed_night"]
    return [*worker, given.conf.killed_in, _warehouse(out), given.config, *_first(given, out)]


def _read(given: Retailer, results: str, found: Measured) -> dict[str, Any]:
    """Fields of a cell: what each stage took."""
    log = os.path.join(os.path.dirname(results), "stderr.txt")
    with open(log, encoding="utf-8", errors="replace") as file:
        return {"stages": stage_costs(file, found.memory, found.seconds)}


def _read_first(given: Retailer, results: str, found: Measured) -> dict[str, Any]:
    """What each stage took; its warehouse is kept for the nights that start from it."""
    kept = _kept(given)
    if not os.path.exists(kept):
        os.makedirs(given.kept, exist_ok=True)
        shutil.move(_warehouse(results), kept)
    return _read(given, results, found)


def _read_resumed(given: Retailer, results: str, found: Measured) -> dict[str, Any]:
    """What each stage took, and which had ended before the kill and ran again."""
    done: dict[str, set[str]] = {}
    for row in rows_of(Warehouse(_warehouse(results)), STAGES.path):
        if row["status"] == "done":
            done.setdefault(row["run_id"], set()).add(row["stage"])
    killed, *later = (done[run_id] for run_id in sorted(done))
    again = killed.intersection(*later) if later else set()
    return {**_read(given, results, found), "repeated": tuple(sorted(again))}


NIGHTS: Mapping[str, Peer] = {
    night.name: night
    for night in (
        Peer(
            "first",
            "a first night: full snapshots and two years of orders, linkage trained, nothing known before",
            _first,
            _USES,
            _CODE,
            needs_java=True,
            read=_read_first,
        ),
        Peer(
            "change",
            "the night after it: the records that changed, and a day's orders and tickets",
            _second,
            _USES,
            _CODE,
            needs_java=True,
            before=_released,
            read=_read,
        ),
        Peer(
            "resumed",
            "a first night that was killed when a stage had written its first table, run again: what is timed is the second run",
            _first,
            _USES,
            _CODE,
            needs_java=True,
            before=_killed,
            read=_read_resumed,
        ),
    )
}
"""Nights by name, in the order in which they take turns."""
