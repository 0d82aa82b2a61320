"""Fitting the kinds of relation to candidate pairs: the second expectation maximisation.

A class starts from, and is held near, the profile of its kind: one person rarely has two incompatible
given names, a household mostly has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage.comparisons import comparisons_of
from pipelines.linkage.relation import (
    Relations,
    against_chance,
    likelihoods_of,
    posterior_of,
    roles_of,
    starter_relations,
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
from pipelines.linkage.relation_profiles import BY_CHANCE, OTHER, PROFILES, SAME

LEAST_RIVAL = 0.05
"""Share of the candidate pairs from which a class can be the one that Splink believes in."""


def fit_relations(model: str, scored: pa.Table, settings: Mapping[str, Any], records: int) -> Relations:
    """Fit the classes of one party type to scored candidate pairs (columns of ``score_pairs``).

    The class of all else is not fitted: it is every pair of the ``records``, with the levels that
    random pairs have (the u of ``settings``). What blocking picked from them is no matter then: as many
    as chance makes of a pattern are in it, however few the candidates that are no match.

    Expectation maximisation starts twice: from the profiles, and from what Splink believes of each
    pair. Of the outcomes whose class of one person is the one that Splink believes in most, the likelier
    is kept. It is not trusted where there is none, where it does not settle, or where it makes the pairs no
    likelier than Splink's model alone. Few patterns are no reason not to: the profiles hold what they leave open.
    """
    roles = roles_of(model, scored)
    kinds = list(PROFILES[model])
    start = starter_relations(model, comparisons_of(dict(settings)))
    if scored.num_rows == 0:
        return start
    shift = rarity_shift(roles_by_chance(model, list(BY_CHANCE[model]), scored), scored)
    patterns = patterns_of(scored, roles, against_chance(model, scored, kinds, shift))
    # Level numbers count from the weakest up; tables are held in that order while fitting.
    anchors = [[np.array(start.levels[kind][role])[::-1] for role in roles] for kind in kinds]
    observed = learnt(settings, roles, "u_probability")
    shares = np.array([start.shares[kind] for kind in kinds])
    same, other = kinds.index(SAME), kinds.index(OTHER)
    shares *= (1 - patterns.share) / (shares.sum() - shares[same])
    shares[same] = patterns.share
    shares[other] = records * (records - 1) / 2 / scored.num_rows
    tables = [[t / t.sum() for t in row] for row in anchors]
    tables[other] = [t.copy() for t in observed]
    by_profile, _ = posterior_of(likelihoods_of(patterns.gammas, tables, shares) + patterns.offsets)
    rest = by_profile.copy()
    rest[:, same] = 0
    rest *= ((1 - patterns.splink) / np.maximum(rest.sum(axis=1), 1e-300))[:, None]
    by_splink = rest
    by_splink[:, same] = patterns.splink
    strengths = [max(LEAST_ANCHOR, ANCHOR * scored.num_rows)] * len(kinds)
    fits = [
        fitted(patterns, posterior, anchors, strengths, observed, (same, other), shares[other])
        for posterior in (by_profile, by_splink)
    ]
    best = max(fits, key=lambda fit: (_keeps_person(fit, patterns, same), fit.likelihood))
    m = learnt(settings, roles, "m_probability")
    doubt = doubt_about(
        converged=best.converged,
        keeps_person=_keeps_person(best, patterns, same),
        likelihood=best.likelihood,
        alone=single_stage(patterns, [m, observed], (same, other), shares[other]),
    )
    return relations_of(model, best, kinds, roles, shift, doubt)


def _keeps_person(fit: Fit, patterns: Patterns, same: int) -> bool:
    """Whether the class of one person is what Splink believes in, and has not lost most of it."""
    mass, mean = fit.masses(patterns), fit.beliefs(patterns)
    rivals = (np.arange(len(mass)) != same) & (mass >= LEAST_RIVAL * mass.sum())
    keeps = mass[same] >= LEAST_OF_SPLINK * (patterns.counts @ patterns.splink)
    return bool(keeps and (mean[same] >= mean[rivals]).all())
