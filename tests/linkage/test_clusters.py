"""Clusters: components of bounded size, average linkage with what never goes together, any order."""

from __future__ import annotations

import random
from datetime import date
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linkage_people import CONF, record, table
from scipy.cluster.hierarchy import fcluster, linkage

from pipelines.linkage import agglomerate as agglomerate_module
from pipelines.linkage import cut_components
from pipelines.linkage.agglomerate import GRAIN, agglomerate
from pipelines.linkage.components import Links, bounded_components
from pipelines.linkage.link import Linked, link_night

NIGHT = date(2026, 7, 1)


def links(pairs: dict[tuple[int, int], float]) -> Links:
    left, right = (np.array([k[i] for k in pairs], np.int64) for i in (0, 1))
    return Links(left, right, np.array(list(pairs.values()), float))


def groups(nodes: int, pairs: dict[tuple[int, int], float | None], cut: float = 0.0) -> list[int]:
    """``agglomerate`` of pairs with their weight in bits; None is a forbidden pair."""
    forbidden = np.array([weight is None for weight in pairs.values()], bool)
    weights = {pair: 9.0 if weight is None else weight for pair, weight in pairs.items()}
    return agglomerate(nodes, links(weights), forbidden, cut).tolist()


def by_hand(nodes: int, pairs: dict[tuple[int, int], float | None], cut: float) -> list[int]:
    """The definition, word for word and in exact numbers: the best two groups, again and again."""
    members = [[node] for node in range(nodes)]

    def mean(a: list[int], b: list[int]) -> tuple[int, Fraction]:
        weights = [pairs.get((min(x, y), max(x, y))) for x in a for y in b]
        if None in weights:
            return (-1, Fraction(0))
        if float("inf") in weights:
            return (1, Fraction(0))
        return (0, sum((Fraction(round(w * GRAIN)) for w in weights), Fraction(0)) / len(weights))

    while True:
        options = [(mean(a, b), -a[0], -b[0], a, b) for i, a in enumerate(members) for b in members[i + 1 :]]
        best = max(options, default=None, key=lambda option: option[:3])
        if best is None or best[0] < (0, Fraction(round(cut * GRAIN))):
            return [next(m[0] for m in members if node in m) for node in range(nodes)]
        _, _, _, a, b = best
        members.remove(b)
        a.extend(b)
        members.sort(key=lambda m: min(m))
        a.sort()


# Few different weights, so that ties are the rule; absent pairs were not compared.
WEIGHTS = st.sampled_from([-8.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.1, 9.0])


@st.composite
def graphs(draw: st.DrawFn, largest: int = 9) -> tuple[int, dict]:  # type: ignore[type-arg]
    nodes = draw(st.integers(1, largest))
    every = [(a, b) for a in range(nodes) for b in range(a + 1, nodes)]
    kind = st.one_of(WEIGHTS, WEIGHTS, WEIGHTS, st.just(None), st.just(float("inf")), st.just("absent"))
    kinds = draw(st.lists(kind, min_size=len(every), max_size=len(every)))
    return nodes, {pair: k for pair, k in zip(every, kinds, strict=True) if k != "absent"}


@settings(max_examples=300, deadline=None)
@given(graphs(), st.sampled_from([0.0, 0.5, 1.0]))
def test_groups_are_those_of_the_definition_ties_and_all(graph: tuple[int, dict], cut: float) -> None:  # type: ignore[type-arg]
    nodes, pairs = graph
    assert groups(nodes, pairs, cut) == by_hand(nodes, pairs, cut)


@pytest.mark.parametrize("mean", [-150.0, 0.0, 100.0])
@pytest.mark.parametrize("nodes", [3, 12, 60])
def test_groups_are_those_of_scipy_where_there_are_no_ties(nodes: int, mean: float) -> None:
    left, right = (side.astype(np.int64) for side in np.triu_indices(nodes, 1))
    weight = np.random.default_rng(nodes).normal(mean, 200, len(left))
    part = fcluster(linkage(2_000 - weight, "average"), 2_000, "distance")
    found = agglomerate(nodes, Links(left, right, weight), np.zeros(len(left), bool), 0.0)
    assert found.tolist() == [int(np.flatnonzero(part == part[node])[0]) for node in range(nodes)]


