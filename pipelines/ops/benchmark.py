"""``padron bench quality``: how good linkage is on sets with known answers, and the table that says so."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from pipelines.config import Strict
from pipelines.errors import UsageError
from pipelines.linkage.breakdown import CaseQuality
from pipelines.linkage.config import Linkage
from pipelines.linkage.evaluate import Quality
from pipelines.linkage.evaluation import Basis, Evaluation, evaluation
from pipelines.linkage.files import IGNORE, link_file, read_any
from pipelines.linkage.linked_file import sources
from pipelines.ops.linkage_release import evaluate_released
from pipelines.ops.speed.config import IdBench, LinkageBench, NightBench
from pipelines.ops.speed.figures import Verdict
from pipelines.ops.speed.page import verdict_row
from pipelines.ops.summarise import read_truth

BEGIN, END = "<!-- padron bench quality: written by the command -->", "<!-- end of padron bench quality -->"
"""Lines of a Markdown file that the table stands between."""

CASE_COLUMNS = ("Pairs that touch", "Records", "True", "Made", "Precision", "Recall", "F1")
BAR_COLUMNS = ("Bar", "Must", "Measured", "")

RunNight = Callable[[str, str, date], None]
"""Runs the night of a landing folder (first) into a warehouse (second)."""


class QualityBars(Strict):
    """What the figures of a set must reach at the default cut."""

    f1: float | None = Field(default=None, gt=0, le=1, description="Pairwise F1, at least.")
    largest_cluster: int | None = Field(default=None, ge=1, description="Records in one cluster, at most.")
    precision_of: dict[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict, description="hard case → precision among the pairs that touch it, at least."
    )

    def verdicts(self, name: str, found: Quality, cases: Sequence[CaseQuality]) -> list[Verdict]:
        """Each bar of the set ``name``, and what was found."""
        made = [] if self.f1 is None else [Verdict(f"{name}: F1", self.f1, False, found.f1)]
        precision = {case.case: case.precision for case in cases}
        made += [
            Verdict(f"{name}: precision, {case}", bar, False, precision.get(case))
            for case, bar in self.precision_of.items()
        ]
        if self.largest_cluster is not None:
            made.append(
                Verdict(f"{name}: largest cluster", self.largest_cluster, True, found.largest_cluster)
            )
        return made


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
    hard_cases: str | None = Field(
        default=None,
        description="Column of truth_file, or beside truth, that says who is hard to tell apart: twins, say.",
    )
    bars: QualityBars = QualityBars()
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

    @model_validator(mode="after")
    def _has_cases(self) -> QualitySet:
        if self.hard_cases and self.truth_in_id:
            raise ValueError(f"{self.name}: hard_cases is a column beside truth or of truth_file")
        if self.bars.precision_of and not self.hard_cases:
            raise ValueError(f"{self.name}: bars.precision_of needs hard_cases")
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
    bars: QualityBars

    def verdicts(self) -> list[Verdict]:
        """The set's bars, and what was measured."""
        return self.bars.verdicts(self.name, self.evaluation.quality, self.evaluation.by_case)

    def as_dict(self) -> dict[str, Any]:
        """Figures as plain values."""
        return {
            "name": self.name,
            "seconds": round(self.seconds, 1),
            "remark": self.remark,
            **self.evaluation.as_dict(),
            "bars": [verdict.as_dict() for verdict in self.verdicts()],
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
    return Result(asked.name, found, time.monotonic() - started, asked.remark, asked.bars)


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
        fields={name: IGNORE for name in (asked.truth, asked.hard_cases) if name},
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
    """source, record_id, entity_id of the records that the truth knows; hard_case where the set has some."""
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
        if asked.hard_cases:
            columns["hard_case"] = records[asked.hard_cases]
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
        truth = read_truth(os.path.join(data, asked.truth_file), case=asked.hard_cases)
        return evaluate_released(warehouse, conf, truth)


def markdown(results: list[Result]) -> str:
    """The results as Markdown: a set a line with remarks; people who are hard to tell apart; the bars."""
    return "\n".join(part for part in (_sets(results), _cases(results), _bars(results)) if part)


def _sets(results: list[Result]) -> str:
    lines = [
        "| Set | Records | F1 at the default cut | Precision | Expected P | Recall | B³ F1 | Best F1 of any cut | Largest cluster |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
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
            f"| {result.name}{mark} | {q.records:,} | {q.f1:.4f} | {q.precision:.4f} "
            f"| {expected_text(result)} | {q.recall:.4f} "
            f"| {q.b3_f1:.4f} | {best_text} | {q.largest_cluster} |"
        )
    notes = [f"({number}) {text}." for number, text in enumerate(marks, 1)]
    return "\n".join([*lines, "", " ".join(notes)]).rstrip() + "\n"


def expected_text(result: Result) -> str:
    """The precision that the model expects at the cut; nothing where that is not known."""
    expected = result.evaluation.expected_precision
    return "" if expected is None else f"{expected:.4f}"


def _cases(results: list[Result]) -> str:
    rows = [row for result in results for row in case_rows(result)]
    return _markdown_table(CASE_COLUMNS, "lr" + "r" * (len(CASE_COLUMNS) - 2), rows)


def case_rows(result: Result) -> list[tuple[str, ...]]:
    """Lines of the table of people who are hard to tell apart, in ``CASE_COLUMNS``."""
    return [
        (
            f"{result.name}: {case.case}",
            *(f"{n:,}" for n in (case.records, case.true_pairs, case.made_pairs)),
            *(f"{share:.4f}" for share in (case.precision, case.recall, case.f1)),
        )
        for case in result.evaluation.by_case
    ]


def _bars(results: list[Result]) -> str:
    return _markdown_table(BAR_COLUMNS, "lrrl", [row for result in results for row in bar_rows(result)])


def bar_rows(result: Result) -> list[tuple[str, ...]]:
    """Lines of the table of bars, in ``BAR_COLUMNS``."""
    return [verdict_row(verdict, "{:.4g}".format) for verdict in result.verdicts()]


def _markdown_table(columns: Sequence[str], sides: str, rows: Sequence[Sequence[str]]) -> str:
    """Nothing without rows. ``sides``: l or r, a column each."""
    if not rows:
        return ""
    rule = "|".join("---" if side == "l" else "--:" for side in sides)
    lines = [f"| {' | '.join(columns)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


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
