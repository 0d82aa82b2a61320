"""A whole night planned and then run: it changes what the plan said, and the plan changed nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from night_box import Shop
from pyspark.sql import SparkSession

from pipelines.cli import execute
from pipelines.ops.foretold import foretell
from pipelines.ops.releases import all_releases
from pipelines.ops.sales import Basis
from pipelines.simulate import simulate

pytestmark = pytest.mark.soak


def bytes_of(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_night_is_what_was_planned(
    spark: SparkSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    landing = Path(simulate(str(tmp_path), customers=150, nights=2, seed=5).landing)
    first, second = sorted(day.name for day in landing.iterdir() if day.is_dir())
    shop = Shop(landing, tmp_path / "warehouse")
    assert shop.run("--date", first) == 0
    stored = shop.value("SELECT source || ':' || record_id FROM identity.assignments ORDER BY ALL LIMIT 1")
    other = shop.value(
        "SELECT source || ':' || record_id FROM identity.assignments ORDER BY ALL DESC LIMIT 1"
    )
    decision = ["decide", "match", stored, other, "--hold", "--yes", "--by", "ana", "--reason", "asked"]
    assert execute([*decision, "--warehouse", str(shop.warehouse)]) == 0
    before = bytes_of(shop.warehouse)
    capsys.readouterr()
    asked = ["plan", "--landing", str(landing), "--warehouse", str(shop.warehouse), "--json"]
    assert execute(asked) == 0
    planned = json.loads(capsys.readouterr().out)
    assert bytes_of(shop.warehouse) == before
    assert shop.run("--date", second) == 0
    then, now = all_releases(shop.house)
    found = foretell(shop.house, then.tables, now.tables, Basis()).as_dict()
    assert found["records"]["moved"] + found["records"]["new"] > 0
    assert found["segments"]
    assert planned["nights"] == [{"business_date": second, "files": planned["nights"][0]["files"]}]
    assert {name: planned[name] for name in found} == json.loads(json.dumps(found))
