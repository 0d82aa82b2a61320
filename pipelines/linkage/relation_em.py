"""Expectation maximisation over comparison patterns: what the named and the unnamed classes of relation share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage.relation import (
    Floats,
    Ints,
    Relations,
    chance_roles,
    gammas_of,
    likelihoods_of,
    posterior_of,
)

LEAST_SHARE = 0.01
"""Of one person, or of all else, among the candidate pairs, to start from."""
ITERATIONS = 200
LIKELIHOOD_GAIN = 1e-7
ANCHOR = 0.02
"""Weight of a profile against the pairs of its class, as a share of all candidate pairs."""
LEAST_ANCHOR = 20.0
LEAST_OF_U = 0.02
"""Part of u that remains at least when true pairs are taken out of it."""
LEAST_LEVEL = 1e-9
"""Share of a level at least: no pair rules a class out by itself."""
LEAST_OF_SPLINK = 0.25
"""What counts as one person keeps at least this part of what Splink believes, or the fit is not used."""


def rarity_shift(roles: Sequence[str], scored: pa.Table) -> dict[str, float]:
    """Bits to take off the rarity of each of the ``roles``.

    Frequencies count an entity once a record, so a true pair's value looks more frequent than it
    is. With the shift, the factor by which chance explains an agreement is one on average.
    """
    shift = {}
    for role in sorted(set(roles)):
        rarity = scored[f"rarity_{role}"].to_numpy()
        agreeing = rarity[rarity != 0]
        if len(agreeing):
            shift[role] = -float(np.log2(np.exp2(-agreeing).mean()))
    return {role: float(f"{bits:.9g}") for role, bits in shift.items()}


def roles_by_chance(model: str, kinds: Sequence[str], scored: pa.Table) -> list[str]:
    """Roles that agree by chance in one of the ``kinds``."""
    return [role for kind in kinds for role in chance_roles(model, kind, scored)]


def learnt(settings: Mapping[str, Any], roles: Sequence[str], what: str) -> list[Floats]:
    """Splink's m or u of each level, the weakest first, by role; sum 1. ``what``: m_probability, u_probability."""
    known = {c["output_column_name"]: c["comparison_levels"] for c in settings["comparisons"]}
    found = []
    for role in roles:
        values = np.array(
            [level[what] for level in known[role] if not level.get("is_null_level")], np.float64
        )
        values = np.maximum(values / values.sum(), LEAST_LEVEL)
        found.append(np.array([float(f"{value:.9g}") for value in values])[::-1])
    return found


@dataclass(frozen=True)
class Patterns:
    """Distinct comparison patterns: how often each stands, and what Splink believes of its pairs."""

    gammas: Ints
    offsets: Floats
    """Natural-log evidence against each class from agreeing on rare values."""
    counts: Ints
    splink: Floats

    @property
    def pairs(self) -> int:
        return int(self.counts.sum())

    @property
    def share(self) -> float:
        """Share of one person among the pairs, as Splink believes, to start from."""
        believed = float(self.splink @ self.counts) / self.pairs
        return float(np.clip(believed, LEAST_SHARE, 1 - LEAST_SHARE))


