"""``linkage/cut_components``: components that were too large to be one party, and how they were cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.linkage.components import Cut
from pipelines.tables import DOUBLE, LONG, STRING, Column, Personal, Table

CUT_COMPONENTS = Table(
    layer="linkage",
    name="cut_components",
    grain="One component of linked records above max_component of conf/linkage.yml, which was cut.",
    key=("component",),
    columns=(
        Column("component", STRING, "Its smallest source:record_id.", Personal.PSEUDONYM, required=True),
        Column("model", STRING, "Model that linked it: person or company.", required=True),
        Column("records", LONG, "Records that it held.", unit="records", required=True),
        Column("pieces", LONG, "Pieces that it was cut into, single records among them.", unit="pieces"),
        Column("largest_piece", LONG, "Records of the largest piece.", unit="records"),
        Column(
            "lowest_threshold",
            DOUBLE,
            "Probability that a link had to have in the piece that was small enough first.",
            unit="share",
        ),
        Column(
            "highest_threshold",
            DOUBLE,
            "Probability that a link had to have in the piece that was small enough last.",
            unit="share",
        ),
    ),
    owner="data engineering",
    check="pieces > 1 AND largest_piece < records",
)

SCHEMA: pa.Schema = CUT_COMPONENTS.arrow


def cut_rows(
    cuts: Mapping[str, tuple[Cut, ...]],
    names: np.ndarray[tuple[int], np.dtype[np.object_]] | Mapping[int, str],
) -> pa.Table:
    """Rows from what was cut, by model, and ``source:record_id`` of its nodes; the largest first."""
    rows: list[dict[str, Any]] = [
        {
            "component": names[cut.component],
            "model": model,
            "records": cut.records,
            "pieces": cut.pieces,
            "largest_piece": cut.largest_piece,
            "lowest_threshold": _probability(cut.lowest_bits),
            "highest_threshold": _probability(cut.highest_bits),
        }
        for model, found in cuts.items()
        for cut in found
    ]
    return pa.Table.from_pylist(
        sorted(rows, key=lambda row: (-row["records"], row["component"])), schema=SCHEMA
    )


def _probability(bits: float) -> float:
    return float(1 / (1 + np.exp2(-bits)))
