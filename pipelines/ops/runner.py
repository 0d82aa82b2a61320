"""Runs a night: reads for its stages, writes what they return, records it, and lets gates decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any, Protocol

from pipelines import files
from pipelines.errors import GateStopped, PadronError, UnusableFiles
from pipelines.linkage.generations import GENERATIONS, newest
from pipelines.ops.failures import kind, stage_failed, told
from pipelines.ops.gates import unusable_files
from pipelines.ops.keys import needs, recall, stage_key
from pipelines.queries import THREADS, at_once
from pipelines.stages import Inputs, Night, Shared, Stage, StageResult
from pipelines.tables import Kind

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.ops.keys import Memory
    from pipelines.ops.record import Record
    from pipelines.settings import Settings
    from pipelines.storage import Warehouse


class Progress(Protocol):
    """Who wants to know how the night goes."""

    def started(self, stage: str) -> None: ...
    def doing(self, stage: str, text: str) -> None: ...
    def judged(self, stage: str, verdicts: Sequence[dict[str, Any]]) -> None: ...
    def ended(self, result: StageResult) -> None: ...
    def warned(self, text: str) -> None: ...


Gate = Callable[[Inputs], list[dict[str, Any]]]
"""Verdicts as rows of ops/gates; a status ``blocked`` stops the night."""


class Runner:
    """One night's stages on one warehouse."""

    def __init__(
        self,
        spark: SparkSession,
        warehouse: Warehouse,
        settings: Settings,
        night: Night,
        record: Record,
        progress: Progress,
        *,
        memory: Memory,
        judged: frozenset[str] = frozenset(),
        approved: Mapping[str, float] | None = None,
        leaves_pages: bool = True,
        put_off: Mapping[str, str] | None = None,
        may_go_on: Callable[[], None] = lambda: None,
    ) -> None:
        """``memory``: what finished stages wrote. ``judged``: keys of those of them whose gates let this
        very run go on. ``approved``: by gate, the value up to which somebody agreed to what it stops.
        ``leaves_pages``: False where the warehouse is to stay as it is. ``put_off``: stages that begin when another has ended
        of which they read nothing, by name. ``may_go_on`` raises where no other stage may begin.
        """
        self.spark = spark
        self.warehouse = warehouse
        self.settings = settings
        self.night = night
        self.record = record
        self.progress = progress
        self.memory = memory
        self.judged = judged
        self.approved = approved or {}
        self.leaves_pages = leaves_pages
        self.put_off = put_off or {}
        self.may_go_on = may_go_on
        self.versions: dict[str, int] = {**night.base, **night.given}
        self._frames: dict[tuple[str, int | None], DataFrame] = {}
        self._shared = Shared()
        self._generations: dict[int, str | None] = {}
        self._counts: dict[tuple[str, int | None], int] = {}

    def inputs(self, stage: str = "") -> Inputs:
        return Inputs(
            self.spark,
            self.warehouse,
            self.settings,
            self.night,
            self.versions,
            self._frames,
            partial(self.progress.doing, stage),
            self._shared,
        )

    def run(self, stages: Sequence[Stage], gates: Mapping[str, Gate], rerun: set[str]) -> None:
        """Run ``stages`` in the order of their tables, independent ones at once.

        What is ``put_off`` until another has ended is run all the same where that one fails: it may tell why. ``gates`` are
        checked when their stage has ended. Raises GateStopped, StageFailed, or a stage's own PadronError; what has ended
        stays recorded. Raises ValueError where stages wait for each other.
        """
        waits, there = needs(stages), {stage.name for stage in stages}
        later = {name: other for name, other in self.put_off.items() if {name, other} <= there}
        waiting = {stage.name: stage for stage in stages}
        ended: set[str] = set()
        running: dict[Future[None], str] = {}
        failure: BaseException | None = None
        with closing(self._shared), ThreadPoolExecutor(THREADS) as pool:
            while waiting or running:
                able = [n for n in waiting if waits[n] <= ended]
                ready = (
                    [n for n in able if later.get(n) is None or later[n] in ended]
                    if failure is None
                    else [n for n in able if n in later]
                )
                for name in ready:
                    stage = waiting.pop(name)
                    running[pool.submit(self._stage, stage, gates.get(name), name in rerun)] = name
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    name = running.pop(future)
                    error = future.exception()
                    if error is None:
                        ended.add(name)
                    else:
                        failure = failure or error
        if failure is not None:
            raise failure
        if waiting:
            raise ValueError(f"stages that wait for each other: {', '.join(sorted(waiting))}")

    def _stage(self, stage: Stage, gate: Gate | None, rerun: bool) -> None:
        self.may_go_on()
        self.progress.started(stage.name)
        begun = time.monotonic()
        key = stage_key(stage, self.night, self.versions, self.settings)
        result = StageResult(
            stage.name,
            "done",
            key.value,
            inputs=key.inputs,
            code_digest=key.code_digest,
            conf_digest=key.conf_digest,
        )
        is_done = False
        try:
            outputs = None if rerun else recall(self.memory, key.value, self.warehouse)
            if outputs is not None:
                result.status, result.outputs = "reused", outputs
            else:
                result.outputs = self._execute(stage)
            self.versions.update(result.outputs)
            result.rows_in = sum(self._rows(p, v) for p, v in key.inputs.items())
            result.rows_out = self._written_rows(stage, result.outputs)
            result.generation = self._generation()
            # What a gate stops is done all the same: the night that is approved does not repeat it.
            is_done = True
            if gate is not None and key.value not in self.judged:
                self._judge(gate, stage.name)
        except Exception as error:
            failure = error if isinstance(error, PadronError) else stage_failed(stage.name, error)
            if not is_done:
                result.status, result.message = "failed", told(error)
            # The record may not be writable either; what went wrong first is what to tell.
            with suppress(Exception):
                if isinstance(error, UnusableFiles):
                    self.record.gates(stage.name, [unusable_files(error)])
                self._ended(result, begun)
            if failure is error:
                raise
            raise failure from error
        try:
            self._ended(result, begun)
        except Exception as error:
            raise stage_failed(stage.name, error) from error

    def _ended(self, result: StageResult, begun: float) -> None:
        result.seconds = time.monotonic() - begun
        try:
            if not (result.status == "reused" and result.key in self.judged):
                self.record.stage(result)
        finally:
            self.progress.ended(result)

    def _written_rows(self, stage: Stage, outputs: Mapping[str, int]) -> int:
        """Rows that the outputs have by their logs; of appended tables without those of the prior state."""
        rows = sum(self._rows(path, version) for path, version in outputs.items())
        appended = [t.path for t in stage.writes if t.kind is Kind.APPEND and t.path in outputs]
        return max(0, rows - sum(self._rows(path, self.night.base.get(path)) for path in appended))

    def _rows(self, path: str, version: int | None) -> int:
        """Rows of a version, which are counted once a night: what one stage writes others read."""
        if (path, version) not in self._counts:
            self._counts[path, version] = self.warehouse.rows(path, version)
        return self._counts[path, version]

    def _generation(self) -> str | None:
        """The generation in force by the tables as they stand."""
        version = self.versions.get(GENERATIONS.path)
        if version is None:
            return None
        if version not in self._generations:
            found = newest(self.warehouse.arrow(GENERATIONS.path, version))
            self._generations[version] = None if found is None else found.generation_id
        return self._generations[version]

    def _execute(self, stage: Stage) -> dict[str, int]:
        inputs = self.inputs(stage.name)
        declared = {table.path: table for table in stage.writes}
        try:
            content = stage.run(inputs)

            def written(path: str) -> int:
                return self.warehouse.write(declared[path], content[path], self.night.base.get(path))

            outputs = dict(zip(content, at_once(written, content), strict=True))
            if self.leaves_pages:
                self._leave(inputs.pages)
            return outputs
        finally:
            inputs.release()

    def _leave(self, pages: Mapping[str, Callable[[], str]]) -> None:
        """Write what a stage left for people to read. Its tables are what counts: a page that fails stops nothing."""
        for path, page in pages.items():
            try:
                files.write_text(files.join(self.warehouse.root, path), page())
            except Exception as error:
                self.progress.warned(f"there is no {path} ({kind(error)}): the tables are whole without it.")

    def _judge(self, gate: Gate, stage: str) -> None:
        inputs = self.inputs()
        try:
            verdicts = gate(inputs)
        finally:
            inputs.release()
        for row in verdicts:
            if row["status"] == "blocked" and row["value"] <= self.approved.get(row["gate"], -inf):
                row["status"] = "approved"
        self.record.gates(stage, verdicts)
        self.progress.judged(stage, verdicts)
        blocked = [v for v in verdicts if v["status"] == "blocked"]
        if blocked:
            said = "; ".join(f"{v['gate']}: {v['message']}" for v in blocked).rstrip(".")
            run_id = self.record.run_id
            raise GateStopped(
                f"{said}. `padron runs {run_id}` has the gates; if it is right: `padron release approve {run_id} --why …`."
            )
