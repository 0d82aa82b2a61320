"""A register of a few people over two nights, as released tables: written without Spark.

The first night: Ana (crm:1, web:1), her sister Eva who gives the same phone (crm:2), Hugo (crm:3), and
seven people who all leave the shop's phone (pos:1 … pos:7). The second night: Hugo turns out to be
pos:9 too, an older customer, and merges into him; web:1 is deleted; Leo's only record (crm:5) is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from linkage_house import filled

from pipelines.gold.customers import CUSTOMERS
from pipelines.gold.xref import XREF
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import empty_records
from pipelines.linkage.generations import GENERATIONS
from pipelines.linkage.generic_values import GENERIC_VALUES
from pipelines.linkage.link import link_night
from pipelines.ops.releases import publish
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.orders import ORDERS
from pipelines.silver.renames import RENAMES
from pipelines.standardise import Hints, standardise_records
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import Kind, Table

FIRST, SECOND = date(2026, 7, 1), date(2026, 7, 2)
Row = dict[str, Any]


def customer_id(name: str) -> str:
    """An id in the form that the register mints."""
    return "C" + name.upper().translate(str.maketrans("ILOU", "1100")).ljust(24, "0")


ANA, EVA, HUGO, OLDER, LEO = (customer_id(name) for name in ("ana", "eva", "hugo", "older", "leo"))


def said(record: str, customer: str, name: str, **raw: Any) -> Row:
    source, _, record_id = record.partition(":")
    return {"source": source, "record_id": record_id, "customer_id": customer, "full_name_raw": name, **raw}


SHOP = "+52 55 4821 9073"
PEOPLE = [
    said(
        "crm:1",
        ANA,
        "Ana García López",
        phones_raw=["55 7391 4826"],
        emails_raw=["ana.garcia@gmail.com"],
        birth_date_raw="1980-03-01",
        loyalty_id="77-000123",
    ),
    said("web:1", ANA, "GARCIA LOPEZ, ANA", emails_raw=["anagarcia+tienda@gmail.com"], country_raw="ES"),
    said("crm:2", EVA, "Eva García López", phones_raw=["5573914826"], birth_date_raw="1984-07-09"),
    said(
        "crm:3", HUGO, "Hugo Molina", emails_raw=["hugo@correo.mx"], tax_id_raw="12345678Z", country_raw="ES"
    ),
    said("pos:9", OLDER, "Hugo Molina Ruiz", phones_raw=["612 847 309"], country_raw="ES"),
    said("crm:5", LEO, "Leo Vega", phones_raw=["55 3718 2946"], emails_raw=["leo@correo.mx"]),
    *(
        said(f"pos:{n}", customer_id(f"pos{n}"), name, phones_raw=[SHOP])
        for n, name in enumerate(
            ("Rosa Prado", "Inés Soto", "Juan Ibarra", "Luz Nava", "Beto Cano", "Olga Ríos", "Saúl Mora"), 1
        )
    ),
]
_MONEY = dict.fromkeys(("gross", "returned", "net"), Decimal(0))
_ORDERED = {"ordered_at": datetime(2026, 6, 1, tzinfo=UTC), "order_date": date(2026, 6, 1), **_MONEY}
ORDERS_MADE = [
    {"source": "crm", "record_id": "1", "order_id": "A-17", **_ORDERED},
    {"source": "crm", "record_id": "404", "order_id": "A-18", **_ORDERED},
]


def standard(people: Sequence[Row], today: date = FIRST) -> pa.Table:
    """silver/customer_records of ``people``."""
    types = {field.name: field.type for field in arrow_schema(CUSTOMER_RECORDS)}
    names = ["source", "record_id", "loyalty_id", *(t for t in types if t.endswith("_raw"))]
    raw = pa.Table.from_pylist(
        [{name: person.get(name) for name in names} for person in people],
        schema=pa.schema([(name, types[name]) for name in names]),
    )
    made = standardise_records(raw, Hints("auto", "MX", ("yyyy-MM-dd",), today))
    for name in raw.column_names:
        made = made.append_column(name, raw[name])
    return filled(CUSTOMER_RECORDS, made)


@cache
def generation() -> pa.Table:
    """linkage/generations with the starter model, which so few people get."""
    records = standard(PEOPLE).select(empty_records().column_names).cast(empty_records().schema)
    row = link_night(records, None, Linkage(), FIRST).generation_row
    assert row is not None
    return row


class House:
    """A warehouse that is published night by night."""

    def __init__(self, folder: Path) -> None:
        self.house = Warehouse(str(folder / "warehouse"))
        self.versions: dict[str, int] = {}

    @property
    def root(self) -> str:
        return self.house.root

    def night(self, day: date, content: dict[Table, pa.Table | list[Row]]) -> None:
        """Write a night's tables and release them; append tables get the rows given besides."""
        for table, rows in content.items():
            found = (
                rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema=arrow_schema(table))
            )
            base = self.versions.get(table.path)
            self.versions[table.path] = self.house.write(table, filled(table, found), base)
        empty = dict.fromkeys(("inputs_digest", "code_digest", "conf_digest", "base_release"))
        publish(
            self.house,
            {
                "release_id": f"{day}.1",
                "business_date": day,
                "at": datetime(day.year, day.month, day.day, 4, tzinfo=UTC),
                "tables": dict(self.versions),
                "status": "released",
                "warnings": [],
                **empty,
            },
        )
        assert EVENTS.kind is Kind.APPEND


