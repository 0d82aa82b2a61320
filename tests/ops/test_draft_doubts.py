"""What a draft could not use or read is said on its top, and no value of a person stands there."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from draft_house import SALES, drafted, mapped

from pipelines.errors import UsageError
from pipelines.sources import Mapped

NOBODY = "record_id: no column says whose order it is: it would have no customer. Map the one that does"


@pytest.mark.parametrize(
    "column",
    [
        "Cliente",
        "customer",
        "Customer Ref",
        "id_cliente",
        "num_cliente",
        "Nº de cliente",
        "cliente_id",
        "Código del cliente",
    ],
)
def test_the_customer_of_an_order_has_many_names(tmp_path: Path, column: str) -> None:
    made, source = drafted(tmp_path, "pedidos.csv", SALES.replace("id_cliente", column))
    assert mapped(source, "record_id").column == column.replace(" ", "_")
    assert NOBODY not in made.checks


def test_an_order_of_nobody_is_said(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "pedidos.csv", SALES.replace("id_cliente", "caja"))
    assert "record_id" not in source.feeds["feed"].map
    assert NOBODY in made.checks
    assert "not used yet: caja; does one of them say something about the order?" in made.checks


def test_the_name_of_a_customer_is_no_id(tmp_path: Path) -> None:
    rows = "1,Ana Ruiz,2026-07-01,10\n2,Leo Mas,2026-07-02,11\n"
    named, source = drafted(tmp_path, "o.csv", f"pedido,cliente,fecha_pedido,importe\n{rows}")
    assert "record_id" not in source.feeds["feed"].map
    assert NOBODY in named.checks
    assert "not used yet: cliente; does one of them say something about the order?" in named.checks
    _, source = drafted(
        tmp_path,
        "o.csv",
        "pedido,cliente,user_id,fecha_pedido,importe\n1,Ana Ruiz,U1,2026-07-01,10\n",
    )
    assert mapped(source, "record_id").column == "user_id"


def test_a_case_of_nobody_is_said(tmp_path: Path) -> None:
    rows = "id_ticket,fecha_apertura,{}\nT1,2026-07-01,7\nT2,2026-07-02,8\n"
    made, _ = drafted(tmp_path, "t.csv", rows.format("agente"))
    assert NOBODY.replace("order", "case") in made.checks
    _, source = drafted(tmp_path, "t.csv", rows.format("cliente"))
    assert source.feeds["feed"].map["record_id"] == Mapped(column="cliente")


@pytest.mark.parametrize(
    ("content", "about"),
    [
        ("pedido,linea,cantidad,precio,color\n1,1,2,3.5,rojo\n1,2,1,9.9,azul\n", "line"),
        (
            "id_devolucion,fecha_devolucion,importe,contraseña,color\nD1,2026-07-05,10,x,rojo\n",
            "return",
        ),
        ("id_ticket,fecha_apertura,cliente,color,op\nT1,2026-07-01,7,rojo,I\n", "case"),
        ("id_pieza,color,op\nP1,rojo,I\nP2,azul,I\n", "customer"),
        ("id,nombre,correo,color\n1,Ana,a@x.es,rojo\n", "customer"),
    ],
)
def test_columns_that_are_not_used_are_named_whatever_rows_become(
    tmp_path: Path, content: str, about: str
) -> None:
    made, _ = drafted(tmp_path, "feed.csv", content)
    said = [check for check in made.checks if check.startswith("not used yet")]
    assert said == [f"not used yet: color; does one of them say something about the {about}?"]


def test_a_column_called_like_a_word_of_the_map_is_not_used_by_it(tmp_path: Path) -> None:
    made, _ = drafted(tmp_path, "o.csv", "pedido,cliente_id,fecha,importe,parse\n1,C1,2026-07-01,10,x\n")
    assert "not used yet: parse; does one of them say something about the order?" in made.checks


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("id,fecha,id", "id and id"),
        ("id,Fecha alta,ID,fecha_alta", "id and ID, Fecha_alta and fecha_alta"),
        ("id,ana@x.es,id,612345678", "id and id"),
    ],
)
def test_a_column_that_stands_twice_is_named_with_its_file(tmp_path: Path, header: str, named: str) -> None:
    with pytest.raises(UsageError) as refused:
        drafted(tmp_path, "a.csv", f"{header}\n")
    assert str(refused.value) == (
        f"{tmp_path / 'a.csv'}: a column stands twice in the header: {named}. Have it mended."
    )


PAGE = "\n  <!DOCTYPE html>\n<html><body>Sign in</body></html>\n"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (
            "a.csv",
            b"PK\x03\x04\x14\x00\x00\n\x00",
            "is an Excel file, or another zip archive .* export it as CSV",
        ),
        ("a.csv.gz", gzip.compress(b"PK\x03\x04\x14", mtime=0), "is an Excel file, or another zip archive"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"is an Excel file \(.xls\): export it as CSV"),
        ("a.csv", PAGE.encode(), "is a web page and no data"),
        ("a.csv", PAGE.encode("utf-16"), "is a web page and no data"),
        ("a.tsv", b"\xef\xbb\xbf<HTML lang='es'><body>", "is a web page and no data"),
        ("a.jsonl", PAGE.encode(), "is a web page and no data"),
    ],
)
def test_what_is_no_data_is_told_as_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        drafted(tmp_path, name, content)


def test_a_column_may_be_called_pk(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "a.csv", "PK;nombre;correo\n1;Ana;a@x.es\n")
    assert list(source.feeds["feed"].columns) == ["PK", "nombre", "correo"]


def test_rows_that_are_malformed_are_counted(tmp_path: Path) -> None:
    made, _ = drafted(tmp_path, "pedidos.csv", f'{SALES}4,C4,2026-07-03,1,EUR,x,y\n5,C5,"2026\n')
    said = "malformed rows, left out: 2 of 5 (too_many_fields 1, unclosed_quote 1)"
    assert made.checks[0] == said
    assert f"# - {said}" in made.text
    made, _ = drafted(tmp_path, "a.jsonl", '{"id": 1}\n\n{"id": 2\n{"id": 3}\n')
    assert made.checks[0] == "malformed rows, left out: 1 of 3 (invalid_json 1)"
    made, _ = drafted(tmp_path, "pedidos.csv", SALES)
    assert "malformed" not in made.text


def test_a_file_without_one_good_row_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.json has no columns; malformed rows, left out: 2 of 2"):
        drafted(tmp_path, "a.json", "[\n]\n")


@pytest.mark.parametrize(
    ("column", "role"),
    [
        ("fecha_alta", "registered_at"),
        ("fecha_de_alta", "registered_at"),
        ("Fecha de alta", "registered_at"),
        ("Fecha modificación", "updated_at"),
        ("fecha_de_modificacion", "updated_at"),
        ("Última_modificación", "updated_at"),
        ("fecha de la última modificación", "updated_at"),
        ("ultima_actualizacion", "updated_at"),
    ],
)
def test_moments_are_known_with_and_without_particles(tmp_path: Path, column: str, role: str) -> None:
    _, source = drafted(tmp_path, "m.csv", f"id,nombre,correo,{column}\n1,Ana,a@x.es,31/01/2020\n")
    assert mapped(source, role).column == column.replace(" ", "_")


def test_a_key_that_is_a_value_becomes_nothing_and_is_not_repeated(tmp_path: Path) -> None:
    row = '{"id": 1, "nombre": "Ana", "zzplantk@mail.es": "a@x.es", "+34 612 345 678": "612345678"}'
    made, source = drafted(tmp_path, "k.jsonl", row)
    assert list(source.feeds["feed"].columns) == ["id", "nombre"]
    assert "emails_raw" not in source.feeds["feed"].map
    assert made.checks[0] == (
        "columns whose name is an e-mail or a telephone number, left out: 2 (number 3, 4); "
        "has the file no header, or a value for a key?"
    )
    assert not any(part in made.text for part in ("zzplantk", "mail.es", "mail_es", "612", "345"))


def test_days_and_years_are_names_of_columns(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "a.csv", "id,2025,2026-07-01,20260701,tel_1\n1,2,3,4,5\n")
    assert list(source.feeds["feed"].columns) == ["id", "2025", "2026-07-01", "20260701", "tel_1"]


def test_a_file_of_which_every_column_is_called_by_a_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.jsonl has no columns; .*or a value for a key") as refused:
        drafted(tmp_path, "a.jsonl", '{"ana@x.es": 1, "612345678": 2}\n')
    assert "ana" not in str(refused.value)


PERSONAL = "{} left out here, which look like a name, an e-mail, a telephone number, an id or a credential"


def test_a_code_that_may_be_of_a_person_is_not_written(tmp_path: Path) -> None:
    rows = (
        "4,C4,2026-07-03,1,EUR,Ana@x.es\n5,C5,2026-07-03,1,EUR,612 345 678\n6,C6,2026-07-03,1,EUR,Retenido\n"
    )
    made, _ = drafted(tmp_path, "pedidos.csv", SALES + rows)
    assert (
        f"status: which of completed, returned, cancelled, pending is retenido ({PERSONAL.format(2)})? "
        "Without a translation they count as they are written"
    ) in made.checks
    assert not any(part in made.text.lower() for part in ("ana@", "612"))


def test_a_code_of_ones_own_that_may_be_of_a_person_is_not_written(tmp_path: Path) -> None:
    rows = "T1,2026-07-01,Envío,1\nT2,2026-07-02,12345678Z,2\n"
    made, source = drafted(tmp_path, "t.csv", f"id_ticket,fecha_apertura,motivo,cliente\n{rows}")
    assert mapped(source, "category").codes == {"envío": "envio"}
    assert f"category: write your own codes on the right ({PERSONAL.format(1)})" in made.checks
    assert "12345678" not in made.text
