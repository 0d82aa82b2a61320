"""What the nights that are timed are given: a simulated retailer of each size, and its two nights."""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.config import digest
from pipelines.ops.speed.config import NightBench
from pipelines.queries import Say, silent
from pipelines.settings import Settings
from pipelines.simulate import EDITION, simulate

RECORDS_A_CUSTOMER = 2.3
"""Of the simulated retailer, in its first night."""


@dataclass(frozen=True)
class Retailer:
    """The landing folder of one size."""

    size: int
    """Records that it was asked for."""
    landing: str
    first: str
    second: str
    """Dates of the two nights."""
    records: int
    orders: int
    """Rows of the first night."""
    changes: int
    """Rows about records in the second night."""
    config: str
    """The folder of configuration: the user's own, with the benchmark's memory."""
    kept: str
    """Folder for the warehouses of first nights that others start from."""
    conf: NightBench
    digest: str


@dataclass(frozen=True)
class Retailers:
    """Where the retailers go, and what they are made by."""

    folder: str
    conf: NightBench
    settings: Settings
    say: Say = silent

    def of(self, size: int) -> Retailer:
        """The retailer of about ``size`` records: the one that is there, if it is the same, else made now."""
        made_of = {"size": size, "seed": self.conf.seed, "changed": self.conf.changed, "edition": EDITION}
        name = f"{size}-{digest(made_of)[:12]}"
        whole = os.path.join(self.folder, "retailers", name)
        landing = os.path.join(self.folder, "landings", name)
        self.say(f"making a retailer of {size:,} records")
        customers = max(round(size / RECORDS_A_CUSTOMER), 10)
        made = simulate(whole, customers=customers, nights=2, seed=self.conf.seed)
        first, second = made.dates
        records = self._rows(made.landing, first, "customer_records")
        if not os.path.exists(landing):
            draft = f"{landing}.part"
            shutil.rmtree(draft, ignore_errors=True)
            # Files are never changed in place, so the first night's need no copy.
            shutil.copytree(made.landing, draft, copy_function=os.link)
            self._thin(draft, second, math.ceil(self.conf.changed * records))
            os.replace(draft, landing)
        config = self._config()
        return Retailer(
            size=size,
            landing=os.path.abspath(landing),
            first=first,
            second=second,
            records=records,
            orders=self._rows(landing, first, "orders"),
            changes=self._rows(landing, second, "customer_records"),
            config=os.path.abspath(config),
            kept=os.path.abspath(os.path.join(self.folder, "kept")),
            conf=self.conf,
            digest=digest(made_of, self.settings.digest, self.conf.driver_memory, self.conf.killed_in),
        )

    def _feeds(self, landing: str, date: str, target: str) -> list[Path]:
        """The files of a night whose feeds fill a table of silver."""
        files = sorted(Path(landing, date).glob("*/*.csv"))
        sources = self.settings.sources
        return [f for f in files if sources[f.parent.name].feeds[f.stem].target == target]

    def _rows(self, landing: str, date: str, target: str) -> int:
        return sum(_count(path) for path in self._feeds(landing, date, target))

    def _thin(self, landing: str, date: str, wanted: int) -> None:
        """Leave ``wanted`` rows about records in a night, of each feed its share, from the top."""
        feeds = self._feeds(landing, date, "customer_records")
        there = sum(_count(path) for path in feeds)
        for path in feeds:
            keep = math.ceil(_count(path) * wanted / there) if wanted < there else _count(path)
            draft = path.with_suffix(".part")
            with (
                path.open(encoding="utf-8", newline="") as given,
                draft.open("w", encoding="utf-8", newline="") as left,
            ):
                rows: Iterable[list[str]] = csv.reader(given)
                csv.writer(left, lineterminator="\n").writerows(
                    row for number, row in enumerate(rows) if number <= keep
                )
            os.replace(draft, path)

    def _config(self) -> str:
        """A folder of configuration as the user's, but for the memory of the JVM."""
        config = os.path.join(self.folder, "conf")
        os.makedirs(config, exist_ok=True)
        for path in self.settings.conf.folder.iterdir():
            if isinstance(path, Path) and path.is_dir():
                shutil.copytree(path, os.path.join(config, path.name), dirs_exist_ok=True)
            elif isinstance(path, Path):
                shutil.copy(path, config)
        # Java's logging is configured by the file beside Spark's, wherever the user has it from.
        logging = self.settings.conf.path("log4j2.properties").read_text(encoding="utf-8")
        with open(os.path.join(config, "log4j2.properties"), "w", encoding="utf-8") as file:
            file.write(logging)
        properties = self.settings.conf.path("spark-defaults.conf").read_text(encoding="utf-8")
        with open(os.path.join(config, "spark-defaults.conf"), "w", encoding="utf-8") as file:
            file.write(f"{properties.rstrip()}\nspark.driver.memory  {self.conf.driver_memory}\n")
        return config


def _count(path: Path) -> int:
    """Rows of a CSV below its header."""
    with path.open(encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1
