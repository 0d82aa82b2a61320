"""Releases: one row names the exact version of every table that readers may open."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from pipelines import files
from pipelines.access import writing
from pipelines.digests import program_digest
from pipelines.errors import PadronError
from pipelines.ops.record import after_all, is_decision, last_states, rows_of
from pipelines.ops.tables import RELEASES, RUNS
from pipelines.storage import OvertakenError, Warehouse

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.settings import Settings


ATTEMPTS = 5
"""Times that a release is tried to be committed while others write ops/releases, as upkeep does."""
LOST = "its release was lost from ops/releases; the next `padron run` publishes it again"


class NoReleaseError(PadronError):
    """Nothing has been released in this warehouse yet."""


@dataclass(frozen=True)
class Release:
    """A release as the newest row of its id says."""

    release_id: str
    business_date: date
    at: datetime
    tables: dict[str, int]
    status: str
    base_release: str | None
    inputs_digest: str | None
    code_digest: str | None
    conf_digest: str | None
    warnings: tuple[str, ...]
    reason: str | None = None
    """Why it was withdrawn, or published without a night: who decided it and why."""


def all_releases(warehouse: Warehouse) -> list[Release]:
    """Every release in the order of its first publication, each in its newest state."""
    content = warehouse.arrow(RELEASES.path)
    if content is None:
        return []
    newest: dict[str, Release] = {}
    for row in sorted(content.to_pylist(), key=lambda r: r["at"]):
        newest[row["release_id"]] = Release(
            release_id=row["release_id"],
            business_date=row["business_date"],
            at=row["at"],
            tables=dict(row["tables"]),
            status=row["status"],
            base_release=row["base_release"],
            inputs_digest=row["inputs_digest"],
            code_digest=row["code_digest"],
            conf_digest=row["conf_digest"],
            warnings=tuple(row["warnings"] or ()),
            reason=row.get("reason"),
        )
    return list(newest.values())


def is_of(release: Release, settings: Settings) -> bool:
    """True where the release was made by the program, its libraries and the configuration of now."""
    return (release.code_digest, release.conf_digest) == (program_digest(), settings.digest)


def newest(warehouse: Warehouse) -> Release | None:
    """The newest release that was not withdrawn: what readers see and the next night builds on."""
    standing = [r for r in all_releases(warehouse) if r.status == "released"]
    return standing[-1] if standing else None


def required(warehouse: Warehouse) -> Release:
    """The newest release. Raises NoReleaseError."""
    release = newest(warehouse)
    if release is None:
        raise NoReleaseError(
            f"Nothing is released in the warehouse {warehouse.root} yet: run `padron run` first, or check --warehouse."
        )
    return release


def run_states(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """The newest row of every run, by run_id; whether what it released still stands says more than how it ended."""
    known = {r.release_id: r for r in all_releases(warehouse)}
    states = last_states(warehouse)
    for run_id, row in states.items():
        release = known.get(run_id)
        if release is None or row["status"] == "rejected":
            continue
        if release.status == "withdrawn":
            row |= {"status": "withdrawn", "message": release.reason}
        elif row["status"] in ("started", "failed"):
            # A run that was ended after its release was published did all that it had to.
            row |= {"status": "released", "message": None}
    for row in lost(warehouse):
        states[row["run_id"]] |= {"status": "failed", "message": LOST}
    return states


def lost(warehouse: Warehouse) -> list[dict[str, Any]]:
    """The newest rows of runs that published and that ops/releases does not know, for the commit was lost: nights, the
    one that stands on the newest release, the one on that, and so on; and rejections and rollbacks in their places.

    What lies below a later release is history: nobody builds on it.
    """
    # First: a night publishes, and then says that it did.
    rows = rows_of(warehouse, RUNS.path)
    known = all_releases(warehouse)
    ids = {release.release_id for release in known}
    states = {row["run_id"]: row for row in rows}
    # In the order of their starts: what is carried out again ends anew.
    later = max((place for place, run_id in enumerate(states) if run_id in ids), default=-1)
    # A night that was rejected since had published; what was given up is failed.
    published = {row["run_id"] for row in rows if row["status"] in ("released", "restored")}
    gone = [
        row
        for row in list(states.values())[later + 1 :]
        if row["run_id"] in published and row["status"] in ("released", "restored", "rejected")
    ]
    nights = {row["base_release"]: row for row in gone if not is_decision(row)}
    decisions = [row for row in gone if is_decision(row)]
    place = {row["run_id"]: n for n, row in enumerate(gone)}
    standing = [release.release_id for release in known if release.status == "released"]
    top = standing[-1] if standing else None
    found: list[dict[str, Any]] = []
    while next_ones := [*([nights[top]] if top in nights else []), *decisions[:1]]:
        row = min(next_ones, key=lambda row: place[row["run_id"]])
        if is_decision(row):
            decisions.remove(row)
        else:
            del nights[top]
        found.append(row)
        top = row["run_id"]
    return found


def taken_back(warehouse: Warehouse) -> frozenset[str]:
    """The runs that somebody rejected, or whose release was withdrawn."""
    states = run_states(warehouse)
    return frozenset(run for run, row in states.items() if row["status"] in ("rejected", "withdrawn"))


def publish(warehouse: Warehouse, row: dict[str, Any], may_go_on: Callable[[], None] = lambda: None) -> None:
    """Make a night visible: one row in ops/releases, after all that are there, then release.json beside the tables.

    ``may_go_on`` raises where it must not become visible: nobody publishes between its answer and the commit.
    """
    for attempt in range(1, ATTEMPTS + 1):
        seen = warehouse.seen(RELEASES)
        may_go_on()
        try:
            warehouse.append_rows(
                RELEASES, [{**row, "at": after_all(warehouse, row["at"], RELEASES.path)}], seen
            )
            break
        except OvertakenError:
            if attempt == ATTEMPTS:
                raise
    write_pointer(warehouse)


def replace(warehouse: Warehouse, row: dict[str, Any], withdrawn: Sequence[Release], seen: Any) -> None:
    """Publish ``row`` and withdraw releases in one commit, so that readers never see neither.

    Raises OvertakenError where ops/releases is another than was ``seen``.
    """
    at = after_all(warehouse, row["at"], RELEASES.path)
    gone = [
        {
            "release_id": r.release_id,
            "business_date": r.business_date,
            "at": at,
            "tables": sorted(r.tables.items()),
            "status": "withdrawn",
            "base_release": r.base_release,
            "inputs_digest": r.inputs_digest,
            "code_digest": r.code_digest,
            "conf_digest": r.conf_digest,
            "warnings": list(r.warnings),
            "reason": row["reason"],
        }
        for r in withdrawn
    ]
    warehouse.append_rows(RELEASES, [*gone, {**row, "at": at}], seen)
    write_pointer(warehouse)


def is_pointed_to(warehouse: Warehouse) -> bool:
    """True where release.json names the newest release, or there is none yet."""
    release = newest(warehouse)
    if release is None:
        return True
    try:
        content = json.loads(files.read_text(files.join(warehouse.root, "release.json")))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("release_id") == release.release_id


def write_pointer(warehouse: Warehouse) -> None:
    """Write release.json from ops/releases, which is the truth."""
    release = newest(warehouse)
    if release is None:
        return
    content = {
        "release_id": release.release_id,
        "business_date": release.business_date.isoformat(),
        "tables": [
            {"table": path, "path": warehouse.uri(path), "version": version}
            for path, version in sorted(release.tables.items())
        ],
    }
    place = files.join(warehouse.root, "release.json")
    with writing(place):
        files.write_text(place, json.dumps(content, indent=2) + "\n")


def read(
    spark: SparkSession, table: str, warehouse: str = "warehouse", release_id: str | None = None
) -> DataFrame:
    """A released table in Spark, by ``layer/name``; also registered as the view ``layer_name``.

    Raises NoReleaseError without a release, PadronError for a table that it does not name.
    """
    house = Warehouse(warehouse)
    if release_id is None:
        release = required(house)
    else:
        found = {r.release_id: r for r in all_releases(house)}
        if release_id not in found:
            raise NoReleaseError(f"There is no release {release_id}.")
        release = found[release_id]
    if table not in release.tables:
        raise PadronError(f"Release {release.release_id} has no table {table}.")
    frame = spark.read.format("delta").option("versionAsOf", release.tables[table]).load(house.uri(table))
    frame.createOrReplaceTempView(table.replace("/", "_"))
    return frame
