"""The gates on the quality of the customer ids: how much they moved, what they mix, what they leave apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.gold.measures import MEASURES
from pipelines.ops.gates import Verdict, graded, verdict

if TYPE_CHECKING:
    from datetime import date

    import pyarrow as pa

    from pipelines.config import Project
    from pipelines.stages import Inputs


@dataclass(frozen=True)
class Measured:
    """A measure of one part tonight, and its value in the night before that has it."""

    value: float
    numerator: float | None
    denominator: float | None
    before: float | None

    @property
    def rows(self) -> int:
        """What the value rests on."""
        return int(self.denominator or 0)

    def trend(self, places: int = 2) -> str:
        """`` (0.12 % the night before)``; nothing where no night has it."""
        return "" if self.before is None else f" ({self.before:.{places}%} the night before)"


def measured(measures: pa.Table | None, business_date: date) -> dict[tuple[str, str], Measured]:
    """Tonight's rows of gold/measures by (measure, part)."""
    rows = [] if measures is None else sorted(measures.to_pylist(), key=lambda row: row["business_date"])
    before = {(r["measure"], r["part"]): r["value"] for r in rows if r["business_date"] < business_date}
    return {
        (r["measure"], r["part"]): Measured(
            r["value"], r["numerator"], r["denominator"], before.get((r["measure"], r["part"]))
        )
        for r in rows
        if r["business_date"] == business_date
    }


def identity_quality(inputs: Inputs) -> list[Verdict]:
    """``id_jitter``, ``revenue_jitter``, ``two_tax_ids``, ``over_clustering``, ``residual_duplicates``,
    ``precision_estimate``."""
    night = inputs.night
    found = measured(inputs.arrow(MEASURES), night.business_date)
    return judge(inputs.settings.project, found, adopts=night.generation is not None)


def _parts(found: dict[tuple[str, str], Measured], measure: str) -> dict[str, Measured]:
    """What a measure is split into."""
    return {part: m for (name, part), m in sorted(found.items()) if name == measure and part != "all"}


def _counts(found: dict[tuple[str, str], Measured], measure: str) -> str:
    """``merge 12, split 3``."""
    parts = _parts(found, measure).items()
    return ", ".join(f"{part.replace('_', ' ')} {int(m.numerator or 0):,}" for part, m in parts)


def judge(project: Project, found: dict[tuple[str, str], Measured], *, adopts: bool = False) -> list[Verdict]:
    """The verdicts on a night's measures; of what was not measured there is none.

    ``adopts``: the night adopts a generation. Somebody agreed to what it changes (the gate
    ``generation``), so ids that move may warn and do not stop it.
    """
    verdicts: list[Verdict] = []
    ids = found.get(("id_jitter", "all"))
    if ids is not None:
        split = _counts(found, "id_jitter")
        verdicts += graded(
            project,
            "id_jitter",
            value=ids.value,
            rows=ids.rows,
            message=f"{ids.value:.2%} of {ids.rows:,} records changed their customer ({split})"
            f"{ids.trend()}; identity/events has each with its cause.",
            may_fail=not adopts,
        )
    money = found.get(("revenue_jitter", "all"))
    if money is not None:
        parts = [f"{part} {m.value:.2%}" for part, m in _parts(found, "revenue_jitter").items()]
        verdicts += graded(
            project,
            "revenue_jitter",
            value=money.value,
            rows=money.rows,
            message=f"{money.value:.2%} of net revenue is with customers whose id changed"
            f" ({', '.join(parts)}){money.trend()}; identity/events has the cause.",
            may_fail=not adopts,
        )
    tax_ids = found.get(("over_clustering", "tax_ids"))
    if tax_ids is not None:
        verdicts += verdict(
            project,
            "two_tax_ids",
            value=tax_ids.numerator or 0,
            bound=0,
            message=f"{int(tax_ids.numerator or 0):,} customers hold two different valid tax ids of one kind: "
            "two people in one id. Look for a rule or a decision that joins them.",
        )
    mixed = found.get(("over_clustering", "all"))
    if mixed is not None:
        why = _counts(found, "over_clustering")
        verdicts += graded(
            project,
            "over_clustering",
            value=mixed.value,
            rows=mixed.rows,
            message=f"{mixed.value:.2%} of {mixed.rows:,} customers hold what two people would ({why}){mixed.trend()}. "
            "Look at the trend in the report; `padron explain` shows why two records are one.",
        )
    left = found.get(("under_clustering", "all"))
    if left is not None:
        verdicts += graded(
            project,
            "residual_duplicates",
            value=left.value,
            rows=left.rows,
            message=f"for each 100 names with one e-mail, phone or address in one customer, {100 * left.value:.1f} "
            f"stand in several{left.trend(1)}. Look at the trend in the report; compare another generation.",
        )
    return [*verdicts, *_precision(project, found)]


def _precision(project: Project, found: dict[tuple[str, str], Measured]) -> list[Verdict]:
    """What may be wrong at the most, by the pairs that stewards judged; none where nobody did."""
    said, low, high, gone = (found.get(("precision_estimate", p)) for p in ("all", "low", "high", "left_out"))
    if said is None or low is None or high is None:
        return []
    left_out = ""
    if gone is not None and gone.numerator:
        left_out = f"; {gone.numerator:,.0f} of {gone.rows:,} pairs changed since and are left out"
    return graded(
        project,
        "precision_estimate",
        value=1 - low.value,
        rows=low.rows,
        message=f"{said.value:.2%} of the pairs in one customer are right, 95 % interval {low.value:.2%} to "
        f"{high.value:.2%}, by {low.rows:,} judged pairs{left_out}{said.trend()}. "
        "Read the wrong ones of the sample and decide them.",
    )
