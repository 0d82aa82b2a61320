"""``gold/reconciliation``: the customers plus what is unassigned equal the sources, to the cent.

Two sums are made on two ways and meet only here. ``source_total`` adds up the silver table as
the source filled it. ``in_customers`` and ``unassigned`` add up the events as gold uses them,
after they were resolved: those of a customer that stands in gold/customers, and those of
nobody. Neither is the rest of the others, so an event that was lost, doubled, or given to a
customer that gold does not know makes the row not add up (``imbalances``). Returns
are read once, and added up by what their order is in silver and by what it is in gold: one whose
order was lost, or is of another source, currency or an unknown customer in gold, does not add up.
Lines are added up by their orders, in silver and in gold.

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

Orders are added up by customer (``purchases.purchase_sums``), with the count and money of their lines that silver wrote
beside them, so that lines, of which there are most, meet no order here: all are counted and added up, and where that is not
what the orders of silver say, those of no order are looked for. A sum that nothing explains stands in the row of ``unknown``,
which then does not add up.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_LINES = ("lines", "line_amount")
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
            formula="Σ over the silver table, without customers; of lines by silver/orders.line_count and line_amount",
            required=True,
        ),
    ),
)

_OF_SILVER, _OF_GOLD = "of_silver", "of_gold"
"""What the order of a return is, as silver holds it and as gold resolved it; NULL where it is not known."""
_UNASSIGNED = "unassigned"
_PLACE = ("source", "currency", "side")
"""What is asked of the order of a return."""
_PLACE_TYPE = f"struct<{','.join(f'{name}:{STRING}' for name in _PLACE)}>"
Measures = dict[str, "SparkColumn"]
"""Measure → its aggregate over events that have source and currency."""


_MONEY = {"gross": "gross", "returns": "returned", "net": "net"}
"""Measure → the column of an order."""


def _of_silver(has_lines: bool) -> Measures:
    """Of silver/orders."""
    lines = {"lines": F.sum("line_count"), "line_amount": F.sum("line_amount")}
    money = {measure: F.sum(column) for measure, column in _MONEY.items()}
    return {"orders": F.count(F.lit(1)), **money, **(lines if has_lines else {})}


def _of_sums(has_lines: bool) -> Measures:
    """Of ``purchase_sums``."""
    lines = {name: F.sum(name) for name in ("lines", "line_amount")}
    money = {measure: F.sum(column) for measure, column in _MONEY.items()}
    return {"orders": F.sum("orders"), **money, **(lines if has_lines else {})}


def _return_measures() -> Measures:
    """Of rows that were added up (``_by_place``)."""
    return {
        "return_rows": F.sum("rows"),
        "return_amount": F.sum("amount"),
        "unmatched_returns": F.sum(F.when(~F.col("is_matched"), F.col("amount")).otherwise(0)),
    }


@dataclass(frozen=True)
class Booked:
    """Events as silver holds them, and as gold resolved them to ``customer_id``."""

    silver: DataFrame
    resolved: DataFrame


@dataclass(frozen=True)
class BookedOrders(Booked):
    """Orders besides with what they add up to by customer: ``purchases.purchase_sums``."""

    sums: DataFrame


def build_reconciliation(
    customers: DataFrame,
    *,
    orders: BookedOrders | None = None,
    order_lines: DataFrame | None = None,
    returns: DataFrame | None = None,
    cases: Booked | None = None,
    keep: Keep = as_it_is,
) -> DataFrame:
    """One row per measure, currency and source that a feed brought; see the module for the measures.

    ``customers``: gold/customers. ``orders`` and ``cases``: silver/orders and silver/cases, and the
    same with customer_id (``gold.ownership.resolve``) in their own currencies, and of orders their sums; ``order_lines`` and
    ``returns``: of silver. None where no source ever delivered them: no rows. Runs jobs. ``keep``: see ``queries``.
    """
    ids, has_lines = customers.select("customer_id"), order_lines is not None
    sides: list[DataFrame] = []
    of_silver = None
    if orders is not None:
        measured = _of_silver(has_lines)
        of_silver = keep(_added_up(_everything(_with_currency(orders.silver)), measured))
        sums = orders.sums.withColumn("currency", F.col("booked_currency"))
        owned = _with_side(sums, ids, ("source", "currency", "orders", *_MONEY.values(), *_LINES))
        sides += [
            _long(of_silver, measured),
            _long(_added_up(owned, _of_sums(has_lines)), measured),
        ]
    if order_lines is not None:
        sides += _of_no_order(order_lines, None if orders is None else orders.silver, of_silver)
    if returns is not None:
        booked = keep(_by_place(returns, orders, ids, keep))
        silver, gold = _whose(booked, _OF_SILVER), _found_anew(_whose(booked, _OF_GOLD))
        measured = _return_measures()
        sides += [
            _long(_added_up(_with_currency(rows), measured), measured) for rows in (_everything(silver), gold)
        ]
    if cases is not None:
        owned = _with_side(cases.resolved, ids, ("source",), key="case_id")
        measured = {"cases": F.count(F.lit(1))}
        sides += [
            _long(_added_up(_without_currency(rows), measured), measured)
            for rows in (_everything(cases.silver), owned)
        ]
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


def _everything(events: DataFrame) -> DataFrame:
    return events.withColumn("side", F.lit("source_total"))


def _with_side(
    resolved: DataFrame, ids: DataFrame, columns: Sequence[str], key: str | None = None
) -> DataFrame:
    """``columns`` of ``resolved`` rows, and side: in_customers, unassigned, or NULL: of a customer that is not among
    ``ids``. ``key``: a column of which each row has another value, where many are of nobody."""
    known = ids.select(F.col("customer_id").alias("_owner"), F.lit(True).alias("is_known"))
    # Under one NULL the events of nobody would all go to one task.
    nobody = F.lit("\n") if key is None else F.concat(F.lit("\n"), F.xxhash64(key).cast(STRING))
    side = F.when(F.col("customer_id").isNull(), _UNASSIGNED).when(F.col("is_known"), "in_customers")
    owned = resolved.select(*columns, "customer_id", F.coalesce("customer_id", nobody).alias("_owner"))
    return owned.join(known, on="_owner", how="left").select(*columns, side.alias("side"))


def _with_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.coalesce("currency", F.lit(NO_CURRENCY)))


def _without_currency(events: DataFrame) -> DataFrame:
    return events.withColumn("currency", F.lit(None).cast(STRING))


def _of_no_order(
    order_lines: DataFrame, orders: DataFrame | None, of_silver: DataFrame | None
) -> list[DataFrame]:
    """The lines that no order counts, as ``_long`` rows of ``unknown``; none where ``orders`` count all of them.

    ``of_silver``: what ``orders`` of silver add up to. Runs jobs.
    """
    totals = order_lines.agg(F.count(F.lit(1)), F.coalesce(F.sum("amount"), F.lit(0)).cast(TOTAL)).first()
    assert totals is not None
    lines, amount = totals
    unknown = order_lines
    if orders is not None and of_silver is not None:
        counted = of_silver.agg(*[F.coalesce(F.sum(name), F.lit(0)).cast(TOTAL) for name in _LINES]).first()
        assert counted is not None
        lines, amount = lines - int(counted[0]), amount - counted[1]
        if not lines and not amount:
            return []
        # By 96 bits of two hashes, because nothing but sums comes of it: texts take several times as long to move.
        numbers = [number("order_id").alias(f"_{number.__name__}") for number in (F.xxhash64, F.hash)]
        known = orders.select(*numbers)
        unknown = order_lines.select(*numbers, "amount").join(known, on=known.columns, how="left_anti")
    elif not lines:
        return []
    found = unknown.agg(F.count(F.lit(1)).alias("lines"), F.sum("amount").alias("line_amount"))
    left = order_lines.sparkSession.range(1).select(
        F.lit(lines).alias("lines"), F.lit(amount).cast(TOTAL).alias("line_amount")
    )
    measured = {name: F.col(name) for name in _LINES}
    return [
        _long(
            rows.withColumns(
                {"side": F.lit(side), "source": F.lit(NO_SOURCE), "currency": F.lit(NO_CURRENCY)}
            ),
            measured,
        )
        for rows, side in ((left, "source_total"), (found, _UNASSIGNED))
    ]


def _by_place(returns: DataFrame, orders: BookedOrders | None, ids: DataFrame, keep: Keep) -> DataFrame:
    """Returns added up by what their order is: currency, is_matched; rows, amount; and as ``_OF_SILVER`` and ``_OF_GOLD``
    the ``_PLACE`` of the order as a struct, NULL where it is not known.

    Returns name no source: an id that two sources use is the first one's, as in silver. Of the orders, most of which have
    none, only theirs are looked at.
    """
    rows, names = returns, (_OF_SILVER, _OF_GOLD)
    if orders is not None:
        wanted = keep(returns.select("order_id").filter(F.col("order_id").isNotNull()).distinct())
        silver, resolved = (
            frame.join(wanted, on="order_id", how="left_semi") for frame in (orders.silver, orders.resolved)
        )
        nobodys = silver.withColumn("side", F.lit(None).cast(STRING))
        owned = _with_side(resolved, ids, ("order_id", "source", "currency"), key="order_id")
        heads = reduce(
            lambda one, other: one.unionByName(other, allowMissingColumns=True),
            [
                frame.select("order_id", F.struct(*_PLACE).alias(name))
                for name, frame in zip(names, (nobodys, owned), strict=True)
            ],
        )
        first = heads.groupBy("order_id").agg(*[F.min(name).alias(name) for name in names])
        rows = rows.join(first, on="order_id", how="left")
    there = [name for name in names if name in rows.columns]
    return rows.groupBy("currency", "is_matched", *there).agg(
        F.count(F.lit(1)).alias("rows"), F.sum("amount").alias("amount")
    )


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
    """``wide`` as one row per measure that it has: side, source, measure, currency (NULL for counts), amount."""
    rows = [
        F.struct(
            F.lit(name).alias("measure"),
            (F.lit(None).cast(STRING) if name in COUNTS else F.col("currency")).alias("currency"),
            F.col(name).cast(TOTAL).alias("amount"),
        )
        for name in measures
    ]
    there = wide.select("side", "source", F.explode(F.array(*rows)).alias("row")).select(
        "side", "source", "row.*"
    )
    return there.filter(F.col("amount").isNotNull())
