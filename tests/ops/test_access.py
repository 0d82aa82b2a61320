"""A warehouse that is none, or that padron may not read or write, is named before anything is done with it."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tiny_night import tiny

from pipelines.cli import execute
from pipelines.errors import PadronError, UsageError
from pipelines.ops import releases, summarise
from pipelines.ops.lock import Lock
from pipelines.ops.record import last_states
from pipelines.ops.tables import RELEASES
from pipelines.storage import Warehouse
from pipelines.stored import LostVersionError

LOOKS = [["status"], ["runs"], ["release"], ["release", "list"]]


@pytest.fixture
def house(tmp_path: Path) -> Warehouse:
    """A warehouse with one release."""
    made = Warehouse(str(tmp_path / "warehouse"))
    releases.publish(
        made,
        {
            "release_id": "2026-07-01.1",
            "business_date": date(2026, 7, 1),
            "at": datetime.now(UTC),
            "tables": [("gold/customers", 1)],
            "status": "released",
            "base_release": None,
            "inputs_digest": None,
            "code_digest": None,
            "conf_digest": None,
            "warnings": [],
            "reason": None,
        },
    )
    return made


def close(monkeypatch: pytest.MonkeyPatch, closed: Path, mode: int) -> None:
    """``closed`` to whoever runs the tests, which may be root, who may do everything."""
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, asked: not (Path(path) == closed and asked & mode) and allowed(path, asked)
    )


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
def test_a_warehouse_that_is_a_file_is_wrong_use(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "file"
    place.touch()
    assert execute([*command, "--warehouse", str(place)]) == 2
    assert f"The warehouse {place} is no folder: check --warehouse." in capsys.readouterr().err


@pytest.mark.parametrize("command", LOOKS, ids=" ".join)
@pytest.mark.parametrize("path", ["", "ops", "ops/releases/_delta_log"])
def test_a_warehouse_that_cannot_be_read_is_wrong_use(
    command: list[str],
    path: str,
    house: Warehouse,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    closed = Path(house.root) / path
    close(monkeypatch, closed, os.R_OK)
    # As Delta answers who may not look: ``ops/releases`` is not there.
    monkeypatch.setattr("pipelines.stored.DeltaTable", lambda uri, version=None: missing(uri))
    assert execute([*command, "--warehouse", house.root]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said == f"padron: The warehouse {house.root} cannot be read: permission is denied to {closed}."


def missing(uri: str) -> Any:
    from deltalake.exceptions import TableNotFoundError

    raise TableNotFoundError(uri)


def test_a_warehouse_that_is_not_there_yet_asks_for_its_first_night(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "nowhere"
    assert execute(["status", "--warehouse", str(place)]) == 1
    assert execute(["runs", "--warehouse", str(place)]) == 0
    assert capsys.readouterr().out.count(f"No run is recorded in the warehouse {place}.") == 2
    assert not place.exists()


def test_a_version_of_a_closed_table_is_not_called_lost(
    house: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.stored.DeltaTable", lambda uri, version=None: missing(uri))
    with pytest.raises(LostVersionError):
        house.open(RELEASES.path, 1)
    close(monkeypatch, Path(house.root) / "ops", os.R_OK)
    with pytest.raises(UsageError, match="permission is denied"):
        house.open(RELEASES.path, 1)


@pytest.mark.parametrize("closed", ["", "ops"])
def test_no_lock_is_taken_of_a_warehouse_that_is_read_only(
    closed: str, house: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(house.root) / closed
    close(monkeypatch, place, os.W_OK)
    with pytest.raises(UsageError) as raised:
        Lock(house, "padron run 2026-07-02").__enter__()
    assert str(raised.value) == (
        f"The warehouse {house.root} cannot be written to: {place} is read-only for padron's user."
    )
    assert not (Path(house.root) / "ops" / "lock").exists()


def test_a_warehouse_is_made_only_where_the_folder_above_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(monkeypatch, tmp_path, os.W_OK)
    with pytest.raises(UsageError, match=f"{tmp_path} is read-only"):
        Lock(Warehouse(str(tmp_path / "new" / "warehouse")), "padron run 2026-07-02").__enter__()


def test_what_stands_in_the_place_of_the_pointer_is_named(house: Warehouse) -> None:
    place = Path(house.root) / "release.json"
    place.unlink()
    place.mkdir()
    with pytest.raises(PadronError) as raised:
        releases.write_pointer(house)
    assert str(raised.value) == (
        f"{place} cannot be written, for a folder has its name: move that away, and run the same command again."
    )


def test_what_stands_in_the_place_of_the_reports_is_named(
    house: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(house.root) / "reports"
    place.touch()
    monkeypatch.setattr(summarise.report, "render", lambda found: "")

    class Found:
        business_date = date(2026, 7, 1)

    with pytest.raises(PadronError, match=f"2026-07-01.html cannot be written, for {place} is no folder"):
        summarise.write_report(house.root, Found())  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ventas[1]", "a{b}", "a*", "qué?", "a%20b", "a|b", "a^b", "a\\b"])
def test_a_folder_under_which_no_table_can_be_kept_is_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "landing").mkdir()
    place = str(tmp_path / name)
    assert execute(["run", "--landing", str(tmp_path / "landing"), "--warehouse", place]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "cannot hold tables" in said
    assert "choose another folder" in said
    assert not os.path.exists(place)


@pytest.mark.parametrize("closed", ["silver", "identity/log", "gold/totals/_delta_log"])
def test_a_folder_that_a_night_may_not_write_to_is_named_before_it_begins(
    closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    shop.deliver("2026-07-01", {"1": "Ana"})
    shop.run()
    shop.deliver("2026-07-02", {"1": "Eva"})
    close(monkeypatch, shop.warehouse / closed, os.W_OK)
    with pytest.raises(UsageError, match=f"{shop.warehouse / closed} is read-only for padron's user"):
        shop.run()
    assert list(last_states(shop.house)) == ["2026-07-01.1"]


@pytest.mark.parametrize(
    "closed", ["lost+found", "ops/claims", "bronze/of_a_source_that_was_removed", ".snapshot"]
)
def test_a_folder_that_no_night_writes_to_is_nobodys_business(
    closed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    shop.deliver("2026-07-01", {"1": "Ana"})
    (shop.warehouse / closed).mkdir(parents=True)
    close(monkeypatch, shop.warehouse / closed, os.W_OK)
    assert shop.run().released == ["2026-07-01.1"]
