"""What is known of one pair that was explained, and how it is said, in the terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The terminal says these words also where nothing is explained, and Splink takes long to load.
    from pipelines.linkage.said import RoleValues
    from pipelines.linkage.waterfall import Waterfall

VERDICTS = {
    "linked": "Together: the pair itself is as probable as the cut asks.",
    "through_others": "Together through other records: the mean over all pairs of both sides reaches the cut.",
    "rule": "Together by a deterministic rule.",
    "joined_by_decision": "Together by a steward's decision.",
    "vetoed": "Apart: never-evidence keeps the two sides apart, whatever else speaks for them.",
    "split_by_decision": "Apart by a steward's decision.",
    "name_alone": "Apart: the names merely resemble and nothing else joins them.",
    "cut_by_clustering": "Apart: probable enough alone, but the mean over all pairs of both sides is below the cut.",
    "below_cut": "Apart: the pair and the mean over all pairs of both sides are below the cut.",
    "one_source": "Apart: a source that has no duplicates holds both, or records on both sides; these never join.",
    "not_blocked": "Apart: no blocking rule brings the two together, and no chain of likely pairs either.",
    "component_cut": "Apart: the component that held both was too large and was cut between them.",
    "no_chain": "Apart: compared and unlikely, and no chain of likely pairs leads from one to the other.",
}
"""What decided the cluster, in a sentence."""

DECIDED_BY = {
    "relation": "by the relation model",
    "splink": "by Splink's probability",
    "name_alone": "held below any cut: the names merely resemble and nothing else joins them",
    "never": "never-evidence: two values that one person cannot have",
}
"""What a pair's same-person probability rests on, in words."""

GENERIC = "A generic value, or the address it is of, belongs to too many names: it counts for nothing."
"""Stands under values of which one is marked as generic."""

_LAYERS = {"cluster_model": "model", "cluster_rules": "rules", "cluster_final": "final"}
MOST_MEMBERS = 5
"""Records of a side that are named."""


@dataclass(frozen=True)
class Sides:
    """The groups that met last before both records would share one."""

    left_records: tuple[str, ...]
    """``source:record_id`` of the members on the left record's side."""
    right_records: tuple[str, ...]
    pairs: int
    mean_weight: float | None
    forbidden_pairs: int


@dataclass(frozen=True)
class Explanation:
    """All that decided about one pair. ``values`` and ``compared`` hold what the records say."""

    left: str
    right: str
    model: str
    generation_id: str
    generation_kind: str
    waterfall: Waterfall
    same_person_probability: float
    decided_by: str
    relations: Mapping[str, float]
    """Probability of each kind of relation; empty where Splink's probability decides alone."""
    rules: tuple[str, ...]
    """Blocking rules that bring the pair, the surest first; the first is its ``blocked_by``."""
    cut: float
    cut_weight: float
    review_probability: float
    same_cluster: Mapping[str, bool | None]
    """By layer; None where the layer is not known."""
    verdict: str
    sides: Sides | None
    """None where no chain of likely pairs leads from one to the other."""
    through: str | None
    """The one record that speaks most for both, where the pair alone is below the cut."""
    values: tuple[RoleValues, ...]
    settings: Mapping[str, Any]
    scored: Mapping[str, Any]
    """The row of ``score_pairs``."""
    compared: tuple[Mapping[str, Any], Mapping[str, Any]]
    """The two rows of table ``people``: what was compared."""

    def as_dict(self, *, values: bool = False) -> dict[str, Any]:
        """Plain values; what the records say only with ``values``."""
        plain = asdict(self)
        for name in ("settings", "scored", "compared"):
            del plain[name]
        if not values:
            del plain["values"]
        return {**plain, "blocked": bool(self.rules), "because": VERDICTS[self.verdict]}


def judgement(found: Explanation) -> dict[str, str]:
    """What was made of the pair, and in which generation: name → words."""
    by = DECIDED_BY.get(found.decided_by, found.decided_by)
    if found.decided_by == "relation" and not found.rules:
        # Neither model knows pairs that blocking does not bring: both are asked.
        by += " and Splink together"
    kinds = ", ".join(f"{kind} {p:.3f}" for kind, p in kinds_of(found))
    blocked = "no rule: scored only where a component holds both"
    if found.rules:
        first, *others = (rule.replace("_", " ") for rule in found.rules)
        blocked = first + (f"; also {', '.join(others)}" if others else "")
    same = (
        f"{_LAYERS[layer]} {'–' if is_same is None else 'yes' if is_same else 'no'}"
        for layer, is_same in found.same_cluster.items()
    )
    return {
        "same person": f"{found.same_person_probability:.4f} {by}; cut {found.cut:g}",
        "relation": kinds or "the relation model is not used for these records",
        "blocked by": blocked,
        "same cluster": ", ".join(same),
        "generation": f"{found.generation_id}, {found.model} model, {found.generation_kind}",
    }


def kinds_of(found: Explanation) -> list[tuple[str, float]]:
    """The kinds of relation in words with their probability, the likeliest first."""
    ranked = sorted(found.relations.items(), key=lambda item: -item[1])
    return [(kind.replace("_", " "), probability) for kind, probability in ranked]


def meeting_of(found: Explanation) -> list[str]:
    """The step of average linkage at which the two records' sides met, a line each; the first is the step."""
    sides = found.sides
    if sides is None:
        return []
    mean = "no pair may join" if sides.mean_weight is None else f"mean {sides.mean_weight:+.2f} bits"
    plural = "" if sides.pairs == 1 else "s"
    lines = [f"{sides.pairs:,} pair{plural} between two sides, {mean}, cut {found.cut_weight:+.2f}"]
    if sides.forbidden_pairs:
        lines.append(f"{sides.forbidden_pairs:,} of the pairs never go together")
    for key, members in ((found.left, sides.left_records), (found.right, sides.right_records)):
        others = [member for member in members if member != key]
        more = f" … {len(others):,} in all" if len(others) > MOST_MEMBERS else ""
        lines.append(f"  with {key}: {', '.join(others[:MOST_MEMBERS]) + more if others else 'nobody else'}")
    if found.through:
        lines.append(f"  {found.through} is as probable with both as the cut asks")
    return lines
