"""``silver/orders``, ``silver/order_lines`` and ``silver/returns``: what was sold and what came back.

An order's money, from its ``status`` and the ``amount`` that the source gives:

| status | amount | gross | returned by itself | net |
|---|---|---|---|---|
| cancelled | any | 0 | 0 | 0 |
| returned | any | abs(amount) | abs(amount) | 0 |
| other | ≥ 0 | amount | 0 | amount |
| other | < 0 | 0 | abs(amount) | amount |

A ``returned`` row stands for a sale that came back whole, whatever its sign: its original is in no
feed. A negative amount under another status is money given back against sales that are orders of
their own (a credit note), so it lowers net. Returns that are matched to an order add to its
``returned``; to a ``returned`` order only what exceeds its own, to a ``cancelled`` one nothing.
Hence net = gross − returned in every row and in every sum.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import Window as W
from pyspark.sql import functions as F

from pipelines.silver.mapping import PROVENANCE
from pipelines.tables import BOOLEAN, DATE, DOUBLE, LONG, MONEY, STRING, TIMESTAMP, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_P = Personal.PSEUDONYM
_Q = Personal.QUASI
_MONEY = "the order's currency"
QUANTITY_DECIMALS = 6
"""Of the pieces that were kept: a kilogram less three parts of it is nothing, whatever fractions of two add up to."""

ORDERS = Table(
    layer="silver",
    name="orders",
    grain="One order.",
    key=("source", "order_id"),
    owner="order management",
    check="net = gross - returned",
    columns=(
        Column("source", STRING, "System that took the order, and owns the customer record.", required=True),
        Column(
            "record_id", STRING, "Key of the customer record in that system; NULL without a customer.", _P
        ),
        Column("order_id", STRING, "The order's key.", _P, required=True),
        Column("ordered_at", TIMESTAMP, "When it was placed.", _Q, required=True),
        Column("order_date", DATE, "Day of it in the business zone.", _Q, required=True),
        Column("status", STRING, "completed, returned, cancelled, or the source's own word in lower case."),
        Column("gross", MONEY, "What was sold; 0 when cancelled.", _Q, _MONEY, required=True),
        Column(
            "returned",
            MONEY,
            "What came back up to the business date, whenever.",
            _Q,
            _MONEY,
            "own (status returned, negative amount) + Σ matched silver/returns.amount",
            required=True,
        ),
        Column("net", MONEY, "What is left.", _Q, _MONEY, "gross − returned", required=True),
        Column("currency", STRING, "ISO 4217 code; NULL where the source names none."),
        Column("channel", STRING, "Channel of the order, as the source calls it.", _Q),
        Column("store_id", STRING, "Store that took it.", _Q),
        Column("recipient_source", STRING, "Source of the record that receives it, where it is another."),
        Column("recipient_id", STRING, "Key of that record.", _P),
        Column("account_user_id", STRING, "Web account that was logged in.", _P),
        Column(
            "quantity_net",
            DOUBLE,
            "Pieces kept; NULL without lines, 0 when returned or cancelled.",
            _Q,
            "pieces",
            "Σ line quantity − Σ returned quantity; 0 where the money is back and a return names no quantity",
        ),
        Column("line_count", LONG, "Lines of it; NULL without.", _Q, "lines", "count(silver/order_lines)"),
        Column(
            "line_amount",
            MONEY,
            "Money of its lines, whatever its status; NULL without.",
            _Q,
            _MONEY,
            "Σ silver/order_lines.amount",
        ),
        *PROVENANCE,
    ),
)

ORDER_LINES = Table(
    layer="silver",
    name="order_lines",
    grain="One line of an order.",
    key=("order_id", "line_no"),
    owner="order management",
    columns=(
        Column("order_id", STRING, "Its order.", _P, required=True),
        Column(
            "line_no",
            STRING,
            "Its place in the order, or its row where the source numbers none.",
            required=True,
        ),
        Column("sku", STRING, "Article."),
        Column("product_name", STRING, "Article's name as received."),
        Column("category", STRING, "Article's category as received."),
        Column(
            "quantity", DOUBLE, "Pieces; negative where the source books a return as a line.", _Q, "pieces"
        ),
        Column("unit_price", MONEY, "Price of a piece.", _Q, _MONEY),
        Column("amount", MONEY, "Money of the line.", _Q, _MONEY),
        *PROVENANCE,
    ),
)

RETURNS = Table(
    layer="silver",
    name="returns",
    grain="One return.",
    key=("return_id",),
    owner="order management",
    columns=(
        Column("return_id", STRING, "The return's key.", _P, required=True),
        Column("order_id", STRING, "Order that it says it belongs to.", _P),
        Column("line_no", STRING, "Line of it."),
        Column("returned_at", TIMESTAMP, "When it was taken back.", _Q, required=True),
        Column("return_date", DATE, "Day of it in the business zone.", _Q, required=True),
        Column("channel", STRING, "Channel of the return, as the source calls it.", _Q),
        Column("store_id", STRING, "Store that took it back.", _Q),
        Column("quantity", DOUBLE, "Pieces taken back, as a positive number.", _Q, "pieces"),
        Column("amount", MONEY, "Money given back, as a positive number.", _Q, "its currency", required=True),
        Column("currency", STRING, "ISO 4217 code; the order's where the return names none."),
        Column("reason", STRING, "Reason as received."),
        Column(
            "is_matched",
            BOOLEAN,
            "True when its order is known and in the same currency; else its amount is in no order's returned.",
            required=True,
        ),
        *PROVENANCE,
    ),
)


def order_lines(rows: DataFrame) -> DataFrame:
    """``silver/order_lines`` from the standard rows of its feeds."""
    return ORDER_LINES.conform(rows)


def _local_date(moment: str, timezone: str) -> SparkColumn:
    return F.from_utc_timestamp(moment, timezone).cast(DATE)


def _one_order_an_id(orders: DataFrame) -> DataFrame:
    """``orders`` with ``_is_first``: lines and returns name no source, so that one order of an id takes them."""
    by_source = W.partitionBy("order_id").orderBy("source")
    return orders.withColumn("_is_first", F.row_number().over(by_source) == 1)


def returns(rows: DataFrame, orders: DataFrame | None, *, timezone: str) -> DataFrame:
    """``silver/returns``: ``rows`` and ``orders`` are standard rows of their feeds (None: no such feed)."""
    own = rows.withColumns(
        {"currency": F.upper("currency"), "return_date": _local_date("returned_at", timezone)}
    )
    if orders is None:
        unknown = {"_order_currency": F.lit(None).cast(STRING), "_is_known": F.lit(False)}
        joined = own.withColumns(unknown)
    else:
        known = _one_order_an_id(orders).filter("_is_first")
        found = known.select(
            "order_id", F.upper("currency").alias("_order_currency"), F.lit(True).alias("_is_known")
        )
        joined = own.join(found, on="order_id", how="left")
    is_same = F.col("currency").isNull() | F.col("currency").eqNullSafe(F.col("_order_currency"))
    return RETURNS.conform(
        joined.withColumns(
            {
                "is_matched": F.coalesce("_is_known", F.lit(False)) & is_same,
                "currency": F.coalesce("currency", "_order_currency"),
                "quantity": F.abs("quantity"),
                "amount": F.abs("amount"),
            }
        )
    )


def orders(
    rows: DataFrame,
    lines: DataFrame | None,
    matched: DataFrame | None,
    *,
    timezone: str,
    business_date: date,
) -> DataFrame:
    """``silver/orders``.

    ``rows``: standard rows of the order feeds. ``lines``: silver/order_lines; ``matched``:
    silver/returns; None where no such feed ever came in. Returns after ``business_date`` do not count yet.
    """
    amount, status = F.abs("amount"), F.lower("status")
    is_cancelled, is_returned = F.col("status") == "cancelled", F.col("status") == "returned"
    own = _one_order_an_id(rows).withColumns(
        {"status": status, "currency": F.upper("currency"), "order_date": _local_date("ordered_at", timezone)}
    )
    booked = own.withColumns(
        {
            "_gross": F.when(is_cancelled, 0)
            .when(is_returned, amount)
            .otherwise(F.greatest("amount", F.lit(0))),
            "_own": F.when(is_cancelled, 0)
            .when(is_returned, amount)
            .otherwise(F.greatest(-F.col("amount"), F.lit(0))),
        }
    )
    with_lines = _with(booked, _of_lines(lines), ["_pieces", "line_count", "line_amount"])
    with_returns = _with(with_lines, _back(matched, business_date), ["_back", "_pieces_back", "_has_unknown"])
    back = F.coalesce("_back", F.lit(0))
    returned = (
        F.when(is_cancelled, 0).when(is_returned, F.greatest("_own", back)).otherwise(F.col("_own") + back)
    )
    is_all_back = (F.col("gross") > 0) & (F.col("net") <= 0)
    pieces = F.when(is_cancelled | is_returned, F.abs("_pieces") * 0).when(
        is_all_back & F.col("_has_unknown"), F.least("_pieces", F.lit(0.0))
    )
    kept = F.col("_pieces") - F.coalesce("_pieces_back", F.lit(0.0))
    return ORDERS.conform(
        with_returns.withColumns({"gross": F.col("_gross").cast(MONEY), "returned": returned.cast(MONEY)})
        .withColumn("net", (F.col("gross") - F.col("returned")).cast(MONEY))
        .withColumn("quantity_net", F.round(F.coalesce(pieces, kept), QUANTITY_DECIMALS))
    )


def _of_lines(lines: DataFrame | None) -> DataFrame | None:
    if lines is None:
        return None
    return lines.groupBy("order_id").agg(
        F.sum("quantity").alias("_pieces"),
        F.count(F.lit(1)).alias("line_count"),
        # What is too much for money is not known, and reconciliation shows it.
        F.coalesce(F.sum("amount"), F.lit(0)).try_cast(MONEY).alias("line_amount"),
    )


def _back(matched: DataFrame | None, business_date: date) -> DataFrame | None:
    if matched is None:
        return None
    counted = matched.filter(F.col("is_matched") & (F.col("return_date") <= F.lit(business_date)))
    return counted.groupBy("order_id").agg(
        F.sum("amount").alias("_back"),
        F.sum("quantity").alias("_pieces_back"),
        F.max(F.col("quantity").isNull()).alias("_has_unknown"),
    )


_TYPES = {
    "_pieces": DOUBLE,
    "line_count": LONG,
    "line_amount": MONEY,
    "_back": MONEY,
    "_pieces_back": DOUBLE,
    "_has_unknown": BOOLEAN,
}


def _with(orders: DataFrame, by_order: DataFrame | None, names: list[str]) -> DataFrame:
    """``orders`` with the columns of ``by_order``, on the first order of each id; NULL without."""
    if by_order is None:
        return orders.withColumns({name: F.lit(None).cast(_TYPES[name]) for name in names})
    keyed = by_order.withColumnRenamed("order_id", "_of")
    is_its = (F.col("order_id") == F.col("_of")) & F.col("_is_first")
    return orders.join(keyed, on=is_its, how="left").drop("_of")
