"""What a customer bought: the facts that RFM, party states, the habitual rule, revenue jitter and reconciliation rest on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from pipelines.gold.config import Metrics
from pipelines.gold.rates import at_rate
from pipelines.tables import MONEY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

NO_CURRENCY = "XXX"
"""ISO 4217's code for money without a currency: it is a currency of its own, never a guess."""


def names_of(sources: Sequence[str]) -> Column:
    """The names of sources, sorted, as a column."""
    return F.array(*[F.lit(name) for name in sorted(sources)]).cast("array<string>")


def is_sale(metrics: Metrics) -> Column:
    """True where the order's status lets its money count."""
    status = F.coalesce("status", F.lit(""))
    allowed = ~status.isin(list(metrics.cancelled_statuses))
    return allowed if metrics.sale_statuses is None else allowed & status.isin(list(metrics.sale_statuses))


def is_counted(metrics: Metrics, net: str = "net") -> Column:
    """True for an order that is a purchase: a sale of which something was kept.

    By quantity where the order has lines, by the money in column ``net`` where it has none, so that a fully returned
    order does not count.
    """
    kept = F.coalesce(F.col("quantity_net") > 0, F.col(net) > 0, F.lit(False))
    return is_sale(metrics) & kept


def within(name: str, window_days: int | None, business_date: date) -> Column:
    """True where the date column lies in the window that ends with ``business_date`` (None: ever)."""
    until = F.col(name) <= F.lit(business_date)
    if window_days is None:
        return until
    return until & (F.col(name) > F.lit(business_date - timedelta(days=window_days)))


def _returns_by_order(returns: DataFrame, metrics: Metrics, business_date: date) -> DataFrame:
    """One row per order with returns: how much, ever and booked in the window."""
    known = returns.filter(F.col("is_matched") & (F.col("return_date") <= F.lit(business_date)))
    in_window = within("return_date", metrics.window_days, business_date)
    return known.groupBy(F.col("order_id")).agg(
        F.sum("amount").alias("returned_by_row"),
        F.sum(F.when(in_window, F.col("amount")).otherwise(0)).alias("returned_in_window"),
    )


def _booked(orders: DataFrame, returns: DataFrame | None, metrics: Metrics, business_date: date) -> DataFrame:
    """``orders`` with ``booked``: net revenue that the order brings to the window.

    A return row counts on its own date. What was returned without a row of its own counts on
    the order's date, so that over a lifetime the sum is the orders' net to the cent.
    """
    if returns is None:
        dated = orders.withColumns({"returned_by_row": F.lit(0), "returned_in_window": F.lit(0)})
    else:
        by_order = _returns_by_order(returns, metrics, business_date)
        is_returned = (F.col("orders.returned") != 0) & (F.col("orders.order_id") == F.col("back.order_id"))
        dated = (
            orders.alias("orders")
            .join(by_order.alias("back"), on=is_returned, how="left")
            .select("orders.*", "back.returned_by_row", "back.returned_in_window")
        )

    def in_the_orders_money(returned: str) -> Column:
        amount = F.coalesce(returned, F.lit(0)).cast(MONEY)
        # Rounded as gold.rates rounds the order, so that what came back whole leaves nothing.
        return at_rate(amount) if "rate" in orders.columns else amount

    by_row, in_window = in_the_orders_money("returned_by_row"), in_the_orders_money("returned_in_window")
    on_order_date = F.col("gross") - (F.coalesce("returned", F.lit(0)) - by_row)
    ordered_in_window = within("order_date", metrics.window_days, business_date)
    return dated.withColumn("booked", F.when(ordered_in_window, on_order_date).otherwise(0) - in_window)


