"""Released tables: two versions compared, as a repeated run does, and rows on the terminal."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from register_house import ANA, LEO, register
from tiny_night import PEOPLE, tiny

from pipelines.cli import execute
from pipelines.errors import GateStopped
from pipelines.ops import releases
from pipelines.ops.reading import differing_rows
from pipelines.ops.record import last_states, mark
from pipelines.ops.tables import STAGES
from pipelines.storage import Warehouse


def test_versions_are_compared_by_the_columns_that_both_have(tmp_path: Path) -> None:
    older = pa.table({"id": ["1", "2"], "name": ["ana", "bea"]})
    newer = older.append_column("_standardised_by", pa.array(["p1", "p1"]))
    other = newer.set_column(2, "_standardised_by", pa.array(["p2", "p2"]))
    edited = other.set_column(1, "name", pa.array(["ana", "eva"]))
    for version in (older, newer, other, edited):
        write_deltalake(str(tmp_path / "silver/people"), version, mode="overwrite", schema_mode="merge")
    house = Warehouse(str(tmp_path))
    assert [differing_rows(house, "silver/people", 0, n) for n in range(4)] == [0, 0, 0, 2]
    assert differing_rows(house, "silver/people", 1, 2) == 0


def test_an_id_is_never_cut_however_narrow_the_terminal(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = register(tmp_path_factory.getbasetemp() / "register")
    query = """SELECT customer_id, full_name, emails, '[' || repeat('word ', 30) AS text, customer_id AS once_more
        FROM gold.customers ORDER BY customer_id"""
    assert execute(["sql", query, "--warehouse", root]) == 0
    printed = capsys.readouterr().out
    assert (printed.count(ANA), printed.count(LEO), "…" in printed) == (2, 2, False)
    assert "[word word" in printed
    assert execute(["sql", "SELECT 1 AS n WHERE false", "--warehouse", root]) == 0


def test_show_takes_an_id_in_small_letters(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    root = register(tmp_path_factory.getbasetemp() / "register")
    assert execute(["show", f" {ANA.lower()}", "--warehouse", root]) == 0
    assert ANA in capsys.readouterr().out


def test_the_tables_of_a_stopped_night_can_be_asked_until_upkeep_deletes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    shop.deliver("2026-07-01", {"1": "ana"})
    shop.run()
    blocked = {"gate": "crowd", "status": "blocked", "severity": "fail", "value": 1.0, "bound": 0.0}
    shop.gates["identity.assign"] = lambda inputs: [{**blocked, "message": "too many."}]
    shop.deliver("2026-07-02", {"2": "eva", "3": "leo"})
    with pytest.raises(GateStopped):
        shop.run()
    where = ["--warehouse", str(shop.warehouse), "--csv"]

    def people(*more: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        query = "SELECT (SELECT count(*) FROM silver.people), (SELECT sum(records) FROM gold.counts)"
        code = execute(["sql", query, *more, *where])
        said = capsys.readouterr()
        return code, (said.out + said.err).splitlines()[-1].split(",")

    assert people() == (0, ["1", "1"])
    assert people("--run", "2026-07-02.1") == (0, ["3", "1"]), (
        "gold was not reached: it is the last release's"
    )
    assert people("--run", "2026-07-05.1")[0] == 2
    shop.gates.clear()
    shop.deliver("2026-07-02", {"2": "eva"})
    shop.run()
    assert people("--run", "2026-07-02.1") == (0, ["3", "1"])
    shop.house.vacuum(PEOPLE.path, [releases.required(shop.house).tables[PEOPLE.path]], hours=0)
    code, said = people("--run", "2026-07-02.1")
    assert (code, "left silver.people is not kept any more" in " ".join(said)) == (2, True)
    assert execute(["sql", "SELECT * FROM gold.counts", "--run", "2026-07-02.1", *where]) == 0, "it is whole"


def test_a_run_without_stages_is_asked_by_its_release_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tiny(monkeypatch, tmp_path)
    for day, people in (("2026-07-01", {"1": "ana"}), ("2026-07-02", {"2": "eva"})):
        shop.deliver(day, people)
        shop.run()
    where = ["--warehouse", str(shop.warehouse)]
    query = ["SELECT count(*) AS n FROM silver.people", *where, "--csv"]
    shop.house.delete_rows(STAGES.path, "run_id", ["2026-07-01.1", "2026-07-02.1"])
    for run, then in (("2026-07-01.1", "1"), ("2026-07-02.1", "2")):
        capsys.readouterr()
        assert execute(["sql", "--run", run, *query]) == 0
        assert capsys.readouterr().out.split() == ["n", then]
    mark(shop.house, {**last_states(shop.house)["2026-07-02.1"], "run_id": "2026-07-03.1"}, "stopped", "")
    assert execute(["sql", "--run", "2026-07-03.1", *query]) == 2
    assert "No stage of run 2026-07-03.1 is on record" in capsys.readouterr().err
