"""The gates of a night: each looks at what its stage wrote and says whether the night may go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.gold.reconciliation import RECONCILIATION, imbalances
from pipelines.gold.xref import XREF
from pipelines.identity.assign import Identity
from pipelines.identity.audit import audit
from pipelines.identity.renamed import renamed_prior
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.linkage.blocks import BLOCKS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.cut_components import CUT_COMPONENTS
from pipelines.linkage.decisions import CONTRADICTED, DECISION_STATES, DECISIONS, standing, unknown
from pipelines.linkage.generations import GENERATIONS, newest
from pipelines.ops.deletion_checks import deletions
from pipelines.ops.delivery_checks import delivered, held_back, received_rows
from pipelines.ops.gates import Verdict, graded, listed, owned, verdict
from pipelines.ops.generations import change_by
from pipelines.ops.sales import Basis
from pipelines.silver.history import looked_back_to
from pipelines.silver.orders import ORDERS
from pipelines.silver.outcome_counts import OUTCOME_COUNTS
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.received import Received
from pipelines.silver.renames import RENAMES, decisions_now

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.stages import Inputs
    from pipelines.tables import Table

Feeds = Mapping[tuple[str, str], "Table"]
IDENTITY = (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, EVENTS)


def landing(inputs: Inputs) -> list[Verdict]:
    """``landing``: what lies in the landing folder and was not expected there."""
    problems = inputs.night.problems
    return verdict(
        inputs.settings.project,
        "landing",
        value=len(problems),
        bound=0,
        message=listed(problems, separator=" "),
    )


def landed(feeds: Feeds) -> Callable[[Inputs], list[Verdict]]:
    """What is checked when the files have landed."""
    too_many = deletions(feeds)
    return lambda inputs: owned(
        [*landing(inputs), *delivered(inputs), *too_many(inputs)], inputs.settings.sources
    )


def rows_conserved(feeds: Feeds) -> Callable[[Inputs], list[Verdict]]:
    """``rows_conserved``: every bronze row by the tables' logs has one outcome or is history; and ``quarantine``."""

    def gate(inputs: Inputs) -> list[Verdict]:
        counted = _by_feed(inputs.arrow(OUTCOME_COUNTS))
        received = Received(inputs, feeds)
        batches = received.batch_rows()
        skipped: dict[tuple[str, str], int] = {}
        for row in [] if batches is None else batches.to_pylist():
            if row["status"] != "landed":
                key = row["source"], row["feed"]
                skipped[key] = skipped.get(key, 0) + row["rows"]
        lost = 0
        for key in feeds:
            stands = sum(inputs.rows(table) for table in received.tables(key)) - skipped.get(key, 0)
            lost += abs(stands - (received_rows(counted[key]) if key in counted else 0))
        before = inputs.previous_arrow(OUTCOME_COUNTS)
        verdicts = [
            *verdict(
                inputs.settings.project,
                "rows_conserved",
                value=lost,
                bound=0,
                message=f"{lost:,} bronze rows have no outcome: look at silver/outcomes against bronze/batches.",
            ),
            *held_back(
                inputs.settings.project, counted, _by_feed(before), _held_anew(inputs), _held_tonight(inputs)
            ),
        ]
        return owned(verdicts, inputs.settings.sources)

    return gate


def _held_anew(inputs: Inputs) -> dict[tuple[str, str], int]:
    """How many rows more are in quarantine than at the last release, by (source, feed) that has history.

    Counted since the date that the last release says to look back to: what lies before was held back earlier, whether
    or not the night looks at it again.
    """
    tables = inputs.dataset(QUARANTINE), inputs.previous_dataset(QUARANTINE)
    since = looked_back_to(inputs.previous_arrow(OUTCOME_COUNTS), inputs.settings.sources)
    found = {}
    for (source, feed), day in since.items():
        rows = (
            (pc.field("source") == source) & (pc.field("feed") == feed) & (pc.field("_landing_date") >= day)
        )
        now, before = (0 if table is None else table.count_rows(filter=rows) for table in tables)
        found[source, feed] = now - before
    return found


