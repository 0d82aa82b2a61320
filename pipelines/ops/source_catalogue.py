"""``ops/sources``: the catalogue of sources as a table: who answers for each, how often it comes, and every field of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.bronze.landing import format_of
from pipelines.bronze.tables import declared_columns, stored_name
from pipelines.silver.targets import TARGETS, personal_of, uses
from pipelines.sources import OP
from pipelines.tables import BOOLEAN, DATE, INT, STRING, STRINGS, Column, Personal, Table

if TYPE_CHECKING:
    from pipelines.sources import Feed, Source

SOURCES = Table(
    layer="ops",
    name="sources",
    grain="One column of a feed that conf/sources declares, or that the files of its newest landing date brought.",
    key=("source", "feed", "column"),
    owner="data engineering",
    columns=(
        Column("source", STRING, "Source folder.", required=True),
        Column("feed", STRING, "Feed of it.", required=True),
        Column("column", STRING, "Column as bronze stores it.", required=True),
        Column("owner", STRING, "Who answers for the source's data.", required=True),
        Column("channel", STRING, "Channel of its records.", required=True),
        Column(
            "cadence_days",
            INT,
            "Days that the newest delivery may be old; NULL: irregular.",
            unit="days",
        ),
        Column("last_delivered", DATE, "Newest landing date of the feed; NULL where it never came."),
        Column("mode", STRING, "snapshot, delta or append.", required=True),
        Column("becomes", STRINGS, "Silver tables that the feed's rows become, sorted."),
        Column(
            "is_declared",
            BOOLEAN,
            "False: the newest files have a field that conf/sources does not know; landed, or a credential that never is.",
            required=True,
        ),
        Column(
            "is_delivered",
            BOOLEAN,
            "True where a newest file has it; NULL where the feed never came, or JSON lines may have it further down.",
        ),
        Column("is_key", BOOLEAN, "True where it identifies a row of the feed.", required=True),
        Column("is_required", BOOLEAN, "True where a file without it stops the night.", required=True),
        Column(
            "fills", STRINGS, "Columns that are made of it, as table.column, sorted; empty: it is only kept."
        ),
        Column(
            "personal",
            STRING,
            "Class of personal data, by the most telling column that it fills.",
            required=True,
        ),
        Column("meaning", STRING, "What it holds, as conf/sources says."),
    ),
)


def source_catalogue(sources: Mapping[str, Source], batches: pa.Table | None) -> pa.Table:
    """The rows of ``SOURCES``; ``batches``: bronze/batches under the names that sources have now."""
    newest: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for batch in [] if batches is None else batches.to_pylist():
        if batch["status"] == "landed":
            files = newest.setdefault((batch["source"], batch["feed"]), [])
            if files and files[0]["landing_date"] < batch["landing_date"]:
                files.clear()
            if not files or files[0]["landing_date"] == batch["landing_date"]:
                files.append(batch)
    rows = [
        row
        for name, source in sorted(sources.items())
        for feed in sorted(source.feeds)
        for row in _of_feed(source, feed, newest.get((name, feed), []))
    ]
    return pa.Table.from_pylist(rows, schema=SOURCES.arrow)


def same_rows(made: pa.Table, stored: pa.Table | None) -> bool:
    """True where ``stored`` says the same, in whatever order."""
    if stored is None or set(stored.column_names) != set(made.column_names):
        return False
    order = [(name, "ascending") for name in SOURCES.key]
    return bool(made.sort_by(order).equals(stored.select(made.column_names).cast(made.schema).sort_by(order)))


def _of_feed(source: Source, name: str, files: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """``files``: those of the feed's newest landing date."""
    feed = source.feeds[name]
    meanings = {stored_name(column): spec.meaning for column, spec in feed.columns.items()}
    declared = list(declared_columns(source, name).values())
    known = {column.casefold() for column in declared}
    brought = {c.casefold(): c for file in files for c in file["columns"] or ()}
    keys, required = ({stored_name(c) for c in chosen} for chosen in (feed.key, feed.required))
    if feed.mode == "delta":
        required.add(OP)
    personal, fills = personal_of(feed), _fills(feed)
    # Of JSON lines the columns are what the first rows have: a key that only later ones have may be missing.
    may_hide = any(format_of(str(file["file"])) == "jsonl" for file in files)
    common = {
        "source": source.source,
        "feed": name,
        "owner": source.owner,
        "channel": source.channel,
        "cadence_days": source.cadence_of(name),
        "last_delivered": files[0]["landing_date"] if files else None,
        "mode": feed.mode,
        "becomes": sorted({use.target for use in uses(feed).values() if use.target in TARGETS}),
    }

    def is_delivered(column: str) -> bool | None:
        if column.casefold() in brought:
            return True
        return None if not files or may_hide else False

    return [
        {
            **common,
            "column": column,
            "is_declared": column.casefold() in known,
            "is_delivered": is_delivered(column),
            "is_key": column in keys,
            "is_required": column in required,
            "fills": sorted(fills.get(column, ())),
            # What no map uses may name a person; what happens to a row says nothing of one.
            "personal": Personal.NONE.value
            if column == OP
            else personal.get(column.casefold(), Personal.DIRECT).value,
            "meaning": meanings.get(column) or None,
        }
        for column in (*declared, *sorted(c for folded, c in brought.items() if folded not in known))
    ]


def _fills(feed: Feed) -> dict[str, set[str]]:
    """Source column, as stored → the silver columns that are made of it, as table.column."""
    found: dict[str, set[str]] = {}
    for use in uses(feed).values():
        for made, how in use.map.items():
            for part in how if isinstance(how, tuple) else (how,):
                for column in part.columns:
                    found.setdefault(stored_name(column), set()).add(f"{use.target}.{made}")
    return found
