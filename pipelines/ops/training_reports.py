"""Where the report of a generation's training lies: beside its file in a folder, or kept in the warehouse.

A warehouse keeps it at ``generations/<id>/training.html``; the generation itself, which holds values, is a
row of ``linkage/generations``. A report that is missing, or tells of another generation, is said and is no error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.linkage.generations import ancestry

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from pipelines.linkage.generations import Generation
    from pipelines.storage import Warehouse

FILE = "generation.json"
REPORT = "training.html"
FOLDER = "generations"
"""The folder of a warehouse that keeps reports."""
_TELLS_OF = re.compile(r"<title>padron · generation ([0-9a-f]{12})</title>")


@dataclass(frozen=True)
class TrainingReport:
    """A report that is there."""

    path: str
    tells_of: str | None
    """The id of the generation that it was written for; None where the file is no report of a training."""


def in_words(report: TrainingReport | None, generation: Generation) -> str:
    """Where the report is, and of which generation it is where that is another than ``generation``; or that there is none."""
    if report is None:
        return f"Training report: none is kept of {generation.generation_id}; `padron train` writes one of what it trains"
    if report.tells_of is None:
        return f"Training report: none, {report.path} is something else"
    if report.tells_of == generation.generation_id:
        return f"Training report: {report.path}"
    revised = ", which this one revises" if report.tells_of == generation.previous_id else ""
    return f"Training report: {report.path}, of generation {report.tells_of}{revised}"


def kept_at(generation_id: str) -> str:
    """The path in a warehouse."""
    return f"{FOLDER}/{generation_id}/{REPORT}"


def beside(place: str) -> TrainingReport | None:
    """The report beside a generation that is a file, or a folder that holds ``generation.json``."""
    is_folder = files.exists(files.join(place, FILE))
    folder = place if is_folder else place.rpartition("/")[0] or "."
    return _found(files.join(folder, REPORT))


def kept(warehouse: Warehouse, generation: Generation, rows: pa.Table | None) -> TrainingReport | None:
    """The report that the warehouse keeps of ``generation``, or of the one that it is a minor revision of.

    ``rows``: those of ``linkage/generations``; None where there are none.
    """
    for name in ancestry(rows, generation.generation_id) or [generation.generation_id]:
        if (found := _found(files.join(warehouse.root, kept_at(name)))) is not None:
            return found
    return None


def take_along(
    report: TrainingReport | None, generation: Generation, warehouse: Warehouse, warn: Callable[[str], None]
) -> None:
    """Keep the ``report`` of a generation that comes into use in the warehouse, whatever else becomes of the night."""
    if report is None:
        warn(f"{in_words(report, generation)}.")
        return
    place = files.join(warehouse.root, kept_at(generation.generation_id))
    if report.path == place:
        return
    if report.tells_of != generation.generation_id:
        warn(f"{in_words(report, generation)}.")
    if report.tells_of is None:
        return
    try:
        files.write_text(place, files.read_text(report.path))
    except OSError as error:
        warn(f"the training report could not be kept at {place} ({type(error).__name__}).")


def _found(path: str) -> TrainingReport | None:
    if not files.exists(path):
        return None
    try:
        told = _TELLS_OF.search(files.read_text(path))
    except (OSError, UnicodeDecodeError):
        told = None
    return TrainingReport(path, told.group(1) if told else None)
