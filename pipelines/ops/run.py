"""``padron run``: plan the nights, take the lock, run and release each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Protocol

from pipelines.bronze.batches import BATCHES
from pipelines.bronze.landing import discover, pending
from pipelines.config import digest
from pipelines.digests import code_digest
from pipelines.errors import GateStopped, PadronError, UsageError
from pipelines.linkage.adoption import check_fields
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.generations import GENERATIONS, lineage
from pipelines.night import check_contracts_exist, gates, published, stages
from pipelines.ops import releases, stewards
from pipelines.ops.lock import Lock
from pipelines.ops.plan import PlannedNight, plan_nights
from pipelines.ops.record import Record, remembered, unfinished
from pipelines.ops.runner import Progress, Runner
from pipelines.stages import Night
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.bronze.landing import LandedFile
    from pipelines.linkage.generations import Generation
    from pipelines.ops.releases import Release
    from pipelines.settings import Settings


class Watcher(Progress, Protocol):
    """Who is told how a whole run goes."""

    def warned(self, text: str) -> None: ...
    def night_started(self, night: PlannedNight, run_id: str, stages: int) -> None: ...
    def night_released(self, business_date: date, seconds: float) -> None: ...


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    landing: str
    warehouse: str
    date: date | None = None
    full: bool = False
    from_stage: str | None = None
    generation: Generation | None = None
    """The generation that the first of the nights adopts."""
    is_approved: bool = False
    """True where somebody agreed to what the adoption changes."""
    takes_files: bool = True
    """False for an adoption alone: what lies in the landing folder waits for the next night."""


@dataclass
class Outcome:
    """What a run did: the releases that it made, oldest first; none when there was nothing to do."""

    released: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def run(
    options: Options, settings: Settings, start_spark: Callable[[], SparkSession], watcher: Watcher
) -> Outcome:
    """Run what there is to run.

    Spark is started only when there is. Raises UsageError (2), GateStopped (3), LockHeld (4) or
    another PadronError (1).
    """
    warehouse = Warehouse(options.warehouse, retention_days=settings.project.retention_days)
    check_contracts_exist(settings)
    night_stages = stages(settings.sources)
    if options.from_stage is not None and options.from_stage not in {s.name for s in night_stages}:
        names = ", ".join(s.name for s in night_stages)
        raise UsageError(f"--from {options.from_stage} is not a stage. Stages: {names}.")
    if options.generation is not None:
        check_fields(options.generation, settings.linkage)
    code = code_digest()
    outcome = Outcome()
    nights = _plan(options, settings, warehouse, code, outcome)
    if not nights:
        releases.write_pointer(warehouse)
        return outcome
    with Lock(warehouse, f"padron run {nights[0].business_date}") as lock:
        if lock.taken_over:
            watcher.warned(lock.taken_over)
        nights = _plan(options, settings, warehouse, code, outcome)
        for text in outcome.warnings:
            watcher.warned(text)
        if not nights:
            return outcome
        spark = start_spark()
        for planned in nights:
            problems = () if outcome.released else tuple(outcome.warnings)
            adopted = None if outcome.released else _adopted(options, warehouse)
            release_id = _run_night(
                planned, options, settings, warehouse, spark, code, watcher, problems, adopted
            )
            outcome.released.append(release_id)
    return outcome


def _plan(
    options: Options, settings: Settings, warehouse: Warehouse, code: str, outcome: Outcome
) -> list[PlannedNight]:
    release = releases.newest(warehouse)
    version = release.tables.get(BATCHES.path) if release else None
    known = warehouse.arrow(BATCHES.path, version) if version is not None else None
    new: list[LandedFile] = []
    if options.takes_files:
        landing = discover(options.landing, settings.sources, upto=options.date, known=known)
        sorted_out = pending(landing, known)
        outcome.warnings = [p.text for p in (*landing.problems, *sorted_out.problems)]
        new = list(sorted_out.new)
    same = release is not None and (release.code_digest, release.conf_digest) == (code, settings.digest)
    same = same and _adopted(options, warehouse) is None
    same = same and not (release and stewards.undecided(warehouse, release, settings.decisions))
    return plan_nights(new, release, asked=options.date, same_program=same, full=options.full)


def _adopted(options: Options, warehouse: Warehouse) -> Generation | None:
    """The generation that was asked for; None where the newest release is linked by it, or a revision of it."""
    asked, release = options.generation, releases.newest(warehouse)
    version = release.tables.get(GENERATIONS.path) if release else None
    if asked is None or version is None:
        return asked
    return None if asked.generation_id in lineage(warehouse.arrow(GENERATIONS.path, version)) else asked


def _run_night(
    planned: PlannedNight,
    options: Options,
    settings: Settings,
    warehouse: Warehouse,
    spark: SparkSession,
    code: str,
    watcher: Watcher,
    problems: tuple[str, ...],
    adopted: Generation | None,
) -> str:
    base = releases.newest(warehouse)
    base_release = base.release_id if base else None
    facts = {
        "base_release": base_release,
        "inputs_digest": digest([(f.uri, f.digest) for f in planned.files]),
        "code_digest": code,
        "conf_digest": settings.digest,
        "is_full": options.full,
        "files": len(planned.files),
        "late_files": planned.late,
        "adopts": adopted.generation_id if adopted else None,
    }
    resumable = unfinished(warehouse, planned.business_date, base_release)
    record = Record(warehouse, planned.business_date, facts)
    memory = remembered(warehouse, resumable if options.full else resumable | _origin(base))
    night = Night(
        business_date=planned.business_date,
        run_id=record.run_id,
        started_at=record.started_at,
        landing=options.landing,
        files=planned.files,
        base=base.tables if base else {},
        given={DECISIONS.path: stewards.take_in(warehouse, settings.decisions)},
        base_date=base.business_date if base else None,
        is_full=options.full,
        problems=problems,
        generation=adopted,
        is_approved=options.is_approved,
    )
    todo = stages(settings.sources)
    names = [s.name for s in todo]
    rerun = set(names[names.index(options.from_stage) :]) if options.from_stage else set()
    record.state("started")
    watcher.night_started(planned, record.run_id, len(todo))
    runner = Runner(spark, warehouse, settings, night, record, watcher, code=code, memory=memory)
    try:
        runner.run(todo, gates(settings.sources), rerun)
    except GateStopped as error:
        record.state("stopped", str(error))
        raise
    except PadronError as error:
        record.state("failed", str(error))
        raise
    except BaseException as error:
        record.state("failed", type(error).__name__)
        raise
    releases.publish(
        warehouse,
        {
            "release_id": record.run_id,
            "business_date": planned.business_date,
            "at": datetime.now(UTC),
            "tables": sorted((p, v) for p, v in runner.versions.items() if published(p)),
            "status": "released",
            "base_release": base_release,
            "inputs_digest": facts["inputs_digest"],
            "code_digest": code,
            "conf_digest": settings.digest,
            "warnings": record.warnings,
        },
    )
    record.state("released")
    watcher.night_released(planned.business_date, record.seconds)
    return record.run_id


def _origin(base: Release | None) -> set[str]:
    return {base.release_id} if base else set()