def _held_tonight(inputs: Inputs) -> dict[tuple[str, str], int]:
    """How many rows of tonight's files are in quarantine, by (source, feed) that has such files."""
    table, found = inputs.dataset(QUARANTINE), {}
    batches: dict[tuple[str, str], list[str]] = {}
    for file in inputs.night.files:
        batches.setdefault((file.source, file.feed), []).append(file.batch_id)
    for key, ids in batches.items():
        found[key] = 0 if table is None else table.count_rows(filter=pc.field("_batch_id").isin(ids))
    return found


def _by_feed(outcomes: pa.Table | None) -> dict[tuple[str, str], dict[str, Any]]:
    """The rows of silver/outcomes by (source, feed)."""
    return {(row["source"], row["feed"]): row for row in (outcomes.to_pylist() if outcomes else [])}


def linked(inputs: Inputs) -> list[Verdict]:
    """What is checked when the records are linked."""
    return [
        *generation(inputs),
        *model(inputs),
        *comparisons(inputs),
        *component_size(inputs),
        *decisions(inputs),
    ]


def generation(inputs: Inputs) -> list[Verdict]:
    """``generation``: a night that adopts one waits until somebody agrees to what it changes."""
    adopted = inputs.night.generation
    if adopted is None:
        return []
    before, clusters = inputs.previous_dataset(ASSIGNMENTS), inputs.dataset(CLUSTERS)
    if before is None or clusters is None:
        return []
    standing = {table.path: inputs.previous_dataset(table) for table in (ORDERS, XREF)}
    found = change_by(before, clusters, standing, inputs.settings.linkage, Basis.of(inputs.settings))
    changed = found.effect.customers_before - found.effect.customers["unchanged"]
    said = f"{adopted.generation_id} would change {found.in_words()}."
    if inputs.night.is_approved:
        agreed = verdict(inputs.settings.project, "generation", value=0, bound=0, message="")
        return [{**row, "message": f"agreed to: {said}"} for row in agreed]
    return verdict(
        inputs.settings.project,
        "generation",
        value=changed,
        bound=0,
        message=f"{said} To agree: padron generations adopt, or the same run with --approve.",
    )


def model(inputs: Inputs) -> list[Verdict]:
    """``model``: what training had to work round, in the night that made the generation."""
    generation = newest(inputs.arrow(GENERATIONS))
    # A revision was trained in another night, which said it.
    is_revision = generation is not None and generation.previous_id is not None
    if generation is None or is_revision or generation.created_on != inputs.night.business_date:
        return []
    said = [f"{name}: {note}" for name, m in sorted(generation.models.items()) for note in m.notes]
    return verdict(
        inputs.settings.project,
        "model",
        value=len(said),
        bound=0,
        message=f"{listed(said)}. The report of the training says more.",
    )


def comparisons(inputs: Inputs) -> list[Verdict]:
    """``comparisons``: pairs that blocking brought, as a multiple of the budget; blocks above the cap are named."""
    blocking, table = inputs.settings.linkage.blocking, inputs.arrow(BLOCKS)
    rows = [] if table is None else table.to_pylist()
    found = []
    for name in sorted({row["model"] for row in rows}):
        rules = [row for row in rows if row["model"] == name]
        pairs, records = sum(row["pairs"] for row in rules), rules[0]["records"]
        said = [
            f"{pairs / max(records, 1):,.1f} pairs a record (budget {blocking.max_comparisons_per_record:,})"
        ]
        if pairs:
            most = max(rules, key=lambda row: row["pairs"])
            said.append(f"{most['rule']} brought {most['pairs']:,} of {pairs:,}")
        if capped := [row for row in rules if row["capped_blocks"]]:
            largest = max(capped, key=lambda row: row["largest_block"])
            said.append(
                f"{sum(row['capped_blocks'] for row in capped):,} blocks above {blocking.max_block:,} records were "
                f"subdivided (linkage/over_large_keys), the largest {largest['largest_block']:,} of {largest['rule']}"
            )
        found += graded(
            inputs.settings.project,
            "comparisons",
            value=pairs / max(records, 1) / blocking.max_comparisons_per_record,
            rows=records,
            about=name,
            message=f"{'; '.join(said)}. linkage/blocks has every rule.",
        )
    return found


