"""Precision and recall with an interval, from a stratified sample of pairs that stewards judged.

``judged`` draws the curve over cuts from what one linkage holds in memory; here the clusters that were released
are judged, from counts of strata alone. Every pair has one stratum, and a stratum is all inside clusters or all
between them. Recall is of the pairs that linkage kept or put together: what blocking never brought is outside.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 5_000
LEAST_SPREAD = 0.1
"""Standard deviation that every stratum is reckoned with: a model that is sure may be wrong."""
LEAST_SAMPLED = 2
"""Pairs of a stratum of its own; smaller ones are drawn together."""


@dataclass(frozen=True)
class Stratum:
    """Pairs that are drawn together."""

    name: str
    group: str
    """Wider class, which stands in where the stratum has few judged pairs: never both inside and between clusters."""
    is_inside: bool
    """True where each pair shares a cluster."""
    pairs: int
    expected: float
    """Mean probability that a pair is a match, by the model; it steers how many are drawn, and nothing else."""


@dataclass(frozen=True)
class Judged:
    """What stewards said of a stratum's pairs."""

    stratum: Stratum
    labelled: int
    matches: int


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval."""

    value: float | None
    """None where nobody judged what would tell: the interval is then 0 to 1."""
    low: float
    high: float


UNKNOWN = Share(None, 0.0, 1.0)


@dataclass(frozen=True)
class Estimate:
    """Quality of the released clusters."""

    precision: Share
    """Share of the pairs inside clusters that are matches."""
    recall: Share
    """Share of the matches, among kept pairs and those inside clusters, that are inside."""
    labelled: int
    pairs: int
    """Pairs that the sample stands for."""


def allocate(strata: Sequence[Stratum], wanted: int) -> dict[str, int]:
    """How many pairs of each stratum to judge, about ``wanted`` in all: more where more pairs and doubt are."""
    if not strata:
        return {}
    spread = np.array(
        [s.pairs * max(LEAST_SPREAD, float(np.sqrt(s.expected * (1 - s.expected)))) for s in strata]
    )
    share = wanted * spread / spread.sum()
    return {
        s.name: min(s.pairs, max(LEAST_SAMPLED, round(float(n)))) for s, n in zip(strata, share, strict=True)
    }


def merged(strata: Sequence[Stratum], wanted: int) -> dict[str, str]:
    """The stratum that each is drawn with: its own, or ``<group>, others`` where it is too small for that."""
    given = allocate(strata, wanted)
    total = sum(given.values())
    # Each stratum takes two pairs at least; where there are too many strata for that, the small ones go together.
    spread = {
        s.name: s.pairs * max(LEAST_SPREAD, float(np.sqrt(s.expected * (1 - s.expected)))) for s in strata
    }
    whole = sum(spread.values())
    return {
        s.name: s.name
        if total <= wanted or wanted * spread[s.name] / whole >= LEAST_SAMPLED
        else f"{s.group}, others"
        for s in strata
    }


def estimate(judged: Sequence[Judged], seed: int = 0) -> Estimate:
    """Weighted precision and recall; each judged pair stands for the pairs of its stratum.

    The interval is that of a binomial share (Jeffreys) at the number of judged pairs that a simple random sample
    would need for the same variance; a stratum's variance is reckoned with its group's share, so that a few
    pairs which agree prove little. Recall is ``UNKNOWN`` where nothing between clusters was judged. Raises
    ValueError where nothing inside clusters was.
    """
    if not any(j.labelled for j in judged if j.stratum.is_inside):
        raise ValueError("no judged pair lies inside a cluster")
    dice = np.random.default_rng(seed)
    inside = [j for j in judged if j.stratum.is_inside]
    between = [j for j in judged if not j.stratum.is_inside]
    right, right_draws = _matches(inside, dice)
    missed, missed_draws = _matches(between, dice)
    made = sum(j.stratum.pairs for j in inside)
    precision = _share(right / made, right_draws / made)
    recall = UNKNOWN
    if any(j.labelled for j in between):
        found = right_draws / np.maximum(right_draws + missed_draws, 1e-12)
        recall = _share(right / (right + missed) if right + missed else 1.0, found)
    return Estimate(precision, recall, sum(j.labelled for j in judged), sum(j.stratum.pairs for j in judged))


def _share(value: float, draws: Floats) -> Share:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Share(value, min(float(low), value), max(float(high), value))


def _matches(judged: Sequence[Judged], dice: np.random.Generator) -> tuple[float, Floats]:
    """Matches among the strata's pairs: the estimate, and draws of what they may be."""
    total = sum(j.stratum.pairs for j in judged)
    labelled = sum(j.labelled for j in judged)
    if not total or not labelled:
        # Nobody looked: nothing is known but the model's word, which is not asked here.
        return 0.0, np.zeros(DRAWS)
    groups: dict[str, list[Judged]] = defaultdict(list)
    for j in judged:
        groups[j.stratum.group].append(j)
    share = variance = 0.0
    for members in groups.values():
        seen, right = sum(j.labelled for j in members), sum(j.matches for j in members)
        pooled = (right + 1) / (seen + 2)
        for j in members:
            weight = j.stratum.pairs / total
            mean = j.matches / j.labelled if j.labelled else pooled
            left = 1 - j.labelled / j.stratum.pairs
            share += weight * mean
            variance += weight**2 * pooled * (1 - pooled) * left / max(j.labelled, 1)
    smooth = (share * labelled + 1) / (labelled + 2)
    worth = min(smooth * (1 - smooth) / variance, 1e9) if variance > 0 else 1e9
    draws = dice.beta(share * worth + 0.5, (1 - share) * worth + 0.5, DRAWS)
    # Weights that add up to one do so but for their last digits.
    return round(share, 12) * total, draws * total
