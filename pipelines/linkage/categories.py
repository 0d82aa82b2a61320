"""Columns of any other kind: categories (occupation, birth place, gender) and free text.

Nobody knows what they are about, so their comparisons are plain ones and training says what they are
worth; the profiles of the relation model follow from the same values.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.linkage.config import is_open
from pipelines.linkage.levels import Comparison, Level

CHANCE_KINDS = ("namesake", "other")
"""Kinds of relation in which two records share a category by chance only."""


def category(role: str) -> Comparison:
    """Equal, with the frequency of the value; misspelt; or another value."""
    return Comparison(
        role,
        f"{role}_l IS NULL OR {role}_r IS NULL",
        (
            Level("equal", f"{role}_l = {role}_r", 0.85, 0.1, role),
            Level("misspelt", f"jaro_winkler_similarity({role}_l, {role}_r) >= 0.92", 0.03, 0.01),
            Level("different", None, 0.12, 0.89),
        ),
    )


def free_text(role: str) -> Comparison:
    """How many of the words of both texts they share (Jaccard)."""
    left, right = f"{role}_tokens_l", f"{role}_tokens_r"
    shared = f"len(list_intersect({left}, {right}))"

    def at_least(share: float) -> str:
        return f"{shared} >= {share} * (len({left}) + len({right}) - {shared})"

    return Comparison(
        role,
        f"{role}_l IS NULL OR {role}_r IS NULL",
        (
            Level("equal", f"{role}_l = {role}_r", 0.3, 0.01),
            Level("most words", at_least(0.6), 0.15, 0.01),
            Level("some words", at_least(0.25), 0.2, 0.08),
            Level("different", None, 0.35, 0.9),
        ),
    )


def open_comparisons(roles: Iterable[str]) -> tuple[Comparison, ...]:
    """The comparisons of the categories and texts among ``roles``, by name."""
    return tuple(
        category(role) if role.startswith("category_") else free_text(role)
        for role in sorted(roles)
        if is_open(role)
    )


def profile(comparison: Comparison, kind: str, same: str) -> tuple[float, ...]:
    """Share of each level in a kind of relation: one person by m, strangers by u, kin between them.

    One person's category is mostly the same whatever EM made of it: where names are all that there
    is beside it, EM alone takes namesakes for one person and learns an m without any say.
    """
    share = 1.0 if kind == same else 0.0 if kind in CHANCE_KINDS else 0.25
    starter = next((c for c in open_comparisons([comparison.role]) if _alike(c, comparison)), comparison)
    return tuple(
        share * first.m + (1 - share) * level.u
        for first, level in zip(starter.levels, comparison.levels, strict=True)
    )


def _alike(one: Comparison, other: Comparison) -> bool:
    return [level.condition for level in one.levels] == [level.condition for level in other.levels]
