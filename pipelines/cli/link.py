"""``padron link``: link the records of any file, without Spark and without configuration."""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from pipelines.cli import options
from pipelines.cli.console import err, prose, say
from pipelines.cli.options import example
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipelines.linkage.linked_file import LinkedFile


_KINDS = {
    "trained": "trained on these records",
    "starter": "padron's starter model, for there is too little to train on",
}
_DETAIL = re.compile(r": EM on |by the starter model$")


def _pairs(text: str | None) -> dict[str, str]:
    """``surname=last,mail=emails`` as column → role. Raises UsageError where it is not written so."""
    found = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        role, sign, column = (piece.strip() for piece in part.partition("="))
        if not (role and sign and column):
            raise UsageError(f"--fields: {part.strip()!r} is not role=column, such as surname=last.")
        found[column] = role
    return found


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True)
@click.option("--id", "id_column", required=True, metavar="COLUMN", help="Column of unique ids.")
@click.option(
    "--truth", metavar="COLUMN", help="Column of the true person: quality is measured; it is not used."
)
@click.option(
    "--fields",
    metavar="ROLE=COLUMN,…",
    help="What columns are, where their names do not say; role ignore drops one.",
)
@click.option(
    "--link-only",
    is_flag=True,
    help="No file holds a party twice: records are compared with those of other files only.",
)
@click.option(
    "--settings",
    "settings_file",
    metavar="FILE",
    help="Splink settings or trained model (JSON) that decide instead; columns as they name them.",
)
@click.option(
    "--relations",
    "with_relations",
    is_flag=True,
    help="With --settings: classes of relation, found among the pairs, decide beside Splink's weight.",
)
@click.option(
    "--country", type=options.Country(), help="ISO code of records that name none (default: conf/padron.yml)."
)
@click.option("--out", "out_folder", default="linked", show_default=True, help="Folder of the result.")
@click.option(
    "--keep-records",
    is_flag=True,
    help="Also keep the standard records (personal data) and the generation, for padron explain and evaluate --linked.",
)
@options.config
@options.as_json
@example(
    "padron link people.csv --id rec_id --truth entity --out linked\n"
    "      padron link crm.csv erp.csv --id rec_id --link-only"
)
def link(
    files: tuple[str, ...],
    id_column: str,
    truth: str | None,
    fields: str | None,
    link_only: bool,
    settings_file: str | None,
    with_relations: bool,
    country: str | None,
    out_folder: str,
    keep_records: bool,
    config: str | None,
    as_json: bool,
) -> int:
    """Link the records of CSV or Parquet files: the night's engine, without Spark or configuration.

    Several files are several sources: the results then name each record by source, the file's name, and id.
    Writes clusters.parquet (the id, cluster_id), pairs.parquet, report.json and report.html into the folder --out.
    """
    from pipelines.config import Conf, check_variables
    from pipelines.linkage.config import Linkage
    from pipelines.linkage.linked_file import write
    from pipelines.ops.linkage_pages import linked_page

    _check_folder(out_folder)
    folder = Conf(config)
    check_variables()
    conf = folder.load("linkage.yml", Linkage)
    if with_relations and settings_file is None:
        raise UsageError("--relations goes with --settings: without it the engine has classes with names.")
    if link_only:
        from pipelines.linkage.linked_file import sources

        if len(files) < 2:
            raise UsageError("--link-only links files with one another: name two or more.")
        conf = conf.model_copy(update={"duplicate_free": tuple(sources(files))})
    with err.status("Linking") as status:

        def doing(text: str) -> None:
            status.update(f"Linking: {escape(text)}")

        today = datetime.now(UTC).date()
        if settings_file is not None:
            if fields or country:
                raise UsageError("--settings names the columns itself: leave --fields and --country out.")
            if keep_records:
                raise UsageError(
                    "--keep-records keeps standard records and padron's own model, and --settings has neither: leave one "
                    "out. padron evaluate --linked takes the result without it."
                )
            from pipelines.linkage.foreign_link import link_by_settings

            made = link_by_settings(
                files,
                conf,
                settings=settings_file,
                id_column=id_column,
                today=today,
                truth_column=truth,
                with_relations=with_relations,
                say=doing,
            )
        else:
            from pipelines.linkage.files import link_file

            made = link_file(
                files if len(files) > 1 else files[0],
                conf,
                id_column=id_column,
                country=(country or folder.project.country).upper(),
                today=today,
                fields=_pairs(fields),
                truth_column=truth,
                say=doing,
            )
    report = _report(made)
    write(made, out_folder)
    with open(os.path.join(out_folder, "report.json"), "w", encoding="utf-8") as target:
        json.dump(report, target, indent=2)
    with open(os.path.join(out_folder, "report.html"), "w", encoding="utf-8") as target:
        target.write(linked_page(made, ", ".join(os.path.basename(file) for file in files)))
    if keep_records:
        from pipelines.linkage.kept import keep

        keep(made, out_folder)
    if as_json:
        click.echo(json.dumps(report))
        return 0
    _say(made, out_folder)
    return 0


