"""``padron train``: a new generation, and the report of its training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from pipelines.cli import options
from pipelines.cli.blocking import say_blocking
from pipelines.cli.console import err, say, tell
from pipelines.cli.options import example
from pipelines.errors import UsageError

if TYPE_CHECKING:
    from pipelines.linkage.link import Linked
    from pipelines.ops.at_hand import AtHand
    from pipelines.settings import Settings


@click.command()
@click.argument("file", required=False)
@click.option("--id", "id_column", metavar="COLUMN", help="Column of unique ids; with FILE.")
@click.option("--fields", metavar="ROLE=COLUMN,…", help="What columns of FILE are, where names do not say.")
@click.option(
    "--country",
    type=options.Country(),
    help="ISO code of records of FILE that name none (default: conf/padron.yml).",
)
@click.option(
    "--labels",
    metavar="FILE",
    help="Pairs of records that somebody judged (CSV or Parquet): they train m too.",
)
@click.option("--out", "folder", default="generations", show_default=True, help="Folder of generations.")
@options.warehouse
@options.config
@options.as_json
@example("padron train --warehouse warehouse --labels judged.csv")
def train(
    file: str | None,
    id_column: str | None,
    fields: str | None,
    country: str | None,
    labels: str | None,
    folder: str,
    warehouse: str,
    config: str | None,
    as_json: bool,
) -> int:
    """Train a generation on the newest release's customer records, or on the records of FILE.

    Writes OUT/<generation>/generation.json and training.html. Nothing uses it until it is adopted.
    A pair of --labels has source_l, record_id_l, source_r, record_id_r and is_match: 1, 0 or
    between; without is_match every pair is a match. With FILE the sources may be left out.
    """
    from pipelines.linkage.files import read_any
    from pipelines.linkage.labels import read_labels, unknown
    from pipelines.linkage.link import link_night
    from pipelines.linkage.training_run import TrainingRun
    from pipelines.ops.generations import keep
    from pipelines.ops.training_page import training_page
    from pipelines.settings import load_settings

    settings = load_settings(config)
    _check(file, id_column, fields)
    conf = settings.linkage
    run = TrainingRun(None if labels is None else read_labels(read_any(labels, conf), conf, id_column))
    with err.status("Training"):
        found = _records(file, warehouse, id_column, country, fields, settings)
        lost = 0 if run.labels is None else unknown(run.labels, found.records)
        if run.labels is not None and lost == run.labels.num_rows:
            raise UsageError("--labels: no pair names two of the records; are they of this data?")
        linked = link_night(found.records, None, conf, found.business_date, run)
        place = keep(folder, linked.generation, training_page(linked, run, found.about))
    if as_json:
        blocking = {
            name: model.blocking and model.blocking.as_json()
            for name, model in linked.generation.models.items()
        }
        told = {"folder": place, "unknown_labels": lost, **linked.figures, "blocking": blocking}
        click.echo(json.dumps(told))
        return 0
    _say(linked, place, lost)
    return 0


def _check(file: str | None, id_column: str | None, fields: str | None) -> None:
    if file is None and (id_column or fields):
        raise UsageError("--id and --fields go with a FILE; a warehouse's records have their fields by conf.")
    if file is not None and not id_column:
        raise UsageError("name the file's column of unique ids with --id COLUMN.")


def _records(
    file: str | None,
    warehouse: str,
    id_column: str | None,
    country: str | None,
    fields: str | None,
    settings: Settings,
) -> AtHand:
    """The records to train on; says on standard error what a file's columns are taken for."""
    from pipelines.cli.link import _pairs, fields_in_words
    from pipelines.ops.at_hand import at_hand, of_warehouse
    from pipelines.storage import Warehouse

    if file is None:
        return of_warehouse(Warehouse(warehouse), settings)
    found = at_hand(file, settings, id_column=id_column, country=country, fields=_pairs(fields))
    for line in fields_in_words(found.fields, found.by_content):
        tell(line)
    return found


def _say(linked: Linked, place: str, lost: int) -> None:
    figures, generation = linked.figures, linked.generation
    say(f"Generation {generation.generation_id} ({generation.kind})")
    for name in ("records", "candidate_pairs", "links", "clusters", "largest_cluster", "generic_values"):
        say(f"{name.replace('_', ' ').capitalize():<16} {figures[name]:>10,}")
    say(f"{'Cut':<16} {figures['cut']:>10.3f}")
    for note in figures["notes"]:
        say(f"  note: {note}")
    if lost:
        say(f"  note: {lost:,} labelled pairs name records that are not there")
    for name, model in generation.models.items():
        if model.blocking is not None:
            say("")
            say(f"Blocking of {name} records")
            say_blocking(model)
    say("")
    say(f"{place}/generation.json, training.html")
    say(f"Compare it: padron generations diff current {place}")
    say(f"Adopt it:   padron generations adopt {place}")
