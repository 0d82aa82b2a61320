"""Classes of relation without a name: for settings of a user's own, whose comparisons nobody knows.

What is known is Splink's m and u. One class is held near m (one person), one is every pair there is with
the levels of u (all else), and the classes between find what goes together beyond that: several
comparisons that differ, or agree, at once more often than each by itself explains. What such a class is,
a household or people who moved, nothing in the pairs says; Splink's own belief in its pairs does, on the
whole: above two thirds it counts as one person, below one third as others, and between Splink's word on each pair stands.

The classes and Splink's weight are two opinions on the same evidence, and count the same: log-odds are averaged
(a logarithmic opinion pool).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage.relation import (
    Floats,
    Relations,
    against_chance,
    likelihoods_of,
    posterior_of,
    roles_of,
)
from pipelines.linkage.relation_em import (
    ANCHOR,
    LEAST_ANCHOR,
    LEAST_OF_SPLINK,
    Fit,
    Patterns,
    doubt_about,
    fitted,
    learnt,
    patterns_of,
    rarity_shift,
    relations_of,
    roles_by_chance,
    single_stage,
)
from pipelines.linkage.relation_profiles import OTHER, SAME

BETWEEN = ("unnamed_1", "unnamed_2", "unnamed_3")
"""The classes beside one person and all else."""
STARTS = 3
TRIAL = 100
"""Rounds after which the likeliest start alone goes on."""
ROUNDS = 2_000
"""Without profiles the fit settles slowly."""
WORK = 10_000_000
"""Patterns times rounds at most, of all starts together and once more of the one that goes on; what has not settled
by then is not used."""
LEAST_TRIAL = 10
"""Rounds that each start has however many the patterns are."""
LEAST_SAID = 0.1
"""Percent of the candidate pairs from which a class is worth a word."""
UNDECIDED = (1 / 3, 2 / 3)
"""Splink's belief in the pairs of a class, on the whole: below, it counts as others, above as one person."""


