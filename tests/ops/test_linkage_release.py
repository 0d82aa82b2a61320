"""``padron evaluate`` and ``explain`` of a released warehouse and of the folder of ``padron link``; their pages."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
from linkage_house import TRUTH, released
from linkage_people import decisions
from test_report import Outline, text

from pipelines.cli import execute
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.config import Linkage
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.generations import GENERATIONS
from pipelines.ops import charts
from pipelines.ops.generations import change, find
from pipelines.ops.sales import Basis
from pipelines.storage import Warehouse

FILE = [
    "id;Nombre;Apellidos;Correo electrónico;Teléfono móvil;Fecha nacimiento;Color;persona",
    "1;Francisco;García Pérez;paco.garcia@example.com;600111222;07/04/1974;rojo;A",
    "2;Paco;García Pérez;paco.garcia@example.com;;07/04/1974;azul;A",
    "3;Lucía;Ortega Ruiz;lucia@example.org;600333444;12/12/1990;verde;B",
    "4;LUCIA;ORTEGA RUIZ;;600 33 34 44;;rojo;B",
    "5;Andrés;Núñez Soto;andres@example.net;;01/02/1950;rojo;C",
    "6;Berta;Molina;berta@example.net;;;rojo;C",
]
SAID = ("garc", "lucia", "paco", "600111222", "600333444")
"""What records say, in small letters: none of it may stand in a report."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> str:
    return released(tmp_path_factory.mktemp("house"))[0]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("truth") / "truth.csv"
    path.write_text(TRUTH, encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a link with truth and records kept; the file beside it."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "people.csv").write_text("\n".join(FILE) + "\n", encoding="utf-8")
    where = [
        "link",
        str(folder / "people.csv"),
        "--id",
        "id",
        "--country",
        "ES",
        "--out",
        str(folder / "out"),
    ]
    assert execute([*where, "--truth", "persona", "--keep-records"]) == 0
    return folder


def well_formed(page: str) -> None:
    """One page that loads nothing, whose parts are named and closed."""
    outline = Outline(page)
    assert outline.open == []
    tags = [tag for tag, _ in outline.tags]
    assert tags.count("h1") == 1
    assert not {"script", "iframe", "img", "object"} & set(tags)
    assert not re.search(r"https?://|url\(|@import", page)
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {v for _, a in outline.tags if (v := a.get("aria-labelledby"))} <= set(ids)
    assert all(a.get("aria-label") for tag, a in outline.tags if tag == "svg" and a.get("role") == "img")


def test_a_release_is_judged_in_full(
    house: str, truth: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "evaluation"
    where = ["evaluate", "--warehouse", house, "--truth", truth, "--out", str(out)]
    assert execute([*where, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["true_pairs"], found["made_pairs"], found["right_pairs"]) == (2, 1, 1)
    assert (found["missed"], found["false"]) == ({"not_blocked": 1}, {})
    assert {(p["left"], p["right"]): p["recall"] for p in found["by_source_pair"]} == {("crm", "web"): 0.5}
    assert found["curve"][-1]["cut"] == 0.999
    with (out / "missed.csv").open(encoding="utf-8") as file:
        (missed,) = csv.DictReader(file)
    assert (missed["record_id_l"], missed["record_id_r"], missed["reason"]) == ("C2", "W2", "not_blocked")
    assert json.loads((out / "evaluation.json").read_text(encoding="utf-8")) == found
    page = (out / "evaluation.html").read_text(encoding="utf-8")
    well_formed(page)
    assert "not blocked" in text(page)
    svg = (out / "curve.svg").read_text(encoding="utf-8")
    assert svg.startswith("<svg ")
    assert svg.count("<polyline") == 3
    assert "var(" not in svg
    every = page + svg + (out / "missed.csv").read_text() + (out / "false.csv").read_text()
    assert not re.search("garcia|molina|mail.com|5551111", every)


def test_the_terminal_shows_it_at_80_columns(
    house: str, truth: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["evaluate", "--warehouse", house, "--truth", truth]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for expected in ("0.6667", "Sources", "in use", "not blocked", "Best F1", "none"):
        assert expected in shown


def test_another_column_may_be_the_truth(house: str, truth: str, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["evaluate", "--warehouse", house, "--truth", truth, "--json", "--truth-column"]
    assert execute([*where, "other"]) == 0
    assert json.loads(capsys.readouterr().out)["true_pairs"] == 0
    assert execute([*where, "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_the_truth_may_say_who_is_hard_to_tell_apart(
    house: str, linked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "twins.csv"
    rows = zip(TRUTH.splitlines(), ("trap", "twin", "twin", "", ""), strict=True)
    path.write_text("".join(f"{row},{trap}\n" for row, trap in rows), encoding="utf-8")
    where = ["evaluate", "--warehouse", house, "--truth", str(path), "--by", "trap"]
    assert execute([*where, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^twin +2 +1 +1 +1\.0000 +1\.0000 +1\.0000$", shown, re.MULTILINE)
    page = (tmp_path / "out" / "evaluation.html").read_text(encoding="utf-8")
    well_formed(page)
    assert "Hard to tell apart" in page
    assert execute([*where[:-1], "nothing"]) == 2
    assert "nothing" in capsys.readouterr().err
    of_file = ["--truth", str(linked / "people.csv"), "--truth-column", "persona", "--by", "Color", "--json"]
    assert execute(["evaluate", "--linked", str(linked / "out"), *of_file]) == 0
    found = {c["case"]: c["true_pairs"] for c in json.loads(capsys.readouterr().out)["by_case"]}
    # One of A is red and one blue; one of B green, one red; both of C are red.
    assert found == {"azul": 1, "rojo": 3, "verde": 1}


def test_a_truth_of_other_records_is_said(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.csv"
    path.write_text("source,source_id,true_id\ncrm,X9,P1\n", encoding="utf-8")
    assert execute(["evaluate", "--warehouse", house, "--truth", str(path)]) == 1
    assert "knows none of the released records" in capsys.readouterr().err


def test_a_pair_of_a_release_is_explained(
    house: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "pair.html"
    assert execute(["explain", "web:W1", "crm:C1", "--warehouse", house, "--html", str(page)]) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines() if str(page) not in line) <= 80
    for expected in ("one customer", "match weight", "one in common", "email", "ana@mail.com", "relation"):
        assert expected in shown
    assert "ana@mail.com" not in page.read_text(encoding="utf-8")
    where = ["explain", "web:W1", "crm:C1", "--warehouse", house, "--html", str(page), "--values"]
    assert execute(where) == 0
    capsys.readouterr()
    assert "ana@mail.com" in page.read_text(encoding="utf-8")
    assert execute(["explain", "web:W1", "crm:C1", "--warehouse", house, "--json"]) == 0
    out = capsys.readouterr().out
    found = json.loads(out)
    assert "ana" not in out
    assert (found["verdict"], found["rules"][0]) == ("linked", "email")
    assert execute(["explain", "web:W1", "crm:C1", "--warehouse", house, "--json", "--values"]) == 0
    assert "ana@mail.com" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        (["crm:C1", "crm:C1"], "is one record"),
        (["crm:C1", "crm:C9"], "no live record crm:C9"),
        (["crm:C1", "C9"], "source:record_id"),
    ],
)
def test_a_pair_that_cannot_be_explained_is_said_in_one_line(
    house: str, pair: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["explain", *pair, "--warehouse", house]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


@pytest.mark.parametrize("missing", [GENERATIONS, CLUSTERS], ids=lambda table: table.name)
def test_a_release_without_linkage_is_said(
    missing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    house, _ = released(tmp_path, without=(missing,))
    assert execute(["explain", "crm:C1", "web:W1", "--warehouse", house]) == 2
    assert f"has no {missing.path}" in capsys.readouterr().err


def test_a_warehouse_without_release_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "crm:C1", "web:W1", "--warehouse", str(tmp_path)]) == 1
    assert "padron run" in capsys.readouterr().err


def test_what_does_not_fit_one_process_is_said_before_it_is_read(
    house: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def read(*_: object) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("pipelines.ops.generations.free_memory", lambda: 1_000)
    monkeypatch.setattr("pipelines.ops.generations.read_records", read)
    another, train_less = "`padron run --generation …` stops before it adopts", "a file with a part of them"
    for words, said in (
        (["generations", "diff", "current", "current", "--effect"], another),
        (["plan", "--generation", "current"], another),
        (["train"], train_less),
    ):
        assert execute([*words, "--warehouse", house]) == 1
        assert said in capsys.readouterr().err.replace("\n", " ")


def test_the_effect_of_a_generation_counts_what_stewards_decided(tmp_path: Path) -> None:
    house = Warehouse(released(tmp_path)[0])
    current = find("current", house)

    def kinds() -> dict[str, int]:
        return change(house, current, Linkage(), Basis()).effect.customers

    assert kinds() == {"unchanged": 3, "merged": 0, "split": 0, "rearranged": 0}
    house.write(DECISIONS, decisions(("d1", "no_match", "crm:C1", "web:W1")), None)
    assert kinds() == {"unchanged": 2, "merged": 0, "split": 1, "rearranged": 0}


def test_the_report_of_a_link_says_what_was_found(linked: Path) -> None:
    page = (linked / "out" / "report.html").read_text(encoding="utf-8")
    well_formed(page)
    said = text(page)
    for expected in (
        "people.csv",
        "Nombre",
        "Color",
        "email",
        "Pairwise F1",
        "starter model",
        "birth_date=Fecha",
    ):
        assert expected in said, expected
    assert not [value for value in SAID if value in page.lower()]


def test_a_link_of_nothing_has_a_report_too(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text(FILE[0] + "\n", encoding="utf-8")
    assert (
        execute(["link", str(path), "--id", "id", "--out", str(tmp_path / "out"), "--truth", "persona"]) == 0
    )
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    well_formed(page)
    assert "No pair was kept." in text(page)


def test_records_are_kept_on_request_only(
    linked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["link", str(linked / "people.csv"), "--id", "id", "--country", "ES", "--out", str(tmp_path)]
    assert execute(where) == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "clusters.parquet",
        "pairs.parquet",
        "report.html",
        "report.json",
    ]
    capsys.readouterr()
    assert execute(["explain", "1", "2", "--linked", str(tmp_path)]) == 2
    assert "--keep-records" in capsys.readouterr().err
    truth = ["--truth", str(linked / "people.csv"), "--truth-column", "persona", "--json"]
    assert execute(["evaluate", "--linked", str(tmp_path), *truth]) == 0
    bare = json.loads(capsys.readouterr().out)
    assert execute(["evaluate", "--linked", str(linked / "out"), *truth]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert bare["f1"] == whole["f1"]
    assert (bare["missed"], whole["missed"]) == ({"not_kept": 1}, {"not_blocked": 1})
    assert "--keep-records" in bare["notes"][0]


def test_a_pair_of_a_linked_file_is_explained(linked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["explain", "2", "1", "--linked", str(linked / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["left"], found["right"], found["verdict"]) == ("file:1", "file:2", "linked")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--linked", "nowhere", "--truth", "x.csv"], "no folder that padron link wrote"),
        (["--linked", "{out}", "--truth", "nothing.csv"], "does not exist"),
        (["--linked", "{out}", "--truth", "{people}"], "--truth-column"),
        (["--linked", "{out}", "--truth", "{people}", "--truth-column", "x"], "has no column x"),
    ],
)
def test_what_cannot_be_judged_is_said(
    linked: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [o.format(out=linked / "out", people=linked / "people.csv") for o in options]
    assert execute(["evaluate", *named]) == 2
    assert said in capsys.readouterr().err


def test_a_log_histogram_shows_one_pair_beside_a_million() -> None:
    chart = str(charts.histogram([(0, 0.5, 1), (0.5, 1, 1_000_000)], label="x", axis="p", is_log=True))
    low, high = (float(h) for h in re.findall(r'<rect class="fill"[^>]* height="([\d.]+)"', chart))
    assert 4 < low < high
    assert "1M" in chart
