"""``padron link`` of several files: each is a source; with --link-only none holds a party twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipelines.cli import execute

# Each file names its columns in its own way, and the same ids mean other people.
CRM = [
    "id,first_name,last_name,email,dob,persona",
    "1,Francisco,Garcia Perez,paco.garcia@example.com,1974-04-07,A",
    "2,Lucia,Ortega Ruiz,lucia@example.org,1990-12-12,B",
    "3,Lucia,Ortega Ruiz,lucia@example.org,1990-12-12,B",
]
ERP = [
    "id,Nombre,Apellidos,Correo electrónico,Fecha nacimiento,persona,notas",
    "1,Lucía,Ortega Ruiz,lucia@example.org,12/12/1990,B,x",
    "2,Paco,García Pérez,paco.garcia@example.com,07/04/1974,A,y",
    "3,Andrés,Núñez Soto,andres@example.net,01/02/1950,C,z",
]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    for name, lines in (("crm", CRM), ("erp", ERP)):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(tmp_path / "crm.csv"), str(tmp_path / "erp.csv")]


def clusters(out: Path) -> dict[str, str]:
    rows = pq.read_table(out / "clusters.parquet").to_pylist()
    return {f"{row['source']}:{row['id']}": row["cluster_id"] for row in rows}


def test_several_files_are_several_sources(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert execute(["link", *files, "--id", "id", "--truth", "persona", "--out", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert clusters(out) == {
        "crm:1": "crm:1",
        "erp:2": "crm:1",
        "crm:2": "crm:2",
        "crm:3": "crm:2",
        "erp:1": "crm:2",
        "erp:3": "erp:3",
    }
    assert report["quality"]["f1"] == 1.0
    assert report["fields"]["given_name_raw"] == ["crm.first_name", "erp.Nombre"]
    pairs = pq.read_table(out / "pairs.parquet")
    assert {"source_l", "id_l", "source_r", "id_r"} <= set(pairs.column_names)
    assert ("crm", "crm") in set(zip(*(pairs[f"source_{s}"].to_pylist() for s in "lr"), strict=True))


def test_link_only_compares_no_two_records_of_one_file(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert execute(["link", *files, "--id", "id", "--link-only", "--out", str(out)]) == 0
    found = clusters(out)
    # Of two that fit equally well the first by its key.
    assert found["erp:1"] == found["crm:2"] == "crm:2"
    assert found["crm:3"] == "crm:3"
    assert found["erp:2"] == found["crm:1"] == "crm:1"
    pairs = pq.read_table(out / "pairs.parquet")
    sides = set(zip(*(pairs[f"source_{s}"].to_pylist() for s in "lr"), strict=True))
    assert sides == {("crm", "erp")}


def test_a_field_may_be_named_for_the_one_file_that_has_it(files: list[str], tmp_path: Path) -> None:
    out = tmp_path / "out"
    where = ["link", *files, "--id", "id", "--fields", "city=notas", "--out", str(out), "--json"]
    assert execute(where) == 0
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["fields"]["city_raw"] == ["erp.notas"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--link-only"], "name two or more"),
        (["crm.csv"], "two files are called crm"),
        (["erp.csv", "--fields", "surname=nope"], "no column nope in any of crm, erp"),
        (["erp.csv", "--truth", "notas"], "no column notas"),
        (["none.csv"], "does not exist"),
    ],
)
def test_files_that_cannot_be_linked_are_said_in_one_line(
    files: list[str], tmp_path: Path, change: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    others = [str(tmp_path / part) if part.endswith(".csv") else part for part in change]
    assert execute(["link", files[0], *others, "--id", "id", "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_files_without_records(tmp_path: Path) -> None:
    for name, lines in (("crm", CRM), ("erp", ERP)):
        (tmp_path / f"{name}.csv").write_text(lines[0] + "\n", encoding="utf-8")
    out = tmp_path / "out"
    where = [str(tmp_path / "crm.csv"), str(tmp_path / "erp.csv")]
    assert execute(["link", *where, "--id", "id", "--link-only", "--out", str(out)]) == 0
    assert pq.read_table(out / "clusters.parquet").column_names == ["source", "id", "cluster_id"]


@pytest.mark.soak
def test_febrl_4(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two files of 5,000 records, each person once in either."""
    paths = []
    for part in "ab":
        with (data / "febrl" / f"dataset4{part}.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, skipinitialspace=True))
        paths.append(tmp_path / f"file_{part}.csv")
        with paths[-1].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "person"])
            writer.writeheader()
            writer.writerows(row | {"person": row["rec_id"].split("-")[1]} for row in rows)
    where = [
        "link",
        *map(str, paths),
        "--link-only",
        "--id",
        "rec_id",
        "--truth",
        "person",
        "--country",
        "AU",
    ]
    assert execute([*where, "--out", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["records"] == 10_000
    assert found["largest_cluster"] == 2
    assert found["quality"]["f1"] >= 0.99


def test_a_result_of_several_files_is_evaluated_and_explained(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, truth = tmp_path / "out", tmp_path / "truth.csv"
    assert execute(["link", *files, "--id", "id", "--keep-records", "--out", str(out)]) == 0
    answers = [
        f"{name},{line.split(',')[0]},{line.split(',')[5]}"
        for name, rows in (("crm", CRM), ("erp", ERP))
        for line in rows[1:]
    ]
    truth.write_text("\n".join(["source,id,true_id", *answers]) + "\n", encoding="utf-8")
    capsys.readouterr()
    assert execute(["evaluate", "--linked", str(out), "--truth", str(truth), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["f1"] == 1.0
    truth.write_text("id,true_id\n1,A\n", encoding="utf-8")
    assert execute(["evaluate", "--linked", str(out), "--truth", str(truth)]) == 2
    assert "has no column source, which says of which file" in " ".join(capsys.readouterr().err.split())
    assert execute(["explain", "crm:1", "erp:2", "--linked", str(out), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["left"], found["right"], found["verdict"]) == ("crm:1", "erp:2", "linked")
    assert execute(["explain", "1", "erp:2", "--linked", str(out)]) == 2
    assert "names no file: write file:id, the file one of crm, erp" in " ".join(
        capsys.readouterr().err.split()
    )
