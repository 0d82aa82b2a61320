"""What ``padron runs`` tells of a run that is over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from test_upkeep import log_cleaned
from tiny_night import CONTACTS, PEOPLE, Tiny, Watch, tiny

from pipelines.bronze.batches import BATCHES
from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops import releases, sign_off
from pipelines.ops.record import last_states, mark, rows_of
from pipelines.ops.repeat import repeat
from pipelines.ops.sign_off import Decider
from pipelines.ops.tables import CONFIGURATIONS, LOCK, STAGES

if TYPE_CHECKING:
    from pathlib import Path

    from pipelines.tables import Table


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tiny:
    """Two released nights of a file each."""
    made = tiny(monkeypatch, tmp_path)
    for day, people in (("2026-07-01", {"1": "ana"}), ("2026-07-02", {"2": "eva"})):
        made.deliver(day, people)
        made.run()
    return made


def told(shop: Tiny, capsys: pytest.CaptureFixture[str], *asked: str) -> str:
    """What ``padron runs`` says, in one line."""
    capsys.readouterr()
    assert execute(["runs", *asked, "--warehouse", str(shop.warehouse)]) == 0
    return " ".join(capsys.readouterr().out.split())


def test_a_past_run_is_explained_from_its_record(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--warehouse", str(shop.warehouse)]
    assert execute(["runs", "2026-07-02.1", *where]) == 0
    said = capsys.readouterr().out
    assert "Builds on      2026-07-01.1" in said
    assert "2026-07-02/crm/contacts.csv  1 rows" in said
    assert "2026-07-01/crm/contacts.csv" not in said
    assert "wrote silver/people" in said
    assert execute(["runs", "2026-07-02.1", *where, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["outputs"].items() <= releases.required(shop.house).tables.items()
    assert record["configuration"]["project"]["country"] == "MX"
    assert record["base"]["silver/people"] < record["outputs"]["silver/people"]
    assert execute(["runs", "2026-07-05.1", *where]) == 2


def test_a_run_says_by_which_configuration_it_can_be_repeated(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "2026-07-02.1"
    told_so = f"To repeat it: padron run --repeat {name}, with the same landing folder."
    assert told_so in (said := told(shop, capsys, name))
    assert "from the versions and files above, with its configuration as recorded, compares" in said
    digest = str(last_states(shop.house)[name]["conf_digest"])
    shop.house.delete_rows(CONFIGURATIONS.path, "conf_digest", [digest])
    assert told_so in (said := told(shop, capsys, name))
    assert "with today's configuration, for its own is not on record, compares" in said


def test_a_run_that_wrote_nothing_is_not_advised_to_be_repeated(
    shop: Tiny, capsys: pytest.CaptureFixture[str]
) -> None:
    run, name = last_states(shop.house)["2026-07-02.1"], "2026-07-03.1"
    mark(shop.house, {**run, "run_id": name}, "stopped", "unusable_files: half a file")
    landed = next(r for r in rows_of(shop.house, STAGES.path) if r["stage"] == "bronze.land")
    shop.house.append_rows(STAGES, [{**landed, "run_id": name, "status": "failed", "outputs": []}])
    said = told(shop, capsys, name)
    assert f"Run {name} wrote no table: there is nothing to repeat." in said
    assert "--repeat" not in said
    assert "To repeat it: padron run --repeat 2026-07-02.1" in told(shop, capsys, "2026-07-02.1")


@pytest.mark.parametrize("table", [PEOPLE, BATCHES], ids=lambda table: table.path)
def test_a_run_whose_versions_are_gone_is_not_advised_to_be_repeated(
    shop: Tiny, capsys: pytest.CaptureFixture[str], table: Table
) -> None:
    newest = releases.required(shop.house).tables[table.path]
    log_cleaned(shop.house, table.path, newest)
    locked, watch = shop.house.version(LOCK.path), Watch()
    for name in ("2026-07-01.1", "2026-07-02.1"):
        why = f"Run {name} cannot be repeated: versions that it read or wrote of {table.path} are not kept any more."
        said = told(shop, capsys, name)
        assert why in said
        assert "--repeat" not in said
        with pytest.raises(UsageError, match=why):
            repeat(name, str(shop.landing), None, shop.house, None, watch)  # type: ignore[arg-type]
    assert (shop.house.version(LOCK.path), watch.said) == (locked, [])


def test_a_decision_is_told_as_one(shop: Tiny, capsys: pytest.CaptureFixture[str]) -> None:
    shop.deliver("2026-07-03", {"3": "leo"})
    shop.run(layer="bronze")
    decider = Decider("maria", "a test system's")
    made = sign_off.reject(shop.house, "2026-07-03.1", decider, None)  # type: ignore[arg-type]
    said = "is a decision and no night (reject of 2026-07-03.1 by maria: a test system's)"
    for asked in ([made.release_id], ["--stages", made.release_id]):
        assert f"{made.release_id} {said}: there is nothing to repeat." in told(shop, capsys, *asked)
    assert "Generation none" in told(shop, capsys, made.release_id)


def test_of_a_table_that_grows_the_rows_of_the_night_are_counted(shop: Tiny) -> None:
    tables = releases.required(shop.house).tables
    assert shop.house.rows(CONTACTS.path, tables[CONTACTS.path]) == 2
    counted = {r["stage"]: r["rows_out"] for r in rows_of(shop.house, STAGES.path)}
    assert counted["bronze.land"] == 2, "of the second night: a record and its file"
    assert counted["silver.build"] == 2, "a snapshot is all its rows"
