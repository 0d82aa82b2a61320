"""``padron simulate``, ``sql`` and ``show``: make data, ask the released tables, look at one customer."""

from __future__ import annotations

import json
import math
import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import click
from rich.cells import cell_len
from rich.markup import escape
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table

from pipelines.cli import options
from pipelines.cli.console import out, say, tell
from pipelines.cli.options import Day, example

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

_LONGEST_WORD = 40
"""Characters without a blank that ``padron sql`` leaves in one line; an id has 25."""


@click.command()
@click.argument("out_folder", metavar="OUT")
@click.option(
    "--customers", default=3000, show_default=True, type=click.IntRange(10), help="People and companies."
)
@click.option("--nights", default=3, show_default=True, type=click.IntRange(1), help="Landing folders.")
@click.option("--seed", default=20260701, show_default=True, help="The same seed gives the same files.")
@click.option("--start", default="2026-07-01", show_default=True, type=Day(), help="Date of the first night.")
@example("padron simulate out/demo --customers 3000 --nights 3")
def simulate(out_folder: str, customers: int, nights: int, seed: int, start: date) -> int:
    """Simulate a retailer: landing folders of five sources, and the truth beside them."""
    from pipelines.simulate import simulate as make

    made = make(
        out_folder,
        customers=customers,
        nights=nights,
        seed=seed,
        start=start,
        progress=tell,
    )
    say(f"Simulated {customers:,} customers over {nights} nights in {made.landing}")
    return 0


@click.command()
@click.argument("query")
@options.warehouse
@click.option(
    "--run",
    default=None,
    metavar="RUN",
    help="Ask the tables as this run left them, also one that was stopped.",
)
@click.option("--limit", default=50, show_default=True, help="Rows shown on a terminal.")
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@example('padron sql "select segment, count(*) from gold.rfm group by all order by 2 desc"')
def sql(query: str, warehouse: str, run: str | None, limit: int, as_json: bool, as_csv: bool) -> int:
    """Ask the newest release in SQL (DuckDB): tables are layer.table, such as gold.customers."""
    from pipelines.ops.past_run import past_run
    from pipelines.ops.reading import Reader, asked_of_run
    from pipelines.storage import Warehouse

    house = Warehouse(warehouse)
    found = Reader(house).arrow(query) if run is None else asked_of_run(house, past_run(house, run), query)
    if as_json:
        click.echo(json.dumps(_finite(found.to_pylist()), default=str))
        return 0
    if as_csv:
        click.echo(",".join(found.column_names))
        for row in found.to_pylist():
            click.echo(",".join(_csv(v) for v in row.values()))
        return 0
    _show_rows(found.slice(0, limit))
    if found.num_rows > limit:
        say(f"… {found.num_rows - limit:,} more rows (--limit)")
    return 0


def _finite(value: Any) -> Any:
    """``value`` with NULL for the numbers that JSON does not know: infinite ones, and what is none."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def _show_rows(rows: pa.Table) -> None:
    """A table in which texts wrap and no id is cut. Rows for which a terminal is too narrow are shown one below the other,
    a line a column; elsewhere lines are as long as they need to be.
    """
    table = Table(box=None, pad_edge=False)
    texts = [["" if v is None else str(v) for v in column.to_pylist()] for column in rows.columns]
    for name, kind, column in zip(rows.column_names, rows.schema.types, texts, strict=True):
        words = [word for text in (name, *column) for word in text.split()]
        table.add_column(
            name,
            justify="right" if _is_number(str(kind)) else "left",
            overflow="fold",
            min_width=min(max(map(cell_len, words), default=0), _LONGEST_WORD),
        )
    for row in zip(*texts, strict=True):
        table.add_row(*map(escape, row))
    if out.is_terminal and _width(table) > out.width:
        for number, row in enumerate(zip(*texts, strict=True), 1):
            out.rule(f"row {number}", align="left", style="dim")
            out.print(_one_row(zip(rows.column_names, row, strict=True)))
        return
    least = Measurement.get(out, out.options.update(max_width=sys.maxsize), table).minimum
    table.width = least if least > out.width else None
    out.print(table, soft_wrap=False, crop=False)


def _width(table: Table) -> int:
    """Columns of the terminal that ``table`` takes: as many as its widest line, for no id is cut."""
    lines = Segment.split_lines(out.render(table, out.options))
    return max(cell_len("".join(part.text for part in line).rstrip()) for line in lines)


def _one_row(values: Iterable[tuple[str, str]]) -> Table:
    """A row of which each column has a line of its own."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in values:
        table.add_row(escape(name), escape(value))
    return table


def _is_number(kind: str) -> bool:
    return kind.startswith(("int", "uint", "double", "float", "decimal"))


def _csv(value: Any) -> str:
    text = "" if value is None else str(value)
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


@click.command()
@click.argument("customer_id")
@options.warehouse
@options.as_json
@example("padron show CJ3X0R4B2M6K8A1D5F7H9T2W")
def show(customer_id: str, warehouse: str, as_json: bool) -> int:
    """One customer, whole: the golden record, its source records, RFM and service.

    An id that was merged or split shows what it became.
    """
    from pipelines.ops.customer import show_customer

    found = show_customer(warehouse, customer_id)
    if as_json:
        click.echo(json.dumps(_finite(found), default=str))
        return 0
    for block, rows in found.items():
        out.rule(block, align="left", style="dim")
        for row in rows:
            out.print(_one_row((name, str(value)) for name, value in row.items() if value not in (None, [])))
    return 0
