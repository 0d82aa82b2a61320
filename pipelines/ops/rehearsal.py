"""Nights tried beside the warehouse: its stages and gates as ever, into a folder that is deleted afterwards."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING

from pipelines import files
from pipelines.night import published
from pipelines.night_gates import gates
from pipelines.ops import releases, stewards
from pipelines.ops.one_night import given_versions, prepare
from pipelines.ops.overlay import Overlay
from pipelines.ops.plan import PlannedNight
from pipelines.ops.repeat import Unrecorded
from pipelines.ops.run import foreseen, records_of
from pipelines.ops.runner import Runner
from pipelines.ops.tried import FOLDER, clear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date
    from typing import Any

    from pyspark.sql import SparkSession

    from pipelines.ops.gates import Verdict
    from pipelines.ops.one_night import Prepared
    from pipelines.ops.releases import Release
    from pipelines.ops.run import Options, Watcher
    from pipelines.ops.runner import Gate
    from pipelines.settings import Settings
    from pipelines.spark import StartSpark
    from pipelines.stages import Inputs


@dataclass(frozen=True)
class Rehearsed:
    """Nights as they would be. ``house`` reads the tables of now (``base``) and those that they made."""

    house: Overlay
    base: Release | None
    tables: Mapping[str, int]
    """Versions in ``house`` that the last night would release."""
    nights: tuple[PlannedNight, ...]
    verdicts: tuple[Verdict, ...]
    """What the gates of all nights would say, in order."""

    @property
    def business_date(self) -> date:
        return self.nights[-1].business_date


@dataclass
class _Judged:
    """Gates that are heard and stop nothing."""

    verdicts: list[Verdict] = field(default_factory=list)

    def hear(self, asked: Mapping[str, Gate]) -> dict[str, Gate]:
        return {stage: partial(self._heard, gate) for stage, gate in asked.items()}

    def _heard(self, gate: Gate, inputs: Inputs) -> list[Verdict]:
        self.verdicts.extend(gate(inputs))
        return []


@contextmanager
def rehearsed(
    options: Options,
    settings: Settings,
    start_spark: StartSpark,
    watcher: Watcher,
    more: Sequence[dict[str, Any]] = (),
) -> Iterator[Rehearsed | None]:
    """What ``padron run`` with the same options would make, ``more`` rows of decisions in it too.

    Decisions that wait are in it. None where there is nothing to do. The tables can be read inside the ``with`` only. Raises
    UsageError, GateStopped where files cannot be landed, or a PadronError of a stage.
    """
    nights, below, outcome = foreseen(options, settings)
    problems = outcome.warnings
    for text in problems:
        watcher.warned(text)
    base = releases.newest(below)
    if not nights and more and base is not None:
        nights = [prepare(PlannedNight(base.business_date), options, settings, below, problems)]
    if not nights:
        yield None
        return
    clear(below)
    folder = files.join(below.root, FOLDER + secrets.token_hex(4))
    house = Overlay(below, folder)
    try:
        stewards.take_in(house, settings.decisions)
        stewards.record(house, more)
        judged = _Judged()
        planned = tuple(prepared.planned for prepared in nights)
        start = cache(partial(start_spark, records_of(planned, below)))
        tables = _run(nights, house, settings, start, watcher, judged)
        yield Rehearsed(house, base, tables, planned, tuple(judged.verdicts))
    finally:
        files.delete(folder)


def _run(
    nights: Sequence[Prepared],
    house: Overlay,
    settings: Settings,
    start_spark: Callable[[], SparkSession],
    watcher: Watcher,
    judged: _Judged,
) -> dict[str, int]:
    """Run the nights one after the other; the tables that the last would release."""
    tables, base_date = dict(nights[0].night.base), nights[0].night.base_date
    given = given_versions(house)
    for at, prepared in enumerate(nights):
        planned = prepared.planned
        night = replace(
            prepared.night,
            run_id="tried",
            started_at=datetime.now(UTC),
            base=tables,
            base_date=base_date,
            given=given,
            problems=prepared.night.problems if at == 0 else (),
            generation=prepared.night.generation if at == 0 else None,
        )
        watcher.night_started(planned, "tried", len(prepared.stages))
        runner = Runner(
            start_spark(),
            house,
            settings,
            night,
            Unrecorded(),  # type: ignore[arg-type]
            watcher,
            memory={},
        )
        runner.run(prepared.stages, judged.hear(gates(settings.sources)), set())
        tables = {path: version for path, version in runner.versions.items() if published(path)}
        base_date = planned.business_date
    return tables
