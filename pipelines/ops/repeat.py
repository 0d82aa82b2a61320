"""A past run once more: the same versions, files and configuration, what comes out compared, nothing recorded or released."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from pipelines.bronze.landing import discover
from pipelines.errors import UsageError
from pipelines.linkage.generations import GENERATIONS, generation_of
from pipelines.night import GIVEN, stages
from pipelines.ops.lock import Lock
from pipelines.ops.past_run import PastRun, past_run
from pipelines.ops.plan import PlannedNight
from pipelines.ops.reading import differing_rows
from pipelines.ops.record import check_version
from pipelines.ops.releases import all_releases
from pipelines.ops.runner import Runner
from pipelines.renames import DECLARED
from pipelines.settings import settings_of_record
from pipelines.silver.renames import RENAMES
from pipelines.stages import Night, StageResult

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa
    from pyspark.sql import SparkSession

    from pipelines.bronze.landing import LandedFile
    from pipelines.ops.run import Watcher
    from pipelines.settings import Settings
    from pipelines.storage import Warehouse


@dataclass
class Unrecorded:
    """Takes the place of the record: a repetition leaves no trace in it."""

    results: list[StageResult] = field(default_factory=list)

    def stage(self, result: StageResult) -> None:
        self.results.append(result)

    def gates(self, verdicts: list[dict[str, Any]]) -> None: ...


def repeat(
    run_id: str,
    landing: str,
    settings: Settings,
    warehouse: Warehouse,
    start_spark: Callable[[], SparkSession],
    watcher: Watcher,
) -> dict[str, int]:
    """Run ``run_id`` again from the versions that it read, configured as it was: by table that it wrote, rows that differ now.

    Its tables are written as versions that no release names. ``settings`` are of today. Raises UsageError where a
    file that it took in is not in the landing folder any more, or where it had another configuration than today's
    that the record does not give back.
    """
    check_version(warehouse)
    past = past_run(warehouse, run_id)
    if not past.outputs:
        raise UsageError(past.repeat[0])
    for line in past.repeat[1:]:
        watcher.warned(line)
    settings = _configured_as(past, settings, warehouse, watcher)
    base = {r.release_id: r for r in all_releases(warehouse)}.get(past.run["base_release"] or "")
    adopted = None
    if past.run["adopts"]:
        rows = warehouse.arrow(GENERATIONS.path, past.outputs[GENERATIONS.path])
        adopted = None if rows is None else generation_of(rows, past.run["adopts"])
    night = Night(
        business_date=past.run["business_date"],
        run_id=run_id,
        # A run that was resumed took its files in when it was begun first.
        started_at=(past.files[0]["ingested_at"] if past.files else past.states[0][0]).astimezone(UTC),
        landing=landing,
        files=tuple(_files(past, landing, settings)),
        base=past.base,
        given=_given(past),
        base_date=base.business_date if base else None,
        is_full=bool(past.run["is_full"]),
        generation=adopted,
        is_approved=True,
    )
    with Lock(warehouse, f"padron run --repeat {run_id}"):
        runner = Runner(
            start_spark(),
            warehouse,
            settings,
            night,
            Unrecorded(),  # type: ignore[arg-type]
            watcher,
            memory={},
            leaves_pages=False,
        )
        again = [stage for stage in stages(settings.sources) if _is_of(stage.name, past)]
        watcher.night_started(PlannedNight(night.business_date, night.files), run_id, len(again))
        # Gates are not asked: they would judge what somebody has judged before.
        runner.run(again, {}, set())
    return {
        path: differing_rows(warehouse, path, version, runner.versions[path])
        for path, version in sorted(past.outputs.items())
        if runner.versions.get(path) not in (None, version)
    }


def _configured_as(past: PastRun, today: Settings, warehouse: Warehouse, watcher: Watcher) -> Settings:
    """What the run was configured with: ``today``, or where that is another the record's."""
    run_id = past.run["run_id"]
    if past.run["conf_digest"] == today.digest:
        return today
    give = (
        f"give the folder that it had with --config (`padron runs {run_id} --json` has what is known of it)."
    )
    if past.configuration is None:
        raise UsageError(f"The configuration of {run_id} is not on record, and today's is another: {give}")
    try:
        then = settings_of_record(past.configuration, _renames(past, warehouse), today)
    except UsageError as error:
        raise UsageError(
            f"Run {run_id} was configured in a way that this program does not know ({error}): install padron "
            f"{past.run['version']}, or {give}"
        ) from None
    known = json.loads(json.dumps(today.recorded, default=str))
    parts = sorted(name for name in known if past.configuration.get(name) != known[name])
    watcher.warned(
        f"Its configuration was another in {', '.join(parts)}: it is repeated with the one that is on record."
    )
    return then


def _renames(past: PastRun, warehouse: Warehouse) -> pa.Table:
    """The renames that the run applied, or that were applied before it, as declared ones."""
    version = past.outputs.get(RENAMES.path, past.base.get(RENAMES.path))
    applied = None if version is None else warehouse.arrow(RENAMES.path, version)
    return DECLARED.empty_table() if applied is None else applied.select(DECLARED.names).cast(DECLARED)


def _given(past: PastRun) -> dict[str, int]:
    """The versions that the run read of what stewards wrote, which is no output of any stage."""
    read = {path: version for row in past.stages for path, version in dict(row["inputs"] or {}).items()}
    return {table.path: read[table.path] for table in GIVEN if table.path in read}


def _is_of(stage: str, past: PastRun) -> bool:
    return any(row["stage"] == stage and row["status"] in ("done", "reused") for row in past.stages)


def _files(past: PastRun, landing: str, settings: Settings) -> list[LandedFile]:
    """The files that the run took in, as they lie in the landing folder."""
    wanted = {(row["file"], row["digest"]) for row in past.files}
    if not wanted:
        return []
    found = [f for f in discover(landing, settings.sources).files if (f.path, f.digest) in wanted]
    missing = wanted - {(f.path, f.digest) for f in found}
    if missing:
        raise UsageError(
            f"{min(missing)[0]} is not in the landing folder as the run took it in ({len(missing)} of "
            f"{len(wanted)} files): give the folder with --landing."
        )
    return found
