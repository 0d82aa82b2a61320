"""The night's linkage in one process: records in; pairs, clusters and the generation out.

Every record is scored against all: the outcome depends on the records and the generation only, not
on the nights that led to them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import PadronError
from pipelines.linkage import clusters as clusters_table
from pipelines.linkage import scored_pairs
from pipelines.linkage.agglomerate import agglomerate
from pipelines.linkage.blocking import RuleCost, block, rules_for, worth_their_cost
from pipelines.linkage.components import Links, bounded_components
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import choose_cut, log_odds
from pipelines.linkage.engine import engine
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.records import MODELS, Nodes, load, prepare
from pipelines.linkage.relation import classify, fit_relations, pooled
from pipelines.linkage.review_queue import review_queue
from pipelines.linkage.rules import forbidden_pairs, ruled
from pipelines.linkage.scoring import score_pairs
from pipelines.linkage.training import train_model
from pipelines.linkage.training_run import TrainingRun

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LEAST_WEIGHT = -12.0
"""Candidate pairs that Splink scores lower say nothing and are left out before anything else."""
COMPONENT = "component"
"""``blocked_by`` of a pair that no rule found and that was scored because its component holds both."""


class TooManyLinksError(PadronError):
    """More links than one process is allowed to solve."""


@dataclass(frozen=True)
class Linked:
    """What a night's linkage gives; Arrow tables in the shape of their declarations."""

    scored_pairs: pa.Table
    clusters: pa.Table
    generic_values: pa.Table
    review_queue: pa.Table
    generation: Generation
    """The generation that linked the records."""
    generation_row: pa.Table | None
    """Its row of ``linkage/generations``; None where it is the one that was given."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Counts and notes for the run record; no personal values."""


@dataclass(frozen=True)
class _Evidence:
    """Every pair inside the components of one party type, with what speaks for it."""

    label: Ints
    pairs: pa.Table
    """Columns of ``score_pairs``."""
    left: Ints
    right: Ints
    believed: Floats
    """What the model believes, before the rules for a single pair."""
    probability: Floats
    """same_person_probability: after them."""
    relation: npt.NDArray[np.object_]
    decided_by: npt.NDArray[np.object_]
    forbidden: Bools
    rules: tuple[str, ...]
    costs: tuple[RuleCost, ...]
    candidates: int
    cut_components: int
    largest_component: int


def link_night(
    records: pa.Table,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None = None,
) -> Linked:
    """Link the records of a night.

    ``records`` has the columns of ``read_records``. Without ``previous`` the generation is trained
    on them; with it nothing is trained, and only generic values first seen tonight revise it.
    ``run``: labels that go into a training, and what it shows of itself.
    Raises UsageError where columns are missing or a key stands twice.
    """
    with engine(conf) as connection:
        nodes = load(connection, records, conf)
        generic = find_generic(connection, conf)
        use_generic(connection, generic)
        models: dict[str, Model] = {}
        evidence: list[_Evidence] = []
        for name in MODELS:
            model = previous.models[name] if previous is not None else None
            fitted, found = _evidence(connection, name, model, len(nodes), conf, run)
            models[name] = fitted
            evidence.append(found)
        generation = _generation(connection, nodes, generic, models, evidence, previous, conf, business_date)
    return _linked(nodes, generic, evidence, generation, previous, conf)


def _evidence(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model | None,
    nodes: int,
    conf: Linkage,
    run: TrainingRun | None,
) -> tuple[Model, _Evidence]:
    roles: set[str] = set(conf.fields)
    count = prepare(connection, name)
    is_new = model is None
    if model is None:
        model = train_model(connection, name, roles, count, conf, run)
    rules = rules_for(name, roles, None if is_new else model.rules)
    costs = block(connection, rules, conf.blocking, is_trial=is_new)
    candidates = score_pairs(connection, model, "blocked", LEAST_WEIGHT)
    if is_new:
        chosen = worth_their_cost(rules, costs, candidates)
        if chosen != rules:
            rules, costs = chosen, block(connection, chosen, conf.blocking)
            candidates = score_pairs(connection, model, "blocked", LEAST_WEIGHT)
        model = replace(model, rules=tuple(rule.name for rule in rules))
    if is_new and model.kind == "trained" and candidates.num_rows >= conf.training.min_pairs:
        relations = fit_relations(name, candidates)
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
    if int(kept.sum()) > conf.max_links:
        raise TooManyLinksError(
            f"linkage: {int(kept.sum())} links are more than max_links ({conf.max_links}) in conf/linkage.yml."
        )
    links = Links(
        _ints(candidates, "node_l")[kept], _ints(candidates, "node_r")[kept], log_odds(probability[kept])
    )
    bounded = bounded_components(nodes, links, conf.max_component)
    inside = _score_inside(connection, model, bounded.label)
    believed, relation = classify(model.relations, inside)
    believed = pooled(inside, believed)
    forbidden = forbidden_pairs(connection, inside, conf.never)
    probability, decided_by = ruled(name, inside, believed, forbidden, by_relation=model.relations.trusted)
    return model, _Evidence(
        bounded.label,
        inside,
        _ints(inside, "node_l"),
        _ints(inside, "node_r"),
        believed,
        probability,
        relation,
        decided_by,
        forbidden,
        tuple(rule.name for rule in rules),
        costs,
        sum(cost.pairs for cost in costs),
        bounded.cut_components,
        bounded.largest,
    )


