"""The stages of a night as data: what each reads and writes, and the function in between.

The only place that knows the order: it follows from the tables, which say who waits for whom.
The functions here fetch a stage's frames and hand them to the layer that does the work.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame

from pipelines import night_gold
from pipelines.bronze.batches import BATCHES, batch_rows, batches_frame
from pipelines.bronze.problems import stop_message
from pipelines.bronze.read import land
from pipelines.errors import UnusableFiles
from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS
from pipelines.gold.measures import MEASURES
from pipelines.gold.reconciliation import RECONCILIATION
from pipelines.gold.rfm import RFM
from pipelines.gold.rfm_cut_points import RFM_CUT_POINTS
from pipelines.gold.service import SERVICE
from pipelines.gold.xref import XREF
from pipelines.identity.assign import Identity
from pipelines.identity.build import build_identity
from pipelines.identity.changes import CHANGES
from pipelines.identity.frames import FEW
from pipelines.identity.renamed import renamed_prior
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.linkage.blocks import BLOCKS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.cut_components import CUT_COMPONENTS
from pipelines.linkage.decisions import DECISION_STATES, DECISIONS
from pipelines.linkage.generations import GENERATIONS
from pipelines.linkage.generic_values import GENERIC_VALUES
from pipelines.linkage.judgements import JUDGEMENTS
from pipelines.linkage.links import LINKS
from pipelines.linkage.over_large_keys import OVER_LARGE_KEYS
from pipelines.linkage.review_queue import REVIEW_QUEUE
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.linkage.touched_records import TOUCHED_RECORDS
from pipelines.night_linkage import link
from pipelines.night_silver import bronze_tables, received, silver
from pipelines.ops.profiles import PROFILES, build_profiles, delivered_feeds
from pipelines.ops.source_catalogue import SOURCES, same_rows, source_catalogue
from pipelines.ops.tables import OPS_TABLES
from pipelines.settings import CATALOGUE
from pipelines.silver.build import SILVER
from pipelines.silver.cases import CASES
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.silver.renames import RENAMES
from pipelines.stages import Content, Inputs, Night, Stage
from pipelines.tables import Table

if TYPE_CHECKING:
    import pyarrow as pa

    from pipelines.sources import Source

IDENTITY = (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, EVENTS)
LINKAGE = (
    SCORED_PAIRS,
    LINKS,
    CLUSTERS,
    TOUCHED_RECORDS,
    BLOCKS,
    CUT_COMPONENTS,
    GENERIC_VALUES,
    OVER_LARGE_KEYS,
    REVIEW_QUEUE,
    DECISION_STATES,
    GENERATIONS,
)
GIVEN = (DECISIONS, JUDGEMENTS)
"""What stewards wrote between the nights: a night reads it as it was when it started."""
GOLD = (CUSTOMERS, ATTRIBUTE_VALUES, XREF, RFM, RFM_CUT_POINTS, SERVICE, RECONCILIATION, MEASURES)
_OF_DELIVERIES = (PROFILES, SOURCES)
SMALL_DELIVERY = 2**26
"""Bytes of a night's files that are profiled in seconds."""
_TABLES = (*SILVER, RENAMES, *LINKAGE, *GIVEN, *IDENTITY, CHANGES, *GOLD)
PUBLISHED = {table.path: table for table in _TABLES}
"""By layer/table: what a night releases beside bronze."""


def catalogue(sources: Mapping[str, Source]) -> list[Table]:
    """Every table of the warehouse, in the order of the flow."""
    bronze = (BATCHES, *bronze_tables(sources).values())
    return [*bronze, *_TABLES, *_OF_DELIVERIES, *OPS_TABLES]


def published(path: str) -> bool:
    """True for a table that a release names: the operation's own are read at their newest, but for those about deliveries."""
    return not path.startswith("ops/") or path in {table.path for table in _OF_DELIVERIES}


