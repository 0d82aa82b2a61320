"""A first row of data is no header: it is refused, and no value of it is told."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from draft_house import drafted

from pipelines.cli import execute
from pipelines.errors import UsageError
from pipelines.ops.sample import read_sample

SAID = "stands what looks like a row of data. Have it delivered with a header"


@pytest.mark.parametrize(
    "rows",
    [
        "1001;Ana García;Madrid;28013;ana@x.es;14/03/1975\n1002;Leo Mas;Vigo;36201;leo@x.es;5/3/1985\n",
        "1001;Ana García;Madrid;28013\n1002;Leo Mas;Vigo;36201\n",
        "1;García;García;Madrid\n2;Mas;Gil;Vigo\n",
        "Ana García;Madrid\nLeo Mas;Vigo\n",
        "O1;C1;2026-07-01;10,50\nO2;C2;2026-07-02;11,50\n",
        "C1001;García;S/N;28013\nC1002;Mas;3;28014\n",
        "GOMA850101XX1;García\nXAX010101000;Mas\n",
        "1001;García;M;email\n1002;Mas;F;email\n1003;Gil;M;sms\n",
        "García;+34 612 345 678\nMas;612345679\n",
        "2026-07-01 10:00:00;login\n2026-07-02 10:30:00;login\n",
        "Tarjeta;10,50 €\nEfectivo;9,00 €\n",
        "1001;García;ana@x.es\n",
        "A1;B1\nA2;B2\n",
    ],
)
def test_a_row_of_data_in_the_place_of_a_header_is_refused(tmp_path: Path, rows: str) -> None:
    with pytest.raises(UsageError, match=SAID) as refused:
        drafted(tmp_path, "clientes.csv", rows.encode("cp1252"))
    first = rows.splitlines()[0].replace(";", " ").split()
    assert not any(value in str(refused.value) for value in first if len(value) > 2)


@pytest.mark.parametrize(
    "content",
    [
        "nombre;apellidos;ciudad\nAna;García;Madrid\n",
        "CVE_CTE;NOM_CTE;TEL1\n1;ANA;5512345678\n",
        "Nº;Fecha;Total €\n1;01/07/2026;10,50\n",
        "zona;2025;2026\nNorte;10;20\nSur;1;3\n",
        "sku;36;37\nA1;1;2\nA2;4;5\n",
        "tienda;01/07/2026;02/07/2026\nS1;3;4\n",
        "Q1;Q2;Q3\nA1;B2;5\nA1;B3;5\n",
        "rosa;azul;verde\n1;2;3\n",
        "store;T1;T2\nMad;T3;T9\n",
        "pieza;grupo\n1;A\npieza;grupo\n2;B\n",
        "id;nombre\n",
    ],
)
def test_names_of_columns_are_a_header_be_they_years_or_colours(tmp_path: Path, content: str) -> None:
    made, _ = drafted(tmp_path, "feed.csv", content)
    assert made.text.startswith("# Drafted from feed.csv")


def test_the_columns_of_a_parquet_file_may_be_a_row_too(tmp_path: Path) -> None:
    path = tmp_path / "clientes.parquet"
    pq.write_table(pa.table({"Ana García": ["Leo Mas"], "ana@x.es": ["leo@x.es"]}), path)
    with pytest.raises(UsageError, match=SAID):
        read_sample(str(path))


def test_the_terminal_tells_nothing_of_the_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, out = tmp_path / "clientes.csv", tmp_path / "clientes.yml"
    file.write_text("1001,Ana García,14/03/1975\n1002,Leo Mas,05/03/1985\n", encoding="utf-8")
    assert execute(["source", "draft", str(file), "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert "row of data" in " ".join(told.err.split())
    assert not any(value in told.out + told.err for value in ("Ana", "García", "1001", "1975"))
    assert not out.exists()
