"""What one of many tasks does for fingerprints (``fingerprints.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.fingerprints import fingerprint
from pipelines.linkage.tasks import Batches, gathered, shaped, task_engine

PRINTS = pa.schema([("node", pa.int64()), ("fingerprint", pa.int64())])


@dataclass(frozen=True)
class Prints:
    """``people`` with places in; the own part of each record's fingerprint out."""

    conf: Linkage
    model: str

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        with task_engine(self.conf) as connection:
            for rows in gathered(batches):
                columns = set(rows.column_names) - {"node", "record_id", "places"}
                connection.register("people", rows)
                query = f"SELECT node, {fingerprint(sorted(columns))} AS fingerprint FROM people"
                found = connection.sql(query, params=[self.model]).to_arrow_table()
                yield from shaped(found, PRINTS)
                connection.unregister("people")
