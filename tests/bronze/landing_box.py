"""A landing folder that a test fills, and a small source to read it with."""

from __future__ import annotations

import gzip
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.bronze.contract import FileHead, inspect
from pipelines.bronze.landing import Landing, discover
from pipelines.bronze.rows import file_task, read_file
from pipelines.sources import Source

NIGHT = date(2026, 7, 1)


def _shop() -> dict[str, Source]:
    columns = {"id": {"required": True}, "name": {"required": True}, "note": {}}
    feed = {"mode": "snapshot", "key": ["id"], "target": "bronze_only", "columns": columns}
    append = feed | {"mode": "append"}
    feeds = {
        "people": feed,
        "people-extra": append,
        "changes": feed | {"mode": "delta"},
        "old": append | {"encoding": "latin-1", "delimiter": ";"},
        "lines": append,
    }
    return {
        "shop": Source.model_validate({"source": "shop", "owner": "Shop", "channel": "pos", "feeds": feeds})
    }


SHOP = _shop()
"""Every feed has id and name (required) and note; `old` comes in Latin-1 with semicolons."""


class Box:
    """A landing folder below a test's own folder."""

    def __init__(self, tmp_path: Path, sources: dict[str, Source] | None = None) -> None:
        self.landing = tmp_path / "landing"
        self.landing.mkdir()
        self.sources = sources or SHOP

    def put(self, name: str, content: str | bytes, day: date = NIGHT, source: str = "shop") -> Path:
        """Write a file; text becomes UTF-8, and gzip where its name says so."""
        path = self.landing / str(day) / source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") and isinstance(content, str) else raw)
        return path

    def found(self, **options: Any) -> Landing:
        return discover(str(self.landing), self.sources, **options)

    def head(self) -> FileHead:
        """The head of the one file."""
        (file,) = self.found().files
        return inspect(file, self.sources[file.source])

    def rows(self) -> list[dict[str, Any]]:
        """Every row of the one file, read as a task reads it."""
        head = self.head()
        assert [p for p in head.problems if p.severity == "stop"] == []
        task = file_task(head, self.sources[head.file.source])
        return [row for batch in read_file(task, head.columns) for row in batch.to_pylist()]
