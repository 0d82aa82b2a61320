"""Labelled pairs of records: what a person said about them, and the m that follows.

A label's score is how sure it is that both records are one person: 1, 0, or in between (clerical
scores). m counts over matches alone, so labels of matches only are as good as any; what a pair
that is no match looks like is u, which random pairs tell without labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np
import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.generations import Model
from pipelines.linkage.levels import Comparison
from pipelines.linkage.scoring import score_pairs

SCORES = ("is_match", "clerical_match_score", "match", "label")
"""Columns that may hold the score, the first that is there; without one every pair is a match."""
KEYS = ("source_l", "record_id_l", "source_r", "record_id_r")
PRIOR_PAIRS = 20.0
"""Labelled matches that weigh as much as what was learnt without labels: a few labels correct, they do not rule."""

Shares = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Counted:
    """Labelled matches by role and level, weighted by their scores."""

    matches: float
    levels: dict[str, dict[str, float]]

    def corrected(self, role: str, learnt: Mapping[str, float]) -> dict[str, float]:
        """m of a role: the labelled matches together with ``PRIOR_PAIRS`` of what was ``learnt``."""
        counts = self.levels[role]
        total = sum(counts.values()) + PRIOR_PAIRS
        return {name: (counts[name] + PRIOR_PAIRS * share) / total for name, share in learnt.items()}


def read_labels(table: pa.Table, conf: Linkage, id_column: str | None = None) -> pa.Table:
    """Labels as source_l, record_id_l, source_r, record_id_r, score from a table of text columns.

    ``id_column``: the labels are about one file, and may name records by ``<id>_l`` and ``<id>_r``
    without a source. Raises UsageError where columns are missing, a score is none, a pair stands
    twice with two answers, or there is no pair at all.
    """
    table = _of_one_file(table, id_column) if id_column else table
    missing = [name for name in KEYS if name not in table.column_names]
    if missing:
        raise UsageError(
            f"--labels: no column {', '.join(missing)}; a pair needs {', '.join(KEYS)}, "
            f"and {SCORES[0]} (1, 0 or between) where not every pair is a match."
        )
    score = next((name for name in SCORES if name in table.column_names), None)
    value = "1.0" if score is None else _number(score)
    with engine(conf) as connection:
        connection.register("given", table)
        connection.execute(
            f"""CREATE TABLE labels AS
            SELECT source_l, record_id_l, source_r, record_id_r, CAST({value} AS DOUBLE) AS score,
                (source_l, record_id_l) > (source_r, record_id_r) AS is_turned FROM given"""
        )
        wrong, alone = connection.execute(
            """SELECT count(*) FILTER (score IS NULL OR NOT score BETWEEN 0 AND 1),
                count(*) FILTER ((source_l, record_id_l) = (source_r, record_id_r)) FROM labels"""
        ).fetchall()[0]
        if wrong:
            raise UsageError(f"--labels: {wrong} pairs have no {score} between 0 and 1.")
        if alone:
            raise UsageError(f"--labels: {alone} pairs name one record twice.")
        ordered = ", ".join(
            f"CASE WHEN is_turned THEN {key}_{other} ELSE {key}_{side} END AS {key}_{side}"
            for side, other in (("l", "r"), ("r", "l"))
            for key in ("source", "record_id")
        )
        found = connection.sql(
            f"""SELECT {", ".join(KEYS)}, min(score) AS score, max(score) AS most
            FROM (SELECT {ordered}, score FROM labels) GROUP BY ALL ORDER BY ALL"""
        ).to_arrow_table()
    twice = sum(
        low != high for low, high in zip(*[found[c].to_pylist() for c in ("score", "most")], strict=True)
    )
    if twice:
        raise UsageError(f"--labels: {twice} pairs stand twice with different answers: keep one of each.")
    if not found.num_rows:
        raise UsageError("--labels: there is no pair in it.")
    return found.drop_columns(["most"])


def _of_one_file(table: pa.Table, id_column: str) -> pa.Table:
    for side in ("l", "r"):
        if f"record_id_{side}" not in table.column_names and f"{id_column}_{side}" in table.column_names:
            table = table.append_column(f"record_id_{side}", table[f"{id_column}_{side}"])
        if f"source_{side}" not in table.column_names:
            table = table.append_column(f"source_{side}", pa.array(["file"] * table.num_rows, pa.string()))
    return table


def _number(column: str) -> str:
    text = f"""lower(trim(CAST("{column}" AS VARCHAR)))"""
    return f"CASE {text} WHEN 'true' THEN 1 WHEN 'false' THEN 0 ELSE TRY_CAST({text} AS DOUBLE) END"


def count_matches(
    connection: duckdb.DuckDBPyConnection,
    party_type: str,
    starter: Model,
    comparisons: Sequence[Comparison],
    labels: pa.Table,
    notes: list[str],
) -> Counted | None:
    """The labelled matches of one party type by level; None where there is none.

    Levels are those of ``score_pairs``, the same that decide a night. Notes say how many were used.
    """
    connection.register("given_labels", labels)
    connection.execute(
        """CREATE OR REPLACE TABLE labelled AS
        SELECT least(l.node, r.node) AS join_key_l, greatest(l.node, r.node) AS join_key_r,
            '0' AS match_key, g.score, l.model = $1 AND r.model = $1 AS is_here
        FROM given_labels g
        JOIN facts l ON l.source = g.source_l AND l.record_id = g.record_id_l
        JOIN facts r ON r.source = g.source_r AND r.record_id = g.record_id_r
        WHERE l.model = $1 OR r.model = $1""",
        [party_type],
    )
    connection.unregister("given_labels")
    found, here = connection.execute(
        "SELECT count(*), count(*) FILTER (is_here AND score > 0) FROM labelled"
    ).fetchall()[0]
    connection.execute("DELETE FROM labelled WHERE NOT is_here OR score = 0")
    try:
        if not here:
            if found:
                notes.append(f"{found:,} labelled pairs, none of them a match: m was learnt without")
            return None
        scored = score_pairs(connection, _telling(starter), "labelled")
        score = np.array(
            connection.execute("SELECT score FROM labelled ORDER BY join_key_l, join_key_r").fetchall()
        )[:, 0]
    finally:
        connection.execute("DROP TABLE labelled")
    levels: dict[str, dict[str, float]] = {}
    for comparison in comparisons:
        gamma = scored[f"gamma_{comparison.role}"].to_numpy()
        names = [level.name for level in reversed(comparison.levels)]
        counts = np.bincount(gamma[gamma >= 0], score[gamma >= 0], minlength=len(names))
        levels[comparison.role] = {name: float(n) for name, n in zip(names, counts, strict=True)}
    notes.append(
        f"m learnt from {here:,} labelled matches too ({found:,} labelled pairs, others say nothing of m)"
    )
    return Counted(float(score.sum()), levels)


def _telling(model: Model) -> Model:
    """``model`` with a weight of its own for every level: ``score_pairs`` tells levels by their weights."""
    comparisons = [
        {
            **comparison,
            "comparison_levels": [
                level
                if level.get("is_null_level")
                else {**level, "m_probability": 0.5 ** (i + 1), "u_probability": 0.5}
                for i, level in enumerate(comparison["comparison_levels"])
            ],
        }
        for comparison in model.settings["comparisons"]
    ]
    return replace(model, settings={**model.settings, "comparisons": comparisons})


def unknown(labels: pa.Table, records: pa.Table) -> int:
    """Labelled pairs that name a record which is not among ``records`` (source, record_id)."""
    known = set(zip(records["source"].to_pylist(), records["record_id"].to_pylist(), strict=True))
    columns = [labels[name].to_pylist() for name in KEYS]
    return sum((a, b) not in known or (c, d) not in known for a, b, c, d in zip(*columns, strict=True))
