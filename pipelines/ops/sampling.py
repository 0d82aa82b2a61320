"""A stratified sample of pairs for stewards to judge, through a file, and what the answers say of quality.

Answers here are labels: they tell how good the clusters are, and decide nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.linkage.decisions import MATCH, NO_MATCH
from pipelines.linkage.labels import KEYS
from pipelines.linkage.stratified import Estimate, Judged, Stratum, allocate, estimate, merged
from pipelines.ops.cases import SHOWN
from pipelines.ops.review_files import ANSWERS, UNSURE
from pipelines.ops.sheets import read_rows, write_rows

if TYPE_CHECKING:
    from pipelines.ops.desk import Desk

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


def estimate_from(path: str) -> tuple[str, Estimate]:
    """The release that a filled-in sample is of, and its quality. Raises UsageError, a line a problem.

    Pairs without an answer, or answered unsure, count as not judged: their stratum's others stand for them.
    """
    strata: dict[str, Stratum] = {}
    counts: dict[str, list[int]] = {}
    problems, seen, releases = [], set(), set()
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
        releases.add(row["release"])
        try:
            pairs, is_inside = int(row["stratum_pairs"]), bool(int(row["is_inside"]))
        except ValueError:
            problems.append(f"{path}:{line}: stratum_pairs and is_inside are not as they were exported.")
            continue
        strata.setdefault(row["stratum"], Stratum(row["stratum"], row["band"], is_inside, pairs, 0.5))
        found = counts.setdefault(row["stratum"], [0, 0])
        said = ANSWERS.get(answer, UNSURE)
        found[0] += said in (MATCH, NO_MATCH)
        found[1] += said == MATCH
    if len(releases) > 1:
        problems.append(f"{path} holds pairs of several releases: judge one sample at a time.")
    if problems:
        raise UsageError("\n".join(problems[:10]))
    try:
        found_quality = estimate([Judged(strata[name], n, matches) for name, (n, matches) in counts.items()])
    except ValueError as error:
        raise UsageError(f"{path}: {error}: answer match or no_match for some of them.") from None
    return releases.pop(), found_quality
