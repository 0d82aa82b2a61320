"""The bronze tables: one a source and feed, its columns as received."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pipelines.sources import OP
from pipelines.tables import LONG, STRING, TIMESTAMP, Column, Kind, Personal, Table

if TYPE_CHECKING:
    from pipelines.sources import Source

_UNSAFE = str.maketrans(dict.fromkeys(" ,;{}()\n\r\t=.`", "_"))

PROVENANCE = (
    Column("_batch_id", STRING, "The landed file, by place and content.", Personal.PSEUDONYM, required=True),
    Column("_file", STRING, "Its path inside the landing folder.", Personal.PSEUDONYM, required=True),
    Column(
        "_row",
        LONG,
        "Physical line where the row starts, the file's first line being 1; in Parquet the row, from 1.",
        Personal.PSEUDONYM,
        required=True,
    ),
    Column("_ingested_at", TIMESTAMP, "When the night took the file in.", required=True),
    Column(
        "_raw",
        STRING,
        "The whole row as received: where it is malformed, or has keys that no column holds.",
        Personal.DIRECT,
    ),
    Column("_problem", STRING, "Why the row is malformed, by code; NULL where it is not."),
)
TECHNICAL = tuple(column.name for column in PROVENANCE)


def stored_name(name: str) -> str:
    """The column that holds source column ``name``: Delta without column mapping refuses some characters.

    >>> stored_name("Customer ID")
    'Customer_ID'
    """
    return name.strip().translate(_UNSAFE)


def declared_columns(source: Source, feed: str) -> dict[str, str]:
    """Column of the bronze table by the folded spelling that a header may use, in declared order.

    ``op`` belongs to every snapshot and delta feed, whether a file has it or not.
    """
    spec = source.feeds[feed]
    names = [stored_name(name) for name in spec.columns]
    if spec.mode != "append" and OP not in names:
        names.insert(0, OP)
    return {name.casefold(): name for name in names}


def bronze_table(source: Source, feed: str, extra_columns: Iterable[str] = ()) -> Table:
    """The table of one feed: declared columns, ``extra_columns`` that files brought, and provenance.

    Every source column is text and counts as personal: nobody has read what it holds yet.
    """
    spec = source.feeds[feed]
    meanings = {stored_name(name): column.meaning for name, column in spec.columns.items()}
    meanings.setdefault(OP, "I inserts, U updates, D deletes; NULL in a full snapshot")
    declared = list(declared_columns(source, feed).values())
    folded = {name.casefold() for name in declared}
    extra = [name for name in extra_columns if name.casefold() not in folded]
    columns = [
        Column(name, STRING, f"{(meanings.get(name) or 'As received').rstrip('.')}.", Personal.DIRECT)
        for name in (*declared, *extra)
    ]
    return Table(
        layer="bronze",
        name=f"{source.source}_{feed}",
        grain="One row of a landed file, as received.",
        key=("_batch_id", "_row"),
        columns=(*columns, *PROVENANCE),
        owner=source.owner,
        kind=Kind.APPEND,
        open_ended=True,
    )
