"""The ``padron`` command: one module a group of commands; every outcome is one clear line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from typing import ClassVar

import click

import pipelines
from pipelines.cli import options
from pipelines.cli.console import complain, log_as, write_what_can_be_written
from pipelines.cli.logs import log
from pipelines.errors import PadronError


class Lazy(click.Group):
    """Loads a command's module when it is asked for, so that ``padron --help`` needs no Spark."""

    COMMANDS: ClassVar[dict[str, str]] = {
        "run": "pipelines.cli.night",
        "status": "pipelines.cli.record",
        "runs": "pipelines.cli.record",
        "release": "pipelines.cli.release",
        "simulate": "pipelines.cli.data",
        "sql": "pipelines.cli.data",
        "show": "pipelines.cli.data",
        "lookup": "pipelines.cli.lookup",
        "history": "pipelines.cli.history",
        "docs": "pipelines.cli.documents",
        "report": "pipelines.cli.documents",
        "evaluate": "pipelines.cli.evaluate",
        "link": "pipelines.cli.link",
        "explain": "pipelines.cli.explain",
        "decide": "pipelines.cli.decide",
        "review": "pipelines.cli.review",
        "plan": "pipelines.cli.plan",
        "bench": "pipelines.cli.bench",
        "train": "pipelines.cli.train",
        "generations": "pipelines.cli.generations",
        "source": "pipelines.cli.source",
        "maintain": "pipelines.cli.upkeep",
        "doctor": "pipelines.cli.night",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        import importlib

        module = self.COMMANDS.get(cmd_name)
        if module is None:
            return None
        found: click.Command = getattr(importlib.import_module(module), cmd_name)
        return found


@click.command(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(pipelines.__version__, prog_name="padron")
@click.option("--debug", is_flag=True, help="Show whole errors; they may hold personal data.")
@options.log_format
@click.pass_context
def padron(ctx: click.Context, debug: bool) -> None:
    """Nightly identity resolution on Spark: one customer id that stays, one customer view."""
    ctx.obj = debug


INTERRUPTED = 128 + signal.SIGINT
"""Exit code of what was ended at the keyboard (SIGINT), as shells say it."""


def execute(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code; never a traceback unless ``--debug``."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    write_what_can_be_written()
    options.config_asked.clear()
    log_as(os.environ.get("PADRON_LOG", "text"))
    try:
        result = padron.main(args=arguments, prog_name="padron", standalone_mode=False)
    except click.ClickException as error:
        if log.is_on:
            complain(error.format_message(), error.exit_code)
        else:
            error.show()
        return error.exit_code
    except click.exceptions.Abort:
        again = " Run the same command again: the night goes on from its last finished stage."
        complain(f"Stopped.{again if arguments[:1] == ['run'] else ''}", INTERRUPTED)
        return INTERRUPTED
    except PadronError as error:
        if debug:
            traceback.print_exc()
        complain(options.where_conf_is(str(error)), error.exit_code)
        return error.exit_code
    except Exception as error:
        if debug:
            traceback.print_exc()
        if isinstance(error, OSError) and error.filename and error.strerror:
            complain(f"{error.filename} cannot be used ({error.strerror}).", 1)
            return 1
        complain(
            f"Unexpected {type(error).__name__}: run again with --debug to see where (it may show personal data).",
            1,
        )
        return 1
    return result if isinstance(result, int) else 0


LEAN = frozenset({"link", "lookup", "history", "show", "explain", "evaluate", "sql", "status", "runs"})
"""Commands that are soon over, start no Spark, and hand pyarrow nothing of pandas."""


def main() -> None:
    """The console script."""
    if not LEAN.intersection(sys.argv[1:3]):
        sys.exit(execute())
    from pipelines.cli.lean import arrow_without_pandas, leave

    arrow_without_pandas()
    leave(execute())
