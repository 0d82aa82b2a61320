"""``linkage/review_queue``: pairs that a person should look at, the most doubtful first."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.pandas.types import to_arrow_schema

from pipelines.tables import DOUBLE, INT, STRING, Column, Personal, Table

_P = Personal.PSEUDONYM

REVIEW_QUEUE = Table(
    layer="linkage",
    name="review_queue",
    grain="One pair of records that the night left for a steward.",
    key=("source_l", "record_id_l", "source_r", "record_id_r"),
    columns=(
        Column("priority", INT, "1 is looked at first.", unit="rank", required=True),
        Column("source_l", STRING, "Source of the left record.", required=True),
        Column("record_id_l", STRING, "Key of the left record.", _P, required=True),
        Column("source_r", STRING, "Source of the right record.", required=True),
        Column("record_id_r", STRING, "Key of the right record.", _P, required=True),
        Column(
            "same_person_probability", DOUBLE, "Probability that both are one.", unit="share", required=True
        ),
        Column("relation", STRING, "Likeliest relation of the pair."),
        Column(
            "reason",
            STRING,
            "doubtful (below the cut), apart (likely, but other evidence keeps them apart), name_alone, never.",
            required=True,
        ),
    ),
    owner="data stewards",
)

SCHEMA: pa.Schema = to_arrow_schema(REVIEW_QUEUE.schema)


def review_queue(pairs: pa.Table, together: pa.Array, cut: float, limit: int) -> pa.Table:
    """The queue from rows of ``linkage/scored_pairs``: at most ``limit`` pairs in different clusters.

    ``together`` says of each pair whether its records share their final cluster. The pairs nearest
    to the cut come first; equal ones in the order of their keys.
    """
    open_pairs = pairs.filter(pc.invert(together))
    probability = open_pairs["same_person_probability"]
    decided = open_pairs["decided_by"]
    by_weight = pc.if_else(pc.greater_equal(probability, cut), "apart", "doubtful")
    reason = pc.case_when(
        pc.make_struct(pc.equal(decided, "name_alone"), pc.starts_with(decided, "never")),
        "name_alone",
        "never",
        by_weight,
    )
    ranked = open_pairs.append_column("reason", reason).append_column(
        "_distance", pc.abs(pc.subtract(probability, cut))
    )
    keys = ["source_l", "record_id_l", "source_r", "record_id_r"]
    ranked = ranked.sort_by([("_distance", "ascending"), *((key, "ascending") for key in keys)]).slice(
        0, limit
    )
    ranked = ranked.append_column("priority", pa.array(range(1, ranked.num_rows + 1), pa.int32()))
    return ranked.select(SCHEMA.names).cast(SCHEMA)
