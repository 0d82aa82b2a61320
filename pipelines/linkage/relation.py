"""What kind of relation a candidate pair is: the same person, a household, namesakes, or nothing.

Splink's u comes from random pairs, so members of one household and namesakes, which are what
blocking brings, look like matches to it. Classes of relation, fitted to the candidate pairs themselves
(``relation_fit``; without names ``unnamed``), correct that without labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.categories import CHANCE_KINDS, profile
from pipelines.linkage.comparisons import MODELS, is_shipped
from pipelines.linkage.levels import Comparison
from pipelines.linkage.relation_profiles import BY_CHANCE, OTHER, PROFILES, SAME, SHARES

LEAST_OPINION = 1e-12
"""No opinion counts as nearer to 0 or 1 than this."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


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
    persons: tuple[str, ...] = ()
    """Of classes without names those that count as one person, beside the one that is."""
    undecided: tuple[str, ...] = ()
    """Those that may be either: Splink's word on each pair stands there."""

    @property
    def is_unnamed(self) -> bool:
        """True where nobody knows what the comparisons are about, so that classes have no profiles."""
        return self.model not in PROFILES

    @property
    def kinds(self) -> list[str]:
        """The classes in the order of the profiles, not of a file's keys: sums must not differ in the last digit."""
        return sorted(self.shares) if self.is_unnamed else list(PROFILES[self.model])

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
            # Only where there is one: generations of before it was known keep their digest.
            **({} if self.doubt is None else {"doubt": self.doubt}),
            **({"persons": list(self.persons)} if self.persons else {}),
            **({"undecided": list(self.undecided)} if self.undecided else {}),
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
            tuple(plain.get("persons", ())),
            tuple(plain.get("undecided", ())),
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


def roles_of(model: str, scored: pa.Table) -> list[str]:
    """The comparisons that the pairs have, a party type's own ones first."""
    known = [c.role for c in MODELS.get(model, ()) if f"gamma_{c.role}" in scored.column_names]
    names = sorted(name.removeprefix("gamma_") for name in scored.column_names if name.startswith("gamma_"))
    return known + [name for name in names if name not in known]


def chance_roles(model: str, kind: str, scored: pa.Table) -> list[str]:
    """Roles that agree by chance in a kind, as far as the pairs have their rarity."""
    known = {c.role for c in MODELS.get(model, ())}
    others = [role for role in roles_of(model, scored) if role not in known] if kind in CHANCE_KINDS else []
    roles = (*BY_CHANCE.get(model, {}).get(kind, ()), *others)
    return [role for role in roles if f"rarity_{role}" in scored.column_names]


def gammas_of(scored: pa.Table, roles: list[str]) -> Ints:
    """The level that each pair reached, a column a role; 0 the weakest, -1 unknown."""
    columns = [scored[f"gamma_{role}"].to_numpy().astype(np.int64) for role in roles]
    return np.stack(columns, axis=1) if columns else np.zeros((scored.num_rows, 0), np.int64)


def against_chance(model: str, scored: pa.Table, kinds: list[str], shift: Mapping[str, float]) -> Floats:
    """Natural-log evidence against each class from agreeing on rare values, by pair."""
    against = np.zeros((scored.num_rows, len(kinds)))
    for k, kind in enumerate(kinds):
        for role in chance_roles(model, kind, scored):
            rarity = scored[f"rarity_{role}"].to_numpy()
            against[:, k] -= np.where(rarity != 0, rarity - shift.get(role, 0.0), 0.0) * np.log(2)
    return against


def likelihoods_of(gammas: Ints, tables: list[list[Floats]], shares: Floats) -> Floats:
    """log(share × likelihood) of each class (a column each), by pattern (a row each); an unknown comparison says nothing.

    ``gammas``: patterns × comparisons. ``tables``: shares of the levels, the weakest first, by class and comparison.
    """
    total = np.tile(np.log(shares), (len(gammas), 1))
    for c in range(gammas.shape[1]):
        said = np.log(np.array([table[c] for table in tables])).T
        # The row after the last level is that of -1, a comparison that is unknown.
        total += np.vstack([said, np.zeros(len(shares))]).take(gammas[:, c], axis=0)
    return total


