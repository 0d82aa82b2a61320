"""Identity quality as a trend: what each measure is called, tonight's value, and the nights before."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.ops import charts
from pipelines.ops.pages import count, percent

if TYPE_CHECKING:
    from markupsafe import Markup

    from pipelines.ops.summary import MeasureValue

SHARE, WHOLE, BITS = "share", "whole", "bits"
CALLED: dict[tuple[str, str], tuple[str, str]] = {
    ("id_jitter", "all"): ("Id jitter: records with another customer than the night before", SHARE),
    ("id_jitter", "merge"): ("… by a merge", SHARE),
    ("id_jitter", "split"): ("… by a split", SHARE),
    ("id_jitter", "reassign"): ("… by a move to another customer", SHARE),
    ("revenue_jitter", "all"): ("Revenue jitter: net revenue with customers whose id changed", SHARE),
    ("over_clustering", "all"): ("Over-clustering: customers that hold what two people would", SHARE),
    ("over_clustering", "given_names"): ("… more than three given names", SHARE),
    ("over_clustering", "surnames"): ("… more than three sets of surnames", SHARE),
    ("over_clustering", "postal_codes"): ("… more than five postal codes", SHARE),
    ("over_clustering", "birth_dates"): ("… two birth dates", SHARE),
    ("over_clustering", "tax_ids"): ("… two valid tax ids", SHARE),
    ("under_clustering", "all"): ("Under-clustering: a name with a key in several customers", SHARE),
    ("under_clustering", "name_email"): ("… name and e-mail", SHARE),
    ("under_clustering", "name_phone"): ("… name and phone", SHARE),
    ("under_clustering", "name_address"): ("… name and address", SHARE),
    ("precision_estimate", "all"): ("Precision by judged pairs", SHARE),
    ("precision_estimate", "low"): ("… lower end of its 95 % interval", SHARE),
    ("recall_estimate", "all"): ("Recall by judged pairs, of what was compared", SHARE),
    ("recall_estimate", "low"): ("… lower end of its 95 % interval", SHARE),
    ("weakest_link", "all"): ("Weakest link that holds a customer together", BITS),
    ("weakest_link", "p01"): ("… of the loosest hundredth", BITS),
    ("largest_customer", "all"): ("Records of the largest customer", WHOLE),
    ("p99_customer", "all"): ("… of the largest hundredth", WHOLE),
    ("customers_over_64", "all"): ("Customers of more than 64 records", SHARE),
    ("records_over_64", "all"): ("… their share of the records", SHARE),
    ("customers_over_500", "all"): ("Customers of more than 500 records", SHARE),
    ("records_over_500", "all"): ("… their share of the records", SHARE),
    ("cross_source", "all"): ("Cross-source rate: customers of two sources or more", SHARE),
    ("consolidation", "all"): ("Consolidation rate (a trend, not a quality)", SHARE),
}
"""(measure, part) → what a reader is told, and how the figure is written, in the order of the report."""


@dataclass(frozen=True)
class Trend:
    """One line of the report."""

    name: str
    tonight: str
    before: str
    """The night before; a dash where none has the measure."""
    line: Markup | None
    """The nights so far; None where there is one only."""


def shown(value: float | None, kind: str) -> str:
    """A figure as its kind is written.

    >>> shown(0.00512, "share"), shown(3.0, "whole"), shown(-1.25, "bits"), shown(None, "share")
    ('0.51 %', '3', '-1.2 bits', '–')
    """
    if value is None:
        return "–"
    return {SHARE: percent(value, 2), WHOLE: count(round(value)), BITS: f"{value:.1f} bits"}[kind]


def trends(values: Iterable[MeasureValue], nights: int) -> list[Trend]:
    """The measures that the newest night has, each with at most ``nights`` nights."""
    by_measure: dict[tuple[str, str], list[tuple[str, float]]] = {}
    newest = ""
    for m in sorted(values, key=lambda m: m.business_date):
        by_measure.setdefault((m.measure, m.part), []).append((m.business_date, m.value))
        newest = m.business_date
    found = []
    for key, (name, kind) in CALLED.items():
        points = by_measure.get(key, [])[-nights:]
        if not points or points[-1][0] != newest:
            continue
        before = points[-2][1] if points[1:] else None
        told = [(day, shown(value, kind)) for day, value in points]
        line = charts.spark([v for _, v in points], told) if points[1:] else None
        found.append(Trend(name, shown(points[-1][1], kind), shown(before, kind), line))
    return found


def tonights(values: Iterable[MeasureValue] | None, measure: str) -> float | None:
    """The newest night's value of a measure's part ``all``; None where that night does not have it."""
    rows = list(values or ())
    newest = max((m.business_date for m in rows), default="")
    return next(
        (m.value for m in rows if (m.business_date, m.measure, m.part) == (newest, measure, "all")), None
    )