def component_size(inputs: Inputs) -> list[Verdict]:
    """``component_size``: components that were too large to be one party and were cut."""
    found = inputs.arrow(CUT_COMPONENTS)
    rows = [] if found is None else sorted(found.to_pylist(), key=lambda row: -row["records"])
    said = [
        f"{row['records']:,} records ({row['model']}) cut into {row['pieces']:,} pieces of at most "
        f"{row['largest_piece']:,} at a probability of {row['lowest_threshold']:.3g} to {row['highest_threshold']:.5g}"
        for row in rows
    ]
    message = f"{listed(said)}. linkage/cut_components names them: look for a value that many share."
    return verdict(inputs.settings.project, "component_size", value=len(said), bound=0, message=message)


def decisions(inputs: Inputs) -> list[Verdict]:
    """``decisions``: what stewards decided and cannot be had, because older decisions or evidence stand against it,
    and what names records or decisions that nobody knows."""
    found = inputs.arrow(DECISION_STATES)
    rows = [] if found is None else found.to_pylist()
    held = [
        f"{row['decision_id']} ({', '.join(row['against'])})" for row in rows if row["state"] == CONTRADICTED
    ]
    named = decisions_now(inputs.arrow(DECISIONS), inputs.arrow(RENAMES))
    places = inputs.settings.decision_places
    lost = [
        f"{places.get(each.decision_id, each.decision_id)} {each.in_figures()}"
        for each in unknown(named, _delivered(inputs, named))
    ]
    told = []
    if held:
        told.append(f"held back: {listed(held)}. `padron decide list` says what can be done.")
    if lost:
        told.append(f"unknown: {listed(lost)}. Correct them; `padron decide list` shows what they name.")
    return verdict(
        inputs.settings.project, "decisions", value=len(held) + len(lost), bound=0, message=" ".join(told)
    )


def _delivered(inputs: Inputs, named: pa.Table | None) -> set[str]:
    """The records that decisions name and that are live tonight or ever were: as few as stewards name."""
    names = sorted({(name,) for decision in standing(named) for name in decision.records})
    if not names:
        return set()
    asked = F.broadcast(inputs.spark.createDataFrame(names, "name string"))
    records = [inputs.frame(CLUSTERS), inputs.previous(ASSIGNMENT_HISTORY)]
    found = reduce(
        DataFrame.unionByName,
        [frame.select(F.concat("source", F.lit(":"), "record_id").alias("name")) for frame in records],
    ).join(asked, on="name", how="semi")
    return {row["name"] for row in found.distinct().collect()}


def identity_kept(inputs: Inputs) -> list[Verdict]:
    """``identity_contract``: the invariants of the persistent ids, counted on tonight's tables."""
    previous = Identity(*[inputs.previous(table) for table in IDENTITY])
    renamed = renamed_prior(inputs, previous)
    previous = previous if renamed is None else renamed.prior
    current = Identity(*[inputs.frame(table) for table in IDENTITY])
    counts = audit(
        previous,
        current,
        inputs.frame(CLUSTERS),
        inputs.night.business_date,
        records=inputs.rows(CLUSTERS),
    ).collect()
    broken = {row["invariant"]: row["violations"] for row in counts if row["violations"]}
    said = [f"{name.replace('_', ' ')}: {rows:,} times not" for name, rows in sorted(broken.items())]
    return verdict(
        inputs.settings.project,
        "identity_contract",
        value=sum(broken.values()),
        bound=0,
        message=f"{listed(said)}. This is a fault of the program: keep the tables and report it.",
    )


def money_reconciled(inputs: Inputs) -> list[Verdict]:
    """``reconciliation``: customers and unassigned are the sources' totals, to the cent."""
    rows = imbalances(inputs.frame(RECONCILIATION)).collect()
    names = sorted({f"{row['measure']} of {row['source']}" for row in rows})
    return verdict(
        inputs.settings.project,
        "reconciliation",
        value=len(rows),
        bound=0,
        message=f"{listed(names)}: customers and unassigned do not make up the source (gold/reconciliation). "
        "This is a fault of the program: keep the tables and report it.",
    )


def schemas(tables: Sequence[Table]) -> Callable[[Inputs], list[Verdict]]:
    """``schema``: every table is stored as it is declared, and any engine can read it."""

    def gate(inputs: Inputs) -> list[Verdict]:
        wrong = [f"{t.path}: {found[0]}" for t in tables if (found := inputs.differences(t))]
        return verdict(
            inputs.settings.project,
            "schema",
            value=len(wrong),
            bound=0,
            message=f"{listed(wrong)}. A fault of the program, or tables of another version: keep the tables and report it.",
        )

    return gate
