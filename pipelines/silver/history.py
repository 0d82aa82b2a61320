"""How far back silver looks: what lies before is history.

A source that delivers everything every night fills bronze with what says nothing about today. Bronze keeps it, as
received; silver looks back to the full snapshot before the newest one, or to the oldest row that is still current, so
that a night's work grows with the data and not with the nights.

Everything that lives has its last usable row on or after that date, and one night's snapshot may be corrected by
another file of its name. What came before is said by nothing newer only of keys that are dead: a spoilt line that
names such a key, or two corrected snapshots in which its lines are spoilt, do not bring its old row back, where a
night that looks at everything (``--full``) takes it up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    from pipelines.sources import Source

Key = tuple[str, str]


def looked_back_to(counts: pa.Table | None, sources: Mapping[str, Source]) -> dict[Key, date]:
    """The landing date that a night begins with, by (source, feed); feeds that it reads whole are left out.

    ``counts`` is silver/outcomes of the release that the night builds on, by the names that sources have now. That
    of an older program has no ``stands_since``.
    """
    if counts is None or "stands_since" not in counts.column_names:
        return {}
    return {
        (row["source"], row["feed"]): row["stands_since"]
        for row in counts.select(["source", "feed", "stands_since"]).to_pylist()
        if row["stands_since"] is not None and _is_snapshot_feed(row["source"], row["feed"], sources)
    }


def snapshots_before_last(batches: pa.Table | None, sources: Mapping[str, Source]) -> dict[Key, date]:
    """The landing date of the full snapshot before the newest one, by (source, feed) that has had two.

    ``batches`` is bronze/batches, tonight's among them, by the names that sources have now.
    """
    dates: dict[Key, set[date]] = {}
    columns = ["source", "feed", "landing_date", "is_snapshot", "status"]
    for row in [] if batches is None else batches.select(columns).to_pylist():
        if (
            row["is_snapshot"]
            and row["status"] == "landed"
            and _is_snapshot_feed(row["source"], row["feed"], sources)
        ):
            dates.setdefault((row["source"], row["feed"]), set()).add(row["landing_date"])
    return {key: sorted(found)[-2] for key, found in dates.items() if len(found) > 1}


def rows_before(batches: pa.Table | None, since: Mapping[Key, date]) -> dict[Key, int]:
    """Rows of ``batches`` that landed before the date of ``since``, by its (source, feed); rejected ones do not count."""
    found = dict.fromkeys(since, 0)
    columns = ["source", "feed", "landing_date", "rows", "status"]
    for row in [] if batches is None or not since else batches.select(columns).to_pylist():
        key = row["source"], row["feed"]
        if key in since and row["status"] == "landed" and row["landing_date"] < since[key]:
            found[key] += row["rows"]
    return found


def going_on(
    counts: pa.Table | None,
    batches: pa.Table | None,
    came: Mapping[Key, Collection[str]],
    sources: Mapping[str, Source],
) -> set[Key]:
    """The feeds whose files tonight only add rows to those that the release looked at, by (source, feed).

    That is so where none of the files is a full snapshot, and where tonight looks back as far and no file is older.
    ``counts``: silver/outcomes of the release that the night builds on; ``batches``: bronze/batches with tonight's, both
    by the names that sources have now; ``came``: tonight's, by their ids.
    """
    if counts is None or not {"history", "stands_since"} <= set(counts.column_names):
        return set()
    before = rows_before(batches, looked_back_to(counts, sources))
    snapshots = snapshots_before_last(batches, sources)
    is_full = {row["batch_id"] for row in _rows(batches, "batch_id", "is_snapshot") if row["is_snapshot"]}
    found = set()
    for row in _rows(counts, "source", "feed", "history", "stands_since"):
        key = row["source"], row["feed"]
        if _is_snapshot_feed(*key, sources):
            # What stands since another day than the last full snapshot but one may end tonight.
            is_as_far = row["stands_since"] == snapshots.get(key) and row["history"] == before.get(key, 0)
            if not is_as_far or is_full & set(came.get(key, ())):
                continue
        found.add(key)
    return found


def _rows(table: pa.Table | None, *columns: str) -> list[dict[str, Any]]:
    return [] if table is None else list(table.select(list(columns)).to_pylist())


def _is_snapshot_feed(source: str, feed: str, sources: Mapping[str, Source]) -> bool:
    return (
        source in sources and feed in sources[source].feeds and sources[source].feeds[feed].mode == "snapshot"
    )
