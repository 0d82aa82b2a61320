"""``padron status``, ``runs`` and ``release``: what ran, how it ended, and what readers see."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import click
from rich.table import Table

from pipelines.bronze.batches import BATCHES, high_water_marks
from pipelines.cli import options
from pipelines.cli.console import out, say
from pipelines.cli.options import Day, example
from pipelines.ops import releases
from pipelines.ops.tables import GATES, RUNS, STAGES
from pipelines.storage import Warehouse


def _rows(warehouse: Warehouse, path: str) -> list[dict[str, Any]]:
    content = warehouse.arrow(path)
    return [] if content is None else sorted(content.to_pylist(), key=lambda r: r["at"])


def _last_by_run(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    return {row["run_id"]: row for row in _rows(warehouse, RUNS.path)}


@click.command()
@options.warehouse
@click.option(
    "--date",
    "business_date",
    type=Day(),
    default=None,
    help="Of this business date (default: the newest run).",
)
@options.as_json
@example("padron status --date 2026-07-01")
def status(warehouse: str, business_date: date | None, as_json: bool) -> int:
    """How the newest run ended: exit 0 released, 3 stopped by a gate, 1 otherwise."""
    house = Warehouse(warehouse)
    runs = [r for r in _last_by_run(house).values() if business_date in (None, r["business_date"])]
    if not runs:
        say("No run is recorded.")
        return 1
    last = max(runs, key=lambda r: r["at"])
    release = releases.newest(house)
    version = release.tables.get(BATCHES.path) if release else None
    batches = house.arrow(BATCHES.path, version) if version is not None else None
    marks = high_water_marks(batches) if batches is not None else {}
    content = {
        "run_id": last["run_id"],
        "business_date": last["business_date"].isoformat(),
        "status": last["status"],
        "seconds": last["seconds"],
        "message": last["message"],
        "release_id": release.release_id if release else None,
        "delivered_up_to": {source: day.isoformat() for source, day in sorted(marks.items())},
    }
    if as_json:
        click.echo(json.dumps(content))
    else:
        say(f"Run {last['run_id']}: {last['status']}" + (f" ({last['message']})" if last["message"] else ""))
        say(f"Readers see: {release.release_id if release else 'nothing yet'}")
        for source, day in sorted(marks.items()):
            say(f"  {source:<12} delivered up to {day}")
    return {"released": 0, "stopped": 3}.get(last["status"], 1)


@click.command()
@options.warehouse
@click.option("--stages", "show", default=None, metavar="RUN", help="Show the stages and gates of one run.")
@options.as_json
@example("padron runs --stages 2026-07-01.1")
def runs(warehouse: str, show: str | None, as_json: bool) -> int:
    """The runs, oldest first, or the stages of one."""
    house = Warehouse(warehouse)
    if show is None:
        rows = list(_last_by_run(house).values())
        columns = ["run_id", "status", "files", "late_files", "seconds", "message"]
    else:
        rows = [r for r in _rows(house, STAGES.path) if r["run_id"] == show]
        columns = ["stage", "status", "rows_in", "rows_out", "seconds"]
    if as_json:
        click.echo(json.dumps([{c: r[c] for c in columns} for r in rows], default=str))
        return 0
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if rows and isinstance(rows[0][column], int | float) else "left"
        )
    for row in rows:
        table.add_row(*[_cell(row[c]) for c in columns])
    out.print(table)
    for gate in _rows(house, GATES.path) if show else []:
        if gate["run_id"] == show:
            say(f"gate {gate['gate']}: {gate['status']} {gate['message'] or ''}".rstrip())
    return 0


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:,.1f}"
        if isinstance(value, float)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )


@click.command()
@options.warehouse
@options.as_json
@example("padron release --json")
def release(warehouse: str, as_json: bool) -> int:
    """The release that readers see: its tables, their paths and versions."""
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
