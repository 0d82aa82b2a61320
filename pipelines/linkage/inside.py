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
Pairs = tuple[pa.Table, Judged]
"""``KEPT`` of pairs, and what they were judged."""
KEPT = ("node_l", "node_r", "match_weight", "match_probability")
"""What is left of a pair once it is judged: levels and weights by comparison are most of its memory."""


def put_together(parts: Sequence[Pairs]) -> Pairs:
    """The pairs of all parts in the order of ``score_pairs``; each is in that order."""
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


@dataclass(frozen=True)
class InsideScorer:
    """Scores and judges pairs inside components of the records in table ``people``, a part of them at a time."""

    connection: duckdb.DuckDBPyConnection
    score: Callable[[str], pa.Table]
    """Given the name of a table of pairs (join_key_l, join_key_r, match_key), ``score_pairs`` of it."""
    judge: Callable[[pa.Table], Judged]
    """What ``score`` made of them, judged."""
    nodes: Nodes
    most: int
    """Pairs at a time: components may have more than memory holds with all their levels."""
    duplicate_free: tuple[str, ...] = ()
    """Two records of one of these sources are no pair."""

    def inside(self, label: Ints, candidates: pa.Table | None = None, told: Told | None = None) -> Pairs:
        """All pairs inside the components that ``label`` names, in order.

        ``candidates`` (of ``score_pairs``) that lie inside are taken as they are; only the pairs that are not among
        them are scored, with the rule of table ``blocked`` or -1; None scores all. ``told``: what it left out is left out.
        """
        parts: list[Pairs] = []
        known = _no_ends()
        if candidates is not None:
            left, right = (candidates[end].to_numpy() for end in ENDS)
            is_inside = pa.array(label[left] == label[right])
            known = candidates.select(ENDS).filter(is_inside)
            for start in range(0, max(len(is_inside), 1), self.most):
                some = candidates.slice(start, self.most).filter(is_inside.slice(start, self.most))
                parts.append(self._judged(some))
        node = incomplete(label, known)
        if candidates is None or len(node):
            self._list_missing(label, node, known, told)
            parts += self._listed(at_least=int(candidates is None))
        return put_together(parts)

    def of_groups(self, groups: pa.Table, linked: pa.Table, known: pa.Table) -> Iterator[Pairs]:
        """The pairs inside and between groups that ``linked`` names and that are not among ``known``.

        ``groups`` has node, label and group; ``linked`` the numbers a <= b of two groups, or of one twice, each pair of
        numbers once. Two nodes of different labels are no pair.
        """
        source = self.nodes.source.take(groups["node"].combine_chunks())
        self.connection.register("groups", groups.append_column("source", source))
        self.connection.register("linked", linked)
        self._list(
            f"""SELECT least(l.node, r.node) AS join_key_l, greatest(l.node, r.node) AS join_key_r
                FROM linked JOIN groups l ON l."group" = linked.a JOIN groups r ON r."group" = linked.b
                WHERE l.label = r.label AND (linked.a < linked.b OR l.node < r.node)
                    AND {may_be_compared(self.duplicate_free)}""",
            known,
        )
        for table in ("groups", "linked"):
            self.connection.unregister(table)
        yield from self._listed()

    def _list_missing(self, label: Ints, node: Ints, known: pa.Table, told: Told | None) -> None:
        """List the pairs of ``node`` inside the components that are not among ``known``."""
        labels = {
            "node": node,
            "label": label[node],
            "source": self.nodes.source.take(pa.array(node)),
            # Told nothing, each node is a group of one.
            "told": node if told is None else told.group[node],
        }
        self.connection.register("labels", pa.table(labels))
        self.connection.register("kept", _no_ends() if told is None else told.kept)
        self._list(
            f"""SELECT l.node AS join_key_l, r.node AS join_key_r
                FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node AND l.told <> r.told
                    AND {may_be_compared(self.duplicate_free)}
                UNION ALL SELECT l.node, r.node FROM kept
                JOIN labels l ON l.node = kept.node_l JOIN labels r ON r.node = kept.node_r
                WHERE l.label = r.label AND l.told = r.told AND {may_be_compared(self.duplicate_free)}""",
            known,
        )
        for table in ("labels", "kept"):
            self.connection.unregister(table)

    def _list(self, pairs: str, known: pa.Table) -> None:
        """Create table ``inside`` of the ``pairs`` (SQL) that are not among ``known``, each with the rule that found it."""
        self.connection.register("known", known.select(ENDS))
        self.connection.execute(
            f"""CREATE OR REPLACE TABLE inside AS
            SELECT p.join_key_l, p.join_key_r, coalesce(b.match_key, '-1') AS match_key
            FROM ({pairs}) p
            ANTI JOIN known k ON k.node_l = p.join_key_l AND k.node_r = p.join_key_r
            LEFT JOIN blocked b ON b.join_key_l = p.join_key_l AND b.join_key_r = p.join_key_r"""
        )
        self.connection.unregister("known")

    def _listed(self, at_least: int = 0) -> Iterator[Pairs]:
        """The pairs of table ``inside``, scored, judged and dropped; Splink is asked ``at_least`` so often."""
        (count,) = self.connection.execute("SELECT count(*) FROM inside").fetchall()[0]
        for start in range(0, max(count, at_least), self.most):
            self.connection.execute(
                f"""CREATE OR REPLACE TABLE some_inside AS
                SELECT * FROM inside WHERE rowid >= {start} AND rowid < {start + self.most}"""
            )
            yield self._judged(self.score("some_inside"))
        self.connection.execute("DROP TABLE IF EXISTS some_inside")
        self.connection.execute("DROP TABLE inside")

    def _judged(self, pairs: pa.Table) -> Pairs:
        return pairs.select(KEPT), self.judge(pairs)


def _no_ends() -> pa.Table:
    return pa.table({end: np.zeros(0, np.int64) for end in ENDS})


def incomplete(label: Ints, known: pa.Table) -> Ints:
    """The nodes of components of which not all pairs are ``known``."""
    sizes = np.bincount(label, minlength=len(label))
    left, right = (label[known[end].to_numpy()] for end in ENDS)
    scored = np.bincount(left[left == right], minlength=len(label))
    return np.flatnonzero((scored < sizes * (sizes - 1) // 2)[label])
