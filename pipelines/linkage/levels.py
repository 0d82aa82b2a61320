"""What a comparison is: the levels of agreement of one role, with the starter model's m and u."""

from __future__ import annotations

from dataclasses import dataclass

RAREST = 1e-5
"""No value counts as rarer: beyond that it is as likely a slip as a name, and models stay small, for they
carry the more frequent ones."""


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
    least_frequency: float | None = None
    """No value of the column counts as rarer here; None is the model's own floor."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of one role: which columns must be there and its levels."""

    role: str
    missing: str
    """SQL that holds where one side does not know."""
    levels: tuple[Level, ...]
