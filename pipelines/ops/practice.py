"""Customer records to practise on: an invented retailer's five sources, with the truth beside them."""

from __future__ import annotations

import tempfile
from datetime import date
from functools import cache

import pyarrow as pa

from pipelines import files
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import empty_records
from pipelines.linkage.files import read_people
from pipelines.ops.summarise import read_truth
from pipelines.simulate import simulate

CUSTOMERS = 250
NIGHT = date(2026, 7, 1)
COUNTRY = "MX"
SOURCES = {
    "crm": ("contacts.csv", "contact_id"),
    "erp": ("customers.csv", "cust_code"),
    "pos": ("cards.csv", "card_no"),
    "web": ("users.csv", "user_id"),
    "support": ("requesters.csv", "requester_id"),
}
"""Each source's file and its column of ids."""


@cache
def practice() -> tuple[pa.Table, pa.Table]:
    """The records of ``CUSTOMERS`` customers in the columns of ``read_records``; source, record_id, entity_id.

    Always the same ones, of the first night of ``simulate``; the columns are recognised as those of
    ``padron link`` are.
    """
    conf = Linkage()
    columns = empty_records(conf).column_names
    with tempfile.TemporaryDirectory(prefix="padron-practice-") as folder:
        simulate(folder, customers=CUSTOMERS, nights=1, start=NIGHT)
        landed = files.join(folder, "landing", NIGHT.isoformat())
        parts = [
            read_people(files.join(landed, source, name), conf, key, COUNTRY, NIGHT, {}, source=source)
            for source, (name, key) in SOURCES.items()
        ]
        truth = read_truth(files.join(folder, "truth", "entity_map.csv"))
    return pa.concat_tables([part.keyed.select(columns) for part in parts]), truth
