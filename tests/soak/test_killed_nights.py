"""Real nights killed at every boundary and inside every stage that writes; the rerun is as if nothing had been."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import latam
import pytest
from night_box import Shop
from pyspark.sql import SparkSession

from pipelines.night import stages
from pipelines.ops import releases
from pipelines.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
KILLER = Path(__file__).with_name("killed_night.py")
CLOCK = {"_ingested_at", "ingested_at"}
"""Columns that say when a night ran."""
COPYING = ("silver.build", "gold.customers")
"""Stages that copy rows of last night's tables that stand, in the nights that are killed; the undisturbed one copies none."""


def killed(shop: Shop, point: str) -> int:
    """A night in a process of its own that is killed at ``point``; its exit code."""
    where = [
        "--landing",
        str(shop.landing),
        "--warehouse",
        str(shop.warehouse),
        "--config",
        str(ROOT / "conf"),
    ]
    return subprocess.run([sys.executable, str(KILLER), point, *where], check=False).returncode


def differences(one: Shop, other: Shop) -> dict[str, int]:
    """Rows that readers see in one warehouse and not in the other, by table."""
    mine, theirs = releases.required(one.house).tables, releases.required(other.house).tables
    assert mine.keys() == theirs.keys()
    found = {}
    for path in sorted(mine):
        connection = duckdb.connect()
        columns = []
        for name, shop, version in (("a", one, mine[path]), ("b", other, theirs[path])):
            stored = shop.house.open(path, version)
            assert stored is not None
            data = stored.to_pyarrow_dataset()
            connection.register(name, data)
            columns = [f'"{c}"' for c in data.schema.names if c not in CLOCK]
        both = [
            f"SELECT {', '.join(columns)} FROM {x} EXCEPT ALL SELECT {', '.join(columns)} FROM {y}"
            for x, y in (("a", "b"), ("b", "a"))
        ]
        query = f"SELECT count(*) FROM (({both[0]}) UNION ALL ({both[1]}))"
        found[path] = int(connection.execute(query).fetchall()[0][0])
    return {path: rows for path, rows in found.items() if rows}


@pytest.mark.soak
@pytest.mark.parametrize("night", [0, 1])
def test_a_latam_night_killed_at_every_stage_ends_as_an_undisturbed_one(
    spark: SparkSession, data: Path, tmp_path: Path, night: int
) -> None:
    undisturbed = Shop(tmp_path / "landing", tmp_path / "undisturbed", ROOT / "conf")
    victim = Shop(tmp_path / "landing", tmp_path / "victim", ROOT / "conf")
    for earlier in range(night):
        latam.deliver(data, undisturbed.landing, earlier)
        assert undisturbed.run() == 0
        assert victim.run() == 0
    latam.deliver(data, undisturbed.landing, night)
    assert undisturbed.run() == 0
    for stage in stages(load_settings(ROOT / "conf").sources):
        copied = ["copied"] if night and stage.name in COPYING else []
        points = ("before", *copied, "inside", "after") if stage.writes else ("before", "after")
        for where in points:
            assert killed(victim, f"{where}:{stage.name}") == -9, f"{where} {stage.name}"
    assert victim.run() == 0
    assert differences(victim, undisturbed) == {}
