"""All cells of one benchmark, and the three files that say what they came to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.errors import UsageError
from pipelines.ops.speed.cells import Cell, Sized, order, run_cell
from pipelines.ops.speed.config import LinkageBench
from pipelines.ops.speed.figures import Figure, Verdict, figures, verdicts
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


def chosen(names: Sequence[str], among: Mapping[str, Peer] = PEERS, option: str = "--peers") -> list[Peer]:
    """The peers of these names, in their own order; all of them without names. Raises UsageError."""
    wrong = sorted(set(names) - set(among))
    if wrong:
        what = option.removeprefix("--").removesuffix("s")
        raise UsageError(f"{option}: no {what} {', '.join(wrong)}; there are {', '.join(among)}.")
    return [peer for peer in among.values() if not names or peer.name in names]


def run(
    out: str,
    conf: LinkageBench,
    peers: Sequence[Peer],
    repeat: int,
    cap: float,
    given: Callable[[int], Sized],
    ended: Ended,
    say: Say = silent,
) -> Outcome:
    """Measure every cell that ``out`` does not hold yet, and write linkage.md, linkage.json and linkage.svg there."""

    def write(cells: Sequence[Cell]) -> Outcome:
        found = figures(cells)
        judged = verdicts(found, conf.bars)
        outcome = Outcome(found, judged, markdown(found, judged, peers, conf))
        leave(out, "linkage", outcome, as_dict(found, judged, peers, conf))
        return outcome

    return measure(out, conf.sizes, peers, repeat, cap, given, ended, write, say)


def measure(
    out: str,
    sizes: Sequence[int],
    peers: Sequence[Peer],
    repeat: int,
    cap: float,
    given: Callable[[int], Sized],
    ended: Ended,
    write: Callable[[Sequence[Cell]], Outcome],
    say: Say = silent,
) -> Outcome:
    """Measure every cell that ``out`` does not hold yet.

    ``given`` makes the files of a size. What the cells came to is written anew after each size, so that a
    long run can be looked at.
    """
    os.makedirs(out, exist_ok=True)
    cells: list[Cell] = []
    planned = order(sizes, peers, repeat)
    known: dict[int, Sized] = {}
    for number, (size, peer, repetition) in enumerate(planned, 1):
        if size not in known:
            known[size] = given(size)
        say(f"{number}/{len(planned)} {size:,} {peer.name}")
        cell = run_cell(known[size], peer, repetition, cap, out)
        cells.append(cell)
        ended(number, len(planned), cell)
        if number == len(planned) or planned[number][0] != size:
            outcome = write(cells)
    return outcome


def leave(out: str, name: str, outcome: Outcome, content: dict[str, Any]) -> None:
    """Write NAME.md, NAME.json and NAME.svg."""
    files = (
        ("md", outcome.markdown),
        ("json", json.dumps(content, indent=1)),
        ("svg", picture(outcome.figures)),
    )
    for kind, body in files:
        with open(os.path.join(out, f"{name}.{kind}"), "w", encoding="utf-8") as file:
            file.write(body)
