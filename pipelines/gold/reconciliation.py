"""``gold/reconciliation``: the customers plus what is unassigned equal the sources, to the cent.

Two sums are made on two ways and meet only here. ``source_total`` adds up the silver table as
the source filled it. ``in_customers`` and ``unassigned`` add up the events as gold uses them,
after they were resolved: those of a customer that stands in gold/customers, and those of
nobody. Neither is the rest of the others, so an event that was lost, doubled, or given to a
customer that gold does not know makes the row not add up (``imbalances``). Lines and returns
are read once, and added up by what their order is in silver and by what it is in gold: one whose
order was lost, or is of another source, currency or an unknown customer in gold, does not add up.

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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, Window
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

_OF_ORDERS = ("order_id", "source", "currency", "gross", "returned", "net")
"""What is looked at of resolved orders, besides their side: the key first."""
_OF_SILVER, _OF_GOLD = "of_silver", "of_gold"
"""What the order of a line or return is, as silver holds it and as gold resolved it; NULL where it is not known."""
_UNASSIGNED = "unassigned"
_PLACE = ("source", "currency", "side")
"""What is asked of the order of a line or return."""
_PLACE_TYPE = f"struct<{','.join(f'{name}:{STRING}' for name in _PLACE)}>"
_ORDER_NUMBERS = {"_order_number": F.xxhash64, "_order_check": F.hash}
"""Column → hash of order_id. Orders are told apart by both, 96 bits, here where nothing but sums comes of them: that any two
of a thousand million share both has a chance of 6·10⁻¹², and numbers move and group faster than texts."""
_FEW = 100_000
"""Places that are numbered."""
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
    """Of rows that were added up (``_by_place``)."""
    return {"lines": F.sum("rows"), "line_amount": F.sum("amount")}


def _return_measures() -> Measures:
    """Of rows that were added up (``_by_place``)."""
    return {
        "return_rows": F.sum("rows"),
        "return_amount": F.sum("amount"),
        "unmatched_returns": F.sum(F.when(~F.col("is_matched"), F.col("amount"))),
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
    ``returns``: of silver. None where no source ever delivered them: no rows. Runs jobs. ``keep``: see ``queries``.
    """
    ids = customers.select("customer_id")
    silver_orders = None if orders is None else orders.silver
    resolved_orders = None if orders is None else keep(_with_side(orders.resolved, ids, _OF_ORDERS))
    sides: list[DataFrame] = []

    def reconcile(measures: Measures, silver: DataFrame, resolved: DataFrame) -> None:
        everything = silver.withColumn("side", F.lit("source_total"))
        sides.extend(_long(_added_up(events, measures), measures) for events in (everything, resolved))

    if silver_orders is not None and resolved_orders is not None:
        reconcile(_order_measures(), _with_currency(silver_orders), _with_currency(resolved_orders))
    if order_lines is not None or returns is not None:
        known = {}
        if silver_orders is not None and resolved_orders is not None:
            nobodys = silver_orders.withColumn("side", F.lit(None).cast(STRING))
            known = {_OF_SILVER: nobodys, _OF_GOLD: resolved_orders}
        booked = keep(_by_place(order_lines, returns, known, keep))
        if order_lines is not None:
            lines = booked.filter("is_line")
            reconcile(
                _line_measures(), *[_in_its_currency(_whose(lines, of)) for of in (_OF_SILVER, _OF_GOLD)]
            )
        if returns is not None:
            rows = booked.filter(~F.col("is_line"))
            silver, gold = _whose(rows, _OF_SILVER), _found_anew(_whose(rows, _OF_GOLD))
            reconcile(_return_measures(), _with_currency(silver), _with_currency(gold))
    if cases is not None:
        resolved_cases = _with_side(cases.resolved, ids, ("case_id", "source"))
        reconcile({"cases": F.count("*")}, _without_currency(cases.silver), _without_currency(resolved_cases))
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


def _with_side(resolved: DataFrame, ids: DataFrame, columns: Sequence[str]) -> DataFrame:
    """``columns`` of ``resolved`` events, the first of them their key, and side: in_customers, unassigned, or NULL: of a
    customer that is not among ``ids``."""
    known = ids.select(F.col("customer_id").alias("_owner"), F.lit(True).alias("is_known"))
    # Under one NULL the events of nobody would all go to one task.
    nobody = F.concat(F.lit("\n"), F.xxhash64(columns[0]).cast(STRING))
    side = F.when(F.col("customer_id").isNull(), _UNASSIGNED).when(F.col("is_known"), "in_customers")
    owned = resolved.select(*columns, "customer_id", F.coalesce("customer_id", nobody).alias("_owner"))
    return owned.join(known, on="_owner", how="left").select(*columns, side.alias("side"))


def _with_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.coalesce("currency", F.lit(NO_CURRENCY)))


def _without_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.lit(None).cast(STRING))


