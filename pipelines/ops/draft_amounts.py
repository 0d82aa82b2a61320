"""The amounts of a sample: whether a comma or a point stands before their decimals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pipelines.ops.sample import Sample, named


def _amounts(sample: Sample, maps: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The columns of amounts, and their values without signs of currencies."""
    amounts = [c for c in sample.columns if f"{{column: {named(c)}, parse: amount}}" in maps.values()]
    return [(c, [re.sub(r"[^\d.,-]", "", v) for v in sample.values[c]]) for c in amounts]


def has_decimal_comma(sample: Sample, maps: Mapping[str, str]) -> bool:
    """True where more values can only be read with a comma than only with a point; most can be read with either."""
    return any(commas > points for commas, points in (_marks(values) for _, values in _amounts(sample, maps)))


def _marks(values: Sequence[str]) -> tuple[int, int]:
    """How many amounts can only have a decimal comma, and how many only a decimal point."""
    return _only(",", ".", values), _only(".", ",", values)


def _only(decimal: str, thousands: str, values: Sequence[str]) -> int:
    """Amounts in which ``decimal`` stands before one or two digits at the end, or ``thousands`` more than once."""
    mark, parts = re.escape(decimal), rf"\d{{1,3}}({re.escape(thousands)}\d{{3}})"
    form = re.compile(rf"-?(\d+|{parts}+){mark}\d{{1,2}}|-?{parts}{{2,}}")
    return sum(form.fullmatch(value) is not None for value in values)


def check_amounts(sample: Sample, maps: Mapping[str, str], checks: list[str]) -> None:
    """Say where a point may part thousands or decimals."""
    for column, values in _amounts(sample, maps):
        commas, points = _marks(values)
        if commas and points:
            checks.append(
                f"{column}: some amounts have a decimal comma ({commas:,}), some a decimal point ({points:,}); which is right?"
            )
        pointed = [v for v in values if "." in v]
        if pointed and all(re.fullmatch(r"-?\d{1,3}(\.\d{3})+", v) for v in pointed) and not commas:
            checks.append(f'{column}: does the point of {pointed[0]} part thousands? Then write decimal: ","')
