"""The night's linkage in one process: records in; pairs, clusters and the generation out.

Every record is scored against all: the outcome depends on the records and the generation only, not
on the nights that led to them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import PadronError, UsageError
from pipelines.linkage import clusters as clusters_table
from pipelines.linkage import generic_values, scored_pairs
from pipelines.linkage.blocking import RuleCost, block
from pipelines.linkage.blocking_choice import choose_rules
from pipelines.linkage.blocking_rules import Rule, rules_for
from pipelines.linkage.components import Bounded, Links, bounded_components
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import Joins, choose_cut, log_odds
from pipelines.linkage.cut_components import cut_rows
from pipelines.linkage.dialects import columns_compared
from pipelines.linkage.engine import engine
from pipelines.linkage.exact_rules import chains
from pipelines.linkage.foreign import FOREIGN
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.inside import score_inside
from pipelines.linkage.judge import clustered, judge
from pipelines.linkage.records import MODELS, Nodes, load, prepare
from pipelines.linkage.relation import classify, fit_relations
from pipelines.linkage.review_queue import review_queue
from pipelines.linkage.rules import NAME_ALONE
from pipelines.linkage.sample import Sample, draw
from pipelines.linkage.scoring import score_pairs
from pipelines.linkage.training import train_model
from pipelines.linkage.training_run import TrainingRun
from pipelines.linkage.vocabulary import own_rules
from pipelines.queries import Say, silent

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_WEIGHT = -12.0
"""Candidate pairs that Splink scores lower say nothing and are left out before anything else."""
LISTED = 20
"""Components that the figures of a night list when they were cut; all are in the table."""


class TooManyLinksError(PadronError):
    """More links than one process is allowed to solve."""


@dataclass(frozen=True)
class Inside:
    """Every pair inside a component, of all party types: what the clusters at any cut are made from."""

    label: Ints
    """The component of each node; nodes follow (source, record_id)."""
    joins: Joins
    forbidden: Bools
    """Pairs that never-evidence keeps apart."""


@dataclass(frozen=True)
class Linked:
    """What a night's linkage gives; Arrow tables in the shape of their declarations."""

    scored_pairs: pa.Table
    clusters: pa.Table
    generic_values: pa.Table
    review_queue: pa.Table
    cut_components: pa.Table
    generation: Generation
    """The generation that linked the records."""
    generation_row: pa.Table | None
    """Its row of ``linkage/generations``; None where it is the one that was given."""
    inside: Inside
    """What the clusters were made from."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Counts and notes for the run record; no personal values."""


@dataclass(frozen=True)
class _Evidence:
    """Every pair inside the components of one party type, with what speaks for it."""

    model: str
    bounded: Bounded
    pairs: pa.Table
    """Columns of ``score_pairs``."""
    left: Ints
    right: Ints
    believed: Floats
    """What the model believes, before the rules for a single pair."""
    judged: Floats
    """After them: what the model's own clusters form on."""
    probability: Floats
    """same_person_probability: after the exact rules too."""
    counted: Floats
    """Part of the pair's weight that counts in the mean over several pairs."""
    alone: Bools
    """Only a name joins the pair."""
    sure: Bools
    """An exact rule links the pair."""
    relation: npt.NDArray[np.object_]
    decided_by: npt.NDArray[np.object_]
    forbidden: Bools
    blocked_by: npt.NDArray[np.object_]
    costs: tuple[RuleCost, ...]
    candidates: int


def link_night(
    records: pa.Table,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None = None,
    say: Say = silent,
    sample: Sample | None = None,
) -> Linked:
    """Link the records of a night.

    ``records`` has the columns of ``read_records``. Without ``previous`` the generation is trained
    on them; with it nothing is trained, and only generic values first seen tonight revise it.
    ``run``: labels that go into a training, and what it shows of itself. ``say`` is told what is
    being done. ``sample``: that the records are one, to train on; more records than
    ``training.max_records`` are trained on a sample of theirs.
    Raises UsageError where columns are missing or a key stands twice.
    """
    given = previous
    if previous is None and sample is None and records.num_rows > conf.training.max_records:
        say("drawing a sample to train on")
        drawn, values = draw(records, conf)
        given = trained_on(drawn, values, records.num_rows, conf, business_date, run, say)
    with engine(conf) as connection:
        say(f"reading {records.num_rows:,} records")
        nodes = load(connection, records, conf)
        generic = find_generic(connection, conf)
        use_generic(connection, generic)
        if sample is not None:
            sample.mark(connection)
        models: dict[str, Model] = {}
        evidence: list[_Evidence] = []
        for name in MODELS:
            model = given.models[name] if given is not None else None
            fitted, found = _evidence(connection, name, model, nodes, conf, run, say, sample)
            models[name] = fitted
            evidence.append(found)
        say("clusters")
        generation = _generation(connection, nodes, generic, models, evidence, given, conf, business_date)
    return _linked(nodes, generic, evidence, generation, previous, conf)


