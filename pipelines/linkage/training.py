"""Training: a model a party type from the records themselves, or the starter model where they are too few.

u comes from random pairs, m from expectation maximisation over several blocking rules, the prior
from rules that are nearly always right. The same records and configuration give the same model,
whatever the order of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import duckdb
from splink import DuckDBAPI, Linker, block_on
from splink.internals.exceptions import EMTrainingException, SplinkException

from pipelines.linkage.comparisons import (
    NONE,
    STARTER_PRIOR,
    Own,
    comparisons_for,
    frequency_floors,
    splink_settings,
)
from pipelines.linkage.config import Linkage, Training
from pipelines.linkage.em_guards import MOST_PRIOR, has_no_true_pair, without_reversed
from pipelines.linkage.engine import quiet_splink
from pipelines.linkage.generations import Json, Model
from pipelines.linkage.labels import Counted, count_matches
from pipelines.linkage.levels import RAREST, Comparison
from pipelines.linkage.relation import starter_relations
from pipelines.linkage.smoothed import smoothed_m
from pipelines.linkage.training_run import Session, TrainingRun, estimates_chart, rounded, session_charts
from pipelines.linkage.vocabulary import DERIVED, own_comparisons

if TYPE_CHECKING:
    from pipelines.linkage.sample import Sample

SMALLEST = 1e-6
"""No level is impossible: m and u stay above this."""
MOST_UNSEEN = 0.01
"""Share of random pairs for all levels that none of them reached, where none of them differs."""

EM_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "person": (("given_name", "surname"), ("birth_date",), ("tax_id",)),
    "company": (("company_name",), ("tax_id",), ("street",)),
}
"""Blocking rules of EM: each comparison is free in at least two of them."""
ENOUGH_SESSIONS = 2

SPARE_EM_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "person": (("email_first",), ("phone_first",), ("surname", "postal_code"), ("given_name", "postal_code")),
    "company": (("email_first",), ("phone_first",)),
}
"""Tried in this order where the others left fewer than ``ENOUGH_SESSIONS``: records without a birth date, say."""

PRIOR_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "person": (("tax_id",), ("given_name", "surname", "birth_date")),
    "company": (("tax_id",), ("company_name", "postal_code")),
}
"""Rules that find true pairs nearly without error; the prior follows from what they find."""

SPARE_PRIOR_RULES: dict[str, tuple[tuple[str, ...], ...]] = {
    "person": (("given_name", "surname", "email_first"), ("given_name", "surname", "phone_first")),
    "company": (("company_name", "phone_first"), ("company_name", "email_first")),
}
"""Used where the roles of the others have no column, or their rules find no pair."""


def starter_model(
    model: str, roles: set[str], floor: float, notes: Sequence[str] = (), own: Own = NONE
) -> Model:
    """The model by role that ships with the package; ``own``: comparisons of conf/linkage.yml."""
    settings = splink_settings(model, roles, floor, starter=True, own=own)
    relations = starter_relations(model, comparisons_for(model, roles, own))
    return Model(settings, {}, floor, "starter", relations, notes=tuple(notes))


def frequent_values(
    connection: duckdb.DuckDBPyConnection, floors: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Share of each value above its column's floor among the known values of table ``people``, by column."""
    found: dict[str, dict[str, float]] = {}
    for column, floor in floors.items():
        rows = connection.execute(
            f"""SELECT CAST({column} AS VARCHAR) AS value, count(*) / sum(count(*)) OVER () AS share
            FROM people WHERE {column} IS NOT NULL GROUP BY {column}
            QUALIFY share > $1 ORDER BY value""",
            [floor],
        ).fetchall()
        found[column] = {value: rounded(share) for value, share in rows}
    return found


def frequency_floor(records: int) -> float:
    """Frequency that a value counts with when it is not among the frequent ones.

    One in the number of records, and never rarer than ``RAREST``.
    """
    return max(1.0 / max(records, 1_000), RAREST)


