"""Where the reports of nights are: a page a business date, ``reports/<date>.html`` in the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines import files

if TYPE_CHECKING:
    from datetime import date, datetime

    from pipelines.storage import Warehouse


def page(warehouse: Warehouse, day: date) -> str:
    """The page of the night, written or not."""
    return files.join(warehouse.root, _reports(), name(day))


def name(day: date) -> str:
    return f"{day.isoformat()}.html"


def written_at(warehouse: Warehouse) -> dict[str, datetime | None]:
    """When each page was written, by ``name``, as far as the storage says so. Raises OSError where it cannot be looked at."""
    folder = files.join(warehouse.root, _reports())
    return {info.path: info.modified_at for info in files.listing(folder)}


def _reports() -> str:
    # What it imports would cost every night, and few ask.
    from pipelines.ops.summarise import REPORTS

    return REPORTS
