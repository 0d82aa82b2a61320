"""What another linkage of the same records changes: customers merged, split, unchanged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyarrow.dataset import Dataset

KINDS = ("unchanged", "merged", "split", "rearranged")
"""What becomes of a customer: the same records; joined with others; in parts; in parts that join others."""
TOUCHED = "touched_customers"
"""The view (customer, kind) of the customers that do not stay as they were, in the connection of ``effect_in``."""
SAID = ("merged", "split", "rearranged", "unchanged")
"""The order in which a line names them."""


@dataclass(frozen=True)
class Effect:
    """Two partitions of the records that both have."""

    customers_before: int
    customers_after: int
    customers: dict[str, int]
    """Customers of before, by what becomes of them (``KINDS``)."""
    records: dict[str, int]
    """Their records."""
    pairs_gained: int
    """Pairs of records that were two customers and become one."""
    pairs_lost: int
    touched: pa.Table = field(repr=False)
    """customer, kind: those of before that do not stay as they were; the first of them where only so many were asked for."""

    @property
    def is_none(self) -> bool:
        return self.customers["unchanged"] == self.customers_before

    def as_dict(self) -> dict[str, object]:
        """The counts, for programs."""
        return {
            "customers_before": self.customers_before,
            "customers_after": self.customers_after,
            "customers": self.customers,
            "records": self.records,
            "pairs_gained": self.pairs_gained,
            "pairs_lost": self.pairs_lost,
        }

    def in_words(self) -> str:
        """One line: how many customers and how many of their records are merged, split, rearranged, unchanged."""
        return "; ".join(
            f"{what}: {', '.join(f'{counts[kind]:,} {kind}' for kind in SAID)}"
            for what, counts in (("customers", self.customers), ("records", self.records))
        )


def effect(
    before: pa.Table | Dataset,
    after: pa.Table | Dataset,
    was: str,
    becomes: str,
    conf: Linkage | None = None,
) -> Effect:
    """Compare column ``was`` of ``before`` with ``becomes`` of ``after``; both have source, record_id.

    Records that only one side has are left out: a deleted or new record is no effect of linkage.
    """
    with engine(conf or Linkage()) as connection:
        return effect_in(connection, before, after, was, becomes)


def effect_in(
    connection: duckdb.DuckDBPyConnection,
    before: pa.Table | Dataset,
    after: pa.Table | Dataset,
    was: str,
    becomes: str,
    most_named: int | None = None,
) -> Effect:
    """``effect`` inside an ``engine``, which has the view ``TOUCHED`` after it.

    Files (``Dataset``) are streamed, so that no table is held, and what the engine may not hold spills.
    ``most_named``: so many customers stand in ``Effect.touched`` at the most, those with the smallest ids.
    """
    connection.register("before", before)
    connection.register("after", after)
    connection.execute(_CELLS.format(was=was, becomes=becomes))
    connection.execute(_CUSTOMERS)
    connection.execute(f"CREATE TEMP VIEW {TOUCHED} AS SELECT customer, kind FROM customers WHERE kind > 0")
    counts = {
        KINDS[kind]: (int(customers), int(records))
        for kind, customers, records in connection.execute(
            "SELECT kind, count(*), sum(records) FROM customers GROUP BY kind"
        ).fetchall()
    }
    after_count, pairs_before, pairs_after, together = connection.execute(_PAIRS).fetchall()[0]
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    named = "" if most_named is None else f"LIMIT {most_named}"
    touched = connection.sql(
        f"SELECT customer, ([{kinds}])[kind + 1] AS kind FROM {TOUCHED} ORDER BY customer {named}"
    ).to_arrow_table()
    return Effect(
        sum(customers for customers, _ in counts.values()),
        int(after_count),
        {kind: counts.get(kind, (0, 0))[0] for kind in KINDS},
        {kind: counts.get(kind, (0, 0))[1] for kind in KINDS},
        int(pairs_after - together),
        int(pairs_before - together),
        touched,
    )


_CELLS = """CREATE TEMP TABLE cells AS
    SELECT CAST(b."{was}" AS VARCHAR) AS was, CAST(a."{becomes}" AS VARCHAR) AS becomes, count(*) AS n
    FROM before b JOIN after a USING (source, record_id)
    WHERE b."{was}" IS NOT NULL AND a."{becomes}" IS NOT NULL GROUP BY ALL"""
"""Records that a customer of before and one of after share."""
_CUSTOMERS = """CREATE TEMP TABLE customers AS
    WITH joins AS (SELECT becomes, count(*) > 1 AS is_merged FROM cells GROUP BY becomes)
    SELECT was AS customer, sum(n) AS records, CAST(bool_or(is_merged) AS INT) + 2 * CAST(count(*) > 1 AS INT) AS kind
    FROM cells JOIN joins USING (becomes) GROUP BY was"""
"""Customers of before; ``kind`` is a place in ``KINDS``."""
_PAIRS = """WITH old AS (SELECT sum(n) AS n FROM cells GROUP BY was), new AS (SELECT sum(n) AS n FROM cells GROUP BY becomes)
    SELECT (SELECT count(*) FROM new), (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM old),
        (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM new), (SELECT coalesce(sum(n * (n - 1) // 2), 0) FROM cells)"""
