"""What a notebook shows: tables and charts drawn where there is a notebook, text where there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from markupsafe import Markup

from pipelines.ops.charts import standalone

Json = dict[str, Any]


class Drawing:
    """A chart as notebooks know it: SVG of ``ops.charts``, or Vega-Lite as Splink draws."""

    def __init__(self, chart: Markup | Json) -> None:
        self.chart = chart

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if isinstance(self.chart, Markup):
            return {"image/svg+xml": standalone(self.chart), "text/plain": "a chart"}
        # Notebooks bring their own Vega: nothing is loaded from elsewhere.
        return {"application/vnd.vegalite.v5+json": self.chart, "text/plain": "a chart"}

    def __repr__(self) -> str:
        return "a chart: a notebook draws it"


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
            print(shown.to_string(index=False) if isinstance(shown, pd.DataFrame) else shown)  # noqa: T201


def _shown(thing: Any) -> Any:
    if thing is None:
        return "nothing to draw"
    if isinstance(thing, Markup) or (isinstance(thing, dict) and "$schema" in thing):
        return Drawing(thing)
    if isinstance(thing, str | pd.DataFrame):
        return thing
    return frame(thing)
