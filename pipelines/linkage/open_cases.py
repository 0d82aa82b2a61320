"""Of a night in one process: which pairs are still open, and which clusters are suspected, for the review queue."""

from __future__ import annotations

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.config import Linkage
from pipelines.linkage.decided import Decided
from pipelines.linkage.evidence import ints
from pipelines.linkage.review_queue import KEYS, SUSPECTS
from pipelines.linkage.suspects import INSIDE, MEMBERS, said, suspects

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def still_open(
    scored: pa.Table, by_rules: Ints, names: pa.Array, clusters: pa.Table, decided: Decided
) -> tuple[Bools, Bools]:
    """Which pairs (node_l, node_r) share their final cluster, and which do neither that nor are decided to be apart."""
    left, right = ints(scored, "node_l"), ints(scored, "node_r")
    if not decided.final.num_rows:
        together: Bools = by_rules[left] == by_rules[right]
        return together, ~together
    finals = clusters["cluster_final"].combine_chunks().dictionary_encode().indices.to_numpy()
    ends = [
        pc.index_in(
            pc.binary_join_element_wise(
                decided.settled[f"source_{side}"], decided.settled[f"record_id_{side}"], ":"
            ),
            names,
        )
        for side in ("l", "r")
    ]
    settled_l, settled_r = (end.to_numpy().astype(np.int64) for end in ends)
    size = len(names)
    settled = np.isin(left * size + right, settled_l * size + settled_r)
    together = finals[left] == finals[right]
    return together, ~together & ~settled


def suspects_of(
    clusters: pa.Table, records: pa.Table, together: pa.Table, decided: Decided, cut: float, conf: Linkage
) -> pa.Table:
    """``suspects`` of ``clusters``; ``together`` are the rows of ``linkage/scored_pairs`` inside them."""
    columns = said(conf, records.column_names)
    if "record_id" not in records.column_names or not together.num_rows:
        return SUSPECTS.empty_table()
    with duckdb.connect(":memory:") as connection:
        connection.register("clusters", clusters)
        connection.register("records", records)
        connection.register("pairs", together)
        told = ", ".join(
            f'r."{column}" AS {name}' if column else f"NULL AS {name}" for name, column in columns.items()
        )
        members = connection.sql(
            f"""SELECT cluster_final AS cluster, source, record_id, {told}
            FROM clusters JOIN records r USING (source, record_id)
            SEMI JOIN (SELECT cluster_final FROM clusters GROUP BY ALL HAVING count(*) > 1) USING (cluster_final)"""
        ).to_arrow_table()
        keys = ", ".join(KEYS)
        pairs = connection.sql(
            f"""SELECT cluster_final AS cluster, {keys}, same_person_probability AS probability, relation, decided_by
            FROM pairs JOIN clusters ON source = source_l AND record_id = record_id_l"""
        ).to_arrow_table()
    return suspects(members.cast(MEMBERS), pairs.cast(INSIDE), decided.confirmed, cut)
