"""The night's linkage in one process: records in; pairs, clusters and the generation out.

The outcome depends on the records and the generation only, not on the nights that led to them: what
the night before left spares the work on what did not change, and changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from functools import reduce
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.linkage import clusters as clusters_table
from pipelines.linkage import generic_values, links, scored_pairs
from pipelines.linkage.components import joined
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import Joins, choose_cut
from pipelines.linkage.cut_components import cut_rows
from pipelines.linkage.decided import around, decide, with_final
from pipelines.linkage.engine import engine
from pipelines.linkage.evidence import Evidence, gather, ints
from pipelines.linkage.fingerprints import linked_by
from pipelines.linkage.foreign import FOREIGN
from pipelines.linkage.generations import Generation, Model
from pipelines.linkage.generic_values import carriers, find_generic, use_generic, value_pairs
from pipelines.linkage.judge import clustered
from pipelines.linkage.open_cases import still_open, suspects_of
from pipelines.linkage.over_large_keys import over_large_keys, over_large_rows
from pipelines.linkage.recall import LAYERS, Recalled, Remembered, recall
from pipelines.linkage.records import MODELS, Nodes, load
from pipelines.linkage.review_queue import review_queue
from pipelines.linkage.rules import NAME_ALONE
from pipelines.linkage.sample import Sample, draw
from pipelines.linkage.training_run import TrainingRun
from pipelines.queries import Say, silent

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LISTED = 20
"""Components that the figures of a night list when they were cut; all are in the table."""


@dataclass(frozen=True)
class Inside:
    """Every pair inside a component, of all party types: what the clusters at any cut are made from."""

    label: Ints
    """The component of each node; nodes follow (source, record_id)."""
    joins: Joins
    forbidden: Bools
    """Pairs that never-evidence keeps apart."""
    believed: Floats | None = None
    """Of each pair, as ``choose_cut`` takes it; None where only kept pairs are known."""


@dataclass(frozen=True)
class Linked:
    """What a night's linkage gives; Arrow tables in the shape of their declarations."""

    scored_pairs: pa.Table
    links: pa.Table
    clusters: pa.Table
    generic_values: pa.Table
    over_large_keys: pa.Table
    review_queue: pa.Table
    cut_components: pa.Table
    decision_states: pa.Table
    generation: Generation
    """The generation that linked the records."""
    generation_row: pa.Table | None
    """Its row of ``linkage/generations``; None where it is the one that was given."""
    is_changed: pa.Array
    """Of each row of ``clusters``, whether the record was scored against all others tonight."""
    inside: Inside | None
    """What the clusters were made from; None where part of them was made in an earlier night."""
    figures: dict[str, Any] = field(default_factory=dict)
    """Counts and notes for the run record; no personal values."""

    def all_inside(self) -> Inside:
        """``inside`` of records that were all linked now. Raises ValueError where they were not."""
        if self.inside is None:
            raise ValueError("part of these clusters was made in an earlier night: link without what it left")
        return self.inside


def link_night(
    records: pa.Table,
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None = None,
    say: Say = silent,
    sample: Sample | None = None,
    last: Remembered | None = None,
    decisions: pa.Table | None = None,
) -> Linked:
    """Link the records of a night.

    ``records`` has the columns of ``read_records``. Without ``previous`` the generation is trained
    on them; with it nothing is trained, and only generic values and over-large keys first seen tonight revise it.
    ``run``: labels that go into a training, and what it shows of itself. ``say`` is told what is
    being done. ``sample``: that the records are one, to train on; more records than
    ``training.max_records`` are trained on a sample of theirs. ``last``: what an earlier night left;
    only what changed since is scored, and the outcome is the same without it. ``decisions``: rows of
    ``linkage/decisions``, which ``cluster_final`` follows.
    Raises UsageError where columns are missing or a key stands twice.
    """
    given = previous
    if previous is None and sample is None and records.num_rows > conf.training.max_records:
        say("drawing a sample to train on")
        drawn, values = draw(records, conf)
        given = trained_on(drawn, values, records.num_rows, conf, business_date, run, say)
    with engine(conf) as connection:
        say(f"reading {records.num_rows:,} records")
        known = last is not None and previous is not None
        nodes = load(connection, records, conf, lazily=known)
        generic = find_generic(connection, conf)
        use_generic(connection, generic)
        if sample is not None:
            sample.mark(connection)
        recalled = None
        if last is not None and previous is not None:
            turned = carriers(connection, set(previous.generic).symmetric_difference(value_pairs(generic)))
            recalled = recall(connection, last, linked_by(previous, conf), turned)
        models: dict[str, Model] = {}
        evidence: list[Evidence] = []
        for name in MODELS:
            model = given.models[name] if given is not None else None
            models[name], found = gather(
                connection,
                name,
                model,
                nodes,
                conf,
                say,
                run=run,
                sample=sample,
                recalled=recalled,
                cut=None if given is None else given.cut,
            )
            evidence.append(found)
        say("clusters")
        generation = _generation(connection, nodes, generic, models, evidence, given, conf, business_date)
        if previous is None:
            # What training on a sample left out is no revision.
            generation = replace(generation, previous_id=None)
    return _linked(nodes, records, generic, evidence, generation, previous, conf, recalled, decisions)


