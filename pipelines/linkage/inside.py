"""Every pair inside a component, scored: the pairs that blocking missed are evidence too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.judge import Judged
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.records import Nodes

Ints = npt.NDArray[np.int64]
KEPT = ("node_l", "node_r", "match_weight", "match_probability")
"""What is left of a pair once it is judged: levels and weights by comparison are most of its memory."""


def in_parts(label: Ints, most: int) -> Iterator[Ints]:
    """``label`` with a part of its components at a time, of about ``most`` pairs; other nodes stand alone."""
    sizes = np.bincount(label, minlength=len(label))
    pairs = sizes * (sizes - 1) // 2
    part = (np.cumsum(pairs) // most)[label]
    numbers = np.unique(part[pairs[label] > 0])
    if len(numbers) < 2:
        yield label
        return
    for number in numbers:
        yield np.where(part == number, label, np.arange(len(label)))


def put_together(parts: Sequence[tuple[pa.Table, Judged]]) -> tuple[pa.Table, Judged]:
    """The pairs of all parts in the order of ``score_pairs``, ``KEPT`` of them, and what they were judged."""
    if len(parts) == 1:
        return parts[0]
    pairs = pa.concat_tables([found for found, _ in parts]).combine_chunks()
    order = np.lexsort((pairs["node_r"].to_numpy(), pairs["node_l"].to_numpy()))
    columns = (np.concatenate([getattr(j, f.name) for _, j in parts])[order] for f in fields(Judged))
    return pairs.take(pa.array(order)), Judged(*columns)


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
