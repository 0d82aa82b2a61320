"""What speaks for every pair of one party type: blocked, scored, brought into components and judged.

With the night before at hand only what changed is scored: pairs that touch a changed record, and the
components that these, or a lost link, changed; of the pairs inside that last night did not keep only those that
decide who is joined (``left_out``).
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.errors import PadronError, UsageError
from pipelines.linkage import over_large_keys
from pipelines.linkage.blocking import RuleCost, block_inside, block_pairs, hold_keys
from pipelines.linkage.blocking_choice import with_rules
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.components import Bounded, Links, bounded_components, joined
from pipelines.linkage.conditions import check_affordable
from pipelines.linkage.config import Linkage
from pipelines.linkage.cut import is_kept_below, log_odds
from pipelines.linkage.dialects import columns_compared
from pipelines.linkage.exact_rules import chains
from pipelines.linkage.fingerprints import fingerprints
from pipelines.linkage.generations import Model
from pipelines.linkage.inside import InsideScorer
from pipelines.linkage.judge import Judged, judge
from pipelines.linkage.left_out import with_left_out
from pipelines.linkage.recall import Recalled
from pipelines.linkage.records import Nodes, choose, choose_more, prepare, prepare_lazily
from pipelines.linkage.relation import classify
from pipelines.linkage.relation_fit import fit_relations
from pipelines.linkage.sample import Sample
from pipelines.linkage.scoring import scorer
from pipelines.linkage.training import train_model
from pipelines.linkage.training_run import TrainingRun
from pipelines.linkage.unnamed import fit_unnamed, in_words
from pipelines.queries import Say

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ENDS = "(SELECT join_key_l AS node FROM blocked UNION SELECT join_key_r FROM blocked)"
"""SQL: the nodes of all candidate pairs."""
LEAST_WEIGHT = -12.0
"""Candidate pairs that Splink scores lower say nothing and are left out before anything else."""


class TooManyLinksError(PadronError):
    """More links than one process is allowed to solve."""


@dataclass(frozen=True)
class Evidence:
    """Every pair inside the components of one party type, with what speaks for it."""

    model: str
    bounded: Bounded
    """Components of all nodes; those of other party types stand alone."""
    links: Links
    """What the components are made of, but for the exact rules."""
    pairs: pa.Table
    """``inside.KEPT`` of ``score_pairs``."""
    judged: Judged
    costs: tuple[RuleCost, ...]
    fingerprint: Ints | None
    """Of each node, before what all records of a night share; None where nobody will ask."""
    changed: Bools
    """Nodes of the party type that were scored against all others."""
    is_open: Bools
    """Nodes of the party type in the components of which the pairs were scored."""
    over_large: pa.Table
    """``over_large_keys.FOUND`` of the party type."""

    @property
    def left(self) -> Ints:
        return ints(self.pairs, "node_l")

    @property
    def right(self) -> Ints:
        return ints(self.pairs, "node_r")

    @property
    def candidates(self) -> int:
        return sum(cost.pairs for cost in self.costs)


def gather(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    model: Model | None,
    nodes: Nodes,
    conf: Linkage,
    say: Say,
    *,
    run: TrainingRun | None = None,
    sample: Sample | None = None,
    recalled: Recalled | None = None,
    cut: float | None = None,
    every_pair: float | None = None,
) -> tuple[Model, Evidence]:
    """The evidence about the records of one party type, and the model that weighs it.

    Without ``model`` one is trained on them. ``recalled``: of what the same model linked before, only
    what changed is scored; ``cut``: the probability from which groups join, where it is known. ``run`` and
    ``sample``: those of ``link_night``; ``every_pair``: of ``link_foreign``.
    """
    is_new = model is None
    # The file of foreign settings is table ``people`` as it is.
    is_foreign = model is not None and model.is_foreign
    # Splink, which joins by a condition, wants all columns of all records at once.
    is_lazy = recalled is not None and not any(rule.condition for rule in (model.rules if model else ()))
    count = 0
    if is_lazy:
        prepare_lazily(connection, name)
    elif not is_foreign:
        count = prepare(connection, name)
    if model is None:
        say(f"{name}: training")
        model = _trained(connection, name, count, conf, run, sample)
    elif not model.is_foreign:
        columns = {row[0] for row in connection.execute("DESCRIBE people").fetchall()}
        check_compared(columns, name, model)
    rules = usable(model.rules, set(conf.fields))
    is_own = _nodes_of(connection, len(nodes))
    if not (is_new or is_foreign or is_own.any()):
        return model, _nothing(name, rules, len(nodes))
    say(f"{name}: blocks by {len(rules)} rules")
    check_affordable(connection, rules, conf.blocking)
    held = hold_keys(connection, rules, conf.blocking)
    prints = None if is_foreign else fingerprints(connection, "received", conf, name, len(nodes))
    touching, changed = None if sample is None else "drawn", is_own
    if recalled is not None and prints is not None:
        changed = is_own & recalled.changed(prints)
        touching = _listed(connection, "changed", changed)
    held.create(connection, "keys", None if recalled is None else held.shared_with(changed))
    free = conf.duplicate_free
    costs = block_pairs(connection, rules, held.capped, duplicate_free=free, touching=touching)
    sure = chains(connection, conf.rules)
    if is_lazy:
        choose(connection, conf, name, ENDS)
    say(f"{name}: scoring {_pairs_in_words(costs, int(changed.sum()), conf)}")
    # What the relation model does not look at is left out at once.
    is_splinks = is_foreign and every_pair is None
    least = float(log_odds(np.array(conf.review_probability))) if is_splinks else LEAST_WEIGHT
    with ExitStack() as opened:
        scores = opened.enter_context(scorer(connection, model))
        candidates = scores.of("blocked", least)
        if is_new and model.kind == "trained" and candidates.num_rows >= conf.training.min_pairs:
            of = count if sample is None else sample.stands_for(connection, name)
            model = _with_relations(name, model, candidates, of)
        if every_pair is not None:
            model = _with_unnamed(name, model, candidates, every_pair, conf)
        if is_new and run is not None:
            run.draw(connection, name, model)
        links = _links(model, candidates, conf)
        if recalled is not None:
            links = joined(links, recalled.still(is_own & ~changed))
        bounded = _bounded(name, links, sure, len(nodes), conf, say)
        is_open = is_own
        if recalled is not None:
            is_open = is_own & ~recalled.holds(bounded.label, changed)
            _listed(connection, "open_labels", is_open, bounded.label)
            if is_lazy:
                choose_more(connection, conf, name, "open_labels")
                # Splink must not go on with what it made of fewer records.
                opened.close()
                scores = opened.enter_context(scorer(connection, model))
            held.create(connection, "keys", held.of(is_open))
            block_inside(connection, rules, "open_labels", free)
        connection.execute("DROP TABLE keys")
        label = np.where(is_open, bounded.label, np.arange(len(nodes)))
        told = None
        if recalled is not None and cut is not None and is_kept_below(cut, conf.review_probability):
            told = recalled.told(is_open & ~changed)
        judged_by = partial(judge, connection, name, model, tuple(rule.name for rule in rules), conf=conf)
        of_pairs = InsideScorer(connection, scores.of, judged_by, nodes, conf.task_pairs, free)
        inside, judged = of_pairs.inside(label, candidates, told)
        if told is not None and cut is not None:
            inside, judged = with_left_out(of_pairs, (inside, judged), cut, told.cluster)
    return model, Evidence(
        name, bounded, links, inside, judged, costs, prints, changed, is_open, held.over_large
    )


def _nothing(name: str, rules: tuple[Rule, ...], nodes: int) -> Evidence:
    """The evidence about no records of a party type, where it had a model already."""
    none = np.zeros(0, np.int64)
    pairs = pa.table({"node_l": none, "node_r": none, "rule": none})
    for column in ("match_weight", "match_probability"):
        pairs = pairs.append_column(column, pa.array([], pa.float64()))
    nowhere, numbers, words = np.zeros(0, bool), np.zeros(0), np.zeros(0, object)
    judged = Judged(numbers, numbers, numbers, numbers, nowhere, nowhere, words, words, nowhere, words)
    alone = Bounded(np.arange(nodes, dtype=np.int64), min(nodes, 1), ())
    costs = tuple(RuleCost(rule.name, 0, 0, 0) for rule in rules)
    own = np.zeros(nodes, bool)
    prints, links = np.zeros(nodes, np.int64), Links(none, none, numbers)
    return Evidence(
        name, alone, links, pairs, judged, costs, prints, own, own, over_large_keys.FOUND.empty_table()
    )


def _nodes_of(connection: duckdb.DuckDBPyConnection, nodes: int) -> Bools:
    """Which nodes stand in table ``people``."""
    found = np.zeros(nodes, bool)
    found[ints(connection.sql("SELECT node FROM people").to_arrow_table(), "node")] = True
    return found


def _listed(
    connection: duckdb.DuckDBPyConnection, table: str, chosen: Bools, label: Ints | None = None
) -> str:
    """Create ``table`` of the ``chosen`` nodes, with their label where it is given."""
    node = np.flatnonzero(chosen)
    columns = {"node": node} if label is None else {"node": node, "label": label[node]}
    connection.register("listed", pa.table(columns))
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM listed")
    connection.unregister("listed")
    return table


def _trained(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    count: int,
    conf: Linkage,
    run: TrainingRun | None,
    sample: Sample | None,
) -> Model:
    """A new model with its blocking rules."""
    roles: set[str] = set(conf.fields)
    model = train_model(connection, name, roles, count, conf, run, sample)
    return with_rules(connection, name, model, roles, conf, sample, is_shown=run is not None)


def _with_relations(name: str, model: Model, candidates: pa.Table, records: int) -> Model:
    """The model with the relations that it sees among its candidates."""
    relations = fit_relations(name, candidates, model.settings, records)
    notes = list(model.notes)
    if relations.doubt is not None:
        notes.append(f"the relation model {relations.doubt}: Splink's probability decides")
    return replace(model, relations=relations, notes=tuple(notes))


def _with_unnamed(name: str, model: Model, candidates: pa.Table, all_pairs: float, conf: Linkage) -> Model:
    """The model with the classes without names that it sees among its candidates."""
    relations = fit_unnamed(name, candidates, model.settings, all_pairs, conf.training.seed)
    said = (
        f"the relation model {relations.doubt}: Splink's probability decides"
        if relations.doubt is not None
        else f"classes of relation decide beside Splink's weight: {in_words(relations)}"
    )
    return replace(model, relations=relations, notes=(*model.notes, said))


def _pairs_in_words(costs: tuple[RuleCost, ...], records: int, conf: Linkage) -> str:
    """The candidate pairs, and that they are above the budget of comparisons where they are."""
    pairs, budget = sum(cost.pairs for cost in costs), conf.blocking.max_comparisons_per_record
    above = f", {pairs // records:,} a record (budget: {budget:,})" if pairs > budget * records > 0 else ""
    return f"{pairs:,} pairs{above}"


def _links(model: Model, candidates: pa.Table, conf: Linkage) -> Links:
    """The candidates that may be one party."""
    probability, _ = classify(model.relations, candidates)
    kept = probability >= conf.review_probability
    return Links(
        ints(candidates, "node_l")[kept], ints(candidates, "node_r")[kept], log_odds(probability[kept])
    )


def _bounded(
    name: str, links: Links, sure: tuple[Ints, Ints], nodes: int, conf: Linkage, say: Say
) -> Bounded:
    """The components of the links and of what the exact rules link (``sure``)."""
    links = joined(links, Links(*sure, np.full(len(sure[0]), np.inf)))
    if len(links) > conf.max_links:
        raise TooManyLinksError(
            f"linkage: {len(links):,} links are more than max_links ({conf.max_links:,}) in conf/linkage.yml: set "
            "placement: many there, which takes them in parts."
        )
    say(f"{name}: components of {len(links):,} links")
    return bounded_components(nodes, links, conf.max_component)


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


def ints(table: pa.Table, column: str) -> Ints:
    """A column of whole numbers without blanks."""
    values: Ints = table[column].to_numpy().astype(np.int64)
    return values
