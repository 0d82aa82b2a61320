"""Which of the pairs that last night left out decide who is joined tonight: only those are scored again.

A pair that was left out is not probable enough to reach the cut (``cut.is_kept_below``), but counts in the mean
over all pairs between two groups. So groups are made as if each such pair stood just below the cut, which is the
most that it can say; one that is forbidden says less, and a sure one is never left out. Where none of them ends inside
a group, every group was made of pairs that are known, by means that are exact, and no other two could reach the cut;
so the groups are those of all pairs. Where one does end inside a group, the group's pairs are scored, and the groups
made again.

To have few such rounds the pairs are scored first that are likely to be asked for: inside the clusters of last
night, and between two of them of which records may be joined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage.components import components
from pipelines.linkage.inside import ENDS, InsideScorer, Pairs, incomplete, put_together
from pipelines.linkage.judge import clustered, may_reach
from pipelines.linkage.records import Nodes

Ints = npt.NDArray[np.int64]


def with_left_out(scorer: InsideScorer, known: Pairs, cut: float, cluster: Ints) -> Pairs:
    """``known`` pairs and those that are missing among them as far as groups at ``cut`` rest on them, in order.

    ``cluster``: by node, the number of last night's cluster (``Told.cluster``).
    """
    more = _left_out(scorer, known, cut, cluster)
    return put_together([known, *more]) if more else known


def _left_out(scorer: InsideScorer, known: Pairs, cut: float, cluster: Ints) -> list[Pairs]:
    nodes = len(scorer.nodes)
    left, right = _ends(known)
    reach = may_reach(known[1], cut)
    # No group goes beyond these: what lies elsewhere is of no use.
    home = components(nodes, left[reach], right[reach])
    node = incomplete(home, known[0])
    if not len(node):
        return []
    inside = np.isin(home, home[node])[left] & (home[left] == home[right])
    found = _where(known, inside)
    near = reach[inside]
    links = np.stack([cluster[left[inside][near]], cluster[right[inside][near]]], axis=1)
    alike = _never_paired(scorer.nodes, scorer.duplicate_free)
    scored: list[Pairs] = []
    group = cluster
    while len(node):
        new = _missing(scorer, found[0], home, group, node, links)
        scored += new
        found = put_together([found, *new])
        left, right = _ends(found)
        layers = clustered(nodes, found[1].joins(left, right), found[1].forbidden, cut, alike)
        first, second = (incomplete(layer, found[0]) for layer in layers)
        # Of each home one layer at a time: what one asks for may be what the other would.
        is_first = np.isin(home, home[first])
        group = np.where(is_first, *layers)
        node = np.concatenate([first, second[~is_first[second]]])
        links = np.zeros((0, 2), np.int64)
        found = _where(found, np.isin(home, home[node])[left])
    return scored


def _missing(
    scorer: InsideScorer, found: pa.Table, home: Ints, group: Ints, node: Ints, links: Ints
) -> list[Pairs]:
    """The pairs not in ``found`` of each ``node`` inside its group, and between groups of ``links``, two a row."""
    own = np.unique(group[node])
    linked = np.unique(np.concatenate([np.stack([own, own], axis=1), np.sort(links, axis=1)]), axis=0)
    groups = pa.table({"node": node, "label": home[node], "group": group[node]})
    return list(scorer.of_groups(groups, pa.table({"a": linked[:, 0], "b": linked[:, 1]}), found))


def _ends(pairs: Pairs) -> tuple[Ints, Ints]:
    left, right = (pairs[0][end].to_numpy() for end in ENDS)
    return left, right


def _where(pairs: Pairs, mask: npt.NDArray[np.bool_]) -> Pairs:
    return pairs[0].filter(pa.array(mask)), pairs[1].where(mask)


def _never_paired(nodes: Nodes, duplicate_free: tuple[str, ...]) -> Ints:
    """A number of each node, of which two nodes share one where they are of one duplicate-free source."""
    numbers = np.arange(len(nodes))
    for number, source in enumerate(duplicate_free, 1):
        numbers[pc.equal(nodes.source, source).to_numpy(zero_copy_only=False)] = -number
    return numbers