def posterior_of(log_likelihood: Floats) -> tuple[Floats, Floats]:
    """Probability of each class, and the log likelihood of all classes together, by pattern."""
    top = log_likelihood.max(axis=1, keepdims=True)
    weights = np.exp(log_likelihood - top)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, (top + np.log(sums))[:, 0]


def posteriors(relations: Relations, scored: pa.Table) -> tuple[list[str], Floats]:
    """The kinds of relation, and the probability of each by pair (columns of ``score_pairs``)."""
    kinds = relations.kinds
    roles = roles_of(relations.model, scored)
    tables = [[np.array(relations.levels[kind][role])[::-1] for role in roles] for kind in kinds]
    shares = np.array([relations.shares[kind] for kind in kinds])
    likelihoods = likelihoods_of(gammas_of(scored, roles), tables, shares)
    posterior, _ = posterior_of(
        likelihoods + against_chance(relations.model, scored, kinds, relations.rarity)
    )
    return kinds, posterior


def evidence(relations: Relations, scored: pa.Table, role: str) -> Floats:
    """Bits that a role says by itself for one person against two of all records, by pair; 0 where unknown.

    Chance has the true pairs taken out of it, and a rare value counts for more.
    """
    levels = relations.levels[SAME][role], relations.levels[OTHER][role]
    bits = np.log2(np.array(levels[0]) / np.array(levels[1]))[::-1]
    gamma = scored[f"gamma_{role}"].to_numpy().astype(np.int64)
    found: Floats = np.where(gamma >= 0, bits[np.maximum(gamma, 0)], 0.0)
    if role in chance_roles(relations.model, OTHER, scored):
        rarity = scored[f"rarity_{role}"].to_numpy()
        found = found + np.where(rarity != 0, rarity - relations.rarity.get(role, 0.0), 0.0)
    return found


def informed(relations: Relations, scored: pa.Table) -> Floats:
    """Part of the evidence that one person's records would give, by pair: the rest is not known on both sides.

    A role counts with the bits that it says on average of two records of one person. All of it where the
    fit is not trusted, or its classes have no names: what is missing there counts for nothing, as in Splink.
    """
    if not relations.trusted or relations.is_unnamed:
        return np.ones(scored.num_rows)
    found, whole = np.zeros(scored.num_rows), 0.0
    for role in roles_of(relations.model, scored):
        same, other = (np.array(relations.levels[kind][role]) for kind in (SAME, OTHER))
        bits = float(same @ np.log2(same / other))
        found += np.where(scored[f"gamma_{role}"].to_numpy() >= 0, bits, 0.0)
        whole += bits
    return found / whole if whole > 0 else np.ones(scored.num_rows)


def classify(relations: Relations, scored: pa.Table) -> tuple[Floats, npt.NDArray[np.object_]]:
    """The probability that each pair is one person, and the likeliest kind of relation.

    Where the fit is not trusted: Splink's probability, and no relation. Where its classes have no names:
    their probability and Splink's, pooled.
    """
    if not relations.trusted:
        return np.array(scored["match_probability"].to_numpy(), np.float64), np.full(scored.num_rows, None)
    kinds, posterior = posteriors(relations, scored)
    likeliest = np.array(kinds, dtype=object)[posterior.argmax(axis=1)]
    if not relations.is_unnamed:
        return posterior[:, kinds.index(SAME)], likeliest
    splink = scored["match_probability"].to_numpy()
    one_person = posterior[:, [kind == SAME or kind in relations.persons for kind in kinds]].sum(axis=1)
    undecided = posterior[:, [kind in relations.undecided for kind in kinds]].sum(axis=1)
    return pooled(one_person + undecided * splink, splink), likeliest


def pooled(one: Floats, other: Floats) -> Floats:
    """Two opinions on the same evidence as one probability: the mean of their log-odds.

    >>> pooled(np.array([0.5, 0.9]), np.array([0.5, 0.1])).round(3).tolist()
    [0.5, 0.5]
    """
    sides = [np.clip(side, LEAST_OPINION, 1 - LEAST_OPINION) for side in (one, other)]
    odds = np.sqrt(np.prod([side / (1 - side) for side in sides], axis=0))
    found: Floats = odds / (1 + odds)
    return found
