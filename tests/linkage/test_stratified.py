"""Precision and recall from a sample: right on average, and the interval covers the truth as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.linkage.stratified import UNKNOWN, Judged, Stratum, allocate, estimate, merged

# (group, pairs, expected, true share of matches), inside clusters and between them.
POPULATIONS = {
    "good": (
        [("sure", 9000, 0.99, 0.995), ("likely", 1500, 0.95, 0.96), ("thin", 500, 0.85, 0.8)],
        [("near", 800, 0.5, 0.3), ("far", 4000, 0.15, 0.02)],
    ),
    "perfect": ([("sure", 5000, 0.99, 1.0), ("likely", 500, 0.9, 1.0)], [("far", 3000, 0.2, 0.01)]),
    "poor": ([("sure", 3000, 0.97, 0.9), ("thin", 3000, 0.8, 0.5)], [("near", 3000, 0.5, 0.5)]),
}


def strata(name: str) -> list[tuple[Stratum, float]]:
    """Each group in four strata of unlike sizes and shares, as sources and sizes make them."""
    made = []
    for is_inside, groups in zip((True, False), POPULATIONS[name], strict=True):
        for group, pairs, expected, share in groups:
            for place, part in enumerate((0.5, 0.3, 0.15, 0.05)):
                tilt = 1 - (1 - share) * (0.6, 1.0, 1.6, 3.2)[place]
                stratum = Stratum(f"{group} {place}", group, is_inside, round(pairs * part), expected)
                made.append((stratum, max(0.0, tilt)))
    return made


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("wanted", [120, 400])
def test_the_interval_covers_the_truth(name: str, wanted: int) -> None:
    dice = np.random.default_rng(7)
    population = strata(name)
    times, covered, values = 150, np.zeros(2), np.zeros((150, 2))
    for at in range(times):
        matches = {s.name: int(dice.binomial(s.pairs, share)) for s, share in population}
        given = allocate([s for s, _ in population], wanted)
        judged = [
            Judged(
                s,
                given[s.name],
                int(dice.hypergeometric(matches[s.name], s.pairs - matches[s.name], given[s.name])),
            )
            for s, _ in population
        ]
        right = sum(matches[s.name] for s, _ in population if s.is_inside)
        truth = (
            right / sum(s.pairs for s, _ in population if s.is_inside),
            right / sum(matches.values()),
        )
        found = estimate(judged)
        for place, (share, true) in enumerate(zip((found.precision, found.recall), truth, strict=True)):
            assert share.value is not None
            covered[place] += share.low <= true <= share.high
            values[at, place] = share.value - true
    assert (covered / times >= 0.9).all(), covered / times
    assert np.abs(values.mean(axis=0)).max() < 0.02


def test_more_is_judged_where_more_depends_on_it() -> None:
    large = Stratum("large", "a", True, 10_000, 0.9)
    small = Stratum("small", "a", True, 100, 0.9)
    sure = Stratum("sure", "b", True, 10_000, 0.999)
    given = allocate([large, small, sure], 100)
    assert given["large"] > given["sure"] > given["small"] >= 2
    assert allocate([Stratum("tiny", "a", True, 1, 0.5)], 100) == {"tiny": 1}


def test_strata_too_small_for_the_sample_are_drawn_together() -> None:
    many = [Stratum(f"s{n}", "inside", True, 10, 0.9) for n in range(90)]
    large = Stratum("large", "inside", True, 10_000, 0.9)
    drawn = merged([*many, large], 50)
    assert set(drawn.values()) == {"large", "inside, others"}
    assert set(merged([large], 50).values()) == {"large"}


def test_what_a_person_can_work_out() -> None:
    judged = [
        Judged(Stratum("a", "a", True, 90, 0.9), 90, 90),
        Judged(Stratum("b", "b", True, 10, 0.9), 10, 0),
        Judged(Stratum("c", "c", False, 30, 0.1), 30, 10),
    ]
    found = estimate(judged)
    assert (found.precision.value, found.recall.value) == (0.9, pytest.approx(0.9))
    assert found.precision.high - found.precision.low < 0.001
    with pytest.raises(ValueError, match="inside a cluster"):
        estimate([Judged(Stratum("c", "c", False, 30, 0.1), 30, 10)])


def test_recall_is_unknown_where_no_pair_between_clusters_is_judged() -> None:
    inside = Judged(Stratum("a", "a", True, 90, 0.9), 1, 1)
    unseen = Judged(Stratum("c", "c", False, 3000, 0.1), 0, 0)
    for judged in ([inside, unseen], [inside]):
        assert estimate(judged).recall == UNKNOWN
        assert estimate(judged).precision.value == 1
    assert (UNKNOWN.low, UNKNOWN.high) == (0, 1)
