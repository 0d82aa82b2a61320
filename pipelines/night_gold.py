"""The stages of gold in a night: they fetch the frames and hand them to the layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS, build_customers
from pipelines.gold.judged_quality import judged_quality, measured_rows
from pipelines.gold.measures import MEASURES, build_measures, measures_so_far
from pipelines.gold.ownership import customer_register, live_owners, record_owners, resolve, with_former_names
from pipelines.gold.purchases import purchase_sums
from pipelines.gold.rates import converted
from pipelines.gold.reconciliation import RECONCILIATION, Booked, BookedOrders, build_reconciliation
from pipelines.gold.rfm import RFM, build_rfm
from pipelines.gold.rfm_cut_points import RFM_CUT_POINTS
from pipelines.gold.service import SERVICE, build_service
from pipelines.gold.touched_customers import LastNight
from pipelines.gold.xref import XREF, build_xref
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.judgements import JUDGEMENTS
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.night_silver import received
from pipelines.silver.cases import CASES
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDER_LINES, ORDERS, RETURNS
from pipelines.silver.renames import RENAMES

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from pipelines.stages import Content, Inputs
    from pipelines.tables import Table

WORTH_TAKING_OVER = 5_000
"""Customers; fewer golden records are made again in less time than it takes to find out which are touched."""


def _delivered(inputs: Inputs, table: Table, target: str) -> DataFrame | None:
    """The silver table, or None where no feed ever filled it: its metrics are NULL, not 0."""
    return inputs.frame(table) if target in received(inputs).targets() else None


def xref(inputs: Inputs) -> Content:
    """Which customer a record is of, and which records a customer has."""
    owners = record_owners(*[inputs.frame(t) for t in (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES)])
    owners = with_former_names(owners, inputs.arrow(RENAMES))
    return {XREF.path: build_xref(owners)}


def _purchase_sums(inputs: Inputs) -> DataFrame | None:
    """``purchase_sums`` of tonight, once for all stages that ask; money in the reporting currency where there are rates. None
    without a feed of orders."""
    settings, currency = inputs.settings, inputs.settings.project.reporting_currency
    orders = _delivered(inputs, ORDERS, "orders")
    if orders is None:
        return None

    def added_up() -> DataFrame:
        owned = resolve(orders, inputs.frame(XREF))
        if settings.rates is not None and currency is not None:
            owned = converted(owned, inputs.spark.createDataFrame(settings.rates), currency)
        returns = _delivered(inputs, RETURNS, "returns")
        return purchase_sums(owned, returns, settings.metrics, inputs.night.business_date)

    return inputs.shared("purchase_sums", added_up)


def customers(inputs: Inputs) -> Content:
    """The single customer view, and every value that it chose from."""
    settings = inputs.settings
    assignments, history, aliases = (inputs.frame(t) for t in (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES))
    built = build_customers(
        inputs.frame(CUSTOMER_RECORDS),
        live_owners(inputs.frame(XREF)),
        customer_register(assignments, history, aliases),
        _purchase_sums(inputs),
        inputs.previous(CUSTOMERS),
        settings.survivorship,
        settings.metrics,
        inputs.night.business_date,
        received(inputs).stale("customer_records"),
        keep=inputs.keep,
        last=_gold_of_last_night(inputs),
    )
    return {CUSTOMERS.path: built.customers, ATTRIBUTE_VALUES.path: built.attribute_values}


def _gold_of_last_night(inputs: Inputs) -> LastNight | None:
    """What golden records may be taken over from, where there are so many that finding out which is worth it."""
    fits = all(map(inputs.previous_fits, (CUSTOMERS, ATTRIBUTE_VALUES)))
    if not (inputs.night.is_like_last and fits) or inputs.previous_rows(CUSTOMERS) < WORTH_TAKING_OVER:
        return None
    return LastNight(inputs.previous(CUSTOMERS))


def rfm(inputs: Inputs) -> Content:
    """Recency, frequency and money, and where the scores were cut."""
    settings = inputs.settings
    built = build_rfm(
        inputs.frame(CUSTOMERS),
        _purchase_sums(inputs),
        inputs.previous(RFM_CUT_POINTS),
        settings.metrics,
        inputs.night.business_date,
        stale_sources=received(inputs).stale("orders"),
        reporting_currency=settings.project.reporting_currency,
        keep=inputs.keep,
    )
    return {RFM.path: built.rfm, RFM_CUT_POINTS.path: built.cut_points}


def service(inputs: Inputs) -> Content:
    """What the contact centre knows of each customer."""
    cases = _delivered(inputs, CASES, "cases")
    built = build_service(
        inputs.frame(CUSTOMERS),
        None if cases is None else resolve(cases, inputs.frame(XREF)),
        inputs.settings.metrics,
        inputs.night.business_date,
        timezone=inputs.settings.project.timezone,
        stale_sources=received(inputs).stale("cases"),
    )
    return {SERVICE.path: built}


def reconciliation(inputs: Inputs) -> Content:
    """Money and counts of the customers beside those of the sources."""

    xref, sums = inputs.frame(XREF), _purchase_sums(inputs)
    orders, cases = _delivered(inputs, ORDERS, "orders"), _delivered(inputs, CASES, "cases")
    built = build_reconciliation(
        inputs.frame(CUSTOMERS),
        orders=None if orders is None or sums is None else BookedOrders(orders, resolve(orders, xref), sums),
        order_lines=_delivered(inputs, ORDER_LINES, "order_lines"),
        returns=_delivered(inputs, RETURNS, "returns"),
        cases=None if cases is None else Booked(cases, resolve(cases, xref)),
        keep=inputs.keep,
    )
    return {RECONCILIATION.path: built}


def measures(inputs: Inputs) -> Content:
    """How good the ids are and how much they moved, a row a measure and night."""
    tonight = build_measures(
        inputs.frame(ASSIGNMENTS),
        None if inputs.night.base_date is None else inputs.previous(ASSIGNMENTS),
        inputs.frame(EVENTS),
        inputs.frame(CUSTOMER_RECORDS),
        inputs.frame(SCORED_PAIRS),
        inputs.frame(CUSTOMERS),
        _purchase_sums(inputs),
        inputs.night.business_date,
    )
    judgements = inputs.arrow(JUDGEMENTS)
    said = judgements and judged_quality(
        judgements, inputs.arrow(RENAMES), inputs.frame(CUSTOMER_RECORDS), inputs.frame(CLUSTERS)
    )
    judged = measured_rows(said, inputs.night.business_date) if said else ()
    past, keep_days = inputs.previous_arrow(MEASURES), inputs.settings.project.retention("gold")
    return {MEASURES.path: measures_so_far(past, tonight, keep_days, judged)}
