"""``padron bench ids`` and ``padron bench lookup``: the register, written every night and asked by day."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import click
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import err, out, say
from pipelines.cli.options import example

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.command()
@click.option("--sizes", metavar="N,N…", help="Numbers of records (default: conf/benchmarks.yml).")
@click.option("--repeat", default=3, show_default=True, type=click.IntRange(1), help="Measurements of each.")
@click.option("--out", "folder", default="bench", show_default=True, metavar="FOLDER", help="Results.")
@click.option("--write", "markdown", metavar="FILE", help="Put the tables into this Markdown file too.")
@options.config
@options.as_json
@example("padron bench ids --sizes 100000 --repeat 1 --out bench")
def ids(
    sizes: str | None, repeat: int, folder: str, markdown: str | None, config: str | None, as_json: bool
) -> int:
    """Time the assignment of ids in a made register, by its size and by the share of it that changed.

    One Spark session for all. Writes ids.md and ids.json into the folder --out.
    """
    from pipelines.cli.bench import numbers
    from pipelines.ops.benchmark import Benchmarks, write_table
    from pipelines.ops.speed import id_nights
    from pipelines.settings import load_settings
    from pipelines.spark import session

    settings = load_settings(config)
    conf = settings.conf.load("benchmarks.yml", Benchmarks).ids
    if asked := numbers(sizes):
        conf = conf.model_copy(update={"sizes": asked})
    spark = session(settings.conf.path("spark-defaults.conf"), {"spark.driver.memory": conf.driver_memory})
    os.makedirs(folder, exist_ok=True)
    found = []
    with err.status("Measuring") as status:
        for night in id_nights.id_nights(spark, folder, conf, repeat, status.update):
            found.append(night)
            content = json.dumps(id_nights.as_dict(found, conf), indent=1)
            for kind, body in (("md", id_nights.markdown(found, conf, repeat)), ("json", content)):
                with open(os.path.join(folder, f"ids.{kind}"), "w", encoding="utf-8") as file:
                    file.write(body)
    if markdown is not None:
        write_table(markdown, id_nights.markdown(found, conf, repeat), id_nights.BEGIN, id_nights.END)
    if as_json:
        click.echo(content)
        return 0
    _show(id_nights.COLUMNS, [night.row() for night in found])
    say(f"\n{folder}/ids.md, ids.json")
    return 0


@click.command()
@options.warehouse
@click.option("--times", default=20, show_default=True, type=click.IntRange(1), help="Look-ups of each kind.")
@options.config
@example("padron bench lookup --warehouse warehouse")
def lookup(warehouse: str, times: int, config: str | None) -> int:
    """Time look-ups in a released register: records drawn from it, by phone, e-mail, tax id, card, name, order.

    They are warm: the register is open, and one look-up was made before.
    """
    from pipelines.ops.lookup import Register
    from pipelines.ops.speed.lookups import COLUMNS, look_ups
    from pipelines.settings import load_settings

    begun = time.perf_counter()
    register = Register(warehouse, load_settings(config))
    opened = time.perf_counter() - begun
    records = register.reader.value("SELECT count(*) FROM silver.customer_records")
    with err.status("Asking"):
        rows = [each.row() for each in look_ups(register, times)]
    _show(COLUMNS, rows)
    say(f"\n{records:,} records, released {register.release.business_date}; opened in {opened:.1f} s")
    return 0


def _show(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    shown = Table(box=None, pad_edge=False)
    for name in columns:
        shown.add_column(name, justify="left" if name == "By" else "right", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    out.print(shown)
