"""``linkage/scored_pairs``: the pairs that may be one person, with what speaks for it."""

from __future__ import annotations

import pyarrow as pa

from pipelines.tables import DOUBLE, STRING, Column, Personal, Table

_P = Personal.PSEUDONYM

SCORED_PAIRS = Table(
    layer="linkage",
    name="scored_pairs",
    grain="One pair of records above the review threshold; the left key is the smaller.",
    key=("source_l", "record_id_l", "source_r", "record_id_r"),
    columns=(
        Column("source_l", STRING, "Source of the left record.", required=True),
        Column("record_id_l", STRING, "Key of the left record.", _P, required=True),
        Column("source_r", STRING, "Source of the right record.", required=True),
        Column("record_id_r", STRING, "Key of the right record.", _P, required=True),
        Column(
            "match_weight",
            DOUBLE,
            "Splink's weight of evidence.",
            unit="bits",
            formula="log2 of the Bayes factor times the prior odds",
        ),
        Column("match_probability", DOUBLE, "Splink's probability.", unit="share", formula="2^w / (1 + 2^w)"),
        Column(
            "same_person_probability",
            DOUBLE,
            "Probability that both are one person or company; thresholds apply to it.",
            unit="share",
            required=True,
        ),
        Column(
            "relation",
            STRING,
            "Likeliest relation: same_person, household, twin, parent_child, namesake, related, other; NULL where Splink decided.",
        ),
        Column(
            "decided_by",
            STRING,
            "What gave same_person_probability: relation, splink, name_alone, never, or a deterministic rule of "
            "conf/linkage.yml: rule:<name> links, never:<name> forbids.",
            required=True,
        ),
        Column(
            "blocked_by",
            STRING,
            "First blocking rule that found the pair; where none did, rule:<name> of a deterministic rule, "
            "or component.",
            required=True,
        ),
    ),
    owner="data engineering",
    check="(source_l, record_id_l) < (source_r, record_id_r) AND same_person_probability BETWEEN 0 AND 1",
)

SCHEMA: pa.Schema = SCORED_PAIRS.arrow
