"""``gold/reconciliation``: the customers plus what is unassigned equal the sources, to the cent.

Two sums are made on two ways and meet only here. ``source_total`` adds up the silver table as
the source filled it. ``in_customers`` and ``unassigned`` add up the events as gold uses them,
after they were resolved: those of a customer that stands in gold/customers, and those of
nobody. Neither is the rest of the others, so an event that was lost, doubled, or given to a
customer that gold does not know makes the row not add up (``imbalances``).

| measure | what | source | currency |
|---|---|---|---|
| orders | orders, whatever their status | the order's | – |
| gross, returns, net | silver/orders.gross, returned, net | the order's | the order's |
| lines | order lines | of their order | – |
| line_amount | money of the order lines | of their order | of their order |
| return_rows | rows of the returns feed | of their order | – |
| return_amount | money of these rows | of their order | their own |
| unmatched_returns | the part of return_amount that is in no order's returned | of their order | their own |
| cases | support cases | the case's | – |

Money is in the currency in which it was booked, never converted, and a line or return whose
order is not known is unassigned under the source ``unknown``. ``returns`` is what lowers net:
up to the business date, with what an order says itself (status returned, negative amount) and
without what is matched to none. ``return_amount`` is the feed as booked, so an accountant finds
every row of it again; ``unmatched_returns`` is what the orders' net still owes to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.gold.purchases import NO_CURRENCY
from pipelines.queries import Keep, as_it_is, no_rows
from pipelines.tables import STRING, Column, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn

TOTAL = "decimal(34,4)"
"""Sums of money of any number of rows, and counts."""
NO_SOURCE = "unknown"
COUNTS = ("orders", "lines", "return_rows", "cases")
"""The measures that are counted; the others are money."""
_SIDES = ("in_customers", "unassigned", "source_total")
_UNIT = "currency of the row; for counts orders, lines, returns or cases"

RECONCILIATION = Table(
    layer="gold",
    name="reconciliation",
    grain="One row a measure, currency and source; no total rows.",
    key=("measure", "currency", "source"),
    owner="finance",
    columns=(
        Column(
            "measure",
            STRING,
            "orders, gross, returns, net, lines, line_amount, return_rows, return_amount, unmatched_returns or cases.",
            required=True,
        ),
        Column("currency", STRING, "Currency of the money, XXX where none is named; NULL for counts."),
        Column(
            "source",
            STRING,
            "Source system of the order or case; unknown for lines and returns of an order that is not known.",
            required=True,
        ),
        Column(
            "in_customers",
            TOTAL,
            "What belongs to a customer of gold/customers.",
            unit=_UNIT,
            formula="Σ over events resolved to a customer of gold/customers",
            required=True,
        ),
        Column(
            "unassigned",
            TOTAL,
            "What belongs to nobody, or not yet.",
            unit=_UNIT,
            formula="Σ over events resolved to nobody",
            required=True,
        ),
        Column(
            "source_total",
            TOTAL,
            "What the sources delivered.",
            unit=_UNIT,
            formula="Σ over the silver table, without customers",
            required=True,
        ),
    ),
)

_OF_ORDERS = ("order_id", "source", "currency", "customer_id", "gross", "returned", "net")
"""What is looked at of resolved orders, which orders, lines and returns are all added up by."""
Measures = dict[str, "SparkColumn"]
"""Measure → its aggregate over events that have source and currency."""


def _order_measures() -> Measures:
    return {
        "orders": F.count("*"),
        "gross": F.sum("gross"),
        "returns": F.sum("returned"),
        "net": F.sum("net"),
    }


def _line_measures() -> Measures:
    return {"lines": F.count("*"), "line_amount": F.sum("amount")}


def _return_measures() -> Measures:
    return {
        "return_rows": F.count("*"),
        "return_amount": F.sum("amount"),
        "unmatched_returns": F.sum(F.when(F.col("is_unmatched"), F.col("amount"))),
    }


@dataclass(frozen=True)
class Booked:
    """Events as silver holds them, and as gold resolved them to ``customer_id``."""

    silver: DataFrame
    resolved: DataFrame


def build_reconciliation(
    customers: DataFrame,
    *,
    orders: Booked | None = None,
    order_lines: DataFrame | None = None,
    returns: DataFrame | None = None,
    cases: Booked | None = None,
    keep: Keep = as_it_is,
) -> DataFrame:
    """One row per measure, currency and source that a feed brought; see the module for the measures.

    ``customers``: gold/customers. ``orders`` and ``cases``: silver/orders and silver/cases, and the
    same with customer_id (``gold.ownership.resolve``) in their own currencies; ``order_lines`` and
    ``returns``: of silver. None where no source ever delivered them: no rows. ``keep``: see ``queries``.
    """
    ids = customers.select("customer_id")
    silver_orders = None if orders is None else orders.silver
    resolved_orders = None if orders is None else keep(orders.resolved.select(*_OF_ORDERS))
    sides: list[DataFrame] = []

    def reconcile(measures: Measures, silver: DataFrame, resolved: DataFrame) -> None:
        sides.append(_long(_source_total(silver, measures), measures))
        sides.append(_long(_by_owner(resolved, measures, ids), measures))

    if silver_orders is not None and resolved_orders is not None:
        reconcile(_order_measures(), _with_currency(silver_orders), _with_currency(resolved_orders))
    if order_lines is not None:
        reconcile(
            _line_measures(), _lines_of(order_lines, silver_orders), _lines_of(order_lines, resolved_orders)
        )
    if returns is not None:
        marked = returns.withColumn("is_unmatched", ~F.col("is_matched"))
        reconcile(
            _return_measures(), _returns_of(marked, silver_orders), _found_anew(returns, resolved_orders)
        )
    if cases is not None:
        reconcile({"cases": F.count("*")}, _without_currency(cases.silver), _without_currency(cases.resolved))
    if not sides:
        return no_rows(ids.sparkSession, RECONCILIATION.schema)
    total = reduce(DataFrame.unionByName, sides).groupBy("measure", "currency", "source")
    amounts = {side: F.sum(F.when(F.col("side") == side, F.col("amount"))) for side in _SIDES}
    return RECONCILIATION.conform(
        total.agg(*[F.coalesce(amount, F.lit(0)).alias(side) for side, amount in amounts.items()])
    )


def imbalances(reconciliation: DataFrame) -> DataFrame:
    """The rows of gold/reconciliation that do not add up: something was lost, doubled or has no owner.

    Empty where all is well. An event whose customer_id is not in gold/customers is in neither sum.
    """
    return reconciliation.filter(F.col("in_customers") + F.col("unassigned") != F.col("source_total"))


def _with_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.coalesce("currency", F.lit(NO_CURRENCY)))


def _without_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.lit(None).cast(STRING))


def _of_order(rows: DataFrame, orders: DataFrame | None) -> DataFrame:
    """``rows`` with order_source, order_currency and, from resolved orders, customer_id of their order.

    Lines and returns name no source: an id that two sources use is the first one's, as in silver.
    """
    owned = ("source", "currency", "customer_id")
    if orders is None:
        return rows.withColumns(
            {
                "order_source": F.lit(None).cast(STRING),
                "order_currency": F.lit(None).cast(STRING),
                "customer_id": F.lit(None).cast(STRING),
            }
        )
    head = F.struct(*[name for name in owned if name in orders.columns])
    heads = orders.groupBy("order_id").agg(F.min_by(head, F.col("source")).alias("head"))
    found = rows.join(heads, on="order_id", how="left")
    columns = {"order_source": F.col("head.source"), "order_currency": F.col("head.currency")}
    if "customer_id" in orders.columns:
        columns["customer_id"] = F.col("head.customer_id")
    return found.withColumns(columns).drop("head")


def _from_source(rows: DataFrame) -> DataFrame:
    return rows.withColumn("source", F.coalesce("order_source", F.lit(NO_SOURCE)))


def _lines_of(order_lines: DataFrame, orders: DataFrame | None) -> DataFrame:
    """``order_lines`` with source, currency and customer of their order."""
    of_order = _from_source(_of_order(order_lines, orders))
    return of_order.withColumn("currency", F.coalesce("order_currency", F.lit(NO_CURRENCY)))


def _returns_of(returns: DataFrame, orders: DataFrame | None) -> DataFrame:
    """``returns`` with source and customer of their order, in their own currency."""
    return _with_currency(_from_source(_of_order(returns, orders)))


def _found_anew(returns: DataFrame, orders: DataFrame | None) -> DataFrame:
    """``_returns_of`` with ``is_unmatched`` by the orders that gold has, whatever silver said."""
    of_order = _of_order(returns, orders)
    is_same = F.col("currency").isNull() | F.col("currency").eqNullSafe(F.col("order_currency"))
    is_matched = F.col("order_source").isNotNull() & is_same
    return _with_currency(_from_source(of_order.withColumn("is_unmatched", ~is_matched)))


def _source_total(events: DataFrame, measures: Measures) -> DataFrame:
    """One row per source and currency: every measure, whoever the events belong to."""
    return (
        events.groupBy("source", "currency")
        .agg(*[amount.alias(name) for name, amount in measures.items()])
        .withColumn("side", F.lit("source_total"))
    )


def _by_owner(events: DataFrame, measures: Measures, ids: DataFrame) -> DataFrame:
    """One row per side, source and currency; side is in_customers, unassigned, or NULL: an unknown customer's.

    Events are added up by customer first, so that those of nobody meet the join as a few rows.
    """
    by_customer = events.groupBy("customer_id", "source", "currency").agg(
        *[amount.alias(name) for name, amount in measures.items()]
    )
    known = ids.withColumn("is_known", F.lit(True))
    side = F.when(F.col("customer_id").isNull(), "unassigned").when(F.col("is_known"), "in_customers")
    return (
        by_customer.join(known, on="customer_id", how="left")
        .groupBy(side.alias("side"), "source", "currency")
        .agg(*[F.sum(name).alias(name) for name in measures])
    )


def _long(wide: DataFrame, measures: Measures) -> DataFrame:
    """``wide`` as one row per measure: side, source, measure, currency (NULL for counts), amount."""
    rows = [
        F.struct(
            F.lit(name).alias("measure"),
            (F.lit(None).cast(STRING) if name in COUNTS else F.col("currency")).alias("currency"),
            F.col(name).cast(TOTAL).alias("amount"),
        )
        for name in measures
    ]
    return wide.select("side", "source", F.explode(F.array(*rows)).alias("row")).select(
        "side", "source", "row.*"
    )
