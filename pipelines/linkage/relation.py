"""What kind of relation a candidate pair is: the same person, a household, namesakes, or nothing.

Splink's u comes from random pairs, so members of one household and namesakes, which are what
blocking brings, look like matches to it. A second expectation maximisation over the comparison
patterns of the candidate pairs themselves, with one class a kind of relation, corrects that
without labels. A class starts from, and is held near, the profile of its kind: one person rarely
has two incompatible given names, a household mostly has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.comparisons import MODELS

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SAME = "same_person"

PROFILES: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {
    "person": {
        SAME: {
            "given_name": (0.55, 0.22, 0.08, 0.08, 0.02, 0.02, 0.03),
            "surname": (0.85, 0.08, 0.03, 0.04),
            "second_surname": (0.85, 0.06, 0.05, 0.04),
            "birth_date": (0.93, 0.04, 0.01, 0.02),
            "emails": (0.75, 0.05, 0.02, 0.18),
            "phones": (0.80, 0.03, 0.17),
            "tax_id": (0.97, 0.03),
            "postal_code": (0.40, 0.35, 0.10, 0.15),
            "loyalty_id": (0.60, 0.40),
        },
        "household": {
            "given_name": (0.01, 0.02, 0.005, 0.005, 0.005, 0.045, 0.91),
            "surname": (0.60, 0.05, 0.10, 0.25),
            "second_surname": (0.40, 0.05, 0.03, 0.52),
            "birth_date": (0.10, 0.02, 0.03, 0.85),
            "emails": (0.25, 0.02, 0.02, 0.71),
            "phones": (0.40, 0.01, 0.59),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.70, 0.20, 0.05, 0.05),
            "loyalty_id": (0.01, 0.99),
        },
        "parent_child": {
            "given_name": (0.70, 0.15, 0.05, 0.03, 0.02, 0.03, 0.02),
            "surname": (0.93, 0.05, 0.01, 0.01),
            "second_surname": (0.10, 0.03, 0.02, 0.85),
            "birth_date": (0.005, 0.005, 0.005, 0.985),
            "emails": (0.10, 0.05, 0.10, 0.75),
            "phones": (0.40, 0.01, 0.59),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.60, 0.20, 0.10, 0.10),
            "loyalty_id": (0.01, 0.99),
        },
        "namesake": {
            "given_name": (0.60, 0.25, 0.08, 0.03, 0.02, 0.01, 0.01),
            "surname": (0.93, 0.05, 0.01, 0.01),
            "second_surname": (0.05, 0.03, 0.01, 0.91),
            "birth_date": (0.01, 0.01, 0.03, 0.95),
            "emails": (0.02, 0.10, 0.10, 0.78),
            "phones": (0.005, 0.001, 0.994),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.01, 0.04, 0.10, 0.85),
            "loyalty_id": (0.001, 0.999),
        },
        "other": {
            "given_name": (0.05, 0.05, 0.02, 0.01, 0.01, 0.06, 0.80),
            "surname": (0.15, 0.03, 0.07, 0.75),
            "second_surname": (0.03, 0.03, 0.01, 0.93),
            "birth_date": (0.05, 0.02, 0.03, 0.90),
            "emails": (0.02, 0.10, 0.02, 0.86),
            "phones": (0.05, 0.001, 0.949),
            "tax_id": (0.001, 0.999),
            "postal_code": (0.03, 0.25, 0.10, 0.62),
            "loyalty_id": (0.001, 0.999),
        },
    },
    "company": {
        SAME: {
            "company_name": (0.75, 0.15, 0.05, 0.05),
            "tax_id": (0.97, 0.03),
            "emails": (0.70, 0.10, 0.05, 0.15),
            "phones": (0.80, 0.03, 0.17),
            "postal_code": (0.40, 0.35, 0.10, 0.15),
        },
        "related": {
            "company_name": (0.05, 0.05, 0.10, 0.80),
            "tax_id": (0.001, 0.999),
            "emails": (0.40, 0.20, 0.05, 0.35),
            "phones": (0.40, 0.01, 0.59),
            "postal_code": (0.60, 0.20, 0.10, 0.10),
        },
        "other": {
            "company_name": (0.02, 0.03, 0.25, 0.70),
            "tax_id": (0.001, 0.999),
            "emails": (0.01, 0.50, 0.02, 0.47),
            "phones": (0.02, 0.001, 0.979),
            "postal_code": (0.03, 0.10, 0.20, 0.67),
        },
    },
}
"""Share of each level (the strongest first) by kind of relation and role; expert values, from no dataset."""

SHARES: dict[str, dict[str, float]] = {
    "person": {SAME: 0.3, "household": 0.15, "parent_child": 0.05, "namesake": 0.25, "other": 0.25},
    "company": {SAME: 0.3, "related": 0.1, "other": 0.6},
}
"""Share of each kind among candidate pairs, to start from."""

BY_CHANCE: dict[str, dict[str, tuple[str, ...]]] = {
    "person": {
        "household": ("given_name", "birth_date"),
        "parent_child": ("second_surname", "birth_date"),
        "namesake": ("given_name", "surname", "second_surname", "birth_date"),
        "other": ("given_name", "surname", "second_surname", "birth_date"),
    },
    "company": {"related": (), "other": ("company_name",)},
}
"""Roles that agree by chance in a kind: there a rare value speaks against it."""

ITERATIONS = 200
LIKELIHOOD_GAIN = 1e-7
ANCHOR = 0.02
"""Weight of a profile against the pairs of its class, as a share of all candidate pairs."""
LEAST_ANCHOR = 20.0
LEAST_OF_SPLINK = 0.25
"""The class of one person keeps at least this part of what Splink believes, or the fit is not used."""


@dataclass(frozen=True)
class Relations:
    """The classes of one party type: fitted, or the profiles alone."""

    model: str
    shares: Mapping[str, float]
    levels: Mapping[str, Mapping[str, tuple[float, ...]]]
    """Share of each level, the strongest first, by class and role."""
    rarity: Mapping[str, float]
    """What is taken off the rarity of each role, in bits, so that it speaks for no class on the whole."""
    converged: bool
    trusted: bool
    """False where the fit lost the class of one person: Splink's probability then decides."""

    def as_json(self) -> dict[str, Any]:
        """The classes as plain values."""
        levels = {k: {r: list(v) for r, v in roles.items()} for k, roles in self.levels.items()}
        return {
            "model": self.model,
            "shares": dict(self.shares),
            "levels": levels,
            "rarity": dict(self.rarity),
            "converged": self.converged,
            "trusted": self.trusted,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Relations:
        """The classes that ``as_json`` gave."""
        levels = {k: {r: tuple(v) for r, v in roles.items()} for k, roles in plain["levels"].items()}
        return cls(
            plain["model"], plain["shares"], levels, plain["rarity"], plain["converged"], plain["trusted"]
        )


def starter_relations(model: str, roles: list[str]) -> Relations:
    """The classes by their profiles alone, for data too small to fit."""
    profiles = PROFILES[model]
    levels = {kind: {r: profile[r] for r in roles} for kind, profile in profiles.items()}
    return Relations(model, SHARES[model], levels, {}, converged=False, trusted=True)


def _roles(model: str, scored: pa.Table) -> list[str]:
    return [c.role for c in MODELS[model] if f"gamma_{c.role}" in scored.column_names]


def _gammas(scored: pa.Table, roles: list[str]) -> Ints:
    columns = [scored[f"gamma_{role}"].to_numpy().astype(np.int64) for role in roles]
    return np.stack(columns, axis=1) if columns else np.zeros((scored.num_rows, 0), np.int64)


def _rarity_shift(model: str, scored: pa.Table) -> dict[str, float]:
    """Bits to take off each role's rarity.

    Frequencies count an entity once a record, so a true pair's value looks more frequent than it
    is. With the shift, the factor by which chance explains an agreement is one on average.
    """
    shift = {}
    for role in sorted({role for roles in BY_CHANCE[model].values() for role in roles}):
        if f"rarity_{role}" not in scored.column_names:
            continue
        rarity = scored[f"rarity_{role}"].to_numpy()
        agreeing = rarity[rarity != 0]
        if len(agreeing):
            shift[role] = -float(np.log2(np.exp2(-agreeing).mean()))
    return {role: float(f"{bits:.9g}") for role, bits in shift.items()}


def _chance(model: str, scored: pa.Table, kinds: list[str], shift: Mapping[str, float]) -> Floats:
    """Natural-log evidence against each class from agreeing on rare values, by pair."""
    against = np.zeros((scored.num_rows, len(kinds)))
    for k, kind in enumerate(kinds):
        for role in BY_CHANCE[model].get(kind, ()):
            if f"rarity_{role}" in scored.column_names:
                rarity = scored[f"rarity_{role}"].to_numpy()
                against[:, k] -= np.where(rarity != 0, rarity - shift.get(role, 0.0), 0.0) * np.log(2)
    return against


def _log_likelihood(gammas: Ints, tables: list[list[Floats]], shares: Floats) -> Floats:
    """log(share × likelihood) of each class, by pattern; an unknown comparison says nothing."""
    total = np.tile(np.log(shares), (len(gammas), 1))
    for c in range(gammas.shape[1]):
        known = gammas[:, c] >= 0
        for k in range(len(shares)):
            total[known, k] += np.log(tables[k][c])[gammas[known, c]]
    return total


def _posterior(log_likelihood: Floats) -> tuple[Floats, Floats]:
    top = log_likelihood.max(axis=1, keepdims=True)
    weights = np.exp(log_likelihood - top)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, (top + np.log(sums))[:, 0]


def fit_relations(model: str, scored: pa.Table) -> Relations:
    """Fit the classes of one party type to scored candidate pairs (columns of ``score_pairs``)."""
    roles = _roles(model, scored)
    kinds = list(PROFILES[model])
    start = starter_relations(model, roles)
    if scored.num_rows == 0:
        return start
    shift = _rarity_shift(model, scored)
    against = _chance(model, scored, kinds, shift)
    # Rarity in steps of one bit keeps the number of patterns far below the number of pairs.
    steps = np.round(against / np.log(2)).astype(np.int64)
    patterns, counts = np.unique(
        np.concatenate([_gammas(scored, roles), steps], axis=1), axis=0, return_counts=True
    )
    gammas, offsets = patterns[:, : len(roles)], patterns[:, len(roles) :] * np.log(2)
    # Level numbers count from the weakest up; tables are held in that order while fitting.
    anchors = [[np.array(start.levels[kind][role])[::-1] for role in roles] for kind in kinds]
    tables = [[t / t.sum() for t in row] for row in anchors]
    shares = np.array([start.shares[kind] for kind in kinds])
    strength = max(LEAST_ANCHOR, ANCHOR * scored.num_rows)
    believed = float(scored["match_probability"].to_numpy().mean())
    before, converged = -np.inf, False
    for _ in range(ITERATIONS):
        posterior, likelihood = _posterior(_log_likelihood(gammas, tables, shares) + offsets)
        weights = posterior * counts[:, None]
        total = float((likelihood * counts).sum())
        if abs(total - before) < LIKELIHOOD_GAIN * abs(total):
            converged = True
            break
        before = total
        mass = weights.sum(axis=0) + 1.0
        shares = mass / mass.sum()
        for k in range(len(kinds)):
            for c in range(len(roles)):
                known = gammas[:, c] >= 0
                seen = np.bincount(gammas[known, c], weights[known, k], minlength=len(anchors[k][c]))
                raw = seen + strength * anchors[k][c]
                tables[k][c] = raw / raw.sum()
    return Relations(
        model,
        {kind: float(f"{shares[k]:.9g}") for k, kind in enumerate(kinds)},
        {
            kind: {role: tuple(float(f"{v:.9g}") for v in tables[k][c][::-1]) for c, role in enumerate(roles)}
            for k, kind in enumerate(kinds)
        },
        shift,
        converged=converged,
        trusted=bool(shares[kinds.index(SAME)] >= LEAST_OF_SPLINK * believed),
    )


def posteriors(relations: Relations, scored: pa.Table) -> tuple[list[str], Floats]:
    """The kinds of relation, and the probability of each by pair (columns of ``score_pairs``)."""
    # The order of the profiles, not of a file's keys: sums must not differ in the last digit.
    kinds = list(PROFILES[relations.model])
    roles = _roles(relations.model, scored)
    tables = [[np.array(relations.levels[kind][role])[::-1] for role in roles] for kind in kinds]
    shares = np.array([relations.shares[kind] for kind in kinds])
    log_likelihood = _log_likelihood(_gammas(scored, roles), tables, shares)
    posterior, _ = _posterior(log_likelihood + _chance(relations.model, scored, kinds, relations.rarity))
    return kinds, posterior


def classify(relations: Relations, scored: pa.Table) -> tuple[Floats, npt.NDArray[np.object_]]:
    """The probability that each pair is one person, and the likeliest kind of relation.

    Where the fit is not trusted: Splink's probability, and no relation.
    """
    if not relations.trusted:
        return np.array(scored["match_probability"].to_numpy(), np.float64), np.full(scored.num_rows, None)
    kinds, posterior = posteriors(relations, scored)
    names = np.array(kinds, dtype=object)
    return posterior[:, kinds.index(SAME)], names[posterior.argmax(axis=1)]


def pooled(pairs: pa.Table, by_relation: Floats) -> Floats:
    """Probabilities where ``rule`` is negative: the mean of both models' log odds, never above the relation's.

    The relation model knows the pairs that blocking brings, Splink's u the random ones; a pair that
    only its component brings is neither.
    """
    splink = pairs["match_probability"].to_numpy()
    unblocked = pairs["rule"].to_numpy() < 0
    bits = (_bits(by_relation) + _bits(splink)) / 2
    both = np.minimum(by_relation, 1 / (1 + np.exp2(-bits)))
    return np.where(unblocked, both, by_relation)


def _bits(probability: Floats) -> Floats:
    p = np.clip(probability, 1e-12, 1 - 1e-12)
    bits: Floats = np.log2(p / (1 - p))
    return bits
