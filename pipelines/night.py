"""The stages of a night as data: what each reads and writes, and the function in between.

The only place that knows the order: it follows from the tables, which say who waits for whom.
The functions here fetch a stage's frames and hand them to the layer that does the work.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import DataFrame

from pipelines.bronze.batches import BATCHES, batch_rows, batches_frame, stale_sources
from pipelines.bronze.problems import stop_message
from pipelines.bronze.read import land
from pipelines.bronze.tables import bronze_table
from pipelines.errors import GateStopped, UsageError
from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS, build_customers
from pipelines.gold.ownership import customer_register, record_owners, resolve
from pipelines.gold.rates import converted
from pipelines.gold.reconciliation import RECONCILIATION, Booked, build_reconciliation
from pipelines.gold.rfm import RFM, build_rfm
from pipelines.gold.rfm_cut_points import RFM_CUT_POINTS
from pipelines.gold.service import SERVICE, build_service
from pipelines.gold.xref import XREF, build_xref
from pipelines.identity.assign import Identity
from pipelines.identity.build import build_identity
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.cut_components import CUT_COMPONENTS
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.engine import free_memory, placement, read_records
from pipelines.linkage.generations import GENERATIONS, came_into_use, newest
from pipelines.linkage.generic_values import GENERIC_VALUES
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.linked_many import LinkedFrames
from pipelines.linkage.links import LINKS
from pipelines.linkage.many import link_many
from pipelines.linkage.recall import Remembered
from pipelines.linkage.recall_many import RememberedFrames
from pipelines.linkage.review_queue import REVIEW_QUEUE
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.ops import checks
from pipelines.ops.tables import OPS_TABLES
from pipelines.quality.contracts import check_contracts
from pipelines.silver.build import SILVER, build_from, classify_all
from pipelines.silver.cases import CASES
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.silver.outcomes import OUTCOME_COUNTS
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.targets import delivered_targets, uses
from pipelines.stages import Content, Inputs, Stage
from pipelines.storage import arrow_schema
from pipelines.tables import Table

if TYPE_CHECKING:
    from pipelines.ops.gates import Verdict
    from pipelines.ops.runner import Gate
    from pipelines.settings import Settings
    from pipelines.sources import Source

IDENTITY = (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, EVENTS)
LINKAGE = (
    SCORED_PAIRS,
    LINKS,
    CLUSTERS,
    CUT_COMPONENTS,
    GENERIC_VALUES,
    REVIEW_QUEUE,
    DECISIONS,
    GENERATIONS,
)
GOLD = (CUSTOMERS, ATTRIBUTE_VALUES, XREF, RFM, RFM_CUT_POINTS, SERVICE, RECONCILIATION)
_PUBLISHED = {table.path: table for table in (*SILVER, *LINKAGE, *IDENTITY, *GOLD)}


def bronze_tables(sources: Mapping[str, Source]) -> dict[tuple[str, str], Table]:
    """The bronze table of every declared feed, by (source, feed)."""
    return {(s.source, feed): bronze_table(s, feed) for s in sources.values() for feed in s.feeds}


def catalogue(sources: Mapping[str, Source]) -> list[Table]:
    """Every table of the warehouse, in the order of the flow."""
    bronze = (BATCHES, *bronze_tables(sources).values())
    return [*bronze, *SILVER, *LINKAGE, *IDENTITY, *GOLD, *OPS_TABLES]


def published(path: str) -> bool:
    """True for a table that a release names; the operation's own tables are read at their newest."""
    return not path.startswith("ops/")


def stages(sources: Mapping[str, Source]) -> list[Stage]:
    """The stages of a night for these sources."""
    bronze = bronze_tables(sources)

    return [
        Stage(
            "bronze.land",
            (BATCHES, *bronze.values()),
            _land,
            previous=(BATCHES,),
            takes_files=True,
            conf=("sources",),
        ),
        Stage(
            "silver.build",
            SILVER,
            _silver,
            reads=(BATCHES, *bronze.values()),
            conf=("project", "sources"),
        ),
        Stage(
            "linkage.link",
            LINKAGE,
            _link,
            reads=(CUSTOMER_RECORDS,),
            previous=(GENERATIONS, CLUSTERS, LINKS, SCORED_PAIRS),
            takes_generation=True,
            conf=("linkage",),
        ),
        Stage(
            "identity.assign",
            IDENTITY,
            _identity,
            reads=(CLUSTERS, DECISIONS, CUSTOMER_RECORDS),
            previous=(*IDENTITY, DECISIONS, CUSTOMER_RECORDS),
            takes_generation=True,
            conf=(),
        ),
        Stage(
            "gold.xref",
            (XREF,),
            _xref,
            reads=(ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES),
            dated=False,
            conf=(),
        ),
        Stage(
            "gold.customers",
            (CUSTOMERS, ATTRIBUTE_VALUES),
            _customers,
            reads=(ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, XREF, CUSTOMER_RECORDS, ORDERS, BATCHES),
            previous=(CUSTOMERS,),
        ),
        Stage(
            "gold.rfm",
            (RFM, RFM_CUT_POINTS),
            _rfm,
            reads=(CUSTOMERS, XREF, ORDERS, RETURNS, BATCHES),
            previous=(RFM_CUT_POINTS,),
        ),
        Stage("gold.service", (SERVICE,), _service, reads=(CUSTOMERS, XREF, CASES, BATCHES)),
        Stage(
            "gold.reconciliation",
            (RECONCILIATION,),
            _reconciliation,
            reads=(CUSTOMERS, XREF, ORDERS, ORDER_LINES, RETURNS, CASES),
        ),
        Stage("quality.contracts", (), _nothing, reads=GOLD),
    ]


