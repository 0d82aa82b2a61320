"""``padron release``: what readers see, and what a person decides about a night."""

from __future__ import annotations

import getpass
import json
from typing import TYPE_CHECKING

import click

from pipelines.cli import options
from pipelines.cli.console import say, tell
from pipelines.cli.options import example
from pipelines.ops import releases
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pyspark.sql import SparkSession

    from pipelines.ops.releases import Release


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _decision(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of every decision: where, by whom and why."""
    why = click.option("--why", required=True, help="The reason; it is kept in the record.")
    by = click.option(
        "--by",
        default=_login,
        envvar="PADRON_BY",
        show_default="your login",
        help="Who decides; it is kept in the record.",
    )
    return options.warehouse(by(why(command)))


def _house(ctx: click.Context, warehouse: str) -> Warehouse:
    """The warehouse: the option may stand before or behind the decision's name."""
    group = ctx.parent.params if ctx.parent else {}
    is_given = ctx.get_parameter_source("warehouse") is not click.core.ParameterSource.DEFAULT
    return Warehouse(warehouse if is_given else str(group.get("warehouse", warehouse)))


def _decider(by: str, why: str) -> Any:
    from pipelines.ops.sign_off import Decider

    if not by.strip() or not why.strip():
        raise click.UsageError("Say who decides (--by) and why (--why).")
    return Decider(by.strip(), why.strip())


def _spark(config: str | None) -> Callable[[], SparkSession]:
    """Starts Spark when it is asked for: only releases that are taken back need it."""

    def start() -> SparkSession:
        from pipelines.settings import load_settings
        from pipelines.spark import check_java, session, submitted

        if not submitted():
            check_java()
        return session(load_settings(config).conf.path("spark-defaults.conf"))

    return start


@click.group(invoke_without_command=True)
@options.warehouse
@options.as_json
@click.pass_context
@example("padron release --json")
def release(ctx: click.Context, warehouse: str, as_json: bool) -> int:
    """The release that readers see: its tables, their paths and versions.

    `list` names all releases; `approve`, `reject` and `rollback` decide about a night.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    house = Warehouse(warehouse)
    found = releases.required(house)
    if as_json:
        tables = [{"table": p, "path": house.uri(p), "version": v} for p, v in sorted(found.tables.items())]
        click.echo(
            json.dumps(
                {
                    "release_id": found.release_id,
                    "business_date": found.business_date.isoformat(),
                    "tables": tables,
                }
            )
        )
        return 0
    say(f"Release {found.release_id} of {found.business_date}, {len(found.tables)} tables")
    for path, version in sorted(found.tables.items()):
        say(f"  {path:<32} version {version}")
    for warning in found.warnings:
        say(f"  warning: {warning}")
    return 0


@release.command("list")
@options.warehouse
@options.as_json
@click.pass_context
@example("padron release list")
def list_releases(ctx: click.Context, warehouse: str, as_json: bool) -> int:
    """All releases, oldest first, with what became of them and why."""
    house = _house(ctx, warehouse)
    found = releases.all_releases(house)
    if as_json:
        shown = ("release_id", "business_date", "at", "status", "base_release", "reason")
        click.echo(json.dumps([{c: getattr(r, c) for c in shown} for r in found], default=str))
        return 0
    if not found:
        say(f"Nothing is released in the warehouse {house.root} yet.")
    for r in found:
        say(f"{r.release_id:<14} {r.status:<10} on {r.base_release or 'nothing'}")
        if r.reason:
            say(f"  {r.reason}")
    return 0


@release.command()
@click.argument("run", required=False)
@_decision
@click.pass_context
@example('padron release approve 2026-07-02.1 --why "the shop was closed, 40 % of the orders is right"')
def approve(ctx: click.Context, run: str | None, warehouse: str, by: str, why: str) -> int:
    """Agree to what stopped a night (default: the newest run); the next `padron run` releases it.

    What was finished is not run again. The agreement holds for this night and these files, for the generation that it
    adopts, and up to the values that the gates measured.
    """
    from pipelines.ops.sign_off import approve as agree

    agreed = agree(_house(ctx, warehouse), run, _decider(by, why))
    same = f", with the same --generation ({agreed.adopts})," if agreed.adopts else ""
    say(f"Approved: {', '.join(agreed.gates)}. Run `padron run` again{same} to release the night.")
    return 0


@release.command()
@click.argument("run", required=False)
@_decision
@options.config
@click.pass_context
@example('padron release reject 2026-07-02.1 --why "the CRM sent half a file"')
def reject(ctx: click.Context, run: str | None, warehouse: str, by: str, why: str, config: str | None) -> int:
    """Reject a night (default: the newest run) and the files that it took in.

    They stay in bronze and count nowhere. A night that is released already has to be named; it is
    withdrawn, with all built on it; the files of those are taken in again by the next `padron run`.
    """
    from pipelines.ops.sign_off import reject as refuse

    made = refuse(_house(ctx, warehouse), run, _decider(by, why), _spark(config))
    _told("Rejected", made, warehouse)
    return 0


@release.command()
@click.argument("release_id", metavar="RELEASE")
@_decision
@options.config
@click.pass_context
@example('padron release rollback 2026-07-01.1 --why "a wrong rule was configured on the 2nd"')
def rollback(
    ctx: click.Context, release_id: str, warehouse: str, by: str, why: str, config: str | None
) -> int:
    """Make an older release what readers see and the next night builds on.

    Releases after it are withdrawn; ids that they published stay resolvable; their files are taken in
    again by the next `padron run`.
    """
    from pipelines.ops.sign_off import rollback as go_back

    made = go_back(_house(ctx, warehouse), release_id, _decider(by, why), _spark(config))
    _told("Rolled back", made, warehouse)
    return 0


def _told(what: str, made: Release, warehouse: str) -> None:
    from pipelines.ops.withdrawn_pages import left_standing

    say(f"{what}. Readers see {made.release_id}, built on {made.base_release}.")
    house = Warehouse(warehouse)
    for line in left_standing(house, made):
        tell(f"warning: {line}")
    if not releases.is_pointed_to(house):
        tell("warning: release.json could not be written and names another release until padron runs again.")