def fit_unnamed(
    model: str, scored: pa.Table, settings: Mapping[str, Any], all_pairs: float, seed: int
) -> Relations:
    """Fit classes without names to scored candidate pairs (columns of ``score_pairs`` with level numbers).

    ``settings``: with m and u; ``all_pairs``: the pairs that there are among the records. Expectation
    maximisation starts ``STARTS`` times from levels drawn by ``seed`` around the mean of m and u, and as often from
    pairs dealt out among the classes; the likeliest after at most ``TRIAL`` rounds goes on to the end. It is not trusted,
    and Splink's probability decides alone, where the pairs have no more patterns than the classes have figures to
    fit, where it does not settle, where it loses what Splink believes in, or where it makes the pairs no likelier
    than Splink's model alone, its figures paid for.
    """
    roles, kinds = roles_of(model, scored), [SAME, *BETWEEN, OTHER]
    shift = rarity_shift(roles_by_chance(model, kinds, scored), scored)
    patterns = patterns_of(scored, roles, against_chance(model, scored, kinds, shift))
    figures = _figures(settings, roles)
    # Rarity is no pattern: it speaks against all else only, and tells no class of the others from another.
    distinct = len(np.unique(patterns.gammas, axis=0))
    if distinct <= figures:
        few = f"has too few patterns, {distinct:,} for the {figures:,} figures of its classes"
        return Relations(model, {}, {}, {}, converged=False, trusted=False, doubt=few)
    m, u = (learnt(settings, roles, f"{side}_probability") for side in ("m", "u"))
    middle = [(one + other) / 2 for one, other in zip(m, u, strict=True)]
    anchors = [m, *[middle] * len(BETWEEN), u]
    near_m = max(LEAST_ANCHOR, ANCHOR * scored.num_rows)
    strengths = [near_m, *[LEAST_ANCHOR] * len(BETWEEN), LEAST_ANCHOR]
    ends, per_candidate = (0, len(kinds) - 1), all_pairs / scored.num_rows

    def go_on(posterior: Floats, rounds: int) -> Fit:
        return fitted(patterns, posterior, anchors, strengths, u, ends, per_candidate, rounds)

    count = len(patterns.counts)
    trial = max(LEAST_TRIAL, min(TRIAL, WORK // (2 * STARTS * count)))
    tried = [go_on(first, trial) for first in _starts(patterns, m, middle, u, per_candidate, seed)]
    promising = max(tried, key=lambda fit: fit.likelihood)
    rounds = max(TRIAL, min(ROUNDS, WORK // count))
    best = go_on(promising.posterior, rounds)
    beliefs = dict(zip(kinds, best.beliefs(patterns), strict=True))
    persons = tuple(name for name in BETWEEN if beliefs[name] > UNDECIDED[1])
    undecided = tuple(name for name in BETWEEN if UNDECIDED[0] <= beliefs[name] <= UNDECIDED[1])
    believed = patterns.counts * patterns.splink
    kept = believed @ best.posterior[:, [kind in (SAME, *persons) for kind in kinds]].sum(axis=1)
    keeps_person = beliefs[SAME] > UNDECIDED[1] and kept >= LEAST_OF_SPLINK * believed.sum()
    doubt = doubt_about(
        converged=best.converged,
        keeps_person=bool(keeps_person),
        # More figures always make the pairs likelier; so much of it they must pay for (Schwarz's criterion).
        likelihood=best.likelihood - figures / 2 * float(np.log(scored.num_rows)),
        alone=single_stage(patterns, [m, u], ends, per_candidate),
        rounds=rounds,
    )
    found = relations_of(model, best, kinds, roles, shift, doubt)
    return replace(found, persons=persons, undecided=undecided)


def _starts(
    patterns: Patterns,
    m: list[Floats],
    middle: list[Floats],
    u: list[Floats],
    per_candidate: float,
    seed: int,
) -> list[Floats]:
    """Probability of each class by pattern, to start from: ``STARTS`` of each way."""
    random, starts = np.random.default_rng(seed), []
    between = [(1 - patterns.share) / len(BETWEEN)] * len(BETWEEN)
    shares = np.array([patterns.share, *between, per_candidate])
    believed = patterns.splink[:, None]
    for _ in range(STARTS):
        drawn = [[(random.dirichlet(np.ones(len(t))) + t) / 2 for t in middle] for _ in BETWEEN]
        by_levels, _ = posterior_of(
            likelihoods_of(patterns.gammas, [m, *drawn, u], shares) + patterns.offsets
        )
        # Where one person's levels explain nearly every pair, only a class that is dealt pairs finds what else there is.
        dealt = random.dirichlet(np.ones(1 + len(BETWEEN)), size=len(patterns.counts))
        starts += [by_levels, np.concatenate([dealt * believed, 1 - believed], axis=1)]
    return starts


def _figures(settings: Mapping[str, Any], roles: list[str]) -> int:
    """What is fitted: shares of classes, but for all else, and of the levels in each, which make one."""
    levels = sum(len(table) - 1 for table in learnt(settings, roles, "m_probability"))
    return (1 + len(BETWEEN)) * (levels + 1)


def in_words(relations: Relations) -> str:
    """The classes between one person and all else, with their share of the candidate pairs.

    >>> in_words(Relations("mine", {"unnamed_1": 0.2}, {}, {}, True, True, persons=("unnamed_1",)))
    'unnamed_1 (20.0 % of the candidate pairs, counted as one person)'
    """
    said = []
    for name in BETWEEN:
        percent = 100 * relations.shares.get(name, 0.0)
        if percent >= LEAST_SAID:
            counts = "one person" if name in relations.persons else "others"
            counts = "what Splink says" if name in relations.undecided else counts
            said.append(f"{name} ({percent:.1f} % of the candidate pairs, counted as {counts})")
    return ", ".join(said) or "none beside one person and all else"
