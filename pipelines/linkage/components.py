"""Connected components over node numbers, bounded in size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

STEP = 1.0
"""Rise of the threshold, in bits of weight, while a component is above its limit."""


@dataclass(frozen=True)
class Links:
    """Pairs of nodes with a weight in bits; left < right, sorted by (left, right)."""

    left: Ints
    right: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: npt.NDArray[np.bool_]) -> Links:
        return Links(self.left[mask], self.right[mask], self.weight[mask])


def components(nodes: int, left: Ints, right: Ints) -> Ints:
    """The smallest node of each node's component."""
    if nodes == 0:
        return np.zeros(0, np.int64)
    graph = coo_matrix((np.ones(len(left), np.int8), (left, right)), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1]
    smallest = np.full(label.max() + 1, nodes, np.int64)
    np.minimum.at(smallest, label, np.arange(nodes))
    return smallest[label].astype(np.int64)


@dataclass(frozen=True)
class Bounded:
    """Components of at most the limit's records, and what had to be cut for it."""

    label: Ints
    links: Links
    """The links that are inside a component."""
    cut_components: int
    largest: int
    """Records of the largest component before cutting."""


def bounded_components(nodes: int, links: Links, limit: int) -> Bounded:
    """Components of at most ``limit`` records.

    A larger one loses its weakest links, one step of weight at a time, until every piece fits.
    Where all its links are of one weight, or infinitely sure, the pieces are its single records:
    such a chain says nothing about who is who.
    """
    label = components(nodes, links.left, links.right)
    sizes = np.bincount(label, minlength=nodes)
    largest = int(sizes.max()) if nodes else 0
    cut = int((sizes > limit).sum())
    while nodes and sizes.max() > limit:
        over = sizes[label[links.left]] > limit
        # Every step takes at least the weakest link of each oversized component.
        weakest = np.full(nodes, np.inf)
        np.minimum.at(weakest, label[links.left[over]], links.weight[over])
        bar = np.floor(weakest[label[links.left]] / STEP) * STEP + STEP
        links = links.where(~over | (links.weight >= bar))
        label = components(nodes, links.left, links.right)
        sizes = np.bincount(label, minlength=nodes)
    return Bounded(label, links, cut, largest)
