"""Options that several commands share."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal, TypeVar

import click

from pipelines.cli.console import log_as

Command = TypeVar("Command", bound=Callable[..., Any])

warehouse = click.option(
    "--warehouse",
    default="warehouse",
    show_default=True,
    envvar="PADRON_WAREHOUSE",
    help="Folder or URI of the tables.",
)
config_asked: list[str] = []
"""The folder of configuration that the command was given, if it was."""


def _config_is(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    config_asked[:] = [] if value is None else [value]
    return value


config = click.option(
    "--config",
    default=None,
    envvar="PADRON_CONFIG",
    metavar="DIR",
    callback=_config_is,
    help="Folder of configuration (default ./conf).",
)


def where_conf_is(text: str) -> str:
    """``text``, and where ``conf`` is, if it names a file there and the command was given another folder than ``./conf``."""
    if (
        not config_asked
        or os.path.normpath(config_asked[0]) == "conf"
        or not re.search(r"(?<![\w./])conf/", text)
    ):
        return text
    return f"{text}\nconf is {config_asked[0]}: --config or PADRON_CONFIG says so."


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")


def _log_as(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        log_as(value)


log_format = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default=None,
    envvar="PADRON_LOG",
    is_eager=True,
    expose_value=False,
    callback=_log_as,
    help="Standard error as text for people, or as JSON, an object a line.",
)


class Day(click.ParamType[date]):
    """A date as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()  # noqa: DTZ007 (a date has no zone)
        except ValueError:
            self.fail(f"{value!r} is not a date: write it as 2026-07-01.", param, ctx)


Yesterday = Literal["yesterday"]


class Days(click.ParamType[tuple[date | None, date | Yesterday]]):
    """A date, or a range of dates as FIRST..LAST: (first or None, last). Which date is yesterday's the business zone says."""

    name = "YYYY-MM-DD[..YYYY-MM-DD]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[date | None, date | Yesterday]:
        if isinstance(value, tuple):
            return value
        first, mark, last = str(value).partition("..")
        if first == "yesterday" and not mark:
            return None, "yesterday"
        day = Day()
        if not mark:
            return None, day.convert(first, param, ctx)
        return day.convert(first, param, ctx), day.convert(last, param, ctx)


class Country(click.ParamType[str]):
    """A country's ISO code of two letters, in capitals."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from pipelines.standardise.phones import is_country_code
        from pipelines.standardise.places import standard_country

        code = str(value).strip().upper()
        if not is_country_code(code):
            meant = standard_country(code, "")
            hint = f"write {meant}" if meant else "write one such as ES"
            self.fail(f"{value!r} is no country's code of two letters (ISO 3166-1): {hint}.", param, ctx)
        return code


def example(text: str) -> Callable[[Command], Command]:
    """Put an example at the end of a command's help."""

    def decorate(command: Command) -> Command:
        command.__doc__ = f"{(command.__doc__ or '').rstrip()}\n\n    \b\n    Example:\n      {text}\n    "
        return command

    return decorate
