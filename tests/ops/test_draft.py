"""The YAML of a new source from a sample: valid, nearly right, and honest about what it guessed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from draft_house import SALES, drafted, mapped

from pipelines.cli import execute
from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.ops.draft import draft
from pipelines.ops.sample import read_sample
from pipelines.sources import Mapped, load_sources

MEMBERS = """num_socio;Nombre completo;Móvil;correo;fecha_nac;CP;sexo;contraseña;fecha_alta
S1;José Luis Muñoz;612345678;jl@x.es;14/03/1975;28013;H;hunter2;2020-01-31
S2;María Ruiz;644123987;mr@x.es;02/11/1982;41004;M;hunter3;2021-05-01
S3;Iñaki Etxeberria;655777123;;30/06/1990;48009;H;hunter4;2022-12-24
"""


def test_a_file_of_people_becomes_customer_records(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "members.csv", MEMBERS.encode("cp1252"))
    feed = source.feeds["feed"]
    assert (source.encoding, source.delimiter, feed.target, feed.mode) == (
        "cp1252",
        ";",
        "customer_records",
        "snapshot",
    )
    assert feed.key == ("num_socio",)
    assert mapped(source, "full_name_raw").column == "Nombre_completo"
    assert feed.map["phones_raw"] == (Mapped(column="Móvil"),)
    assert feed.birth_date_formats == ("dd/MM/yyyy",)
    assert mapped(source, "registered_at").formats == ("yyyy-MM-dd",)
    assert mapped(source, "gender").codes == {"h": "M", "m": "F"}, "beside an H an M is a mujer"
    assert "# - contraseña looks like a credential and is never stored" in made.text
    assert "hunter" not in made.text
    assert "Muñoz" not in made.text


def test_a_file_of_orders_becomes_orders(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "pedidos.csv.gz", gzip.compress(SALES.encode()))
    feed = source.feeds["feed"]
    assert (feed.target, feed.mode, feed.key, feed.decimal) == ("orders", "append", ("pedido",), ",")
    assert mapped(source, "ordered_at").formats == ("yyyy-MM-dd HH:mm:ss",)
    assert mapped(source, "amount").parse == "amount"
    assert mapped(source, "status").codes == {"anulado": "cancelled", "entregado": "completed"}
    assert mapped(source, "source").constant == "TO_BE_NAMED"
    assert (
        "status: are the codes translated right? The standard ones: completed, returned, cancelled, pending"
        in (made.checks)
    )


RETURNS = """id_devolucion,pedido,fecha_devolucion,importe,moneda,motivo
D1,1,2026-07-05,"10,00",EUR,talla
D2,2,2026-07-06,"7,25",EUR,defecto
"""
LINES = """pedido;linea;articulo;cantidad;precio;fecha;id_cliente
1;1;A1;2;3,50;2026-07-01;C1
1;2;B7;1;9,99;2026-07-01;C1
2;1;A1;1;3,50;2026-07-02;C2
"""
CASES = """id_ticket,fecha_apertura,motivo,reabierto,id_cliente
T1,2026-07-01,Queja,S,C1
T2,2026-07-02,Factura,N,C2
T3,2026-07-02,Otros,N,C3
"""


def test_returns_are_no_orders(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "devoluciones.csv", RETURNS)
    feed = source.feeds["feed"]
    assert (feed.target, feed.key, feed.decimal, source.channel) == (
        "returns",
        ("id_devolucion",),
        ",",
        "orders",
    )
    assert (feed.map["order_id"], feed.map["reason"]) == (Mapped(column="pedido"), Mapped(column="motivo"))
    assert mapped(source, "returned_at").parse == "timestamp"
    assert "source" not in feed.map


def test_lines_have_the_key_of_both_and_their_price_times_quantity(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "lineas.csv", LINES)
    feed = source.feeds["feed"]
    assert (feed.target, feed.key) == ("order_lines", ("pedido", "linea"))
    assert (mapped(source, "amount").product, mapped(source, "quantity").parse) == (
        ("cantidad", "precio"),
        "number",
    )
    assert feed.decimal == ","
    assert any(check.startswith("derive: the lines say when") for check in made.checks)


def test_what_a_case_is_about_says_its_type(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "tickets.csv", CASES)
    assert mapped(source, "case_type").codes == {"queja": "claim", "factura": "query"}
    assert mapped(source, "category").codes == {"queja": "queja", "factura": "factura", "otros": "otros"}
    assert mapped(source, "is_reopened").parse == "boolean"
    assert (
        "case_type: which of claim, request, query is otros? Without a translation they count as other"
        in (made.checks)
    )


def test_what_says_no_type_is_not_made_one(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "tickets.csv", CASES.replace("Queja", "Rojo").replace("Factura", "Azul"))
    assert "case_type" not in source.feeds["feed"].map


def test_an_order_that_may_name_its_refund_is_an_order(tmp_path: Path) -> None:
    rows = "".join(f"{i},2026-07-0{1 + i % 9},10.5,{'R1' if i == 3 else ''}\n" for i in range(1, 40))
    _, source = drafted(tmp_path, "pedidos.csv", f"order_id,order_date,amount,refund_id\n{rows}")
    assert source.feeds["feed"].target == "orders"


def test_the_total_of_an_order_is_not_the_amount_of_its_lines(tmp_path: Path) -> None:
    rows = "1;1;2;3,50;16,99\n1;2;1;9,99;16,99\n"
    _, source = drafted(tmp_path, "lineas.csv", f"pedido;linea;cantidad;precio;total_pedido\n{rows}")
    assert mapped(source, "amount").product == ("cantidad", "precio")


def test_one_column_of_texts_has_no_title(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "correos.csv", "correo\na@x.es;b@x.es\nc@x.es\n")
    assert list(source.feeds["feed"].columns) == ["correo"]


def test_what_a_draft_left_open_is_asked_for_before_a_night(tmp_path: Path) -> None:
    conf = tmp_path / "conf" / "sources"
    conf.mkdir(parents=True)
    made, _ = drafted(tmp_path, "pedidos.csv", SALES)
    (conf / "club.yml").write_text(made.text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"club\.yml: owner: TO BE NAMED is what a draft left open"):
        load_sources(Conf(tmp_path / "conf"))
    (conf / "club.yml").write_text(made.text.replace("TO BE NAMED", "Sales"), encoding="utf-8")
    with pytest.raises(UsageError, match="feed: a constant is TO_BE_NAMED, which a draft left open"):
        load_sources(Conf(tmp_path / "conf"))
    (conf / "club.yml").write_text(
        made.text.replace("TO BE NAMED", "Sales").replace("TO_BE_NAMED", "crm"), encoding="utf-8"
    )
    assert load_sources(Conf(tmp_path / "conf"))["club"].owner == "Sales"


def test_a_file_of_excel_in_utf_16_is_read(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "socios.csv", MEMBERS.encode("utf-16"))
    assert (source.encoding, source.delimiter) == ("utf-16", ";")
    assert source.feeds["feed"].key == ("num_socio",)


def test_columns_whose_names_yaml_must_quote_are_looked_at_like_others(tmp_path: Path) -> None:
    _, sales = drafted(tmp_path, "pedidos.csv", SALES.replace("importe", "importe €"))
    assert sales.feeds["feed"].decimal == ","
    _, members = drafted(tmp_path, "members.csv", MEMBERS.replace("fecha_nac", "fecha-nac"))
    assert members.feeds["feed"].birth_date_formats == ("dd/MM/yyyy",)


def test_json_lines_and_parquet_and_what_nobody_knows(tmp_path: Path) -> None:
    rows = [{"a": 1, "b": "x"}, {"a": 1, "b": "y", "op": "U"}]
    _, source = drafted(tmp_path, "things.jsonl", "\n".join(map(json.dumps, rows)))
    assert (source.feeds["feed"].target, source.feeds["feed"].mode) == ("bronze_only", "delta")
    assert source.feeds["feed"].key == ("b",)
    path = tmp_path / "flat.parquet"
    pq.write_table(pa.table({"a": [1, 1]}), path)
    made = draft(read_sample(str(path)), "club", "feed", "flat.parquet")
    assert "key: [_file, _row]" in made.text


def test_dates_with_the_month_first_are_seen(tmp_path: Path) -> None:
    _, source = drafted(tmp_path, "m.csv", "id,name,dob\n1,Ana Gil,03/25/1980\n2,Leo Mas,04/01/1990\n")
    assert source.feeds["feed"].birth_date_formats == ("MM/dd/yyyy",)


def test_one_stray_date_turns_no_others_round(tmp_path: Path) -> None:
    rows = [f"{n},Ana Gil,{n % 28 + 1:02d}/05/1980" for n in range(60)]
    made, source = drafted(tmp_path, "m.csv", "\n".join(["id,name,dob", *rows, "60,Leo Mas,03/25/1980"]))
    assert source.feeds["feed"].birth_date_formats == ("dd/MM/yyyy",)
    assert "birth_date: dob has dates with the day first (32) and with the month first (1)" in made.checks


@pytest.mark.parametrize(
    ("moment", "formats", "said"),
    [
        ("14/03/26", ("dd/MM/yy",), None),
        ("2026/03/14", ("yyyy/MM/dd",), None),
        ("14/03/2026 9:05:00", ("d/M/yyyy H:mm:ss",), None),
        (
            "4/3/2026",
            ("d/M/yyyy",),
            "ordered_at: is the day first in fecha_pedido? No value of the sample tells",
        ),
        ("2026-03-14T10:00:00+01:00", (), None),
        (
            "14-mar-2026",
            (),
            "ordered_at: 3 of 3 values of fecha_pedido have no form that is known: add theirs",
        ),
    ],
)
def test_forms_of_dates(tmp_path: Path, moment: str, formats: tuple[str, ...], said: str | None) -> None:
    rows = "".join(f"{n},{moment},10\n" for n in range(3))
    made, source = drafted(tmp_path, "o.csv", f"pedido,fecha_pedido,importe\n{rows}")
    assert mapped(source, "ordered_at").formats == formats
    assert [check for check in made.checks if check.startswith("ordered_at")] == ([said] if said else [])


def test_a_code_that_nobody_knows_has_no_translation(tmp_path: Path) -> None:
    made, source = drafted(tmp_path, "pedidos.csv", SALES.replace("Anulado", "Retenido"))
    assert mapped(source, "status").codes == {"entregado": "completed"}
    assert any(check.startswith("status: which of completed, returned") for check in made.checks)


def test_what_people_write_is_no_code(tmp_path: Path) -> None:
    rows = "".join(f"{n},2026-07-01,soy ana ruiz y llamo por mi factura {n}\n" for n in range(8))
    made, _ = drafted(tmp_path, "t.csv", f"id_ticket,fecha_apertura,motivo\n{rows}")
    assert "ana ruiz" not in made.text


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ("id_cliente,nombre,correo\n1,Ana,a@x.es\n1,Eva,b@x.es\n", "id_cliente"),
        ("linea,fecha_pedido,importe,sku\n1,2026-07-01,10.5,a\n1,2026-07-02,11,b\n", "sku"),
        ("nombre,correo,tarjeta\nAna Ruiz,a@x.es,4411\nEva Gil,b@x.es,4412\n", "tarjeta"),
    ],
)
def test_money_dates_and_names_are_no_keys(tmp_path: Path, rows: str, key: str) -> None:
    made, source = drafted(tmp_path, "a.csv", rows)
    assert source.feeds["feed"].key == (key,)
    assert [check for check in made.checks if check.startswith("key: ")]


def test_a_column_of_credentials_is_no_key(tmp_path: Path) -> None:
    made, source = drafted(
        tmp_path, "a.csv", "contraseña,ciudad,nombre,correo\nx,Lugo,Ana,a@x.es\nx,Lugo,Ana,a@x.es\n"
    )
    assert source.feeds["feed"].key == ("ciudad",)
    assert "key: no column that can be one is different in every row; ciudad was taken" in made.text


def test_a_point_that_may_part_thousands_is_asked_about(tmp_path: Path) -> None:
    made, _ = drafted(
        tmp_path, "o.csv", "pedido,fecha_pedido,importe\n1,2026-07-01,1.234 €\n2,2026-07-01,12.500 €\n"
    )
    assert 'importe: does the point of 1.234 part thousands? Then write decimal: ","' in made.checks


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"PK", "is not read"),
        ("a.csv", b"", "no header line"),
        ("a.csv", b"id,id\n1,2\n", "stands twice"),
        ("a.csv", b"sep=;\nid;n\n1;2\n", "a line for Excel alone"),
        (
            "a.csv",
            b"Clientes\nid;n\n1;2\n",
            "is it a title",
        ),
        ("a.csv", b"Clientes, 2026\nid;n;m\n1;2;3\n", "is it a title"),
        ("a.csv", b"Clientes;;\nid;n;m\n1;2;3\n", "is it a title"),
        ("a.csv", b"Clientes\n\n\nid;n\n1;2\n3;4\n", "is it a title"),
        ("a.parquet", b"PAR1", "cannot be read"),
        ("a.csv.gz", b"\x1f\x8b\x08", "cannot be read"),
    ],
)
def test_what_cannot_be_a_sample_is_told(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        drafted(tmp_path, name, content)


def test_the_command_writes_a_file_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample, out = tmp_path / "members.csv", tmp_path / "conf" / "club.yml"
    sample.write_text(MEMBERS, encoding="utf-8")
    assert execute(["source", "draft", str(sample), "--source", "club", "--out", str(out)]) == 0
    assert "rows become customer_records" in capsys.readouterr().out
    assert out.read_text(encoding="utf-8").startswith("# Drafted from members.csv, 3 rows.")
    assert execute(["source", "draft", str(sample), "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert execute(["source", "draft", str(tmp_path / "nothing.csv")]) == 2
    assert execute(["source", "draft", str(sample), "--source", "Bad Name"]) == 2
