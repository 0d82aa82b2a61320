"""The figures as Markdown, JSON and lines of 80 columns."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.ops.speed.config import LinkageBench
from pipelines.ops.speed.figures import GIGABYTE, Figure, Verdict
from pipelines.ops.speed.peers import Peer
from pipelines.ops.speed.processes import LOOK

BEGIN, END = "<!-- padron bench linkage: written by the command -->", "<!-- end of padron bench linkage -->"
"""Lines of a Markdown file that the tables stand between."""
COLUMNS = ("Records", "Peer", "Wall s", "CPU s", "GB", "Pairs", "Links", "Clusters", "F1")


def row(figure: Figure) -> tuple[str, ...]:
    """A line of the table, in ``COLUMNS``."""
    cell = figure.cell
    counts = (_count(value) for value in (cell.candidate_pairs, cell.links, cell.clusters))
    return (
        f"{figure.size:,}",
        figure.peer,
        figure.time(),
        f"{figure.cpu_seconds:,.1f}",
        f"{figure.peak_bytes / GIGABYTE:.2f}",
        *counts,
        "" if cell.f1 is None else f"{cell.f1:.4f}",
    )


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def markdown(
    found: Sequence[Figure], judged: Sequence[Verdict], peers: Sequence[Peer], conf: LinkageBench
) -> str:
    """Both tables, what each peer was given, how it was measured, and what died."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|--:|---|" + "--:|" * (len(COLUMNS) - 2)]
    lines += [f"| {' | '.join(row(figure))} |" for figure in found]
    lines += ["", "| Bar | Must | Measured | |", "|---|--:|--:|---|"]
    lines += [f"| {' | '.join(verdict_row(verdict))} |" for verdict in judged]
    rules = "; ".join(" + ".join(f"`{term}`" for term in rule) for rule in conf.rules)
    repeats = max((len(figure.cells) for figure in found), default=0)
    lines += [
        "",
        *(f"- **{peer.name}** ({peer.versions()}): {peer.what}." for peer in peers),
        "",
        f"{machine()}. Every cell is a process of its own, from the start of its interpreter to its exit; {repeats} "
        f"of each, peers in turns, the median is shown. Memory is resident memory (RSS) summed over the process tree, "
        f"looked at every {LOOK:g} s, the highest of all repetitions; pages that processes share count in each. CPU "
        f"is of the whole tree. Made-up records with known truth (`pipelines/simulate/flat.py`, seed {conf.seed}); one model, "
        f"trained by Splink on {conf.trained_on:,} others, its prior scaled to the size. Blocking rules of all: {rules}. "
        f"Links: pairs that reach the peer's own cut; Splink's is {conf.threshold:g}. Pairs a second and core: candidate "
        "pairs over wall seconds times cores.",
    ]
    return "\n".join([*lines, *last_words(found)]) + "\n"


def last_words(found: Sequence[Figure]) -> list[str]:
    """Lines about the cells that died; none where none did."""
    died = [cell for figure in found for cell in figure.cells if cell.said]
    if not died:
        return []
    told = [f"- {cell.size:,} {cell.peer} {cell.repetition}: {_quoted(cell.said)}" for cell in died]
    return ["", "What died, and its last words:", "", *told]


def _quoted(said: Sequence[str]) -> str:
    return "; ".join(f"`{text.replace('`', chr(39))}`" for text in said)


def verdict_row(verdict: Verdict, shown: Callable[[float], str] | None = None) -> tuple[str, str, str, str]:
    """The bar, what it must be, what it is, and what that means; ``shown``: how its figures are written."""
    shown = shown or _short
    sign = "≤" if verdict.is_most else "≥"
    bound = "> " if verdict.is_bound else ""
    measured = "" if verdict.value is None else f"{bound}{shown(verdict.value)}"
    return verdict.name, f"{sign} {shown(verdict.bar)}", measured, verdict.said()


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.2f}"


def machine() -> str:
    """``2 cores, 24 GB, Linux x86_64, Python 3.11.7``"""
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 2**20
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def as_dict(
    found: Sequence[Figure], judged: Sequence[Verdict], peers: Sequence[Peer], conf: LinkageBench
) -> dict[str, Any]:
    """All cells and bars as plain values."""
    return {
        "machine": machine(),
        "conf": conf.model_dump(mode="json"),
        "peers": [{"name": p.name, "versions": p.versions(), "what": p.what} for p in peers],
        "cells": [cell.as_dict() for figure in found for cell in figure.cells],
        "bars": [verdict.as_dict() for verdict in judged],
    }
