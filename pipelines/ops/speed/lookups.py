"""How long look-ups take in a released register: records drawn from it, asked for by each of their values."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.ops.lookup import Register

COLUMNS = ("By", "Look-ups", "Median s", "95 % s", "One", "Several", "Nobody", "Unreadable")

_DRAWN = """SELECT {value} AS value, {beside} AS beside FROM {table} WHERE {value} IS NOT NULL AND {beside} IS NOT NULL
    ORDER BY hash({key}, {seed}) LIMIT {times}"""
_RECORDS = "silver.customer_records", "source || record_id"
_NAME = "concat_ws(' ', given_name, surname, second_surname)"
_VALUES: dict[str, tuple[str, str, str, str]] = {
    "phone": ("phones_raw[1]", "1", *_RECORDS),
    "email": ("emails_raw[1]", "1", *_RECORDS),
    "tax_id": ("tax_id_raw", "1", *_RECORDS),
    "loyalty_id": ("loyalty_id", "1", *_RECORDS),
    "name": (f"nullif({_NAME}, '')", "birth_date", *_RECORDS),
    "order": ("order_id", "1", "silver.orders", "order_id"),
}
"""By field: the value, what is asked besides, the table, and the key by whose hash rows are drawn."""


@dataclass(frozen=True)
class LookUps:
    """Look-ups by one kind of value."""

    by: str
    seconds: tuple[float, ...]
    outcomes: Counter[str]

    def row(self) -> tuple[str, ...]:
        """A line of the table, in ``COLUMNS``."""
        ordered = sorted(self.seconds)
        high = ordered[math.ceil(0.95 * len(ordered)) - 1]
        told = (f"{statistics.median(ordered):.2f}", f"{high:.2f}")
        counts = [str(self.outcomes[outcome]) for outcome in ("one", "candidates", "nobody", "unreadable")]
        return (self.by.replace("_", " "), str(len(ordered)), *told, *counts)


def look_ups(register: Register, times: int, seed: int = 0) -> Iterator[LookUps]:
    """``times`` look-ups by each kind of value that the register has; one before them is not timed."""
    warm = True
    for field, (value, beside, table, key) in _VALUES.items():
        if not register.reader.has(table.replace(".", "/")):
            continue
        query = _DRAWN.format(value=value, beside=beside, table=table, key=key, seed=seed, times=times)
        drawn = register.reader.rows(query)
        seconds, outcomes = [], Counter[str]()
        for row in drawn:
            said: dict[str, Any] = {field: str(row["value"])}
            if field == "name":
                said["birth_date"] = str(row["beside"])
            if warm:
                _outcome(register, said)
                warm = False
            begun = time.perf_counter()
            outcome = _outcome(register, said)
            seconds.append(time.perf_counter() - begun)
            outcomes[outcome] += 1
        if seconds:
            by = "name, birth date" if field == "name" else field
            yield LookUps(by, tuple(seconds), outcomes)


def _outcome(register: Register, said: dict[str, Any]) -> str:
    try:
        return register.lookup(**said).outcome
    except UsageError:
        # Records hold what people type to fill a field.
        return "unreadable"
