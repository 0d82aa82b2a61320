"""What an EM session may not teach: it ended somewhere that no true pair is.

EM divides the pairs of a blocking rule in two kinds, and finds two whether or not one of them is
pairs of one person. Where it took next to no pair for a match, or where agreeing came out as a
sign against one person, what it calls m is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pipelines.linkage.levels import Comparison

LEAST_TRUE_PAIRS = 10.0
"""Matches that a session must have found for its m to be more than chance."""
MOST_PRIOR = 0.2
"""Share of all pairs that deterministic rules may take for matches: beyond, random pairs are no chance pairs."""

Shares = dict[str, dict[str, float]]


def has_no_true_pair(true_pairs: float) -> bool:
    """True where the session found too few matches to learn from."""
    return not true_pairs >= LEAST_TRUE_PAIRS


def without_reversed(
    m: Shares, u: Mapping[str, Mapping[str, float]], comparisons: Sequence[Comparison]
) -> tuple[Shares, list[str]]:
    """``m`` without the roles whose strongest level speaks against a match, and these roles."""
    reversed_roles = []
    for comparison in comparisons:
        strongest = comparison.levels[0].name
        seen = m.get(comparison.role, {}).get(strongest)
        if seen is not None and seen < u[comparison.role][strongest]:
            reversed_roles.append(str(comparison.role))
    return {role: levels for role, levels in m.items() if role not in reversed_roles}, reversed_roles
