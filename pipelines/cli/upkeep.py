"""``padron maintain``: small files joined, files and rows of past runs deleted that nobody needs any more."""

from __future__ import annotations

import json

import click

from pipelines.cli import options
from pipelines.cli.console import out, say, tell
from pipelines.cli.options import example


@click.command()
@options.warehouse
@options.config
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@options.as_json
@example("padron maintain --warehouse warehouse --dry-run")
def maintain(warehouse: str, config: str | None, dry_run: bool, as_json: bool) -> int:
    """Join small files and delete those that no release needs any more (retention_days in conf/padron.yml).

    What a killed padron plan left a day ago or earlier is deleted, for it holds personal data.
    The stages and gates of runs that old go too, but for runs that a release or a night still needs; what was run and
    released stays on record. Nights do it by themselves maintain_every releases after it was last done. Exit code 1:
    a version that a release promises cannot be read any more.
    """
    from rich.table import Table

    from pipelines.night import catalogue
    from pipelines.ops.lock import Lock
    from pipelines.ops.record import check_version
    from pipelines.ops.releases import required
    from pipelines.ops.upkeep import maintain as keep_up
    from pipelines.settings import load_settings
    from pipelines.storage import Warehouse

    settings = load_settings(config)
    project = settings.project
    house = Warehouse(warehouse, retention_days=project.retention_days, by_layer=project.retention_by_layer)
    required(house)
    check_version(house)
    paths = [table.path for table in catalogue(settings.sources)]
    if dry_run:
        done = keep_up(house, paths, dry_run=True)
    else:
        with Lock(house, "padron maintain") as lock:
            if lock.taken_over:
                tell(f"{lock.taken_over}.")
            done = keep_up(house, paths)
    code = 1 if any(kept.lost for kept in done) else 0
    if as_json:
        click.echo(json.dumps([kept.as_dict() for kept in done], indent=2))
        return code
    tables = [kept for kept in done if not kept.is_left_over]
    touched = [kept for kept in tables if kept.joined or kept.rows or kept.removed]
    if touched:
        deleted = "to delete" if dry_run else "deleted"
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("Table", no_wrap=True)
        for name in ("Files joined", f"Rows {deleted}", f"Files {deleted}", "Versions kept"):
            table.add_column(name, justify="right")
        for kept in touched:
            counts = (kept.joined, kept.rows, kept.removed, kept.versions)
            table.add_row(kept.table, *[f"{n:,}" for n in counts])
        out.print(table)
    for left in filter(lambda kept: kept.is_left_over, done):
        is_gone = "would be deleted" if dry_run else "deleted"
        files = "1 file" if left.removed == 1 else f"{left.removed:,} files"
        say(f"{left.table} {is_gone} ({files}): a process that tried nights left it and is dead.")
    for warning in filter(None, (kept.warning for kept in done)):
        say(warning)
    own = [f", {layer} for {days}" for layer, days in project.retention_by_layer.items()]
    say(
        f"{len(tables)} tables looked at, {len(touched)} {'would change' if dry_run else 'changed'}; releases stay "
        f"readable for {project.retention_days} days{''.join(own)}, after the next one took their place."
    )
    return code
