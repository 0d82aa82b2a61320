"""Drafts of tiny samples, read back as the sources that they declare."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import validate
from pipelines.config_yaml import parse
from pipelines.ops.draft import Draft, draft
from pipelines.ops.sample import read_sample
from pipelines.sources import Mapped, Source

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