def people_tables(people: Sequence[Row], day: date, gone: Sequence[Row] = ()) -> dict[Table, Any]:
    """What a night publishes of live ``people``, and of customers whose last record is ``gone``."""
    live = {person["customer_id"] for person in people}
    golden = {p["customer_id"]: p for p in (*gone, *people)}
    known = standard(list(golden.values())).select(["phones", "emails", "birth_date", "tax_id", "loyalty_id"])
    customers = [
        {
            **row,
            "customer_id": customer,
            "party_type": "person",
            "party_state": "known_user",
            "habitual": False,
            "is_stale": False,
            "as_of": day,
            "is_live": customer in live,
            "full_name": golden[customer]["full_name_raw"],
            "record_count": sum(p["customer_id"] == customer for p in people),
            "sources_present": sorted({p["source"] for p in people if p["customer_id"] == customer}),
        }
        for customer, row in zip(golden, known.to_pylist(), strict=True)
    ]
    keys = ("source", "record_id", "customer_id")
    owned = [{k: p[k] for k in keys} for p in people]
    dead = [{k: p[k] for k in keys} for p in gone]
    return {
        CUSTOMER_RECORDS: standard(people),
        ASSIGNMENTS: owned,
        XREF: [{**r, "is_live": True} for r in owned] + [{**r, "is_live": False} for r in dead],
        CUSTOMERS: customers,
    }


def _event(
    night: date, sequence: int, event: str, record: str, old: str | None, new: str | None, cause: str
) -> Row:
    source, _, record_id = record.partition(":")
    pair = '{"cluster":"crm:3","pair":["crm:3","pos:9"],"match_weight":14.2,"probability":0.998,"rule":"surname"}'
    return {
        "business_date": night,
        "publication": 1,
        "sequence": sequence,
        "event": event,
        "source": source,
        "record_id": record_id,
        "old_customer_id": old,
        "customer_id": new,
        "cause": cause,
        "evidence": pair if event == "merged" else None,
    }


@cache
def register(folder: Path) -> str:
    """The two nights of the story, written once; the warehouse's path. It is only read."""
    house = House(folder)
    shared = {
        "field": "phones",
        "value": "+525548219073",
        "distinct_names": 7,
        "records": 7,
        "reason": "shared_by_names",
    }
    stays = [
        {**{k: p[k] for k in ("source", "record_id", "customer_id")}, "valid_from": FIRST, "valid_to": None}
        for p in PEOPLE
    ]
    created = [
        _event(FIRST, n, "created", f"{p['source']}:{p['record_id']}", None, p["customer_id"], "new_record")
        for n, p in enumerate(PEOPLE, 1)
    ]
    house.night(
        FIRST,
        {
            **people_tables(PEOPLE, FIRST),
            ASSIGNMENT_HISTORY: stays,
            ALIASES: [],
            EVENTS: created,
            ORDERS: ORDERS_MADE,
            GENERIC_VALUES: [shared],
            RENAMES: [
                {**dict.fromkeys(("record_id", "new_record_id")), "source": "till", "new_source": "pos"}
                | {"since": FIRST, "business_date": FIRST},
                {"source": "pos", "record_id": "90", "new_source": "pos", "new_record_id": "9"}
                | {"since": SECOND, "business_date": SECOND},
            ],
            GENERATIONS: generation(),
        },
    )
    ended = {("web", "1"), ("crm", "5"), ("crm", "3")}
    later = [
        {**stay, "valid_to": SECOND if (stay["source"], stay["record_id"]) in ended else None}
        for stay in stays
    ]
    later.append(
        {"source": "crm", "record_id": "3", "customer_id": OLDER, "valid_from": SECOND, "valid_to": None}
    )
    now = [
        {**p, "customer_id": OLDER if p["customer_id"] == HUGO else p["customer_id"]}
        for p in PEOPLE
        if f"{p['source']}:{p['record_id']}" not in ("web:1", "crm:5")
    ]
    gone = [p for p in PEOPLE if f"{p['source']}:{p['record_id']}" in ("web:1", "crm:5")]
    house.night(
        SECOND,
        {
            **people_tables(now, SECOND, gone),
            ASSIGNMENT_HISTORY: later,
            ALIASES: [
                {
                    "customer_id": HUGO,
                    "became": OLDER,
                    "kind": "merged",
                    "valid_from": SECOND,
                    "valid_to": None,
                }
            ],
            EVENTS: [
                _event(SECOND, 1, "merged", "crm:3", HUGO, OLDER, "linkage"),
                _event(SECOND, 2, "retired", "web:1", ANA, None, "deleted"),
                _event(SECOND, 3, "retired", "crm:5", LEO, None, "deleted"),
            ],
        },
    )
    return house.root
