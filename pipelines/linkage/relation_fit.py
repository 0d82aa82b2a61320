"""Fitting the kinds of relation to candidate pairs: the second expectation maximisation.

A class starts from, and is held near, the profile of its kind: one person rarely has two incompatible
given names, a household mostly has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage.comparisons import comparisons_of
from pipelines.linkage.relation import (
    Floats,
    Ints,
    Relations,
    against_chance,
    chance_roles,
    gammas_of,
    likelihoods_of,
    posterior_of,
    roles_of,
    starter_relations,
)
from pipelines.linkage.relation_profiles import BY_CHANCE, OTHER, PROFILES, SAME

LEAST_SHARE = 0.01
"""Of one person, or of all else, among the candidate pairs, to start from."""
ITERATIONS = 200
LIKELIHOOD_GAIN = 1e-7
ANCHOR = 0.02
"""Weight of a profile against the pairs of its class, as a share of all candidate pairs."""
LEAST_ANCHOR = 20.0
LEAST_OF_U = 0.02
"""Part of u that remains at least when true pairs are taken out of it."""
LEAST_RIVAL = 0.05
"""Share of the candidate pairs from which a class can be the one that Splink believes in."""
LEAST_OF_SPLINK = 0.25
"""The class of one person keeps at least this part of what Splink believes, or the fit is not used."""


def _rarity_shift(model: str, scored: pa.Table) -> dict[str, float]:
    """Bits to take off each role's rarity.

    Frequencies count an entity once a record, so a true pair's value looks more frequent than it
    is. With the shift, the factor by which chance explains an agreement is one on average.
    """
    shift = {}
    for role in sorted({role for kind in BY_CHANCE[model] for role in chance_roles(model, kind, scored)}):
        rarity = scored[f"rarity_{role}"].to_numpy()
        agreeing = rarity[rarity != 0]
        if len(agreeing):
            shift[role] = -float(np.log2(np.exp2(-agreeing).mean()))
    return {role: float(f"{bits:.9g}") for role, bits in shift.items()}


def by_chance(settings: Mapping[str, Any], roles: Sequence[str]) -> dict[str, tuple[float, ...]]:
    """Share of each level among random pairs, the strongest first: Splink's u, by role."""
    return _learnt(settings, roles, "u_probability")


def _learnt(settings: Mapping[str, Any], roles: Sequence[str], what: str) -> dict[str, tuple[float, ...]]:
    """Splink's m or u of each level, the strongest first, by role; sum 1."""
    known = {c["output_column_name"]: c["comparison_levels"] for c in settings["comparisons"]}
    found = {}
    for role in roles:
        values = [level[what] for level in known[role] if not level.get("is_null_level")]
        found[role] = tuple(float(f"{value / sum(values):.9g}") for value in values)
    return found


def _unmatched(u: Floats, m: Floats, share: float) -> Floats:
    """Levels of random pairs that are not one person: u without the ``share`` of true pairs in it.

    In small data, or where people have many records, most random pairs that agree on a birth date or an
    e-mail are true ones; counted as chance they would take the evidence away.
    """
    left = np.maximum(u - share * m, LEAST_OF_U * u)
    found: Floats = left / left.sum()
    return found


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
    shift = _rarity_shift(model, scored)
    patterns = _patterns(scored, roles, against_chance(model, scored, kinds, shift))
    # Level numbers count from the weakest up; tables are held in that order while fitting.
    anchors = [[np.array(start.levels[kind][role])[::-1] for role in roles] for kind in kinds]
    chance = by_chance(settings, roles)
    observed = [np.array(chance[role])[::-1] for role in roles]
    share = float(np.clip(patterns.splink @ patterns.counts / scored.num_rows, LEAST_SHARE, 1 - LEAST_SHARE))
    shares = np.array([start.shares[kind] for kind in kinds])
    same, other = kinds.index(SAME), kinds.index(OTHER)
    shares *= (1 - share) / (shares.sum() - shares[same])
    shares[same] = share
    shares[other] = records * (records - 1) / 2 / scored.num_rows
    tables = [[t / t.sum() for t in row] for row in anchors]
    tables[other] = [t.copy() for t in observed]
    by_profile, _ = posterior_of(likelihoods_of(patterns.gammas, tables, shares) + patterns.offsets)
    rest = by_profile.copy()
    rest[:, same] = 0
    rest *= ((1 - patterns.splink) / np.maximum(rest.sum(axis=1), 1e-300))[:, None]
    by_splink = rest
    by_splink[:, same] = patterns.splink
    fits = [
        _fitted(patterns, posterior, anchors, observed, (same, other), shares[other])
        for posterior in (by_profile, by_splink)
    ]
    best = max(fits, key=lambda fit: (fit.keeps_person, fit.likelihood))
    m = _learnt(settings, roles, "m_probability")
    alone = _single_stage(
        patterns, [[np.array(m[role])[::-1] for role in roles], observed], (same, other), shares[other]
    )
    doubt = _doubt(best, alone)
    return Relations(
        model,
        {kind: float(f"{best.shares[k]:.9g}") for k, kind in enumerate(kinds)},
        {
            kind: {
                role: tuple(float(f"{v:.9g}") for v in best.tables[k][c][::-1])
                for c, role in enumerate(roles)
            }
            for k, kind in enumerate(kinds)
        },
        shift,
        converged=best.converged,
        trusted=doubt is None,
        doubt=doubt,
    )


