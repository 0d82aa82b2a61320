"""The pages of nights whose releases were withdrawn: kept, under names that nobody takes for what is published."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.ops import releases
from pipelines.ops.night_pages import name, page, written_at

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


def set_aside(warehouse: Warehouse, withdrawn: Sequence[Release]) -> None:
    """Rename the pages of the nights to ``<date>.withdrawn.html``, over an earlier one.

    One that cannot be moved stays: see ``left_standing``.
    """
    for one in _pages(warehouse, withdrawn):
        with suppress(OSError):
            if files.exists(one):
                _rename(one)


def set_aside_late(warehouse: Warehouse) -> None:
    """``set_aside`` what a decision left that died before it had: pages written before their night was withdrawn.

    What `padron report` writes of such a date later is about what readers see now, and stays.
    """
    known = releases.all_releases(warehouse)
    withdrawn_at = {
        r.business_date: r.at for r in sorted(known, key=lambda r: r.at) if r.status == "withdrawn"
    }
    if not withdrawn_at:
        return
    try:
        there = written_at(warehouse)
    except OSError:
        return
    for day, at in withdrawn_at.items():
        written = there.get(name(day))
        if written is not None and written < at:
            with suppress(OSError):
                _rename(page(warehouse, day))


def _rename(one: str) -> None:
    files.move(one, f"{one.removesuffix('.html')}.withdrawn.html")


def left_standing(warehouse: Warehouse, made: Release) -> list[str]:
    """A line about each page that could not be set aside when ``made`` was decided."""
    known = releases.all_releases(warehouse)
    # What a decision withdraws is withdrawn in the commit that publishes it.
    withdrawn = [r for r in known if r.status == "withdrawn" and r.at == made.at]
    return [
        f"{one} could not be renamed and says that readers see what was withdrawn: remove it."
        for one in _pages(warehouse, withdrawn)
        if files.exists(one)
    ]


def _pages(warehouse: Warehouse, withdrawn: Sequence[Release]) -> list[str]:
    """Where the pages of those nights are, if they were written."""
    return [page(warehouse, day) for day in sorted({release.business_date for release in withdrawn})]
