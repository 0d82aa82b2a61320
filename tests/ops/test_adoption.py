"""Generations of a warehouse by the command, without Spark: its tables are written by hand."""

from __future__ import annotations

import json
import re
import runpy
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from linkage_people import population

from pipelines.cli import execute
from pipelines.digests import program_digest
from pipelines.errors import UsageError
from pipelines.gold.xref import XREF
from pipelines.identity.tables import ASSIGNMENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.generations import GENERATIONS, Generation, came_into_use
from pipelines.linkage.link import link_night
from pipelines.ops import checks, releases
from pipelines.ops.generations import find
from pipelines.ops.keys import stage_key
from pipelines.ops.run import Options, run
from pipelines.settings import Settings, load_settings
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDERS
from pipelines.stages import Inputs, Night, Stage
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import Table

ROOT = Path(__file__).resolve().parents[2]
NIGHT = date(2026, 7, 1)


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings(ROOT / "conf")


@pytest.fixture(scope="module")
def house(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    """One released night: 30 people by the starter generation, a customer a cluster, and what they bought."""
    house = Warehouse(str(tmp_path_factory.mktemp("warehouse")))
    records, _ = population(30, seed=5)
    linked = link_night(records, None, settings.linkage, NIGHT)
    owners = [
        {"source": r["source"], "record_id": r["record_id"], "customer_id": f"C-{r['cluster_final']}"}
        for r in linked.clusters.to_pylist()
    ]
    first = {row["customer_id"]: row for row in reversed(owners)}
    order = {
        "ordered_at": datetime(2026, 6, 1, tzinfo=UTC),
        "order_date": date(2026, 6, 1),
        "status": "completed",
        "gross": Decimal("10.50"),
        "returned": Decimal(0),
        "net": Decimal("10.50"),
        "currency": "EUR",
    }
    orders = [
        {"source": r["source"], "record_id": r["record_id"], "order_id": c, **order} for c, r in first.items()
    ]
    tables = {
        CUSTOMER_RECORDS: records.to_pylist(),
        CLUSTERS: linked.clusters.to_pylist(),
        GENERATIONS: came_into_use(linked.generation, None, None).to_pylist(),
        ASSIGNMENTS: owners,
        ORDERS: orders,
        XREF: [{**row, "is_live": True} for row in owners],
    }
    versions = {table.path: write(house, table, rows) for table, rows in tables.items()}
    releases.publish(
        house,
        {
            "release_id": "2026-07-01.1",
            "business_date": NIGHT,
            "at": datetime(2026, 7, 1, tzinfo=UTC),
            "tables": sorted(versions.items()),
            "status": "released",
            "code_digest": program_digest(),
            "conf_digest": settings.digest,
            "warnings": [],
        },
    )
    return house


def write(house: Warehouse, table: Table, rows: list[dict[str, Any]]) -> int:
    return house.write(table, pa.Table.from_pylist(rows, schema=arrow_schema(table)), None)


@pytest.fixture
def stricter(house: Warehouse, tmp_path: Path) -> Path:
    """A generation of another cut, as a folder: nobody reaches it."""
    current = find("current", house)
    other = replace(current, cut=1 - 1e-12)
    (tmp_path / "stricter").mkdir()
    (tmp_path / "stricter" / "generation.json").write_text(other.to_json(), encoding="utf-8")
    return tmp_path / "stricter"


def command(house: Warehouse, *words: str, code: int = 0) -> None:
    assert execute([*words, "--warehouse", house.root]) == code


def test_the_generation_in_use_is_listed_and_shown(
    house: Warehouse, capsys: pytest.CaptureFixture[str]
) -> None:
    command(house, "generations", "list", "--json")
    (row,) = json.loads(capsys.readouterr().out)
    current = find("current", house)
    assert row["generation_id"] == current.generation_id
    assert row["in_use"] is True
    command(house, "generations", "list")
    command(house, "generations", "show", current.generation_id[:5])
    shown = capsys.readouterr().out
    assert "in use" in shown
    assert "PERSON: starter model" in shown
    assert max(map(len, shown.splitlines())) <= 80
    command(house, "generations", "show", "--json")
    assert Generation.from_json(capsys.readouterr().out).digest == current.digest


def test_what_is_no_generation_is_said(
    house: Warehouse, stricter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(house, "generations", "show", "zzz", code=2)
    assert "no file, folder or generation begins with zzz" in capsys.readouterr().err
    command(house, "generations", "show", str(tmp_path), code=2)
    assert "holds no generation" in capsys.readouterr().err
    edited = stricter / "generation.json"
    edited.write_text(edited.read_text().replace('"floor"', '"roof"'), encoding="utf-8")
    command(house, "generations", "adopt", str(stricter), "--yes", code=2)
    assert "no file that padron wrote" in capsys.readouterr().err
    with pytest.raises(releases.NoReleaseError):
        find("current", Warehouse(str(tmp_path / "nothing")))


def test_two_generations_are_compared_with_their_effect(
    house: Warehouse, stricter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(house, "generations", "diff", "current", str(stricter), "--effect", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["cut"][1] > found["cut"][0]
    assert found["models"]["person"]["weights"] == []
    effect = found["effect"]
    assert effect["customers"]["merged"] == 0
    assert effect["customers"]["split"] > 0
    assert effect["customers_after"] > effect["customers_before"]
    command(house, "generations", "diff", "current", "current")
    assert "one and the same" in capsys.readouterr().out


def test_a_generation_is_exported_for_another_warehouse_and_for_splink(
    house: Warehouse, stricter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "out"
    command(house, "generations", "export", str(folder), "--json")
    written = json.loads(capsys.readouterr().out)["files"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(written)
    assert {"generation.json", "splink_person.json", "splink_company.json"} <= set(written)
    assert find(str(folder), house).digest == find("current", house).digest
    assert json.loads((folder / "splink_person.json").read_text())["blocking_rules_to_generate_predictions"]
    command(house, "generations", "export", str(folder))
    command(house, "generations", "export", str(folder), str(stricter), code=2)
    assert "name another folder" in capsys.readouterr().err


def test_adopting_shows_its_effect_and_asks(
    house: Warehouse, stricter: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(house, "generations", "adopt", "current")
    assert "Nothing to do" in capsys.readouterr().out
    asked: list[Options] = []
    monkeypatch.setattr("pipelines.cli.night.run_nights", lambda options, _: asked.append(options))
    # There is nobody to say yes.
    command(house, "generations", "adopt", str(stricter), code=1)
    shown = capsys.readouterr().out
    assert asked == []
    splits = int(next(line.split()[1] for line in shown.splitlines() if line.startswith("split")))
    assert splits > 0
    assert f"Revenue of the customers touched: {splits * 10.5:,.2f} EUR" in shown
    command(house, "generations", "adopt", str(stricter), "--yes")
    (options,) = asked
    assert options.is_approved
    assert not options.takes_files
    assert options.generation is not None
    assert options.generation.cut > 0.99


def test_the_notebook_tells_what_another_generation_does_to_customers_and_revenue(
    house: Warehouse, stricter: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PADRON_WAREHOUSE", house.root)
    monkeypatch.setenv("PADRON_GENERATION", str(stricter))
    left = runpy.run_path(str(ROOT / "notebooks" / "compare_generations.py"))
    splits = left["effect"].customers["split"]
    assert splits > 0
    (money,) = left["change"].revenue
    assert (money.currency, float(money.touched)) == ("EUR", splits * 10.5)
    assert f"The cut goes from {left['before'].cut:.3f} to 1.000" in capsys.readouterr().out


def test_a_generation_for_other_fields_is_refused(
    house: Warehouse, stricter: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / "linkage.yml").write_text(
        "fields: {given_name: match_given, surname: match_surname}\nnever: []\n", encoding="utf-8"
    )
    command(house, "generations", "adopt", str(stricter), "--yes", "--config", str(conf), code=2)
    told = capsys.readouterr().err
    assert "for which conf/linkage.yml names no field" in told.replace("\n", " ")
    with pytest.raises(UsageError, match="names no field"):
        started(Options("", house.root, generation=find(str(stricter), house)), load_settings(conf))


class Started(BaseException):
    pass


class Quiet:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def started(options: Options, settings: Settings) -> bool:
    """True where the run went as far as starting Spark."""

    def start(records: int | None = None) -> Any:
        raise Started

    try:
        run(options, settings, start, Quiet())
    except Started:
        return True
    return False


def test_another_generation_is_something_to_do_and_the_one_in_use_is_not(
    house: Warehouse, stricter: Path, settings: Settings
) -> None:
    def asked(name: str | None) -> Options:
        return Options("", house.root, generation=name and find(name, house), takes_files=False)

    assert not started(asked(None), settings)
    assert not started(asked("current"), settings)
    assert started(asked(str(stricter)), settings)


def night(
    settings: Settings, house: Warehouse, generation: Generation | None, approved: bool = False
) -> Night:
    return Night(
        NIGHT,
        "2026-07-01.2",
        datetime(2026, 7, 2, tzinfo=UTC),
        "",
        (),
        releases.required(house).tables,
        NIGHT,
        generation=generation,
        is_approved=approved,
    )


def test_a_night_that_adopts_waits_until_somebody_agrees(
    house: Warehouse, stricter: Path, settings: Settings, tmp_path: Path
) -> None:
    other = find(str(stricter), house)
    alone = Warehouse(str(tmp_path / "tonight"))
    base = releases.required(house).tables
    apart = [
        {**row, "cluster_final": f"{row['source']}:{row['record_id']}"}
        for row in house.arrow(CLUSTERS.path, base[CLUSTERS.path]).to_pylist()
    ]
    before = (ASSIGNMENTS, ORDERS, XREF)
    prior = {t.path: write(alone, t, house.arrow(t.path, base[t.path]).to_pylist()) for t in before}
    versions = {CLUSTERS.path: write(alone, CLUSTERS, apart)}
    owners = Counter(row["customer_id"] for row in house.arrow(ASSIGNMENTS.path).to_pylist())
    whole, split = [
        list(g) for g in (filter((1).__eq__, owners.values()), filter((1).__lt__, owners.values()))
    ]
    changes = (
        f"would change customers: 0 merged, {len(split)} split, 0 rearranged, {len(whole)} unchanged; "
        f"records: 0 merged, {sum(split)} split, 0 rearranged, {len(whole)} unchanged; revenue of the customers "
        f"touched: {len(split) * 10.5:,.2f} EUR ({len(split) / len(owners):.2%} of {len(owners) * 10.5:,.2f})."
    )

    def judged(generation: Generation | None, approved: bool) -> list[dict[str, Any]]:
        tonight = replace(night(settings, house, generation, approved), base=prior)
        return checks.generation(Inputs(None, alone, settings, tonight, versions, {}))  # type: ignore[arg-type]

    assert judged(None, False) == []
    (stopped,) = judged(other, False)
    assert split
    assert (stopped["status"], stopped["value"]) == ("blocked", len(split))
    assert f"{other.generation_id} {changes} To agree: padron generations adopt" in stopped["message"]
    (agreed,) = judged(other, True)
    assert agreed["status"] == "passed"
    assert agreed["message"] == f"agreed to: {other.generation_id} {changes}"
    # What was never sold moves nothing.
    for table in (ORDERS, XREF):
        del prior[table.path]
    assert "touched: no order is known." in judged(other, False)[0]["message"]


def test_only_stages_that_take_the_generation_run_again_for_it(
    house: Warehouse, stricter: Path, settings: Settings
) -> None:
    other = find(str(stricter), house)
    keys = {}
    for takes in (False, True):
        stage = Stage("x", (), lambda _: {}, takes_generation=takes)
        keys[takes] = [
            stage_key(stage, night(settings, house, g), releases.required(house).tables, settings).value
            for g in (None, other)
        ]
    assert keys[False][0] == keys[False][1]
    assert keys[True][0] != keys[True][1]


def test_training_on_a_warehouse_leaves_a_generation_and_its_report(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "generations"
    command(house, "train", "--out", str(out), "--json")
    told = json.loads(capsys.readouterr().out)
    made = find(told["folder"], house)
    assert Path(told["folder"]).name == made.generation_id == told["generation_id"]
    # Of the records that the first night trained on it is that night's own training, with its report.
    assert made.generation_id == find("current", house).generation_id
    assert made.created_on == NIGHT
    page = (Path(told["folder"]) / "training.html").read_text(encoding="utf-8")
    assert "release 2026-07-01.1" in page
    assert "Match weights" in page
    assert "starter model" in page
    report = made.models["person"].blocking
    assert report is not None
    email = report.lines()[1]
    assert f"Estimated recall of all, at most <b>{report.recall:.1%}".replace("%", " %") in page
    cells = "".join(f'<td class="n">{n}</td>' for n in (email.comparisons, email.uncapped))
    assert f'>email</th>{cells}<td class="n">{email.per_record:.2f}</td>' in page
    command(house, "generations", "show", told["folder"])
    shown = capsys.readouterr().out.replace(f"Training report: {told['folder']}/training.html", "")
    assert re.search(
        rf"^email +{email.comparisons} +{email.uncapped} +{email.per_record:.2f} +{email.matches} ",
        shown,
        re.MULTILINE,
    )
    assert f"Recall of all rules: {report.recall:.1%}" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "default-src 'none'" in page
    markup = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "vegaEmbed" in page
    assert not [sign for sign in (" src=", "@import", "http:", "https:", "<script") if sign in markup]
    records = house.arrow(CUSTOMER_RECORDS.path)
    mails = {mail for mails in records["match_emails"].to_pylist() for mail in mails or ()}
    assert mails
    assert not [mail for mail in mails if mail in page]
    # Trained again it is the same, and the night still uses the old one.
    command(house, "train", "--out", str(out))
    again = capsys.readouterr().out
    assert made.generation_id in again
    assert f"Recall of all rules: {report.recall:.1%}" in again
    assert len(list(out.iterdir())) == 1


def test_training_says_what_it_cannot_use(
    house: Warehouse, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = tmp_path / "people.csv"
    people.write_text("id,first_name,surname\n1,Ana,López\n2,Ana,López\n", encoding="utf-8")
    assert execute(["train", str(people)]) == 2
    assert "--id COLUMN" in capsys.readouterr().err
    command(house, "train", "--id", "id", code=2)
    assert "go with a FILE" in capsys.readouterr().err
    labels = tmp_path / "labels.csv"
    labels.write_text("id_l,id_r\n7,8\n", encoding="utf-8")
    assert execute(["train", str(people), "--id", "id", "--labels", str(labels), "--out", str(tmp_path)]) == 2
    assert "no pair names two of the records" in capsys.readouterr().err
    labels.write_text("id_l,id_r\n2,1\n2,9\n", encoding="utf-8")
    assert execute(["train", str(people), "--id", "id", "--labels", str(labels), "--out", str(tmp_path)]) == 0
    assert "1 labelled pairs name records that are not there" in capsys.readouterr().out
    command(Warehouse(str(tmp_path / "empty")), "train", code=1)
    assert "Nothing is released" in capsys.readouterr().err
