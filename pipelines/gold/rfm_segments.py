"""The names that scores lead to: R×F segments, value tiers, stages of life."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, product
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from datetime import date

    from pyspark.sql import Column

    from pipelines.gold.config import LifecycleDays


@dataclass(frozen=True)
class Segment:
    """A rectangle of the 25 cells of recency and frequency scores."""

    name: str
    name_es: str
    recency: tuple[int, ...]
    frequency: tuple[int, ...]


SEGMENTS = (
    Segment("Champions", "Campeones", (5,), (4, 5)),
    Segment("Loyal", "Leales", (3, 4), (4, 5)),
    Segment("Potential loyalist", "Leales potenciales", (4, 5), (2, 3)),
    Segment("New", "Nuevos", (5,), (1,)),
    Segment("Promising", "Prometedores", (4,), (1,)),
    Segment("About to sleep", "A punto de dormirse", (3,), (1, 2)),
    Segment("At risk", "En riesgo", (1, 2), (3, 4)),
    Segment("Can't lose", "No podemos perderlos", (1, 2), (5,)),
    Segment("Hibernating", "Hibernando", (1, 2), (1, 2)),
    Segment("Need attention", "Requieren atención", (3,), (3,)),
)
INACTIVE = Segment("inactive", "Inactivos", (), ())
PROSPECT = Segment("prospect", "Prospectos", (), ())
CELLS = {(r, f): s.name for s in SEGMENTS for r, f in product(s.recency, s.frequency)}
SPANISH = {s.name: s.name_es for s in (*SEGMENTS, INACTIVE, PROSPECT)}
TIERS = ("Low", "Medium", "Bronze", "Silver", "Gold", "Platinum")
"""Value tiers by score of the metric ``value_tier``, 1 to 6."""


def _looked_up(key: Column, names: dict[str, str]) -> Column:
    pairs = F.create_map(*[F.lit(text) for text in chain.from_iterable(names.items())])
    return F.try_element_at(pairs, key)


def segment(r_score: Column, f_score: Column) -> Column:
    """The segment's English name; NULL where a score is."""
    cell = F.concat(r_score.cast("string"), f_score.cast("string"))
    return _looked_up(cell, {f"{r}{f}": name for (r, f), name in CELLS.items()})


def in_spanish(name: Column) -> Column:
    """The segment's Spanish name; NULL where the name is."""
    return _looked_up(name, SPANISH)


def value_tier(score: Column) -> Column:
    """The tier's name by its score (1 … 6); NULL where the score is."""
    return F.get(F.array(*[F.lit(tier) for tier in TIERS]), score - 1)


def lifecycle(
    first_order_on: Column, last_order_on: Column, days: LifecycleDays, business_date: date
) -> Column:
    """new, active, lapsed, dormant by days since the first and the last order; prospect without one."""
    since_first = F.date_diff(F.lit(business_date), first_order_on)
    since_last = F.date_diff(F.lit(business_date), last_order_on)
    return (
        F.when(last_order_on.isNull(), "prospect")
        .when(since_first <= days.new, "new")
        .when(since_last <= days.active, "active")
        .when(since_last <= days.lapsed, "lapsed")
        .otherwise("dormant")
    )
