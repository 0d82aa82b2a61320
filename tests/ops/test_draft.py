"""The YAML of a new source from a sample: valid, nearly right, and honest about what it guessed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.cli import execute
from pipelines.config import parse, validate
from pipelines.errors import UsageError
from pipelines.ops.draft import Draft, draft
from pipelines.ops.sample import read_sample
from pipelines.sources import Mapped, Source

MEMBERS = """num_socio;Nombre completo;Móvil;correo;fecha_nac;CP;sexo;contraseña;fecha_alta
S1;José Luis Muñoz;612345678;jl@x.es;14/03/1975;28013;H;hunter2;2020-01-31
S2;María Ruiz;644123987;mr@x.es;02/11/1982;41004;M;hunter3;2021-05-01
S3;Iñaki Etxeberria;655777123;;30/06/1990;48009;H;hunter4;2022-12-24
"""
SALES = """pedido,id_cliente,fecha_pedido,importe,moneda,estado
1,C1,2026-07-01 10:00:00,"1.234,50",EUR,Entregado
2,C1,2026-07-02 11:30:00,"10,00",EUR,Anulado
3,C2,2026-07-02 12:00:00,"7,25",MXN,Entregado
"""


def drafted(tmp_path: Path, name: str, content: str | bytes, source: str = "club") -> tuple[Draft, Source]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    made = draft(read_sample(str(path)), source, "feed", name)
    text, node = parse(made.text, "draft")
    return made, validate(Source, text, node, "draft")


def mapped(source: Source, name: str) -> Mapped:
    found = source.feeds["feed"].map[name]
    assert isinstance(found, Mapped)
    return found


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
    assert mapped(source, "status").codes == {"anulado": "anulado", "entregado": "entregado"}
    assert mapped(source, "source").constant == "TO_BE_NAMED"
    assert any(check.startswith("status: write the standard codes") for check in made.checks)


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


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", b"PK", "is not read"),
        ("a.csv", b"", "no header line"),
        ("a.csv", b"id,id\n1,2\n", "stands twice"),
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
