"""Training of foreign settings that nobody trained: u, m and the prior from the records themselves.

u comes from random pairs, m from expectation maximisation over the settings' own blocking rules, the
prior from what the pairs of those rules are then worth.
"""

from __future__ import annotations

import logging
from typing import Any

import duckdb
import numpy as np
from splink import DuckDBAPI, Linker, SettingsCreator
from splink.internals.exceptions import EMTrainingException, SplinkException

from pipelines.linkage.blocking import block
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.conditions import check_affordable
from pipelines.linkage.config import Linkage
from pipelines.linkage.dialects import OWN
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.foreign import FOREIGN, Foreign, Json
from pipelines.linkage.generations import Model
from pipelines.linkage.relation import no_relations
from pipelines.linkage.scoring import score_pairs
from pipelines.linkage.training import SMALLEST

M_OF_STRONGEST = 0.95
"""Splink's own m of a comparison's strongest level before training; the others share the rest."""
PRIOR_STEPS = 20
COUNTED = 200_000
"""Records whose pairs are counted before EM, of more a sample."""
CLOSE = 1.5e-7
"""Bits between two levels' weights below which a score does not say which of them it is."""
STEP = 1.1e-7
"""Part by which m grows until it does: 1.6e-7 bits."""
Shares = dict[str, dict[int, float]]


def foreign_model(
    connection: duckdb.DuckDBPyConnection,
    foreign: Foreign,
    records: int,
    conf: Linkage,
    *,
    with_levels: bool = False,
) -> Model:
    """The model of foreign settings over table ``people``: as it was trained, else trained now.

    ``with_levels``: its scores say which level each comparison reached, for classes of relation.
    """
    notes = list(foreign.notes)
    if not foreign.is_trained:
        notes.append("they have no m and u: these were trained on the records")
    settings = foreign.settings if foreign.is_trained else _trained(connection, foreign, records, conf, notes)
    return _model(told_apart(settings) if with_levels else settings, foreign.rules, notes)


def told_apart(settings: Json) -> Json:
    """The settings with a weight of its own for every level, from which scores read its number.

    A level without m or u gets those that Splink scores it with. One that weighs what another level does, or
    nothing, as a blank does, gets some ten-millionths of a bit more.
    """
    known = SettingsCreator.from_path_or_dict(settings).get_settings(OWN).comparisons
    comparisons = []
    for comparison, read in zip(settings["comparisons"], known, strict=True):
        values, weights = iter(read._comparison_levels_excluding_null), [0.0]
        levels = []
        for level in comparison["comparison_levels"]:
            if level.get("is_null_level"):
                levels.append(level)
                continue
            as_scored = next(values)
            m, u = (max(p or SMALLEST, SMALLEST) for p in (as_scored.m_probability, as_scored.u_probability))
            while any(abs(np.log2(m / u) - taken) < CLOSE for taken in weights):
                m *= 1 + STEP
            weights.append(float(np.log2(m / u)))
            levels.append({**level, "m_probability": float(m), "u_probability": float(u)})
        comparisons.append({**comparison, "comparison_levels": levels})
    return {**settings, "comparisons": comparisons, "retain_intermediate_calculation_columns": True}


def _model(settings: Json, rules: tuple[Rule, ...], notes: list[str]) -> Model:
    relations = no_relations(FOREIGN)
    return Model(settings, {}, 0.0, "trained", relations, rules, tuple(notes), is_foreign=True)


def _trained(
    connection: duckdb.DuckDBPyConnection, foreign: Foreign, records: int, conf: Linkage, notes: list[str]
) -> Json:
    if records < 2:
        return _filled(foreign.settings, {}, {})
    # EM joins the pairs of every rule.
    check_affordable(connection, foreign.rules, conf.blocking)
    quiet_splink()
    api = DuckDBAPI(connection)
    settings = foreign.settings
    if foreign.is_link_only:
        settings = {**settings, "link_type": "link_only", "source_dataset_column_name": "source"}
    linker = Linker(
        api.register("people", table_name="training_people"),
        settings,
        log_level=logging.CRITICAL,
        validate_settings=False,
    )
    try:
        linker.training.estimate_u_using_random_sampling(
            max_pairs=conf.training.u_pairs, seed=conf.training.seed, num_chunks=1
        )
    except (ValueError, SplinkException, duckdb.Error):
        notes.append("u could not be sampled: too few records")
    u = _shares(linker._settings_obj.comparisons, "u")
    tried = [_session(linker, rule, records, conf, notes) for rule in foreign.rules]
    sessions = [session for session in tried if session is not None]
    m: Shares = {}
    for comparison in {name for session in sessions for name in session}:
        levels = [session[comparison] for session in sessions if comparison in session]
        m[comparison] = {
            value: float(np.mean([share[value] for share in levels if value in share]))
            for value in sorted({value for share in levels for value in share})
        }
    api.delete_tables_created_by_splink_from_db()
    unlearnt = sorted({c["output_column_name"] for c in foreign.settings["comparisons"]} - set(m))
    if unlearnt:
        notes.append(
            f"no blocking rule leaves {', '.join(unlearnt)} free to learn m: Splink's m before training"
        )
    settings = _filled(foreign.settings, m, u)
    return settings if foreign.has_prior else _with_prior(connection, settings, foreign, conf, notes)