def link_foreign(
    connection: duckdb.DuckDBPyConnection,
    nodes: Nodes,
    model: Model,
    conf: Linkage,
    business_date: date,
    say: Say = silent,
) -> Linked:
    """Link the records of table ``people`` by the model that a user's own Splink settings gave.

    The rules about roles do not hold: the columns of the settings have none.
    """
    conf = conf.model_copy(update={"never": (), "rules": (), "duplicate_free": ()})
    fitted, found = _evidence(connection, FOREIGN, model, nodes, conf, None, say)
    no_values = generic_values.SCHEMA.empty_table()
    generation = _generation(
        connection, nodes, no_values, {FOREIGN: fitted}, [found], None, conf, business_date
    )
    return _linked(nodes, no_values, [found], generation, None, conf)


def trained_on(
    sample: Sample,
    values: tuple[tuple[str, str], ...],
    records: int,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None = None,
    say: Say = silent,
) -> Generation:
    """The generation of all ``records`` with their generic ``values``, trained on a sample of them."""
    trained = link_night(sample.records, None, conf, business_date, run, say, sample).generation
    return replace(trained, generic=values, records=records)


def _evidence(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model | None,
    nodes: Nodes,
    conf: Linkage,
    run: TrainingRun | None,
    say: Say,
    sample: Sample | None = None,
) -> tuple[Model, _Evidence]:
    roles: set[str] = set(conf.fields)
    is_new = model is None
    # The file of foreign settings is table ``people`` as it is.
    count = 0 if model is not None and model.is_foreign else prepare(connection, name)
    if model is None:
        say(f"{name}: training")
        model = train_model(connection, name, roles, count, conf, run, sample)
    elif not model.is_foreign:
        columns = {row[0] for row in connection.execute("DESCRIBE people").fetchall()}
        check_compared(columns, name, model)
    free = conf.duplicate_free
    if is_new:
        model = replace(model, rules=_rules(connection, name, model, roles, conf, sample))
    rules = usable(model.rules, roles)
    say(f"{name}: blocks by {len(rules)} rules")
    touching = None if sample is None else "drawn"
    costs = block(connection, rules, conf.blocking, duplicate_free=free, touching=touching)
    say(f"{name}: scoring {sum(cost.pairs for cost in costs):,} pairs")
    # What the relation model does not look at is left out at once.
    least = float(log_odds(np.array(conf.review_probability))) if model.is_foreign else LEAST_WEIGHT
    candidates = score_pairs(connection, model, "blocked", least)
    if is_new and model.kind == "trained" and candidates.num_rows >= conf.training.min_pairs:
        relations = fit_relations(
            name, candidates, model.settings, count if sample is None else sample.stands_for(connection, name)
        )
        notes = list(model.notes)
        if not relations.converged:
            notes.append("the relation model had not settled when it was stopped")
        if not relations.trusted:
            notes.append("the relation model lost the class of one person: Splink's probability decides")
        model = replace(model, relations=relations, notes=tuple(notes))
    if is_new and run is not None:
        run.draw(connection, name, model)
    probability, _ = classify(model.relations, candidates)
    kept = probability >= conf.review_probability
    sure_left, sure_right = chains(connection, conf.rules)
    if (found := int(kept.sum()) + len(sure_left)) > conf.max_links:
        raise TooManyLinksError(
            f"linkage: {found} links are more than max_links ({conf.max_links}) in conf/linkage.yml."
        )
    links = Links(
        np.concatenate([_ints(candidates, "node_l")[kept], sure_left]),
        np.concatenate([_ints(candidates, "node_r")[kept], sure_right]),
        np.concatenate([log_odds(probability[kept]), np.full(len(sure_left), np.inf)]),
    )
    say(f"{name}: components of {len(links):,} links")
    bounded = bounded_components(len(nodes), links, conf.max_component)
    inside = score_inside(connection, model, bounded.label, candidates, nodes, free)
    judged = judge(connection, name, model, tuple(rule.name for rule in rules), inside, conf)
    return model, _Evidence(
        name,
        bounded,
        inside,
        _ints(inside, "node_l"),
        _ints(inside, "node_r"),
        judged.believed,
        judged.judged,
        judged.probability,
        judged.counted,
        judged.alone,
        judged.sure,
        judged.relation,
        judged.decided_by,
        judged.forbidden,
        judged.blocked_by,
        costs,
        sum(cost.pairs for cost in costs),
    )