def _ints(table: pa.Table, column: str) -> Ints:
    values: Ints = table[column].to_numpy().astype(np.int64)
    return values


def _score_inside(connection: duckdb.DuckDBPyConnection, model: Model, label: Ints) -> pa.Table:
    """Score every pair inside a component, those that blocking missed too: all evidence counts."""
    connection.register("labels", pa.table({"node": np.arange(len(label)), "label": label}))
    connection.execute(
        """CREATE OR REPLACE TABLE inside AS
        SELECT l.node AS join_key_l, r.node AS join_key_r, coalesce(b.match_key, '-1') AS match_key
        FROM labels l JOIN labels r ON l.label = r.label AND l.node < r.node
        LEFT JOIN blocked b ON b.join_key_l = l.node AND b.join_key_r = r.node"""
    )
    connection.unregister("labels")
    return score_pairs(connection, model, "inside")


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
    label, left, right, probability, forbidden = _together(evidence, len(nodes))
    believed = np.concatenate([e.believed for e in evidence])
    cut = choose_cut(
        connection,
        label,
        left,
        right,
        probability,
        believed,
        forbidden,
        conf.cut_precision,
        conf.training.min_pairs,
    )
    return Generation(models, values, cut, business_date, len(nodes), sum(e.candidates for e in evidence))


def _together(evidence: list[_Evidence], nodes: int) -> tuple[Ints, Ints, Ints, Floats, Bools]:
    """The evidence of all party types as one: their components never touch."""
    label = np.arange(nodes, dtype=np.int64)
    for found in evidence:
        label = np.minimum(label, found.label)
    return (
        label,
        np.concatenate([e.left for e in evidence]),
        np.concatenate([e.right for e in evidence]),
        np.concatenate([e.probability for e in evidence]),
        np.concatenate([e.forbidden for e in evidence]),
    )


def _linked(
    nodes: Nodes,
    generic: pa.Table,
    evidence: list[_Evidence],
    generation: Generation,
    previous: Generation | None,
    conf: Linkage,
) -> Linked:
    label, left, right, probability, forbidden = _together(evidence, len(nodes))
    bits = float(log_odds(np.array(generation.cut)))
    pairs = Links(left, right, log_odds(probability))
    by_model = agglomerate(label, pairs, np.zeros(len(forbidden), bool), bits)
    by_rules = agglomerate(label, pairs, forbidden, bits) if forbidden.any() else by_model
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
    is_new = previous is None or generation.generation_id != previous.generation_id
    return Linked(
        scored,
        clusters,
        generic,
        queue,
        generation,
        generation.row() if is_new else None,
        _figures(evidence, generation, scored, by_model, by_rules, queue, generic, conf),
    )


def _scored_rows(nodes: Nodes, evidence: list[_Evidence], least: float) -> tuple[pa.Table, tuple[Ints, Ints]]:
    """Rows of ``linkage/scored_pairs`` by key, and the two nodes of each."""
    parts: list[pa.Table] = []
    for found in evidence:
        kept = found.probability >= least
        names = np.array([*found.rules, COMPONENT], dtype=object)
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
                    "blocked_by": pa.array(names[_ints(found.pairs, "rule")[kept]], pa.string()),
                }
            )
        )
    rows = pa.concat_tables(parts).sort_by([("node_l", "ascending"), ("node_r", "ascending")])
    left, right = _ints(rows, "node_l"), _ints(rows, "node_r")
    for side, ends in (("l", left), ("r", right)):
        rows = rows.append_column(f"source_{side}", nodes.source.take(pa.array(ends)))
        rows = rows.append_column(f"record_id_{side}", nodes.record_id.take(pa.array(ends)))
    return rows.select(scored_pairs.SCHEMA.names).cast(scored_pairs.SCHEMA), (left, right)


def _figures(
    evidence: list[_Evidence],
    generation: Generation,
    scored: pa.Table,
    by_model: Ints,
    by_rules: Ints,
    queue: pa.Table,
    generic: pa.Table,
    conf: Linkage,
) -> dict[str, Any]:
    sizes = np.bincount(by_rules, minlength=1)
    candidates = sum(e.candidates for e in evidence)
    blocks = {
        f"{name}.{cost.rule}": {
            "pairs": cost.pairs,
            "capped_blocks": cost.capped_blocks,
            "largest_block": cost.largest_block,
        }
        for name, found in zip(MODELS, evidence, strict=True)
        for cost in found.costs
    }
    likely = pc.sum(pc.greater_equal(scored["same_person_probability"], generation.cut)).as_py() or 0
    return {
        "records": len(by_rules),
        "clusters": int((sizes > 0).sum()) if len(by_rules) else 0,
        "largest_cluster": int(sizes.max()) if len(by_rules) else 0,
        "candidate_pairs": candidates,
        "over_comparison_budget": candidates > conf.blocking.max_comparisons_per_record * len(by_rules),
        "scored_pairs": scored.num_rows,
        "links": int(likely),
        "split_by_rules": int(len(np.unique(by_rules)) - len(np.unique(by_model))),
        "review_queue": queue.num_rows,
        "generic_values": generic.num_rows,
        "cut": generation.cut,
        "generation_id": generation.generation_id,
        "kind": generation.kind,
        "cut_components": sum(e.cut_components for e in evidence),
        "largest_component": max((e.largest_component for e in evidence), default=0),
        "blocks": blocks,
        "notes": [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes],
    }
