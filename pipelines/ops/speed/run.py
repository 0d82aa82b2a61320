"""All cells of one benchmark, and the three files that say what they came to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipelines.errors import UsageError
from pipelines.ops.speed.cells import Cell, order, run_cell
from pipelines.ops.speed.config import LinkageBench
from pipelines.ops.speed.figures import Figure, Verdict, figures, verdicts
from pipelines.ops.speed.given import Given
from pipelines.ops.speed.page import as_dict, markdown
from pipelines.ops.speed.peers import PEERS, Peer
from pipelines.ops.speed.picture import picture
from pipelines.queries import Say, silent

Ended = Callable[[int, int, Cell], None]
"""Is told of each cell that ended: its place, of how many, and the cell."""


@dataclass(frozen=True)
class Outcome:
    """What a benchmark came to."""

    figures: list[Figure]
    verdicts: list[Verdict]
    markdown: str


def chosen(names: Sequence[str]) -> list[Peer]:
    """The peers of these names, in their own order; all of them without names. Raises UsageError."""
    wrong = sorted(set(names) - set(PEERS))
    if wrong:
        raise UsageError(f"--peers: no peer {', '.join(wrong)}; there are {', '.join(PEERS)}.")
    return [peer for peer in PEERS.values() if not names or peer.name in names]


def run(
    out: str,
    conf: LinkageBench,
    peers: Sequence[Peer],
    repeat: int,
    cap: float,
    given: Callable[[int], Given],
    ended: Ended,
    say: Say = silent,
) -> Outcome:
    """Measure every cell that ``out`` does not hold yet, and write linkage.md, linkage.json and linkage.svg there.

    ``given`` makes the files of a size. The three files are written anew after each size, so that a
    long run can be looked at.
    """
    os.makedirs(out, exist_ok=True)
    cells: list[Cell] = []
    planned = order(conf.sizes, peers, repeat)
    known: dict[int, Given] = {}
    for number, (size, peer, repetition) in enumerate(planned, 1):
        if size not in known:
            known[size] = given(size)
        say(f"{number}/{len(planned)} {size:,} {peer.name}")
        cell = run_cell(known[size], peer, repetition, cap, out)
        cells.append(cell)
        ended(number, len(planned), cell)
        if number == len(planned) or planned[number][0] != size:
            outcome = _written(out, cells, peers, conf)
    return outcome


def _written(out: str, cells: Sequence[Cell], peers: Sequence[Peer], conf: LinkageBench) -> Outcome:
    found = figures(cells)
    judged = verdicts(found, conf.bars)
    text = markdown(found, judged, peers, conf)
    content = json.dumps(as_dict(found, judged, peers, conf), indent=1)
    for name, body in (("linkage.md", text), ("linkage.json", content), ("linkage.svg", picture(found))):
        with open(os.path.join(out, name), "w", encoding="utf-8") as file:
            file.write(body)
    return Outcome(found, judged, text)
