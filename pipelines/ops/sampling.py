"""A stratified sample of pairs for stewards to judge, through a file, and what the answers say of quality.

Answers here are labels: they tell how good the clusters are, and decide nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
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
from pipelines.ops.record import check_version
from pipelines.ops.releases import all_releases
from pipelines.ops.review_files import ANSWERS, UNSURE
from pipelines.ops.sheets import Row as Line
from pipelines.ops.sheets import read_rows, write_rows

if TYPE_CHECKING:
    from pipelines.ops.desk import Desk
    from pipelines.storage import Warehouse

BANDS = (0, 5, 10, 20)
"""Match weights, in bits, at which a band begins."""
NEEDED = ("answer", *KEYS, "release", "sample")
DRAWN = ("stratum", "band", "is_inside", "stratum_pairs")
"""What a pair was drawn with. It tells what linkage thinks, and so is in no file."""
TABLES = ("linkage/clusters", "linkage/scored_pairs", "silver/customer_records")
MOST = 10
"""Problems of a file that are named."""
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


def _allotted(reader: Reader, wanted: int) -> tuple[dict[str, Stratum], dict[str, str], dict[str, int]]:
    """The strata that about ``wanted`` pairs are drawn from, by name; which of them each stratum of the release is
    drawn with; how many pairs of each.

    Raises UsageError where no pair is inside a cluster.
    """
    counted: Any = reader.rows(
        f"""WITH {_pairs()} SELECT stratum, band, is_inside, count(*) AS pairs, avg(p) AS expected
        FROM pairs GROUP BY ALL ORDER BY stratum"""
    )
    strata = [Stratum(r["stratum"], r["band"], r["is_inside"], r["pairs"], r["expected"]) for r in counted]
    if not any(s.is_inside for s in strata):
        raise UsageError(
            f"Release {reader.release.release_id} has no customer of two records: there is nothing to judge."
        )
    drawn_with = merged(strata, wanted)
    together: dict[str, list[Stratum]] = {}
    for s in strata:
        together.setdefault(drawn_with[s.name], []).append(s)
    drawn = {
        name: Stratum(
            name,
            members[0].group,
            members[0].is_inside,
            sum(m.pairs for m in members),
            sum(m.expected * m.pairs for m in members) / sum(m.pairs for m in members),
        )
        for name, members in together.items()
    }
    return drawn, drawn_with, allocate(list(drawn.values()), wanted)


def _drawn(reader: Reader, wanted: int) -> list[dict[str, Any]]:
    """About ``wanted`` pairs with their strata and what both records say: the same of the same release.

    Raises UsageError where no pair is inside a cluster.
    """
    strata, drawn_with, asked = _allotted(reader, wanted)
    names: list[object] = [list(drawn_with), list(drawn_with.values()), list(asked), list(asked.values())]
    there = {row["column_name"] for row in reader.rows("DESCRIBE SELECT * FROM silver.customer_records")}
    shown = [name for name in SHOWN if name in there]
    said = ", ".join(f"{side}.{name} AS {name}_{side}" for name in shown for side in ("l", "r"))
    rows: Any = reader.rows(
        f"""WITH {_pairs()},
        chosen AS (SELECT {_KEYS}, drawn, md5(concat_ws(chr(31), {_KEYS})) AS draw FROM pairs
            JOIN (SELECT unnest($1::VARCHAR[]) AS stratum, unnest($2::VARCHAR[]) AS drawn) USING (stratum)),
        asked AS (SELECT unnest($3::VARCHAR[]) AS drawn, unnest($4::BIGINT[]) AS n),
        picked AS (SELECT * FROM chosen JOIN asked USING (drawn)
            QUALIFY row_number() OVER (PARTITION BY drawn ORDER BY draw, {_KEYS}) <= n)
        SELECT {_KEYS}, drawn AS stratum, {said} FROM picked
        JOIN silver.customer_records l ON l.source = source_l AND l.record_id = record_id_l
        JOIN silver.customer_records r ON r.source = source_r AND r.record_id = record_id_r
        ORDER BY draw, {_KEYS}""",
        names,
    )
    for row in rows:
        stratum = strata[row["stratum"]]
        row |= {"band": stratum.group, "is_inside": stratum.is_inside, "stratum_pairs": stratum.pairs}
    found: list[dict[str, Any]] = rows
    return found


def _code(wanted: int, drawn: list[dict[str, Any]]) -> str:
    """What a file says of its sample: enough to draw it again, and nothing about a pair that could sway who judges."""
    said = json.dumps([[row[name] for name in (*KEYS, *DRAWN)] for row in drawn], ensure_ascii=False)
    return f"s{wanted}-{hashlib.sha256(said.encode('utf-8')).hexdigest()[:8]}"


def export_sample(desk: Desk, path: str, wanted: int) -> int:
    """Write about ``wanted`` pairs to judge to ``path``; how many. The file says what records say: personal data.

    Nothing in it tells what linkage made of a pair. The same release gives the same pairs. Raises UsageError where no
    pair is inside a cluster.
    """
    drawn = _drawn(desk.reader, wanted)
    own = {"answer": "", "release": desk.release.release_id, "sample": _code(wanted, drawn)}
    shown = [name for name in drawn[0] if name not in (*KEYS, *DRAWN)]
    rows = [{name: row[name] for name in (*KEYS, *shown)} | own for row in drawn]
    write_rows(path, [*NEEDED, *shown], rows, (MATCH, NO_MATCH, UNSURE))
    return len(rows)


@dataclass(frozen=True)
class JudgedSample:
    """A filled-in sample."""

    path: str
    release_id: str
    rows: tuple[dict[str, Any], ...]
    """Every pair that was drawn as ``linkage/judgements`` says it, without who and when."""
    missing: frozenset[tuple[str, ...]]
    """Pairs without a row in the file, by ``KEYS``: they count as not judged."""


def read_sample(warehouse: Warehouse, path: str) -> JudgedSample:
    """A filled-in sample, checked against the release that it was drawn from. Raises UsageError, a line a problem."""
    rows = read_rows(path, NEEDED, "padron review --sample 200 --export")
    if len({(row["release"], row["sample"]) for _, row in rows}) > 1:
        raise UsageError(f"{path} holds pairs of several samples: judge one at a time.")
    release_id, code = rows[0][1]["release"].strip(), rows[0][1]["sample"].strip()
    drawn = _drawn_again(warehouse, path, release_id, code)
    answers = _answers(path, rows, {_key(row) for row in drawn})
    said = tuple(
        {
            "release_id": release_id,
            **{name: row[name] for name in (*KEYS, *DRAWN)},
            "answer": answers.get(_key(row), UNSURE),
            **{f"digest_{side}": digest_of({n: row.get(f"{n}_{side}") for n in SAID}) for side in ("l", "r")},
        }
        for row in drawn
    )
    return JudgedSample(path, release_id, said, frozenset(_key(row) for row in said) - set(answers))


def _key(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in KEYS)


def _drawn_again(warehouse: Warehouse, path: str, release_id: str, code: str) -> list[dict[str, Any]]:
    """The pairs of a sample, out of its release. Raises UsageError where that cannot be had."""
    release = next((r for r in all_releases(warehouse) if r.release_id == release_id), None)
    if release is None:
        raise UsageError(f"{path} was drawn from release {release_id}, which is not in this warehouse.")
    wanted = code[1:].partition("-")[0]
    try:
        reader = Reader(warehouse, release, TABLES)
        drawn = _drawn(reader, int(wanted)) if wanted.isdecimal() else []
    except Exception:
        # A version may lack its log, its files, or columns of today.
        raise UsageError(
            f"{path} was drawn from release {release_id}, which is not readable any more (retention_days in "
            "conf/padron.yml): draw another."
        ) from None
    if not drawn or _code(int(wanted), drawn) != code:
        raise UsageError(
            f"{path}: the column sample says {code!r}, which fits nothing that is drawn from release {release_id}. Was it "
            "changed? If not, another version of padron drew it: draw another."
        )
    return drawn


def _answers(path: str, rows: list[Line], drawn: set[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """The answer of each row by its pair, unsure where there is none. Raises UsageError, a line a problem."""
    problems: list[str] = []
    found: dict[tuple[str, ...], str] = {}
    for line, row in rows:
        answer, key = row["answer"].strip().lower(), _key(row)
        if answer and answer not in ANSWERS:
            problems.append(
                f"{path}:{line}: {row['answer']!r} is no answer: write match, no_match or unsure."
            )
        elif key not in drawn:
            problems.append(
                f"{path}:{line}: the pair was not drawn with this sample: did a spreadsheet change the ids?"
            )
        elif key in found:
            problems.append(f"{path}:{line}: the pair stands twice: keep one row of it.")
        found[key] = ANSWERS.get(answer, UNSURE)
    if problems:
        more = len(problems) - MOST
        raise UsageError(
            "\n".join([*problems[:MOST], *([f"{path}: {more} more problems."] if more > 0 else [])])
        )
    return found


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
        raise UsageError(f"{sample.path}: {error}: answer match or no_match for more of them.") from None


def keep_sample(warehouse: Warehouse, sample: JudgedSample, steward: str) -> int:
    """Append the sample's answers to ``linkage/judgements``, for the nights to come; how many are new.

    A pair that the file lacks keeps the answer that it had.
    """
    now = datetime.now(UTC)
    known = {_key(row): row["answer"] for row in newest_sample(rows_of_sample(warehouse, sample.release_id))}
    new = [
        {**row, "judged_by": steward, "judged_at": now}
        for row in sample.rows
        if known.get(_key(row)) != row["answer"] and not (_key(row) in sample.missing and _key(row) in known)
    ]
    if new:
        check_version(warehouse)
        warehouse.append_rows(JUDGEMENTS, new)
    return len(new)


def rows_of_sample(warehouse: Warehouse, release_id: str) -> list[dict[str, Any]]:
    """The answers kept so far to the sample of a release."""
    kept = warehouse.arrow(JUDGEMENTS.path)
    return [] if kept is None else [row for row in kept.to_pylist() if row["release_id"] == release_id]