@settings(max_examples=100, deadline=None)
@given(graphs(14))
def test_a_forbidden_pair_shares_no_group_by_no_chain_of_links(graph: tuple[int, dict]) -> None:  # type: ignore[type-arg]
    nodes, pairs = graph
    group = groups(nodes, pairs, -8.0)
    assert all(group[a] != group[b] for (a, b), weight in pairs.items() if weight is None)
    compared = {pair for pair, weight in pairs.items() if weight is not None}
    inside = {(a, b) for a in range(nodes) for b in range(a + 1, nodes) if group[a] == group[b]}
    assert inside <= compared


@settings(max_examples=60, deadline=None)
@given(st.lists(graphs(7), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_neither_the_order_of_pairs_nor_what_is_looked_at_together_matters(
    parts: list[tuple[int, dict]],  # type: ignore[type-arg]
    rng: random.Random,
) -> None:
    # Several components as one night has them, and each alone, as a partition would have it.
    whole: dict[tuple[int, int], float | None] = {}
    alone: list[int] = []
    at = 0
    for nodes, pairs in parts:
        whole |= {(a + at, b + at): weight for (a, b), weight in pairs.items()}
        alone += [first + at for first in groups(nodes, pairs)]
        at += nodes
    shuffled = list(whole.items())
    rng.shuffle(shuffled)
    assert groups(at, whole) == groups(at, dict(shuffled)) == alone


def test_a_batch_holds_no_more_cells_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 40, 60)
    starts = np.cumsum(sizes) - sizes
    pairs = {
        (int(s + a), int(s + b)): float(rng.integers(-9, 9))
        for s, k in zip(starts, sizes, strict=True)
        for a in range(k)
        for b in range(a + 1, k)
    }
    nodes = int(sizes.sum())
    at_once = groups(nodes, pairs)
    seen: list[tuple[int, ...]] = []
    merged = agglomerate_module._merged
    monkeypatch.setattr(agglomerate_module, "CELLS", 2_000)
    monkeypatch.setattr(
        agglomerate_module, "_merged", lambda sums, least: seen.append(sums.shape) or merged(sums, least)
    )
    assert groups(nodes, pairs) == at_once
    assert len(seen) > 10
    assert all(n * width * width <= 2_000 or n == 1 for n, width, _ in seen)


def test_of_two_equally_good_records_the_first_by_key_joins() -> None:
    # 1 fits 0 and 2 equally well, and these never go together.
    assert groups(3, {(0, 1): 5, (1, 2): 5, (0, 2): None}) == [0, 0, 2]
    assert groups(3, {(0, 1): 5, (0, 2): 5, (1, 2): None}) == [0, 0, 2]


def test_sums_that_rounding_would_tell_apart_are_a_tie() -> None:
    # 0.1 + 0.2 + 0.3 is more than 0.3 + 0.2 + 0.1 in the last digit; here it is not.
    trios = {(0, 1): 9, (0, 2): 9, (1, 2): 9, (3, 4): 9, (3, 5): 9, (4, 5): 9}
    apart = {(a, b): None for a in (0, 1, 2) for b in (3, 4, 5)}
    to_six = {(0, 6): 0.3, (1, 6): 0.2, (2, 6): 0.1, (3, 6): 0.1, (4, 6): 0.2, (5, 6): 0.3}
    assert groups(7, trios | apart | to_six) == [0, 0, 0, 3, 3, 3, 0]


def test_a_sure_pair_joins_whatever_the_other_evidence_unless_a_forbidden_one_keeps_it_apart() -> None:
    inf = float("inf")
    assert groups(3, {(0, 1): inf, (0, 2): -8, (1, 2): -8}) == [0, 0, 2]
    # Nine that fit, one that fits none of them, and a rule that links it to the last.
    fit = {(a, b): 9.0 for a in range(9) for b in range(a + 1, 9)}
    found = groups(10, fit | {(a, 9): -12.0 for a in range(8)} | {(8, 9): inf})
    assert found[8] == found[9]
    assert groups(3, {(0, 1): inf, (1, 2): inf, (0, 2): None}) == [0, 0, 2]


def pieces(nodes: int, pairs: dict[tuple[int, int], float], limit: int) -> list[int]:
    return bounded_components(nodes, links(pairs), limit).label.tolist()


def by_steps(nodes: int, pairs: dict[tuple[int, int], float], limit: int) -> list[int]:
    """The definition: while a component is too large, its weakest step of links goes."""

    def split(members: list[int], kept: dict[tuple[int, int], float]) -> list[list[int]]:
        parts: list[list[int]] = []
        left = set(members)
        while left:
            part, reach = set(), [min(left)]
            while reach:
                node = reach.pop()
                part.add(node)
                reach += [x for pair in kept if node in pair for x in pair if x not in part]
            left -= part
            parts.append(sorted(part))
        return parts

    def fitting(members: list[int], kept: dict[tuple[int, int], float]) -> list[list[int]]:
        found = []
        for part in split(members, kept):
            if len(part) <= limit:
                found.append(part)
                continue
            inside = {pair: w for pair, w in kept.items() if pair[0] in part}
            least = min(np.floor(w) for w in inside.values())
            found += fitting(part, {pair: w for pair, w in inside.items() if np.floor(w) > least})
        return found

    label = [0] * nodes
    for part in fitting(list(range(nodes)), pairs):
        for node in part:
            label[node] = part[0]
    return label


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda n: st.tuples(
            st.just(n),
            st.dictionaries(
                st.tuples(st.integers(0, n - 1), st.integers(0, n - 1))
                .map(lambda pair: (min(pair), max(pair)))
                .filter(lambda pair: pair[0] != pair[1]),
                st.floats(-4, 9),
            ),
        )
    ),
    st.integers(1, 6),
    st.randoms(use_true_random=False),
)
def test_pieces_are_those_of_a_rising_threshold_and_know_no_order(
    graph: tuple[int, dict],  # type: ignore[type-arg]
    limit: int,
    rng: random.Random,
) -> None:
    nodes, pairs = graph
    found = pieces(nodes, pairs, limit)
    assert found == by_steps(nodes, pairs, limit)
    assert max(found.count(label) for label in found) <= limit
    shuffled = list(pairs.items())
    rng.shuffle(shuffled)
    assert pieces(nodes, dict(shuffled), limit) == found
    # Other numbers for the same nodes: the same pieces.
    number = list(range(nodes))
    rng.shuffle(number)
    renamed = {tuple(sorted((number[a], number[b]))): w for (a, b), w in pairs.items()}
    other = pieces(nodes, renamed, limit)
    assert all(
        (found[a] == found[b]) == (other[number[a]] == other[number[b]])
        for a in range(nodes)
        for b in range(nodes)
    )


