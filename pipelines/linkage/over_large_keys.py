"""``linkage/over_large_keys``: blocking keys that too many records share, and how their blocks were subdivided.

Found from the data every night, like generic values, and part of the generation: a key first seen above
the cap, one that is there no longer, or one that more next keys divide, makes a minor revision.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from pipelines.tables import BOOLEAN, LONG, STRING, Column, Personal, Table

OVER_LARGE_KEYS = Table(
    layer="linkage",
    name="over_large_keys",
    grain="One key of a blocking rule that more records share than max_block of conf/linkage.yml.",
    key=("model", "rule", "key"),
    columns=(
        Column("model", STRING, "Model whose rule it is: person or company.", required=True),
        Column("rule", STRING, "Name of the rule.", required=True),
        Column(
            "key",
            STRING,
            "What they share, the rule's parts joined by ' + '.",
            Personal.DIRECT,
            required=True,
        ),
        Column("records", LONG, "Records that share it.", unit="records", required=True),
        Column(
            "next_keys",
            LONG,
            "Next keys of the rule that it took, at most, until the blocks were small enough.",
            unit="keys",
            required=True,
        ),
        Column(
            "is_sliced",
            BOOLEAN,
            "A block that no next key made small enough was cut in slices of neighbours by name and birth date.",
            required=True,
        ),
    ),
    owner="data engineering",
    check="records > 0 AND next_keys >= 0",
)

SCHEMA: pa.Schema = OVER_LARGE_KEYS.arrow
OverLarge = tuple[str, str, str, int, bool]
"""model, rule, key, next_keys, is_sliced."""
FOUND: pa.Schema = pa.schema([SCHEMA.field(name) for name in SCHEMA.names if name != "model"])
"""The rows of one model."""


def in_words(key: str) -> str:
    """SQL of a key, whose parts a control character holds apart, as people read it."""
    return f"replace({key}, chr(31), ' + ')"


def over_large_rows(found: Iterable[tuple[str, pa.Table]]) -> pa.Table:
    """Rows of ``linkage/over_large_keys`` from those of each model (``FOUND``), in order."""
    parts = [
        rows.add_column(0, SCHEMA.field("model"), pa.array([model] * rows.num_rows, pa.string())).cast(SCHEMA)
        for model, rows in found
    ]
    order = [(name, "ascending") for name in SCHEMA.names]
    return pa.concat_tables([SCHEMA.empty_table(), *parts]).sort_by(order)


def over_large_keys(rows: pa.Table) -> tuple[OverLarge, ...]:
    """What a generation says of rows of ``linkage/over_large_keys``: the keys and how they are subdivided."""
    columns = ("model", "rule", "key", "next_keys", "is_sliced")
    return tuple(zip(*(rows[name].to_pylist() for name in columns), strict=True))