@dataclass(frozen=True)
class _Patterns:
    """Distinct comparison patterns: how often each stands, and what Splink believes of its pairs."""

    gammas: Ints
    offsets: Floats
    """Natural-log evidence against each class from agreeing on rare values."""
    counts: Ints
    splink: Floats


def _patterns(scored: pa.Table, roles: list[str], against: Floats) -> _Patterns:
    # Rarity in steps of one bit keeps the number of patterns far below the number of pairs.
    steps = np.round(against / np.log(2)).astype(np.int64)
    patterns, number, counts = np.unique(
        np.concatenate([gammas_of(scored, roles), steps], axis=1),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    believed = np.bincount(number.ravel(), scored["match_probability"].to_numpy(), minlength=len(counts))
    return _Patterns(
        patterns[:, : len(roles)],
        patterns[:, len(roles) :] * np.log(2),
        counts,
        np.asarray(believed / counts, np.float64),
    )


@dataclass(frozen=True)
class _Fit:
    tables: list[list[Floats]]
    shares: Floats
    likelihood: float
    converged: bool
    keeps_person: bool
    """Whether the class of one person is what Splink believes in, and has not lost most of it."""


def _doubt(fit: _Fit, alone: float) -> str | None:
    """Why the fit is not to be trusted. ``alone``: log-likelihood of the pairs by Splink's model."""
    if not fit.converged:
        return f"had not settled after {ITERATIONS} rounds"
    if not fit.keeps_person:
        return "lost the class of one person"
    if fit.likelihood <= alone:
        return "makes the pairs no likelier than Splink's model does"
    return None


def _single_stage(
    patterns: _Patterns, tables: list[list[Floats]], ends: tuple[int, int], all_pairs: float
) -> float:
    """Log-likelihood of the pairs by Splink's model: one person or not, with its m and u (``tables``).

    Only the share of one person is fitted, as the classes' shares are.
    """
    counts, offsets = patterns.counts, patterns.offsets[:, list(ends)]
    pairs, total = int(counts.sum()), -np.inf
    shares = np.array([LEAST_SHARE, all_pairs])
    for _ in range(ITERATIONS):
        posterior, likelihood = posterior_of(likelihoods_of(patterns.gammas, tables, shares) + offsets)
        before, total = total, float((likelihood * counts).sum() - pairs * shares[0])
        if abs(total - before) < LIKELIHOOD_GAIN * abs(total):
            break
        shares[0] = max(float(counts @ posterior[:, 0]) / pairs, LEAST_SHARE)
    return total


def _fitted(
    patterns: _Patterns,
    posterior: Floats,
    anchors: list[list[Floats]],
    observed: list[Floats],
    ends: tuple[int, int],
    all_pairs: float,
) -> _Fit:
    """Expectation maximisation from the classes' first shares of each pattern.

    ``anchors``: the profile of each class, ``observed``: the levels of random pairs, ``ends``: the
    numbers of the classes of one person and of all else, ``all_pairs``: pairs of records a candidate.
    """
    gammas, counts = patterns.gammas, patterns.counts
    same, other = ends
    pairs = int(counts.sum())
    strength = max(LEAST_ANCHOR, ANCHOR * pairs)
    before, converged = -np.inf, False
    for _ in range(ITERATIONS):
        weights = posterior * counts[:, None]
        mass = weights.sum(axis=0) + 1.0
        shares = mass / pairs
        tables = [
            [_shares_of(gammas[:, c], weights[:, k], strength * anchor) for c, anchor in enumerate(row)]
            for k, row in enumerate(anchors)
        ]
        matching = float(mass[same] / (all_pairs * pairs))
        shares[other] = all_pairs
        tables[other] = [_unmatched(u, m, matching) for u, m in zip(observed, tables[same], strict=True)]
        posterior, likelihood = posterior_of(likelihoods_of(gammas, tables, shares) + patterns.offsets)
        # All else is as many as it is; the other classes' sizes are fitted, and cost what they hold.
        total = float((likelihood * counts).sum() - pairs * (shares.sum() - all_pairs))
        if abs(total - before) < LIKELIHOOD_GAIN * abs(total):
            converged = True
            break
        before = total
    return _Fit(tables, shares, total, converged, _keeps_person(posterior, patterns, same))


def _shares_of(gamma: Ints, weights: Floats, anchor: Floats) -> Floats:
    known = gamma >= 0
    raw = np.bincount(gamma[known], weights[known], minlength=len(anchor)) + anchor
    found: Floats = raw / raw.sum()
    return found


def _keeps_person(posterior: Floats, patterns: _Patterns, same: int) -> bool:
    mass = patterns.counts @ posterior
    believed = (patterns.counts * patterns.splink) @ posterior
    mean = believed / np.maximum(mass, 1.0)
    rivals = (np.arange(len(mass)) != same) & (mass >= LEAST_RIVAL * mass.sum())
    keeps = mass[same] >= LEAST_OF_SPLINK * (patterns.counts @ patterns.splink)
    return bool(keeps and (mean[same] >= mean[rivals]).all())
