"""Customers that may be several people: what a steward should look at inside the clusters.

A cluster is judged by its own records and pairs alone, so that tasks which get whole clusters find what one
process finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.review_queue import KEYS, SUSPECTS, uncertainty_sql
from pipelines.linkage.spanning import strongest_forest

MEMBERS = pa.schema(
    [
        ("cluster", pa.string()),
        ("source", pa.string()),
        ("record_id", pa.string()),
        ("formal", pa.list_(pa.string())),
        ("born", pa.date32()),
    ]
)
"""The records of the clusters of two or more."""
INSIDE = pa.schema(
    [
        ("cluster", pa.string()),
        *((name, pa.string()) for name in KEYS),
        ("probability", pa.float64()),
        ("relation", pa.string()),
        ("decided_by", pa.string()),
    ]
)
"""Kept pairs of which both records are in the cluster."""
ROLES = {"formal": "given_formal", "born": "birth_date"}
"""Columns of ``MEMBERS`` that say something, and their roles."""
ALIKE = 0.85
"""Jaro-Winkler similarity from which two given names may be one, misspelt."""
LEAST_UNCERTAINTY = 0.5
"""Of a cluster whose records contradict each other, however sure their pair is."""


def said(conf: Linkage, columns: list[str]) -> dict[str, str | None]:
    """The column of the records behind each of ``ROLES``; None where there is none."""
    return {
        name: conf.fields[role] if role in conf.fields and conf.fields[role] in columns else None
        for name, role in ROLES.items()
    }


def suspects(members: pa.Table, pairs: pa.Table, confirmed: pa.Table, cut: float) -> pa.Table:
    """Rows of ``SUSPECTS``, one pair a case, from rows of ``MEMBERS`` and ``INSIDE``; their order does not matter.

    Two birth dates, two given names that no spelling or nickname explains, or a weakest link (of the strongest
    chain that holds the cluster together) less probable than halfway from the cut to certainty. Pairs that a
    steward ``confirmed`` (``KEYS``) are left out.
    """
    if not members.num_rows:
        return SUSPECTS.empty_table()
    with duckdb.connect(":memory:") as connection:
        connection.register("given_members", members)
        connection.register("given_pairs", pairs)
        connection.register("confirmed", confirmed)
        connection.execute(
            """CREATE TABLE m AS SELECT *, row_number() OVER (ORDER BY source, record_id) - 1 AS n FROM given_members"""
        )
        connection.execute(
            """CREATE TABLE p AS SELECT i.*, l.n AS a, r.n AS b FROM given_pairs i
            JOIN m l ON l.source = i.source_l AND l.record_id = i.record_id_l
            JOIN m r ON r.source = i.source_r AND r.record_id = i.record_id_r"""
        )
        connection.register("weakest", _weakest(connection, members.num_rows))
        keys = ", ".join(KEYS)
        named = "l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r, r.record_id AS record_id_r"
        apart = "SELECT l.cluster, {named} FROM m l JOIN m r ON l.cluster = r.cluster AND l.n < r.n WHERE {differ}"
        births = apart.format(named=named, differ="l.born <> r.born")
        names = apart.format(
            named=named,
            differ=f"""r.formal IS NOT NULL AND len(list_filter(l.formal, lambda x: len(list_filter(r.formal, lambda y: starts_with(x, y)
                OR starts_with(y, x) OR jaro_winkler_similarity(x, y) >= {ALIKE})) > 0)) = 0""",
        )
        return (
            connection.sql(
                f"""WITH found AS (
                SELECT 'two_birth_dates' AS reason, * FROM ({births})
                UNION ALL SELECT 'two_given_names', * FROM ({names})
                UNION ALL SELECT 'weak_link', cluster, {keys} FROM p JOIN weakest USING (a, b)
                    WHERE probability < (1 + $1) / 2 AND NOT starts_with(decided_by, 'rule:')),
            firsts AS (SELECT * FROM found ANTI JOIN confirmed USING ({keys})
                QUALIFY row_number() OVER (PARTITION BY cluster, reason ORDER BY {keys}) = 1),
            told AS (SELECT {keys}, min(reason) AS reason FROM firsts GROUP BY ALL)
            SELECT {keys}, coalesce(probability, 0.0) AS same_person_probability, relation, reason,
                CASE WHEN reason = 'weak_link' THEN {uncertainty_sql("probability", "$1")}
                ELSE greatest({LEAST_UNCERTAINTY}, {uncertainty_sql("coalesce(probability, 0.0)", "$1")}) END AS uncertainty
            FROM told LEFT JOIN p USING ({keys}) ORDER BY {keys}""",
                params=[cut],
            )
            .to_arrow_table()
            .cast(SUSPECTS)
        )


def _weakest(connection: duckdb.DuckDBPyConnection, nodes: int) -> pa.Table:
    """a, b: of each cluster the weakest link of the strongest tree that holds it together.

    Of equally probable pairs the one with the smaller keys counts as the stronger, so that the tree is one.
    """
    rows = connection.sql("SELECT a, b FROM p ORDER BY round(probability, 9) DESC, a, b").fetchnumpy()
    left, right = (np.asarray(rows[name]).astype(np.int64) for name in ("a", "b"))
    connection.register("tree", pa.table({"rank": strongest_forest(left, right, nodes)}))
    connection.register("ranked", pa.table({"rank": np.arange(len(left)), "a": left, "b": right}))
    return connection.sql(
        """SELECT a, b FROM ranked SEMI JOIN tree USING (rank) JOIN m ON m.n = a
        QUALIFY row_number() OVER (PARTITION BY cluster ORDER BY rank DESC) = 1"""
    ).to_arrow_table()


PARTITION = pa.schema([*MEMBERS, *(field for field in INSIDE if field.name not in MEMBERS.names)])
"""Rows of ``MEMBERS`` and of ``INSIDE`` (``source`` NULL) of whole clusters, as a task gets them."""


class Suspects:
    """``suspects`` of one partition of rows of ``PARTITION``."""

    def __init__(self, confirmed: pa.Table, cut: float) -> None:
        self.confirmed, self.cut = confirmed, cut

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        listed = list(batches)
        if not listed:
            return
        # Spark names the elements of a list its own way.
        rows = pa.Table.from_batches(listed).select(PARTITION.names).cast(PARTITION)
        is_pair = rows["source"].is_null()
        members = rows.filter(rows["source"].is_valid()).select(MEMBERS.names)
        yield from suspects(
            members, rows.filter(is_pair).select(INSIDE.names), self.confirmed, self.cut
        ).to_batches()
