"""Splink's charts inside a page: Vega-Lite, and the scripts that draw it without loading anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from pipelines.linkage.training_run import chart_libraries


@dataclass(frozen=True)
class Chart:
    """A Vega-Lite chart and where it goes."""

    anchor: str
    title: str
    about: str
    spec: Markup
    is_folded: bool = False


def drawn_with(chart: dict[str, Any]) -> Markup:
    """The chart as JSON that cannot end its element early."""
    text = json.dumps({**chart, "background": "white"}, ensure_ascii=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)


def scripts() -> list[Markup]:
    """The scripts that draw charts, in loading order; none can end its element early."""
    return [
        Markup(text.replace("</script", "<\\/script").replace("<!--", "<\\!--"))
        for text in chart_libraries().values()
    ]