def check_compared(columns: Collection[str], name: str, model: Model) -> None:
    """Raises UsageError where a generation compares what is no longer among the ``columns`` of the records."""
    missing = sorted(columns_compared(model.settings).difference(columns))
    if missing:
        raise UsageError(
            f"linkage: the generation in use compares {', '.join(missing)} ({name}), for which fields of "
            "conf/linkage.yml has no column: name one again, or train a new generation."
        )


def usable(rules: tuple[Rule, ...], roles: set[str]) -> tuple[Rule, ...]:
    """The rules of a generation whose roles all have a column."""
    return tuple(rule for rule in rules if roles.issuperset(rule.needs))


def _rules(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model,
    roles: set[str],
    conf: Linkage,
    sample: Sample | None,
) -> tuple[Rule, ...]:
    """The blocking rules of a new model: those of the configuration, the data's choice, or the fixed ones."""
    if own := own_rules(conf):
        return own
    if model.kind != "trained":
        return rules_for(name, roles)
    return choose_rules(connection, name, model, roles, conf, sample).rules


def _ints(table: pa.Table, column: str) -> Ints:
    values: Ints = table[column].to_numpy().astype(np.int64)
    return values


def _generation(
    connection: duckdb.DuckDBPyConnection,
    nodes: Nodes,
    generic: pa.Table,
    models: dict[str, Model],
    evidence: list[_Evidence],
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
) -> Generation:
    values = tuple(zip(generic["field"].to_pylist(), generic["value"].to_pylist(), strict=True))
    if previous is not None:
        return previous if values == previous.generic else previous.revised(values, business_date)
    joins, forbidden = _together(evidence)
    # What an exact rule links is right by the word of who wrote the rule.
    believed = np.concatenate([np.where(e.sure, 1.0, e.believed) for e in evidence])
    cut = choose_cut(
        connection,
        len(nodes),
        joins,
        believed,
        forbidden,
        conf.cut_precision,
        conf.review_probability,
        conf.training.min_pairs,
    )
    return Generation(models, values, cut, business_date, len(nodes), sum(e.candidates for e in evidence))


def _together(evidence: list[_Evidence]) -> tuple[Joins, Bools]:
    """The pairs of all party types as one, and which are forbidden: their components never touch."""
    joins = Joins(
        np.concatenate([e.left for e in evidence]),
        np.concatenate([e.right for e in evidence]),
        np.concatenate([e.judged for e in evidence]),
        np.concatenate([e.counted for e in evidence]),
        np.concatenate([e.alone for e in evidence]),
        np.concatenate([e.sure for e in evidence]),
    )
    return joins, np.concatenate([e.forbidden for e in evidence])


def _linked(
    nodes: Nodes,
    generic: pa.Table,
    evidence: list[_Evidence],
    generation: Generation,
    previous: Generation | None,
    conf: Linkage,
) -> Linked:
    joins, forbidden = _together(evidence)
    by_model, by_rules = clustered(len(nodes), joins, forbidden, generation.cut)
    label = np.arange(len(nodes), dtype=np.int64)
    for found in evidence:
        label = np.minimum(label, found.bounded.label)
    names = nodes.names()
    clusters = pa.table(
        {
            "source": nodes.source,
            "record_id": nodes.record_id,
            "party_type": nodes.party_type,
            "cluster_model": pa.array(names[by_model], pa.string()),
            "cluster_rules": pa.array(names[by_rules], pa.string()),
            # No decision is applied yet: the stewards' layer is the rules' one.
            "cluster_final": pa.array(names[by_rules], pa.string()),
        }
    ).cast(clusters_table.SCHEMA)
    scored, ends = _scored_rows(nodes, evidence, conf.review_probability)
    same_cluster = pa.array(by_rules[ends[0]] == by_rules[ends[1]])
    queue = review_queue(scored, same_cluster, generation.cut, conf.max_review)
    cut = cut_rows({e.model: e.bounded.cuts for e in evidence}, names)
    is_new = previous is None or generation.generation_id != previous.generation_id
    return Linked(
        scored,
        clusters,
        generic,
        queue,
        cut,
        generation,
        generation.row() if is_new else None,
        Inside(label, joins, forbidden),
        _figures(evidence, generation, scored, by_model, by_rules, queue, generic, cut, conf),
    )