def purchase_sums(
    orders: DataFrame, returns: DataFrame | None, metrics: Metrics, business_date: date
) -> DataFrame:
    """What each customer's orders add up to, in one look at them: what gold's tables say of orders follows from it.

    One row per customer_id (NULL: orders of nobody), source, booked_currency and currency, the one of the money that ranks
    (the same, where nothing was converted); ``NO_CURRENCY`` where orders name none. Of all orders, in the currency
    in which they were booked: orders, gross, returned, net, lines, line_amount (NULL without lines); and money_net,
    their net in ``currency``. Of the sales up to the business date: sales, how many they are; frequency (counted orders in
    the window), monetary (net revenue in the window), last_order_on, first_order_on, n (counted orders ever),
    rate_date; and counted by the money in which they were booked, which may be too little to be seen in another
    currency: bought (ever), recent (in the window of habitual customers).

    ``orders``: silver/orders with customer_id, money as it is or converted by ``gold.rates``.
    ``returns``: silver/returns, or None where they are booked on their order's date.
    """
    is_converted = "original_currency" in orders.columns
    counts = is_counted(metrics) & (F.col("order_date") <= F.lit(business_date))
    in_sales = is_sale(metrics) & (F.col("order_date") <= F.lit(business_date))
    rate_date = F.col("rate_date") if "rate_date" in orders.columns else F.lit(None).cast("date")

    def original(name: str) -> Column:
        return F.col(f"original_{name}" if is_converted else name)

    was_kept = is_counted(metrics, "original_net" if is_converted else "net") & in_sales
    return (
        _booked(orders, returns, metrics, business_date)
        .groupBy(
            "customer_id",
            "source",
            F.coalesce(original("currency"), F.lit(NO_CURRENCY)).alias("booked_currency"),
            F.coalesce("currency", F.lit(NO_CURRENCY)).alias("currency"),
        )
        .agg(
            F.count(F.lit(1)).alias("orders"),
            *[F.sum(original(name)).alias(name) for name in ("gross", "returned", "net")],
            F.sum("line_count").alias("lines"),
            F.sum("line_amount").alias("line_amount"),
            F.sum("net").alias("money_net"),
            F.count_if(in_sales).alias("sales"),
            F.count_if(counts & within("order_date", metrics.window_days, business_date)).alias("frequency"),
            F.sum(F.when(in_sales, F.col("booked"))).alias("monetary"),
            F.max(F.when(counts, F.col("order_date"))).alias("last_order_on"),
            F.min(F.when(counts, F.col("order_date"))).alias("first_order_on"),
            F.count_if(counts).alias("n"),
            F.count_if(was_kept).alias("bought"),
            F.count_if(was_kept & within("order_date", metrics.habitual.window_days, business_date)).alias(
                "recent"
            ),
            F.max(F.when(in_sales, rate_date)).alias("rate_date"),
        )
    )


def activity(sums: DataFrame) -> DataFrame:
    """One row per customer of ``purchase_sums``: orders_ever and orders_recent, counted orders."""
    return (
        sums.filter(F.col("customer_id").isNotNull())
        .groupBy("customer_id")
        .agg(F.sum("bought").alias("orders_ever"), F.sum("recent").alias("orders_recent"))
    )


def purchase_facts(sums: DataFrame) -> DataFrame:
    """One row per customer and currency with sales, of the currencies that the window knows.

    customer_id, currency, frequency (counted orders in the window), monetary (net revenue in
    the window), last_order_on, first_order_on, n (counted orders ever), rate_date;
    currencies: how many of the customer's move in the window, 1 where nothing was bought in it;
    ever_first_order_on and ever_last_order_on over all currencies. A customer that has nothing in
    the window keeps the currency of the last purchase.

    ``sums``: of ``purchase_sums``.
    """
    by_currency = (
        sums.filter(F.col("customer_id").isNotNull() & (F.col("sales") > 0))
        .groupBy("customer_id", "currency")
        .agg(
            F.sum("frequency").alias("frequency"),
            F.sum("monetary").cast(MONEY).alias("monetary"),
            F.max("last_order_on").alias("last_order_on"),
            F.min("first_order_on").alias("first_order_on"),
            F.sum("n").alias("n"),
            F.max("rate_date").alias("rate_date"),
        )
    )
    # Newest first; the currency's code only decides between equals.
    fact = F.struct("last_order_on", "currency", "frequency", "monetary", "first_order_on", "n", "rate_date")
    gathered = by_currency.groupBy("customer_id").agg(
        F.collect_list(fact).alias("facts"),
        F.min("first_order_on").alias("ever_first_order_on"),
        F.max("last_order_on").alias("ever_last_order_on"),
    )
    moving = F.filter("facts", lambda f: (f["frequency"] > 0) | (f["monetary"] != 0))
    bought = F.filter("facts", lambda f: f["last_order_on"].isNotNull())
    newest = F.slice(F.sort_array(bought, asc=False), 1, 1)
    return (
        gathered.withColumn("facts", F.when(F.size(moving) > 0, moving).otherwise(newest))
        .withColumn(
            "currencies",
            F.when(F.exists("facts", lambda f: f["frequency"] > 0), F.size("facts")).otherwise(1),
        )
        .select(
            "customer_id",
            "currencies",
            "ever_first_order_on",
            "ever_last_order_on",
            F.explode("facts").alias("fact"),
        )
        .select("customer_id", "currencies", "ever_first_order_on", "ever_last_order_on", "fact.*")
    )
