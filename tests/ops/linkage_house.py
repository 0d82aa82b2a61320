"""A released warehouse with linkage only, written without Spark."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.identity.tables import ASSIGNMENTS
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import empty_records
from pipelines.linkage.generations import GENERATIONS
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.review_queue import REVIEW_QUEUE
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.ops.releases import publish
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.storage import Warehouse, arrow_schema
from pipelines.tables import Table

NIGHT = date(2026, 7, 1)


def person(source: str, record_id: str, given: str, surname: str, **values: Any) -> dict[str, Any]:
    """A record in the matching columns, with what follows from its names."""
    names = {
        "match_given": given,
        "match_given_tokens": [given],
        "match_given_formal": [given],
        "match_given_phonetic": given,
        "match_surname": surname,
        "match_surname_phonetic": surname,
        "match_name_tokens": sorted([given, surname]),
    }
    return {"source": source, "record_id": record_id, "party_type": "person", **names, **values}


PEOPLE = [
    person("crm", "C1", "ana", "garcia", match_emails=["ana@mail.com"], match_birth_date=date(1980, 2, 1)),
    person("web", "W1", "ana", "garcia", match_emails=["ana@mail.com"], match_birth_date=date(1980, 2, 1)),
    person("crm", "C2", "hugo", "molina", match_phones=["+525511112222"]),
    person("web", "W2", "leo", "vega", match_phones=["+525599998888"]),
]
TRUTH = "source,source_id,true_id,other\ncrm,C1,P1,a\nweb,W1,P1,b\ncrm,C2,P2,c\nweb,W2,P2,d\n"


def filled(table: Table, content: pa.Table) -> pa.Table:
    """The content in the table's shape; columns that it lacks are NULL."""
    schema = arrow_schema(table)
    columns = [
        content[field.name].cast(field.type)
        if field.name in content.column_names
        else pa.nulls(len(content), field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, names=schema.names).cast(schema)


def released(
    folder: Path,
    *,
    without: tuple[Table, ...] = (),
    people: list[dict[str, Any]] = PEOPLE,
    more: Callable[[pa.Table], dict[Table, pa.Table]] = lambda customers: {},
) -> tuple[str, Linked]:
    """The warehouse's path and what linking ``people`` gave.

    ``without`` names tables that it lacks; ``more`` gives others from the customers (source, record_id, customer_id).
    """
    records = pa.Table.from_pylist(people, schema=empty_records().schema)
    linked = link_night(records, None, Linkage(), NIGHT)
    customers = linked.clusters.select(["source", "record_id"]).append_column(
        "customer_id", pc.replace_substring(linked.clusters["cluster_final"], ":", "_")
    )
    house = Warehouse(str(folder / "warehouse"))
    content = {
        CUSTOMER_RECORDS: records,
        SCORED_PAIRS: linked.scored_pairs,
        CLUSTERS: linked.clusters,
        GENERATIONS: linked.generation_row,
        REVIEW_QUEUE: linked.review_queue,
        ASSIGNMENTS: customers,
        **more(customers),
    }
    versions = {
        table.path: house.write(table, filled(table, rows), None)
        for table, rows in content.items()
        if table not in without
    }
    row = {
        "release_id": "2026-07-01.1",
        "business_date": NIGHT,
        "at": datetime(2026, 7, 1, tzinfo=UTC),
        "tables": versions,
        "status": "released",
        "base_release": None,
        "inputs_digest": None,
        "code_digest": None,
        "conf_digest": None,
        "warnings": [],
    }
    publish(house, row)
    return house.root, linked
