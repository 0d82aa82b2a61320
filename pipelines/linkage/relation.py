"""What kind of relation a candidate pair is: the same person, a household, namesakes, or nothing.

Splink's u comes from random pairs, so members of one household and namesakes, which are what
blocking brings, look like matches to it. A second expectation maximisation over the comparison
patterns of the candidate pairs themselves, with one class a kind of relation, corrects that
without labels. A class starts from, and is held near, the profile of its kind: one person rarely
has two incompatible given names, a household mostly has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.categories import CHANCE_KINDS, profile
from pipelines.linkage.comparisons import MODELS, comparisons_of, is_shipped
from pipelines.linkage.levels import Comparison
from pipelines.linkage.relation_profiles import BY_CHANCE, OTHER, PROFILES, SAME, SHARES

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

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
LEAST_PATTERNS = 3
"""Distinct patterns a class from which classes can be told apart."""
LEAST_OF_SPLINK = 0.25
"""The class of one person keeps at least this part of what Splink believes, or the fit is not used."""


@dataclass(frozen=True)
class Relations:
    """The classes of one party type: fitted, or the profiles alone."""

    model: str
    shares: Mapping[str, float]
    """Share of each class among all candidate pairs; a pair that no rule found counts with it."""
    levels: Mapping[str, Mapping[str, tuple[float, ...]]]
    """Share of each level, the strongest first, by class and role."""
    rarity: Mapping[str, float]
    """What is taken off the rarity of each role, in bits, so that it speaks for no class on the whole."""
    converged: bool
    trusted: bool
    """False where the fit says less than Splink's model alone: Splink's probability then decides."""
    doubt: str | None = None
    """Why it is not trusted, as the end of a sentence about it."""

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
            "doubt": self.doubt,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Relations:
        """The classes that ``as_json`` gave."""
        levels = {k: {r: tuple(v) for r, v in roles.items()} for k, roles in plain["levels"].items()}
        return cls(
            plain["model"],
            plain["shares"],
            levels,
            plain["rarity"],
            plain["converged"],
            plain["trusted"],
            plain.get("doubt"),
        )


def starter_relations(model: str, comparisons: Sequence[Comparison]) -> Relations:
    """The classes by their profiles alone, for data too small to fit.

    A comparison that is not the role's own one (a category, one of conf/linkage.yml) has no profile
    here: it follows from its m and u.
    """
    levels = {
        kind: {c.role: known[c.role] if is_shipped(model, c) else profile(c, kind, SAME) for c in comparisons}
        for kind, known in PROFILES[model].items()
    }
    return Relations(model, SHARES[model], levels, {}, converged=False, trusted=True)


def no_relations(model: str) -> Relations:
    """No classes at all: Splink's probability decides."""
    return Relations(model, {}, {}, {}, converged=False, trusted=False)


def _roles(model: str, scored: pa.Table) -> list[str]:
    known = [c.role for c in MODELS[model] if f"gamma_{c.role}" in scored.column_names]
    names = sorted(name.removeprefix("gamma_") for name in scored.column_names if name.startswith("gamma_"))
    return known + [name for name in names if name not in known]


def _by_chance(model: str, kind: str, scored: pa.Table) -> list[str]:
    """Roles that agree by chance in a kind, as far as the pairs have their rarity."""
    known = {c.role for c in MODELS[model]}
    others = [role for role in _roles(model, scored) if role not in known] if kind in CHANCE_KINDS else []
    roles = (*BY_CHANCE[model].get(kind, ()), *others)
    return [role for role in roles if f"rarity_{role}" in scored.column_names]


def _gammas(scored: pa.Table, roles: list[str]) -> Ints:
    columns = [scored[f"gamma_{role}"].to_numpy().astype(np.int64) for role in roles]
    return np.stack(columns, axis=1) if columns else np.zeros((scored.num_rows, 0), np.int64)


def _rarity_shift(model: str, scored: pa.Table) -> dict[str, float]:
    """Bits to take off each role's rarity.

    Frequencies count an entity once a record, so a true pair's value looks more frequent than it
    is. With the shift, the factor by which chance explains an agreement is one on average.
    """
    shift = {}
    for role in sorted({role for kind in BY_CHANCE[model] for role in _by_chance(model, kind, scored)}):
        rarity = scored[f"rarity_{role}"].to_numpy()
        agreeing = rarity[rarity != 0]
        if len(agreeing):
            shift[role] = -float(np.log2(np.exp2(-agreeing).mean()))
    return {role: float(f"{bits:.9g}") for role, bits in shift.items()}