def link_foreign(
    connection: duckdb.DuckDBPyConnection,
    nodes: Nodes,
    model: Model,
    conf: Linkage,
    business_date: date,
    say: Say = silent,
    *,
    every_pair: float | None = None,
) -> Linked:
    """Link the records of table ``people`` by the model that a user's own Splink settings gave.

    The rules about roles do not hold: the columns of the settings have none. ``people`` says the source
    where ``conf.duplicate_free`` names one. ``every_pair``: the pairs that there are; classes of relation without
    names are fitted and decide beside Splink's weight.
    """
    conf = conf.model_copy(update={"never": (), "rules": ()})
    fitted, found = gather(connection, FOREIGN, model, nodes, conf, say, every_pair=every_pair)
    no_values = generic_values.SCHEMA.empty_table()
    generation = _generation(
        connection, nodes, no_values, {FOREIGN: fitted}, [found], None, conf, business_date
    )
    return _linked(nodes, no_values, no_values, [found], generation, None, conf, None, None)


def trained_on(
    sample: Sample,
    values: tuple[tuple[str, str], ...],
    records: int,
    conf: Linkage,
    business_date: date,
    run: TrainingRun | None = None,
    say: Say = silent,
) -> Generation:
    """The generation of all ``records`` with their generic ``values``, trained on a sample of them.

    It knows no over-large keys: those of a sample are others.
    """
    trained = link_night(sample.records, None, conf, business_date, run, say, sample).generation
    return replace(trained, generic=values, over_large=(), records=records)


def _generation(
    connection: duckdb.DuckDBPyConnection,
    nodes: Nodes,
    generic: pa.Table,
    models: dict[str, Model],
    evidence: list[Evidence],
    previous: Generation | None,
    conf: Linkage,
    business_date: date,
) -> Generation:
    values, large = value_pairs(generic), over_large_keys(_over_large(evidence))
    if previous is not None:
        return previous.revised(values, large, business_date)
    joins, forbidden = _together(evidence)
    cut = choose_cut(
        connection,
        len(nodes),
        joins,
        _believed(evidence),
        forbidden,
        conf.cut_precision,
        conf.review_probability,
        conf.training.min_pairs,
    )
    candidates = sum(e.candidates for e in evidence)
    return Generation(models, values, cut, business_date, len(nodes), candidates, over_large=large)


def _over_large(evidence: list[Evidence]) -> pa.Table:
    return over_large_rows((e.model, e.over_large) for e in evidence)


def _together(evidence: list[Evidence]) -> tuple[Joins, Bools]:
    """The pairs of all party types as one, and which are forbidden: their components never touch."""
    joins = Joins(
        np.concatenate([e.left for e in evidence]),
        np.concatenate([e.right for e in evidence]),
        np.concatenate([e.judged.judged for e in evidence]),
        np.concatenate([e.judged.counted for e in evidence]),
        np.concatenate([e.judged.alone for e in evidence]),
        np.concatenate([e.judged.sure for e in evidence]),
    )
    return joins, np.concatenate([e.judged.forbidden for e in evidence])


def _believed(evidence: list[Evidence]) -> Floats:
    """Of every pair what the model believes before any rule; an exact rule is right by who wrote it."""
    believed: Floats = np.concatenate([np.where(e.judged.sure, 1.0, e.judged.believed) for e in evidence])
    return believed


def _linked(
    nodes: Nodes,
    records: pa.Table,
    generic: pa.Table,
    evidence: list[Evidence],
    generation: Generation,
    previous: Generation | None,
    conf: Linkage,
    recalled: Recalled | None,
    decisions: pa.Table | None,
) -> Linked:
    joins, forbidden = _together(evidence)
    grouped = clustered(len(nodes), joins, forbidden, generation.cut)
    label = reduce(np.minimum, (e.bounded.label for e in evidence))
    names = nodes.labels()
    layers = {layer: names.take(pa.array(group)) for layer, group in zip(LAYERS, grouped, strict=True)}
    scored = _scored(evidence, conf.review_probability)
    if recalled is not None:
        kept = ~np.logical_or.reduce([e.is_open for e in evidence])
        for layer, was in recalled.layers.items():
            layers[layer] = pc.if_else(pa.array(kept), was, layers[layer])
        still = recalled.pairs.filter(pa.array(kept[ints(recalled.pairs, "node_l")]))
        scored = pa.concat_tables([scored, still.select(scored.column_names).cast(scored.schema)])
    scored = scored.sort_by([("node_l", "ascending"), ("node_r", "ascending")])
    by_model, by_rules = _numbers(*layers.values())
    clusters = pa.table(
        {
            "source": nodes.source,
            "record_id": nodes.record_id,
            "party_type": nodes.party_type,
            **layers,
            "cluster_final": layers["cluster_rules"],
            "component": names.take(pa.array(label)),
            "fingerprint": _fingerprints(evidence, generation, conf),
        }
    ).cast(clusters_table.SCHEMA)
    decided = decide(around(clusters, records, decisions), decisions, generation, conf)
    clusters = with_final(clusters, decided)
    together, is_open = still_open(scored, by_rules, names, clusters, decided)
    scored = nodes.keyed(scored, scored_pairs.SCHEMA)
    inside = suspects_of(clusters, records, scored.filter(pa.array(together)), decided, generation.cut, conf)
    queue = review_queue(scored, pa.array(~is_open), generation.cut, inside, decided.states)
    cuts = {e.model: e.bounded.cuts for e in evidence}
    cut = cut_rows(cuts, {c.component: names[c.component].as_py() for found in cuts.values() for c in found})
    is_new = previous is None or generation.generation_id != previous.generation_id
    return Linked(
        scored,
        nodes.keyed(_links(evidence), links.SCHEMA),
        clusters,
        generic,
        _over_large(evidence),
        queue,
        cut,
        decided.states,
        generation,
        generation.row() if is_new else None,
        pa.array(np.logical_or.reduce([e.changed for e in evidence])),
        Inside(label, joins, forbidden, _believed(evidence)) if recalled is None else None,
        _figures(evidence, generation, scored, by_model, by_rules, queue, generic, cut, conf),
    )


