"""What a stage's outputs depend on, as a key: a stage whose key an unfinished run has is not run again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.config import digest
from pipelines.digests import program_digest

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from pipelines.stages import Night, Stage
    from pipelines.storage import Warehouse

Memory = Mapping[str, Mapping[str, int]]
"""Versions that a finished stage wrote, by table; the stages by their keys."""


@dataclass(frozen=True)
class Key:
    """A stage's key, and the parts of it that the record keeps."""

    value: str
    inputs: dict[str, int]
    code_digest: str
    conf_digest: str


def stage_key(stage: Stage, night: Night, versions: Mapping[str, int], settings: Settings) -> Key:
    """The key of ``stage`` when tables stand at ``versions``."""
    read = {t.path: versions[t.path] for t in stage.reads if t.path in versions}
    before = {t.path: night.base.get(t.path) for t in (*stage.previous, *stage.writes)}
    code, conf = program_digest(stage.layer), settings.digest_of(stage.conf)
    value = digest(
        stage.name,
        read,
        None if stage.settled else before,
        night.business_date if stage.dated else None,
        [(f.path, f.digest) for f in night.files] if stage.takes_files else None,
        night.generation.digest if stage.takes_generation and night.generation else None,
        code,
        conf,
        night.is_full,
    )
    return Key(value, read, code, conf)


def recall(memory: Memory, key: str, warehouse: Warehouse) -> dict[str, int] | None:
    """What the stage with ``key`` wrote, where that is still there; None where it has to run."""
    outputs = memory.get(key)
    if outputs is None:
        return None
    # A machine that loses power may keep the row about a table and lose the table's own files.
    if not all(warehouse.is_whole(path, version) for path, version in outputs.items()):
        return None
    return dict(outputs)


def needs(stages: Sequence[Stage]) -> dict[str, set[str]]:
    """The stages that each waits for: those that write what it reads."""
    writers = {table.path: stage.name for stage in stages for table in stage.writes}
    return {s.name: {writers[t.path] for t in s.reads if t.path in writers} - {s.name} for s in stages}


@dataclass(frozen=True)
class Expected:
    """What a run would do with a stage: reuse what an unfinished run left, or run it, and why."""

    stage: str
    is_reused: bool
    why: str


CHANGED = "code, a library, configuration or what stewards decided changed"
"""Why a stage is run again that an unfinished run of the night ended."""


def _why(stage: Stage, night: Night, *, is_ended: bool) -> str:
    """Why a stage is run that waits for none that is; ``is_ended``: an unfinished run of the night ended it."""
    if is_ended:
        return CHANGED
    if night.base and not night.is_same_program:
        return "code, a library or configuration changed since the last release"
    if night.base and stage.takes_files and night.files:
        return "new files"
    is_again = night.base_date == night.business_date and not night.files
    return "the night is run again" if is_again else "not run yet"


def forecast(
    stages: Sequence[Stage],
    night: Night,
    settings: Settings,
    warehouse: Warehouse,
    memory: Memory,
    finished: Iterable[str],
    rerun: set[str],
) -> list[Expected]:
    """What a run would do with each stage, in an order in which they can run; nothing is changed.

    ``finished`` names the stages that an unfinished run of the night ended.
    """
    waits, waiting = needs(stages), {stage.name: stage for stage in stages}
    versions, ended = {**night.base, **night.given}, set(finished)
    expected: dict[str, Expected] = {}
    while waiting:
        for name in [n for n in waiting if waits[n] <= expected.keys()]:
            stage = waiting.pop(name)
            again = sorted(n for n in waits[name] if not expected[n].is_reused)
            if name in rerun:
                expected[name] = Expected(name, False, "asked for with --from")
            elif again:
                expected[name] = Expected(name, False, f"after {', '.join(again)}")
            else:
                outputs = recall(memory, stage_key(stage, night, versions, settings).value, warehouse)
                if outputs is not None:
                    versions.update(outputs)
                    expected[name] = Expected(name, True, "finished before, nothing it depends on changed")
                else:
                    expected[name] = Expected(name, False, _why(stage, night, is_ended=name in ended))
    return list(expected.values())
