"""The gates on events and ids inside the tables: clocks, currencies, and ids that lead nowhere."""

from __future__ import annotations

import re
from datetime import date, timedelta
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pipelines.gold.customers import ATTRIBUTE_VALUES, CUSTOMERS
from pipelines.gold.rfm import RFM
from pipelines.gold.service import SERVICE
from pipelines.gold.xref import XREF
from pipelines.ops.gates import Verdict, verdict
from pipelines.silver.cases import CASES
from pipelines.silver.orders import ORDERS, RETURNS

if TYPE_CHECKING:
    from pyspark.sql import Column

    from pipelines.config import Project
    from pipelines.stages import Inputs
    from pipelines.tables import Table

WHEN = {ORDERS: "ordered_at", RETURNS: "returned_at", CASES: "opened_at"}
"""The moment of an event, by its table."""
SLACK = timedelta(days=2)
"""From the start of the business date: an extract of the early morning holds some of the next day."""
PER_CUSTOMER = (RFM, SERVICE)
"""Tables that have exactly the ids of gold/customers."""
OF_CUSTOMERS = (XREF, ATTRIBUTE_VALUES)
"""Tables that have no other ids."""


def events(inputs: Inputs) -> list[Verdict]:
    """``future_events`` and ``new_currency``, of tables that tonight changed."""
    project, night = inputs.settings.project, inputs.night
    changed = [t for t in WHEN if inputs.exists(t) and inputs.ref(t) != inputs.previous_ref(t)]
    found = []
    if changed:
        frames = {table: inputs.frame(table) for table in changed}
        counts = {r["name"]: r["rows"] for r in ahead(frames, night.business_date).collect()}
        found += future_events(project, counts)
    if ORDERS in changed and inputs.previous_ref(ORDERS) is not None:
        new = currencies_never_seen(inputs.frame(ORDERS), inputs.previous(ORDERS)).collect()
        found += new_currency(project, [row["currency"] for row in new])
    return found


def ahead(frames: dict[Table, DataFrame], business_date: date) -> DataFrame:
    """name, rows: how many events of each table are dated more than a day after the business date."""
    limit = F.lit(business_date + SLACK).cast("timestamp")
    counts = [
        frame.agg(F.count_if(F.col(WHEN[table]) >= limit).alias("rows")).select(
            F.lit(table.path).alias("name"), "rows"
        )
        for table, frame in frames.items()
    ]
    return reduce(DataFrame.unionByName, counts)


def future_events(project: Project, counts: dict[str, int]) -> list[Verdict]:
    """``future_events``: events of a clock that is ahead; they count from their own date on."""
    held = {name: rows for name, rows in sorted(counts.items()) if rows}
    said = ", ".join(f"{rows:,} of {name}" for name, rows in held.items())
    return verdict(
        project,
        "future_events",
        value=sum(held.values()),
        bound=0,
        message=f"{said} are dated after the business date: a wrong clock or day and month exchanged? "
        "They count from their own date on.",
    )


def currencies_never_seen(now: DataFrame, before: DataFrame) -> DataFrame:
    """currency: those of ``now`` that no row of ``before`` has; at most 100."""
    new = (
        now.select("currency").distinct().join(before.select("currency").distinct(), "currency", "left_anti")
    )
    return new.filter(F.col("currency").isNotNull()).limit(100)


def new_currency(project: Project, found: list[str]) -> list[Verdict]:
    """``new_currency``: a currency that no order had before."""
    codes = sorted(code for code in found if re.fullmatch(r"[A-Z]{3}", code))
    others = len(found) - len(codes)
    named = [*codes[:3], *([f"{others} that are no ISO 4217 code"] if others else [])]
    return verdict(
        project,
        "new_currency",
        value=len(found),
        bound=0,
        message=f"orders have a currency never seen before: {', '.join(named)}. Its money is ranked by itself; "
        "add rates to conf/rates.csv, or a translation of the code to conf/sources.",
    )


def integrity(inputs: Inputs) -> list[Verdict]:
    """``referential_integrity``: every table a customer has exactly the ids of gold/customers, and the others no other."""
    counts = orphans(
        inputs.frame(CUSTOMERS),
        {t: inputs.frame(t) for t in PER_CUSTOMER},
        {t: inputs.frame(t) for t in OF_CUSTOMERS},
    ).collect()
    return referential_integrity(inputs.settings.project, {r["name"]: r["ids"] for r in counts})


def orphans(
    customers: DataFrame, tables: dict[Table, DataFrame], within: dict[Table, DataFrame]
) -> DataFrame:
    """name, ids: ids that a table has and gold/customers lacks; of ``tables`` also those that it lacks itself."""
    frames = {CUSTOMERS: customers, **tables, **within}
    bits = {table.path: 1 << at for at, table in enumerate(frames)}
    # Numbers are grouped without being sorted. Of two ids with one number, of which a hundred million have less than
    # a thousandth, one could hide that the other is missing.
    marked = [
        frame.select(F.xxhash64("customer_id").alias("id"), F.lit(bits[table.path]).alias("bit"))
        for table, frame in frames.items()
    ]
    by_id = reduce(DataFrame.unionByName, marked).groupBy("id").agg(F.bit_or("bit").alias("bits"))

    def has(name: str) -> Column:
        return F.col("bits").bitwiseAND(bits[name]) != 0

    is_customer = has(CUSTOMERS.path)
    wrong = {t.path: is_customer != has(t.path) for t in tables}
    wrong |= {t.path: has(t.path) & ~is_customer for t in within}
    counted = [
        F.struct(F.lit(name).alias("name"), F.count_if(broken).alias("ids")) for name, broken in wrong.items()
    ]
    return by_id.agg(F.array(*counted).alias("counted")).select(F.inline("counted"))


def referential_integrity(project: Project, counts: dict[str, int]) -> list[Verdict]:
    """The verdict on the ids that ``orphans`` counts."""
    held = {name: ids for name, ids in sorted(counts.items()) if ids}
    said = ", ".join(f"{ids:,} ids of {name}" for name, ids in held.items())
    return verdict(
        project,
        "referential_integrity",
        value=sum(held.values()),
        bound=0,
        message=f"{said} do not fit gold/customers. This is a fault of the program: keep the tables and report it.",
    )
