"""HTML pages that load nothing: one template environment, and how figures are written for people."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import jinja2

from pipelines.ops import charts

NOT_DELIVERED = "not delivered"


@dataclass(frozen=True)
class Tile:
    """One headline figure."""

    name: str
    value: str
    note: str = ""


def count(value: int | float | Decimal | None) -> str:
    """A count with thousands apart; a dash where it is not known.

    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return "–" if value is None else f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent.

    >>> percent(0.0312)
    '3.1 %'
    """
    return "–" if value is None else f"{value * 100:.{digits}f} %"


def duration(seconds: float | None) -> str:
    """A time that a clock would show, in the two largest units.

    >>> [duration(s) for s in (0.42, 12.34, 84, 7380, 200000)]
    ['0.4 s', '12.3 s', '1 min 24 s', '2 h 3 min', '2 d 7 h']
    """
    if seconds is None:
        return "–"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, name, smaller, small_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{whole} s"


def amount(text: str | Decimal, places: int = 0) -> str:
    """An exact decimal with thousands apart: ``places`` decimals, or as many as it has.

    >>> amount("1234.5000", 2), amount("12.0000"), amount("0.1234", 2)
    ('1,234.50', '12', '0.1234')
    """
    value = Decimal(text)
    exponent = value.normalize().as_tuple().exponent
    own = -exponent if isinstance(exponent, int) else 0
    return f"{value:,.{max(places, own)}f}"


def figure(value: float | None) -> str:
    """A measured value of any size, short.

    >>> [figure(v) for v in (None, 3.0, 0.01234, 1234567.0)]
    ['–', '3', '0.01234', '1,234,567']
    """
    if value is None:
        return "–"
    return (
        f"{value:,.0f}" if value == int(value) else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.1f}"
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("pipelines.ops", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(count=count, percent=percent, duration=duration, amount=amount, figure=figure)
    environment.globals.update(bar=charts.bar, not_delivered=NOT_DELIVERED)
    return environment


def page(template: str, **content: Any) -> str:
    """The page that a template of this folder makes; every value is escaped."""
    return _environment().get_template(template).render(**content)
