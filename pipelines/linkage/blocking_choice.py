"""Blocking chosen by the data: rules are added while they bring new likely matches for what they cost.

A sample of records is compared with all others by every candidate rule; the pairs are scored once,
and rules are taken one by one, the one with most new likely matches a comparison first, until no
rule brings any worth having or the budget of comparisons is spent. How many likely matches one and
two rules found says how many none did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import csr_matrix

from pipelines.linkage.blocking_rules import IDENTIFIERS, Rule, candidates
from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Model
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.scoring import score_pairs

if TYPE_CHECKING:
    from pipelines.linkage.sample import Sample

Floats = npt.NDArray[np.float64]

AT_ONCE = 16
"""Rules whose keys are held at a time."""
LIKELY = 0.5
"""A pair counts, with its probability, where it is likelier a match than not."""
LEAST_GAIN = 0.0002
"""Share of all likely matches that a rule must bring anew; below, it is not worth its name."""
LEAST_YIELD = 0.002
"""New likely matches a comparison: one in five hundred."""


@dataclass(frozen=True)
class RuleGain:
    """What a rule brought when it was chosen, a record of the sample."""

    rule: str
    comparisons: float
    """Comparisons a record that only this rule and later ones make."""
    matches: float
    """Share of the likely matches that the rules before it did not find."""


@dataclass(frozen=True)
class Choice:
    """The rules that training chose, in order, and what each brings."""

    rules: tuple[Rule, ...]
    gains: tuple[RuleGain, ...] = ()
    recall: float | None = None
    """Estimated share of the true pairs that the rules find, at most; None where too few were found."""


def choose_rules(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    roles: set[str],
    conf: Linkage,
    drawn: Sample | None = None,
) -> Choice:
    """Choose the blocking rules of model ``name`` on table ``people``, judged by ``model``.

    Where the people are a sample, its ``drawn`` records are those that have all their neighbours.
    """
    tried = candidates(name, roles) if drawn is None else drawn.groups[name].rules
    sample = _sample(connection, conf.blocking.trial_records, "drawn" if drawn is not None else None)
    for start in range(0, len(tried), AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, len(tried)))
        # The rules of a sample are affordable already, and its records are too few to say so.
        _compare(connection, tried, numbers, conf, is_affordable=drawn is not None)
    connection.execute(
        """CREATE OR REPLACE TABLE trial_pairs AS
        SELECT join_key_l, join_key_r, '0' AS match_key FROM found_by GROUP BY ALL"""
    )
    scored = score_pairs(connection, model, "trial_pairs")
    # Splink's probability and no fit to these pairs: most of them, by rules that will go, are nothing.
    probability = scored["match_probability"].to_numpy()
    weights, found = _matrix(connection, scored, probability, len(tried), sample)
    for table in ("sampled", "found_by", "trial_pairs"):
        connection.execute(f"DROP TABLE {table}")
    always = [number for number, rule in enumerate(tried) if rule in IDENTIFIERS[name]]
    return _greedy(tried, always, weights, found, conf.blocking.max_comparisons_per_record)


def _sample(connection: duckdb.DuckDBPyConnection, limit: int, among: str | None) -> int:
    chosen = f"people SEMI JOIN {among} USING (node)" if among else "people"
    connection.execute(
        f"CREATE OR REPLACE TABLE sampled AS SELECT node FROM {chosen} ORDER BY hash(node), node LIMIT {limit}"
    )
    connection.execute(
        "CREATE OR REPLACE TABLE found_by (join_key_l BIGINT, join_key_r BIGINT, rule INTEGER)"
    )
    return int(connection.execute("SELECT count(*) FROM sampled").fetchall()[0][0])


def _compare(
    connection: duckdb.DuckDBPyConnection,
    tried: tuple[Rule, ...],
    numbers: range,
    conf: Linkage,
    *,
    is_affordable: bool,
) -> None:
    """Append to ``found_by`` the pairs of sampled records that the rules of ``numbers`` bring.

    Blocks above the cap are left out, and so is a rule that alone would spend the budget: both cost
    more than they may bring, and what a finer rule finds inside them, it finds.
    """
    keys = " UNION ALL ".join(
        f"SELECT DISTINCT {number} AS rule, node, hash({tried[number].key}) AS key FROM "
        + (f"(SELECT *, unnest({each}) AS item FROM people)" if (each := tried[number].each) else "people")
        + f" WHERE {tried[number].key} IS NOT NULL"
        for number in numbers
    )
    connection.execute(f"CREATE OR REPLACE TEMP TABLE trial_keys AS {keys}")
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE trial_blocks AS
        SELECT rule, key FROM (
            SELECT rule, key, sum(n * (n - 1) / 2) OVER (PARTITION BY rule) AS pairs
            FROM (SELECT rule, key, count(*) AS n FROM trial_keys GROUP BY rule, key)
            WHERE n BETWEEN 2 AND {conf.blocking.max_block})
        WHERE {is_affordable} OR pairs <= {conf.blocking.max_comparisons_per_record} * (SELECT count(*) FROM people)"""
    )
    with_source = ", source FROM trial_keys k JOIN people USING (node)"
    sided = with_source if conf.duplicate_free else " FROM trial_keys k"
    connection.execute(
        f"""INSERT INTO found_by
        WITH kept AS (SELECT k.*{sided} SEMI JOIN trial_blocks b USING (rule, key))
        SELECT DISTINCT least(l.node, r.node), greatest(l.node, r.node), l.rule
        FROM (SELECT * FROM kept SEMI JOIN sampled USING (node)) l
        JOIN kept r ON l.rule = r.rule AND l.key = r.key AND l.node <> r.node
            AND {may_be_compared(conf.duplicate_free)}"""
    )
    connection.execute("DROP TABLE trial_keys")
    connection.execute("DROP TABLE trial_blocks")


