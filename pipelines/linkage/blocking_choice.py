"""Blocking chosen by the data: rules are added while they bring new likely matches for what they cost.

A sample of records is compared with all others by every candidate rule; the pairs are scored once,
and rules are taken one by one, the one with most new likely matches a comparison first, until no
rule brings any worth having or the budget of comparisons is spent. How many likely matches one and
two rules found says how many none did. Rules that were given are measured in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.linkage.blocking import block_keys
from pipelines.linkage.blocking_report import BlockingReport, RuleGain
from pipelines.linkage.blocking_rules import IDENTIFIERS, Rule, candidates, rules_for
from pipelines.linkage.conditions import block_by_conditions, check_affordable
from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Model
from pipelines.linkage.link_only import may_be_compared
from pipelines.linkage.scoring import score_pairs
from pipelines.linkage.splink_counts import shown_counts
from pipelines.linkage.vocabulary import own_rules

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

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
class _Trial:
    """What every rule finds for the sampled records."""

    comparisons: Floats
    """That each pair stands for, a record."""
    matches: Floats
    """Likely ones."""
    found: csr_matrix
    """Which rule (row) finds which pair."""
    records: int
    """Records that were sampled."""


def with_rules(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    roles: set[str],
    conf: Linkage,
    drawn: Sample | None = None,
    *,
    is_shown: bool = False,
) -> Model:
    """A new model ``name`` with its blocking rules, and what they cost and bring on table ``people``.

    The rules are those of the configuration, the data's choice, or the fixed ones where nothing was
    trained. Where the training ``is_shown`` the fixed ones are measured too, and Splink counts what all
    compare. Where the people are a sample, its ``drawn`` records are those that have all their neighbours;
    Splink would count the sample.
    """
    report: BlockingReport | None
    if rules := own_rules(conf):
        report = measured(connection, name, model, rules, conf, drawn)
    elif model.kind != "trained":
        rules = rules_for(name, roles)
        # A few records are linked in less time than their rules are measured in.
        report = measured(connection, name, model, rules, conf, drawn) if is_shown else None
    else:
        rules, report = choose_rules(connection, name, model, roles, conf, drawn)
    if is_shown and report is not None and drawn is None:
        report = report.with_counts(shown_counts(connection, rules))
    return replace(model, rules=rules, blocking=report)


def choose_rules(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    roles: set[str],
    conf: Linkage,
    drawn: Sample | None = None,
) -> tuple[tuple[Rule, ...], BlockingReport]:
    """Choose the blocking rules of model ``name`` on table ``people``, judged by ``model``: the surest first."""
    tried = candidates(name, roles) if drawn is None else drawn.groups[name].rules
    sample = _sample(connection, conf.blocking.trial_records, "drawn" if drawn is not None else None)
    for start in range(0, len(tried), AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, len(tried)))
        # The rules of a sample are affordable already, and its records are too few to say so.
        _compare(connection, tried, numbers, conf, is_affordable=drawn is not None)
    trial = _trial(connection, model, len(tried), sample)
    always = [number for number, rule in enumerate(tried) if rule in IDENTIFIERS[name]]
    chosen = _greedy(always, trial, conf.blocking.max_comparisons_per_record)
    records = _records(connection, name, drawn)
    return tuple(tried[number] for number in chosen), _report(tried, chosen, trial, conf, records)


def measured(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    rules: tuple[Rule, ...],
    conf: Linkage,
    drawn: Sample | None = None,
) -> BlockingReport | None:
    """What ``rules`` cost and bring on table ``people``, judged by ``model``, in the order given.

    Blocks above the cap are subdivided as the night subdivides them. None where there is no pair of
    records to compare, or no rule.
    """
    if drawn is not None:
        # The neighbours by other rules were not drawn.
        rules = tuple(rule for rule in rules if rule in drawn.groups[name].rules)
    records = _records(connection, name, drawn)
    if records < 2 or not rules:
        return None
    sample = _sample(connection, conf.blocking.trial_records, "drawn" if drawn is not None else None)
    check_affordable(connection, rules, conf.blocking)
    block_keys(connection, rules, conf.blocking)
    _join(connection, "keys", conf)
    connection.execute("DROP TABLE keys")
    for number, rule in enumerate(rules):
        if rule.condition is not None:
            # One at a time: Splink leaves out the pairs of the rules before.
            block_by_conditions(connection, {number: rule})
            connection.execute(
                f"""INSERT INTO found_by SELECT join_key_l, join_key_r, {number} FROM blocked
                WHERE join_key_l IN (SELECT node FROM sampled) OR join_key_r IN (SELECT node FROM sampled)"""
            )
            connection.execute("DROP TABLE blocked")
    return _report(
        rules, list(range(len(rules))), _trial(connection, model, len(rules), sample), conf, records
    )


def _records(connection: duckdb.DuckDBPyConnection, name: str, drawn: Sample | None) -> int:
    """Records of the party type: those that a sample stands for, or of table ``people``."""
    if drawn is not None:
        return drawn.groups[name].records
    return int(connection.execute("SELECT count(*) FROM people").fetchall()[0][0])


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
    _join(connection, "(SELECT * FROM trial_keys SEMI JOIN trial_blocks USING (rule, key))", conf)
    connection.execute("DROP TABLE trial_keys")
    connection.execute("DROP TABLE trial_blocks")


def _join(connection: duckdb.DuckDBPyConnection, keys: str, conf: Linkage) -> None:
    """Append to ``found_by`` the pairs of sampled records with all that share a key (rule, node, key)."""
    sided = f"{keys} k JOIN people USING (node)" if conf.duplicate_free else f"{keys} k"
    connection.execute(
        f"""INSERT INTO found_by
        WITH kept AS (SELECT k.*{", source" if conf.duplicate_free else ""} FROM {sided})
        SELECT DISTINCT least(l.node, r.node), greatest(l.node, r.node), l.rule
        FROM (SELECT * FROM kept SEMI JOIN sampled USING (node)) l
        JOIN kept r ON l.rule = r.rule AND l.key = r.key AND l.node <> r.node
            AND {may_be_compared(conf.duplicate_free)}"""
    )


def _trial(connection: duckdb.DuckDBPyConnection, model: Model, rules: int, sample: int) -> _Trial:
    """The pairs of table ``found_by``, scored by ``model``; the tables of the trial go."""
    connection.execute(
        """CREATE OR REPLACE TABLE trial_pairs AS
        SELECT join_key_l, join_key_r, '0' AS match_key FROM found_by GROUP BY ALL"""
    )
    scored = score_pairs(connection, model, "trial_pairs")
    trial = _weighed(connection, scored, rules, sample)
    for table in ("sampled", "found_by", "trial_pairs"):
        connection.execute(f"DROP TABLE {table}")
    return trial


def _weighed(connection: duckdb.DuckDBPyConnection, scored: pa.Table, rules: int, sample: int) -> _Trial:
    # Splink's probability and no fit to these pairs: most of them, by rules that will go, are nothing.
    probability = scored["match_probability"].to_numpy()
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
    # Loading SciPy takes as long as linking a small file; only training needs it.
    from scipy.sparse import csr_matrix

    found = csr_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(rules, scored.num_rows))
    return _Trial(share, share * likely, found, sample)


def _greedy(always: list[int], trial: _Trial, budget: float) -> list[int]:
    """Numbers of the rules to take, in order: those of ``always``, then the best a comparison."""
    comparisons, matches, found = trial.comparisons, trial.matches, trial.found
    total = _total(trial)
    chosen: list[int] = []
    is_new = np.ones(len(matches), bool)
    spent = 0.0
    left = [number for number in range(found.shape[0]) if number not in always]
    queue = list(always)
    while True:
        if queue:
            best = queue.pop(0)
            cost = float(_brings(found, [best], comparisons * is_new, matches * is_new)[0][0])
        else:
            costs, gain_of = _brings(found, left, comparisons * is_new, matches * is_new)
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
            best, cost = left.pop(at), float(costs[at])
        chosen.append(best)
        spent += cost
        is_new[_pairs_of(found, best)] = False
    return _without_idle(always, chosen, trial, LEAST_GAIN * total)


def _total(trial: _Trial) -> float:
    """Likely matches a record that any rule finds."""
    return float((trial.found.sum(axis=0).A1 > 0) @ trial.matches) if trial.found.nnz else 0.0


def _pairs_of(found: csr_matrix, rule: int) -> npt.NDArray[np.int32]:
    pairs: npt.NDArray[np.int32] = found.indices[found.indptr[rule] : found.indptr[rule + 1]]
    return pairs


def _without_idle(always: list[int], chosen: list[int], trial: _Trial, least: float) -> list[int]:
    """``chosen`` without the rules whose matches the others, chosen after them, find as well."""
    times = np.asarray(trial.found[chosen].sum(axis=0)).ravel()
    kept = []
    for number in chosen:
        pairs = _pairs_of(trial.found, number)
        if number not in always and trial.matches[pairs[times[pairs] == 1]].sum() < least:
            times[pairs] -= 1
        else:
            kept.append(number)
    return kept


def _report(
    tried: tuple[Rule, ...], chosen: list[int], trial: _Trial, conf: Linkage, records: int
) -> BlockingReport:
    """What each rule of ``chosen`` costs and brings after those before it."""
    total = _total(trial)
    is_new = np.ones(len(trial.matches), bool)
    gains = []
    for number in chosen:
        costs, brought = _brings(trial.found, [number], trial.comparisons * is_new, trial.matches * is_new)
        share = float(brought[0]) / total if total else 0.0
        gains.append(
            RuleGain(
                tried[number].name, _rounded(float(costs[0])), _rounded(float(brought[0])), _rounded(share)
            )
        )
        is_new[_pairs_of(trial.found, number)] = False
    return BlockingReport(
        tuple(gains),
        _recall(trial.found, chosen, trial.matches),
        len(tried),
        records,
        trial.records,
        conf.blocking.max_comparisons_per_record,
    )


def _brings(
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
