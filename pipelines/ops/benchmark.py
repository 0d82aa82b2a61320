"""``padron bench quality``: how good linkage is on sets with known answers, and the table that says so."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipelines.config import Strict
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.evaluation import Basis, Evaluation, evaluation
from pipelines.linkage.files import IGNORE, link_file, read_any, sources
from pipelines.ops.linkage_release import evaluate_released
from pipelines.ops.speed.config import IdBench, LinkageBench, NightBench
from pipelines.ops.summarise import read_truth

BEGIN, END = "<!-- padron bench quality: written by the command -->", "<!-- end of padron bench quality -->"
"""Lines of a Markdown file that the table stands between."""

RunNight = Callable[[str, str, date], None]
"""Runs the night of a landing folder (first) into a warehouse (second)."""


class QualitySet(Strict):
    """A set with known answers: files of records, or the files of one night."""

    name: str = Field(description="As the table names it.")
    files: tuple[str, ...] = Field(default=(), description="CSV or Parquet; several hold no party twice.")
    id: str | None = Field(default=None, description="Column of unique ids.")
    truth: str | None = Field(default=None, description="Column of the true person.")
    truth_in_id: str | None = Field(
        default=None, description="Regular expression whose first group is the true person in an id."
    )
    country: str = Field(default="MX", description="ISO code of records that name none.")
    landing: dict[str, str] = Field(default_factory=dict, description="source/feed → file, of one night.")
    business_date: date | None = Field(default=None, description="Business date of that night.")
    truth_file: str | None = Field(default=None, description="CSV of source, source_id, true_id.")
    remark: str | None = Field(default=None, description="What a reader of the figure should know.")

    @model_validator(mode="after")
    def _is_one_of_both(self) -> QualitySet:
        of_files = bool(self.files and self.id and (self.truth or self.truth_in_id))
        of_night = bool(self.landing and self.business_date and self.truth_file)
        if of_files == of_night:
            raise ValueError(
                f"{self.name}: give files, id and truth (or truth_in_id), or landing, business_date and truth_file"
            )
        return self


class Benchmarks(Strict):
    """conf/benchmarks.yml: what the benchmarks measure."""

    quality: tuple[QualitySet, ...] = Field(default=(), description="Sets of `padron bench quality`.")
    linkage: LinkageBench = Field(default=LinkageBench(), description="What `padron bench linkage` times.")
    night: NightBench = Field(default=NightBench(), description="What `padron bench night` times.")
    ids: IdBench = Field(default=IdBench(), description="What `padron bench ids` times.")


@dataclass(frozen=True)
class Result:
    """One set, measured once."""

    name: str
    evaluation: Evaluation
    seconds: float
    remark: str | None

    def as_dict(self) -> dict[str, Any]:
        """Figures as plain values."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 1),
            "remark": self.remark,
            **self.evaluation.as_dict(),
        }


def measure(asked: QualitySet, data: str, conf: Linkage, today: date, run_night: RunNight) -> Result:
    """Link one set with the default configuration and no labels, and judge it.

    ``data``: the folder that the set's paths are in. Raises UsageError where a file is missing.
    """
    missing = [
        p for p in (*asked.files, *asked.landing.values()) if not os.path.exists(os.path.join(data, p))
    ]
    if missing:
        raise UsageError(f"{asked.name}: {data} has no {', '.join(missing)}: name the folder with --data.")
    started = time.monotonic()
    found = _of_night(asked, data, conf, run_night) if asked.landing else _of_files(asked, data, conf, today)
    return Result(asked.name, found, time.monotonic() - started, asked.remark)


