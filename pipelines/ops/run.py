"""``padron run``: plan the nights, take the lock, run and release each; say what went wrong to whom it concerns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Protocol

from pipelines.access import check_all_writable
from pipelines.bronze.batches import BATCHES
from pipelines.bronze.landing import discover, pending
from pipelines.digests import LAYERS
from pipelines.errors import LockHeld, PadronError, UsageError
from pipelines.linkage.adoption import check_fields
from pipelines.linkage.generations import GENERATIONS, lineage
from pipelines.night import catalogue, stages
from pipelines.night_gates import (
    check_contracts_can_be_asked,
    check_contracts_can_be_matched,
    check_contracts_exist,
)
from pipelines.ops import alerts, releases, stewards
from pipelines.ops.failures import run_failed, told
from pipelines.ops.lock import Lock
from pipelines.ops.lost_releases import publish_again
from pipelines.ops.one_night import failed, prepare, run_night
from pipelines.ops.plan import PlannedNight, plan_nights, records_looked_at
from pipelines.ops.record import Record, check_version
from pipelines.ops.runner import Progress
from pipelines.ops.tables import CONFIGURATIONS, GATES, RELEASES, RUNS, STAGES, UPKEEPS
from pipelines.ops.terminated import Terminated, telling
from pipelines.ops.training_reports import take_along
from pipelines.ops.untold import make_up, told_of_newest, untold
from pipelines.ops.upkeep import is_due, maintain
from pipelines.ops.withdrawn_pages import set_aside_late
from pipelines.settings import alerts_of, load_settings
from pipelines.silver.cases import CASES
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.bronze.landing import LandedFile
    from pipelines.linkage.generations import Generation
    from pipelines.ops.one_night import Prepared
    from pipelines.ops.training_reports import TrainingReport
    from pipelines.settings import Settings
    from pipelines.spark import StartSpark
    from pipelines.tables import Table


class Watcher(Progress, Protocol):
    """Who is told how a whole run goes."""

    def night_started(self, night: PlannedNight, run_id: str, stages: int) -> None: ...
    def night_released(self, business_date: dt.date, seconds: float) -> None: ...


@dataclass(frozen=True)
class Options:
    """What a run was asked for."""

    landing: str
    warehouse: str
    date: dt.date | None = None
    since: dt.date | None = None
    """The first date of a range that ends with ``date``: one night a folder."""
    full: bool = False
    from_stage: str | None = None
    layer: str | None = None
    """Run the oldest night up to this layer; its last layer's run releases it."""
    generation: Generation | None = None
    """The generation that the first of the nights adopts."""
    training_report: TrainingReport | None = None
    """The report of its training, which the warehouse keeps when it is adopted."""
    is_approved: bool = False
    """True where somebody agreed to what the adoption changes."""
    takes_files: bool = True
    """False for an adoption alone: what lies in the landing folder waits for the next night."""


@dataclass
class Outcome:
    """What a run did: the releases that it made, oldest first; none when there was nothing to do."""

    released: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    waits_for: str | None = None
    """The layer whose job goes on with the night."""
    rejected: tuple[str, ...] = ()
    """Files in the landing folder that stay out, because their night was rejected."""


def configured(
    config: str | None, warehouse: str, warn: Callable[[str], None], asked: dt.date | None = None
) -> Settings:
    """The configuration of a run (``load_settings``). One that cannot be read is told like a night that failed, as far
    as it still says to whom."""
    try:
        return load_settings(config)
    except Exception as error:
        told = alerts_of(config)
        if told is not None:
            alerts.failed(told, Warehouse(warehouse), error, (), warn, asked)
        raise