def test_what_was_cut_is_told_by_size_and_threshold() -> None:
    # Three pairs of records in a chain; a fourth pair apart, which nothing touches.
    chain = {(0, 1): 9.5, (1, 2): 2.5, (2, 3): 9.5, (3, 4): 4.5, (4, 5): 9.5, (6, 7): 1.0}
    bounded = bounded_components(8, links(chain), 2)
    assert bounded.label.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    (cut,) = bounded.cuts
    assert (cut.component, cut.records, cut.pieces, cut.largest_piece) == (0, 6, 3, 2)
    # 0 and 1 fit once links below 3 bits are gone, the others below 5.
    assert (cut.lowest_bits, cut.highest_bits) == (3.0, 5.0)


PLANTED = 50_000


def planted(shape: str, weight: str) -> Links:
    rng = np.random.default_rng(7)
    before = np.arange(PLANTED - 1)
    left, right = {
        "chain": (before, before + 1),
        "star": (np.zeros_like(before), before + 1),
        "random": np.sort(rng.integers(0, PLANTED, (2, 300_000)), axis=0),
    }[shape]
    left, right = left[left != right], right[left != right]
    bits = {
        "equal": np.full(len(left), 5.0),
        "sure": np.full(len(left), np.inf),
        "any": rng.uniform(-3, 16, len(left)),
        # As many steps as links.
        "steps": np.arange(len(left), dtype=float) - 20_000,
    }[weight]
    return Links(left, right, bits)