def train_model(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    roles: set[str],
    records: int,
    conf: Linkage,
    run: TrainingRun | None = None,
    sample: Sample | None = None,
) -> Model:
    """Train the model of one party type on table ``people``, with the labels of ``run`` where it has some.

    Of a ``sample``, u comes from pairs of drawn records, the prior from the pairs that touch one.
    """
    run = run or TrainingRun(is_shown=False)
    group = sample.groups[model] if sample is not None else None
    records = group.records if group is not None else records
    floor = rounded(frequency_floor(records))
    own = own_comparisons(conf)
    if records < conf.training.min_records:
        note = f"{records} records are too few to train on: starter model"
        return starter_model(model, roles, floor, [note], own)
    quiet_splink()
    settings = splink_settings(model, roles, floor, starter=False, own=own)
    comparisons = comparisons_for(model, roles, own)
    linker = Linker(
        DuckDBAPI(connection).register("people", table_name="training_people"),
        settings,
        log_level=logging.CRITICAL,
        validate_settings=False,
    )
    notes: list[str] = []
    prior = (
        _prior(linker, model, roles, records, conf.training, notes)
        if group is None
        else _prior_of_sample(connection, model, roles, records, conf.training, notes)
    )
    if prior > MOST_PRIOR:
        note = (
            f"{prior:.0%} of all pairs look like one person, too many to see chance agreement: starter model"
        )
        return starter_model(model, roles, floor, [*notes, note], own)
    u = _u(linker if group is None else _drawn_linker(connection, settings), comparisons, conf.training)
    _start(linker, comparisons, u, prior)
    starter = starter_model(model, roles, floor, own=own)
    sessions: list[dict[str, dict[str, float]]] = []
    for rule in _usable(EM_RULES[model], roles) + _usable(SPARE_EM_RULES[model], roles):
        if rule in SPARE_EM_RULES[model] and len(sessions) >= ENOUGH_SESSIONS:
            break
        session = _em(connection, linker, rule, starter, comparisons, u, conf.training, notes, run)
        sessions += [] if session is None else [session]
    if len(sessions) == 1:
        notes.append("m was learnt in one session of EM alone: no other rule brought enough pairs")
    run.add(model, "m by session", estimates_chart(linker) if sessions and run.is_shown else None)
    labelled = None
    if run.labels is not None:
        labelled = count_matches(connection, model, starter, comparisons, run.labels, notes)
    if not sessions and (labelled is None or labelled.matches < conf.training.min_pairs):
        notes.append("no blocking rule brought enough pairs to train on: starter model")
        return starter_model(model, roles, floor, notes, own)
    frequencies = (
        frequent_values(connection, frequency_floors(settings)) if group is None else group.frequencies
    )
    trained = _assemble(settings, comparisons, u, sessions, labelled, prior, notes)
    # The relation model is fitted later, to the candidate pairs that this model scores.
    relations = starter_relations(model, comparisons)
    return Model(trained, frequencies, floor, "trained", relations, notes=tuple(notes))


def _usable(rules: Sequence[tuple[str, ...]], roles: set[str]) -> list[tuple[str, ...]]:
    """The rules whose columns all come from a role that has one."""
    return [rule for rule in rules if all(DERIVED.get(column, (column,))[0] in roles for column in rule)]


def _prior(
    linker: Linker, model: str, roles: set[str], records: int, conf: Training, notes: list[str]
) -> float:
    for known in (PRIOR_RULES[model], SPARE_PRIOR_RULES[model]):
        rules = [block_on(*rule) for rule in _usable(known, roles)]
        if not rules:
            continue
        try:
            linker.training.estimate_probability_two_random_records_match(
                rules, recall=conf.deterministic_recall
            )
        except ValueError:
            # The rules found more pairs than the recall allows: nearly all are one person.
            return 1.0
        except SplinkException:
            continue
        prior = float(linker._settings_obj._probability_two_random_records_match)
        if prior > 0:
            return rounded(prior)
    notes.append("the prior's rules found no pair: prior of the starter model")
    return min(STARTER_PRIOR, 1.0 / max(records, 2))


