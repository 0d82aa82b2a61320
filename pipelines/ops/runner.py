"""Runs a night: reads for its stages, writes what they return, records it, and lets gates decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.config import digest
from pipelines.errors import GateStopped, PadronError
from pipelines.queries import THREADS, at_once
from pipelines.stages import Inputs, Night, Stage, StageResult

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.ops.record import Record
    from pipelines.settings import Settings
    from pipelines.storage import Warehouse


class StageFailed(PadronError):
    """A stage raised something unexpected; the message names its class and never its values."""


class Progress(Protocol):
    """Who wants to know how the night goes."""

    def started(self, stage: str) -> None: ...
    def doing(self, stage: str, text: str) -> None: ...
    def ended(self, result: StageResult) -> None: ...


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
        code: str,
        memory: Mapping[str, Mapping[str, int]],
    ) -> None:
        self.spark = spark
        self.warehouse = warehouse
        self.settings = settings
        self.night = night
        self.record = record
        self.progress = progress
        self.code = code
        self.memory = memory
        self.versions: dict[str, int] = {**night.base, **night.given}
        self._frames: dict[tuple[str, int | None], DataFrame] = {}

    def inputs(self, stage: str = "") -> Inputs:
        return Inputs(
            self.spark,
            self.warehouse,
            self.settings,
            self.night,
            self.versions,
            self._frames,
            partial(self.progress.doing, stage),
        )

    def run(self, stages: Sequence[Stage], gates: Mapping[str, Gate], rerun: set[str]) -> None:
        """Run ``stages`` in the order of their tables, independent ones at once.

        ``gates`` are checked when their stage has ended. Raises GateStopped, StageFailed, or a
        stage's own PadronError; what has ended stays recorded.
        """
        writers = {table.path: stage.name for stage in stages for table in stage.writes}
        needs = {s.name: {writers[t.path] for t in s.reads if t.path in writers} - {s.name} for s in stages}
        waiting = {stage.name: stage for stage in stages}
        ended: set[str] = set()
        running: dict[Future[None], str] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(THREADS) as pool:
            while waiting or running:
                ready = [n for n in waiting if needs[n] <= ended] if failure is None else []
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

    def _key(self, stage: Stage) -> tuple[str, dict[str, int]]:
        read = {t.path: self.versions[t.path] for t in stage.reads if t.path in self.versions}
        before = {t.path: self.night.base.get(t.path) for t in (*stage.previous, *stage.writes)}
        key = digest(
            stage.name,
            read,
            None if stage.settled else before,
            self.night.business_date if stage.dated else None,
            [(f.uri, f.digest) for f in self.night.files] if stage.takes_files else None,
            self.night.generation.digest if stage.takes_generation and self.night.generation else None,
            self.code,
            self.settings.digest,
            self.night.is_full,
        )
        return key, read

    def _stage(self, stage: Stage, gate: Gate | None, rerun: bool) -> None:
        self.progress.started(stage.name)
        begun = time.monotonic()
        key, read = self._key(stage)
        result = StageResult(stage.name, "done", key, inputs=read)
        is_done = False
        try:
            outputs = None if rerun else self._remembered(key)
            if outputs is not None:
                result.status, result.outputs = "reused", outputs
            else:
                result.outputs = self._execute(stage)
            self.versions.update(result.outputs)
            result.rows_in = sum(self.warehouse.rows(p, v) for p, v in read.items())
            result.rows_out = sum(self.warehouse.rows(p, v) for p, v in result.outputs.items())
            # What a gate stops is done all the same: the night that is approved does not repeat it.
            is_done = True
            if gate is not None:
                self._judge(gate)
        except PadronError as error:
            if not is_done:
                result.status, result.message = "failed", str(error)
            raise
        except Exception as error:
            kind = _kind(error)
            if not is_done:
                result.status, result.message = "failed", kind
            raise StageFailed(
                f"{stage.name} failed: {kind}. Nothing was released; run the night again to resume here, "
                "with --debug for the whole error (it may show personal data)."
            ) from error
        finally:
            result.seconds = time.monotonic() - begun
            self.record.stage(result)
            self.progress.ended(result)

    def _remembered(self, key: str) -> dict[str, int] | None:
        outputs = self.memory.get(key)
        if outputs is None:
            return None
        newest = {path: self.warehouse.version(path) for path in outputs}
        if any((newest[path] is None or version > (newest[path] or 0)) for path, version in outputs.items()):
            return None
        return dict(outputs)

    def _execute(self, stage: Stage) -> dict[str, int]:
        inputs = self.inputs(stage.name)
        declared = {table.path: table for table in stage.writes}
        try:
            content = stage.run(inputs)

            def written(path: str) -> int:
                return self.warehouse.write(declared[path], content[path], self.night.base.get(path))

            return dict(zip(content, at_once(written, content), strict=True))
        finally:
            inputs.release()

    def _judge(self, gate: Gate) -> None:
        inputs = self.inputs()
        try:
            verdicts = gate(inputs)
        finally:
            inputs.release()
        self.record.gates(verdicts)
        blocked = [v for v in verdicts if v["status"] == "blocked"]
        if blocked:
            raise GateStopped("; ".join(f"{v['gate']}: {v['message']}" for v in blocked))


def _kind(error: Exception) -> str:
    """The class of an error, and Spark's own error condition where it has one."""
    condition = getattr(error, "getCondition", None) or getattr(error, "getErrorClass", None)
    name = type(error).__name__
    found = condition() if callable(condition) else None
    return f"{name} {found}" if found else name
