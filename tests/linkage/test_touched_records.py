"""Whom linkage names as touched: whoever can have moved is one, or shares a cluster with one."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from linkage_people import Row, night_after, population, record, table

from pipelines.linkage.clusters import SCHEMA
from pipelines.linkage.config import Linkage
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.recall import Remembered
from pipelines.linkage.touched_records import TOUCHED_RECORDS, touched_frame, touched_records

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHT = date(2026, 7, 1)
SMALL = Linkage.model_validate(
    {"training": {"u_pairs": 200_000}, "threads": 2, "blocking": {"max_block": 5}, "max_component": 4}
)
Key = tuple[str, str]


def keys(rows: pa.Table) -> set[Key]:
    return set(zip(rows["source"].to_pylist(), rows["record_id"].to_pylist(), strict=True))


def final(**clusters: str) -> pa.Table:
    """linkage/clusters of ``crm``: ``final(a="a", b="a")`` puts a and b into cluster a."""
    rows = [{"source": "crm", "record_id": r, "cluster_final": name} for r, name in clusters.items()]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


BEFORE = final(a="a", b="a", c="a", d="d", e="e", gone="gone")
TONIGHT = final(a="a", b="a", c="c", d="d", e="e", new="new")
CHANGED = [False, False, False, False, True, True]


def test_who_came_went_was_linked_anew_or_is_in_a_cluster_of_another_name_is_touched(
    spark: SparkSession,
) -> None:
    found = touched_records(TONIGHT, pa.array(CHANGED), BEFORE, SMALL)
    assert found.schema == TOUCHED_RECORDS.arrow
    # A steward took c out of a cluster that nothing else happened to.
    assert found["record_id"].to_pylist() == ["c", "e", "gone", "new"]
    changed = TONIGHT.filter(pa.array(CHANGED)).select(["source", "record_id"])
    frames = (spark.createDataFrame(t) for t in (TONIGHT, changed, BEFORE))
    assert sorted(touched_frame(*frames).toArrow()["record_id"].to_pylist()) == ["c", "e", "gone", "new"]


def test_a_first_night_touches_everybody_and_a_full_one_who_went_too() -> None:
    everybody = pa.array([True] * 6)
    first = touched_records(TONIGHT, everybody, None, SMALL)
    assert first["record_id"].to_pylist() == ["a", "b", "c", "d", "e", "new"]
    full = touched_records(TONIGHT, everybody, BEFORE, SMALL)
    assert set(full["record_id"].to_pylist()) == {"a", "b", "c", "d", "e", "gone", "new"}
    assert touched_records(BEFORE, pa.array([False] * 6), BEFORE, SMALL).num_rows == 0


def groups(clusters: pa.Table) -> dict[str, set[Key]]:
    found: dict[str, set[Key]] = defaultdict(set)
    for row in clusters.select(["source", "record_id", "cluster_final"]).to_pylist():
        found[row["cluster_final"]].add((row["source"], row["record_id"]))
    return found


def content(rows: list[Row]) -> dict[Key, Row]:
    return {(row["source"], row["record_id"]): row for row in rows}


@pytest.mark.parametrize("seed", range(3))
def test_a_cluster_changes_only_by_touched_records_and_their_company(seed: int) -> None:
    dice = random.Random(seed)
    rows = population(40, seed=seed)[0].to_pylist()
    rows += [record("pos", f"ONE{i:02d}", given="ana", surname="perez", city="puebla") for i in range(8)]
    rows = table(rows).to_pylist()
    last: Linked = link_night(table(rows), None, SMALL, NIGHT)
    assert last.is_changed.to_pylist() == [True] * len(rows)
    spared = 0
    for at in range(3):
        before, rows = content(rows), night_after(rows, dice, at)
        remembered = Remembered(last.clusters, last.links, last.scored_pairs)
        linked = link_night(table(rows), last.generation, SMALL, NIGHT, last=remembered)
        touched = keys(touched_records(linked.clusters, linked.is_changed, last.clusters, SMALL))
        now = content(rows)
        assert all(now.get(key) == before.get(key) for key in (now.keys() | before.keys()) - touched)
        then, tonight = groups(last.clusters), groups(linked.clusters)
        company = touched.union(
            *(group for found in (then, tonight) for group in found.values() if group & touched)
        )
        for group in tonight.values():
            if not group & company:
                spared += 1
                assert group in then.values()
        assert all(group & company or group in tonight.values() for group in then.values())
        last = linked
    assert spared > 20
