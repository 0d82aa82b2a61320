"""``linkage/clusters``: which records are one person, in three layers of decision."""

from __future__ import annotations

import pyarrow as pa

from pipelines.tables import LONG, STRING, Column, Personal, Table

_P = Personal.PSEUDONYM

CLUSTERS = Table(
    layer="linkage",
    name="clusters",
    grain="One live customer record.",
    key=("source", "record_id"),
    columns=(
        Column("source", STRING, "Source of the record.", required=True),
        Column("record_id", STRING, "Key of the record in its source.", _P, required=True),
        Column("party_type", STRING, "person, company or unknown.", required=True),
        Column(
            "cluster_model",
            STRING,
            "Cluster by the model alone; its smallest source:record_id.",
            _P,
            required=True,
        ),
        Column(
            "cluster_rules",
            STRING,
            "Cluster after deterministic rules and never-evidence; its smallest source:record_id.",
            _P,
            required=True,
        ),
        Column(
            "cluster_final",
            STRING,
            "Cluster after the stewards' decisions; its smallest source:record_id.",
            _P,
            required=True,
        ),
        Column(
            "component",
            STRING,
            "What was clustered together: the smallest source:record_id of its component of links.",
            _P,
        ),
        Column(
            "fingerprint",
            LONG,
            "Digest of all that linking the record depends on but other records and decisions.",
            formula="hash of its matching columns and its places in subdivided blocks, XOR a digest of "
            "the generation, the configuration and the code",
        ),
    ),
    owner="data engineering",
)

SCHEMA: pa.Schema = CLUSTERS.arrow
