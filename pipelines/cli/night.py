"""``padron run``, the night, and ``padron doctor``, what it needs."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import click

from pipelines.cli import options
from pipelines.cli.console import conclude, night_progress, out, say
from pipelines.cli.logs import log
from pipelines.cli.options import Days, Yesterday, example
from pipelines.errors import PadronError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pipelines.linkage.generations import Generation
    from pipelines.ops.run import Options, Outcome
    from pipelines.ops.summary import Summary
    from pipelines.ops.training_reports import TrainingReport
    from pipelines.settings import Settings
    from pipelines.spark import StartSpark

NOTHING = "Nothing to do: of the files that can be taken in none is new."


def nothing(outcome: Outcome) -> str:
    """What a run says that had nothing to do; of files that were rejected too, for they look as if they were new."""
    from pipelines.ops.gates import listed

    files = outcome.rejected
    if not files:
        return NOTHING
    stay, them, they_are = ("stays", "it", "it is") if len(files) == 1 else ("stay", "them", "they are")
    return (
        f"{NOTHING} {listed(files)} {stay} out: the night that brought {them} was rejected. Delivered anew with other "
        f"content {they_are} taken in."
    )


@click.command()
@click.option(
    "--date",
    "business_date",
    type=Days(),
    default=None,
    help="Business date: take in every folder up to it, as one night. FIRST..LAST: one night a folder. yesterday: by "
    "timezone in conf/padron.yml.",
)
@options.config
@click.option(
    "--landing",
    default="landing",
    show_default=True,
    envvar="PADRON_LANDING",
    help="Folder or URI of the extracts.",
)
@options.warehouse
@click.option("--full", is_flag=True, help="Compute silver, linkage and gold again from bronze; ids stay.")
@click.option(
    "--from", "from_stage", default=None, metavar="STAGE", help="Run this stage and all later ones again."
)
@click.option(
    "--truth", default=None, metavar="CSV", help="True person of each record: adds quality to the summary."
)
@click.option(
    "--generation",
    default=None,
    metavar="FILE",
    help="Adopt this generation (file, folder or id): link everything by it from now on.",
)
@click.option(
    "--approve",
    is_flag=True,
    help="Agree to what the adoption changes; without it the night stops and says it.",
)
@click.option(
    "--layer",
    default=None,
    metavar="LAYER",
    help="Run the night up to this layer, for schedulers with a task each; gold releases it.",
)
@click.option(
    "--repeat",
    default=None,
    metavar="RUN",
    help="Compute a past run again from its record, with its own configuration, and compare; releases nothing.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be run and why; change nothing.")
@options.log_format
@click.option("--debug", is_flag=True, hidden=True)
@example("padron run --date 2026-07-01 --landing extracts --warehouse warehouse")
def run(
    business_date: tuple[date | None, date | Yesterday] | None,
    config: str | None,
    landing: str,
    warehouse: str,
    full: bool,
    from_stage: str | None,
    truth: str | None,
    generation: str | None,
    approve: bool,
    layer: str | None,
    repeat: str | None,
    dry_run: bool,
    debug: bool,
) -> int:
    """Run the night: land the extracts, link the records, publish the customer view.

    Without --date, one night a landing folder, in order. A run that died or was stopped is resumed by
    the same command. Exit codes: 0 published or nothing to
    do, 2 configuration or usage, 3 a gate stopped the release, 4 another run holds the lock.
    """
    from pipelines.ops.run import Options, configured
    from pipelines.settings import load_settings

    if dry_run and repeat is not None:
        raise UsageError(
            "--repeat makes every table again, which --dry-run cannot show: leave one of them out."
        )
    others = {
        "--date": business_date,
        "--full": full,
        "--from": from_stage,
        "--layer": layer,
        "--generation": generation,
        "--truth": truth,
    }
    given = [name for name, value in others.items() if value]
    if repeat is not None and given:
        raise UsageError(f"--repeat makes again what its run made: leave {', '.join(given)} out.")
    if approve and generation is None:
        raise UsageError(
            "--approve agrees to what a generation changes (--generation). To a night that a gate stopped: padron release "
            "approve --why WHY, then padron run again."
        )
    # Who only looks, or repeats, sees what is wrong.
    is_watched = dry_run or repeat is not None
    since, last = business_date or (None, None)
    only = last if since is None and isinstance(last, date) else None
    settings = (
        load_settings(config) if is_watched else configured(config, warehouse, night_progress().warned, only)
    )
    adopted, report = (None, None) if generation is None else _generation(generation, warehouse)
    asked = Options(
        landing,
        warehouse,
        date=day_before(settings) if last == "yesterday" else last,
        since=since,
        full=full,
        from_stage=from_stage,
        layer=layer,
        generation=adopted,
        training_report=report,
        is_approved=approve,
    )
    if repeat is not None:
        return _repeat(repeat, asked, settings)
    if dry_run:
        return _foretell(asked, settings)
    run_nights(asked, settings, truth)
    return 0


def day_before(settings: Settings) -> date:
    """The day that is over in the business zone."""
    return datetime.now(settings.project.zone).date() - timedelta(days=1)


def _repeat(run_id: str, asked: Options, settings: Settings) -> int:
    from pipelines.ops.repeat import repeat as run_again
    from pipelines.ops.run import warehouse_of

    progress = night_progress()
    house = warehouse_of(asked, settings)
    try:
        found = run_again(run_id, asked.landing, settings, house, starter(settings), progress)
    finally:
        progress.stop()
    different = {path: rows for path, rows in found.items() if rows}
    for path, rows in different.items():
        say(f"{path}: {rows:,} rows differ")
    say(f"Run {run_id} repeated: {len(found) - len(different)} of {len(found)} tables are the same.")
    return 1 if different else 0


def _foretell(asked: Options, settings: Settings) -> int:
    from pipelines.ops.run import foreseen

    nights, warehouse, outcome = foreseen(asked, settings)
    for text in outcome.warnings:
        say(f"warning: {text}")
    if not nights:
        say(nothing(outcome))
    for at, prepared in enumerate(nights):
        planned = prepared.planned
        base = prepared.facts["base_release"] if at == 0 else "the night before"
        late = f", {planned.late} of them late" if planned.late else ""
        say(f"Night {planned.business_date}  {len(planned.files)} files{late}, builds on {base or 'nothing'}")
        for file in planned.files:
            say(f"  file   {file.path}  {file.bytes:,} bytes")
        if at == 0:
            for stage in prepared.expected(settings, warehouse):
                say(f"  {'reuse' if stage.is_reused else 'run':<6} {stage.stage}: {stage.why}")
        else:
            say("  run    all stages: the night before comes first")
    return 0


def _generation(name: str, warehouse: str) -> tuple[Generation, TrainingReport | None]:
    from pipelines.ops.generations import find, training_report
    from pipelines.storage import Warehouse

    house = Warehouse(warehouse)
    found = find(name, house)
    return found, training_report(name, house, found)


def starter(settings: Settings) -> StartSpark:
    """Starts Spark when it is asked for. Raises UsageError at once where Java is missing."""
    _check_spark()
    return _start(settings)


def _check_spark() -> None:
    from pipelines.spark import check_java, submitted

    if not submitted():
        check_java()


def _start(settings: Settings) -> StartSpark:
    from pipelines.spark import INTERPRETED_BELOW, session

    few = settings.project.quick_start_records

    def start(records: int | None = None) -> SparkSession:
        return session(
            settings.conf.path("spark-defaults.conf"),
            is_quick=records is not None and records < few,
            is_interpreted=records is not None and records < min(few, INTERPRETED_BELOW),
        )

    return start


def run_nights(asked: Options, settings: Settings, truth: str | None = None) -> None:
    """Run nights, their progress and the last one's summary on the terminal, or that there was nothing to do."""
    from pipelines.ops.run import run as run_all
    from pipelines.ops.terminal import terminal

    if truth is not None:
        from pipelines.ops.summarise import read_truth

        read_truth(truth)
    progress = night_progress()
    told: list[tuple[Summary, str]] = []

    def report() -> None:
        from pipelines.ops.failures import kind
        from pipelines.ops.summarise import summarise, write_report

        told.clear()
        try:
            summary = summarise(asked.warehouse, settings, truth=truth)
            told.append((summary, write_report(asked.warehouse, summary)))
        except Exception as error:
            # The night is released: what is only told about it does not change how it ended.
            why = str(error) if isinstance(error, PadronError) else kind(error)
            progress.warned(f"there is no report of this night ({why}): `padron report` makes it.")

    try:
        outcome = run_all(asked, settings, _start(settings), progress, _check_spark, report)
    finally:
        progress.stop()
    if outcome.waits_for is not None:
        # What it made up for is of the night before.
        told.clear()
        conclude(f"The {outcome.waits_for} layer is next.")
    elif not outcome.released and asked.takes_files:
        conclude(nothing(outcome))
    for summary, page in told:
        if log.is_on:
            conclude(f"Report: {page}")
        else:
            terminal(summary, out, report=page)


@click.command()
@options.config
@example("padron doctor")
def doctor(config: str | None) -> int:
    """Check Java, the configuration, and that Spark starts with Delta."""
    from pipelines.settings import load_settings
    from pipelines.spark import java_version, session

    say(f"Java {java_version()}")
    settings = load_settings(config)
    say(f"Configuration: {len(settings.sources)} sources, business dates in {settings.project.timezone}")
    spark = session(settings.conf.path("spark-defaults.conf"))
    say(f"Spark {spark.version} with Delta, {spark.sparkContext.defaultParallelism} cores")
    spark.stop()
    return 0
