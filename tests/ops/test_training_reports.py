"""The report of a training stays with its generation; what is missing or of another is said and stops nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from linkage_house import PEOPLE, filled, released
from tiny_night import NAMES, Watch

from pipelines.cli import execute
from pipelines.linkage.engine import empty_records
from pipelines.linkage.generations import GENERATIONS, Generation, came_into_use
from pipelines.night_linkage import link
from pipelines.ops.generations import find, keep, training_report
from pipelines.ops.repeat import Unrecorded
from pipelines.ops.run import Options, run
from pipelines.ops.runner import Runner
from pipelines.ops.training_reports import kept, kept_at
from pipelines.settings import Settings, load_settings
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.stages import Inputs, Night, Stage
from pipelines.storage import Warehouse, arrow_schema

ROOT = Path(__file__).resolve().parents[2]
NIGHT = Night(date(2026, 7, 1), "2026-07-01.1", datetime(2026, 7, 1, tzinfo=UTC), "", (), {})


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "conf")


@pytest.fixture
def house(tmp_path: Path) -> Warehouse:
    return Warehouse(released(tmp_path)[0])


def page_of(generation_id: str) -> str:
    return f"<title>padron · generation {generation_id}</title>"


@pytest.fixture
def other(house: Warehouse, tmp_path: Path) -> Path:
    """Another generation as ``padron train`` leaves it."""
    made = replace(find("current", house), cut=1 - 1e-12)
    return Path(keep(str(tmp_path / "generations"), made, page_of(made.generation_id)))


def show(house: Warehouse, name: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert execute(["generations", "show", name, "--warehouse", house.root]) == 0
    return " ".join(capsys.readouterr().out.split())


def first_night(tmp_path: Path, settings: Settings) -> tuple[Warehouse, Watch, Runner]:
    """The linkage of a warehouse's first night, run by the runner."""
    house, watch = Warehouse(str(tmp_path / "first")), Watch()
    rows = filled(CUSTOMER_RECORDS, empty_records().from_pylist(PEOPLE, schema=empty_records().schema))
    version = house.write(CUSTOMER_RECORDS, rows, None)
    night = replace(NIGHT, given={CUSTOMER_RECORDS.path: version})
    runner = Runner(None, house, settings, night, Unrecorded(), watch, memory={})  # type: ignore[arg-type]
    return house, watch, runner


def test_the_first_night_keeps_the_report_of_what_it_trained(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    house, watch, runner = first_night(tmp_path, settings)
    seen: list[dict[str, Any]] = []

    def linked(inputs: Inputs) -> Any:
        content = link(inputs)
        seen.append({"pages": dict(inputs.pages), "generations": content[GENERATIONS.path]})
        return {GENERATIONS.path: content[GENERATIONS.path]}

    runner.run([Stage("linkage.link", (GENERATIONS,), linked)], {}, set())
    made = Generation.from_json(seen[0]["generations"]["content"][0].as_py())
    assert list(seen[0]["pages"]) == [kept_at(made.generation_id)]
    assert watch.said == []
    page = (Path(house.root) / "generations" / made.generation_id / "training.html").read_text()
    assert "From <b>run 2026-07-01.1</b>" in page
    assert "Match weights" in page
    assert not [row["record_id"] for row in PEOPLE if f'"{row["record_id"]}"' in page]
    assert "ana@mail.com" not in page
    # A later night links by it: it trains nothing and leaves no page.
    base = {GENERATIONS.path: runner.versions[GENERATIONS.path]}
    later = Inputs(None, house, settings, replace(NIGHT, base=base), runner.versions, {})  # type: ignore[arg-type]
    link(later)
    assert later.pages == {}


def test_a_page_that_fails_is_said_and_the_tables_are_whole(tmp_path: Path, settings: Settings) -> None:
    house, watch, runner = first_night(tmp_path, settings)

    def stage(inputs: Inputs) -> Any:
        inputs.pages["generations/bad/training.html"] = lambda: str(1 / 0)
        inputs.pages["generations/good/training.html"] = lambda: "good"
        return {NAMES.path: arrow_schema(NAMES).empty_table()}

    runner.run([Stage("linkage.link", (NAMES,), stage)], {}, set())
    assert NAMES.path in runner.versions
    assert (Path(house.root) / "generations/good/training.html").read_text() == "good"
    assert watch.said == [
        "there is no generations/bad/training.html (ZeroDivisionError): the tables are whole without it."
    ]


class Started(BaseException):
    pass


def adopted(house: Warehouse, name: str, settings: Settings) -> list[str]:
    """What is said by a night that adopts a generation, up to where Spark would start."""

    def start(records: int | None = None) -> Any:
        raise Started

    watch, generation = Watch(), find(name, house)
    report = training_report(name, house, generation)
    asked = Options("", house.root, generation=generation, training_report=report, takes_files=False)
    with pytest.raises(Started):
        run(asked, settings, start, watch)
    return watch.said


def test_adopting_keeps_the_report_in_the_warehouse(
    house: Warehouse, other: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    made = find(str(other), house)
    assert adopted(house, str(other / "generation.json"), settings) == []
    place = Path(house.root) / kept_at(made.generation_id)
    assert place.read_text(encoding="utf-8") == page_of(made.generation_id)
    row = came_into_use(made, made, house.arrow(GENERATIONS.path))
    revised = replace(made, generic=(("phones", "1"),), previous_id=made.generation_id)
    rows = came_into_use(revised, made, house.arrow(GENERATIONS.path))
    found = kept(house, made, row)
    assert found is not None
    assert found.path == str(place)
    # A minor revision has no training of its own.
    assert kept(house, revised, rows) == found


def test_a_report_that_is_missing_or_of_another_is_said_and_stops_nothing(
    house: Warehouse, other: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    made = find(str(other), house).generation_id
    report = other / "training.html"
    report.write_text(page_of("0123456789ab"), encoding="utf-8")
    (said,) = adopted(house, str(other), settings)
    assert said.endswith("training.html, of generation 0123456789ab.")
    report.write_text("<title>holidays</title>", encoding="utf-8")
    (said,) = adopted(house, str(other), settings)
    assert said.endswith("training.html is something else.")
    assert "is something else" in show(house, str(other), capsys)
    report.unlink()
    (said,) = adopted(house, str(other), settings)
    assert f"none is kept of {made}; `padron train` writes one" in said
    assert f"none is kept of {made}" in show(house, str(other), capsys)


def test_show_and_export_say_where_the_report_is_and_take_it_along(
    house: Warehouse, other: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert f"Training report: {other}/training.html" in show(house, str(other), capsys)
    current = find("current", house).generation_id
    assert f"none is kept of {current}" in show(house, "current", capsys)
    out = tmp_path / "exported"

    def export(name: str, *words: str) -> str:
        assert execute(["generations", "export", str(out), name, *words, "--warehouse", house.root]) == 0
        return capsys.readouterr().out

    assert "Training report: none is kept" in export("current")
    assert not (out / "training.html").exists()
    place = Path(house.root) / kept_at(current)
    place.parent.mkdir(parents=True)
    place.write_text(page_of(current), encoding="utf-8")
    assert f"Training report: {place}" in show(house, current[:6], capsys)
    assert "training.html" in json.loads(export("current", "--json"))["files"]
    assert (out / "training.html").read_text(encoding="utf-8") == page_of(current)
    assert "Training report" not in export("current")
