"""The pages of nights whose releases were withdrawn: kept, under names that nobody takes for what is published."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.ops import releases

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


def set_aside(warehouse: Warehouse, withdrawn: Sequence[Release]) -> None:
    """Rename the pages of the nights to ``<date>.withdrawn.html``, over an earlier one.

    One that cannot be moved stays: see ``left_standing``.
    """
    for page in _pages(warehouse, withdrawn):
        with suppress(OSError):
            if files.exists(page):
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
    # What it imports would cost every night, and few take anything back.
    from pipelines.ops.summarise import REPORTS

    days = sorted({release.business_date for release in withdrawn})
    return [files.join(warehouse.root, REPORTS, f"{day.isoformat()}.html") for day in days]
