"""What a comparison is: the levels of agreement of one role, with the starter model's m and u."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """One level of agreement, the strongest first; ``condition`` None is everything else."""

    name: str
    condition: str | None
    m: float
    u: float
    frequency_of: str | None = None
    """The column whose value's frequency corrects u: agreeing on a rare value says more."""
    frequency_weight: float = 1.0
    """How much of that correction counts, 0 to 1."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of one role: which columns must be there and its levels."""

    role: str
    missing: str
    """SQL that holds where one side does not know."""
    levels: tuple[Level, ...]
