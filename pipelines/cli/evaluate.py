"""``padron evaluate``: quality against a truth, where it is lost, and why."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import NARROW, err, out, prose, say
from pipelines.cli.options import example

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.linkage.config import Linkage
    from pipelines.linkage.evaluation import Evaluation

CURVE_ROWS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Cuts that the terminal shows, beside the one in use; the files have all."""


@click.command()
@options.warehouse
@click.option(
    "--linked", metavar="FOLDER", help="Judge the result of padron link in this folder, not the warehouse."
)
@click.option(
    "--truth",
    required=True,
    metavar="FILE",
    help="CSV of source, source_id (or record_id), true_id; with --linked a CSV or Parquet file with the id column, of several files source too.",
)
@click.option(
    "--truth-column", metavar="COLUMN", help="Column of the true person (default true_id or entity_id)."
)
@click.option(
    "--by",
    "case",
    metavar="COLUMN",
    help="Column of the truth that says who is hard to tell apart (twins, say): judge the pairs that touch them.",
)
@click.option(
    "--out",
    "folder",
    metavar="FOLDER",
    help="Write page, curve, figures and lists of wrong pairs (keys only).",
)
@options.config
@options.as_json
@example("padron evaluate --truth truth/entity_map.csv --out evaluation")
def evaluate(
    warehouse: str,
    linked: str | None,
    truth: str,
    truth_column: str | None,
    case: str | None,
    folder: str | None,
    config: str | None,
    as_json: bool,
) -> int:
    """Precision, recall and F1 of the released customers against a truth, and the reason of every wrong pair.

    Overall, by pair of sources, by party type, by cluster size and over the cut. The records are linked
    once more by the generation in use, so that every figure is the engine's own.
    """
    from pipelines.settings import load_settings

    conf = load_settings(config).linkage
    with err.status("Evaluating"):
        if linked is None:
            found, of = _released(warehouse, conf, truth, truth_column, case), "the released customers"
        else:
            found = _linked(linked, conf, truth, truth_column, case)
            of = os.path.basename(os.path.abspath(linked))
    if folder is not None:
        _write(found, folder, of)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
        return 0
    _say(found)
    if folder is not None:
        say("")
        say(f"{folder}/evaluation.html, curve.svg, evaluation.json, missed.csv, false.csv")
    return 0


def _released(warehouse: str, conf: Linkage, truth: str, column: str | None, case: str | None) -> Evaluation:
    from pipelines.ops.linkage_release import evaluate_released
    from pipelines.ops.summarise import read_truth

    return evaluate_released(warehouse, conf, read_truth(truth, column, case))


def _linked(folder: str, conf: Linkage, truth: str, column: str | None, case: str | None) -> Evaluation:
    from pipelines.errors import UsageError
    from pipelines.linkage.evaluation import Basis, evaluation
    from pipelines.linkage.kept import kept, result, truth_of

    made = result(folder)
    answers = truth_of(truth, made, column, conf, case)
    whole = kept(folder)
    if whole is None:
        notes = (
            "The folder holds no records: padron link --keep-records, which --settings does not have, makes curve "
            "and reasons exact.",
        )
        found = evaluation(
            made.clusters, answers, made.scored, made.cut, least=conf.review_probability, notes=notes
        )
    else:
        basis = Basis(whole.records, whole.generation, whole.conf)
        least = whole.conf.review_probability
        found = evaluation(
            whole.clusters, answers, whole.scored, whole.generation.cut, least=least, basis=basis
        )
    if not found.quality.records:
        raise UsageError(f"{truth} knows none of the records in {folder}: is it of the file that was linked?")
    return found


def _write(found: Evaluation, folder: str, of: str) -> None:
    """Page, curve, figures and lists; the lists hold keys and no other value of a record."""
    import pyarrow.csv as pa_csv

    from pipelines.ops.charts import standalone
    from pipelines.ops.linkage_pages import curve_chart, evaluation_page

    os.makedirs(folder, exist_ok=True)
    for name, text in (
        ("evaluation.html", evaluation_page(found, of)),
        ("curve.svg", standalone(curve_chart(found))),
        ("evaluation.json", json.dumps(found.as_dict(), indent=1)),
    ):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    for name, wrong in (("missed.csv", found.missed), ("false.csv", found.false)):
        if wrong is not None:
            pa_csv.write_csv(wrong.pairs, os.path.join(folder, name))


