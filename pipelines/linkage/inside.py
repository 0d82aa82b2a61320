"""Every pair inside a component, scored: the pairs that blocking missed are evidence too."""

from __future__ import annotations

from collections.abc import Callable

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.records import Nodes

Ints = npt.NDArray[np.int64]


def score_inside(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    label: Ints,
    candidates: pa.Table | None,
    nodes: Nodes,
    duplicate_free: tuple[str, ...] = (),
) -> pa.Table:
    """All pairs inside the components that ``label`` names, in the columns and order of ``score_pairs``.

    ``candidates`` (of ``score_pairs``) that lie inside are taken as they are; only the pairs that
    are not among them are scored, by ``score``, which is given the name of their table; None scores all. Their rule is that of table ``blocked``, or -1. Two
    records of one ``duplicate_free`` source are no pair.
    """
    if candidates is None:
        known = pa.table({end: np.zeros(0, np.int64) for end in ("node_l", "node_r")})
    else:
        left, right = (candidates[end].to_numpy() for end in ("node_l", "node_r"))
        known = candidates.filter(label[left] == label[right])
    sizes = np.bincount(label, minlength=len(label))
    scored = np.bincount(label[known["node_l"].to_numpy()], minlength=len(label))
    incomplete = np.flatnonzero((scored < sizes * (sizes - 1) // 2)[label])
    if not len(incomplete) and candidates is not None:
        return known
    labels = {
        "node": incomplete,
        "label": label[incomplete],
        "source": nodes.source.take(pa.array(incomplete)),
    }
    connection.register("labels", pa.table(labels))
    connection.register("known", known.select(["node_l", "node_r"]))
    connection.execute(
        f"""CREATE OR REPLACE TABLE inside AS
        SELECT p.join_key_l, p.join_key_r, coalesce(b.match_key, '-1') AS match_key
        FROM (SELECT l.node AS join_key_l, r.node AS join_key_r
            FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node
                AND {may_be_compared(duplicate_free)}) p
        ANTI JOIN known k ON k.node_l = p.join_key_l AND k.node_r = p.join_key_r
        LEFT JOIN blocked b ON b.join_key_l = p.join_key_l AND b.join_key_r = p.join_key_r"""
    )
    connection.unregister("labels")
    connection.unregister("known")
    missed = score("inside")
    connection.execute("DROP TABLE inside")
    order = [("node_l", "ascending"), ("node_r", "ascending")]
    found = missed if candidates is None else pa.concat_tables([known, missed])
    return found.sort_by(order).combine_chunks()
