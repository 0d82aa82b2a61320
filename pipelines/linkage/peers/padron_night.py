"""A night's linkage in one process, as a whole process: all records, or what changed since an earlier night.

``python -m pipelines.linkage.peers.padron_night records.parquet generation.json OUT RULES WHICH``: RULES
are the blocking rules as JSON. WHICH is ``all``, which links the records as they are; ``earlier``, which
links them as they were before one in a hundred changed; or ``changed``, which links them as they are after
``earlier`` ran in the same folder.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import date

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.linkage.config import Linkage
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.peers import ID
from pipelines.linkage.peers.model import many_conf
from pipelines.linkage.recall import Remembered

TABLES = ("clusters", "links", "scored_pairs")
NIGHT = """SELECT 'file' AS source, CAST({id} AS VARCHAR) AS record_id, 'person' AS party_type, given_name, surname,
        birth_date, city, postal_code, [email] AS emails, [phone] AS phones
    FROM {records}"""
EARLIER = """(
    WITH drawn AS (SELECT *, hash({id}) % 400 AS lot FROM read_parquet($path)),
    edited AS (SELECT {id}, lead(surname, 1, 'perez') OVER (ORDER BY {id}) AS surname FROM drawn WHERE lot IN (0, 1))
    SELECT d.* REPLACE (coalesce(e.surname, d.surname) AS surname) FROM drawn d LEFT JOIN edited e USING ({id})
    WHERE lot <> 2
    UNION ALL SELECT * REPLACE (-{id} AS {id}) FROM drawn WHERE lot = 3)"""
"""As they were: of four hundred records two had another surname, one was not there yet, and one more was."""


def main(path: str, generation: str, out: str, rules: str, which: str) -> None:
    with open(generation, encoding="utf-8") as file:
        known = Generation.from_json(file.read())
    last = _left(out) if which == "changed" else None
    conf = many_conf(Linkage(memory_limit="4GB"), json.loads(rules))
    linked = link_night(_records(path, which), known, conf, date(2026, 7, 1), last=last)
    _leave(out, linked)


def _records(path: str, which: str) -> pa.Table:
    records = EARLIER.format(id=ID) if which == "earlier" else "read_parquet($path)"
    with duckdb.connect() as connection:
        return connection.sql(NIGHT.format(id=ID, records=records), params={"path": path}).to_arrow_table()


def _left(out: str) -> Remembered:
    return Remembered(*(pq.read_table(os.path.join(out, f"{name}-night.parquet")) for name in TABLES))


def _leave(out: str, linked: Linked) -> None:
    for name in TABLES:
        pq.write_table(getattr(linked, name), os.path.join(out, f"{name}-night.parquet"))
    clusters = pa.table(
        {
            ID: linked.clusters["record_id"].cast(pa.int64()),
            "cluster_id": linked.clusters["cluster_final"],
        }
    )
    pq.write_table(clusters, os.path.join(out, "clusters.parquet"))
    with open(os.path.join(out, "report.json"), "w", encoding="utf-8") as file:
        json.dump({name: linked.figures[name] for name in ("candidate_pairs", "links")}, file)


if __name__ == "__main__":
    main(*sys.argv[1:6])
