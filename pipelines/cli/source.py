"""``padron source``: declaring sources."""

from __future__ import annotations

import re
from pathlib import Path

import click

from pipelines.cli.console import say
from pipelines.cli.options import example
from pipelines.errors import UsageError


@click.group()
def source() -> None:
    """Declare sources."""


@source.command()
@click.argument("file")
@click.option("--source", "name", default=None, help="Name of its landing folder; default the file's name.")
@click.option("--feed", default=None, help="Name of the feed; default the file's name.")
@click.option("--out", default=None, metavar="YML", help="File to write, such as conf/sources/loyalty.yml.")
@example("padron source draft samples/members.csv --source loyalty --out conf/sources/loyalty.yml")
def draft(file: str, name: str | None, feed: str | None, out: str | None) -> int:
    """Draft the YAML of a new source from a sample of one feed, for a person to correct.

    Says columns, key, roles, types, date formats and code values; what it is not sure of stands on top.
    """
    from pipelines.ops.draft import draft as drafted
    from pipelines.ops.sample import read_sample

    stem = re.sub(r"[^a-z0-9]+", "_", Path(file).name.split(".")[0].lower()).strip("_") or "feed"
    wanted = name or stem
    if not re.fullmatch(r"[a-z][a-z0-9_]*", wanted):
        raise UsageError(
            f"--source {wanted}: a name has small letters, digits and _, and begins with a letter."
        )
    if out is not None and Path(out).exists():
        raise UsageError(f"{out} exists already: give another --out, or remove it.")
    for_feed = feed or stem
    if not re.fullmatch(r"[A-Za-z0-9_]+", for_feed):
        raise UsageError(f"--feed {for_feed}: a name has letters, digits and _.")
    made = drafted(read_sample(file), wanted, for_feed, Path(file).name)
    if out is None:
        click.echo(made.text, nl=False)
        return 0
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(made.text, encoding="utf-8")
    say(
        f"{out} drafted: rows become {made.target}. Read the {len(made.checks)} points at its top, and name the owner."
    )
    if made.doubt is not None:
        say(made.doubt)
    return 0
