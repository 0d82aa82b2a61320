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
    cluster: Ints
    """By node: the number of the cluster that it was in. A node that changed since is a cluster of one."""
    kept: pa.Table
    """node_l, node_r: the pairs that it kept."""


def score_inside(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    label: Ints,
    candidates: pa.Table | None,
    nodes: Nodes,
    most: int,
    duplicate_free: tuple[str, ...] = (),
    told: Told | None = None,
) -> Iterator[pa.Table]:
    """All pairs inside the components that ``label`` names, at most ``most`` at a time, in the columns of ``score_pairs``.

    ``candidates`` (of ``score_pairs``) that lie inside are taken as they are; only the pairs that
    are not among them are scored (``score_missing``); None scores all. ``told``: what it left out is left out.
    """
    known = pa.table({end: np.zeros(0, np.int64) for end in ENDS})
    if candidates is not None:
        left, right = (candidates[end].to_numpy() for end in ENDS)
        is_inside = pa.array(label[left] == label[right])
        known = candidates.select(ENDS).filter(is_inside)
        for start in range(0, max(len(is_inside), 1), most):
            yield candidates.slice(start, most).filter(is_inside.slice(start, most))
    if candidates is None or len(incomplete(label, known)):
        yield from score_missing(connection, score, label, known, nodes, most, duplicate_free, told)


def score_missing(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    label: Ints,
    known: pa.Table,
    nodes: Nodes,
    most: int,
    duplicate_free: tuple[str, ...] = (),
    told: Told | None = None,
) -> Iterator[pa.Table]:
    """The pairs inside the components that ``label`` names that are not among ``known`` (node_l, node_r), scored.

    By ``score``, which is given the name of a table of them, at most ``most`` at a time, once at least. Their rule is
    that of table ``blocked``, or -1. Two records of one ``duplicate_free`` source are no pair. ``told``: see
    ``score_inside``.
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
    connection.register("kept", known.slice(0, 0).select(ENDS) if told is None else told.kept)
    _list(
        connection,
        f"""SELECT l.node AS join_key_l, r.node AS join_key_r
            FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node AND l.told <> r.told
                AND {may_be_compared(duplicate_free)}
            UNION ALL SELECT l.node, r.node FROM kept
            JOIN labels l ON l.node = kept.node_l JOIN labels r ON r.node = kept.node_r
            WHERE l.label = r.label AND l.told = r.told AND {may_be_compared(duplicate_free)}""",
        known,
    )
    for table in ("labels", "kept"):
        connection.unregister(table)
    yield from _scored(connection, score, most, at_least=1)


def score_between(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    groups: pa.Table,
    linked: pa.Table,
    known: pa.Table,
    duplicate_free: tuple[str, ...],
    most: int,
) -> Iterator[pa.Table]:
    """The pairs of the ``groups`` that ``linked`` names that are not among ``known``, scored, at most ``most`` at a time.

    ``groups`` has node, label, group and source; ``linked`` the numbers a <= b of two groups, or of one twice, each
    pair of numbers once. Two nodes of different labels are no pair. The rest as ``score_missing`` has it.
    """
    connection.register("groups", groups)
    connection.register("linked", linked)
    _list(
        connection,
        f"""SELECT least(l.node, r.node) AS join_key_l, greatest(l.node, r.node) AS join_key_r
            FROM linked JOIN groups l ON l."group" = linked.a JOIN groups r ON r."group" = linked.b
            WHERE l.label = r.label AND (linked.a < linked.b OR l.node < r.node)
                AND {may_be_compared(duplicate_free)}""",
        known,
    )
    for table in ("groups", "linked"):
        connection.unregister(table)
    yield from _scored(connection, score, most)


def _scored(
    connection: duckdb.DuckDBPyConnection, score: Callable[[str], pa.Table], most: int, at_least: int = 0
) -> Iterator[pa.Table]:
    """The pairs of table ``inside``, scored ``most`` at a time, and dropped; ``score`` is asked ``at_least`` so often."""
    (count,) = connection.execute("SELECT count(*) FROM inside").fetchall()[0]
    for start in range(0, max(count, at_least), most):
        connection.execute(
            f"""CREATE OR REPLACE TABLE some_inside AS
            SELECT * FROM inside WHERE rowid >= {start} AND rowid < {start + most}"""
        )
        yield score("some_inside")
    connection.execute("DROP TABLE IF EXISTS some_inside")
    connection.execute("DROP TABLE inside")


def _list(connection: duckdb.DuckDBPyConnection, pairs: str, known: pa.Table) -> None:
    """Create table ``inside`` of the ``pairs`` (SQL) that are not among ``known``, each with the rule that found it."""
    connection.register("known", known.select(ENDS))
    connection.execute(
        f"""CREATE OR REPLACE TABLE inside AS
        SELECT p.join_key_l, p.join_key_r, coalesce(b.match_key, '-1') AS match_key
        FROM ({pairs}) p
        ANTI JOIN known k ON k.node_l = p.join_key_l AND k.node_r = p.join_key_r
        LEFT JOIN blocked b ON b.join_key_l = p.join_key_l AND b.join_key_r = p.join_key_r"""
    )
    connection.unregister("known")


def incomplete(label: Ints, known: pa.Table) -> Ints:
    """The nodes of components of which not all pairs are ``known``."""
    sizes = np.bincount(label, minlength=len(label))
    left, right = (label[known[end].to_numpy()] for end in ENDS)
    scored = np.bincount(left[left == right], minlength=len(label))
    return np.flatnonzero((scored < sizes * (sizes - 1) // 2)[label])
