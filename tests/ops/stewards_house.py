"""A released warehouse as a steward finds it, written without Spark: customers, their past, their orders."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from linkage_house import NIGHT, person, released

from pipelines.gold.xref import XREF
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, EVENTS
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDERS
from pipelines.silver.renames import RENAMES
from pipelines.storage import arrow_schema
from pipelines.tables import Table

ANA: dict[str, Any] = {"match_emails": ["ana@mail.com"], "match_birth_date": date(1980, 2, 1)}
HUGO: dict[str, Any] = {"match_phones": ["+525511112222"], "match_birth_date": date(1971, 5, 9)}
PEOPLE = [
    person("crm", "C1", "ana", "garcia", **ANA, match_tax_id="GAAA800201AB1", tax_id_type="rfc"),
    person("erp", "E1", "ana", "garcia", **ANA),
    person("web", "W1", "ana", "garcia", **ANA),
    person("crm", "C2", "hugo", "molina", **HUGO, match_tax_id="MOHU710509CD2", tax_id_type="rfc"),
    person("web", "W2", "hugo", "molina", **HUGO),
    person("web", "W3", "leo", "vega", match_phones=["+525599998888"]),
    # Doubtful: a name and a postal code; names alone, twice; and one customer of two birth dates.
    person("erp", "E5", "rosa", "ortiz", match_postal_code="06700"),
    person("web", "W5", "rosa", "ortiz", match_postal_code="06700"),
    person("erp", "E7", "luis", "mora", match_birth_date=date(1990, 1, 1)),
    person("web", "W7", "luis", "mora"),
    person("erp", "E8", "raul", "mora", match_birth_date=date(1991, 1, 1)),
    person("web", "W8", "raul", "mora"),
    person("crm", "C9", "eva", "soto", match_emails=["eva@mail.com"], match_birth_date=date(1985, 6, 1)),
    person("web", "W9", "eva", "soto", match_emails=["eva@mail.com"], match_birth_date=date(1985, 6, 3)),
]
ANA_ID, HUGO_ID, LEO_ID = "crm_C1", "crm_C2", "web_W3"
GONE, MERGED = "pos:P9", "old_id"
"""A record that is delivered no more, once of Hugo's; an id that became Ana's."""


def _filled(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=arrow_schema(table))


def _more(customers: pa.Table) -> dict[Table, pa.Table]:
    live = customers.to_pylist()
    gone = {"source": "pos", "record_id": "P9", "customer_id": HUGO_ID}
    events = [
        {
            **row,
            "business_date": NIGHT,
            "publication": 1,
            "sequence": place,
            "event": "created",
            "cause": "new_record",
        }
        for place, row in enumerate([*live, gone], 1)
    ]
    events.append({**events[-1], "sequence": 99, "event": "retired", "customer_id": None, "cause": "deleted"})
    history = [{**row, "valid_from": NIGHT} for row in live] + [
        {**gone, "valid_from": NIGHT, "valid_to": NIGHT}
    ]
    alias = {"customer_id": MERGED, "became": ANA_ID, "kind": "merged", "valid_from": NIGHT}
    orders = [
        _order("web", "W1", "O1", "100.00", "MXN"),
        _order("web", "W1", "O2", "50.50", "MXN"),
        _order("web", "W1", "O3", "9.00", "MXN", status="cancelled"),
        _order("web", "W2", "O4", "20.00", "EUR"),
        _order("pos", "P9", "O5", "7.00", "MXN"),
        _order("erp", "E8", "O6", "800.00", "MXN"),
    ]
    return {
        CUSTOMER_RECORDS: _filled(CUSTOMER_RECORDS, [_standard(row) for row in PEOPLE]),
        EVENTS: _filled(EVENTS, events),
        ASSIGNMENT_HISTORY: _filled(ASSIGNMENT_HISTORY, history),
        ALIASES: _filled(ALIASES, [alias]),
        ORDERS: _filled(ORDERS, orders),
        XREF: _filled(XREF, [*({**row, "is_live": True} for row in live), {**gone, "is_live": False}]),
    }


def _standard(row: dict[str, Any]) -> dict[str, Any]:
    """The record with what a steward sees of it."""
    told = {
        name: row[f"match_{name}"] for name in ("birth_date", "emails", "phones") if f"match_{name}" in row
    }
    return {**row, **told, "given_name": row["match_given"].title(), "surname": row["match_surname"].title()}


def _order(
    source: str, record_id: str, order_id: str, net: str, currency: str, status: str = "completed"
) -> dict[str, Any]:
    return {
        "source": source,
        "record_id": record_id,
        "order_id": order_id,
        "ordered_at": datetime(2026, 6, 1, tzinfo=UTC),
        "order_date": date(2026, 6, 1),
        "status": status,
        "gross": Decimal(net),
        "returned": Decimal(0),
        "net": Decimal(net),
        "currency": currency,
    }


def _renamed(customers: pa.Table) -> dict[Table, pa.Table]:
    """Hugo's web:W2 was web:OLD before the night, and a customer of its own."""
    tables = _more(customers)
    events = tables[EVENTS].to_pylist()
    next(e for e in events if e["record_id"] == "C2")["business_date"] = date(2026, 5, 1)
    told = next(e for e in events if e["record_id"] == "W2")
    own = {**told, "record_id": "OLD", "business_date": date(2026, 6, 1), "customer_id": FORMER}
    own_end = {
        **own,
        "business_date": NIGHT,
        "sequence": 98,
        "event": "retired",
        "customer_id": None,
        "cause": "rename",
    }
    told |= {"event": "merged", "old_customer_id": FORMER}
    rename = {"source": "web", "record_id": "OLD", "new_source": "web", "new_record_id": "W2"}
    history = {"source": "web", "record_id": "OLD", "customer_id": FORMER, "valid_from": own["business_date"]}
    return {
        **tables,
        EVENTS: _filled(EVENTS, [*events, own, own_end]),
        ASSIGNMENT_HISTORY: _filled(
            ASSIGNMENT_HISTORY, [*tables[ASSIGNMENT_HISTORY].to_pylist(), {**history, "valid_to": NIGHT}]
        ),
        RENAMES: _filled(RENAMES, [{**rename, "since": NIGHT, "business_date": NIGHT}]),
    }


FORMER = "web_OLD"
"""The customer of a record before it was renamed and merged."""


def renamed_house(folder: Path) -> str:
    """The warehouse after a night that renamed web:OLD to web:W2 and merged its customer with Hugo's."""
    return released(folder, people=PEOPLE, more=_renamed)[0]


def stewards_house(folder: Path) -> str:
    """The warehouse's path: Ana of three records, Hugo of two, Leo alone, and those of whom linkage doubts."""
    return released(folder, people=PEOPLE, more=_more)[0]
