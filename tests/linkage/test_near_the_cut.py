"""Which pairs may reach the cut: whoever clusters may leave the others out beyond their components."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.linkage.components import components
from pipelines.linkage.cut import CANDIDATES, LEAST_COUNTED, UNBLOCKED, Joins, is_kept_below, log_odds
from pipelines.linkage.judge import Judged, clustered, may_reach

if TYPE_CHECKING:
    import numpy.typing as npt

NODES = 7
PAIRS = [(left, right) for left in range(NODES) for right in range(left + 1, NODES)]

one_pair = st.tuples(
    # Bits above or below the cut, and the part of them that counts.
    st.one_of(st.floats(-0.12, 0.02), st.floats(-4, 4)),
    st.sampled_from([LEAST_COUNTED * UNBLOCKED, LEAST_COUNTED, 0.3, 1.0]),
    st.sampled_from(["", "", "", "alone", "sure", "forbidden"]),
)


def flag(pairs: list[tuple[float, float, str]], name: str) -> npt.NDArray[np.bool_]:
    return np.array([what == name for _, _, what in pairs])


@settings(max_examples=150, deadline=None)
@given(cut=st.sampled_from(CANDIDATES), pairs=st.lists(one_pair, min_size=len(PAIRS), max_size=len(PAIRS)))
def test_no_group_goes_beyond_the_pairs_that_may_reach_the_cut(
    cut: float, pairs: list[tuple[float, float, str]]
) -> None:
    left, right = (np.array(ends) for ends in zip(*PAIRS, strict=True))
    bits = float(log_odds(np.array(cut))) + np.array([above for above, _, _ in pairs])
    probability = 1 / (1 + np.exp2(-bits))
    counted = np.array([part for _, part, _ in pairs])
    forbidden, words = flag(pairs, "forbidden"), np.full(len(PAIRS), "", object)
    alone, sure = flag(pairs, "alone"), flag(pairs, "sure")
    judged = Judged(
        probability, probability, probability, counted, alone, sure, words, words, forbidden, words
    )
    reach = may_reach(judged, cut)
    home = components(NODES, left[reach], right[reach])
    for group in clustered(NODES, Joins(left, right, probability, counted, alone, sure), forbidden, cut):
        assert all(home[node] == home[first] for node, first in enumerate(group))
    # What is beyond may be left out.
    inside = home[left] == home[right]
    some = Joins(*[column[inside] for column in (left, right, probability, counted, alone, sure)])
    whole = clustered(NODES, Joins(left, right, probability, counted, alone, sure), forbidden, cut)
    for group, same in zip(clustered(NODES, some, forbidden[inside], cut), whole, strict=True):
        assert group.tolist() == same.tolist()


@pytest.mark.parametrize(
    ("cut", "least", "is_below"), [(0.9, 0.1, True), (0.1, 0.1, False), (0.1, 0.095, False)]
)
def test_pairs_are_left_out_only_where_all_that_may_reach_the_cut_are_kept(
    cut: float, least: float, is_below: bool
) -> None:
    assert is_kept_below(cut, least) is is_below
