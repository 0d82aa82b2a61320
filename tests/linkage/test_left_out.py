"""Pairs that last night left out are scored again only where a group rests on them, and the groups are those of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.linkage.cut import LEAST_COUNTED, UNBLOCKED, is_kept_below
from pipelines.linkage.inside import KEPT, InsideScorer
from pipelines.linkage.judge import Judged, clustered
from pipelines.linkage.left_out import with_left_out
from pipelines.linkage.records import Nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

LEAST = 0.1
"""Pairs that are less probable were left out."""
NODES = 12
LEFT, RIGHT = np.triu_indices(NODES, 1)
PAIRS = len(LEFT)
MOST = 5
"""Pairs that are scored at a time."""


@dataclass(frozen=True)
class Night:
    """What all pairs of twelve records are, and what last night tells of them."""

    judged: Judged
    cluster: Ints
    is_known: Bools
    """Pairs that are kept, or that a changed record brings."""
    sources: tuple[str, ...] = ("crm",) * NODES


def judged(
    probability: Floats, counted: Floats | None = None, kinds: npt.NDArray[np.str_] | None = None
) -> Judged:
    """Pairs of that probability; ``kinds``: sure, forbidden, alone or nothing."""
    kind = np.full(PAIRS, "") if kinds is None else kinds
    part = np.ones(PAIRS) if counted is None else counted
    sure, words = kind == "sure", np.full(PAIRS, "", object)
    seen = np.where(sure, 1.0, probability)
    alone, forbidden = kind == "alone", kind == "forbidden"
    return Judged(probability, probability, seen, part, alone, sure, words, words, forbidden, words)


def listed(values: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[npt.NDArray[Any]]:
    return st.lists(values, min_size=size, max_size=size).map(np.array)


@st.composite
def nights(draw: st.DrawFn) -> Night:
    unlike = st.sampled_from([0.002, 0.02, 0.05, 0.099])
    like = st.sampled_from([0.2, 0.55, 0.65, 0.9, 0.99, 0.9999])
    few_like = st.one_of(unlike, unlike, unlike, like)
    # Two halves, mostly without a pair between them that may be joined: components that end at different times.
    apart = np.where((LEFT < NODES // 2) != (RIGHT < NODES // 2), 0.2, 1.0)
    probability = np.minimum(draw(listed(few_like, PAIRS)), draw(st.sampled_from([apart, 1.0])))
    counted = draw(listed(st.sampled_from([LEAST_COUNTED * UNBLOCKED, 0.1, 0.5, 1.0]), PAIRS))
    kinds = draw(listed(st.sampled_from([*[""] * 9, "alone", "sure", "forbidden"]), PAIRS))
    changed = draw(listed(st.sampled_from([False, False, False, True]), NODES))
    # Any clusters will do: they only say what is scored first.
    cluster = np.where(changed, -1 - np.arange(NODES), draw(listed(st.integers(0, 4), NODES)))
    sources = tuple(draw(st.lists(st.sampled_from(["erp", "crm", "shop"]), min_size=NODES, max_size=NODES)))
    said = judged(probability, counted, kinds)
    return Night(said, cluster, (said.probability >= LEAST) | changed[LEFT] | changed[RIGHT], sources)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("CREATE TABLE blocked (join_key_l BIGINT, join_key_r BIGINT, match_key VARCHAR)")
        yield opened


def looked_at(
    connection: duckdb.DuckDBPyConnection, night: Night, cut: float, free: tuple[str, ...] = ()
) -> tuple[pa.Table, Judged, list[Ints]]:
    """The pairs that are known in the end, and those that were scored, each time."""
    asked: list[Ints] = []
    is_pair = pairs_of(night, free)
    place = np.full((NODES, NODES), -1)
    place[LEFT, RIGHT] = np.arange(PAIRS)

    def score(table: str) -> pa.Table:
        found = connection.sql(f"SELECT join_key_l, join_key_r FROM {table}").to_arrow_table()
        at = np.sort(place[found["join_key_l"].to_numpy(), found["join_key_r"].to_numpy()])
        assert (at >= 0).all()
        assert not night.is_known[at].any()
        assert is_pair[at].all()
        asked.append(at)
        return told(np.isin(np.arange(PAIRS), at))

    def told(some: Bools) -> pa.Table:
        blank = np.zeros(np.count_nonzero(some))
        return pa.table([LEFT[some], RIGHT[some], blank, blank], names=KEPT)

    def judge(pairs: pa.Table) -> Judged:
        some = np.zeros(PAIRS, bool)
        some[place[pairs["node_l"].to_numpy(), pairs["node_r"].to_numpy()]] = True
        return night.judged.where(some)

    no = pa.nulls(NODES, pa.string())
    scorer = InsideScorer(connection, score, judge, Nodes(pa.array(night.sources), no, no), MOST, free)
    known = told(night.is_known & is_pair)
    pairs, verdicts = with_left_out(scorer, (known, judge(known)), cut, night.cluster)
    assert connection.sql("SHOW TABLES").fetchall() == [("blocked",)]
    return pairs, verdicts, asked


def pairs_of(night: Night, free: tuple[str, ...]) -> Bools:
    source = np.array(night.sources)
    found: Bools = ~((source[LEFT] == source[RIGHT]) & np.isin(source[LEFT], free))
    return found


def check(
    connection: duckdb.DuckDBPyConnection, night: Night, cut: float, free: tuple[str, ...] = ()
) -> list[Ints]:
    """The groups are those of all pairs; what was scored, each time."""
    assert is_kept_below(cut, LEAST)
    is_pair = pairs_of(night, free)
    whole = night.judged.where(is_pair)
    wanted = clustered(NODES, whole.joins(LEFT[is_pair], RIGHT[is_pair]), whole.forbidden, cut)
    found, verdicts, asked = looked_at(connection, night, cut, free)
    left, right = found["node_l"].to_numpy(), found["node_r"].to_numpy()
    assert sorted(zip(left, right, strict=True)) == list(zip(left, right, strict=True))
    made = clustered(NODES, verdicts.joins(left, right), verdicts.forbidden, cut)
    for some, all_pairs in zip(made, wanted, strict=True):
        assert some.tolist() == all_pairs.tolist()
    assert max(map(len, asked), default=0) <= MOST
    assert len(left) == np.count_nonzero(night.is_known & is_pair) + sum(map(len, asked))
    return asked


@settings(max_examples=120, deadline=None)
@given(
    night=nights(),
    cut=st.sampled_from([0.3, 0.6, 0.9]),
    free=st.sampled_from([(), (), ("erp",), ("erp", "crm")]),
)
def test_groups_are_those_of_all_pairs(
    connection: duckdb.DuckDBPyConnection, night: Night, cut: float, free: tuple[str, ...]
) -> None:
    check(connection, night, cut, free)


def between(one: int, other: int) -> Bools:
    """Pairs between two families of four."""
    found: Bools = np.equal(LEFT // 4, one) & np.equal(RIGHT // 4, other)
    return found


def three_families(**probabilities: float) -> Night:
    """Three families of four, of which pairs are named by their two records: ``p0_4=.9``."""
    probability = np.where(LEFT // 4 == RIGHT // 4, 0.99, 0.01)
    for name, value in probabilities.items():
        left, right = map(int, name[1:].split("_"))
        probability[(left == LEFT) & (right == RIGHT)] = value
    return Night(judged(probability), np.arange(NODES) // 4, probability >= LEAST)


def test_only_pairs_of_families_that_a_link_may_join_are_scored(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    assert check(connection, three_families(p0_4=0.3, p4_8=0.3), 0.6) == []
    # Each of the two links may join its families; whatever lies between the first and the last is not asked.
    asked = np.concatenate(check(connection, three_families(p0_4=0.9, p4_8=0.9), 0.6))
    assert len(asked) == 2 * (4 * 4 - 1)
    assert not between(0, 2)[asked].any()


def test_where_groups_are_others_than_last_night_their_pairs_are_scored_too(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Last night told no clusters: what is between the singles that a link may join is known, and groups are made."""
    night = three_families(p0_4=0.9)
    alone = Night(night.judged, np.arange(NODES), night.is_known)
    assert len(np.concatenate(check(connection, alone, 0.6))) == 4 * 4 - 1


def test_a_pair_that_a_rule_forbids_is_found_though_it_was_left_out(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A sure pair joins two singles' families whatever speaks against it, but for what is forbidden and not known yet."""
    night = three_families(p0_4=0.9)
    kinds = np.full(PAIRS, "", object)
    kinds[(LEFT == 0) & (RIGHT == 4)] = "sure"
    kinds[(LEFT == 3) & (RIGHT == 7)] = "forbidden"
    ruled = judged(night.judged.judged, kinds=kinds.astype(str))
    asked = check(connection, Night(ruled, np.arange(NODES), night.is_known), 0.6)
    assert ((LEFT == 3) & (RIGHT == 7))[np.concatenate(asked)].any()
