"""One night: from the release that it builds on to the next, resumed where an earlier run of it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from pipelines.config import digest
from pipelines.digests import LAYERS, libraries, program_digest
from pipelines.errors import GateStopped, LockHeld, PadronError
from pipelines.night import GIVEN, published, put_off, stages
from pipelines.night_gates import gates
from pipelines.ops import releases
from pipelines.ops.configurations import keep_configuration, makes_the_same
from pipelines.ops.failures import told
from pipelines.ops.keys import CHANGED, Expected, forecast, stage_key
from pipelines.ops.past_run import changed_program
from pipelines.ops.record import Record, approvals, finished, remembered, unfinished
from pipelines.ops.runner import Runner
from pipelines.stages import Night

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

    from pipelines.linkage.generations import Generation
    from pipelines.ops.lock import Lock
    from pipelines.ops.plan import PlannedNight
    from pipelines.ops.releases import Release
    from pipelines.ops.run import Options, Watcher
    from pipelines.settings import Settings
    from pipelines.stages import Stage
    from pipelines.storage import Warehouse


@dataclass(frozen=True)
class Prepared:
    """A planned night and what earlier runs of it left: everything that is fixed before it starts."""

    planned: PlannedNight
    night: Night
    facts: dict[str, Any]
    """Its columns of ops/runs."""
    stages: tuple[Stage, ...]
    """Those to run or reuse: all, or up to the layer that was asked for."""
    rerun: set[str]
    resumable: dict[str, dict[str, Any]]
    """Unfinished runs of the night, by their newest row."""
    memory: dict[str, dict[str, int]]
    next_layer: str | None
    """The layer whose job goes on with the night; None where this run releases it."""

    def expected(self, settings: Settings, warehouse: Warehouse) -> list[Expected]:
        """What will happen to each stage."""
        ended = {row["stage"] for row in finished(warehouse, set(self.resumable))}
        return forecast(self.stages, self.night, settings, warehouse, self.memory, ended, self.rerun)


def prepare(
    planned: PlannedNight,
    options: Options,
    settings: Settings,
    warehouse: Warehouse,
    problems: Sequence[str] = (),
    adopted: Generation | None = None,
) -> Prepared:
    """What a night will be; reads the record and changes nothing."""
    base = releases.newest(warehouse)
    base_release = base.release_id if base else None
    resumable = unfinished(warehouse, planned.business_date, base_release)
    origin = {base.release_id} if base and not options.full else set()
    todo = stages(settings.sources)
    names = [s.name for s in todo]
    night = Night(
        business_date=planned.business_date,
        run_id="",
        started_at=datetime.now(UTC),
        landing=options.landing,
        files=planned.files,
        base=base.tables if base else {},
        given=given_versions(warehouse),
        base_date=base.business_date if base else None,
        is_same_program=base is not None
        and base.code_digest == program_digest()
        and makes_the_same(warehouse, base.conf_digest, settings),
        is_full=options.full,
        problems=tuple(problems),
        generation=adopted,
        is_approved=options.is_approved,
    )
    memory = remembered(warehouse, set(resumable) | origin)
    if options.from_stage and base is not None and _is_again(night):
        memory = _of_release(base, night, todo, settings, warehouse) | memory
    return Prepared(
        planned=planned,
        night=night,
        facts={
            "base_release": base_release,
            "inputs_digest": digest([(f.path, f.digest) for f in planned.files]),
            "code_digest": program_digest(),
            "libraries": sorted(libraries().items()),
            "conf_digest": settings.digest,
            "is_full": options.full,
            "files": len(planned.files),
            "late_files": planned.late,
            "adopts": adopted.generation_id if adopted else None,
        },
        stages=tuple(_up_to(options.layer, todo)),
        rerun=set(names[names.index(options.from_stage) :]) if options.from_stage else set(),
        resumable=resumable,
        memory=memory,
        next_layer=_after(options.layer),
    )


def _is_again(night: Night) -> bool:
    """True for a released night that is run once more: on the state that it left, of which every stage finds itself."""
    is_same = night.base_date == night.business_date and not night.files
    return is_same and not night.is_full and night.generation is None


def _of_release(
    base: Release, night: Night, todo: Sequence[Stage], settings: Settings, warehouse: Warehouse
) -> dict[str, dict[str, int]]:
    """What the stages of a release wrote, by the keys that they have in the same night on top of it.

    Not of a stage whose code, configuration or inputs are others by now: a decision of a steward that waits is one.
    """
    ended = {row["stage"]: row for row in finished(warehouse, {base.release_id})}
    found: dict[str, dict[str, int]] = {}
    for stage in todo:
        key, row = stage_key(stage, night, {**night.base, **night.given}, settings), ended.get(stage.name)
        if row is None:
            continue
        was = row["code_digest"], row["conf_digest"], dict(row["inputs"])
        if was == (key.code_digest, key.conf_digest, key.inputs):
            found[key.value] = dict(row["outputs"])
    return found


def given_versions(warehouse: Warehouse) -> dict[str, int]:
    """The newest versions of the tables that no stage writes."""
    found = {table.path: warehouse.newest(table.path) for table in GIVEN}
    return {path: int(table.version()) for path, table in found.items() if table is not None}


def _up_to(layer: str | None, todo: Sequence[Stage]) -> list[Stage]:
    """The stages up to and with ``layer``; all for the last one, whose job ends the night."""
    if _after(layer) is None:
        return list(todo)
    wanted = LAYERS[: LAYERS.index(layer or "") + 1]
    return [stage for stage in todo if stage.layer in wanted]


def _after(layer: str | None) -> str | None:
    return None if layer in (None, LAYERS[-1]) else LAYERS[LAYERS.index(layer or "") + 1]


def run_night(
    prepared: Prepared,
    options: Options,
    settings: Settings,
    warehouse: Warehouse,
    start_spark: Callable[[], SparkSession],
    watcher: Watcher,
    lock: Lock,
    records: list[Record],
) -> tuple[Record, str | None]:
    """Run a prepared night; its record, and the release, or None where it waits for the next layer's job.

    The record is put into ``records`` as soon as there is one. Raises GateStopped, or a PadronError of a stage; the record says which.
    """
    planned, facts, night = prepared.planned, prepared.facts, prepared.night
    # Runs whose files were others cannot be gone on with, only remembered.
    same = [r for r in prepared.resumable.values() if r["inputs_digest"] == facts["inputs_digest"]]
    joined = same[-1] if same and options.layer is not None else None
    # Who agreed to what one generation changes has not seen what another one does.
    alike = {r["run_id"] for r in same if r["adopts"] == facts["adopts"]}
    if _is_again(night):
        # What was agreed to of the night holds when it is run once more.
        alike.add(facts["base_release"])
    record = Record(warehouse, planned.business_date, facts, joined)
    records.append(record)
    is_waiting = joined is not None and joined["status"] == "waiting"
    # A gate may say something else where the program or the configuration is another than that of the job before.
    judges = ("code_digest", "conf_digest")
    is_judged = is_waiting and joined is not None and all(joined[name] == facts[name] for name in judges)
    judged = remembered(warehouse, {record.run_id}) if is_judged else {}
    # Jobs of one night have the same options: what an earlier one has run again is not run once more.
    rerun = prepared.rerun - (_ran(warehouse, record.run_id) if is_waiting else set())
    keep_configuration(warehouse, settings)
    changed = _changed(prepared, settings, warehouse)
    # Of several nights the first one says it.
    taken_over = lock.taken_over if len(records) == 1 else None
    record.state("started", "; ".join(filter(None, (taken_over, changed))) or None)
    watcher.night_started(planned, record.run_id, len(prepared.stages))
    if changed:
        watcher.warned(changed)
    try:
        runner = Runner(
            start_spark(),
            warehouse,
            settings,
            _of_run(night, record),
            record,
            watcher,
            memory=prepared.memory,
            judged=frozenset(judged),
            approved=approvals(warehouse, alike),
            may_go_on=lock.check_known,
            put_off=put_off(night),
        )
        runner.run(prepared.stages, gates(settings.sources), rerun)
        lock.check()
        if prepared.next_layer is None:
            _publish(prepared, warehouse, record, runner.versions, watcher)
    except BaseException as error:
        failed(record, error)
        raise
    if prepared.next_layer is not None:
        record.state("waiting", f"{prepared.next_layer} is next")
        lock.park(str(planned.business_date), prepared.next_layer)
        return record, None
    try:
        record.state("released")
    except Exception as error:
        watcher.warned(f"the night is released; its run could not be recorded so ({told(error)}).")
    watcher.night_released(planned.business_date, record.seconds)
    return record, record.run_id


def _check_base(warehouse: Warehouse, base_release: str | None) -> None:
    """Raises LockHeld where another release came since the night began: a host that stood still for longer than a lock
    holds does not know that it lost it."""
    newest = releases.newest(warehouse)
    if newest is not None and newest.release_id != base_release:
        raise LockHeld(
            f"Another run released {newest.release_id} while this one stood still: nothing is released by this one. Run again."
        )


def _publish(
    prepared: Prepared, warehouse: Warehouse, record: Record, versions: Mapping[str, int], watcher: Watcher
) -> None:
    """Release what the night made. What fails when it is released is a warning. Raises LockHeld of ``_check_base``."""
    facts = prepared.facts
    try:
        releases.publish(
            warehouse,
            {
                "release_id": record.run_id,
                "business_date": prepared.planned.business_date,
                "at": datetime.now(UTC),
                "tables": sorted((p, v) for p, v in versions.items() if published(p)),
                "status": "released",
                "base_release": facts["base_release"],
                "inputs_digest": facts["inputs_digest"],
                "code_digest": facts["code_digest"],
                "conf_digest": facts["conf_digest"],
                "warnings": record.warnings,
            },
            partial(_check_base, warehouse, facts["base_release"]),
        )
    except Exception as error:
        newest = releases.newest(warehouse)
        if newest is None or newest.release_id != record.run_id:
            raise
        watcher.warned(
            f"the night is released; release.json could not be written ({told(error)}) and names the release before "
            "until padron runs again."
        )


def _ran(warehouse: Warehouse, run_id: str) -> set[str]:
    """The stages that the run computed, and took over from no other."""
    return {row["stage"] for row in finished(warehouse, {run_id}) if row["status"] == "done"}


def _of_run(night: Night, record: Record) -> Night:
    return replace(night, run_id=record.run_id, started_at=record.started_at)


def failed(record: Record, error: BaseException) -> None:
    """Record how a run ended badly; where that cannot be written either, the error itself is told."""
    status = "stopped" if isinstance(error, GateStopped) else "failed"
    try:
        record.state(status, str(error) if isinstance(error, PadronError) else told(error))
    except Exception as second:
        error.add_note(f"The record could not be written: {told(second)}.")


def _changed(prepared: Prepared, settings: Settings, warehouse: Warehouse) -> str | None:
    """What a resumed run does again because code, a library or configuration is another than when it ended."""
    if not prepared.resumable:
        return None
    last = list(prepared.resumable.values())[-1]
    what = changed_program(last) + (["configuration"] if last["conf_digest"] != settings.digest else [])
    expected = prepared.expected(settings, warehouse) if what else []
    first = next((e.stage for e in expected if e.why == CHANGED), None)
    if first is None:
        return None
    return f"{' and '.join(what)} changed since {last['run_id']}: {first} and what follows from it run again."
