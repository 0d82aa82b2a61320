"""The gates on the keys of JSON lines. They have no header, and a line leaves out what it has no value for.

So a column is gone where rows enough to have it have none, and whether one is new only the rows say.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bronze.contract import HEAD_ROWS
from pipelines.bronze.tables import bronze_table, declared_columns, stored_name
from pipelines.ops.gates import Verdict, listed, owned, verdict
from pipelines.ops.profiles import PROFILES

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

    from pipelines.config import Project
    from pipelines.sources import Source
    from pipelines.stages import Inputs

    Feed = tuple[str, str]

EXPECTED = 10
"""Values that a column has, at the share of last time, where none at all says that it is gone: chance brings that
once in e^10, or 22,000, times."""
LOOKED_AT = 10_000
"""Rows with keys of their own whose keys are read."""


def keys_look_right(inputs: Inputs) -> list[Verdict]:
    """``lost_columns`` and ``new_columns`` of tonight's feeds in JSON lines; none where all is as it should be."""
    tonight: dict[Feed, list[str]] = {}
    for file in inputs.night.files:
        if file.format == "jsonl":
            tonight.setdefault((file.source, file.feed), []).append(file.batch_id)
    if not tonight:
        return []
    project, sources = inputs.settings.project, inputs.settings.sources
    stored = inputs.arrow(PROFILES)
    profiles = [] if stored is None else stored.to_pylist()
    verdicts = lost_keys(project, profiles, inputs.night.business_date, tonight, sources)
    for (source, feed), names in sorted(tonight.items()):
        rows = inputs.dataset(bronze_table(sources[source], feed))
        verdicts += late_keys(project, (source, feed), set() if rows is None else keys_beyond(rows, names))
    return owned(verdicts, sources)


def lost_keys(
    project: Project,
    profiles: Iterable[dict[str, Any]],
    business_date: date,
    feeds: Collection[Feed],
    sources: Mapping[str, Source],
) -> list[Verdict]:
    """``lost_columns`` of ``feeds``: a declared column that no row of tonight has, and too many had before.

    ``profiles``: rows of ops/profiles.
    """
    of_feeds = [r for r in profiles if (r["source"], r["feed"]) in feeds]
    known = {(r["business_date"], r["source"], r["feed"], r["column"]): r for r in of_feeds}
    lost: dict[Feed, list[str]] = {}
    for (night, source, feed, column), row in sorted(known.items()):
        before = known.get((row["compared_with"], source, feed, column))
        if night != business_date or row["filled"] or before is None or not before["rows"]:
            continue
        if column.casefold() not in declared_columns(sources[source], feed):
            continue
        if row["rows"] * before["filled"] / before["rows"] >= EXPECTED:
            lost.setdefault((source, feed), []).append(column)
    verdicts = []
    for (source, feed), columns in lost.items():
        verdicts += verdict(
            project,
            "lost_columns",
            value=len(columns),
            bound=0,
            message=f"no row of {source}/{feed} has {listed(columns)}, and rows of the delivery before had: their values "
            "would be NULL. Ask the source's owner for the whole file, or take them out of conf/sources.",
            about=f"{source}/{feed}",
        )
    return verdicts


def late_keys(project: Project, feed: Feed, keys: Collection[str]) -> list[Verdict]:
    """``new_columns`` of a feed for ``keys`` that are no column of its bronze table."""
    if not keys:
        return []
    name = "/".join(feed)
    return verdict(
        project,
        "new_columns",
        value=len(keys),
        bound=0,
        message=f"rows of {name} after a file's first {HEAD_ROWS:,} bring {listed(sorted(keys))}: kept in "
        "_raw of bronze, not used; declare them in conf/sources.",
        about=name,
    )


def keys_beyond(stored: Dataset, batches: Sequence[str]) -> set[str]:
    """Keys in rows of ``batches`` that ``stored``, a bronze table, has no column for; of its first ``LOOKED_AT`` such rows."""
    # A good row keeps its line only where the columns could not take all of it.
    is_kept = (
        pc.is_in(pc.field("_batch_id"), pa.array(batches))
        & pc.field("_raw").is_valid()
        & ~pc.field("_problem").is_valid()
    )
    lines = stored.scanner(columns=["_raw"], filter=is_kept).head(LOOKED_AT)["_raw"].to_pylist()
    columns = {name.casefold() for name in stored.schema.names}
    return {key for line in lines for key in _keys(line) if stored_name(key).casefold() not in columns}


def _keys(line: str) -> list[str]:
    # What looked like a credential was cut out of the line, which is then no JSON any more.
    try:
        found = json.loads(line)
    except ValueError:
        return []
    return list(found) if isinstance(found, dict) else []
