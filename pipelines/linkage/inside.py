"""Every pair inside a component, scored: the pairs that blocking missed are evidence too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.judge import Judged
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.records import Nodes

Ints = npt.NDArray[np.int64]
ENDS = ["node_l", "node_r"]
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


@dataclass(frozen=True)
class Told:
    """What an earlier night tells of pairs inside components: those that it left out are not probable enough to be kept."""

    group: Ints
    """By node: all pairs of one group were looked at. A node that changed since is a group of one."""
    kept: pa.Table
    """node_l, node_r: the pairs that it kept."""


def score_inside(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    label: Ints,
    candidates: pa.Table | None,
    nodes: Nodes,
    duplicate_free: tuple[str, ...] = (),
    told: Told | None = None,
) -> pa.Table:
    """All pairs inside the components that ``label`` names, in the columns and order of ``score_pairs``.

    ``candidates`` (of ``score_pairs``) that lie inside are taken as they are; only the pairs that
    are not among them are scored (``score_missing``); None scores all. ``told``: what it left out is left out.
    """
    if candidates is None:
        nothing = pa.table({end: np.zeros(0, np.int64) for end in ENDS})
        return score_missing(connection, score, label, nothing, nodes, duplicate_free)
    left, right = (candidates[end].to_numpy() for end in ENDS)
    known = candidates.filter(label[left] == label[right])
    if not len(incomplete(label, known)):
        return known
    missed = score_missing(connection, score, label, known, nodes, duplicate_free, told)
    return pa.concat_tables([known, missed]).sort_by([(end, "ascending") for end in ENDS]).combine_chunks()


def score_missing(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    label: Ints,
    known: pa.Table,
    nodes: Nodes,
    duplicate_free: tuple[str, ...] = (),
    told: Told | None = None,
) -> pa.Table:
    """The pairs inside the components that ``label`` names that are not among ``known`` (node_l, node_r), scored, in order.

    By ``score``, which is given the name of their table. Their rule is that of table ``blocked``, or -1. Two
    records of one ``duplicate_free`` source are no pair. ``told``: see ``score_inside``.
    """
    node = incomplete(label, known)
    labels = {
        "node": node,
        "label": label[node],
        "source": nodes.source.take(pa.array(node)),
        # Told nothing, each node is a group of one.
        "told": node if told is None else told.group[node],
    }
    connection.register("labels", pa.table(labels))
    connection.register("known", known.select(ENDS))
    connection.register("kept", known.slice(0, 0).select(ENDS) if told is None else told.kept)
    connection.execute(
        f"""CREATE OR REPLACE TABLE inside AS
        SELECT p.join_key_l, p.join_key_r, coalesce(b.match_key, '-1') AS match_key
        FROM (SELECT l.node AS join_key_l, r.node AS join_key_r
            FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node AND l.told <> r.told
                AND {may_be_compared(duplicate_free)}
            UNION ALL SELECT l.node, r.node FROM kept
            JOIN labels l ON l.node = kept.node_l JOIN labels r ON r.node = kept.node_r
            WHERE l.label = r.label AND l.told = r.told AND {may_be_compared(duplicate_free)}) p
        ANTI JOIN known k ON k.node_l = p.join_key_l AND k.node_r = p.join_key_r
        LEFT JOIN blocked b ON b.join_key_l = p.join_key_l AND b.join_key_r = p.join_key_r"""
    )
    for table in ("labels", "known", "kept"):
        connection.unregister(table)
    missed = score("inside")
    connection.execute("DROP TABLE inside")
    return missed


def incomplete(label: Ints, known: pa.Table) -> Ints:
    """The nodes of components of which not all pairs are ``known``."""
    sizes = np.bincount(label, minlength=len(label))
    left, right = (label[known[end].to_numpy()] for end in ENDS)
    scored = np.bincount(left[left == right], minlength=len(label))
    return np.flatnonzero((scored < sizes * (sizes - 1) // 2)[label])
