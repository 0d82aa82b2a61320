"""``padron status`` and ``runs``: what ran, how it ended, and what it rested on."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, date, datetime
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from pipelines.bronze.batches import high_water_marks
from pipelines.cli import options
from pipelines.cli.console import out, say
from pipelines.cli.options import Days, Yesterday, example
from pipelines.errors import UsageError
from pipelines.ops import releases
from pipelines.ops.deliveries import delivered
from pipelines.ops.gate_trends import nights_before
from pipelines.ops.judgements import standing
from pipelines.ops.lock import holder
from pipelines.ops.past_run import PastRun, known_run, nothing_to_repeat, past_run, stages_of
from pipelines.ops.record import is_decision, rows_of
from pipelines.ops.tables import GATES
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.ops.releases import Release
    from pipelines.ops.summary import Issue

EXITS = {
    **dict.fromkeys(("released", "behind"), 0),
    **dict.fromkeys(("stopped", "approved", "rejected", "withdrawn", "restored"), 3),
    **dict.fromkeys(("running", "waiting"), 4),
}
"""Exit code of ``padron status`` by state; 1 for failed, dead, overtaken and none, which all ask for another run."""


@click.command()
@options.warehouse
@click.option(
    "--date",
    "asked",
    type=Days(),
    default=None,
    help="Of this business date, or yesterday's (default: the newest run).",
)
@click.option("--issues", "with_issues", is_flag=True, help="List what is open, by who answers for it.")
@options.config
@options.as_json
@example("padron status --date 2026-07-01")
def status(
    warehouse: str,
    asked: tuple[date | None, date | Yesterday] | None,
    with_issues: bool,
    config: str | None,
    as_json: bool,
) -> int:
    """How the newest run ended.

    Exit codes: 0 released, or the date lies behind the newest release and gets no night of its own; 3 stopped by
    a gate, or somebody decided about it (approved, rejected, withdrawn, restored: an older release was gone back
    to); 4 running, or waiting for its next layer; 1 failed, dead, overtaken (it stands on another release than the
    newest), or no run of that date: run the night (again);
    2 no folder, or one that cannot be read.
    """
    house, business_date = Warehouse(warehouse), _one_date(asked, config)
    runs = [r for r in releases.run_states(house).values() if business_date in (None, r["business_date"])]
    release = releases.newest(house)
    # By their starts: a run whose lock was taken over may say last that it failed.
    nights = [r for r in runs if not is_decision(r) or r["status"] != "released"]
    last = nights[-1] if nights else None
    state, message = ("none", None) if last is None else _state(house, last, release)
    if last is not None and (standing := _still_standing(nights, state, release)) is not None:
        last, state, message = standing, "released", standing["message"]
    batches = delivered(house, release)
    if EXITS.get(state, 1) == 1 and (why := _behind(business_date, release, batches)) is not None:
        state, message = "behind", why
    marks = high_water_marks(batches) if batches is not None else {}
    content = {
        "run_id": last["run_id"] if last else None,
        "business_date": str(last["business_date"] if last else business_date or "") or None,
        "status": state,
        "seconds": _seconds(last, state) if last else None,
        "message": message,
        "release_id": release.release_id if release else None,
        "delivered_up_to": {source: day.isoformat() for source, day in sorted(marks.items())},
    }
    issues = _issues(house, last, release, config) if with_issues else ()
    if with_issues:
        content["issues"] = [asdict(issue) for issue in issues]
    if as_json:
        click.echo(json.dumps(content))
        return EXITS.get(state, 1)
    if last is None:
        none = f"No run {f'of {business_date} ' if business_date else ''}is recorded in the warehouse {house.root}."
        say(f"{none} {message}" if message else none)
    else:
        say(f"Run {last['run_id']}: {state}{f' ({message})' if message else ''}")
    say(f"Readers see: {release.release_id if release else 'nothing yet'}")
    for source, day in sorted(marks.items()):
        say(f"  {source:<12} delivered up to {day}")
    if with_issues and not issues:
        say("No issue is open.")
    for owner, found in groupby(issues, key=lambda issue: issue.owner):
        say(f"Issues of {owner}")
        for issue in found:
            say(f"  {issue.status:<8} {issue.about}: {issue.message}")
    return EXITS.get(state, 1)


def _one_date(asked: tuple[date | None, date | Yesterday] | None, config: str | None) -> date | None:
    """The date that was asked for. Raises UsageError for a range."""
    from pipelines.cli.night import day_before
    from pipelines.settings import load_settings

    since, day = asked or (None, None)
    if since is not None:
        raise UsageError("--date takes one date here, no range.")
    return day_before(load_settings(config)) if day == "yesterday" else day


def _seconds(run: dict[str, Any], state: str) -> float | None:
    """How long the run took so far; one that is at work has not recorded it yet."""
    recorded: float | None = run["seconds"]
    if state != "running":
        return recorded
    since: datetime = run["at"]
    return (recorded or 0.0) + max((datetime.now(UTC) - since).total_seconds(), 0.0)


def _issues(
    house: Warehouse, run: dict[str, Any] | None, release: Release | None, config: str | None
) -> tuple[Issue, ...]:
    """What the run's gates said, and what stands open in the feeds that readers see."""
    from pipelines.ops.issues import open_issues
    from pipelines.settings import load_settings

    settings = load_settings(config)
    run_id = run["run_id"] if run else ""
    return open_issues(house, run_id, release, settings.sources, settings.contracts)


