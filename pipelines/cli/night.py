"""``padron run``, the night, and ``padron doctor``, what it needs."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.cli import options
from pipelines.cli.console import NightProgress, out, say
from pipelines.cli.options import Day, example

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@click.command()
@click.option(
    "--date",
    "business_date",
    type=Day(),
    default=None,
    help="Business date: take in every folder up to it, as one night.",
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
@click.option("--debug", is_flag=True, hidden=True)
@example("padron run --date 2026-07-01 --landing extracts --warehouse warehouse")
def run(
    business_date: date | None,
    config: str | None,
    landing: str,
    warehouse: str,
    full: bool,
    from_stage: str | None,
    truth: str | None,
    debug: bool,
) -> int:
    """Run the night: land the extracts, link the records, publish the customer view.

    Without --date, one night a landing folder, in order. Exit codes: 0 published or nothing to
    do, 2 configuration or usage, 3 a gate stopped the release, 4 another run holds the lock.
    """
    from pipelines.settings import load_settings
    from pipelines.spark import check_java, session, submitted

    if not submitted():
        check_java()
    settings = load_settings(config)

    from pipelines.ops.run import Options
    from pipelines.ops.run import run as run_nights

    progress = NightProgress()

    def start() -> SparkSession:
        return session(settings.conf.path("spark-defaults.conf"))

    try:
        outcome = run_nights(
            Options(landing, warehouse, business_date, full, from_stage), settings, start, progress
        )
    finally:
        progress.stop()
    if not outcome.released:
        say("Nothing to do: everything that was delivered is released.")
        return 0

    from pipelines.ops.summarise import summarise, write_report
    from pipelines.ops.terminal import terminal

    summary = summarise(warehouse, settings, truth=truth)
    terminal(summary, out, report=write_report(warehouse, summary))
    return 0


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