def _chance(model: str, scored: pa.Table, kinds: list[str], shift: Mapping[str, float]) -> Floats:
    """Natural-log evidence against each class from agreeing on rare values, by pair."""
    against = np.zeros((scored.num_rows, len(kinds)))
    for k, kind in enumerate(kinds):
        for role in _by_chance(model, kind, scored):
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
    is kept. It is not trusted where there is none, where it does not settle, where it makes the pairs no
    likelier than Splink's model alone, or where there are too few patterns to tell classes apart.
    """
    roles = _roles(model, scored)
    kinds = list(PROFILES[model])
    start = starter_relations(model, comparisons_of(dict(settings)))
    if scored.num_rows == 0:
        return start
    shift = _rarity_shift(model, scored)
    patterns = _patterns(scored, roles, _chance(model, scored, kinds, shift))
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
    by_profile, _ = _posterior(_log_likelihood(patterns.gammas, tables, shares) + patterns.offsets)
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
    doubt = _doubt(best, alone, patterns, len(kinds))
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
        np.concatenate([_gammas(scored, roles), steps], axis=1),
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


def _doubt(fit: _Fit, alone: float, patterns: _Patterns, kinds: int) -> str | None:
    """Why the fit is not to be trusted. ``alone``: log-likelihood of the pairs by Splink's model."""
    distinct = len(np.unique(patterns.gammas, axis=0))
    if distinct < LEAST_PATTERNS * kinds:
        return f"has only {distinct} patterns to tell {kinds} classes apart by"
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
        posterior, likelihood = _posterior(_log_likelihood(patterns.gammas, tables, shares) + offsets)
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
        posterior, likelihood = _posterior(_log_likelihood(gammas, tables, shares) + patterns.offsets)
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


def evidence(relations: Relations, scored: pa.Table, role: str) -> Floats:
    """Bits that a role says by itself for one person against two of all records, by pair; 0 where unknown.

    Chance has the true pairs taken out of it, and a rare value counts for more.
    """
    levels = relations.levels[SAME][role], relations.levels[OTHER][role]
    bits = np.log2(np.array(levels[0]) / np.array(levels[1]))[::-1]
    gamma = scored[f"gamma_{role}"].to_numpy().astype(np.int64)
    found: Floats = np.where(gamma >= 0, bits[np.maximum(gamma, 0)], 0.0)
    if role in _by_chance(relations.model, OTHER, scored):
        rarity = scored[f"rarity_{role}"].to_numpy()
        found = found + np.where(rarity != 0, rarity - relations.rarity.get(role, 0.0), 0.0)
    return found


def informed(relations: Relations, scored: pa.Table) -> Floats:
    """Part of the evidence that one person's records would give, by pair: the rest is not known on both sides.

    A role counts with the bits that it says on average of two records of one person. All of it where the
    fit is not trusted.
    """
    if not relations.trusted:
        return np.ones(scored.num_rows)
    found, whole = np.zeros(scored.num_rows), 0.0
    for role in _roles(relations.model, scored):
        same, other = (np.array(relations.levels[kind][role]) for kind in (SAME, OTHER))
        bits = float(same @ np.log2(same / other))
        found += np.where(scored[f"gamma_{role}"].to_numpy() >= 0, bits, 0.0)
        whole += bits
    return found / whole if whole > 0 else np.ones(scored.num_rows)


def classify(relations: Relations, scored: pa.Table) -> tuple[Floats, npt.NDArray[np.object_]]:
    """The probability that each pair is one person, and the likeliest kind of relation.

    Where the fit is not trusted: Splink's probability, and no relation.
    """
    if not relations.trusted:
        return np.array(scored["match_probability"].to_numpy(), np.float64), np.full(scored.num_rows, None)
    kinds, posterior = posteriors(relations, scored)
    names = np.array(kinds, dtype=object)
    return posterior[:, kinds.index(SAME)], names[posterior.argmax(axis=1)]
