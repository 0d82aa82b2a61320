"""What holds clusters together: of all their pairs the few strongest that are enough, and the weakest of these."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]


def strongest_forest(left: Ints, right: Ints, nodes: int) -> Ints:
    """Places of the edges of the strongest trees that connect what the edges connect, in no order.

    Edges between nodes 0 … ``nodes`` - 1 come with the strongest first, each pair once.
    """
    # Loading SciPy takes as long as linking a small file.
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    rank = np.arange(1, len(left) + 1, dtype=np.float64)
    tree = minimum_spanning_tree(csr_array((rank, (left, right)), shape=(nodes, nodes)))
    places: Ints = np.rint(tree.data).astype(np.int64) - 1
    return places


def weakest_links(pairs: pa.Table) -> pa.Table:
    """customer_id and weight: the weakest link of each customer, of the strongest that hold it together.

    Where a weaker pair is the only one between two parts, it is that bridge; where several are, the strongest of them.
    ``pairs`` (customer_id, left, right: numbers of records, weight) are all that are inside customers. Infinite
    weights hold for ever; a customer that only such hold has no row.
    """
    ordered = pairs.sort_by([("weight", "descending"), ("left", "ascending"), ("right", "ascending")])
    ends = np.concatenate([ordered[side].to_numpy() for side in ("left", "right")])
    records, numbered = np.unique(ends, return_inverse=True)
    half = ordered.num_rows
    tree = ordered.take(pa.array(strongest_forest(numbered[:half], numbered[half:], len(records))))
    finite = tree.filter(pc.is_finite(tree["weight"])).group_by("customer_id").aggregate([("weight", "min")])
    return finite.select(["customer_id", "weight_min"]).rename_columns(["customer_id", "weight"])
