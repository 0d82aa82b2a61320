"""What a notebook shows: tables and charts drawn where there is a notebook, text where there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from html import escape
from typing import Any

import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from pipelines.linkage.training_run import chart_page
from pipelines.ops.charts import standalone

Json = dict[str, Any]
# A chart knows its height when it is drawn.
_FIT = (
    "const f=this,fit=()=>{f.style.height=f.contentDocument.documentElement.scrollHeight+8+'px'};"
    "fit();setTimeout(fit,500);setTimeout(fit,2000)"
)


class Drawing:
    """A chart as every notebook can draw it without a network: SVG of ``ops.charts``, or Vega-Lite as Splink draws."""

    def __init__(self, chart: Markup | Json) -> None:
        self.chart = chart

    def _repr_html_(self) -> str:
        if isinstance(self.chart, Markup):
            return f'<div style="max-width:720px">{standalone(self.chart)}</div>'
        page = escape(chart_page(self.chart))
        return f'<iframe srcdoc="{page}" style="width:100%;height:420px;border:0" onload="{escape(_FIT)}"></iframe>'

    def __repr__(self) -> str:
        return "a chart: a notebook draws it"


class Listing:
    """A table without row numbers, figures in four digits."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows

    def _repr_html_(self) -> str:
        return str(self.rows.to_html(index=False, border=0, float_format=_figure))

    def __repr__(self) -> str:
        return self.rows.to_string(index=False, float_format=_figure)


def _figure(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def frame(rows: pa.Table | Sequence[Any] | Mapping[str, Any]) -> pd.DataFrame:
    """Rows as a pandas table: Arrow, dataclasses, dicts, or one mapping of names to values."""
    if isinstance(rows, pa.Table):
        found: pd.DataFrame = rows.to_pandas()
        return found
    if isinstance(rows, Mapping):
        return pd.DataFrame({"name": list(rows), "value": list(rows.values())})
    return pd.DataFrame(
        [asdict(row) if is_dataclass(row) and not isinstance(row, type) else row for row in rows]
    )


def show(*things: Any) -> None:
    """Show texts, tables (anything that ``frame`` takes), charts (SVG, Vega-Lite) and None for nothing, in order."""
    notebook = sys.modules.get("IPython")
    is_drawn = notebook is not None and notebook.get_ipython() is not None
    for thing in things:
        shown = _shown(thing)
        if is_drawn and not isinstance(shown, str):
            sys.modules["IPython.display"].display(shown)
        else:
            print(shown)  # noqa: T201


def _shown(thing: Any) -> Any:
    if thing is None:
        return "nothing to draw"
    if isinstance(thing, Markup) or (isinstance(thing, dict) and "$schema" in thing):
        return Drawing(thing)
    if isinstance(thing, str):
        return thing
    rows = thing if isinstance(thing, pd.DataFrame) else frame(thing)
    return Listing(rows) if len(rows) else "none"
