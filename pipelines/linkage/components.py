"""Connected components over node numbers, bounded in size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

STEP = 1.0
"""Rise of the threshold, in bits of weight, while a component is above its limit."""
SUREST = 64.0
"""Weights beyond this many bits count as this sure: no component needs more than 130 steps."""


@dataclass(frozen=True)
class Links:
    """Pairs of nodes with a weight in bits, infinite where they are sure; left < right, in any order."""

    left: Ints
    right: Ints
    weight: Floats

    def __len__(self) -> int:
        return len(self.left)

    def where(self, mask: Bools) -> Links:
        return Links(self.left[mask], self.right[mask], self.weight[mask])


def joined(some: Links, more: Links) -> Links:
    """The links of both."""
    return Links(
        np.concatenate([some.left, more.left]),
        np.concatenate([some.right, more.right]),
        np.concatenate([some.weight, more.weight]),
    )


def components(nodes: int, left: Ints, right: Ints) -> Ints:
    """The smallest node of each node's component."""
    return with_links(np.arange(nodes), left, right)


def with_links(label: Ints, left: Ints, right: Ints) -> Ints:
    """The smallest node of each node's component, of which ``label`` says so before these links came.

    Each round hangs every root under the smallest root that a link leads it to: O(log² n) rounds over the
    links that still join two trees (Liu and Tarjan 2019, Simple concurrent labeling algorithms for connected
    components). SciPy gives the same and takes a third of a second to load, as long as linking a small file;
    and it wants all links at once.
    """
    parent = label.copy()
    left, right = parent[left], parent[right]
    while len(left):
        low, high = np.minimum(left, right), np.maximum(left, right)
        np.minimum.at(parent, high, low)
        _flatten(parent, high)
        left, right = parent[low], parent[high]
        apart = left != right
        left, right = left[apart], right[apart]
    return _flatten(parent, np.arange(len(parent)))


def _flatten(parent: Ints, nodes: Ints) -> Ints:
    """Let each of ``nodes``, which hold all between them and their roots, point at its root; the roots."""
    while True:
        above = parent[parent[nodes]]
        if np.array_equal(above, parent[nodes]):
            return above
        parent[nodes] = above


@dataclass(frozen=True)
class Cut:
    """A component above the limit and what became of it."""

    component: int
    """Its smallest node."""
    records: int
    pieces: int
    """Pieces that it was cut into, single records among them."""
    largest_piece: int
    lowest_bits: float
    """Weight that a link had to have in the piece that was right first."""
    highest_bits: float
    """Weight that a link had to have in the piece that was right last."""


@dataclass(frozen=True)
class Bounded:
    """Components of at most the limit's records, and what had to be cut for it."""

    label: Ints
    """The smallest node of each node's component."""
    largest: int
    """Records of the largest component before cutting."""
    cuts: tuple[Cut, ...]
    """What was cut, in the order of the smallest nodes."""


def bounded_components(nodes: int, links: Links, limit: int) -> Bounded:
    """Components of at most ``limit`` records.

    A larger one loses its weakest links, one step of weight at a time, until every piece fits;
    pieces are not joined again. Where all its links are of one step, or infinitely sure, the pieces
    are its single records: such a chain says nothing about who is who. Time and memory grow with
    the links, not with the square of a component's records.
    """
    label = components(nodes, links.left, links.right)
    return bounded_by(label, lambda is_over: links.where(is_over[links.left]), limit)


