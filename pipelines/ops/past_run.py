"""A past run by its record: what it rested on, what it made, and what is needed to repeat it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pipelines
from pipelines.bronze.batches import BATCHES
from pipelines.digests import libraries, program_digest
from pipelines.errors import UsageError
from pipelines.ops import releases
from pipelines.ops.configurations import configuration
from pipelines.ops.gate_trends import Points, gate_trends
from pipelines.ops.judgements import standing
from pipelines.ops.record import finished, is_decision, rows_of
from pipelines.ops.releases import run_states
from pipelines.ops.tables import GATES, RUNS, STAGES
from pipelines.queries import at_once

if TYPE_CHECKING:
    from pipelines.storage import Warehouse


@dataclass(frozen=True)
class PastRun:
    """What the record says of one run."""

    run: dict[str, Any]
    """Its newest row of ops/runs."""
    states: list[tuple[datetime, str, str | None]]
    generation: str | None
    """Generation of linkage that it ended with."""
    files: list[dict[str, Any]]
    """The rows of bronze/batches that it took in."""
    stages: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    gate_trends: dict[str, Points]
    """Its values in every night up to this one, by the name of a verdict: see ``gate_trends``."""
    outputs: dict[str, int]
    """Versions that it wrote, by table."""
    base: dict[str, int]
    """Versions of the release that it built on, by table."""
    configuration: dict[str, Any] | None
    """What it was configured with, by part; None where an older program did not keep it."""
    gone: list[str]
    """Tables, of those that a repetition reads or compares with, whose versions are not kept any more."""
    repeat: list[str]
    """How to repeat it, and what stands in the way; of a run that cannot be repeated, why not."""

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def known_run(warehouse: Warehouse, run_id: str) -> dict[str, Any]:
    """The newest row of ``ops/runs`` of a run. Raises UsageError where there is none."""
    run = run_states(warehouse).get(run_id)
    if run is None:
        raise UsageError(f"There is no run {run_id}: `padron runs` lists them.")
    return run


def past_run(warehouse: Warehouse, run_id: str) -> PastRun:
    """The record of ``run_id``. Raises UsageError where there is none."""
    run = known_run(warehouse, run_id)
    known = {r.release_id: r for r in releases.all_releases(warehouse)}
    base = known.get(run["base_release"] or "")
    outputs: dict[str, int] = {}
    for row in finished(warehouse, {run_id}):
        outputs |= dict(row["outputs"])
    own = stages_of(warehouse, run_id)
    tables = dict(base.tables) if base else {}
    gone = _gone(warehouse, [tables, outputs, *_read(own)]) if outputs else []
    gates = rows_of(warehouse, GATES.path)
    kept = configuration(warehouse, run["conf_digest"])
    return PastRun(
        run=run,
        states=[
            (r["at"], r["status"], r["message"])
            for r in rows_of(warehouse, RUNS.path)
            if r["run_id"] == run_id
        ],
        generation=next((r["generation"] for r in reversed(own) if r["generation"]), None),
        files=[] if BATCHES.path in gone else _files(warehouse, outputs.get(BATCHES.path), tables),
        stages=own,
        gates=standing(g for g in gates if g["run_id"] == run_id),
        gate_trends=gate_trends(gates, run["business_date"], releases.taken_back(warehouse) - {run_id}),
        outputs=outputs,
        base=tables,
        configuration=kept,
        gone=gone,
        repeat=_repeat(run, gone, has_configuration=kept is not None)
        if outputs
        else [nothing_to_repeat(warehouse, run_id)],
    )


def stages_of(warehouse: Warehouse, run_id: str) -> list[dict[str, Any]]:
    """The rows of ``ops/stages`` of a run, oldest first; none where their time is over."""
    return [r for r in rows_of(warehouse, STAGES.path) if r["run_id"] == run_id]


def nothing_to_repeat(warehouse: Warehouse, run_id: str) -> str:
    """What is told of a run that wrote no table."""
    # Its first row: a release that was taken back tells in its last one who did that.
    begun = next(row for row in rows_of(warehouse, RUNS.path) if row["run_id"] == run_id)
    if is_decision(begun):
        return f"{run_id} is a decision and no night ({begun['message']}): there is nothing to repeat."
    if stages_of(warehouse, run_id):
        return f"Run {run_id} wrote no table: there is nothing to repeat."
    return (
        f"No stage of run {run_id} is on record: it ended before the first, or it is older than the retention of ops in "
        "conf/padron.yml. There is nothing to repeat."
    )


def _read(own: Iterable[dict[str, Any]]) -> list[dict[str, int]]:
    """The versions that the stages read when they ended last, by table: those of what stewards wrote stand nowhere else."""
    ended = {row["stage"]: row for row in own if row["status"] in ("done", "reused")}
    return [dict(row["inputs"] or {}) for row in ended.values()]


def _gone(warehouse: Warehouse, needed: Iterable[Mapping[str, int]]) -> list[str]:
    """The tables of which not all versions that are needed can be read."""
    versions: dict[str, set[int]] = {}
    for tables in needed:
        for path, version in tables.items():
            versions.setdefault(path, set()).add(version)

    def is_gone(path: str) -> bool:
        return len(warehouse.whole(path, versions[path])) < len(versions[path])

    paths = sorted(versions)
    return [path for path, is_lost in zip(paths, at_once(is_gone, paths), strict=True) if is_lost]


def _files(warehouse: Warehouse, version: int | None, base: dict[str, int]) -> list[dict[str, Any]]:
    """The batches that are in ``version`` and not in the base's."""
    found = None if version is None else warehouse.arrow(BATCHES.path, version)
    earlier = base.get(BATCHES.path)
    before = None if earlier is None else warehouse.arrow(BATCHES.path, earlier)
    known = set() if before is None else set(before["batch_id"].to_pylist())
    rows = [] if found is None else found.to_pylist()
    return sorted((r for r in rows if r["batch_id"] not in known), key=lambda r: str(r["file"]))


def _repeat(run: dict[str, Any], gone: list[str], *, has_configuration: bool) -> list[str]:
    """What a repetition takes, and where today's program is another; that there is none where versions are gone."""
    if gone:
        more = f" and {len(gone) - 3} more tables" if gone[3:] else ""
        return [
            f"Run {run['run_id']} cannot be repeated: versions that it read or wrote of {', '.join(gone[:3])}{more} are not "
            "kept any more. They are older than retention_days or retention_by_layer in conf/padron.yml promise, no release "
            "kept them, or the storage lost files of them."
        ]
    by = (
        "its configuration as recorded"
        if has_configuration
        else "today's configuration, for its own is not on record"
    )
    lines = [
        f"To repeat it: padron run --repeat {run['run_id']}, with the same landing folder. It computes the night again "
        f"from the versions and files above, with {by}, compares, and releases nothing.",
    ]
    if other := changed_program(run):
        version = f": install padron {run['version']}" if run["version"] != pipelines.__version__ else ""
        lines.append(f"Its program was another ({', '.join(other)}){version}.")
    return lines


def changed_program(run: Mapping[str, Any]) -> list[str]:
    """What of the program is another now than it was for a run, given by a row of ops/runs: libraries, or code."""
    if run["code_digest"] == program_digest():
        return []
    then = dict(run.get("libraries") or ())
    now = libraries()
    changed = [f"{n} ({then[n]}, now {now.get(n, 'none')})" for n in then if then[n] != now.get(n)]
    return changed or ["code"]