def _drawn_linker(connection: duckdb.DuckDBPyConnection, settings: Json) -> Linker:
    """A linker over the drawn records of a sample."""
    connection.execute(
        "CREATE OR REPLACE TABLE drawn_people AS SELECT * FROM people SEMI JOIN drawn USING (node)"
    )
    people = DuckDBAPI(connection).register("drawn_people", table_name="drawn_training_people")
    return Linker(people, settings, log_level=logging.CRITICAL, validate_settings=False)


def _prior_of_sample(
    connection: duckdb.DuckDBPyConnection,
    model: str,
    roles: set[str],
    records: int,
    conf: Training,
    notes: list[str],
) -> float:
    """``_prior`` from the partners of drawn records among all ``records``."""
    for known in (PRIOR_RULES[model], SPARE_PRIOR_RULES[model]):
        pairs = " UNION ".join(
            f"""SELECT l.node AS a, r.node AS b FROM people l SEMI JOIN drawn USING (node)
            JOIN people r ON l.node <> r.node AND {" AND ".join(f"l.{c} = r.{c}" for c in rule)}"""
            for rule in _usable(known, roles)
        )
        if not pairs:
            continue
        found, drawn = connection.execute(
            f"SELECT (SELECT count(*) FROM ({pairs})), (SELECT count(*) FROM people SEMI JOIN drawn USING (node))"
        ).fetchall()[0]
        prior = found / conf.deterministic_recall / max(drawn * (records - 1), 1)
        if prior > 0:
            return rounded(min(prior, 1.0))
    notes.append("the prior's rules found no pair: prior of the starter model")
    return min(STARTER_PRIOR, 1.0 / max(records, 2))


def _parameters(linker: Linker, kind: str) -> dict[str, dict[str, float]]:
    """m or u by comparison and level name, as far as the linker has learnt them."""
    found: dict[str, dict[str, float]] = {}
    for comparison in linker._settings_obj.comparisons:
        for level in comparison._comparison_levels_excluding_null:
            value = level._m_probability if kind == "m" else level._u_probability
            if isinstance(value, float):
                found.setdefault(comparison.output_column_name, {})[level.label_for_charts] = value
    return found


def _u(linker: Linker, comparisons: Sequence[Comparison], conf: Training) -> dict[str, dict[str, float]]:
    try:
        linker.training.estimate_u_using_random_sampling(max_pairs=conf.u_pairs, seed=conf.seed, num_chunks=1)
        observed = _parameters(linker, "u")
    except (ValueError, SplinkException, duckdb.Error):
        observed = {}
    return {c.role: _completed(c, observed.get(c.role, {}), "u") for c in comparisons}


def _completed(comparison: Comparison, observed: dict[str, float], kind: str) -> dict[str, float]:
    """Shares of all levels: the observed ones, the starter's where a level was not observed; sum 1."""
    seen = {name: max(value, SMALLEST) for name, value in observed.items() if value > 0}
    shares = {
        level.name: seen.get(level.name, level.m if kind == "m" else level.u) for level in comparison.levels
    }
    if kind == "u" and seen and comparison.levels[-1].name not in seen:
        # No random pair differs: the starter's share of those that do would make agreeing look rare.
        unseen = sum(share for name, share in shares.items() if name not in seen)
        shares = {n: share if n in seen else share * MOST_UNSEEN / unseen for n, share in shares.items()}
    total = sum(shares.values())
    return {name: share / total for name, share in shares.items()}


def _start(
    linker: Linker, comparisons: Sequence[Comparison], u: dict[str, dict[str, float]], prior: float
) -> None:
    """Start EM from the starter's m and the trained u: far from the local optimum of all unequal."""
    by_role = {c.role: c for c in comparisons}
    core = linker._settings_obj.core_model_settings
    core.probability_two_random_records_match = prior
    for comparison in core.comparisons:
        role = comparison.output_column_name
        levels = {level.name: level for level in by_role[role].levels}
        for level in comparison._comparison_levels_excluding_null:
            name = level.label_for_charts
            level.u_probability = u[role][name]
            level.m_probability = levels[name].m


