"""A stratified sample of pairs for stewards to judge, through a file, and what the answers say of quality.

Answers here are labels: they tell how good the clusters are, and decide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.linkage.decisions import MATCH, NO_MATCH
from pipelines.linkage.judgements import JUDGEMENTS, SAID, digest_of, newest_sample
from pipelines.linkage.labels import KEYS
from pipelines.linkage.stratified import Estimate, Judged, Stratum, allocate, estimate, merged
from pipelines.ops.cases import SHOWN
from pipelines.ops.reading import Reader
from pipelines.ops.releases import all_releases
from pipelines.ops.review_files import ANSWERS, UNSURE
from pipelines.ops.sheets import read_rows, write_rows

if TYPE_CHECKING:
    from pipelines.ops.desk import Desk
    from pipelines.storage import Warehouse

BANDS = (0, 5, 10, 20)
"""Match weights, in bits, at which a band begins."""
NEEDED = ("answer", *KEYS, "release", "stratum", "band", "is_inside", "stratum_pairs")
_KEYS = ", ".join(KEYS)


def _pairs() -> str:
    """SQL: every pair that linkage kept or put together, with its stratum: band × cluster size × pair of sources."""
    bands = " ".join(f"WHEN match_weight < {least} THEN 'weight below {least}'" for least in BANDS)
    return f"""home AS (SELECT source, record_id, cluster_final AS c, count(*) OVER (PARTITION BY cluster_final) AS n
            FROM linkage.clusters),
        kept AS (SELECT p.*, l.c = r.c AS is_inside, greatest(l.n, r.n) AS n FROM linkage.scored_pairs p
            JOIN home l ON l.source = source_l AND l.record_id = record_id_l
            JOIN home r ON r.source = source_r AND r.record_id = record_id_r),
        others AS (SELECT l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r,
                r.record_id AS record_id_r, l.n FROM home l JOIN home r ON l.c = r.c
                AND (l.source, l.record_id) < (r.source, r.record_id)),
        every AS (SELECT {_KEYS}, match_weight, same_person_probability AS p, is_inside, n FROM kept
            UNION ALL SELECT {_KEYS}, NULL, 0.5, true, n FROM others ANTI JOIN kept USING ({_KEYS})),
        banded AS (SELECT *, CASE WHEN is_inside THEN 'inside' ELSE 'between' END || ', ' ||
                CASE WHEN match_weight IS NULL THEN 'not kept' {bands} ELSE 'weight from {BANDS[-1]}' END AS band
            FROM every),
        pairs AS (SELECT *, band || ', ' || CASE WHEN n <= 2 THEN 'up to 2 records' WHEN n <= 4 THEN '3 or 4 records'
                ELSE '5 records or more' END || ', ' || least(source_l, source_r) || '–' || greatest(source_l, source_r)
                AS stratum FROM banded)"""


def export_sample(desk: Desk, path: str, wanted: int) -> int:
    """Write about ``wanted`` pairs to judge to ``path``; how many. The file says what records say: personal data.

    The same release gives the same pairs. Raises UsageError where no pair is inside a cluster.
    """
    counted: Any = desk.reader.rows(
        f"""WITH {_pairs()} SELECT stratum, band, is_inside, count(*) AS pairs, avg(p) AS expected
        FROM pairs GROUP BY ALL ORDER BY stratum"""
    )
    strata = [Stratum(r["stratum"], r["band"], r["is_inside"], r["pairs"], r["expected"]) for r in counted]
    if not any(s.is_inside for s in strata):
        raise UsageError(
            f"Release {desk.release.release_id} has no customer of two records: there is nothing to judge."
        )
    drawn_with = merged(strata, wanted)
    together: dict[str, list[Stratum]] = {}
    for s in strata:
        together.setdefault(drawn_with[s.name], []).append(s)
    drawn = [
        Stratum(
            name,
            members[0].group,
            members[0].is_inside,
            sum(m.pairs for m in members),
            sum(m.expected * m.pairs for m in members) / sum(m.pairs for m in members),
        )
        for name, members in together.items()
    ]
    asked = allocate(drawn, wanted)
    names: list[object] = [list(drawn_with), list(drawn_with.values()), list(asked), list(asked.values())]
    there = {row["column_name"] for row in desk.reader.rows("DESCRIBE SELECT * FROM silver.customer_records")}
    shown = [name for name in SHOWN if name in there]
    said = ", ".join(f"{side}.{name} AS {name}_{side}" for name in shown for side in ("l", "r"))
    rows: Any = desk.reader.rows(
        f"""WITH {_pairs()},
        chosen AS (SELECT {_KEYS}, drawn, md5(concat_ws(chr(31), {_KEYS})) AS draw FROM pairs
            JOIN (SELECT unnest($1::VARCHAR[]) AS stratum, unnest($2::VARCHAR[]) AS drawn) USING (stratum)),
        asked AS (SELECT unnest($3::VARCHAR[]) AS drawn, unnest($4::BIGINT[]) AS n),
        picked AS (SELECT * FROM chosen JOIN asked USING (drawn)
            QUALIFY row_number() OVER (PARTITION BY drawn ORDER BY draw, {_KEYS}) <= n)
        SELECT {_KEYS}, drawn, {said} FROM picked
        JOIN silver.customer_records l ON l.source = source_l AND l.record_id = record_id_l
        JOIN silver.customer_records r ON r.source = source_r AND r.record_id = record_id_r
        ORDER BY draw, {_KEYS}""",
        names,
    )
    by_name = {s.name: s for s in drawn}
    columns = [*NEEDED, *(f"{name}_{side}" for name in shown for side in ("l", "r"))]
    drawn_rows: list[dict[str, object]] = []
    for row in rows:
        stratum = by_name[row.pop("drawn")]
        drawn_rows.append(
            {
                **row,
                "answer": "",
                "release": desk.release.release_id,
                "stratum": stratum.name,
                "band": stratum.group,
                "is_inside": int(stratum.is_inside),
                "stratum_pairs": stratum.pairs,
            }
        )
    write_rows(path, columns, drawn_rows, (MATCH, NO_MATCH, UNSURE))
    return len(drawn_rows)


@dataclass(frozen=True)
class JudgedSample:
    """A filled-in sample."""

    path: str
    release_id: str
    rows: tuple[dict[str, Any], ...]
    """Its pairs as ``linkage/judgements`` says them, without digests, who and when."""


def read_sample(path: str) -> JudgedSample:
    """A filled-in sample. Raises UsageError, a line a problem."""
    problems: list[str] = []
    seen: set[tuple[str, ...]] = set()
    found: list[dict[str, Any]] = []
    for line, row in read_rows(path, NEEDED, "padron review --sample 200 --export"):
        answer = row["answer"].strip().lower()
        key = tuple(row[name] for name in KEYS)
        if answer and answer not in ANSWERS:
            problems.append(
                f"{path}:{line}: {row['answer']!r} is no answer: write match, no_match or unsure."
            )
            continue
        if key in seen:
            problems.append(f"{path}:{line}: the pair stands twice: keep one row of it.")
            continue
        seen.add(key)
        try:
            pairs, is_inside = int(row["stratum_pairs"]), bool(int(row["is_inside"]))
        except ValueError:
            problems.append(f"{path}:{line}: stratum_pairs and is_inside are not as they were exported.")
            continue
        said = {**dict(zip(KEYS, key, strict=True)), "answer": ANSWERS.get(answer, UNSURE)}
        drawn = {
            "stratum": row["stratum"],
            "band": row["band"],
            "stratum_pairs": pairs,
            "is_inside": is_inside,
        }
        found.append({"release_id": row["release"], **said, **drawn})
    if len({row["release_id"] for row in found}) > 1:
        problems.append(f"{path} holds pairs of several releases: judge one sample at a time.")
    if problems:
        raise UsageError("\n".join(problems[:10]))
    return JudgedSample(path, found[0]["release_id"], tuple(found))


def estimate_of(sample: JudgedSample) -> Estimate:
    """The quality of the sample's release. Raises UsageError where too little is judged.

    Pairs without an answer, or answered unsure, count as not judged: their stratum's others stand for them.
    """
    strata: dict[str, Stratum] = {}
    counts: dict[str, list[int]] = {}
    for row in sample.rows:
        name = row["stratum"]
        strata.setdefault(name, Stratum(name, row["band"], row["is_inside"], row["stratum_pairs"], 0.5))
        found = counts.setdefault(name, [0, 0])
        found[0] += row["answer"] in (MATCH, NO_MATCH)
        found[1] += row["answer"] == MATCH
    try:
        return estimate([Judged(strata[name], n, matches) for name, (n, matches) in counts.items()])
    except ValueError as error:
        raise UsageError(f"{sample.path}: {error}: answer match or no_match for some of them.") from None


def keep_sample(warehouse: Warehouse, sample: JudgedSample, steward: str) -> int:
    """Append the sample's answers to ``linkage/judgements``, for the nights to come; how many are new.

    Raises UsageError where its release is not kept, or has not one of its records.
    """
    release = next((r for r in all_releases(warehouse) if r.release_id == sample.release_id), None)
    if release is None:
        raise UsageError(
            f"{sample.path} was drawn from release {sample.release_id}, which is not in this warehouse."
        )
    try:
        reader = Reader(warehouse, release, ("silver/customer_records",))
    except Exception:
        raise UsageError(
            f"{sample.path} was drawn from release {sample.release_id}, which is not readable any more (retention_days in "
            "conf/padron.yml): draw another."
        ) from None
    names = sorted(
        {f"{row[f'source_{s}']}:{row[f'record_id_{s}']}" for row in sample.rows for s in ("l", "r")}
    )
    there: Any = reader.rows(
        f"""SELECT source || ':' || record_id AS name, {", ".join(SAID)} FROM silver.customer_records
        SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS asked) ON asked = source || ':' || record_id""",
        [names],
    )
    digests = {row["name"]: digest_of(row) for row in there}
    unknown = [name for name in names if name not in digests]
    if unknown:
        raise UsageError(
            f"{sample.path}: release {sample.release_id} has no record {', '.join(unknown[:3])} ({len(unknown)} in all): "
            "did a spreadsheet change the ids?"
        )
    now = datetime.now(UTC)
    kept = newest_sample(rows_of_sample(warehouse, sample.release_id))
    known = {tuple(row[name] for name in KEYS): row["answer"] for row in kept}
    new = [
        {
            **row,
            "digest_l": digests[f"{row['source_l']}:{row['record_id_l']}"],
            "digest_r": digests[f"{row['source_r']}:{row['record_id_r']}"],
            "judged_by": steward,
            "judged_at": now,
        }
        for row in sample.rows
        if known.get(tuple(row[name] for name in KEYS)) != row["answer"]
    ]
    if new:
        warehouse.append_rows(JUDGEMENTS, new)
    return len(new)


def rows_of_sample(warehouse: Warehouse, release_id: str) -> list[dict[str, Any]]:
    """The answers kept so far to the sample of a release."""
    kept = warehouse.arrow(JUDGEMENTS.path)
    return [] if kept is None else [row for row in kept.to_pylist() if row["release_id"] == release_id]