def _matrix(
    connection: duckdb.DuckDBPyConnection, scored: pa.Table, probability: Floats, rules: int, sample: int
) -> tuple[tuple[Floats, Floats], csr_matrix]:
    """(comparisons, likely matches) a record that each pair stands for, and which rule finds which pair."""
    likely = np.where(probability >= LIKELY, probability, 0.0)
    connection.register(
        "trial_scored",
        pa.table(
            {
                "join_key_l": scored["node_l"],
                "join_key_r": scored["node_r"],
                "pair": np.arange(scored.num_rows),
            }
        ),
    )
    by_rule = connection.sql(
        """SELECT f.rule, s.pair FROM found_by f JOIN trial_scored s USING (join_key_l, join_key_r)
        ORDER BY ALL"""
    ).to_arrow_table()
    ends = connection.sql(
        """SELECT (l.node IS NOT NULL)::INT + (r.node IS NOT NULL)::INT AS ends FROM trial_scored s
        LEFT JOIN sampled l ON l.node = s.join_key_l LEFT JOIN sampled r ON r.node = s.join_key_r
        ORDER BY s.pair"""
    ).to_arrow_table()["ends"]
    connection.unregister("trial_scored")
    # A pair of two sampled records is seen from both ends, as all pairs would be were all records sampled.
    share = ends.to_numpy().astype(np.float64) / (2 * max(sample, 1))
    rows, columns = by_rule["rule"].to_numpy(), by_rule["pair"].to_numpy()
    found = csr_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(rules, scored.num_rows))
    return (share, share * likely), found


def _greedy(
    tried: tuple[Rule, ...],
    always: list[int],
    weights: tuple[Floats, Floats],
    found: csr_matrix,
    budget: float,
) -> Choice:
    comparisons, matches = weights
    total = float((found.sum(axis=0).A1 > 0) @ matches) if found.nnz else 0.0
    chosen: list[int] = []
    gains: list[RuleGain] = []
    is_new = np.ones(len(matches), bool)
    spent = 0.0
    left = [number for number in range(len(tried)) if number not in always]
    queue = list(always)
    while True:
        if queue:
            best = queue.pop(0)
            cost, gain = _brings(found, [best], comparisons * is_new, matches * is_new)
        else:
            costs, gain_of = _brings_all(found, left, comparisons * is_new, matches * is_new)
            fits = (
                (gain_of >= LEAST_GAIN * total)
                & (gain_of > 0)
                & (gain_of >= LEAST_YIELD * costs)
                & (spent + costs <= budget)
            )
            if not fits.any():
                break
            ratio = np.where(fits, gain_of / np.maximum(costs, 1e-12), -1.0)
            at = int(ratio.argmax())
            best, cost, gain = left.pop(at), float(costs[at]), float(gain_of[at])
        chosen.append(best)
        spent += cost
        gains.append(RuleGain(tried[best].name, _rounded(cost), _rounded(gain / total if total else 0.0)))
        is_new[found.indices[found.indptr[best] : found.indptr[best + 1]]] = False
    return _without_idle(tried, always, chosen, gains, found, matches, LEAST_GAIN * total)


def _without_idle(
    tried: tuple[Rule, ...],
    always: list[int],
    chosen: list[int],
    gains: list[RuleGain],
    found: csr_matrix,
    matches: Floats,
    least: float,
) -> Choice:
    """The choice without the rules whose matches the others, chosen after them, find as well."""
    times = np.asarray(found[chosen].sum(axis=0)).ravel()
    kept = dict(zip(chosen, gains, strict=True))
    for number in chosen:
        pairs = found.indices[found.indptr[number] : found.indptr[number + 1]]
        if number not in always and matches[pairs[times[pairs] == 1]].sum() < least:
            times[pairs] -= 1
            del kept[number]
    rules = tuple(tried[number] for number in kept)
    return Choice(rules, tuple(kept.values()), _recall(found, list(kept), matches))


def _brings(found: csr_matrix, rules: list[int], comparisons: Floats, matches: Floats) -> tuple[float, float]:
    costs, gains = _brings_all(found, rules, comparisons, matches)
    return float(costs[0]), float(gains[0])


def _brings_all(
    found: csr_matrix, rules: list[int], comparisons: Floats, matches: Floats
) -> tuple[Floats, Floats]:
    picked = found[rules]
    return np.asarray(picked @ comparisons), np.asarray(picked @ matches)


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")


def _recall(found: csr_matrix, chosen: list[int], matches: Floats) -> float | None:
    """Share of true pairs found, at most: Chao's lower bound of those that no rule caught.

    Chao (1984), "Nonparametric estimation of the number of classes in a population": with f1 pairs
    caught by one rule and f2 by two, at least f1² / (2 f2) were caught by none. Rules that look at the
    same fields miss the same pairs, so the true share is lower still.
    """
    if not chosen or not found.nnz:
        return None
    times = np.asarray(found[chosen].sum(axis=0)).ravel()
    once, twice = float(matches[times == 1].sum()), float(matches[times == 2].sum())
    seen = float(matches[times > 0].sum())
    if seen <= 0 or twice <= 0:
        return None
    return _rounded(seen / (seen + once * once / (2 * twice)))