def _shares(comparisons: Any, kind: str) -> Shares:
    """m or u by comparison and number of the level, as far as Splink has learnt them."""
    found: Shares = {}
    for comparison in comparisons:
        for level in comparison._comparison_levels_excluding_null:
            value = getattr(level, f"_{kind}_probability")
            if isinstance(value, float) and value > 0:
                found.setdefault(comparison.output_column_name, {})[level.comparison_vector_value] = value
    return found


def _session(linker: Linker, rule: Rule, records: int, conf: Linkage, notes: list[str]) -> Shares | None:
    """m from EM over the pairs of one blocking rule; None where it teaches nothing."""
    if rule.explode:
        return None
    pairs = _pairs(linker, rule, records)
    if pairs < conf.training.min_pairs:
        notes.append(f"EM on {rule.name}: {pairs} pairs are too few, left out")
        return None
    try:
        session = linker.training.estimate_parameters_using_expectation_maximisation(
            str(rule.condition),
            estimate_without_term_frequencies=True,
            max_pairs=conf.training.em_pairs if pairs > conf.training.em_pairs else None,
            record_sample_proportion=1.0 if pairs < 10 * conf.training.em_pairs else 0.01,
        )
    except (EMTrainingException, ValueError, SplinkException, duckdb.Error):
        notes.append(f"EM on {rule.name} did not end, left out")
        return None
    return _shares(session.core_model_settings.comparisons, "m")


def _pairs(linker: Linker, rule: Rule, records: int) -> int:
    """Pairs that a rule brings, counted on a sample where the records are many."""
    counted = linker.blocking_analysis.count_comparisons_from_blocking_rules(
        [str(rule.condition)], record_sample_proportion=min(1.0, COUNTED / records)
    )
    return int(counted[0]["marginal_comparison_count"])


def _filled(settings: Json, m: Shares, u: Shares) -> Json:
    """The settings with m and u of every level; where nothing was learnt, Splink's values before training."""
    comparisons = []
    for comparison in settings["comparisons"]:
        name = comparison["output_column_name"]
        known = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
        rest = (1 - M_OF_STRONGEST) / max(1, len(known) - 1)
        values = {
            id(level): (
                m.get(name, {}).get(len(known) - 1 - at, rest if at else M_OF_STRONGEST),
                # A level that no random pair has is rarer than one in the pairs that were drawn.
                max(u.get(name, {}).get(len(known) - 1 - at, SMALLEST), SMALLEST),
            )
            for at, level in enumerate(known)
        }
        total = [sum(pair[side] for pair in values.values()) for side in (0, 1)]
        comparisons.append(
            {
                **comparison,
                "comparison_levels": [
                    level
                    if id(level) not in values
                    else {
                        **level,
                        "m_probability": _rounded(values[id(level)][0] / total[0]),
                        "u_probability": _rounded(values[id(level)][1] / total[1]),
                    }
                    for level in comparison["comparison_levels"]
                ],
            }
        )
    return {**settings, "comparisons": comparisons}


def _rounded(value: float) -> float:
    # Sums over threads differ in the last digits; a model must not.
    return float(f"{value:.9g}")


def _with_prior(
    connection: duckdb.DuckDBPyConnection,
    settings: Json,
    foreign: Foreign,
    conf: Linkage,
    notes: list[str],
) -> Json:
    """The settings with the prior at which the blocked pairs hold as many matches as it says.

    EM on the prior alone: the expected matches among the candidate pairs, of all pairs there are.
    """
    block(connection, foreign.rules, conf.blocking, duplicate_free=conf.duplicate_free)
    weights = score_pairs(connection, _model(settings, foreign.rules, []), "blocked")[
        "match_weight"
    ].to_numpy()
    before = settings["probability_two_random_records_match"]
    evidence = weights - np.log2(before / (1 - before))
    everything = all_pairs(connection, is_link_only=foreign.is_link_only)
    prior = before
    for _ in range(PRIOR_STEPS):
        odds = np.exp2(np.clip(evidence + np.log2(prior / (1 - prior)), -60, 60))
        prior = float(np.clip((odds / (1 + odds)).sum() / everything, 1 / everything / 10, 0.5))
    if not len(weights):
        notes.append("the blocking rules bring no pair: Splink's prior")
        return settings
    return {**settings, "probability_two_random_records_match": _rounded(prior)}


def all_pairs(connection: duckdb.DuckDBPyConnection, *, is_link_only: bool) -> float:
    """Pairs that there are among the records, where ``is_link_only`` of different files."""
    inside = (
        "SELECT count(*) AS n FROM people GROUP BY source" if is_link_only else "SELECT 1 AS n WHERE false"
    )
    query = f"""SELECT (SELECT count(*) * (count(*) - 1) / 2 FROM people)
        - (SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM ({inside}))"""
    return float(connection.execute(query).fetchall()[0][0])
