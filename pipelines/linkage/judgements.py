"""``linkage/judgements``: pairs of a sample that stewards judged, and what they say of the clusters of a later night.

Labels decide nothing. A pair counts for as long as both records say what they said when it was drawn.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pipelines.linkage.decisions import MATCH, NO_MATCH
from pipelines.linkage.stratified import Estimate, Judged, Stratum, estimate
from pipelines.tables import BOOLEAN, LONG, STRING, TIMESTAMP, Column, Kind, Personal, Table

_P = Personal.PSEUDONYM

JUDGEMENTS = Table(
    layer="linkage",
    name="judgements",
    grain="One pair of a judged sample, each time that its answer was given.",
    key=("release_id", "source_l", "record_id_l", "source_r", "record_id_r", "judged_at"),
    kind=Kind.APPEND,
    owner="data stewards",
    check="answer IN ('match', 'no_match', 'unsure')",
    columns=(
        Column("release_id", STRING, "Release that the sample was drawn from.", required=True),
        Column("source_l", STRING, "Source of the one record.", required=True),
        Column("record_id_l", STRING, "Key of the one record in its source.", _P, required=True),
        Column("source_r", STRING, "Source of the other record.", required=True),
        Column("record_id_r", STRING, "Key of the other record in its source.", _P, required=True),
        Column("answer", STRING, "match, no_match, or unsure (also: not answered).", required=True),
        Column("stratum", STRING, "What the pair was drawn with.", required=True),
        Column("stratum_pairs", LONG, "Pairs that the stratum had.", unit="pairs", required=True),
        Column("band", STRING, "Wider class of the stratum.", required=True),
        Column(
            "is_inside", BOOLEAN, "True where the pair shared a cluster when it was drawn.", required=True
        ),
        Column("digest_l", STRING, "Digest of what the one record said then.", _P, required=True),
        Column("digest_r", STRING, "Digest of what the other record said then.", _P, required=True),
        Column("judged_by", STRING, "Who judged.", Personal.QUASI, required=True),
        Column("judged_at", TIMESTAMP, "When the answer was taken in.", required=True),
    ),
)

SAID = (
    "given_name",
    "surname",
    "second_surname",
    "company_name",
    "birth_date",
    "tax_id",
    "emails",
    "phones",
    "street_name",
    "street_number",
    "postal_code",
    "city",
    "loyalty_id",
)
"""Columns of ``silver/customer_records`` by which a pair is judged."""

Row = Mapping[str, Any]
Key = tuple[str, str]


def digest_of(record: Row) -> str:
    """Digest of what a record says (``SAID``)."""
    said = json.dumps([record[name] for name in SAID], default=str, ensure_ascii=False)
    return hashlib.sha256(said.encode("utf-8")).hexdigest()[:32]


@dataclass(frozen=True)
class Standing:
    """A live record as a night finds it."""

    cluster: str
    digest: str


@dataclass(frozen=True)
class JudgedQuality:
    """What the newest sample says of a night's clusters."""

    estimate: Estimate
    left_out: int
    """Pairs of the sample of which a record is gone or says something else now."""
    pairs: int
    """Pairs of the sample."""


def newest_sample(judgements: Iterable[Row]) -> list[Row]:
    """The pairs of the sample that was judged last, each with its last answer."""
    rows = sorted(judgements, key=lambda row: row["judged_at"])
    if not rows:
        return []
    newest: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if row["release_id"] == rows[-1]["release_id"]:
            newest[_ends(row)[0] + _ends(row)[1]] = row
    return list(newest.values())


def _ends(row: Row) -> tuple[Key, Key]:
    return (row["source_l"], row["record_id_l"]), (row["source_r"], row["record_id_r"])


def quality_now(sample: Iterable[Row], standing: Mapping[Key, Standing]) -> JudgedQuality | None:
    """Precision and recall of the clusters in ``standing``; None where no pair inside one is judged.

    A pair still stands for its stratum's pairs of then, at both sides of today's clusters as the sample lies
    there. What was linked since is not in it.
    """
    strata: dict[str, list[Row]] = defaultdict(list)
    left_out = pairs = 0
    for row in sample:
        pairs += 1
        one, other = (standing.get(end) for end in _ends(row))
        if one is None or other is None or (one.digest, other.digest) != (row["digest_l"], row["digest_r"]):
            left_out += 1
        else:
            strata[row["stratum"]].append({**row, "is_inside": one.cluster == other.cluster})
    judged = [found for rows in strata.values() for found in _both_sides(rows)]
    try:
        return JudgedQuality(estimate(judged), left_out, pairs)
    except ValueError:
        return None


def _both_sides(rows: list[Row]) -> list[Judged]:
    """A stratum's pairs, those inside a cluster apart from those between two."""
    found = []
    for is_inside in (True, False):
        side = [row for row in rows if row["is_inside"] == is_inside]
        if side:
            whole = Stratum(rows[0]["stratum"], rows[0]["band"], is_inside, rows[0]["stratum_pairs"], 0.5)
            where = "inside" if is_inside else "between"
            stands_for = max(len(side), round(whole.pairs * len(side) / len(rows)))
            found.append(
                Judged(
                    replace(
                        whole,
                        name=f"{where}, {whole.name}",
                        group=f"{where}, {whole.group}",
                        pairs=stands_for,
                    ),
                    sum(row["answer"] in (MATCH, NO_MATCH) for row in side),
                    sum(row["answer"] == MATCH for row in side),
                )
            )
    return found
