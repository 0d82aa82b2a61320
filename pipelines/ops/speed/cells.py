"""Cells of size × peer × repetition: run one at a time, peers in turns, and kept as they end.

A finished cell is a JSON file that says of what it was measured; the same again is not measured
twice, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import pipelines
from pipelines.config import digest
from pipelines.errors import UsageError
from pipelines.ops.speed.peers import Peer
from pipelines.ops.speed.processes import measured
from pipelines.ops.speed.stage_costs import StageCost
from pipelines.spark import check_java


class Sized(Protocol):
    """The files of one size."""

    @property
    def size(self) -> int:
        """Records, as it was asked for."""

    @property
    def digest(self) -> str:
        """Of all that the files are made of."""


@dataclass(frozen=True)
class Cell:
    """One measurement."""

    size: int
    peer: str
    repetition: int
    of: str
    """Digest of what was measured: records, settings, versions, code."""
    outcome: str
    """done; capped, seconds then being the cap; died."""
    seconds: float
    """Wall time of the whole process."""
    cpu_seconds: float
    peak_bytes: int
    candidate_pairs: int | None = None
    links: int | None = None
    """Pairs that reach the peer's own cut."""
    clusters: int | None = None
    f1: float | None = None
    """Pairwise, of the clusters against the truth."""
    stages: tuple[StageCost, ...] = ()
    """Of a night, what each of its stages took."""
    repeated: tuple[str, ...] | None = None
    """Of a resumed night, the stages that had ended and were run again."""
    said: tuple[str, ...] = ()
    is_reused: bool = False

    def is_answer(self, cap: float) -> bool:
        """True where another run of at most ``cap`` seconds would say nothing new."""
        return self.outcome == "done" or (self.outcome == "capped" and self.seconds >= cap)

    def as_dict(self) -> dict[str, Any]:
        plain = asdict(self)
        del plain["is_reused"]
        return plain


def order(sizes: Sequence[int], peers: Sequence[Peer], repeat: int) -> list[tuple[int, Peer, int]]:
    """The cells in the order they run: small sizes first, peers in turns, another one first each time."""
    return [
        (size, peers[(turn + repetition) % len(peers)], repetition + 1)
        for size in sorted(sizes)
        for repetition in range(repeat)
        for turn in range(len(peers))
    ]


def run_cell(given: Sized, peer: Peer, repetition: int, cap: float, out: str) -> Cell:
    """Measure one cell, or take it from ``out``/cells where the same was measured."""
    of = digest(given.digest, peer.name, peer.digest())
    path = os.path.join(out, "cells", f"{given.size}-{peer.name}-{repetition}.json")
    known = _kept(path)
    # What was capped sooner, or died, is worth another go.
    if known is not None and known.of == of and known.is_answer(cap):
        return replace(known, is_reused=True)
    cell = Cell(given.size, peer.name, repetition, of, "died", 0.0, 0.0, 0)
    if peer.needs_java:
        try:
            check_java()
        except UsageError as error:
            return replace(cell, said=(str(error),))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="running-", dir=out, ignore_cleanup_errors=True) as folder:
        cell = _measured(cell, given, peer, cap, folder)
    with open(f"{path}.part", "w", encoding="utf-8") as file:
        json.dump(cell.as_dict(), file, indent=1)
    os.replace(f"{path}.part", path)
    return cell


def _measured(cell: Cell, given: Sized, peer: Peer, cap: float, folder: str) -> Cell:
    results = os.path.join(folder, "results")
    os.makedirs(results)
    if peer.before is not None:
        made = measured(peer.before(given, results), folder, cap, _environment(folder))
        if made.outcome != "done":
            said = ("what it starts from was not made", *made.said)
            return replace(cell, outcome="died", said=said)
    found = measured(peer.command(given, results), folder, cap, _environment(folder))
    cell = replace(
        cell,
        outcome=found.outcome,
        seconds=round(found.seconds, 3),
        cpu_seconds=round(found.cpu_seconds, 2),
        peak_bytes=found.peak_bytes,
        said=found.said,
    )
    if found.outcome != "done":
        return cell
    return replace(cell, **peer.read(given, results, found))


def _environment(folder: str) -> dict[str, str]:
    """The environment of a cell: this package, and temporary files where they go with the cell."""
    root = str(Path(pipelines.__file__).resolve().parent.parent)
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "PYTHONPATH": path, "TMPDIR": folder, "SPARK_LOCAL_DIRS": folder}


def _kept(path: str) -> Cell | None:
    try:
        with open(path, encoding="utf-8") as file:
            plain = json.load(file)
        plain["stages"] = tuple(StageCost(**stage) for stage in plain.get("stages", ()))
        again = plain.get("repeated")
        plain["repeated"] = None if again is None else tuple(again)
        return Cell(**{**plain, "said": tuple(plain["said"])})
    except (OSError, ValueError, TypeError, KeyError):
        # Not measured, cut short, or of another version: it is measured now.
        return None
