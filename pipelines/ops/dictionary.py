"""The data dictionary: what every table and column means, written from their declarations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.ops.pages import page
from pipelines.silver.targets import uses
from pipelines.tables import Kind, Personal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.sources import Source
    from pipelines.tables import Column, Table

CLASSES = {
    Personal.NONE: "says nothing about one person: codes, counts, technical columns",
    Personal.PSEUDONYM: "points at one person only together with another table: ids",
    Personal.QUASI: "narrows down who it is: dates, places, money, behaviour",
    Personal.DIRECT: "names the person: name, e-mail, phone, address, tax id, rows as received",
}
KINDS = {
    Kind.SNAPSHOT: "every night's content replaces the last one's",
    Kind.APPEND: "every night adds its slice; earlier rows are never changed",
}
LAYERS = {
    "bronze": "Rows as received.",
    "silver": "Standard records and events.",
    "linkage": "Scored pairs and clusters of records.",
    "identity": "The customer of each record, and how it came to be.",
    "gold": "The single customer view and its metrics.",
    "ops": "Runs, gates and releases.",
}


@dataclass(frozen=True)
class _Layer:
    name: str
    about: str
    tables: tuple[Table, ...]


def _layers(tables: Sequence[Table]) -> list[_Layer]:
    """Tables by layer, in the order in which layers and tables come."""
    return [
        _Layer(name, LAYERS.get(name, ""), tuple(t for t in tables if t.layer == name))
        for name in dict.fromkeys(t.layer for t in tables)
    ]


def _anchor(table: Table) -> str:
    return f"{table.layer}-{table.name}"


def _cell(text: str | None) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join((text or "").split()).replace("<", "&lt;").replace("|", "\\|")


def _code(text: str | None) -> str:
    return f"`{' '.join(text.split())}`" if text else ""


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _column_row(table: Table, column: Column) -> str:
    notes = [
        name for name, holds in (("key", column.name in table.key), ("required", column.required)) if holds
    ]
    return _row(
        [
            _code(column.name),
            _code(column.type),
            _cell(column.meaning),
            _cell(column.formula),
            _cell(column.unit),
            ", ".join(notes),
            column.personal.value,
        ]
    )


def _table_lines(table: Table) -> list[str]:
    facts = [
        table.grain,
        "",
        f"- Key: {', '.join(f'`{name}`' for name in table.key) or 'none, the table has one row'}",
        f"- Owner: {table.owner}",
        f"- {table.kind.value.capitalize()}: {KINDS[table.kind]}",
    ]
    if table.check:
        facts.append(f"- Every row meets: {_code(table.check)}")
    if table.open_ended:
        facts.append("- A source may bring more columns than stand here; they are kept as text.")
    head = ["Column", "Type", "Meaning", "Formula", "Unit", "Must be", "Personal data"]
    return [
        f'<a id="{_anchor(table)}"></a>',
        "",
        f"### {table.path}",
        "",
        *facts,
        "",
        _row(head),
        _row(["---"] * len(head)),
        *[_column_row(table, column) for column in table.columns],
        "",
    ]


def _source_lines(sources: Sequence[Source]) -> list[str]:
    """The catalogue of sources: who answers for them, how often they come, what their feeds become."""
    head = ["Source", "Owner", "Channel", "Cadence", "Feed", "Mode", "Key", "Becomes", "Columns", "Required"]
    rows = [
        _row(
            [
                _code(source.source),
                _cell(source.owner),
                source.channel,
                cadence(source, name),
                _code(name),
                feed.mode,
                ", ".join(_code(k) for k in feed.key),
                ", ".join(sorted({_code(use.target) for use in uses(feed).values()})),
                f"{len(feed.columns)}",
                ", ".join(_code(c) for c in feed.required),
            ]
        )
        for source in sources
        for name, feed in source.feeds.items()
    ]
    return ["## Sources", "", _row(head), _row(["---"] * len(head)), *rows, ""] if rows else []


def cadence(source: Source, feed: str) -> str:
    """How old the newest delivery of a feed may be."""
    days = source.cadence_of(feed)
    return "irregular" if days is None else f"{days} day{'' if days == 1 else 's'}"


def markdown(tables: Sequence[Table], sources: Sequence[Source] = ()) -> str:
    """The catalogue of ``sources`` and the data dictionary of ``tables`` as GitHub-flavoured Markdown, by layer."""
    lines = ["# Data dictionary", "", f"{len(tables)} tables, at `<warehouse>/<layer>/<table>`.", ""]
    lines += ["## Personal data", "", _row(["Class", "A column that"]), _row(["---", "---"])]
    lines += [_row([personal.value, _cell(meaning)]) for personal, meaning in CLASSES.items()]
    lines.append("")
    lines += _source_lines(sources)
    for layer in _layers(tables):
        lines += [f"## {layer.name}", ""]
        lines += [layer.about, ""] if layer.about else []
        lines += [f"- [{t.path}](#{_anchor(t)}): {_cell(t.grain)}" for t in layer.tables]
        lines.append("")
        for table in layer.tables:
            lines += _table_lines(table)
    return "\n".join(lines).rstrip() + "\n"


def html(tables: Sequence[Table], sources: Sequence[Source] = ()) -> str:
    """``markdown`` as one HTML page that loads nothing."""
    return page(
        "dictionary.html.j2",
        layers=_layers(tables),
        sources=sources,
        cadence=cadence,
        uses=uses,
        total=len(tables),
        classes=[(personal.value, meaning) for personal, meaning in CLASSES.items()],
        kinds=KINDS,
        anchor=_anchor,
    )