def bounded_by(label: Ints, links_of: Callable[[Bools], Links], limit: int) -> Bounded:
    """What ``bounded_components`` gives where the components are known by ``label``, the smallest node of each.

    ``links_of``: the links among the nodes that it is given as a mask; it is asked where a component is above
    the limit only.
    """
    nodes = len(label)
    sizes = np.bincount(label, minlength=nodes)
    largest = int(sizes.max()) if nodes else 0
    if largest <= limit:
        return Bounded(label, largest, ())
    is_over = sizes[label] > limit
    members = np.flatnonzero(is_over)
    place = np.zeros(nodes, np.int64)
    place[members] = np.arange(len(members))
    inside = links_of(is_over)
    piece, bits = _pieces(len(members), Links(place[inside.left], place[inside.right], inside.weight), limit)
    whole = label[members]
    label = label.copy()
    label[members] = members[piece]
    return Bounded(label, largest, _cuts(whole, piece, bits))


def _pieces(nodes: int, links: Links, limit: int) -> tuple[Ints, Floats]:
    """Each node's piece, by its smallest node, and the threshold that made the piece.

    A rising threshold takes a component apart in the reverse order in which a falling one puts it
    together. Falling, each link is looked at once and not once a step: pieces join from the surest
    step down, and are closed when what they would be part of is above the limit.
    """
    parent = np.arange(nodes)
    size = np.ones(nodes, np.int64)
    closed_at = np.full(nodes, -np.inf)
    is_closed = np.zeros(nodes, bool)
    step = np.floor(np.clip(links.weight, -SUREST, SUREST) / STEP) * STEP
    order = np.argsort(-step, kind="stable")
    starts = np.flatnonzero(np.diff(step[order], prepend=np.nan) != 0)
    for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
        now = order[first:last]
        ends = np.stack([_roots(parent, links.left[now]), _roots(parent, links.right[now])])
        touched, dense = np.unique(ends, return_inverse=True)
        left, right = dense.reshape(2, -1)
        joined = components(len(touched), left, right)
        is_over = np.bincount(joined, size[touched], len(touched)) > limit
        is_over |= np.bincount(joined, is_closed[touched], len(touched)) > 0
        shut = touched[is_over[joined] & ~is_closed[touched]]
        is_closed[shut] = True
        closed_at[shut] = step[now[0]] + STEP
        _join(parent, size, touched, joined, ~is_over[joined])
    roots = _roots(parent, np.arange(nodes))
    smallest = np.full(nodes, nodes)
    np.minimum.at(smallest, roots, np.arange(nodes))
    return smallest[roots], closed_at[roots]


def _roots(parent: Ints, nodes: Ints) -> Ints:
    """The root of each node's tree; the nodes then point at it."""
    roots = parent[nodes]
    while True:
        above = parent[roots]
        if np.array_equal(above, roots):
            parent[nodes] = roots
            return roots
        roots = above


def _join(parent: Ints, size: Ints, roots: Ints, joined: Ints, fits: Bools) -> None:
    """Make one tree of the roots of one component each, where it ``fits``."""
    roots, joined = roots[fits], joined[fits]
    # Under the largest of them no tree grows deeper than the logarithm of its size.
    order = np.lexsort((roots, -size[roots], joined))
    roots, joined = roots[order], joined[order]
    firsts = np.flatnonzero(np.diff(joined, prepend=-1))
    counts = np.diff(firsts, append=len(roots))
    if len(roots):
        size[roots[firsts]] = np.add.reduceat(size[roots], firsts)
    parent[roots] = np.repeat(roots[firsts], counts)


def _cuts(whole: Ints, piece: Ints, bits: Floats) -> tuple[Cut, ...]:
    """One ``Cut`` a component from each node's component, piece and the piece's threshold."""
    heads, sizes = np.unique(piece, return_counts=True)
    names, component = np.unique(whole[heads], return_inverse=True)
    largest = np.zeros(len(names), np.int64)
    np.maximum.at(largest, component, sizes)
    lowest, highest = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    np.minimum.at(lowest, component, bits[heads])
    np.maximum.at(highest, component, bits[heads])
    records = np.bincount(component, sizes).astype(np.int64)
    columns = (names, records, np.bincount(component), largest, lowest, highest)
    return tuple(Cut(*row) for row in zip(*(column.tolist() for column in columns), strict=True))