def run(
    options: Options,
    settings: Settings,
    start_spark: StartSpark,
    watcher: Watcher,
    check: Callable[[], None] = lambda: None,
    report: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run what there is to run.

    Spark is started only when there is; ``check`` is asked before anything else whether it can be. ``report`` is called
    after each release, while it is the newest, and raises nothing.
    Raises UsageError (2), GateStopped (3), LockHeld (4) or another PadronError (1); who is to be alerted has been by then.
    """
    warehouse = warehouse_of(options, settings)
    records: list[Record] = []

    def unreleased() -> list[Record]:
        """The record of the last night, where it neither is released nor waits for its next job: neither has failed,
        whatever is still done after it.
        """
        return [record for record in records[-1:] if record.status not in ("released", "waiting")]

    def tell(error: Exception, nights: Sequence[Record]) -> None:
        asked = None if records or options.since else options.date
        alerts.failed(settings.project.alerts, warehouse, error, nights, watcher.warned, asked)

    def last_words(error: Terminated) -> None:
        # One that has failed may have lost Spark to the same signal.
        ended = [record for record in unreleased() if record.status in ("started", "failed")]
        for record in ended:
            if record.status == "started":
                failed(record, error)
        tell(error, ended)
        # Last, for whoever would read it may be gone.
        watcher.warned(str(error))

    try:
        with telling(last_words):
            check()
            return _run(options, settings, warehouse, start_spark, watcher, records, report)
    except PadronError as error:
        tell(error, unreleased())
        raise
    except Exception as error:
        failure = run_failed(error)
        tell(failure, unreleased())
        raise failure from error


def foreseen(options: Options, settings: Settings) -> tuple[list[Prepared], Warehouse, Outcome]:
    """The nights that a run would make, what it found besides, and nothing changed.

    Only of the first night it is known what will be reused: the others build on what it makes.
    """
    warehouse = warehouse_of(options, settings)
    _check(options, settings, warehouse)
    outcome = Outcome()
    nights = _plan(options, settings, warehouse, outcome)
    outcome.warnings += [
        f"run {gone['run_id']}: {releases.LOST}, and goes on from it." for gone in releases.lost(warehouse)
    ]
    if nights:
        check_contracts_can_be_asked(settings)
    adopted = _adopted(options, warehouse)
    found = [prepare(n, options, settings, warehouse, outcome.warnings, adopted) for n in nights]
    return found, warehouse, outcome


def warehouse_of(options: Options, settings: Settings) -> Warehouse:
    """The warehouse that was asked for, with the retention of the configuration."""
    project = settings.project
    return Warehouse(
        options.warehouse, retention_days=project.retention_days, by_layer=project.retention_by_layer
    )


def _check(options: Options, settings: Settings, warehouse: Warehouse) -> None:
    """Raises UsageError for what cannot be run."""
    check_version(warehouse)
    check_contracts_exist(settings)
    night_stages = stages(settings.sources)
    if options.from_stage is not None and options.from_stage not in {s.name for s in night_stages}:
        names = ", ".join(s.name for s in night_stages)
        raise UsageError(f"--from {options.from_stage} is not a stage. Stages: {names}.")
    if options.layer is not None and options.layer not in LAYERS:
        raise UsageError(f"--layer {options.layer} is not a layer. Layers: {', '.join(LAYERS)}.")
    if options.layer is not None and options.since is not None:
        raise UsageError(
            "--layer runs a layer of one night: give --date one date, and a job of its own to each night."
        )
    _check_countries(settings)
    if options.generation is not None:
        check_fields(options.generation, settings.linkage)


def _check_countries(settings: Settings) -> None:
    """Raises UsageError for a country that there is not: by it all phones without a prefix would be invalid."""
    from pipelines.standardise.phones import is_country_code

    named = {
        f"sources/{name}.yml": s.country for name, s in settings.sources.items() if s.country is not None
    }
    for file, code in {"padron.yml": settings.project.country, **named}.items():
        if not is_country_code(code):
            raise UsageError(
                f"conf/{file}: country: {code} is no code of a country with telephones (ISO 3166-1)."
            )


def _run(
    options: Options,
    settings: Settings,
    warehouse: Warehouse,
    start_spark: StartSpark,
    watcher: Watcher,
    records: list[Record],
    report: Callable[[], None],
) -> Outcome:
    _check(options, settings, warehouse)
    check_all_writable(warehouse.root, _written(settings))
    if releases.lost(warehouse):
        with Lock(warehouse, "padron run, publishing a lost release again") as lock:
            if lock.taken_over:
                watcher.warned(lock.taken_over)
            for text in publish_again(lock, start_spark):
                watcher.warned(text)
    outcome = Outcome()
    nights = _plan(options, settings, warehouse, outcome)
    if not nights:
        if untold(warehouse) or not releases.is_pointed_to(warehouse):
            # Another run that has the lock does it itself.
            with suppress(LockHeld), Lock(warehouse, "padron run, making up for one that was killed"):
                _point(warehouse, watcher)
                make_up(settings.project.alerts, warehouse, watcher.warned, report)
        # Without a night no gate says that a source stays away, nor anything else that these are about.
        for text in outcome.warnings:
            watcher.warned(text)
        if options.takes_files:
            alerts.warned_without_night(
                settings.project.alerts, warehouse, options.landing, outcome.warnings, watcher.warned
            )
        return outcome
    first = str(nights[0].business_date)
    with Lock(warehouse, f"padron run {first}", night=first) as lock:
        _tell_of_the_dead(lock, settings, watcher)
        _point(warehouse, watcher)
        make_up(settings.project.alerts, warehouse, watcher.warned, report)
        set_aside_late(warehouse)
        nights = _plan(options, settings, warehouse, outcome)
        for text in outcome.warnings:
            watcher.warned(text)
        start = cache(partial(_started, partial(start_spark, records_of(nights, warehouse)), settings))
        for planned in nights:
            problems = () if outcome.released else tuple(outcome.warnings)
            adopted = None if outcome.released else _adopted(options, warehouse)
            if adopted is not None:
                take_along(options.training_report, adopted, warehouse, watcher.warned)
            stewards.take_in(warehouse, settings.decisions)
            prepared = prepare(planned, options, settings, warehouse, problems, adopted)
            record, release_id = run_night(
                prepared, options, settings, warehouse, start, watcher, lock, records
            )
            tell = partial(alerts.warned, settings.project.alerts, warehouse, record, say=watcher.warned)
            # A layer's job tells what is new in it.
            tell(record.new_warnings)
            if release_id is None:
                outcome.waits_for = prepared.next_layer
            else:
                outcome.released.append(release_id)
                report()
                told_of_newest(warehouse)
                tell(_keep_up(warehouse, settings, watcher))
    return outcome


def _tell_of_the_dead(lock: Lock, settings: Settings, watcher: Watcher) -> None:
    """Say whose lock was taken over, and alert that the last run died before its release: it could tell nobody itself.

    Whoever holds the lock knows that no other run is alive. A night that waited for its next job died where its lock was
    taken over.
    """
    if lock.taken_over:
        watcher.warned(lock.taken_over)
    states = releases.run_states(lock.warehouse)
    last = states[max(states, key=lambda name: states[name]["at"])] if states else None
    if last and (last["status"] == "started" or (last["status"] == "waiting" and lock.taken_over)):
        alerts.died(settings.project.alerts, lock.warehouse, last, watcher.warned)


def _point(warehouse: Warehouse, watcher: Watcher) -> None:
    """Write release.json where a run that died as it published left it at the release before: tonight may make none."""
    try:
        if not releases.is_pointed_to(warehouse):
            releases.write_pointer(warehouse)
    except Exception as error:
        watcher.warned(f"release.json could not be written ({told(error)}): it may name an older release.")


def _written(settings: Settings) -> list[str]:
    """What a run writes: the tables of its stages and of its record."""
    of_stages = [table.path for stage in stages(settings.sources) for table in stage.writes]
    return [*of_stages, *(table.path for table in (RUNS, STAGES, GATES, RELEASES, CONFIGURATIONS, UPKEEPS))]


def records_of(nights: Sequence[PlannedNight], warehouse: Warehouse) -> int:
    """About how many records the nights will look at: see ``records_looked_at``.

    Of a shop that knows few of its buyers, orders are what takes the time: two of them count as a record, eight of all
    events with their lines.
    """
    release = releases.newest(warehouse)
    tables = {} if release is None else release.tables

    def rows(*of: Table) -> int:
        return sum(warehouse.rows(table.path, tables.get(table.path)) for table in of)

    events = rows(ORDERS, ORDER_LINES, RETURNS, CASES)
    return records_looked_at(nights, max(rows(CUSTOMER_RECORDS), rows(ORDERS) // 2, events // 8))


def _started(start_spark: Callable[[], SparkSession], settings: Settings) -> SparkSession:
    """Spark. While its JVM starts, the contracts are looked at, which takes as long.

    Raises UsageError for a contract that cannot be asked.
    """
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(check_contracts_can_be_asked, settings)
        spark = start_spark()
        asked.result()
    check_contracts_can_be_matched(settings, spark)
    return spark


def _keep_up(warehouse: Warehouse, settings: Settings, watcher: Watcher) -> list[str]:
    """Upkeep when it is due, and its warnings; a night that is released is released, whatever becomes of it."""
    try:
        if not is_due(warehouse, settings.project.maintain_every):
            return []
        done = maintain(warehouse, [table.path for table in catalogue(settings.sources)])
        warnings = [kept.warning for kept in done if kept.warning]
    except Exception as error:
        warnings = [f"upkeep of the tables failed ({type(error).__name__}): run padron maintain."]
    for warning in warnings:
        watcher.warned(warning)
    return warnings


def _plan(options: Options, settings: Settings, warehouse: Warehouse, outcome: Outcome) -> list[PlannedNight]:
    release = releases.newest(warehouse)
    version = release.tables.get(BATCHES.path) if release else None
    known = warehouse.arrow(BATCHES.path, version) if version is not None else None
    new: list[LandedFile] = []
    if options.takes_files:
        landing = discover(options.landing, settings.sources, upto=options.date, known=known)
        sorted_out = pending(landing, known)
        outcome.warnings = [p.text for p in (*sorted_out.problems, *landing.problems)]
        outcome.rejected = tuple(file.path for file in sorted_out.rejected)
        new = list(sorted_out.new)
    same = release is not None and releases.is_of(release, settings)
    # Who asks for a stage again wants it also where nothing is new.
    same = same and _adopted(options, warehouse) is None and options.from_stage is None
    same = same and not (release and stewards.undecided(warehouse, release, settings.decisions))
    nights = plan_nights(
        new, release, asked=options.date, same_program=same, full=options.full, since=options.since
    )
    # A job runs one layer of one night; the next night begins when this one is released.
    return nights[:1] if options.layer is not None else nights


def _adopted(options: Options, warehouse: Warehouse) -> Generation | None:
    """The generation that was asked for; None where the newest release is linked by it, or a revision of it."""
    asked, release = options.generation, releases.newest(warehouse)
    version = release.tables.get(GENERATIONS.path) if release else None
    if asked is None or version is None:
        return asked
    return None if asked.generation_id in lineage(warehouse.arrow(GENERATIONS.path, version)) else asked
