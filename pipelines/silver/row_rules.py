"""Rules about single rows that a project adds: a row that breaks one is quarantined with the rule's code."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.column_types import element_of

if TYPE_CHECKING:
    from pyspark.sql import Column


@dataclass(frozen=True)
class RowRule:
    """What a column of a target must be in every row that a source delivers."""

    target: str
    """customer_records, orders …"""
    column: str
    """A column that a source's map may name."""
    reason: str
    """The code in silver/quarantine, such as ``not_between_amount``."""
    keeps: Callable[[Column, str], Column]
    """True for a value that keeps the rule, by its column and type; NULL where it cannot be said."""

    def broken(self, value: Column, kind: str) -> Column:
        """True where ``value`` breaks the rule; of a list where one of it does. What cannot be said is kept."""
        of_one = element_of(kind)
        if of_one is not None:
            kept = F.forall(value, lambda one: F.coalesce(self.keeps(one, of_one), F.lit(True)))
            return ~F.coalesce(kept, self.keeps(value, kind), F.lit(True))
        return ~F.coalesce(self.keeps(value, kind), F.lit(True))
