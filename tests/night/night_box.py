"""Whole nights through the command, in the process of the tests: one Spark session for all."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.cli import execute
from pipelines.ops.reading import Reader
from pipelines.storage import Warehouse

ROOT = Path(__file__).resolve().parents[2]
FEW_PARTS = {"spark.sql.shuffle.partitions": "2"}
"""For nights of few records in a suite that has many."""


def tune(conf: Path, options: dict[str, str]) -> None:
    """Lay options of Spark over those of a folder of configuration, or of padron's own."""
    properties = conf / "spark-defaults.conf"
    before = properties if properties.exists() else ROOT / "conf" / "spark-defaults.conf"
    lines = [before.read_text(encoding="utf-8"), *(f"{key} {value}\n" for key, value in options.items())]
    properties.write_text("".join(lines), encoding="utf-8")


@dataclass(frozen=True)
class Shop:
    """A landing folder, a warehouse, and a configuration."""

    landing: Path
    warehouse: Path
    config: Path | None = None

    def run(self, *options: str) -> int:
        """``padron run``; its exit code."""
        where = ["--landing", str(self.landing), "--warehouse", str(self.warehouse)]
        config = ["--config", str(self.config)] if self.config else []
        return execute(["run", *where, *config, *options])

    @property
    def house(self) -> Warehouse:
        return Warehouse(str(self.warehouse))

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The answer of the newest release."""
        return Reader(self.house).rows(query)

    def value(self, query: str) -> Any:
        """The one value of the answer."""
        return Reader(self.house).value(query)

    def versions(self) -> dict[str, int]:
        """The newest version of every table on disk, released or not; without the lock's heartbeats."""
        found = {}
        for log in sorted(self.warehouse.glob("*/*/_delta_log")):
            path = f"{log.parent.parent.name}/{log.parent.name}"
            version = self.house.version(path)
            if version is not None and path != "ops/lock":
                found[path] = version
        return found


def write_csv(
    path: Path, rows: list[dict[str, Any]], *, encoding: str = "utf-8", delimiter: str = ","
) -> None:
    """A CSV with a header, its folder too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