def stages(sources: Mapping[str, Source]) -> list[Stage]:
    """The stages of a night for these sources."""
    bronze = (BATCHES, *bronze_tables(sources).values())
    return [
        Stage("bronze.land", bronze, _land, previous=(BATCHES,), takes_files=True, conf=("sources",)),
        Stage(
            "bronze.profile",
            _OF_DELIVERIES,
            _profile,
            reads=bronze,
            previous=(*_OF_DELIVERIES, RENAMES),
            takes_files=True,
            conf=("project", "sources", "cadences", CATALOGUE, "renames"),
        ),
        Stage(
            "silver.build",
            (*SILVER, RENAMES),
            silver,
            reads=bronze,
            previous=(*SILVER, RENAMES, BATCHES),
            conf=("project", "sources", "contracts", "renames"),
        ),
        Stage(
            "linkage.link",
            LINKAGE,
            link,
            reads=(CUSTOMER_RECORDS, DECISIONS, RENAMES),
            previous=(GENERATIONS, CLUSTERS, LINKS, SCORED_PAIRS),
            takes_generation=True,
            conf=("linkage",),
        ),
        Stage(
            "identity.assign",
            (*IDENTITY, CHANGES),
            _identity,
            reads=(CLUSTERS, TOUCHED_RECORDS, SCORED_PAIRS, DECISIONS, CUSTOMER_RECORDS, RENAMES),
            previous=(*IDENTITY, DECISIONS, CUSTOMER_RECORDS, RENAMES),
            takes_generation=True,
            conf=(),
        ),
        # Nothing waits for it but the release: gold is made beside it.
        Stage(
            "identity.audit",
            (),
            _nothing,
            reads=(*IDENTITY, CLUSTERS, RENAMES),
            previous=(*IDENTITY, RENAMES),
            conf=(),
        ),
        Stage(
            "gold.xref",
            (XREF,),
            night_gold.xref,
            reads=(ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, RENAMES),
            dated=False,
            conf=(),
        ),
        Stage(
            "gold.customers",
            (CUSTOMERS, ATTRIBUTE_VALUES),
            night_gold.customers,
            reads=(
                ASSIGNMENTS,
                ASSIGNMENT_HISTORY,
                ALIASES,
                XREF,
                CUSTOMER_RECORDS,
                ORDERS,
                RETURNS,
                BATCHES,
            ),
            previous=(CUSTOMERS, ATTRIBUTE_VALUES),
        ),
        # First of those that wait for customers: the longest.
        Stage(
            "gold.measures",
            (MEASURES,),
            night_gold.measures,
            reads=(
                ASSIGNMENTS,
                EVENTS,
                CUSTOMER_RECORDS,
                SCORED_PAIRS,
                CLUSTERS,
                JUDGEMENTS,
                RENAMES,
                CUSTOMERS,
                XREF,
                ORDERS,
                RETURNS,
            ),
            previous=(MEASURES, ASSIGNMENTS),
        ),
        Stage(
            "gold.rfm",
            (RFM, RFM_CUT_POINTS),
            night_gold.rfm,
            reads=(CUSTOMERS, XREF, ORDERS, RETURNS, BATCHES),
            previous=(RFM_CUT_POINTS,),
        ),
        Stage("gold.service", (SERVICE,), night_gold.service, reads=(CUSTOMERS, XREF, CASES, BATCHES)),
        Stage(
            "gold.reconciliation",
            (RECONCILIATION,),
            night_gold.reconciliation,
            reads=(CUSTOMERS, XREF, ORDERS, ORDER_LINES, RETURNS, CASES),
        ),
        Stage("quality.contracts", (), _nothing, reads=GOLD),
    ]


def put_off(night: Night) -> dict[str, str]:
    """Stages that a night begins only when another one has ended, of which they read nothing, by their names.

    A small delivery is profiled beside linkage, which leaves cores idle in one process, and not beside silver, which does
    not. A large one is profiled at once: its gate is not to stop the night when much has been linked.
    """
    is_small = night.is_like_last and sum(file.bytes for file in night.files) <= SMALL_DELIVERY
    return {"bronze.profile": "silver.build"} if is_small else {}


def _land(inputs: Inputs) -> Content:
    night, sources = inputs.night, inputs.settings.sources
    if not night.files:
        return {}
    landed = land(inputs.spark, night.files, sources, ingested_at=night.started_at)
    stop = stop_message(landed.problems)
    if stop is not None:
        raise UnusableFiles(stop, len({p.path for p in landed.problems if p.severity == "stop"}))
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


def _profile(inputs: Inputs) -> Content:
    delivered = delivered_feeds(inputs, bronze_tables(inputs.settings.sources))
    keep_days, today = inputs.settings.project.retention("ops"), inputs.night.business_date
    came = received(inputs)
    past = came.by_names_of_now(inputs.previous_arrow(PROFILES))
    content: dict[str, DataFrame | pa.Table] = {}
    if delivered:
        content[PROFILES.path] = build_profiles(delivered, past, today, keep_days)
    catalogued = source_catalogue(inputs.settings.sources, came.batch_rows())
    if not same_rows(catalogued, inputs.previous_arrow(SOURCES)):
        content[SOURCES.path] = catalogued
    return content


def _identity(inputs: Inputs) -> Content:
    prior, night = Identity(*[inputs.previous(table) for table in IDENTITY]), inputs.night
    # An adoption moves most of the register.
    is_ordinary = not night.is_full and night.generation is None
    are_few = is_ordinary and inputs.exists(TOUCHED_RECORDS) and inputs.rows(TOUCHED_RECORDS) <= FEW
    built = build_identity(
        inputs.frame(CLUSTERS),
        inputs.frame(TOUCHED_RECORDS) if are_few else None,
        inputs.frame(CUSTOMER_RECORDS),
        inputs.previous(CUSTOMER_RECORDS),
        inputs.frame(DECISIONS),
        inputs.previous(DECISIONS),
        prior,
        night.business_date,
        pairs=inputs.frame(SCORED_PAIRS),
        renamed=renamed_prior(inputs, prior),
        is_adoption=night.generation is not None,
        register=inputs.previous_rows(ASSIGNMENTS),
    )
    return built.tables


def _nothing(inputs: Inputs) -> Content:
    """A stage that only waits for its tables: its gate does the work."""
    return {}
