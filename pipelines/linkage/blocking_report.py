"""What the blocking rules of a model cost and bring, as its training measured it.

The figures are about the training and decide nothing: a generation carries them beside its content,
and they are no part of what is hashed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.linkage.splink_counts import SplinkCounts

Json = dict[str, Any]


@dataclass(frozen=True)
class RuleGain:
    """What a rule brings after the rules before it, a record of the party type."""

    rule: str
    comparisons: float
    """Comparisons that no rule before it makes."""
    matches: float
    """Likely matches that no rule before it finds, each counted with its probability."""
    share: float
    """``matches`` among all likely matches that any rule tried finds."""
    uncapped: float | None = None
    """``comparisons`` by Splink's count: of blocks whole, however large, where padron subdivides them. None
    where nobody asked, or the training had a sample of blocks only."""


@dataclass(frozen=True)
class RuleLine:
    """A rule's figures as people read them, scaled to all records of the party type."""

    rule: str
    comparisons: int
    per_record: float
    matches: int
    """New likely matches."""
    share: float
    together: float
    """Share of all likely matches that this rule and those before it find."""
    uncapped: int | None
    """Comparisons by Splink's count, of blocks as they are; None where it was not counted."""


@dataclass(frozen=True)
class BlockingReport:
    """The rules of one party type's model in their order, measured on a trial."""

    gains: tuple[RuleGain, ...]
    recall: float | None
    """Estimated share of the true pairs that all rules together find, at most; None where too few were found."""
    tried: int
    """Rules that were there to choose from; those of ``gains`` alone where they were given."""
    records: int
    """Records of the party type."""
    trial: int
    """Records that were compared with all others by every rule."""
    budget: float
    """Comparisons a record that the rules may spend together."""
    splink_share: float | None = None
    """Share of the records from which Splink's counts are; None where it did not count."""

    @property
    def comparisons(self) -> float:
        """Comparisons a record of all rules together."""
        return sum(gain.comparisons for gain in self.gains)

    @property
    def budget_used(self) -> float:
        """``comparisons`` as a share of the budget; above 1 only where the rules were given."""
        return self.comparisons / self.budget

    def lines(self) -> list[RuleLine]:
        """The figures of each rule, in their order."""
        found, together = [], 0.0
        for gain in self.gains:
            together += gain.share
            found.append(
                RuleLine(
                    gain.rule,
                    round(gain.comparisons * self.records),
                    gain.comparisons,
                    round(gain.matches * self.records),
                    gain.share,
                    together,
                    None if gain.uncapped is None else round(gain.uncapped * self.records),
                )
            )
        return found

    def with_counts(self, counted: SplinkCounts | None) -> BlockingReport:
        """The report with Splink's counts of its rules; as it is where Splink could not count."""
        if counted is None:
            return self
        gains = tuple(
            replace(gain, uncapped=count / self.records)
            for gain, count in zip(self.gains, counted.comparisons, strict=True)
        )
        return replace(self, gains=gains, splink_share=counted.share)

    def as_json(self) -> Json:
        return {**asdict(self), "gains": [asdict(gain) for gain in self.gains]}

    @classmethod
    def from_json(cls, plain: Json) -> BlockingReport:
        return cls(**{**plain, "gains": tuple(RuleGain(**gain) for gain in plain["gains"])})
