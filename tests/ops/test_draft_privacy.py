"""What a draft must not tell, and what it must not get wrong silently."""

from __future__ import annotations

from pathlib import Path

import pytest
from draft_house import drafted

from pipelines.cli import execute
from pipelines.ops.sheets import read_rows

CASES = "ticket_id,opened_at,type,status,customer_id\n"


@pytest.mark.parametrize(
    "value",
    ["Ana García", "password: Hunter2x", "AKIAABCDEFGHIJKLMNOP", "esperando a Luis", "regalo para ana"],
)
def test_codes_that_name_somebody_or_are_credentials_are_only_counted(tmp_path: Path, value: str) -> None:
    rows = [f"T{at},2026-07-01 10:00,{said},open,C1\n" for at, said in enumerate([value, "query", "claim"])]
    made, _ = drafted(tmp_path, "feed.csv", CASES + "".join(rows))
    assert '"query": "query"' in made.text
    assert "1 left out here" in made.text
    assert not any(word.lower() in made.text.lower() for word in value.split() if len(word) > 4)


@pytest.mark.parametrize("codes", [("Rosa", "Azul", "Verde"), ("Abierto", "Garantia", "Claim")])
def test_words_that_are_also_names_are_codes_where_most_are_none(
    tmp_path: Path, codes: tuple[str, ...]
) -> None:
    rows = [f"T{at},2026-07-01 10:00,{said},Abierto,C1\n" for at, said in enumerate(codes)]
    made, _ = drafted(tmp_path, "feed.csv", CASES + "".join(rows))
    assert "left out here" not in made.text
    assert all(f'"{code.lower()}"' in made.text for code in codes)


def test_agents_by_their_first_names_are_only_counted(tmp_path: Path) -> None:
    rows = [f"T{at},2026-07-01 10:00,{said},open,C1\n" for at, said in enumerate(["Lucía", "María", "web"])]
    made, _ = drafted(tmp_path, "feed.csv", CASES + "".join(rows))
    assert "2 left out here" in made.text
    assert "luc" not in made.text.lower()


def test_a_code_over_two_lines_stays_in_its_comment(tmp_path: Path) -> None:
    made, _ = drafted(tmp_path, "feed.csv", f'{CASES}T1,2026-07-01 10:00,query,"en\ncurso\x85",C1\n')
    assert "is en curso?" in made.text


def test_what_a_column_is_counts_more_than_whose_it_is(tmp_path: Path) -> None:
    rows = "id_cliente,email_cliente,nombre_cliente,dni_cliente\nC1,ana@x.es,Ana Gil,12345678Z\n"
    made, _ = drafted(tmp_path, "feed.csv", rows)
    for said in ("emails_raw: [email_cliente]", "full_name_raw: nombre_cliente", "tax_id_raw: dni_cliente"):
        assert said in made.text


@pytest.mark.parametrize(("codes", "read"), [("MV", {"m": "F", "v": "M"}), ("WM", {"m": "M", "w": "F"})])
def test_what_m_is_the_other_code_says(tmp_path: Path, codes: str, read: dict[str, str]) -> None:
    rows = "".join(f"{at},Ana,{code}\n" for at, code in enumerate(codes))
    made, _ = drafted(tmp_path, "feed.csv", f"id,nombre,sexo\n{rows}")
    assert all(f'"{code}": "{sex}"' in made.text for code, sex in read.items())


def test_a_gender_without_a_translation_is_named(tmp_path: Path) -> None:
    made, _ = drafted(tmp_path, "feed.csv", "id,nombre,sexo\n1,Ana,F\n2,Leo,D\n")
    assert any("and so NULL: d" in check for check in made.checks)


def test_a_name_is_no_key_where_something_else_can_be(tmp_path: Path) -> None:
    rows = "nombre,email,ciudad\nAna Gil,a1@x.es,Lugo\nAna Gil,a2@x.es,Vigo\nEva Ruiz,a3@x.es,Lugo\n"
    made, source = drafted(tmp_path, "feed.csv", rows)
    assert source.feeds["feed"].key == ("email",)
    assert any("Does the source have an id?" in check for check in made.checks)
    _, source = drafted(tmp_path, "feed.csv", rows.replace("a2", "a1"))
    assert source.feeds["feed"].key != ("nombre",)


SALES = "order_id;order_date;customer_id;amount\n"


@pytest.mark.parametrize(
    ("amounts", "comma", "asked"),
    [
        (["1.500", "1.250,50", "80"], True, None),
        (["1.500", "80", "7"], False, "does the point of 1.500 part thousands?"),
        (["1,500.00", "80", "7.5"], False, None),
        (["12,50", "80.10", "7,25"], True, "which is right?"),
    ],
)
def test_amounts_tell_their_decimal_mark_by_those_that_can_have_one_only(
    tmp_path: Path, amounts: list[str], comma: bool, asked: str | None
) -> None:
    rows = "".join(f"{at};2026-07-0{at};C1;{amount}\n" for at, amount in enumerate(amounts, 1))
    made, _ = drafted(tmp_path, "feed.csv", SALES + rows)
    assert ('decimal: ","\n' in made.text.replace('Then write decimal: ","', "")) is comma
    doubts = [check for check in made.checks if check.startswith("amount:")]
    assert [asked in check for check in doubts] == [True] if asked else doubts == []


def test_the_name_that_the_landing_takes_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "Clientes.csv"
    file.write_text("CUST,NOMBRE,OP\n1,Ana,I\n2,Eva,D\n", encoding="utf-8")
    assert execute(["source", "draft", str(file)]) == 0
    told = capsys.readouterr().out
    assert "have it delivered as clientes" in told
    assert "mode: delta" in told
    assert execute(["source", "draft", str(file), "--feed", "My Feed"]) == 2


def test_a_broken_gzip_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import gzip

    content = bytearray(gzip.compress(bytes(range(256)) * 400))
    content[20:60] = bytes(40)
    (tmp_path / "feed.csv.gz").write_bytes(content)
    assert execute(["source", "draft", str(tmp_path / "feed.csv.gz")]) == 2
    assert "is it whole?" in " ".join(capsys.readouterr().err.split())


def test_a_sheet_of_an_old_mac_is_read(tmp_path: Path) -> None:
    file = tmp_path / "answers.csv"
    file.write_bytes(b"a,answer\r1,match\r")
    assert read_rows(str(file), ("a", "answer"), "answers") == [(2, {"a": "1", "answer": "match"})]
