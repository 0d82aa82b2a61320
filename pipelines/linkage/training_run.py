"""What a training may be given beside the records, and what it shows of itself.

``padron train`` and the first night of a warehouse hand one in and draw a report from it: Splink's
own charts as Vega-Lite, which hold levels, shares and counts and no value of a record.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import duckdb
from splink import Linker
from splink.internals.html_utils import chart_html, load_chart_libraries

from pipelines.linkage.scoring import open_linker

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.linkage.generations import Model

Json = dict[str, Any]
MOST_ODDS = 20.0
"""Log odds (bits) at which the chart of estimates ends."""


@dataclass(frozen=True)
class Session:
    """One session of expectation maximisation: the pairs that agree on ``rule``, and what they taught."""

    rule: str
    pairs: int
    outcome: str
    """trained, smoothed (Splink's own did not end), or why it taught nothing."""
    true_pairs: float | None = None
    """Pairs that it takes for matches."""
    iterations: int | None = None
    charts: dict[str, Json] = field(default_factory=dict)
    """Title → Vega-Lite."""


@dataclass
class TrainingRun:
    """Labels that go into a training; sessions and charts that come out, by party type."""

    labels: pa.Table | None = None
    """Of ``labels.read_labels``."""
    sessions: dict[str, list[Session]] = field(default_factory=dict)
    charts: dict[str, dict[str, Json]] = field(default_factory=dict)
    is_shown: bool = True
    """False where nobody looks: then nothing is drawn."""

    def ended(self, party_type: str, session: Session) -> None:
        self.sessions.setdefault(party_type, []).append(session)

    def add(self, party_type: str, title: str, chart: Json | None) -> None:
        if chart is not None:
            self.charts.setdefault(party_type, {})[title] = chart

    def draw(self, connection: duckdb.DuckDBPyConnection, party_type: str, model: Model) -> None:
        """Splink's charts of a model over table ``people``."""
        api, linker = open_linker(connection, model)
        visual = linker.visualisations
        self.add(party_type, "Match weights", chart_of(visual.match_weights_chart))
        self.add(party_type, "m and u", chart_of(visual.m_u_parameters_chart))
        if connection.execute("SELECT count(*) FROM people").fetchall()[0][0]:
            self.add(party_type, "Unlinkable records", chart_of(linker.evaluation.unlinkables_chart))
        api.delete_tables_created_by_splink_from_db()


def session_charts(session: Any) -> dict[str, Json]:
    """The history of a Splink session, iteration by iteration."""
    drawn = {
        "Match weights by iteration": chart_of(session.match_weights_interactive_history_chart),
        "Share of matches by iteration": chart_of(
            session.probability_two_random_records_match_iteration_chart
        ),
    }
    return {title: chart for title, chart in drawn.items() if chart is not None}


def estimates_chart(linker: Linker) -> Json | None:
    """m as each session saw it, side by side."""
    chart = chart_of(linker.visualisations.parameter_estimate_comparisons_chart)
    if chart is not None:
        # A level that no match of a session has goes to 1e-120, and would press all others into one line.
        for record in chart["data"]["values"]:
            odds = record.get("estimated_probability_as_log_odds")
            if odds is not None:
                record["estimated_probability_as_log_odds"] = max(-MOST_ODDS, min(MOST_ODDS, odds))
    return chart


def chart_of(make: Callable[[], Any]) -> Json | None:
    """A Splink chart as Vega-Lite; None where Splink has nothing to draw, or cannot.

    Never raises: a picture of a training is not worth the training.
    """
    try:
        spec: Json = _plain(make().chart_dict)
    except Exception as error:
        # Splink takes the largest of no weights where no level was observed.
        logging.getLogger(__name__).debug("no chart: %s", type(error).__name__)
        return None
    return spec


def rounded(value: float) -> float:
    """``value`` to nine digits."""
    # Sums over threads differ in the last digits; a model must not, nor what is shown of it.
    return float(f"{value:.9g}")


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: infinite weights are none, numbers ``rounded``."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | bool) else rounded(float(value))


def chart_libraries() -> dict[str, str]:
    """The scripts that draw the charts, as Splink ships them: name → JavaScript, in loading order."""
    return dict(load_chart_libraries())


def chart_page(chart: Json) -> str:
    """A Vega-Lite chart as an HTML document of its own that loads nothing."""
    return str(chart_html(chart, inline=True, fullhtml=True))
