"""Columns of text, made and joined by Arrow: what every other module of the retailer builds with.

All functions work on whole columns; ``rows`` are numpy indices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]

DAY_SECONDS = 86_400
EARLIEST, LATEST = -25_600, 36_600  # 1899-11 … 2070-03, in days since 1970-01-01


def text(values: Sequence[str | None] | NDArray[Any]) -> pa.StringArray:
    """Python strings as a column."""
    return pa.array(list(values), pa.string())


def constant(value: str | None, length: int) -> pa.StringArray:
    """The same value ``length`` times."""
    return (
        pa.nulls(length, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), length)
    )


def joined(*parts: pa.StringArray | str, separator: str = "") -> pa.StringArray:
    """The parts of each row in one text; NULL parts are left out, with their separator."""
    whole = [pa.scalar(p, pa.string()) if isinstance(p, str) else p for p in parts]
    return pc.binary_join_element_wise(*whole, pa.scalar(separator, pa.string()), null_handling="skip")


def numbers(values: Ints, width: int = 0) -> pa.StringArray:
    """Whole numbers as text, with leading zeros up to ``width``."""
    written = pc.cast(pa.array(values), pa.string())
    return pc.utf8_lpad(written, width, "0") if width else written


def pick(rng: np.random.Generator, values: pa.StringArray | Sequence[str], size: int) -> pa.StringArray:
    """``size`` values drawn evenly."""
    column = values if isinstance(values, pa.Array) else text(values)
    return column.take(pa.array(rng.integers(0, len(column), size)))


def take(values: pa.StringArray, rows: Ints) -> pa.StringArray:
    """The values at ``rows``."""
    return values.take(pa.array(rows))


def where(mask: Bools, yes: pa.StringArray | None, no: pa.StringArray) -> pa.StringArray:
    """``yes`` where the mask holds, else ``no``; ``None`` stands for NULL."""
    return pc.if_else(pa.array(mask), pa.scalar(None, pa.string()) if yes is None else yes, no)


def replaced(column: pa.StringArray, rows: Ints, values: pa.StringArray) -> pa.StringArray:
    """``column`` with ``values`` at ``rows`` (ascending)."""
    if len(rows) == 0:
        return column
    mask = np.zeros(len(column), bool)
    mask[rows] = True
    return pc.replace_with_mask(column, pa.array(mask), values)


def chosen(codes: Ints, makers: Sequence[Callable[[Ints], pa.StringArray]]) -> pa.StringArray:
    """Each row made by the maker of its code; a maker gets the rows that are its own."""
    order, parts = [], []
    for code, make in enumerate(makers):
        rows = np.flatnonzero(codes == code)
        if rows.size:
            order.append(rows)
            parts.append(make(rows))
    if not parts:
        return text([])
    position = np.empty(len(codes), np.int64)
    position[np.concatenate(order)] = np.arange(len(codes))
    return pa.concat_arrays(
        [p.combine_chunks() if isinstance(p, pa.ChunkedArray) else p for p in parts]
    ).take(pa.array(position))


def codes(rng: np.random.Generator, shares: Sequence[float], size: int) -> Ints:
    """Codes 0 … n−1 drawn with the given shares (they are scaled to sum to one)."""
    edges = np.cumsum(np.asarray(shares, float))
    return np.minimum(np.searchsorted(edges / edges[-1], rng.random(size), side="right"), len(edges) - 1)


def plain(column: pa.StringArray) -> pa.StringArray:
    """Without accents and tildes."""
    apart = pc.utf8_normalize(column, "NFD")
    return pc.replace_substring_regex(apart, r"\p{Mn}+", "")


_DAYS: dict[str, pa.StringArray] = {}


def dates(days: Ints, pattern: str = "%Y-%m-%d") -> pa.StringArray:
    """Days since 1970-01-01 as text."""
    if pattern not in _DAYS:
        calendar = pa.array(np.arange(EARLIEST, LATEST, dtype=np.int32), pa.date32())
        _DAYS[pattern] = pc.strftime(calendar, format=pattern)
    return take(_DAYS[pattern], np.asarray(days, np.int64) - EARLIEST)


def timestamps(seconds: Ints, suffix: str = "") -> pa.StringArray:
    """Seconds since 1970-01-01 as ``2026-07-01T09:30:00`` and the suffix."""
    day, second = np.divmod(np.asarray(seconds, np.int64), DAY_SECONDS)
    if "clock" not in _DAYS:
        _DAYS["clock"] = pc.strftime(
            pa.array(np.arange(DAY_SECONDS, dtype=np.int64), pa.timestamp("s")), format="T%H:%M:%S"
        )
    return joined(dates(day), take(_DAYS["clock"], second), suffix)


def cents(amounts: Ints) -> pa.StringArray:
    """Cents (not negative) as ``12.34``."""
    whole, rest = np.divmod(np.asarray(amounts, np.int64), 100)
    return joined(numbers(whole), ".", numbers(rest, 2))


def scattered(counter: Ints, width: int, prefix: str = "") -> pa.StringArray:
    """Ids that look random and never repeat: a counter sent through a bijection of ``width`` digits."""
    return joined(prefix, numbers(scramble(counter, 10**width), width))


def scramble(counter: Ints, space: int) -> Ints:
    """A bijection of 0 … space−1, ``space`` without factors other than 2, 3 and 5."""
    return (np.asarray(counter, np.int64) % space * 387_420_487 + 123_456_791) % space
