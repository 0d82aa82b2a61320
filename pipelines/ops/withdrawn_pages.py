"""The pages of nights whose releases were withdrawn: kept, under names that nobody takes for what is published."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.ops import releases

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


def set_aside(warehouse: Warehouse, withdrawn: Sequence[Release]) -> None:
    """Rename the pages of the nights to ``<date>.withdrawn.html``, over an earlier one.

    One that cannot be moved stays: see ``left_standing``.
    """
    for page in _pages(warehouse, withdrawn):
        with suppress(OSError):
            if files.exists(page):
                _rename(page)


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
        folder = files.listing(files.join(warehouse.root, _reports()))
    except OSError:
        return
    written_at = {info.path: info.modified_at for info in folder}
    for day, at in withdrawn_at.items():
        written = written_at.get(_name(day))
        if written is not None and written < at:
            with suppress(OSError):
                _rename(_page(warehouse, day))


def _rename(page: str) -> None:
    files.move(page, f"{page.removesuffix('.html')}.withdrawn.html")


def left_standing(warehouse: Warehouse, made: Release) -> list[str]:
    """A line about each page that could not be set aside when ``made`` was decided."""
    known = releases.all_releases(warehouse)
    # What a decision withdraws is withdrawn in the commit that publishes it.
    withdrawn = [r for r in known if r.status == "withdrawn" and r.at == made.at]
    return [
        f"{page} could not be renamed and says that readers see what was withdrawn: remove it."
        for page in _pages(warehouse, withdrawn)
        if files.exists(page)
    ]


def _pages(warehouse: Warehouse, withdrawn: Sequence[Release]) -> list[str]:
    """Where the pages of those nights are, if they were written."""
    return [_page(warehouse, day) for day in sorted({release.business_date for release in withdrawn})]


def _page(warehouse: Warehouse, day: date) -> str:
    return files.join(warehouse.root, _reports(), _name(day))


def _name(day: date) -> str:
    return f"{day.isoformat()}.html"


def _reports() -> str:
    # What it imports would cost every night, and few take anything back.
    from pipelines.ops.summarise import REPORTS

    return REPORTS
