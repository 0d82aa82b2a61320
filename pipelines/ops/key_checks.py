"""The gates on the keys of JSON lines. They have no header, and a line leaves out what it has no value for.

So a column is gone where rows enough to have it have none, and whether one is new only the rows say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bronze.batches import BATCHES
from pipelines.bronze.column_names import looks_like_a_name
from pipelines.bronze.contract import HEAD_ROWS, column_names
from pipelines.bronze.tables import bronze_table, declared_columns
from pipelines.ops.gates import DEFAULTS, Verdict, listed, owned, verdict
from pipelines.ops.profiles import PROFILES

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

    from pipelines.config import Project
    from pipelines.stages import Inputs

EXPECTED = 50
"""Values that a column should have had by its share when it last had any, from which on none at all says that it is gone.

Were all deliveries alike, ten would do: chance brings none of them once in e^10, or 22,000, times. They are not: a file
of new customers alone may rightly lack what half of all have.
"""
LOOKED_AT = 10_000
"""Rows with keys of their own whose keys are read."""
Row = dict[str, Any]


def keys_look_right(inputs: Inputs) -> list[Verdict]:
    """``lost_columns`` and ``new_columns`` of tonight's feeds in JSON lines; none where all is as it should be."""
    tonight = {file.batch_id for file in inputs.night.files if file.format == "jsonl"}
    batches = inputs.arrow(BATCHES)
    if not tonight or batches is None:
        return []
    project, sources = inputs.settings.project, inputs.settings.sources
    by_feed: dict[tuple[str, str], list[Row]] = {}
    for row in batches.to_pylist():
        if row["batch_id"] in tonight:
            by_feed.setdefault((row["source"], row["feed"]), []).append(row)
    stored = inputs.arrow(PROFILES)
    profiles = [] if stored is None else stored.to_pylist()
    verdicts = []
    for (source, feed), files in sorted(by_feed.items()):
        about, declared = f"{source}/{feed}", declared_columns(sources[source], feed)
        absent = set.intersection(*[set(file["missing_columns"] or ()) for file in files])
        own = [r for r in profiles if (r["source"], r["feed"]) == (source, feed) and r["column"] in absent]
        verdicts += lost_keys(project, about, own, inputs.night.business_date)
        rows = inputs.dataset(bronze_table(sources[source], feed))
        if rows is not None and project.gates.get("new_columns", DEFAULTS["new_columns"]) != "off":
            taken = {*declared.values(), *(name for file in files for name in file["columns"] or ())}
            names = [file["batch_id"] for file in files]
            late = {key for key in keys_beyond(rows, names) if column_names([key], declared)[0] not in taken}
            verdicts += late_keys(project, about, late)
    return owned(verdicts, sources)


def lost_keys(project: Project, feed: str, profiles: Iterable[Row], business_date: date) -> list[Verdict]:
    """``lost_columns`` of a feed: columns that no row of tonight has, and by now too many should have had.

    ``profiles``: rows of ops/profiles about the feed, of the columns that no head of its files names. A loss is told
    in the night that makes it certain: who agreed to that one agreed to the next.
    """
    by_column: dict[str, list[Row]] = {}
    for row in sorted(profiles, key=lambda row: row["business_date"], reverse=True):
        if row["business_date"] <= business_date:
            by_column.setdefault(row["column"], []).append(row)
    lost = []
    for column, (tonight, *earlier) in by_column.items():
        last = next((at for at, row in enumerate(earlier) if row["filled"]), None)
        if tonight["business_date"] != business_date or tonight["filled"] or last is None:
            continue
        share = earlier[last]["filled"] / earlier[last]["rows"]
        until_tonight = share * sum(row["rows"] for row in earlier[:last])
        if until_tonight < EXPECTED <= until_tonight + share * tonight["rows"]:
            lost.append(column)
    if not lost:
        return []
    return verdict(
        project,
        "lost_columns",
        value=len(lost),
        bound=0,
        message=f"no row of {feed} has {listed(sorted(lost))}, and rows of deliveries before had: their values would be "
        "NULL. Ask the source's owner for the whole file, or take them out of conf/sources.",
        about=feed,
    )


def late_keys(project: Project, feed: str, keys: Collection[str]) -> list[Verdict]:
    """``new_columns`` of a feed for ``keys`` that none of its columns could take.

    A key that does not look like the name of a column may be a value, so it is counted and not told.
    """
    if not keys:
        return []
    names = sorted(filter(looks_like_a_name, keys))
    other = len(keys) - len(names)
    told = [listed(names)] if names else []
    told += [f"{other} that do not look like names"] if other else []
    return verdict(
        project,
        "new_columns",
        value=len(keys),
        bound=0,
        message=f"rows of {feed} after a file's first {HEAD_ROWS:,} bring keys that no column takes: "
        f"{' and '.join(told)}. They are kept in _raw of bronze, not used; declare them in conf/sources.",
        about=feed,
    )


def keys_beyond(stored: Dataset, batches: Sequence[str]) -> set[str]:
    """The keys of the first ``LOOKED_AT`` rows of ``batches`` that a bronze table's columns could not take whole."""
    # A good row keeps its line only where it has such keys.
    is_kept = (
        pc.is_in(pc.field("_batch_id"), pa.array(batches))
        & pc.field("_raw").is_valid()
        & ~pc.field("_problem").is_valid()
    )
    lines = stored.scanner(columns=["_raw"], filter=is_kept).head(LOOKED_AT)["_raw"].to_pylist()
    return {key for line in lines for key in _keys(line)}


def _keys(line: str) -> list[str]:
    # What looked like a credential was cut out of the line, which may be no JSON any more.
    try:
        found = json.loads(line)
    except ValueError:
        return []
    return list(found) if isinstance(found, dict) else []