def _numbers(first: pa.Array, second: pa.Array) -> tuple[Ints, Ints]:
    """Of two layers a number for each cluster; where they are the same, as they mostly are, once."""

    def numbered(names: pa.Array) -> Ints:
        numbers: Ints = names.dictionary_encode().indices.to_numpy().astype(np.int64)
        return numbers

    made = numbered(first)
    return made, made if first.equals(second) else numbered(second)


def _fingerprints(evidence: list[Evidence], generation: Generation, conf: Linkage) -> pa.Array:
    own = [e.fingerprint for e in evidence if e.fingerprint is not None]
    if not own:
        return pa.nulls(len(evidence[0].changed), pa.int64())
    return pa.array(reduce(np.bitwise_or, own) ^ linked_by(generation, conf))


def _links(evidence: list[Evidence]) -> pa.Table:
    """node_l, node_r and bits of all links, in order."""
    found = reduce(joined, (e.links for e in evidence))
    rows = pa.table({"node_l": found.left, "node_r": found.right, "bits": found.weight})
    return rows.sort_by([("node_l", "ascending"), ("node_r", "ascending")])


def _scored(evidence: list[Evidence], least: float) -> pa.Table:
    """node_l, node_r and what ``linkage/scored_pairs`` says of the pairs of tonight's evidence."""
    parts: list[pa.Table] = []
    for found in evidence:
        judged = found.judged
        kept = judged.probability >= least
        parts.append(
            pa.table(
                {
                    "node_l": found.left[kept],
                    "node_r": found.right[kept],
                    "match_weight": found.pairs["match_weight"].filter(kept),
                    "match_probability": found.pairs["match_probability"].filter(kept),
                    "same_person_probability": judged.probability[kept],
                    "relation": pa.array(judged.relation[kept], pa.string()),
                    "decided_by": pa.array(judged.decided_by[kept], pa.string()),
                    "blocked_by": pa.array(judged.blocked_by[kept], pa.string()),
                }
            )
        )
    return pa.concat_tables(parts)


def _by_rules(scored: pa.Table) -> int:
    """Pairs that an exact rule links."""
    return int(pc.sum(pc.starts_with(scored["decided_by"], "rule:")).as_py() or 0)


def _groups(label: Ints) -> int:
    return int((np.bincount(label, minlength=1) > 0).sum()) if len(label) else 0


def _figures(
    evidence: list[Evidence],
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
    changed, open_records = (
        sum(int(mask.sum()) for mask in masks)
        for masks in ([e.changed for e in evidence], [e.is_open for e in evidence])
    )
    candidates = sum(e.candidates for e in evidence)
    blocks = {
        f"{found.model}.{cost.rule}": {
            "pairs": cost.pairs,
            "capped_blocks": cost.capped_blocks,
            "largest_block": cost.largest_block,
            "records": int(found.changed.sum()),
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
        "changed_records": changed,
        "clustered_records": open_records,
        "candidate_pairs": candidates,
        "over_comparison_budget": candidates > conf.blocking.max_comparisons_per_record * changed,
        "scored_pairs": scored.num_rows,
        "links": int(pc.sum(likely).as_py() or 0),
        "split_by_rules": _groups(by_rules) - _groups(by_model),
        "review_queue": queue.num_rows,
        "generic_values": generic.num_rows,
        "cut": generation.cut,
        "generation_id": generation.generation_id,
        "kind": generation.kind,
        "linked_by_rules": _by_rules(scored),
        "largest_component": max((e.bounded.largest for e in evidence), default=0),
        "cut_components": cut.num_rows,
        # No keys here: the table linkage/cut_components has them.
        "largest_cut_components": cut.drop_columns(["component"]).slice(0, LISTED).to_pylist(),
        "blocks": blocks,
        "notes": [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes],
    }