@pytest.mark.parametrize("weight", ["equal", "sure", "any", "steps"])
@pytest.mark.parametrize("shape", ["chain", "star", "random"])
def test_a_planted_component_is_cut_until_every_piece_fits(shape: str, weight: str) -> None:
    bounded = bounded_components(PLANTED, planted(shape, weight), 1_000)
    assert bounded.largest > 0.9 * PLANTED
    sizes = np.bincount(bounded.label)
    assert sizes.sum() == PLANTED
    assert sizes.max() <= 1_000
    assert sum(cut.records for cut in bounded.cuts) == bounded.largest
    if weight in ("equal", "sure"):
        assert sizes.max() == 1


def test_a_night_names_what_it_cut_and_no_key_in_its_figures() -> None:
    # Each record shares its phone with one neighbour and its e-mail with the other.
    rows = [
        record("crm", f"{i:02d}", given="ana", phones=[f"+52{i // 2}"], emails=[f"a{(i + 1) // 2}@x.mx"])
        for i in range(12)
    ]
    conf = CONF.model_copy(update={"max_component": 4})
    linked = link_night(table(rows), None, conf, NIGHT)
    assert linked.cut_components.schema == cut_components.SCHEMA
    (cut,) = linked.cut_components.to_pylist()
    assert (cut["component"], cut["model"], cut["records"]) == ("crm:00", "person", 12)
    assert cut["largest_piece"] <= 4
    assert cut["pieces"] >= 3
    assert linked.figures["cut_components"] == 1
    (listed,) = linked.figures["largest_cut_components"]
    assert listed["records"] == 12
    assert "crm:00" not in str(linked.figures)
    sizes = pa.TableGroupBy(linked.clusters, "cluster_final").aggregate([("record_id", "count")])
    assert max(sizes["record_id_count"].to_pylist()) <= 4


def two_files() -> list[dict[str, object]]:
    rows = [
        record(source, f"{name}{n}", given=name, surname="soto", birth_date=date(1980, 1, 1 + n % 2))
        for source in ("crm", "erp")
        for name in ("ana", "eva", "lia")
        for n in range(2)
    ]
    for row in rows[::3]:
        row["match_emails"] = ["casa@soto.mx"]
    return rows


@pytest.fixture(scope="module")
def in_order() -> Linked:
    return link_night(table(two_files()), None, CONF, NIGHT)


@settings(max_examples=3, deadline=None)
@given(rng=st.randoms(use_true_random=False), threads=st.integers(1, 4))
def test_a_night_gives_the_same_whatever_the_order_of_rows_and_threads(
    in_order: Linked, rng: random.Random, threads: int
) -> None:
    rows = two_files()
    rng.shuffle(rows)
    cuts = sorted(rng.sample(range(len(rows)), 3))
    # In chunks, as several files or partitions would bring them.
    parts = [table(rows[a:b]) for a, b in zip([0, *cuts], [*cuts, len(rows)], strict=True)]
    conf = CONF.model_copy(update={"threads": threads})
    again = link_night(pa.concat_tables(parts), None, conf, NIGHT)
    assert again.clusters.equals(in_order.clusters)
    assert again.scored_pairs.equals(in_order.scored_pairs)
    assert again.generation.digest == in_order.generation.digest
