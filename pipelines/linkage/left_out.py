"""Which of the pairs that last night left out decide who is joined tonight: only those are scored again.

A pair that was left out is not probable enough to reach the cut (``cut.is_kept_below``), but counts in the mean
over all pairs between two groups. So groups are made as if each such pair stood just below the cut, which is the
most that it can say: where none of them ends inside a group, every group was made of pairs that are known, by means
that are exact, and no other two could reach the cut; so the groups are those of all pairs. Where one does end
inside a group, the group's pairs are scored, and the groups made again.

To have few such rounds the pairs are scored first that are likely to be asked for: inside the clusters of last
night, and between two of them of which records may be joined.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.components import components
from pipelines.linkage.inside import ENDS, Told, incomplete, put_together, score_between
from pipelines.linkage.judge import Judged, clustered, joins_of, may_reach
from pipelines.linkage.records import Nodes

Ints = npt.NDArray[np.int64]
Pairs = tuple[pa.Table, Judged]


def score_left_out(
    connection: duckdb.DuckDBPyConnection,
    score: Callable[[str], pa.Table],
    judge: Callable[[pa.Table], Pairs],
    known: Pairs,
    cut: float,
    told: Told,
    nodes: Nodes,
    duplicate_free: tuple[str, ...],
    most: int,
) -> Pairs:
    """``known`` (pairs in order, ``KEPT`` of them) and what ``told`` left out, as far as groups at ``cut`` rest on it.

    ``score`` is given the name of a table of pairs, ``judge`` what it made of it, at most ``most`` pairs.
    """
    found, judged = known
    reach = may_reach(judged, cut)
    left, right = (found[end].to_numpy() for end in ENDS)
    home = components(len(nodes), left[reach], right[reach])
    open_nodes = incomplete(home, found)
    if not len(open_nodes):
        return known

    def missing(group: Ints, node: Ints, links: Ints) -> Iterator[Pairs]:
        """The pairs not in ``found`` of each ``node`` inside its group, and between groups of ``links``, two a row."""
        own = np.unique(group[node])
        linked = np.unique(np.concatenate([np.stack([own, own], axis=1), np.sort(links, axis=1)]), axis=0)
        source = nodes.source.take(pa.array(node))
        groups = {"node": node, "label": home[node], "group": group[node], "source": source}
        ends = {"a": linked[:, 0], "b": linked[:, 1]}
        for some in score_between(
            connection, score, pa.table(groups), pa.table(ends), found, duplicate_free, most
        ):
            yield judge(some)

    # What lies in other components is known, or of no use.
    is_open = np.isin(home, home[open_nodes])
    inside = is_open[left] & (home[left] == home[right])
    settled = [_where(known, ~inside)]
    found, judged = _where(known, inside)
    near = (left[reach & inside], right[reach & inside])
    more = missing(told.cluster, open_nodes, told.cluster[np.stack(near, axis=1)])
    alike = _never_paired(nodes, duplicate_free)
    while True:
        found, judged = put_together([(found, judged), *more])
        layers = clustered(len(nodes), joins_of(found, judged), judged.forbidden, cut, alike)
        asked = [incomplete(group, found) for group in layers]
        is_open = np.isin(home, home[np.concatenate(asked)])
        inside = is_open[found[ENDS[0]].to_numpy()]
        settled.append(_where((found, judged), ~inside))
        if not inside.any():
            return put_together(settled)
        found, judged = _where((found, judged), inside)
        first = 0 if len(asked[0]) else 1
        more = missing(layers[first], asked[first], np.zeros((0, 2), np.int64))


def _where(pairs: Pairs, mask: npt.NDArray[np.bool_]) -> Pairs:
    return pairs[0].filter(pa.array(mask)), pairs[1].where(mask)


def _never_paired(nodes: Nodes, duplicate_free: tuple[str, ...]) -> Ints:
    """A number of each node, of which two nodes share one where they are of one duplicate-free source."""
    numbers = np.arange(len(nodes))
    for number, source in enumerate(duplicate_free, 1):
        numbers[pc.equal(nodes.source, source).to_numpy(zero_copy_only=False)] = -number
    return numbers
