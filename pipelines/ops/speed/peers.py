"""Who is timed: a command a peer, and what it is told.

A new kind of cell is a ``Peer`` in ``PEERS``. Its command takes the files of a ``Given`` and leaves
in its folder ``clusters.parquet`` (rec_id, cluster_id) and ``report.json`` (candidate_pairs, links), unless
it has its own ``read``.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pipelines
from pipelines.linkage.peers import ID
from pipelines.ops.speed.agreement import read_clusters
from pipelines.ops.speed.given import Given
from pipelines.ops.speed.processes import Measured

Command = Callable[[Any, str], list[str]]
"""The command for a size's files; the second is the folder of its results."""
Read = Callable[[Any, str, Measured], dict[str, Any]]
"""Fields of a cell, from a size's files, the folder of the results and what was measured."""
_ROOT = Path(pipelines.__file__).resolve().parent
_PADRON = (
    "linkage",
    "standardise",
    "cli/link.py",
    "cli/lean.py",
    "config.py",
    "queries.py",
    "settings.py",
    "spark.py",
)
"""Code that decides what a padron peer does."""


@dataclass(frozen=True)
class Peer:
    """One that is timed."""

    name: str
    what: str
    """What it does and was given, in a sentence of Markdown."""
    command: Command
    uses: tuple[str, ...]
    """Distributions whose version decides what it does."""
    code: tuple[str, ...]
    """Files and folders of the package that decide what it does."""
    needs_java: bool = False
    before: Command | None = None
    """A command that makes, in the same folder, what the timed one starts from; it is not timed."""
    read: Read = read_clusters
    """What the results say."""

    def digest(self) -> str:
        """Digest of the versions and the code."""
        found = hashlib.sha256()
        for name in self.uses:
            found.update(f"{name} {version(name)}\n".encode())
        for part in self.code:
            path = _ROOT / part
            for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
                found.update(str(file.relative_to(_ROOT)).encode())
                found.update(file.read_bytes())
        return found.hexdigest()[:16]

    def versions(self) -> str:
        """``splink 5.0.0, duckdb 2.0.0``"""
        return ", ".join(f"{name} {version(name)}" for name in self.uses)


def _worker(name: str) -> list[str]:
    return [sys.executable, "-m", f"pipelines.linkage.peers.{name}"]


def _shares(given: Given) -> list[str]:
    return [str(given.keep), str(given.conf.threshold)]


def _padron(given: Given, out: str) -> list[str]:
    start = "import sys; from pipelines.cli import main; main()"
    where = [given.records, "--id", ID, "--settings", given.settings, "--out", out]
    return [sys.executable, "-c", start, "link", *where]


def _splink_duckdb(given: Given, out: str) -> list[str]:
    return [*_worker("splink_duckdb"), given.records, given.settings, out, *_shares(given)]


def _splink_spark(given: Given, out: str) -> list[str]:
    files = [given.records, given.spark_settings, out]
    return [*_worker("splink_spark"), *files, *_shares(given), given.conf.driver_memory]


def _padron_many(given: Given, out: str) -> list[str]:
    told = [json.dumps(given.conf.rules), given.conf.driver_memory, given.properties]
    return [*_worker("padron_many"), given.records, given.generation, out, *told]


def _padron_night(which: str) -> Command:
    def command(given: Given, out: str) -> list[str]:
        return [
            *_worker("padron_night"),
            given.records,
            given.generation,
            out,
            json.dumps(given.conf.rules),
            which,
        ]

    return command


_ENGINE = ("splink", "duckdb", "pyarrow", "numpy", "scipy")
PEERS: Mapping[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer(
            "padron",
            "`padron link --settings`: placement one, the settings file as it is; average linkage at the cut "
            "that it chooses itself, pairs, clusters and both reports written",
            _padron,
            _ENGINE,
            _PADRON,
        ),
        Peer(
            "splink-duckdb",
            "Splink's `DuckDBAPI`: the same file; predict, connected components at the threshold, pairs and "
            "clusters written",
            _splink_duckdb,
            ("splink", "duckdb"),
            ("linkage/peers/splink_duckdb.py",),
        ),
        Peer(
            "padron-many",
            "padron's placement many on `local[*]`: `--settings` does not run there, so it gets the same comparisons, "
            "m, u, prior and rules as a generation, the frequent values counted beforehand, no relation model, "
            "and blocks without a cap, as Splink's; average linkage at the threshold",
            _padron_many,
            (*_ENGINE, "pyspark", "delta-spark"),
            _PADRON,
            needs_java=True,
        ),
        Peer(
            "padron-night",
            "a night's linkage in placement one: what padron-many is given, read from Parquet, its tables written",
            _padron_night("all"),
            _ENGINE,
            _PADRON,
        ),
        Peer(
            "padron-change",
            "the same after a night on records of which one in a hundred was different: half of these had another "
            "surname, a quarter was not there, a quarter is gone; only what changed is scored, and only this is timed",
            _padron_night("changed"),
            _ENGINE,
            _PADRON,
            before=_padron_night("earlier"),
        ),
        Peer(
            "splink-spark",
            "Splink's `SparkAPI` on `local[*]`: the same settings in Spark's SQL, its JAR given, its input cached; what "
            "splink-duckdb does",
            _splink_spark,
            ("splink", "pyspark"),
            ("linkage/peers/splink_spark.py",),
            needs_java=True,
        ),
    )
}
"""Peers by name, in the order in which they take turns."""