def _places(orders: DataFrame, keep: Keep) -> DataFrame | None:
    """The different ``_PLACE`` of ``orders``, numbered in their order: place. None where they are many."""
    found = keep(orders.select(*_PLACE).distinct().limit(_FEW + 1))
    if found.count() > _FEW:
        return None
    in_order = Window.orderBy(*[F.col(name).asc_nulls_first() for name in _PLACE])
    return keep(found.withColumn("place", F.row_number().over(in_order)))


def _order_numbers() -> list[SparkColumn]:
    """``_ORDER_NUMBERS``; NULL of no order."""
    is_named = F.col("order_id").isNotNull()
    return [F.when(is_named, number("order_id")).alias(name) for name, number in _ORDER_NUMBERS.items()]


def _placed(orders: DataFrame, places: DataFrame | None, name: str) -> DataFrame:
    """Of each of ``orders`` its ``_ORDER_NUMBERS``, and as ``name`` the number of its place, or the place itself."""
    key = _order_numbers()
    if places is None:
        return orders.select(*key, F.struct(*_PLACE).alias(name))
    numbered = places.select(
        *[F.col(column).alias(f"_{column}") for column in _PLACE], F.col("place").alias(name)
    )
    is_there = reduce(and_, [F.col(column).eqNullSafe(F.col(f"_{column}")) for column in _PLACE])
    return orders.join(F.broadcast(numbered), on=is_there, how="inner").select(*key, name)


def _by_place(
    order_lines: DataFrame | None,
    returns: DataFrame | None,
    orders: Mapping[str, DataFrame],
    keep: Keep,
) -> DataFrame:
    """Lines and returns added up by what their order is in each of ``orders``.

    is_line; of returns currency and is_matched; rows, amount; and by the name of each of ``orders`` the ``_PLACE`` of the
    order as a struct, NULL where it is not known. Lines and returns name no source: an id that two sources use is the
    first one's, as in silver. Runs jobs.

    Moving lines is the dear part, so they meet both kinds of orders once, by ``_ORDER_NUMBERS``, and the places of orders
    are moved as numbers too. A currency that is mapped wrongly may be another one in each order: then places are moved
    as they are.
    """
    parts = []
    if order_lines is not None:
        nothing = {"currency": STRING, "is_matched": "boolean"}
        own = {name: F.lit(None).cast(kind) for name, kind in nothing.items()}
        parts.append(order_lines.withColumns({"is_line": F.lit(True), **own}))
    if returns is not None:
        parts.append(returns.withColumn("is_line", F.lit(False)))
    kinds = ("is_line", "currency", "is_matched")
    columns: list[SparkColumn | str] = [*_order_numbers(), *kinds, "amount"]
    rows = reduce(DataFrame.unionByName, [part.select(*columns) for part in parts])
    places = {name: _places(frame, keep) for name, frame in orders.items()}
    if orders:
        placed = [_placed(frame, places[name], name) for name, frame in orders.items()]
        heads = reduce(lambda one, other: one.unionByName(other, allowMissingColumns=True), placed)
        first = heads.groupBy(*_ORDER_NUMBERS).agg(*[F.min(name).alias(name) for name in orders])
        rows = rows.join(first, on=list(_ORDER_NUMBERS), how="left")
    added_up = rows.groupBy(*kinds, *orders).agg(F.count("*").alias("rows"), F.sum("amount").alias("amount"))
    for name, numbered in places.items():
        if numbered is not None:
            place = numbered.select(F.col("place").alias("_place"), F.struct(*_PLACE).alias("_whole"))
            found = added_up.join(F.broadcast(place), on=F.col(name) == F.col("_place"), how="left")
            added_up = found.withColumn(name, F.col("_whole")).drop("_place", "_whole")
    return added_up


def _whose(rows: DataFrame, of: str) -> DataFrame:
    """``rows`` of ``_by_place`` with source and side of their order, and its currency as order_currency."""
    place = F.col(of) if of in rows.columns else F.lit(None).cast(_PLACE_TYPE)
    is_known = place.isNotNull()
    return rows.withColumns(
        {
            "source": F.coalesce(place["source"], F.lit(NO_SOURCE)),
            "order_currency": place["currency"],
            "side": F.when(is_known, place["side"]).otherwise(_UNASSIGNED),
            "is_known": is_known,
        }
    )


def _in_its_currency(lines: DataFrame) -> DataFrame:
    """``lines`` in the currency of their order."""
    return lines.withColumn("currency", F.coalesce("order_currency", F.lit(NO_CURRENCY)))


def _found_anew(returns: DataFrame) -> DataFrame:
    """``returns`` with ``is_matched`` by the orders that gold has, whatever silver said."""
    is_same = F.col("currency").isNull() | F.col("currency").eqNullSafe(F.col("order_currency"))
    return returns.withColumn("is_matched", F.col("is_known") & is_same)


def _added_up(events: DataFrame, measures: Measures) -> DataFrame:
    """One row per side, source and currency: every measure."""
    return events.groupBy("side", "source", "currency").agg(
        *[amount.alias(name) for name, amount in measures.items()]
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