def _check_folder(folder: str) -> None:
    """Raises UsageError where a file stands in the way, before the work and not after it."""
    there = os.path.abspath(folder)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise UsageError(f"--out {folder}: {there} is a file: name a folder.")


def fields_in_words(fields: Mapping[str, Sequence[str]], guessed: Sequence[str]) -> list[str]:
    """A line a role: its columns, and which of them were ``guessed`` by their content."""
    return [
        f"{field.removesuffix('_raw'):<16} "
        + ", ".join(f"{name} (by content)" if name in guessed else name for name in columns)
        for field, columns in fields.items()
    ]


def _report(made: LinkedFile) -> dict[str, Any]:
    return {
        "fields": made.fields,
        "by_content": made.by_content,
        "unused": made.unused,
        **made.linked.figures,
        "notes": [*made.notes, *made.linked.figures["notes"]],
        "quality": None if made.evaluation is None else made.evaluation.as_dict(),
    }


def _notes(made: LinkedFile) -> list[str]:
    """What decides how far the result can be relied on; what one rule or level lacks is in the report."""
    figures = made.linked.figures
    notes = list(made.notes)
    # A party type without records needs no model.
    whole = [note for note in figures["notes"] if ": 0 records " not in note]
    notes += [note for note in whole if not _DETAIL.search(note)]
    details = sum(_DETAIL.search(note) is not None for note in whole)
    if details:
        notes.append(f"report.html says of {details} rules or levels what training lacked for them")
    if figures["over_comparison_budget"]:
        rule, block = max(figures["blocks"].items(), key=lambda item: int(item[1]["pairs"]))
        notes.append(
            f"more pairs were compared than blocking.max_comparisons_per_record in conf/linkage.yml budgets for; "
            f"rule {rule.partition('.')[2]} brought {block['pairs']:,} of {figures['candidate_pairs']:,}"
        )
    return notes


def _model(made: LinkedFile) -> str:
    models = made.linked.generation.models
    if any(model.is_foreign for model in models.values()):
        return "that of --settings"
    return _KINDS[made.linked.generation.kind]


def _say(made: LinkedFile, folder: str) -> None:
    figures = made.linked.figures
    for line in fields_in_words(made.fields, made.by_content):
        say(line)
    if made.unused:
        say(f"{'not used':<16} {', '.join(made.unused)}")
    say("")
    say(f"{'Model':<16} {_model(made)}")
    for name in ("records", "candidate_pairs", "links", "clusters", "largest_cluster"):
        say(f"{name.replace('_', ' ').capitalize():<16} {figures[name]:>10,}")
    say(f"{'Cut':<16} {figures['cut']:>10.3f}")
    for note in _notes(made):
        prose(f"note: {note}")
    if made.quality is not None:
        found = made.quality
        say("")
        say(
            f"{'Pairwise F1':<16} {found.f1:>10.4f}  precision {found.precision:.4f}, recall {found.recall:.4f}"
        )
        say(
            f"{'B³ F1':<16} {found.b3_f1:>10.4f}  precision {found.b3_precision:.4f}, recall {found.b3_recall:.4f}"
        )
    say("")
    say(f"{folder}/clusters.parquet, pairs.parquet, report.json, report.html")