def _say(found: Evaluation) -> None:
    from pipelines.linkage.breakdown import binned

    q = found.quality
    say(f"{q.records:,} records with a known person, {q.clusters:,} clusters, {q.entities:,} in the truth")
    say(f"{q.made_pairs:,} pairs made, {q.right_pairs:,} right; {q.true_pairs:,} are true")
    if found.expected_precision is not None:
        say(f"The model expects {found.expected_precision:.4f} of the pairs at its cut to be right")
    shares = [
        ("Pairwise", q.precision, q.recall, q.f1),
        ("B³", q.b3_precision, q.b3_recall, q.b3_f1),
    ]
    _table(("", "Precision", "Recall", "F1"), [(n, *map(_share, row)) for n, *row in shares])
    for name, pairs, groups in (
        ("Pairs of sources", found.by_source_pair, found.by_source),
        ("Pairs of party types", found.by_party_pair, found.by_party_type),
    ):
        if len(pairs) > 1:
            rows = [
                (
                    p.left if p.left == p.right else f"{p.left}, {p.right}",
                    f"{p.true_pairs:,}",
                    f"{p.made_pairs:,}",
                    *map(_share, (p.precision, p.recall, p.f1)),
                )
                for p in pairs
            ]
            _table((name, "True", "Made", "Precision", "Recall", "F1"), rows)
        if len(groups) > 1:
            records = [
                (g.group, f"{g.records:,}", *map(_share, (g.b3_precision, g.b3_recall, g.b3_f1)))
                for g in groups
            ]
            _table(
                (name.removeprefix("Pairs of ").capitalize(), "Records", "B³ prec.", "B³ recall", "B³ F1"),
                records,
            )
    if found.by_case:
        rows = [
            (
                c.case,
                *(f"{n:,}" for n in (c.records, c.true_pairs, c.made_pairs)),
                *map(_share, (c.precision, c.recall, c.f1)),
            )
            for c in found.by_case
        ]
        _table(("Pairs that touch", "Records", "True", "Made", "Precision", "Recall", "F1"), rows)
    _table(("Cluster size", "True", "Made"), [(s, f"{t:,}", f"{m:,}") for s, t, m in binned(found.sizes)])
    _table(
        ("Cut", "Expected", "Precision", "Recall", "F1", "B³ F1", "Largest"),
        [
            (
                f"{p.cut:g}" + (" in use" if p.cut == found.cut else ""),
                "" if p.expected is None else _share(p.expected),
                *map(_share, (p.quality.precision, p.quality.recall, p.quality.f1, p.quality.b3_f1)),
                f"{p.quality.largest_cluster:,}",
            )
            for p in found.curve
            if p.cut in CURVE_ROWS or p.cut == found.cut or p is found.best
        ],
    )
    prose(found.curve_is)
    if found.best is not None:
        say(f"Best F1 over the curve: {found.best.quality.f1:.4f} at {found.best.cut:g}")
    _reasons(found)
    for note in found.notes:
        say("")
        prose(f"note: {note}")


def _reasons(found: Evaluation) -> None:
    from pipelines.linkage.mistakes import FALSE, MISSED

    for title, wrong, words in (
        ("Missed true pairs", found.missed, MISSED),
        ("False pairs", found.false, FALSE),
    ):
        if wrong is not None:
            rows = [
                (reason.replace("_", " "), f"{n:,}", words[reason]) for reason, n in wrong.by_reason().items()
            ]
            _table((title, "Pairs", "Why"), rows or [("none", "", "")], prose=True)


def _share(value: float) -> str:
    return f"{value:.4f}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, prose: bool = False) -> None:
    """A table of 80 columns; the last one is running text where ``prose``."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for i, name in enumerate(columns):
        is_text = i == 0 or (prose and i == len(columns) - 1)
        table.add_column(name, justify="left" if is_text else "right", no_wrap=not (prose and is_text and i))
    for row in rows:
        table.add_row(*row)
    say("")
    # The console may be set to never wrap (a pipe); a table is laid out for 80 columns anyway.
    out.print(table, width=min(NARROW, out.width), soft_wrap=False, crop=False)
