"""The terminal: what people read goes to standard output, complaints and progress to standard error.

The one home of what is printed. With ``log_as("json")`` everything on standard error is a line of ``cli.logs``.
"""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from pipelines.cli.logs import LoggedNight, log
from pipelines.cli.standard_error import standard_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.ops.plan import PlannedNight
    from pipelines.stages import StageResult

NARROW = 80


class _Console(Console):
    """Goes quiet where its reader, such as ``head``, has gone away: a night that is released ends with 0 all the same."""

    def on_broken_pipe(self) -> None:
        with suppress(SystemExit):
            super().on_broken_pipe()


def _console(*, stderr: bool) -> Console:
    # Without a terminal (cron, a pipe) lines are as long as they need to be; on one they break between words.
    is_terminal = os.isatty(2 if stderr else 1)
    file = standard_error if stderr else None
    width = None if is_terminal else 100
    return _Console(file=file, width=width, highlight=False, soft_wrap=not is_terminal)


out = _console(stderr=False)
err = _console(stderr=True)


def write_what_can_be_written() -> None:
    """A character that the terminal's encoding does not have is written as ``?``, instead of ending the command: what is
    printed last comes after a release."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="replace")


def log_as(form: str) -> None:
    """How standard error is written from now on: ``text`` for people, or ``json``, an object a line."""
    log.is_on, log.run = form == "json", None
    # Without a line of its own nothing is drawn: a spinner would stand between the objects.
    err.quiet = log.is_on


def complain(text: str, exit_code: int | None = None) -> None:
    """One problem, said on standard error; ``exit_code``: what the command ends with because of it."""
    if log.is_on:
        log.write("error", text, figures={} if exit_code is None else {"exit_code": exit_code})
    else:
        err.print(f"[bold red]padron:[/] {escape(text)}")


def tell(text: str) -> None:
    """One line about how it goes, on standard error."""
    if log.is_on:
        log.write("info", " ".join(text.split()))
    else:
        err.print(escape(text))


def say(text: str) -> None:
    """One line of result."""
    out.print(escape(text))


def prose(text: str) -> None:
    """A sentence of result, wrapped at 80 columns also where the console is set to never wrap (a pipe)."""
    out.print(escape(text), width=min(NARROW, out.width), soft_wrap=False)


def conclude(text: str) -> None:
    """One line about how a night ended: a result, or a line of the log.

    spark-submit joins the program's standard error with its standard output, where nothing may stand
    between the objects.
    """
    if log.is_on:
        tell(text)
    else:
        say(text)


class NightProgress:
    """A line a stage while a night runs, with what is running now on a terminal."""

    def __init__(self) -> None:
        self._status = err.status("", spinner="dots") if err.is_terminal else None
        self._running: dict[str, str] = {}
        self._date = ""
        self._total = 0
        self._ended = 0

    def warned(self, text: str) -> None:
        err.print(f"[yellow]warning:[/] {escape(text)}")

    def night_started(self, night: PlannedNight, run_id: str, stages: int) -> None:
        late = f", {night.late} of them late" if night.late else ""
        err.print(f"[bold]Night {night.business_date}[/]  run {run_id}, {len(night.files)} files{late}")
        self._date, self._total, self._ended = str(night.business_date), stages, 0
        if self._status is not None:
            self._status.start()

    def night_released(self, business_date: date, seconds: float) -> None:
        if self._status is not None:
            self._status.stop()
        err.print(f"[bold green]Released[/] {business_date} in {seconds:.1f} s")

    def started(self, stage: str) -> None:
        self._running[stage] = ""
        self._show()

    def doing(self, stage: str, text: str) -> None:
        """What a running stage is at; said on a terminal only, where the next one replaces it."""
        if stage in self._running:
            self._running[stage] = text
            self._show()

    def judged(self, stage: str, verdicts: Sequence[dict[str, Any]]) -> None:
        """Nothing: the summary says what gates found, and the complaint what stopped the night."""

    def ended(self, result: StageResult) -> None:
        self._running.pop(result.stage, None)
        self._ended += 1
        mark = {"done": "[green]done[/]  ", "reused": "[dim]reused[/]", "failed": "[red]failed[/]"}[
            result.status
        ]
        err.print(
            f"  {self._ended:>2}/{self._total} {result.stage:<28} {mark} "
            f"{result.rows_out:>11,} rows {result.seconds:>7.1f} s"
        )
        self._show()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._status is not None:
            self._status.stop()

    def _show(self) -> None:
        if self._status is not None:
            running = (f"{stage} ({text})" if text else stage for stage, text in self._running.items())
            self._status.update(f"{self._date}  {escape(', '.join(running))}")


def night_progress() -> NightProgress | LoggedNight:
    """Who tells how a night goes, in the form that ``log_as`` set."""
    return LoggedNight() if log.is_on else NightProgress()
