"""What a release took in, under the names that sources have now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.bronze.batches import BATCHES

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse


def delivered(warehouse: Warehouse, release: Release | None) -> pa.Table | None:
    """``bronze/batches`` of a release, a renamed source under its new name; None before the first delivery."""
    version = None if release is None else release.tables.get(BATCHES.path)
    if release is None or version is None:
        return None
    # Who only asks how the last run ended need not load Spark's library before there is something to look up.
    from pipelines.silver.renames import RENAMES, by_names_of_now

    renames = release.tables.get(RENAMES.path)
    batches = warehouse.arrow(BATCHES.path, version)
    return batches if renames is None else by_names_of_now(batches, warehouse.arrow(RENAMES.path, renames))
