"""The cases of which tonight's files, or the date, say something; of all others last night's rows stand.

What silver says of a case follows from the rows of its feed that have its key, and from the moment at which the business
date is over: whether it was opened by then, and done. So a night looks at the rows of cases that

- a row that came tonight names;
- were opened or closed between the ends of the two nights' dates.

Rows without a case count as one case of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.queries import Keep, as_it_is
from pipelines.silver.cases import CASES, end_of
from pipelines.silver.frames import Feeds, uses_of
from pipelines.silver.mapping import plain_column, standard_column
from pipelines.silver.touched import FEW
from pipelines.taken_over import TakenOver

if TYPE_CHECKING:
    from pipelines.silver.touched import Key, LastNight
    from pipelines.sources import Source

_CASE = "_touched_case"
_NONE = ""
"""Stands for the case of what names none: no text of silver is empty."""


@dataclass(frozen=True)
class TouchedCases:
    """The part of a night's cases that is computed (``touched.Part``)."""

    rows: dict[Key, DataFrame]
    _ids: DataFrame

    def completed(self, built: Mapping[str, DataFrame]) -> dict[str, TakenOver]:
        """``silver/cases``, by ``layer/table``, of what ``rows`` make and of last night's."""
        return {CASES.path: TakenOver(built[CASES.path], self._ids, CASES.key)}


def touched_cases(
    bronze: Feeds,
    sources: Mapping[str, Source],
    last: LastNight,
    *,
    timezone: str,
    business_date: date,
    keep: Keep = as_it_is,
) -> TouchedCases | None:
    """What a night has to look at of its cases, from the bronze tables, by (source, feed), of all feeds.

    None where that is everything: where several feeds bring cases, or one that is not appended to, has another key or
    fills other tables besides, or more than ``FEW`` cases are touched. Runs jobs. ``keep``: see ``queries``.
    """
    found = uses_of("cases", bronze, sources)
    if len(found) != 1:
        return None
    source, name, feed = found[0]
    if feed is not source.feeds[name] or feed.derive or feed.mode != "append":
        return None
    if feed.key != (plain_column(feed, "case_id"),):
        return None
    key = (source.source, name)
    case = standard_column("case_id", bronze[key], source, feed, feed, timezone=timezone)
    named = bronze[key].withColumn(_CASE, F.coalesce(F.when(F.col("_problem").isNull(), case), F.lit(_NONE)))
    came = named.filter(F.col("_batch_id").isin(list(last.came.get(key, ()))))
    began, ended = (end_of(day, timezone) for day in sorted((last.made_on, business_date)))
    is_dated = [(F.col(moment) >= began) & (F.col(moment) < ended) for moment in ("opened_at", "closed_at")]
    dated = last.tables[CASES.path].filter(is_dated[0] | is_dated[1])
    ids = keep(came.select(_CASE).unionByName(dated.select(F.col("case_id").alias(_CASE))).distinct())
    if ids.count() > FEW:
        return None
    rows = named.join(F.broadcast(ids), on=_CASE, how="left_semi").drop(_CASE)
    return TouchedCases({key: rows}, ids)
