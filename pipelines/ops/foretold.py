"""What nights would change for customers, by two states of the published tables: ids, money, RFM segments."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pipelines.gold.rfm import RFM
from pipelines.gold.xref import XREF
from pipelines.identity.tables import ASSIGNMENTS, EVENTS
from pipelines.ops.reading import side_by_side
from pipelines.silver.orders import ORDERS
from pipelines.silver.renames import RENAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipelines.ops.reading import Connection
    from pipelines.ops.sales import Basis
    from pipelines.storage import Warehouse

READ = (ASSIGNMENTS, EVENTS, RENAMES, XREF, ORDERS, RFM)


@dataclass(frozen=True)
class MoneyMoved:
    """Orders of records that change their customer, in one currency, beside all orders."""

    currency: str
    orders: int
    net: Decimal
    total: Decimal
    """Net money of all orders of then."""


@dataclass(frozen=True)
class SegmentMove:
    """Customers that go from one RFM segment to another; one of two currencies may be in two, ``A + B``."""

    was: str | None
    """None: no customer before."""
    becomes: str | None
    """None: no customer any more."""
    customers: int
    by_identity: int
    """Those of them whose records another customer had, or gets."""


@dataclass(frozen=True)
class Foretold:
    """What changes from one state to the other."""

    customers_before: int
    """Customers with live records."""
    customers_after: int
    customers: dict[str, int]
    """Of before: merged, split, rearranged, gone (without a live record); of after: new (of new records only)."""
    records_before: int
    records_after: int
    records: dict[str, int]
    """new, gone, moved (to another customer)."""
    events: dict[str, int]
    """Events of the nights, by kind and cause: ``merged by decision``."""
    money: tuple[MoneyMoved, ...]
    segments: tuple[SegmentMove, ...]
    """Largest first; customers that keep their segment are not among them."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        plain = asdict(self)
        for row in plain["money"]:
            row |= {name: str(row[name]) for name in ("net", "total")}
        return plain


_RECORDS = """CREATE TEMP TABLE records AS
    WITH begun AS (SELECT a.* FROM after.renames a ANTI JOIN before.renames b
        ON a.source = b.source AND a.record_id IS NOT DISTINCT FROM b.record_id AND a.since = b.since),
    of_sources AS (SELECT coalesce(n.new_source, b.source) AS source, b.record_id, b.customer_id
        FROM before.assignments b LEFT JOIN begun n ON n.source = b.source AND n.record_id IS NULL),
    named AS (SELECT coalesce(n.new_source, b.source) AS source, coalesce(n.new_record_id, b.record_id) AS record_id,
            b.customer_id
        FROM of_sources b LEFT JOIN begun n ON n.source = b.source AND n.record_id = b.record_id)
    SELECT b.customer_id AS was, a.customer_id AS becomes
    FROM named b FULL JOIN after.assignments a USING (source, record_id)"""
_COUNTS = """SELECT count(*) FILTER (was IS NOT NULL) AS before, count(*) FILTER (becomes IS NOT NULL) AS after,
        count(*) FILTER (was IS NULL) AS new, count(*) FILTER (becomes IS NULL) AS gone,
        count(*) FILTER (was <> becomes) AS moved,
        count(DISTINCT was) AS customers_before, count(DISTINCT becomes) AS customers_after
    FROM records"""
_CUSTOMERS = """WITH stays AS (SELECT DISTINCT was, becomes FROM records WHERE was IS NOT NULL AND becomes IS NOT NULL),
    parts AS (SELECT was, count(*) > 1 AS is_split FROM stays GROUP BY was),
    joins AS (SELECT becomes, count(*) > 1 AS is_merged FROM stays GROUP BY becomes),
    kinds AS (SELECT was, any_value(is_split) AS is_split, bool_or(is_merged) AS is_merged
        FROM stays JOIN parts USING (was) JOIN joins USING (becomes) GROUP BY was),
    ended AS (SELECT was FROM records WHERE was IS NOT NULL GROUP BY was HAVING count(becomes) = 0),
    begun AS (SELECT becomes FROM records WHERE becomes IS NOT NULL GROUP BY becomes HAVING count(was) = 0)
    SELECT count(*) FILTER (is_merged AND NOT is_split) AS merged, count(*) FILTER (is_split AND NOT is_merged) AS split,
        count(*) FILTER (is_merged AND is_split) AS rearranged,
        (SELECT count(*) FROM ended) AS gone, (SELECT count(*) FROM begun) AS new
    FROM kinds"""
_EVENTS = """SELECT event || ' by ' || coalesce(cause, 'nothing') AS kind, count(*) AS n FROM after.events
    ANTI JOIN before.events USING (business_date, publication, sequence)
    GROUP BY ALL ORDER BY n DESC, kind"""
_MOVED = """CREATE TEMP TABLE moved AS SELECT source, record_id, b.customer_id AS was, a.customer_id AS becomes
    FROM before.xref b JOIN after.xref a USING (source, record_id) WHERE b.customer_id <> a.customer_id"""
_MONEY = """SELECT o.currency, count(m.was) AS orders,
        coalesce(sum(o.net) FILTER (m.was IS NOT NULL), 0) AS net, coalesce(sum(o.net), 0) AS total
    FROM ({sales}) o LEFT JOIN moved m USING (source, record_id) GROUP BY ALL ORDER BY currency"""
_SEGMENTS = """WITH touched AS (SELECT was AS customer_id FROM moved UNION SELECT becomes FROM moved),
    before AS (SELECT customer_id, coalesce(string_agg(DISTINCT segment, ' + ' ORDER BY segment), 'none') AS segment
        FROM before.rfm GROUP BY customer_id),
    after AS (SELECT customer_id, coalesce(string_agg(DISTINCT segment, ' + ' ORDER BY segment), 'none') AS segment
        FROM after.rfm GROUP BY customer_id)
    SELECT b.segment AS was, a.segment AS becomes, count(*) AS customers, count(t.customer_id) AS by_identity
    FROM before b FULL JOIN after a USING (customer_id) LEFT JOIN touched t USING (customer_id)
    WHERE b.segment IS DISTINCT FROM a.segment
    GROUP BY ALL ORDER BY customers DESC, was NULLS FIRST, becomes NULLS FIRST"""


def foretell(house: Warehouse, before: Mapping[str, int], after: Mapping[str, int], basis: Basis) -> Foretold:
    """What stands otherwise at the versions ``after`` than at ``before``, both by layer/table.

    A table that one of them lacks counts as empty. ``basis``: what counts as revenue.
    """
    asked = side_by_side(house, {"before": before, "after": after}, READ)
    asked.execute(_RECORDS)
    asked.execute(_MOVED)
    counts, customers = _rows(asked, _COUNTS)[0], _rows(asked, _CUSTOMERS)[0]
    return Foretold(
        counts["customers_before"],
        counts["customers_after"],
        customers,
        counts["before"],
        counts["after"],
        {name: counts[name] for name in ("new", "gone", "moved")},
        {row["kind"]: row["n"] for row in _rows(asked, _EVENTS)},
        tuple(
            MoneyMoved(**row) for row in _rows(asked, _MONEY.format(sales=basis.query(asked, "after.orders")))
        ),
        tuple(SegmentMove(**row) for row in _rows(asked, _SEGMENTS)),
    )


def _rows(asked: Connection, query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked.sql(query).to_arrow_table().to_pylist()
    return found
