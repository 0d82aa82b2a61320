"""``padron link``: what the columns of any file are, and the linkage of a file without Spark."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import execute
from pipelines.linkage.columns import recognised

PEOPLE = [
    "id;Nombre;Apellidos;Correo electrónico;Teléfono móvil;Fecha nacimiento;persona",
    "1;Francisco;García Pérez;paco.garcia@example.com;600111222;07/04/1974;A",
    "2;Paco;García Pérez;paco.garcia@example.com;;07/04/1974;A",
    "3;Lucía;Ortega Ruiz;lucia@example.org;600333444;12/12/1990;B",
    "4;LUCIA;ORTEGA RUIZ;;600 33 34 44;;B",
    "5;Andrés;Núñez Soto;andres@example.net;;01/02/1950;C",
]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text("\n".join(PEOPLE) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        (
            ["firstName", "lastName", "DOB", "e-mail", "work_email", "zip_code"],
            {
                "given_name_raw": ("firstName",),
                "surname_raw": ("lastName",),
                "birth_date_raw": ("DOB",),
                "emails_raw": ("e-mail", "work_email"),
                "postal_code_raw": ("zip_code",),
            },
        ),
        (
            ["NOMBRE", "APELLIDO_PATERNO", "APELLIDO_MATERNO", "RFC", "CALLE", "NUM_EXT", "COLONIA", "CP"],
            {
                "given_name_raw": ("NOMBRE",),
                "surname_raw": ("APELLIDO_PATERNO",),
                "second_surname_raw": ("APELLIDO_MATERNO",),
                "tax_id_raw": ("RFC",),
                "address_raw": ("CALLE", "NUM_EXT"),
                "district_raw": ("COLONIA",),
                "postal_code_raw": ("CP",),
            },
        ),
        # "nombre" alone is the whole name; of two columns the one that is the word goes first.
        (["nombre", "tel1", "tel2"], {"full_name_raw": ("nombre",), "phones_raw": ("tel1", "tel2")}),
        (
            ["first_and_surname", "first_name", "surname"],
            {"given_name_raw": ("first_name",), "surname_raw": ("surname",)},
        ),
    ],
)
def test_columns_are_recognised_by_name(columns: list[str], fields: dict[str, tuple[str, ...]]) -> None:
    assert recognised(columns, {}) == fields


def test_columns_without_a_telling_name_are_recognised_by_content() -> None:
    sample = {
        "c1": ["ana@example.com", "leo@example.org"],
        "c2": ["1974-04-07", "1990-12-12"],
        "c3": ["+34 600 111 222", "600333444"],
        "c4": ["blue", "1974-04-07"],
    }
    assert recognised(sample, sample) == {
        "emails_raw": ("c1",),
        "birth_date_raw": ("c2",),
        "phones_raw": ("c3",),
    }


def test_a_file_is_linked_and_measured(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    where = ["link", str(people), "--id", "id", "--truth", "persona", "--country", "ES", "--out", str(out)]
    assert execute(where) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines() if str(out) not in line) <= 80
    assert "Model            padron's starter model, for there is too little to train on" in shown
    assert "note: person: 5 records are too few to train on" in shown
    # Of companies there are none: that nothing was learnt about them is no news.
    assert "company" not in shown
    clusters = {r["id"]: r["cluster_id"] for r in pq.read_table(out / "clusters.parquet").to_pylist()}
    assert clusters == {"1": "1", "2": "1", "3": "3", "4": "3", "5": "5"}
    pairs = {(r["id_l"], r["id_r"]) for r in pq.read_table(out / "pairs.parquet").to_pylist()}
    assert pairs >= {("1", "2"), ("3", "4")}
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert report["quality"]["f1"] == 1.0
    assert report["fields"]["birth_date_raw"] == ["Fecha nacimiento"]
    assert "garcia" not in json.dumps(report).lower()


def test_parquet_and_named_fields(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"key": i, "a": "Ana", "b": "Soto Vidal", "c": f"a{i // 2}@x.mx"} for i in range(4)]
    path = tmp_path / "people.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    where = ["link", str(path), "--id", "key", "--out", str(tmp_path / "out"), "--json"]
    assert execute([*where, "--fields", "given_name=a,surname=b"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fields"] == {"emails_raw": ["c"], "given_name_raw": ["a"], "surname_raw": ["b"]}
    assert found["records"] == 4


def test_one_record_and_none(tmp_path: Path) -> None:
    for count in (1, 2):
        path = tmp_path / f"{count}.csv"
        path.write_text("\n".join(PEOPLE[:count]) + "\n", encoding="utf-8")
        out = tmp_path / f"out{count}"
        assert execute(["link", str(path), "--id", "id", "--out", str(out)]) == 0
        assert pq.read_table(out / "clusters.parquet").num_rows == count - 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--id", "nope"], "no column nope"),
        (["--id", "persona"], "share their persona"),
        (["--id", "id", "--fields", "surname"], "not role=column"),
        (["--id", "id", "--fields", "colour=Nombre"], "is no role"),
        (
            ["--id", "id", "--country", "Spain"],
            "'Spain' is no country's code of two letters (ISO 3166-1): write ES.",
        ),
        (["--id", "id", "--country", "XX"], "write one such as ES"),
        (["--id", "id", "--out", __file__], "test_files.py is a file: name a folder"),
        (["--id", "id", "--out", f"{__file__}/deeper"], "test_files.py is a file: name a folder"),
        (["--id", "id", "--fields", "surname=nope"], "no column nope"),
        (["--id", "id", "--fields", "surname=Nombre,surname=Apellidos"], "takes one column"),
        (["--id", "id", "--truth", "nope"], "no column nope"),
    ],
)
def test_what_cannot_be_linked_is_said_in_one_line(
    people: Path, options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(["link", str(people), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error


def test_a_variable_that_configures_nothing_is_refused(
    people: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["link", str(people), "--id", "id", "--out", str(people.parent / "out")]
    # A folder conf may be another program's.
    (people.parent / "conf").mkdir()
    (people.parent / "conf" / "nginx.yml").touch()
    monkeypatch.chdir(people.parent)
    assert execute(command) == 0
    capsys.readouterr()
    monkeypatch.setenv("PADRON__LINKGE__MATCH_PROBABILITY", "0.9")
    assert execute(command) == 2
    assert "Did you mean PADRON__LINKAGE__MATCH_PROBABILITY?" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_none_or_says_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["link", str(tmp_path / "none.csv"), "--id", "id"]) == 2
    assert "does not exist" in capsys.readouterr().err
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"not parquet")
    assert execute(["link", str(broken), "--id", "id"]) == 2
    assert "cannot be read" in capsys.readouterr().err
    mute = tmp_path / "mute.csv"
    mute.write_text("id,colour\n1,blue\n2,red\n", encoding="utf-8")
    assert execute(["link", str(mute), "--id", "id"]) == 2
    assert "--fields" in capsys.readouterr().err


def test_a_configured_column_that_nobody_makes_is_named(
    people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "linkage.yml").write_text("fields:\n  surname: match_nothing\n", encoding="utf-8")
    assert execute(["link", str(people), "--id", "id", "--config", str(tmp_path / "conf")]) == 2
    assert "match_nothing" in capsys.readouterr().err


def test_linking_needs_no_java(people: Path, tmp_path: Path) -> None:
    code = "import sys; from pipelines.cli import execute; sys.exit(execute(sys.argv[1:]))"
    where = ["link", str(people), "--id", "id", "--out", str(tmp_path / "out")]
    done = subprocess.run([sys.executable, "-c", code, *where], check=False, env={"PATH": ""}, cwd=tmp_path)
    assert done.returncode == 0


def test_febrl_3(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Splink's documentation reaches .9954 on it, tuned by hand and at its best threshold."""
    with (data / "febrl" / "dataset3.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))
    path = tmp_path / "febrl3.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "person"])
        writer.writeheader()
        writer.writerows(row | {"person": row["rec_id"].split("-")[1]} for row in rows)
    where = ["link", str(path), "--id", "rec_id", "--truth", "person", "--country", "AU"]
    assert execute([*where, "--out", str(tmp_path / "out"), "--json"]) == 0
    quality = json.loads(capsys.readouterr().out)["quality"]
    assert quality["records"] == 5_000
    assert quality["f1"] >= 0.99
