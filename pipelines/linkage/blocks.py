"""``linkage/blocks``: what each blocking rule brought in a night, and where its blocks were above the cap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from pipelines.tables import LONG, STRING, Column, Table

BLOCKS = Table(
    layer="linkage",
    name="blocks",
    grain="One blocking rule of a model, as it brought pairs in this night.",
    key=("model", "rule"),
    columns=(
        Column("model", STRING, "Model whose rule it is: person or company.", required=True),
        Column("rule", STRING, "Name of the rule.", required=True),
        Column(
            "pairs",
            LONG,
            "Pairs that it was the first rule to find; one record of each changed since the last night.",
            unit="pairs",
            required=True,
        ),
        Column(
            "records",
            LONG,
            "Records of the model that were compared with all others: new and changed ones.",
            unit="records",
            required=True,
        ),
        Column("capped_blocks", LONG, "Blocks above max_block, which were subdivided.", unit="blocks"),
        Column(
            "largest_block", LONG, "Records of its largest block, before it was subdivided.", unit="records"
        ),
    ),
    owner="data engineering",
    check="pairs >= 0 AND records >= 0",
)


def block_rows(figures: Mapping[str, Any]) -> pa.Table:
    """Rows from the figures of a linkage; the rule that brought most first."""
    rows = [
        {"model": name.partition(".")[0], "rule": name.partition(".")[2], **cost}
        for name, cost in figures["blocks"].items()
    ]
    by_pairs = sorted(rows, key=lambda row: (-row["pairs"], row["model"], row["rule"]))
    return pa.Table.from_pylist(by_pairs, schema=BLOCKS.arrow)
