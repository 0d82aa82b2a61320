"""``linkage/links``: the links that components are made of, as the night found them."""

from __future__ import annotations

import pyarrow as pa

from pipelines.tables import DOUBLE, STRING, Column, Personal, Table

_P = Personal.PSEUDONYM

LINKS = Table(
    layer="linkage",
    name="links",
    grain="One pair of live records that blocking found and the model believes may be one party, before any rule.",
    key=("source_l", "record_id_l", "source_r", "record_id_r"),
    columns=(
        Column(
            "source_l",
            STRING,
            "Source of the left record, the smaller by (source, record_id).",
            required=True,
        ),
        Column("record_id_l", STRING, "Key of the left record.", _P, required=True),
        Column("source_r", STRING, "Source of the right record.", required=True),
        Column("record_id_r", STRING, "Key of the right record.", _P, required=True),
        Column(
            "bits",
            DOUBLE,
            "What speaks for one party: a component that is too large loses its weakest links first.",
            unit="bits",
            formula="log2(p / (1 - p)) of the probability that the model believes",
            required=True,
        ),
    ),
    owner="data engineering",
)

SCHEMA: pa.Schema = LINKS.arrow
