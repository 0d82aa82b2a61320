"""Where a clustering errs: quality by pair of groups (sources, party types), among people who are hard to
tell apart, and sizes of clusters.

Everything is counted from groups of records; no pair of records is built.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.evaluate import codes, f1, quality, record_shares

KEY = ("source", "record_id")
LAYERS = ("cluster_model", "cluster_rules", "cluster_final")
UNKNOWN = "unknown"
"""Group of a record whose group is not known."""
MOST_CASES = 20
"""More kinds of people than that are no kinds: somebody named a column of names or ids."""


@dataclass(frozen=True)
class PairQuality:
    """Pairwise quality over the pairs of a record of one group with a record of another (or the same)."""

    left: str
    right: str
    true_pairs: int
    made_pairs: int
    right_pairs: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class RecordQuality:
    """B³ quality over the records of one group; their clusters and entities count whole."""

    group: str
    records: int
    b3_precision: float
    b3_recall: float
    b3_f1: float


@dataclass(frozen=True)
class CaseQuality:
    """Pairwise quality over the pairs of which a record, or both, is of one kind of people."""

    case: str
    records: int
    true_pairs: int
    made_pairs: int
    right_pairs: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class SizeCount:
    """How many entities of the truth, and how many clusters that were made, have ``size`` records."""

    size: int
    true: int
    made: int


def judged_records(clusters: pa.Table, truth: pa.Table, *, made: str, entity: str = "entity_id") -> pa.Table:
    """The records that both tables know, by (source, record_id): source, record_id, party_type, the
    layers of ``clusters`` and the hard_case of ``truth`` that they have (else NULL), made and entity.

    A record without an entity is left out. Raises UsageError where a column is missing, or where one
    side names a record twice.
    """
    for table, needed, what in ((clusters, made, "clusters"), (truth, entity, "truth")):
        missing = [name for name in (*KEY, needed) if name not in table.column_names]
        if missing:
            raise UsageError(f"evaluate: the {what} have no column {', '.join(missing)}.")
    optional = ", ".join(
        f"CAST(c.{name} AS VARCHAR) AS {name}"
        if name in clusters.column_names
        else f"NULL::VARCHAR AS {name}"
        for name in ("party_type", *LAYERS)
    )
    case = (
        "nullif(trim(CAST(t.hard_case AS VARCHAR)), '')"
        if "hard_case" in truth.column_names
        else "NULL::VARCHAR"
    )
    with duckdb.connect() as connection:
        connection.register("clusters", clusters)
        connection.register("truth", truth)
        for name in ("clusters", "truth"):
            doubled = connection.execute(
                f"SELECT count(*) - count(DISTINCT (source, record_id)) FROM {name}"
            ).fetchall()[0][0]
            if doubled:
                raise UsageError(
                    f"evaluate: {doubled} rows of the {name} share (source, record_id) with another row."
                )
        return connection.sql(
            f"""SELECT CAST(c.source AS VARCHAR) AS source, CAST(c.record_id AS VARCHAR) AS record_id, {optional},
                {case} AS hard_case, CAST(c."{made}" AS VARCHAR) AS made, CAST(t."{entity}" AS VARCHAR) AS entity
            FROM clusters c JOIN truth t ON CAST(t.source AS VARCHAR) = CAST(c.source AS VARCHAR)
                AND CAST(t.record_id AS VARCHAR) = CAST(c.record_id AS VARCHAR)
            WHERE t."{entity}" IS NOT NULL AND c."{made}" IS NOT NULL ORDER BY 1, 2"""
        ).to_arrow_table()


def by_group_pair(judged: pa.Table, column: str) -> tuple[PairQuality, ...]:
    """Pairwise quality by unordered pair of groups of ``column``; pairs of groups without any pair are left out."""
    with duckdb.connect() as connection:
        connection.register("judged", judged)
        connection.execute(
            f"CREATE TABLE g AS SELECT made, entity, coalesce({column}, '{UNKNOWN}') AS g FROM judged"
        )
        counts = " UNION ALL ".join(
            f"""SELECT l.g AS gl, r.g AS gr, '{name}' AS what,
                sum(CASE WHEN l.g = r.g THEN l.n * (l.n - 1) // 2 ELSE l.n * r.n END)::BIGINT AS pairs
            FROM (SELECT {keys}, g, count(*) AS n FROM g GROUP BY ALL) l
            JOIN (SELECT {keys}, g, count(*) AS n FROM g GROUP BY ALL) r USING ({keys}) WHERE l.g <= r.g
            GROUP BY ALL"""
            for name, keys in (("true", "entity"), ("made", "made"), ("right", "made, entity"))
        )
        rows = connection.execute(
            f"""SELECT gl, gr, {", ".join(f"coalesce(sum(pairs) FILTER (what = '{w}'), 0)::BIGINT" for w in ("true", "made", "right"))}
            FROM ({counts}) GROUP BY ALL HAVING sum(pairs) > 0 ORDER BY gl, gr"""
        ).fetchall()
    return tuple(_pair_quality(*row) for row in rows)


def _pair_quality(left: str, right: str, true: int, made: int, both: int) -> PairQuality:
    precision = both / made if made else 1.0
    recall = both / true if true else 1.0
    return PairQuality(left, right, true, made, both, precision, recall, f1(precision, recall))


def by_case(judged: pa.Table) -> tuple[CaseQuality, ...]:
    """Pairwise quality by ``hard_case``, among the pairs that touch one of its records.

    Raises UsageError where there are more than ``MOST_CASES``.
    """
    case, made, entity = (
        judged[name].to_numpy(zero_copy_only=False) for name in ("hard_case", "made", "entity")
    )
    names = sorted(judged["hard_case"].drop_null().unique().to_pylist())
    if len(names) > MOST_CASES:
        raise UsageError(
            f"evaluate: the column of hard cases has {len(names):,} values; name one with a few kinds of people."
        )
    every = quality(made, entity)
    found = []
    for name in names:
        rest = case != name
        others = quality(made[rest], entity[rest])
        p = _pair_quality(
            name,
            name,
            every.true_pairs - others.true_pairs,
            every.made_pairs - others.made_pairs,
            every.right_pairs - others.right_pairs,
        )
        records = every.records - others.records
        found.append(
            CaseQuality(name, records, p.true_pairs, p.made_pairs, p.right_pairs, p.precision, p.recall, p.f1)
        )
    return tuple(found)


def by_group(judged: pa.Table, column: str) -> tuple[RecordQuality, ...]:
    """B³ quality by group of ``column``."""
    if not judged.num_rows:
        return ()
    groups = [value if value is not None else UNKNOWN for value in judged[column].unique().to_pylist()]
    of_record = judged[column].fill_null(UNKNOWN).to_numpy(zero_copy_only=False)
    names, group = np.unique(of_record, return_inverse=True)
    of_cluster, of_entity = record_shares(
        codes(judged["made"].to_numpy(zero_copy_only=False)),
        codes(judged["entity"].to_numpy(zero_copy_only=False)),
    )
    n = np.bincount(group, minlength=len(groups))
    precision = np.bincount(group, of_cluster) / n
    recall = np.bincount(group, of_entity) / n
    return tuple(
        RecordQuality(
            str(name),
            int(n[i]),
            float(precision[i]),
            float(recall[i]),
            f1(float(precision[i]), float(recall[i])),
        )
        for i, name in enumerate(names)
    )


def size_counts(judged: pa.Table) -> tuple[SizeCount, ...]:
    """Entities and clusters by their number of judged records, the smallest first."""
    if not judged.num_rows:
        return ()
    true, made = (
        np.bincount(np.bincount(codes(judged[column].to_numpy(zero_copy_only=False))))
        for column in ("entity", "made")
    )
    longest = max(len(true), len(made))
    true, made = (np.pad(c, (0, longest - len(c))) for c in (true, made))
    return tuple(
        SizeCount(size, int(true[size]), int(made[size]))
        for size in range(1, longest)
        if true[size] or made[size]
    )


BINS = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 9), (10, 19), (20, 49), (50, 99), (100, None))
"""Sizes that are shown together."""


def binned(sizes: Iterable[SizeCount]) -> tuple[tuple[str, int, int], ...]:
    """(sizes, true, made) of the bins that hold any: short enough to read.

    >>> binned([SizeCount(1, 5, 6), SizeCount(7, 0, 1), SizeCount(8, 2, 1)])
    (('1', 5, 6), ('5–9', 2, 2))
    """
    rows = []
    known = tuple(sizes)
    for low, high in BINS:
        inside = [s for s in known if s.size >= low and (high is None or s.size <= high)]
        name = f"{low}+" if high is None else str(low) if low == high else f"{low}–{high}"
        if inside:
            rows.append((name, sum(s.true for s in inside), sum(s.made for s in inside)))
    return tuple(rows)