def _still_standing(runs: list[dict[str, Any]], state: str, release: Release | None) -> dict[str, Any] | None:
    """The run that readers see, where the newest failed to compute it again with ``--full``: no other run is needed."""
    last = runs[-1]
    if release is None or EXITS.get(state, 1) != 1 or not last["is_full"] or last["files"]:
        return None
    stands = [
        r for r in runs if r["run_id"] == release.release_id and r["business_date"] == last["business_date"]
    ]
    if not stands:
        return None
    return {
        **stands[0],
        "message": f"run {last['run_id']}, with --full, {state}: {last['message'] or 'no message'}",
    }


def _state(house: Warehouse, run: dict[str, Any], release: Release | None) -> tuple[str, str | None]:
    """The run's state and message; of one that did not say how it ended, whether it can still be at work."""
    state, message = str(run["status"]), run["message"]
    if state in ("started", "waiting"):
        newest = max(releases.run_states(house).values(), key=lambda r: r["at"])
        # One that waits has parked the lock, or its next job has it and did not say so yet.
        is_at_work = run["run_id"] == newest["run_id"] and holder(house) is not None
        at_work = "running" if state == "started" else "waiting"
        if is_at_work:
            return at_work, message
        # What a run said when it started is not why it died.
        return "dead", message if state == "waiting" else None
    if state in ("stopped", "approved") and release is not None and run["base_release"] != release.release_id:
        # Its own message asks for an approval, which would be refused.
        base = run["base_release"] or "nothing"
        return (
            "overtaken",
            f"it stands on {base}, and the newest release is {release.release_id}: run it again",
        )
    return state, message


def _behind(day: date | None, release: Release | None, batches: pa.Table | None) -> str | None:
    """Why a date gets no night of its own any more, and where its files are; None where it may get one."""
    if day is None or release is None or day >= release.business_date:
        return None
    columns = ["landing_date", "business_date", "status"]
    rows = [] if batches is None else batches.select(columns).to_pylist()
    nights = {r["business_date"] for r in rows if r["landing_date"] == day and r["status"] == "landed"}
    went = f"its files went into that of {', '.join(map(str, sorted(nights)))}"
    none = "none of its files was taken in; one that comes late goes into the next"
    return (
        f"{day} lies behind the newest release {release.release_id} and gets no night of its own: "
        f"{went if nights else none}."
    )


@click.command()
@click.argument("run", required=False)
@options.warehouse
@click.option("--stages", "show", default=None, metavar="RUN", help="Show the stages and gates of one run.")
@options.as_json
@example("padron runs 2026-07-01.1")
def runs(run: str | None, warehouse: str, show: str | None, as_json: bool) -> int:
    """The runs, oldest first; what one of them rested on and made; or only its stages."""
    house = Warehouse(warehouse)
    if run is not None:
        found = past_run(house, run)
        if as_json:
            click.echo(json.dumps(found.as_dict(), default=str))
        else:
            _explain(found)
        return 0
    if show is None:
        rows = list(releases.run_states(house).values())
        columns = ["run_id", "status", "files", "late_files", "seconds", "message"]
    else:
        known_run(house, show)
        rows = stages_of(house, show)
        columns = ["stage", "status", "rows_in", "rows_out", "seconds"]
    if as_json:
        more = [] if show is not None else ["business_date", "base_release", "is_full"]
        click.echo(json.dumps([{c: r[c] for c in [*columns, *more]} for r in rows], default=str))
        return 0
    if show is not None and not rows:
        say(nothing_to_repeat(house, show))
    elif not rows:
        say(f"No run is recorded in the warehouse {house.root}.")
    else:
        _table(columns, rows)
    for gate in standing(g for g in rows_of(house, GATES.path) if g["run_id"] == show) if show else []:
        say(f"gate {gate['gate']}: {gate['status']} {gate['message'] or ''}".rstrip())
    return 0


def _explain(found: PastRun) -> None:
    """A past run for people: what it was, what it rested on, what it made, and how to repeat it."""
    run = found.run
    say(f"Run {run['run_id']}  {run['status']}, {run['seconds'] or 0:,.1f} s on {run['host']}")
    for at, state, message in found.states:
        say(f"  {at:%Y-%m-%d %H:%M:%S}  {state:<9} {message or ''}".rstrip())
    say("")
    say(f"Program        {run['version']}, code {run['code_digest']}")
    if run.get("libraries"):
        used = ", ".join(f"{name}\N{NO-BREAK SPACE}{version}" for name, version in run["libraries"])
        for line in wrap(used, 65):
            say(f"{'':15}{line}")
    say(f"Configuration  {run['conf_digest']}")
    has_none = found.stages or is_decision({"message": found.states[0][2]})
    say(f"Generation     {found.generation or ('none' if has_none else 'not on record any more')}")
    say(f"Builds on      {run['base_release'] or 'nothing'}{', computed in full' if run['is_full'] else ''}")
    say(f"Files          {len(found.files) or run['files'] or 0}")
    for file in found.files:
        rejected = ", rejected" if file["status"] == "rejected" else ""
        say(f"  {file['file']}  {file['rows']:,} rows, sha256 {file['digest'][:12]}{rejected}")
    say("")
    _table(["stage", "status", "rows_in", "rows_out", "seconds"], found.stages)
    for gate in found.gates:
        if gate["status"] != "passed":
            points, message = found.gate_trends.get(gate["gate"], ()), gate["message"] or ""
            # The gates on ids say it themselves.
            before = "" if "the night before)" in message else nights_before(points, run["business_date"])
            say(f"gate {gate['gate']}: {gate['status']} {message}{before}".rstrip())
    say("")
    for path, version in sorted(found.outputs.items()):
        say(f"  wrote {path:<32} version {version}")
    say("")
    for line in found.repeat:
        say(line)


def _table(columns: list[str], rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(
            column, justify="right" if rows and isinstance(rows[0][column], int | float) else "left"
        )
    for row in rows:
        table.add_row(*[_cell(row[c]) for c in columns])
    out.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
