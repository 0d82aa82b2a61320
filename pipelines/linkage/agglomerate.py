"""Average linkage inside components: a record joins a group on all its evidence, not on one link.

Connected components chain people together: one wrong link joins two groups however much speaks
against it. Here two groups join while the mean weight over all pairs between them is above the
cut. A forbidden pair outweighs any number of others, so it is never inside a group.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage

from pipelines.linkage.components import Links

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

FORBIDDEN = 1e9
"""Distance of a forbidden pair: its share in the mean of a thousand by a thousand pairs decides alone."""


def agglomerate(label: Ints, pairs: Links, forbidden: Bools, cut: float) -> Ints:
    """The smallest node of each node's group.

    ``label`` is each node's component, ``pairs`` every pair of nodes inside a component (of two
    records or more) with its weight, ``forbidden`` marks pairs that never go together, ``cut`` is
    the mean weight from which groups join.
    """
    group = np.arange(len(label), dtype=np.int64)
    if not len(pairs):
        return group
    home = label[pairs.left]
    joins = (pairs.weight >= cut) & ~forbidden
    # A component whose pairs all join is one group, one without any joining pair is none: most are
    # such, and only the others need the loop.
    n_pairs = np.bincount(home, minlength=len(label))
    n_joins = np.bincount(home, weights=joins, minlength=len(label)).astype(np.int64)
    whole = (n_pairs > 0) & (n_joins == n_pairs)
    group[whole[label]] = label[whole[label]]
    mixed = np.flatnonzero((n_joins > 0) & ~whole)
    if not len(mixed):
        return group
    order = np.lexsort((pairs.right, pairs.left, home))
    starts = np.searchsorted(home[order], mixed, side="left")
    ends = np.searchsorted(home[order], mixed, side="right")
    by_component = np.argsort(label, kind="stable")
    first = np.searchsorted(label[by_component], mixed, side="left")
    last = np.searchsorted(label[by_component], mixed, side="right")
    distance = np.where(forbidden, FORBIDDEN, -pairs.weight)[order]
    for i in range(len(mixed)):
        members = by_component[first[i] : last[i]]
        # Pairs sorted by (left, right) are scipy's condensed distance matrix of the sorted members.
        condensed = distance[starts[i] : ends[i]]
        # scipy wants distances from zero up; a shift changes no mean's order.
        shift = condensed.min()
        tree = linkage(condensed - shift, method="average")
        part = fcluster(tree, -cut - shift, criterion="distance")
        smallest = np.full(part.max() + 1, len(label), np.int64)
        np.minimum.at(smallest, part, members)
        group[members] = smallest[part]
    return group
