"""What processes left in the warehouse that died while they tried a night: whole tables, personal data among them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipelines import files

if TYPE_CHECKING:
    from pipelines.storage import Warehouse

FOLDER = "_tried-"
"""Before the names of folders in the warehouse that hold tried nights."""
LEFT_OVER = timedelta(days=1)
"""After so long without a write such a folder is a dead process's."""


def clear(warehouse: Warehouse, *, dry_run: bool = False) -> dict[str, int]:
    """Delete what dead processes left: files by folder. A dry run only counts them."""
    found = {}
    for name in files.folders(warehouse.root):
        if not name.startswith(FOLDER):
            continue
        folder = files.join(warehouse.root, name)
        written = [info.modified_at for info in files.listing(folder, recursive=True) if info.modified_at]
        # One without a file may be about to get its first.
        if not written or max(written) >= datetime.now(UTC) - LEFT_OVER:
            continue
        found[name] = len(written)
        if not dry_run:
            files.delete(folder)
    return found
