"""What every peer is given: the records of each size, and the one model in each one's words."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass

import pyarrow.parquet as pq

from pipelines.config import digest
from pipelines.linkage.peers.model import (
    Trained,
    frequent_values,
    generation,
    splink_settings,
    train,
)
from pipelines.ops.speed.config import LinkageBench
from pipelines.queries import Say, silent
from pipelines.simulate.flat import flat_people

TRUTH = "person"
"""Column of the records that says whose they are; no peer looks at it."""


@dataclass(frozen=True)
class Given:
    """The files of one size."""

    size: int
    records: str
    """Parquet, in the columns of ``flat_people``."""
    settings: str
    """Splink settings in DuckDB's SQL."""
    spark_settings: str
    generation: str
    """The model as padron's generation, for placement many."""
    conf: LinkageBench
    keep: float
    """Probability from which peers write pairs."""
    properties: str
    """conf/spark-defaults.conf."""
    digest: str
    """Of all that this is made of."""


@dataclass(frozen=True)
class Preparation:
    """Where the files go, and what they are made by."""

    folder: str
    conf: LinkageBench
    keep: float
    properties: str
    say: Say = silent

    def of(self, size: int) -> Given:
        """The files of ``size`` records: those that are there, if they are made of the same, else made now."""
        trained = self._model()
        columns = {"size": size, "seed": self.conf.seed, "made_by": _maker_digest(flat_people)}
        records = self._path("records", f"{size}-{digest(columns)[:12]}.parquet")
        if not os.path.exists(records):
            self.say(f"making {size:,} records")
            _written(records, lambda path: pq.write_table(flat_people(size, self.conf.seed), path))
        of = {
            "records": columns,
            "model": asdict(trained),
            "rules": self.conf.rules,
            "cut": self.conf.threshold,
        }
        name = f"{size}-{digest(of)[:12]}"
        settings = self._path("settings", f"{name}-duckdb.json")
        spark = self._path("settings", f"{name}-spark.json")
        known = self._path("settings", f"{name}-generation.json")
        rules = self.conf.rules
        _text(settings, json.dumps(splink_settings(trained, "duckdb", rules, size), indent=1))
        _text(spark, json.dumps(splink_settings(trained, "spark", rules, size), indent=1))
        made = generation(trained, rules, size, frequent_values(records), self.conf.threshold)
        _text(known, made.to_json())
        return Given(
            size,
            records,
            settings,
            spark,
            known,
            self.conf,
            self.keep,
            self.properties,
            digest(of, self.keep),
        )

    def _model(self) -> Trained:
        """The one model, trained on records of its own."""
        of = {
            "records": self.conf.trained_on,
            "seed": self.conf.seed,
            "made_by": _maker_digest(flat_people, train),
        }
        path = self._path("settings", f"trained-{digest(of)[:12]}.json")
        if not os.path.exists(path):
            self.say(f"training the model on {self.conf.trained_on:,} records")
            _text(path, json.dumps(asdict(_trained(self.conf.trained_on, self.conf.seed)), indent=1))
        with open(path, encoding="utf-8") as file:
            return Trained(**json.load(file))

    def _path(self, kind: str, name: str) -> str:
        folder = os.path.join(self.folder, kind)
        os.makedirs(folder, exist_ok=True)
        return os.path.join(folder, name)


def _trained(records: int, seed: int) -> Trained:
    # Other people than those of any size: a seed of their own.
    return train(flat_people(records, seed + 1), seed)


def _maker_digest(*functions: Callable[..., object]) -> str:
    """Digest of the modules that hold ``functions``: other code may make other records."""
    found = []
    for function in functions:
        with open(function.__code__.co_filename, encoding="utf-8") as file:
            found.append(file.read())
    return digest(*found)


def _text(path: str, text: str) -> None:
    def write(there: str) -> None:
        with open(there, "w", encoding="utf-8") as file:
            file.write(text)

    _written(path, write)


def _written(path: str, write: Callable[[str], object]) -> None:
    """A file that is whole or not there."""
    write(f"{path}.part")
    os.replace(f"{path}.part", path)
