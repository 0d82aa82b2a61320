"""Pairs that last night left out are scored again only where a group rests on them, and the groups are those of all pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.linkage.cut import LEAST_COUNTED, UNBLOCKED, Joins, is_kept_below
from pipelines.linkage.inside import KEPT, Told
from pipelines.linkage.judge import Judged, clustered
from pipelines.linkage.left_out import score_left_out
from pipelines.linkage.records import Nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    Bools = npt.NDArray[np.bool_]


CUT, LEAST = 0.6, 0.1
MOST = 5
"""Pairs that are scored at a time."""
NODES = 8
LEFT, RIGHT = np.triu_indices(NODES, 1)
PAIRS = len(LEFT)


@dataclass(frozen=True)
class Night:
    """What all pairs of eight records are, and what last night tells of them."""

    judged: Judged
    told: Told
    is_known: Bools
    """Pairs that are kept, or that a changed record brings."""
    sources: tuple[str, ...]


@st.composite
def nights(draw: st.DrawFn) -> Night:
    likely = st.sampled_from([0.002, 0.02, 0.05, 0.099, 0.2, 0.55, 0.65, 0.9, 0.99, 0.9999])
    probability = np.array(draw(st.lists(likely, min_size=PAIRS, max_size=PAIRS)))
    part = st.sampled_from([LEAST_COUNTED * UNBLOCKED, 0.1, 0.5, 1.0])
    counted = np.array(draw(st.lists(part, min_size=PAIRS, max_size=PAIRS)))
    kind = st.sampled_from(["", "", "", "", "", "alone", "sure", "forbidden"])
    kinds = np.array(draw(st.lists(kind, min_size=PAIRS, max_size=PAIRS)))
    changed = np.array(
        draw(st.lists(st.sampled_from([False, False, False, True]), min_size=NODES, max_size=NODES))
    )
    # Any clusters will do: they only say what is scored first.
    cluster = np.array(draw(st.lists(st.integers(0, 3), min_size=NODES, max_size=NODES)))
    sources = tuple(draw(st.lists(st.sampled_from(["erp", "crm", "shop"]), min_size=NODES, max_size=NODES)))
    sure = kinds == "sure"
    words = np.full(PAIRS, "", object)
    judged = Judged(
        probability,
        probability,
        np.where(sure, 1.0, probability),
        counted,
        kinds == "alone",
        sure,
        words,
        words,
        kinds == "forbidden",
        words,
    )
    alone = -1 - np.arange(NODES)
    told = Told(np.where(changed, alone, 0), np.where(changed, alone, cluster), pa.table({}))
    kept = judged.probability >= LEAST
    return Night(judged, told, kept | changed[LEFT] | changed[RIGHT], sources)


def joins(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], judged: Judged) -> Joins:
    return Joins(left, right, judged.judged, judged.counted, judged.alone, judged.sure)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as opened:
        opened.execute("CREATE TABLE blocked (join_key_l BIGINT, join_key_r BIGINT, match_key VARCHAR)")
        yield opened


def looked_at(
    connection: duckdb.DuckDBPyConnection, night: Night, free: tuple[str, ...]
) -> tuple[pa.Table, Judged, list[int]]:
    """The pairs that are known in the end, and how many were scored each time."""
    asked: list[int] = []
    is_pair = pairs_of(night, free)
    place = np.full((NODES, NODES), -1)
    place[LEFT, RIGHT] = np.arange(PAIRS)

    def score(table: str) -> pa.Table:
        found = connection.sql(f"SELECT join_key_l, join_key_r FROM {table}").to_arrow_table()
        asked.append(found.num_rows)
        return found

    def judge(found: pa.Table) -> tuple[pa.Table, Judged]:
        at = place[found["join_key_l"].to_numpy(), found["join_key_r"].to_numpy()]
        assert (at >= 0).all()
        assert not night.is_known[at].any()
        assert is_pair[at].all()
        return of(np.isin(np.arange(PAIRS), at))

    def of(some: Bools) -> tuple[pa.Table, Judged]:
        blank = np.zeros(np.count_nonzero(some))
        table = pa.table([LEFT[some], RIGHT[some], blank, blank], names=KEPT)
        return table, night.judged.where(some)

    known = of(night.is_known & is_pair)
    no = pa.nulls(NODES, pa.string())
    nodes = Nodes(pa.array(night.sources), no, no)
    found, judged = score_left_out(connection, score, judge, known, CUT, night.told, nodes, free, MOST)
    assert connection.sql("SHOW TABLES").fetchall() == [("blocked",)]
    return found, judged, asked


def pairs_of(night: Night, free: tuple[str, ...]) -> Bools:
    source = np.array(night.sources)
    found: Bools = ~((source[LEFT] == source[RIGHT]) & np.isin(source[LEFT], free))
    return found


@settings(max_examples=200, deadline=None)
@given(night=nights(), free=st.sampled_from([(), ("erp",), ("erp", "crm")]))
def test_groups_are_those_of_all_pairs(
    connection: duckdb.DuckDBPyConnection, night: Night, free: tuple[str, ...]
) -> None:
    assert is_kept_below(CUT, LEAST)
    is_pair = pairs_of(night, free)
    whole = night.judged.where(is_pair)
    wanted = clustered(NODES, joins(LEFT[is_pair], RIGHT[is_pair], whole), whole.forbidden, CUT)
    found, judged, asked = looked_at(connection, night, free)
    left, right = found["node_l"].to_numpy(), found["node_r"].to_numpy()
    assert sorted(zip(left, right, strict=True)) == list(zip(left, right, strict=True))
    made = clustered(NODES, joins(left, right, judged), judged.forbidden, CUT)
    for some, all_pairs in zip(made, wanted, strict=True):
        assert some.tolist() == all_pairs.tolist()
    assert max(asked, default=0) <= MOST
    assert len(left) == np.count_nonzero(night.is_known & is_pair) + sum(asked)


def test_pairs_of_clusters_that_nothing_links_are_not_scored(connection: duckdb.DuckDBPyConnection) -> None:
    """Two families of four, in one component by a link that is too weak to join them."""
    family = np.arange(NODES) // 4
    same = family[LEFT] == family[RIGHT]
    probability = np.where(same, 0.99, 0.01)
    probability[(LEFT == 0) & (RIGHT == 4)] = 0.3
    no, words = np.zeros(PAIRS, bool), np.full(PAIRS, "", object)
    judged = Judged(probability, probability, probability, np.ones(PAIRS), no, no, words, words, no, words)
    told = Told(np.zeros(NODES, np.int64), family, pa.table({}))
    night = Night(judged, told, probability >= LEAST, ("crm",) * NODES)
    assert looked_at(connection, night, ())[2] == []
    # A link that may join them asks for what lies between them, and the rest speaks against it.
    probability[(LEFT == 0) & (RIGHT == 4)] = 0.9
    assert sum(looked_at(connection, night, ())[2]) == 15
