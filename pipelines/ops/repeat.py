"""A past run once more: the same versions, files and configuration, what comes out compared, nothing recorded or released."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.bronze.landing import discover
from pipelines.errors import UsageError
from pipelines.linkage.generations import GENERATIONS, generation_of
from pipelines.night import GIVEN, stages
from pipelines.ops.configurations import restored
from pipelines.ops.lock import Lock
from pipelines.ops.past_run import PastRun, past_run
from pipelines.ops.plan import PlannedNight
from pipelines.ops.reading import differing_rows
from pipelines.ops.record import check_version
from pipelines.ops.releases import all_releases
from pipelines.ops.runner import Runner
from pipelines.renames import DECLARED
from pipelines.silver.renames import RENAMES
from pipelines.stages import Night, StageResult

if TYPE_CHECKING:
    from collections.abc import Callable

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

    def gates(self, stage: str, verdicts: list[dict[str, Any]]) -> None: ...


def repeat(
    run_id: str,
    landing: str,
    settings: Settings,
    warehouse: Warehouse,
    start_spark: Callable[[], SparkSession],
    watcher: Watcher,
) -> dict[str, int]:
    """Run ``run_id`` again from the versions that it read: by table that it wrote, rows that differ now.

    ``settings``: the configuration of today; where the run's was another, its own is used (``_as_recorded``).
    Its tables are written as versions that no release names. Raises UsageError where they
    are not kept any more, or a file that it took in is not in the landing folder.
    """
    check_version(warehouse)
    past = past_run(warehouse, run_id)
    if past.gone or not past.outputs:
        raise UsageError(past.repeat[0])
    for line in past.repeat[1:]:
        watcher.warned(line)
    settings = _as_recorded(past, settings, warehouse, watcher)
    base = {r.release_id: r for r in all_releases(warehouse)}.get(past.run["base_release"] or "")
    adopted = None
    if past.run["adopts"]:
        if GENERATIONS.path not in past.outputs:
            raise UsageError(
                f"Run {run_id} ended before it kept the generation {past.run['adopts']} that it was to adopt: there is "
                "nothing to repeat it by."
            )
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


def _as_recorded(past: PastRun, today: Settings, warehouse: Warehouse, watcher: Watcher) -> Settings:
    """What the run was configured with, by its record. Warns where that is another than today's.

    What the record does not give back is today's, and a warning names it; nothing is refused. Such a record needs the
    program that kept it, which may not open a warehouse that a newer one wrote to (``check_version``): a refusal would
    leave no way to repeat the run, and this one says which part may be why its tables differ.
    """
    if past.run["conf_digest"] == today.digest:
        return today
    if past.configuration is None:
        watcher.warned("Its configuration is not on record: today's is used, which is another.")
        return today
    found = restored(past.configuration, _renamed_keys(past, warehouse), today)
    if found.others:
        watcher.warned(
            f"Today's configuration is another in {', '.join(found.others)}: the run's own is used, as it is on record."
        )
    if found.unread:
        watcher.warned(
            f"Its configuration of {', '.join(found.unread)} is on record as this program cannot read it: today's is used."
        )
    if found.inexact:
        watcher.warned(
            f"Its configuration of {', '.join(found.inexact)} was kept by another version of the program: what that did "
            "not tell is at its default."
        )
    return found.settings


def _renamed_keys(past: PastRun, warehouse: Warehouse) -> pa.Table:
    """The renamed keys that the run applied: rows of ``DECLARED``, of which its configuration has a digest only.

    Those of earlier nights stand in its base; what had not begun by its date changed nothing.
    """
    version = past.outputs.get(RENAMES.path)
    applied = None if version is None else warehouse.arrow(RENAMES.path, version)
    if applied is None:
        return DECLARED.empty_table()
    return applied.filter(pc.is_valid(applied["record_id"])).select(DECLARED.names).cast(DECLARED)


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