def patterns_of(scored: pa.Table, roles: list[str], against: Floats) -> Patterns:
    """The patterns of scored pairs; ``against``: of ``relation.against_chance``."""
    # Rarity in steps of one bit keeps the number of patterns far below the number of pairs.
    steps = np.round(against / np.log(2)).astype(np.int64)
    patterns, number, counts = np.unique(
        np.concatenate([gammas_of(scored, roles), steps], axis=1),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    believed = np.bincount(number.ravel(), scored["match_probability"].to_numpy(), minlength=len(counts))
    return Patterns(
        patterns[:, : len(roles)],
        patterns[:, len(roles) :] * np.log(2),
        counts,
        np.asarray(believed / counts, np.float64),
    )


@dataclass(frozen=True)
class Fit:
    """Classes after expectation maximisation."""

    tables: list[list[Floats]]
    """Share of each level, the weakest first, by class and comparison."""
    shares: Floats
    likelihood: float
    converged: bool
    posterior: Floats
    """Probability of each class, by pattern."""

    def masses(self, patterns: Patterns) -> Floats:
        """Pairs in each class."""
        mass: Floats = patterns.counts @ self.posterior
        return mass

    def beliefs(self, patterns: Patterns) -> Floats:
        """What Splink believes of a pair of each class, on the whole."""
        believed: Floats = (patterns.counts * patterns.splink) @ self.posterior
        return believed / np.maximum(self.masses(patterns), 1.0)


def fitted(
    patterns: Patterns,
    posterior: Floats,
    anchors: list[list[Floats]],
    strengths: Sequence[float],
    observed: list[Floats],
    ends: tuple[int, int],
    all_pairs: float,
    rounds: int = ITERATIONS,
) -> Fit:
    """Expectation maximisation from the classes' first shares of each pattern.

    ``anchors``: the profile of each class, and how many pairs it counts for (``strengths``); ``observed``:
    the levels of random pairs; ``ends``: the numbers of the classes of one person and of all else;
    ``all_pairs``: pairs of records a candidate.
    """
    gammas, counts, pairs = patterns.gammas, patterns.counts, patterns.pairs
    same, other = ends
    before, converged = -np.inf, False
    for _ in range(rounds):
        weights = posterior * counts[:, None]
        mass = weights.sum(axis=0) + 1.0
        shares = mass / pairs
        tables = [
            [_shares_of(gammas[:, c], weights[:, k], strength * anchor) for c, anchor in enumerate(row)]
            for k, (row, strength) in enumerate(zip(anchors, strengths, strict=True))
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
    return Fit(tables, shares, total, converged, posterior)


def single_stage(
    patterns: Patterns, tables: list[list[Floats]], ends: tuple[int, int], all_pairs: float
) -> float:
    """Log-likelihood of the pairs by Splink's model: one person or not, with its m and u (``tables``).

    Only the share of one person is fitted, as the classes' shares are.
    """
    counts, offsets = patterns.counts, patterns.offsets[:, list(ends)]
    pairs, total = patterns.pairs, -np.inf
    shares = np.array([LEAST_SHARE, all_pairs])
    for _ in range(ITERATIONS):
        posterior, likelihood = posterior_of(likelihoods_of(patterns.gammas, tables, shares) + offsets)
        before, total = total, float((likelihood * counts).sum() - pairs * shares[0])
        if abs(total - before) < LIKELIHOOD_GAIN * abs(total):
            break
        shares[0] = max(float(counts @ posterior[:, 0]) / pairs, LEAST_SHARE)
    return total


def doubt_about(
    *, converged: bool, keeps_person: bool, likelihood: float, alone: float, rounds: int = ITERATIONS
) -> str | None:
    """Why a fit is not to be trusted. ``alone``: log-likelihood of the pairs by Splink's model."""
    if not converged:
        return f"had not settled after {rounds:,} rounds"
    if not keeps_person:
        return "lost the class of one person"
    if likelihood <= alone:
        return "makes the pairs no likelier than Splink's model does"
    return None


def relations_of(
    model: str,
    fit: Fit,
    kinds: Sequence[str],
    roles: Sequence[str],
    shift: Mapping[str, float],
    doubt: str | None,
) -> Relations:
    """A fit as a generation keeps it: rounded to nine digits, levels the strongest first."""
    return Relations(
        model,
        {kind: float(f"{share:.9g}") for kind, share in zip(kinds, fit.shares, strict=True)},
        {kind: _rounded(tables, roles) for kind, tables in zip(kinds, fit.tables, strict=True)},
        shift,
        converged=fit.converged,
        trusted=doubt is None,
        doubt=doubt,
    )


def _rounded(tables: Sequence[Floats], roles: Sequence[str]) -> dict[str, tuple[float, ...]]:
    return {
        role: tuple(float(f"{value:.9g}") for value in table[::-1])
        for role, table in zip(roles, tables, strict=True)
    }


def _unmatched(u: Floats, m: Floats, share: float) -> Floats:
    """Levels of random pairs that are not one person: u without the ``share`` of true pairs in it.

    In small data, or where people have many records, most random pairs that agree on a birth date or an
    e-mail are true ones; counted as chance they would take the evidence away.
    """
    left = np.maximum(u - share * m, LEAST_OF_U * u)
    found: Floats = left / left.sum()
    return found


def _shares_of(gamma: Ints, weights: Floats, anchor: Floats) -> Floats:
    known = gamma >= 0
    raw = np.bincount(gamma[known], weights[known], minlength=len(anchor)) + anchor
    found: Floats = raw / raw.sum()
    return found
