"""``linkage/touched_records``: whom a night's linking can have moved, so that identity need not look at all records.

Any other record says what it said in the release before, and is in the cluster of the same name. A cluster is called
after one of its records, so two of these share a cluster now where they did then; who joined or left one of their
clusters came, went, or is in a cluster of another name, and stands here.
"""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.tables import STRING, Column, Personal, Table

TOUCHED_RECORDS = Table(
    layer="linkage",
    name="touched_records",
    grain="One record that came or went since the release before, that was linked anew, or whose cluster has another "
    "name; every record where all were linked anew.",
    key=("source", "record_id"),
    columns=(
        Column("source", STRING, "Source system.", required=True),
        Column("record_id", STRING, "Key of the record in its source.", Personal.PSEUDONYM, required=True),
    ),
    owner="data engineering",
)

KEY = TOUCHED_RECORDS.key


def touched_records(
    clusters: pa.Table, is_changed: pa.Array, before: pa.Table | None, conf: Linkage
) -> pa.Table:
    """Rows of the table: ``clusters`` tonight and ``before`` (None where there is no release) are linkage/clusters.

    ``is_changed``: of each row of ``clusters``, whether the record was scored against all others.
    """
    columns = [*KEY, "cluster_final"]
    now = clusters.select(columns).append_column("is_changed", is_changed)
    then = clusters.schema.empty_table() if before is None else before
    with engine(conf) as connection:
        connection.register("now", now)
        connection.register("before", then.select(columns))
        return (
            connection.sql(
                """SELECT source, record_id FROM now FULL OUTER JOIN before b USING (source, record_id)
                WHERE coalesce(is_changed, true) OR now.cluster_final IS DISTINCT FROM b.cluster_final
                ORDER BY source, record_id"""
            )
            .to_arrow_table()
            .cast(TOUCHED_RECORDS.arrow)
        )


def touched_frame(clusters: DataFrame, changed: DataFrame, before: DataFrame) -> DataFrame:
    """``touched_records`` by Spark; ``changed``: keys of the records that were scored against all others."""
    now = clusters.select(*KEY, F.col("cluster_final").alias("now"))
    both = now.join(before.select(*KEY, F.col("cluster_final").alias("then")), on=list(KEY), how="full_outer")
    moved = both.where(~F.col("now").eqNullSafe(F.col("then"))).select(*KEY)
    return TOUCHED_RECORDS.conform(moved.unionByName(changed.select(*KEY)).distinct())