def _scored_rows(nodes: Nodes, evidence: list[_Evidence], least: float) -> tuple[pa.Table, tuple[Ints, Ints]]:
    """Rows of ``linkage/scored_pairs`` by key, and the two nodes of each."""
    parts: list[pa.Table] = []
    for found in evidence:
        kept = found.probability >= least
        parts.append(
            pa.table(
                {
                    "node_l": found.left[kept],
                    "node_r": found.right[kept],
                    "match_weight": found.pairs["match_weight"].filter(kept),
                    "match_probability": found.pairs["match_probability"].filter(kept),
                    "same_person_probability": found.probability[kept],
                    "relation": pa.array(found.relation[kept], pa.string()),
                    "decided_by": pa.array(found.decided_by[kept], pa.string()),
                    "blocked_by": pa.array(found.blocked_by[kept], pa.string()),
                }
            )
        )
    rows = pa.concat_tables(parts).sort_by([("node_l", "ascending"), ("node_r", "ascending")])
    left, right = _ints(rows, "node_l"), _ints(rows, "node_r")
    for side, ends in (("l", left), ("r", right)):
        rows = rows.append_column(f"source_{side}", nodes.source.take(pa.array(ends)))
        rows = rows.append_column(f"record_id_{side}", nodes.record_id.take(pa.array(ends)))
    return rows.select(scored_pairs.SCHEMA.names).cast(scored_pairs.SCHEMA), (left, right)


def _groups(label: Ints) -> int:
    return int((np.bincount(label, minlength=1) > 0).sum()) if len(label) else 0


def _figures(
    evidence: list[_Evidence],
    generation: Generation,
    scored: pa.Table,
    by_model: Ints,
    by_rules: Ints,
    queue: pa.Table,
    generic: pa.Table,
    cut: pa.Table,
    conf: Linkage,
) -> dict[str, Any]:
    sizes = np.bincount(by_rules, minlength=1)
    candidates = sum(e.candidates for e in evidence)
    blocks = {
        f"{found.model}.{cost.rule}": {
            "pairs": cost.pairs,
            "capped_blocks": cost.capped_blocks,
            "largest_block": cost.largest_block,
        }
        for found in evidence
        for cost in found.costs
    }
    likely = pc.and_(
        pc.greater_equal(scored["same_person_probability"], generation.cut),
        pc.not_equal(scored["decided_by"], NAME_ALONE),
    )
    return {
        "placement": "one",
        "records": len(by_rules),
        "clusters": _groups(by_rules),
        "largest_cluster": int(sizes.max()) if len(by_rules) else 0,
        "candidate_pairs": candidates,
        "over_comparison_budget": candidates > conf.blocking.max_comparisons_per_record * len(by_rules),
        "scored_pairs": scored.num_rows,
        "links": int(pc.sum(likely).as_py() or 0),
        "split_by_rules": _groups(by_rules) - _groups(by_model),
        "review_queue": queue.num_rows,
        "generic_values": generic.num_rows,
        "cut": generation.cut,
        "generation_id": generation.generation_id,
        "kind": generation.kind,
        "linked_by_rules": sum(int(e.sure.sum()) for e in evidence),
        "largest_component": max((e.bounded.largest for e in evidence), default=0),
        "cut_components": cut.num_rows,
        # No keys here: the table linkage/cut_components has them.
        "largest_cut_components": cut.drop_columns(["component"]).slice(0, LISTED).to_pylist(),
        "blocks": blocks,
        "notes": [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes],
    }
