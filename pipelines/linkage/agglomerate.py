"""Average linkage inside components: a record joins a group on all its evidence, not on one link.

Connected components chain people together: one wrong link joins two groups however much speaks
against it. Here two groups join while the mean weight over all pairs between them reaches the cut
(UPGMA, stopped at the cut), with constraints: two groups that hold a forbidden pair never join,
and a sure pair joins its groups before any other evidence, unless a forbidden one keeps them apart.

The best two groups join first. Ties break on the smallest node: of equally good pairs of groups
that with the smallest first node, then with the smallest second one, where a group counts by its
own smallest node. Weights count in steps of ``1 / GRAIN`` bit, so that sums are whole numbers and
exact: what is a tie does not depend on the order of adding, and the result neither on the order of
the pairs nor on which components are looked at together.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from pipelines.linkage.components import Links, components

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

GRAIN = 1024
"""Steps of weight a bit. Sums stay exact up to 2^53 steps: for weights of 60 bits over 10^11 pairs."""
CELLS = 4_000_000
"""Cells of the matrices that are worked on at a time: 32 MB each."""


def agglomerate(nodes: int, pairs: Links, forbidden: Bools, cut: float, alike: Ints | None = None) -> Ints:
    """The smallest node of each node's group.

    ``pairs`` are the pairs that were compared; one that is not among them never shares a group.
    ``forbidden`` marks pairs that never go together, a weight of infinity the sure ones; ``cut`` is
    the mean weight, in bits, from which groups join.

    ``alike``, a number of each node, says that not all pairs that there are were compared: one that is not among
    ``pairs`` counts as just below ``cut``. Only two nodes of the same number are none.
    """
    weight = np.where(forbidden, -np.inf, np.rint(pairs.weight * GRAIN))
    least = float(np.rint(cut * GRAIN))
    joins = weight >= least
    # Groups that join have one pair at least that reaches the cut, so no group goes beyond the
    # components of such pairs: most of these are all joined, and only the others need the matrices.
    home = components(nodes, pairs.left[joins], pairs.right[joins])
    size = np.bincount(home, minlength=nodes)
    joined = np.bincount(home[pairs.left[joins]], minlength=nodes)
    mixed = joined < size * (size - 1) // 2
    group = np.where(mixed[home], np.arange(nodes), home)
    inside = mixed[home[pairs.left]] & (home[pairs.left] == home[pairs.right])
    left, right = pairs.left[inside], pairs.right[inside]
    for members, sums in _matrices(home, mixed, left, right, weight[inside], alike, least - 1):
        first = _merged(sums, least)
        real = members >= 0
        group[members[real]] = np.take_along_axis(members, first, axis=1)[real]
    return group


def _matrices(
    home: Ints,
    mixed: Bools,
    left: Ints,
    right: Ints,
    weight: Floats,
    alike: Ints | None,
    unknown: float,
) -> Iterator[tuple[Ints, Floats]]:
    """The components as batches of matrices of one width, at most ``CELLS`` cells each.

    Yields the nodes of each component, (components, width), ascending and filled up with -1, and
    the weights between them, (components, width, width), minus infinity where there is no pair, ``unknown``
    where it was not compared (``alike``).
    """
    nodes = np.flatnonzero(mixed[home])
    if not len(nodes):
        return
    names, number, sizes = np.unique(home[nodes], return_inverse=True, return_counts=True)
    widths = _widths(sizes)
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(widths, kind="stable")] = np.arange(len(names))
    widths = np.sort(widths)
    # Nodes and pairs in the order of their component's rank: a batch is a slice of each.
    order = np.argsort(rank[number], kind="stable")
    nodes, number = nodes[order], rank[number][order]
    starts = np.searchsorted(number, np.arange(len(names)))
    place = np.empty(len(home), np.int64)
    place[nodes] = np.arange(len(nodes)) - starts[number]
    of_node = np.empty(len(home), np.int64)
    of_node[nodes] = number
    of_pair = of_node[left]
    order = np.argsort(of_pair, kind="stable")
    of_pair, row, column, weight = of_pair[order], place[left[order]], place[right[order]], weight[order]
    at = 0
    while at < len(names):
        width = int(widths[at])
        end = min(at + max(1, CELLS // width**2), int(np.searchsorted(widths, width, side="right")))
        some = slice(*np.searchsorted(number, [at, end]))
        members = np.full((end - at, width), -1, np.int64)
        members[number[some] - at, place[nodes[some]]] = nodes[some]
        pairs = slice(*np.searchsorted(of_pair, [at, end]))
        sums = np.full((end - at, width, width), -np.inf)
        if alike is not None:
            kind = alike[members]
            is_real = (members >= 0)[:, :, None] & (members >= 0)[:, None, :]
            sums[is_real & (kind[:, :, None] != kind[:, None, :])] = unknown
        sums[of_pair[pairs] - at, row[pairs], column[pairs]] = weight[pairs]
        sums[of_pair[pairs] - at, column[pairs], row[pairs]] = weight[pairs]
        yield members, sums
        at = end


def _widths(sizes: Ints) -> Ints:
    """Sizes rounded up by an eighth at most: large components of nearly one size share a batch."""
    grain = np.exp2(np.maximum(np.floor(np.log2(sizes)) - 3, 0)).astype(np.int64)
    widths: Ints = -(-sizes // grain) * grain
    return widths


def _merged(sums: Floats, least: float) -> Ints:
    """Place of the first member of each member's group, (components, width).

    ``sums`` (components, width, width) is symmetric and is used up. Every round joins the best two
    groups of each component whose mean reaches ``least``. A group lives on in its first member's
    row; each row remembers its best later group, so that a round looks again only at the rows that
    it changed.
    """
    count, width, _ = sums.shape
    places = np.arange(width)
    first = np.tile(places, (count, 1))
    # The records of each group; 0 where it has joined another.
    size = np.ones((count, width))
    later = np.where(places[:, None] < places, sums, -np.inf)
    best = later.argmax(axis=2)
    value = np.take_along_axis(later, best[:, :, None], axis=2)[:, :, 0]
    del later
    going = np.arange(count)
    while True:
        a = value[going].argmax(axis=1)
        reach = value[going, a] >= least
        going, a = going[reach], a[reach]
        if not len(going):
            return first
        b = best[going, a]
        # A forbidden pair (minus infinity) outweighs a sure one (infinity): their sum is no number.
        with np.errstate(invalid="ignore"):
            between = sums[going, a] + sums[going, b]
        between[np.isnan(between)] = -np.inf
        sums[going, a, :] = between
        sums[going, :, a] = between
        size[going, a] += size[going, b]
        size[going, b] = 0
        value[going, b] = -np.inf
        belongs = first[going]
        first[going] = np.where(belongs == b[:, None], a[:, None], belongs)
        _look_again(sums, size, best, value, going, a, b)


def _look_again(sums: Floats, size: Floats, best: Ints, value: Floats, going: Ints, a: Ints, b: Ints) -> None:
    """Bring each row's ``best`` later group and its mean, ``value``, up to date after b joined a.

    A mean with both is no better than the better of the means with each: only the rows that had
    one of the two as their best, and the joined group's own, can have changed.
    """
    known = best[going]
    lost = ((known == a[:, None]) | (known == b[:, None])) & (value[going] > -np.inf)
    lost[np.arange(len(going)), a] = True
    some, row = np.nonzero(lost)
    component = going[some]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums[component, row] / (size[component, row][:, None] * size[component])
    mean[(size[component] == 0) | (np.arange(sums.shape[1]) <= row[:, None])] = -np.inf
    best[component, row] = mean.argmax(axis=1)
    value[component, row] = mean.max(axis=1)