def _of_files(asked: QualitySet, data: str, conf: Linkage, today: date) -> Evaluation:
    assert asked.id is not None
    paths = [os.path.join(data, name) for name in asked.files]
    if len(paths) > 1:
        conf = conf.model_copy(update={"duplicate_free": tuple(sources(paths))})
    made = link_file(
        paths if len(paths) > 1 else paths[0],
        conf,
        id_column=asked.id,
        country=asked.country,
        today=today,
        # The truth is no evidence.
        fields={asked.truth: IGNORE} if asked.truth else {},
    )
    return evaluation(
        made.linked.clusters,
        _truth(asked, paths, made.linked.clusters, conf),
        made.linked.scored_pairs,
        made.linked.generation.cut,
        least=conf.review_probability,
        basis=Basis(made.records, made.linked.generation, made.conf, made.linked),
    )


def _truth(asked: QualitySet, paths: list[str], clusters: pa.Table, conf: Linkage) -> pa.Table:
    """source, record_id, entity_id of the records that the truth knows."""
    keys = clusters.select(["source", "record_id"])
    if asked.truth_in_id:
        found = pc.extract_regex(keys["record_id"], f"(?:{asked.truth_in_id.replace('(', '(?P<entity>', 1)})")
        return keys.append_column("entity_id", pc.struct_field(found, "entity"))
    assert asked.id is not None
    assert asked.truth is not None
    parts = []
    for path, source in zip(paths, sources(paths) if len(paths) > 1 else ["file"], strict=True):
        records = read_any(path, conf)
        columns = {"record_id": records[asked.id], "entity_id": records[asked.truth]}
        parts.append(pa.table({"source": pa.array([source] * records.num_rows), **columns}))
    whole = pa.concat_tables(parts)
    return whole.filter(pc.is_valid(whole["entity_id"]))


def _of_night(asked: QualitySet, data: str, conf: Linkage, run_night: RunNight) -> Evaluation:
    assert asked.business_date is not None
    assert asked.truth_file is not None
    with tempfile.TemporaryDirectory(prefix="padron-bench-") as folder:
        landing, warehouse = os.path.join(folder, "landing"), os.path.join(folder, "warehouse")
        for feed, name in asked.landing.items():
            target = os.path.join(
                landing, asked.business_date.isoformat(), f"{feed}.{name.rpartition('.')[2]}"
            )
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(os.path.join(data, name), target)
        run_night(landing, warehouse, asked.business_date)
        return evaluate_released(warehouse, conf, read_truth(os.path.join(data, asked.truth_file)))


def table(results: list[Result]) -> str:
    """The results as a Markdown table, a set a line, with the remarks below."""
    lines = [
        "| Set | Records | F1 at the default cut | Precision | Recall | B³ F1 | Best F1 of any cut | Largest cluster |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    marks: list[str] = []
    for result in results:
        q, best = result.evaluation.quality, result.evaluation.best
        mark = ""
        if result.remark:
            if result.remark not in marks:
                marks.append(result.remark)
            mark = f" ({marks.index(result.remark) + 1})"
        best_text = f"{best.quality.f1:.4f} at {best.cut:g}" if best is not None else ""
        lines.append(
            f"| {result.name}{mark} | {q.records:,} | {q.f1:.4f} | {q.precision:.4f} | {q.recall:.4f} "
            f"| {q.b3_f1:.4f} | {best_text} | {q.largest_cluster} |"
        )
    notes = [f"({number}) {text}." for number, text in enumerate(marks, 1)]
    return "\n".join([*lines, "", " ".join(notes)]).rstrip() + "\n"


def write_table(path: str, text: str, begin: str = BEGIN, end: str = END) -> None:
    """Put ``text`` between the lines ``begin`` and ``end`` of a Markdown file. Raises UsageError."""
    with open(path, encoding="utf-8") as file:
        whole = file.read()
    head, found, rest = whole.partition(begin)
    _, ended, tail = rest.partition(end)
    if not (found and ended):
        raise UsageError(f"{path} has no lines {begin} and {end}: the table goes between them.")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{begin}\n\n{text}\n{end}{tail}")


def write_json(path: str, results: list[Result]) -> None:
    """The results with curves and reasons as JSON."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump([result.as_dict() for result in results], file, indent=1)
