"""A customer is as sure as the pair by which it would fall in two first."""

from __future__ import annotations

from math import inf

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.linkage.spanning import weakest_links


def weakest(*pairs: tuple[str, int, int, float]) -> dict[str, float]:
    rows = [dict(zip(("customer_id", "left", "right", "weight"), pair, strict=True)) for pair in pairs]
    found = weakest_links(pa.Table.from_pylist(rows))
    return dict(zip(found["customer_id"].to_pylist(), found["weight"].to_pylist(), strict=True))


def test_a_weak_bridge_between_two_tight_groups_is_seen() -> None:
    tight = [("C1", 1, 2, 20.0), ("C1", 2, 3, 18.0), ("C1", 1, 3, 19.0)]
    other = [("C1", 4, 5, 17.0), ("C1", 5, 6, 16.0)]
    assert weakest(*tight, *other, ("C1", 3, 4, 2.5)) == {"C1": 2.5}
    # Of two pairs between the groups the stronger one holds them; a weak pair inside a group holds nothing.
    assert weakest(*tight, *other, ("C1", 3, 4, 2.5), ("C1", 1, 6, 9.0), ("C1", 4, 6, 1.0)) == {"C1": 9.0}


def test_customers_are_looked_at_apart_and_rules_hold_for_ever() -> None:
    assert weakest(("C1", 1, 2, 4.0), ("C2", 3, 4, inf), ("C2", 4, 5, 7.0), ("C3", 6, 7, inf)) == {
        "C1": 4.0,
        "C2": 7.0,
    }


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(6, 9)), st.integers(-3, 9), min_size=1))
def test_below_the_weakest_link_nothing_falls_apart_and_above_it_something_does(
    graph: dict[tuple[int, int], int],
) -> None:
    def parts(least: float) -> int:
        groups = [{node} for node in {node for pair in graph for node in pair}]
        for (left, right), weight in graph.items():
            if weight >= least:
                one, two = (next(g for g in groups if node in g) for node in (left, right))
                if one is not two:
                    groups.remove(two)
                    one |= two
        return len(groups)

    found = weakest(*[("C", left, right, float(weight)) for (left, right), weight in graph.items()])["C"]
    assert parts(found) == parts(-inf) < parts(found + 0.5)