def _fills(sources: Mapping[str, Source], key: tuple[str, str], targets: tuple[str, ...]) -> bool:
    source, feed = key
    return any(use.target in targets for use in uses(sources[source].feeds[feed]).values())


def _received(inputs: Inputs) -> dict[tuple[str, str], Table]:
    """The bronze tables of feeds that ever came in."""
    return {k: table for k, table in bronze_tables(inputs.settings.sources).items() if inputs.exists(table)}


def _delivered(inputs: Inputs, table: Table, target: str) -> DataFrame | None:
    """The silver table, or None where no feed ever filled it: its metrics are NULL, not 0."""
    is_there = target in delivered_targets(_received(inputs), inputs.settings.sources)
    return inputs.frame(table) if is_there else None


def _stale(inputs: Inputs, *targets: str) -> list[str]:
    """The stale source folders that fill ``targets``."""
    sources = inputs.settings.sources
    late = stale_sources(inputs.arrow(BATCHES), sources, inputs.night.business_date)
    return [
        name for name in late if any(_fills(sources, (name, feed), targets) for feed in sources[name].feeds)
    ]


def _land(inputs: Inputs) -> Content:
    night, sources = inputs.night, inputs.settings.sources
    if not night.files:
        return {}
    landed = land(inputs.spark, night.files, sources, ingested_at=night.started_at)
    stop = stop_message(landed.problems)
    if stop is not None:
        raise GateStopped(stop)
    # Read once: the rows are counted by batch besides being written.
    frames = inputs.keep_all(landed.tables)
    counts = reduce(DataFrame.unionByName, [batch_rows(frame) for frame in frames.values()])
    batches = batches_frame(
        inputs.spark,
        landed.heads,
        counts,
        business_date=night.business_date,
        ingested_at=night.started_at,
        released=night.base_date,
    )
    tables = bronze_tables(sources)
    return {**{tables[key].path: frame for key, frame in frames.items()}, BATCHES.path: batches}


def _silver(inputs: Inputs) -> Content:
    settings, received = inputs.settings, _received(inputs)
    filled = delivered_targets(received, settings.sources) | {QUARANTINE.name, OUTCOME_COUNTS.name}
    # A table that no feed fills is written once, empty, so that readers find it.
    content: dict[str, DataFrame | pa.Table] = {
        table.path: arrow_schema(table).empty_table()
        for table in SILVER
        if (not received or table.name not in filled) and not inputs.exists(table)
    }
    if received:
        bronze = {key: inputs.frame(table) for key, table in received.items()}
        # Every table is made of the same verdicts.
        classified = inputs.keep_all(classify_all(bronze, settings.sources, batches=inputs.frame(BATCHES)))
        built = build_from(
            classified, settings.sources, settings.project, business_date=inputs.night.business_date
        ).tables
        content |= {table.path: built[table.path] for table in SILVER if table.name in filled}
    return content


def _link(inputs: Inputs) -> Content:
    conf = inputs.settings.linkage
    adopted, known = inputs.night.generation, inputs.previous_arrow(GENERATIONS)
    generation, today = adopted or newest(known), inputs.night.business_date
    linked: Linked | LinkedFrames
    if placement(conf, inputs.rows(CUSTOMER_RECORDS), free_memory()) == "many":
        linked = link_many(
            inputs.frame(CUSTOMER_RECORDS), generation, conf, today, inputs.say, _last_frames(inputs)
        )
    else:
        records = inputs.ref(CUSTOMER_RECORDS)
        uris = records.file_uris() if records else []
        found = read_records(uris, conf)
        linked = link_night(found, generation, conf, today, say=inputs.say, last=_last(inputs))
    content: dict[str, DataFrame | pa.Table] = {
        SCORED_PAIRS.path: linked.scored_pairs,
        LINKS.path: linked.links,
        CLUSTERS.path: linked.clusters,
        CUT_COMPONENTS.path: linked.cut_components,
        GENERIC_VALUES.path: linked.generic_values,
        REVIEW_QUEUE.path: linked.review_queue,
    }
    new = came_into_use(linked.generation, adopted, known)
    if new is not None:
        content[GENERATIONS.path] = new
    if not inputs.exists(DECISIONS):
        content[DECISIONS.path] = arrow_schema(DECISIONS).empty_table()
    return content


REMEMBERED = (CLUSTERS, LINKS, SCORED_PAIRS)
"""What linkage needs of an earlier night, to score only what changed since."""


