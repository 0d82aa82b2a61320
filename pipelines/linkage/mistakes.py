"""The pairs that a clustering got wrong, each with the reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.linkage.brought import PAIR
from pipelines.linkage.link_only import may_be_compared

MISSED = {
    "one_source": "two records of one source that has no duplicates: they are never compared",
    "not_blocked": "no blocking rule brings the two together, and no chain of links either",
    "below_threshold": "compared, and less probable than the cut",
    "component_cut": "in one component that was too large and was cut between them",
    "cut_by_clustering": "probable enough alone; the mean over all pairs of both sides was not",
    "vetoed": "kept apart by never-evidence, between these two or others of their cluster",
    "name_alone": "the names merely resemble and nothing else joins them",
    "decision": "kept apart after linkage: by a steward, or by the identity that a record had before",
    "not_kept": "not in the kept pairs: not blocked, or below the review threshold",
}
"""Why a true pair is in two clusters."""
FALSE = {
    "linked": "the pair itself is as probable as the cut asks",
    "through_others": "joined by the mean over other pairs of the cluster, not by its own",
    "rule": "joined by a deterministic rule",
    "decision": "joined after linkage: by a steward, or by the identity that a record had before",
}
"""What joined two records of different entities."""

MOST_LISTED = 5_000_000
"""Wrong pairs of a kind above which they are counted only: a truth that names few entities makes too many."""


@dataclass(frozen=True)
class Mistakes:
    """Wrong pairs of one kind: source_l, record_id_l, source_r, record_id_r, reason, match_weight,
    same_person_probability, relation, decided_by, blocked_by, cluster_l, cluster_r, entity_l, entity_r;
    by reason, the most probable first. No personal value but the keys."""

    pairs: pa.Table

    def by_reason(self) -> dict[str, int]:
        """Number of pairs by reason, the most frequent first."""
        counts = self.pairs["reason"].value_counts().to_pylist()
        found = {row["values"]: row["counts"] for row in counts}
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


_COLUMNS = (
    """l.source AS source_l, l.record_id AS record_id_l, r.source AS source_r, r.record_id AS record_id_r"""
)
_SCORED = """s.match_weight, s.same_person_probability, s.relation, s.decided_by"""
_ENDS = "l.made AS cluster_l, r.made AS cluster_r, l.entity AS entity_l, r.entity AS entity_r"
_JOIN_SCORED = """LEFT JOIN scored s ON s.source_l = l.source AND s.record_id_l = l.record_id
    AND s.source_r = r.source AND s.record_id_r = r.record_id"""
_LEFT_FIRST = "(l.source, l.record_id) < (r.source, r.record_id)"
_ORDER = "ORDER BY reason, same_person_probability DESC NULLS LAST, 1, 2, 3, 4"


def unscored_missed_pairs(judged: pa.Table, scored: pa.Table) -> pa.Table:
    """The true pairs in two clusters that ``scored`` does not hold, as source_l … record_id_r."""
    with duckdb.connect() as connection:
        _register(connection, judged, scored)
        return connection.sql(
            f"""SELECT {_COLUMNS} FROM judged l JOIN judged r
                ON l.entity = r.entity AND l.made <> r.made AND {_LEFT_FIRST} {_JOIN_SCORED}
            WHERE s.source_l IS NULL ORDER BY 1, 2, 3, 4"""
        ).to_arrow_table()


def missed_pairs(
    judged: pa.Table,
    scored: pa.Table,
    cut: float,
    brought: pa.Table | None,
    components: pa.Table | None,
    least: float = 0.1,
    duplicate_free: Sequence[str] = (),
) -> Mistakes:
    """The true pairs in two clusters, with why (``MISSED``).

    ``judged`` as ``judged_records`` gives it, ``scored`` in the columns of ``linkage/scored_pairs``.
    ``brought``: of ``rules_of_pairs`` for the pairs that ``scored`` lacks, and ``components`` (source,
    record_id, component): without them a pair that was not kept has no closer reason. ``least`` is the
    probability below which pairs were not kept, ``duplicate_free`` the sources of which no two records are compared.
    """
    none = pa.schema(
        [
            *((name, pa.string()) for name in PAIR),
            ("rules", pa.list_(pa.string())),
            ("brought_probability", pa.float64()),
        ]
    ).empty_table()
    nowhere = pa.schema([("source", pa.string()), ("record_id", pa.string()), ("component", pa.int64())])
    unknown = "not_blocked" if brought is not None else "not_kept"
    with duckdb.connect() as connection:
        _register(connection, judged, scored)
        connection.register("brought", brought if brought is not None else none)
        connection.register("homes", components if components is not None else nowhere.empty_table())
        pairs = connection.sql(
            f"""SELECT {_COLUMNS}, CASE
                WHEN NOT {may_be_compared(duplicate_free)} THEN 'one_source'
                WHEN l.cluster_rules = r.cluster_rules THEN 'decision'
                WHEN l.cluster_model = r.cluster_model THEN 'vetoed'
                WHEN s.same_person_probability >= $1 AND s.decided_by = 'never' THEN 'vetoed'
                WHEN s.decided_by = 'name_alone' THEN 'name_alone'
                WHEN s.same_person_probability >= $1 THEN 'cut_by_clustering'
                WHEN s.same_person_probability IS NOT NULL THEN 'below_threshold'
                WHEN hl.component = hr.component THEN 'below_threshold'
                -- Likely enough for a link, yet in two components: only the cut of a large one does that.
                WHEN b.brought_probability >= $2 THEN 'component_cut'
                WHEN len(b.rules) > 0 THEN 'below_threshold'
                ELSE '{unknown}' END AS reason,
                s.match_weight, coalesce(s.same_person_probability, b.brought_probability) AS same_person_probability,
                s.relation, s.decided_by, coalesce(s.blocked_by, b.rules[1]) AS blocked_by, {_ENDS}
            FROM judged l JOIN judged r ON l.entity = r.entity AND l.made <> r.made AND {_LEFT_FIRST} {_JOIN_SCORED}
            LEFT JOIN brought b ON b.source_l = l.source AND b.record_id_l = l.record_id
                AND b.source_r = r.source AND b.record_id_r = r.record_id
            LEFT JOIN homes hl ON hl.source = l.source AND hl.record_id = l.record_id
            LEFT JOIN homes hr ON hr.source = r.source AND hr.record_id = r.record_id {_ORDER}""",
            params=[cut, least],
        ).to_arrow_table()
    return Mistakes(pairs)


def false_pairs(judged: pa.Table, scored: pa.Table, cut: float) -> Mistakes:
    """The pairs of one cluster that are of two entities, with what joined them (``FALSE``)."""
    with duckdb.connect() as connection:
        _register(connection, judged, scored)
        pairs = connection.sql(
            f"""SELECT {_COLUMNS}, CASE
                WHEN l.cluster_rules <> r.cluster_rules THEN 'decision'
                WHEN l.cluster_model <> r.cluster_model THEN 'rule'
                WHEN s.same_person_probability >= $1 AND s.decided_by <> 'never' THEN 'linked'
                ELSE 'through_others' END AS reason, {_SCORED}, s.blocked_by, {_ENDS}
            FROM judged l JOIN judged r ON l.made = r.made AND l.entity <> r.entity AND {_LEFT_FIRST} {_JOIN_SCORED}
            {_ORDER}""",
            params=[cut],
        ).to_arrow_table()
    return Mistakes(pairs)


def _register(connection: duckdb.DuckDBPyConnection, judged: pa.Table, scored: pa.Table) -> None:
    connection.register("judged", judged)
    connection.register("scored", scored)
