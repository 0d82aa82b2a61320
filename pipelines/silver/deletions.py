"""What the files of one night say that they delete: their own rows are looked at, where
``outcomes.deleted_share`` looks at all that ever came in.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.silver.outcomes import op_of
from pipelines.silver.targets import is_physical

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame

    from pipelines.sources import Feed


def names_what_it_deletes(feed: Feed, tonight: Collection[str], batches: pa.Table) -> bool:
    """True where every key that the batches ``tonight`` can delete has a row there whose ``op`` is D.

    A full snapshot deletes whom it leaves out, and so does the correction of a file whose rows stand for
    themselves. ``batches``: bronze/batches, tonight's among them.
    """
    rows = batches.select(["batch_id", "file", "is_snapshot"]).to_pylist()
    own = [row for row in rows if row["batch_id"] in tonight]
    if feed.mode == "snapshot" and any(row["is_snapshot"] for row in own):
        return False
    if not is_physical(feed):
        return True
    files = [row["file"] for row in rows]
    return all(files.count(row["file"]) == 1 for row in own)


def deletions_told(bronze: DataFrame, tonight: Collection[str]) -> DataFrame:
    """One row: ``told``, the rows of the batches ``tonight`` whose ``op`` is D.

    Where ``names_what_it_deletes``, no more keys are deleted: a row may name a key that is not there, or
    name it twice.
    """
    is_told = F.col("_batch_id").isin(list(tonight)) & (op_of(bronze) == "D")
    return bronze.filter(is_told).agg(F.count(F.lit(1)).alias("told"))
