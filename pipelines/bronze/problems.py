"""What can be wrong with a landing folder or a file in it, and the line that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

SHOWN, NAMED = 3, 20
"""Problems that one line tells in full; further ones of which it names the path. Still more are counted."""


@dataclass(frozen=True)
class Problem:
    """One finding about a path of the landing folder. Never holds a value of a row."""

    code: str
    """For programs: unknown_source, truncated_gzip …"""
    path: str
    """Relative to the landing folder."""
    text: str
    """For people: one line with path, what is wrong and what to do."""
    severity: Literal["stop", "warn"] = "warn"


def stop(code: str, path: str, text: str) -> Problem:
    """A problem that ends the night before anything is landed."""
    return Problem(code, path, f"{path}: {text}", "stop")


def warn(code: str, path: str, text: str) -> Problem:
    """A problem that the night reports and goes on with."""
    return Problem(code, path, f"{path}: {text}", "warn")


def stop_message(problems: Iterable[Problem]) -> str | None:
    """The one line that ends the night; None where nothing stops it."""
    stops = [p for p in problems if p.severity == "stop"]
    if not stops:
        return None
    told = [p.text for p in stops[:SHOWN]]
    named = ", ".join(p.path for p in stops[SHOWN:][:NAMED])
    if named:
        more = len(stops) - SHOWN - NAMED
        told.append(f"not usable either: {named}{f' and {more} more' if more > 0 else ''}.")
    return f"{' | '.join(told)} Nothing was landed."
