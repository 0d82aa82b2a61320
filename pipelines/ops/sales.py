"""What customers bought over their lifetime, without Spark: the one meaning of revenue wherever a change is foretold.

``gold/rfm`` has another: the net of its window, returns on their own dates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Collection

    from pipelines.ops.reading import Connection
    from pipelines.settings import Settings

NO_CURRENCY = "(no currency)"
VIEW = "customer_sales"
_RATES = "_rates_of_sales"
_MONEY = "DECIMAL(18, 4)"


@dataclass(frozen=True)
class Basis:
    """Which orders count, and the currency that their money is told in."""

    cancelled: tuple[str, ...] = ("cancelled",)
    sales: tuple[str, ...] | None = None
    """Statuses that count; None: all but ``cancelled``."""
    currency: str | None = None
    """Reporting currency; None where money stays as it is."""
    rates: pa.Table | None = None
    """``gold.rates.RATES``."""

    @classmethod
    def of(cls, settings: Settings) -> Basis:
        metrics = settings.metrics
        currency = settings.project.reporting_currency
        return cls(metrics.cancelled_statuses, metrics.sale_statuses, currency, settings.rates)

    def query(self, connection: Connection, orders: str) -> str:
        """SQL: source, record_id, currency and net of each order of the table ``orders`` that counts.

        Money is converted as ``gold.rates`` does: at the rate of the order's date, the newest for what has none
        yet; where no rate is known the order keeps its currency.
        """
        status = "coalesce(status, '')"
        counts = f"{status} NOT IN ({_listed(self.cancelled)})"
        if self.sales is not None:
            counts += f" AND {status} IN ({_listed(self.sales)})"
        if self.rates is None or self.currency is None:
            return f"""SELECT source, record_id, coalesce(currency, '{NO_CURRENCY}') AS currency, net
                FROM {orders} WHERE {counts}"""
        connection.register(
            _RATES, self.rates.filter(pc.not_equal(self.rates["currency"], pa.scalar(self.currency)))
        )
        return f"""SELECT source, record_id,
                CASE WHEN rate IS NULL THEN coalesce(o.currency, '{NO_CURRENCY}') ELSE '{self.currency}' END AS currency,
                CASE WHEN rate IS NULL THEN net
                    ELSE CAST(gross * rate AS {_MONEY}) - CAST(returned * rate AS {_MONEY}) END AS net
            FROM {orders} o ASOF LEFT JOIN {_RATES} r
                ON o.currency = r.currency AND coalesce(o.order_date, DATE '9999-12-31') >= r.date
            WHERE {counts}"""

    def lay_out(self, connection: Connection, tables: Collection[str]) -> None:
        """The view ``customer_sales``: source, record_id, customer_id, is_live, currency and net of each order.

        ``tables``: those that the connection has as views ``layer.name``. Without orders or customers it is empty.
        """
        query = f"""SELECT '' AS source, '' AS record_id, '' AS customer_id, true AS is_live, '' AS currency,
            0::{_MONEY} AS net WHERE false"""
        if {"silver/orders", "gold/xref"} <= set(tables):
            query = f"""SELECT source, record_id, customer_id, is_live, currency, net
                FROM ({self.query(connection, "silver.orders")}) JOIN gold.xref USING (source, record_id)"""
        connection.execute(f"CREATE OR REPLACE VIEW {VIEW} AS {query}")


def _listed(statuses: tuple[str, ...]) -> str:
    """Texts as SQL; of none a list that holds nothing."""
    return ", ".join("'" + status.replace("'", "''") + "'" for status in statuses) or "NULL"