def _em(
    connection: duckdb.DuckDBPyConnection,
    linker: Linker,
    rule: tuple[str, ...],
    starter: Model,
    comparisons: Sequence[Comparison],
    u: dict[str, dict[str, float]],
    conf: Training,
    notes: list[str],
    run: TrainingRun,
) -> dict[str, dict[str, float]] | None:
    """m by comparison and level from one EM session; None where the rule brings no pairs to learn from."""
    party_type = starter.relations.model
    known = " AND ".join(f"{column} IS NOT NULL" for column in rule)
    pairs = connection.execute(
        f"""SELECT coalesce(sum(n * (n - 1) / 2), 0) FROM
        (SELECT count(*) AS n FROM people WHERE {known} GROUP BY {", ".join(rule)})"""
    ).fetchall()[0][0]
    name = ", ".join(rule)
    if pairs < conf.min_pairs:
        notes.append(f"EM on {name}: {int(pairs)} pairs are too few, left out")
        run.ended(party_type, Session(name, int(pairs), "too few pairs"))
        return None
    try:
        session = linker.training.estimate_parameters_using_expectation_maximisation(
            block_on(*rule),
            estimate_without_term_frequencies=True,
            max_pairs=conf.em_pairs if pairs > conf.em_pairs else None,
            record_sample_proportion=1.0 if pairs < 10 * conf.em_pairs else 0.01,
        )
        share = float(session.core_model_settings.probability_two_random_records_match)
        rounds = len(session._core_model_settings_history) - 1
        m = {
            comparison.output_column_name: {
                level.label_for_charts: level._m_probability
                for level in comparison._comparison_levels_excluding_null
                if isinstance(level._m_probability, float)
            }
            for comparison in session.core_model_settings.comparisons
        }
    except (EMTrainingException, ValueError, SplinkException, duckdb.Error):
        notes.append(f"EM on {name} did not end: run again with smoothing (smoothed)")
        m, share = smoothed_m(connection, starter, comparisons, u, rule, conf.em_pairs)
        outcome, charts, rounds = "smoothed", {}, None
    else:
        outcome, charts = "trained", session_charts(session) if run.is_shown else {}
    if has_no_true_pair(share * float(pairs)):
        outcome = "no true pair"
    run.ended(party_type, Session(name, int(pairs), outcome, rounded(share * float(pairs)), rounds, charts))
    if outcome == "no true pair":
        notes.append(f"EM on {name}: next to none of {int(pairs)} pairs looks like one person, left out")
        return None
    kept, reversed_roles = without_reversed(m, u, comparisons)
    if reversed_roles:
        notes.append(f"EM on {name}: agreeing on {', '.join(reversed_roles)} spoke against a match, not used")
    return kept


def _assemble(
    settings: Json,
    comparisons: Sequence[Comparison],
    u: dict[str, dict[str, float]],
    sessions: list[dict[str, dict[str, float]]],
    labelled: Counted | None,
    prior: float,
    notes: list[str],
) -> Json:
    """The settings with m (mean over the sessions, corrected by labels), u and prior."""
    m: dict[str, dict[str, float]] = {}
    for comparison in comparisons:
        seen = [session[comparison.role] for session in sessions if comparison.role in session]
        observed: dict[str, float] = {}
        for level in comparison.levels:
            values = [shares[level.name] for shares in seen if shares.get(level.name, 0) > 0]
            if values:
                observed[level.name] = sum(values) / len(values)
        unseen = [level.name for level in comparison.levels if level.name not in observed]
        if not observed:
            notes.append(f"{comparison.role}: no session could learn it, by the starter model")
        elif unseen:
            notes.append(f"{comparison.role}: m of {', '.join(unseen)} by the starter model")
        learnt = _completed(comparison, observed, "m")
        m[comparison.role] = learnt if labelled is None else labelled.corrected(comparison.role, learnt)
    filled: list[Any] = []
    for entry in settings["comparisons"]:
        role = entry["output_column_name"]
        levels = [
            level
            if level.get("is_null_level")
            else {
                **level,
                "m_probability": rounded(m[role][level["label_for_charts"]]),
                "u_probability": rounded(u[role][level["label_for_charts"]]),
            }
            for level in entry["comparison_levels"]
        ]
        filled.append({**entry, "comparison_levels": levels})
    return {**settings, "comparisons": filled, "probability_two_random_records_match": prior}
