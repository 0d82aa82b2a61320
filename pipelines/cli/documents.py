"""``padron docs`` and ``report``: the data dictionary, the night's page."""

from __future__ import annotations

from pathlib import Path

import click

from pipelines.cli import options
from pipelines.cli.console import out, say
from pipelines.cli.options import example


@click.command()
@click.option("--out", "folder", default="docs", show_default=True, help="Folder to write to.")
@options.config
@example("padron docs --out docs")
def docs(folder: str, config: str | None) -> int:
    """Write the catalogue of sources and the data dictionary as Markdown and HTML."""
    from pipelines.night import catalogue
    from pipelines.ops.dictionary import html, markdown
    from pipelines.settings import load_settings

    declared = load_settings(config).sources
    tables, sources = catalogue(declared), [declared[name] for name in sorted(declared)]
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "dictionary.md").write_text(markdown(tables, sources), encoding="utf-8")
    (target / "dictionary.html").write_text(html(tables, sources), encoding="utf-8")
    say(f"{len(tables)} tables described in {target / 'dictionary.md'} and {target / 'dictionary.html'}")
    return 0


@click.command()
@options.warehouse
@options.config
@click.option("--truth", default=None, metavar="CSV", help="True person of each record.")
@options.as_json
@example("padron report --warehouse warehouse")
def report(warehouse: str, config: str | None, truth: str | None, as_json: bool) -> int:
    """Write the newest release's HTML report and print its summary."""
    from pipelines.ops.summarise import summarise, write_report
    from pipelines.ops.terminal import terminal
    from pipelines.settings import load_settings

    summary = summarise(warehouse, load_settings(config), truth=truth)
    path = write_report(warehouse, summary)
    if as_json:
        click.echo(summary.to_json())
    else:
        terminal(summary, out, report=path)
    return 0