def _remembers(inputs: Inputs) -> bool:
    """True where the prior state has all of it, and the night is not told to forget it."""
    return not inputs.night.is_full and all(inputs.previous_fits(table) for table in REMEMBERED)


def _last(inputs: Inputs) -> Remembered | None:
    if not _remembers(inputs):
        return None
    clusters, links, pairs = (inputs.previous_arrow(table) for table in REMEMBERED)
    return Remembered(clusters, links, pairs)


def _last_frames(inputs: Inputs) -> RememberedFrames | None:
    if not _remembers(inputs):
        return None
    return RememberedFrames(*(inputs.previous(table) for table in REMEMBERED))


def _identity(inputs: Inputs) -> Content:
    prior = Identity(*[inputs.previous(table) for table in IDENTITY])
    built = build_identity(
        inputs.frame(CLUSTERS),
        inputs.frame(CUSTOMER_RECORDS),
        inputs.previous(CUSTOMER_RECORDS),
        inputs.frame(DECISIONS),
        inputs.previous(DECISIONS),
        prior,
        inputs.night.business_date,
        is_adoption=inputs.night.generation is not None,
    )
    return built.tables


def _xref(inputs: Inputs) -> Content:
    owners = record_owners(*[inputs.frame(t) for t in (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES)])
    return {XREF.path: build_xref(owners)}


def _customers(inputs: Inputs) -> Content:
    settings = inputs.settings
    identity = [inputs.frame(t) for t in (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES)]
    orders = _delivered(inputs, ORDERS, "orders")
    built = build_customers(
        inputs.frame(CUSTOMER_RECORDS),
        record_owners(*identity),
        customer_register(*identity),
        None if orders is None else resolve(orders, inputs.frame(XREF)),
        inputs.previous(CUSTOMERS),
        settings.survivorship,
        settings.metrics,
        inputs.night.business_date,
        _stale(inputs, "customer_records"),
    )
    return {CUSTOMERS.path: built.customers, ATTRIBUTE_VALUES.path: built.attribute_values}


def _rfm(inputs: Inputs) -> Content:
    settings = inputs.settings
    orders, currency = _delivered(inputs, ORDERS, "orders"), settings.project.reporting_currency
    if orders is not None:
        orders = resolve(orders, inputs.frame(XREF))
        if settings.rates is not None and currency is not None:
            orders = converted(orders, inputs.spark.createDataFrame(settings.rates), currency)
    built = build_rfm(
        inputs.frame(CUSTOMERS),
        orders,
        _delivered(inputs, RETURNS, "returns"),
        inputs.previous(RFM_CUT_POINTS),
        settings.metrics,
        inputs.night.business_date,
        is_stale=bool(_stale(inputs, "orders")),
        reporting_currency=currency,
    )
    return {RFM.path: built.rfm, RFM_CUT_POINTS.path: built.cut_points}


def _service(inputs: Inputs) -> Content:
    cases = _delivered(inputs, CASES, "cases")
    built = build_service(
        inputs.frame(CUSTOMERS),
        None if cases is None else resolve(cases, inputs.frame(XREF)),
        inputs.settings.metrics,
        inputs.night.business_date,
        timezone=inputs.settings.project.timezone,
        is_stale=bool(_stale(inputs, "cases")),
    )
    return {SERVICE.path: built}


def _reconciliation(inputs: Inputs) -> Content:
    def booked(table: Table, target: str) -> Booked | None:
        silver = _delivered(inputs, table, target)
        return None if silver is None else Booked(silver, resolve(silver, inputs.frame(XREF)))

    built = build_reconciliation(
        inputs.frame(CUSTOMERS),
        orders=booked(ORDERS, "orders"),
        order_lines=_delivered(inputs, ORDER_LINES, "order_lines"),
        returns=_delivered(inputs, RETURNS, "returns"),
        cases=booked(CASES, "cases"),
    )
    return {RECONCILIATION.path: built}


def _nothing(inputs: Inputs) -> Content:
    """A stage that only waits for its tables: its gate does the work."""
    return {}


def check_contracts_exist(settings: Settings) -> None:
    """Raises UsageError where conf/quality promises something of a table that a night does not publish."""
    for contract in settings.contracts:
        if contract.table not in _PUBLISHED:
            near = difflib.get_close_matches(contract.table, _PUBLISHED, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(f"conf/quality: {contract.table} is not a published table.{hint}")


def _contracts(inputs: Inputs) -> list[Verdict]:
    return check_contracts(inputs.settings.contracts, lambda path: inputs.frame(_PUBLISHED[path]))


def gates(sources: Mapping[str, Source]) -> dict[str, Gate]:
    """The gate that is checked when a stage has ended, by the stage's name."""
    feeds = bronze_tables(sources)
    as_declared = checks.schemas(tuple(_PUBLISHED.values()))
    return {
        "bronze.land": checks.landed(feeds),
        "silver.build": checks.rows_conserved(feeds),
        "linkage.link": checks.linked,
        "identity.assign": checks.identity_kept,
        "gold.reconciliation": checks.money_reconciled,
        "quality.contracts": lambda inputs: [*as_declared(inputs), *_contracts(inputs)],
    }
