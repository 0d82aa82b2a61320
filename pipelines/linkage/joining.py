"""How two records of one component came to be together or apart: the step of average linkage that meets both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import linkage

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


FORBIDDEN = 1e9
"""Distance of a pair that never goes together."""
SURE = 1e6
"""Weight in bits of a pair that an exact rule links: a tree needs a finite one."""


@dataclass(frozen=True)
class Meeting:
    """The two groups that average linkage compares last before both records would share one."""

    left: Ints
    """Positions of the members on the first record's side."""
    right: Ints
    mean_weight: float | None
    """Mean weight in bits over the pairs between the sides that may go together; None without any. The
    sides join from the cut up."""
    pairs: int
    forbidden: int
    """Pairs between the sides that never go together: one is enough to keep them apart."""


def meeting(weight: Floats, forbidden: Bools, a: int, b: int) -> Meeting:
    """Where records ``a`` and ``b`` meet in the tree of a component.

    ``weight`` and ``forbidden`` are square and symmetric over the component's members.
    """
    n = len(weight)
    weight = np.minimum(weight, SURE)
    distance = np.where(forbidden, FORBIDDEN, -weight)
    condensed = distance[np.triu_indices(n, 1)]
    tree = linkage(condensed - condensed.min(), method="average")
    members: dict[int, Ints] = {i: np.array([i], np.int64) for i in range(n)}
    for step, (one, other) in enumerate(tree[:, :2].astype(np.int64)):
        left, right = members.pop(int(one)), members.pop(int(other))
        if b in left or a in right:
            left, right = right, left
        if a in left and b in right:
            between = np.ix_(left, right)
            allowed = ~forbidden[between]
            mean = float(weight[between][allowed].mean()) if allowed.any() else None
            return Meeting(left, right, mean, left.size * right.size, int((~allowed).sum()))
        members[n + step] = np.concatenate([left, right])
    raise ValueError("two different members of one component")
