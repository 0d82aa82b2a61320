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
    """Records with their node and places in; the own part of each one's fingerprint out."""

    conf: Linkage

    def __call__(self, batches: Batches) -> Iterator[pa.RecordBatch]:
        with task_engine(self.conf) as connection:
            for rows in gathered(batches):
                connection.register("records", rows)
                query = f"SELECT node, {fingerprint(self.conf)} AS fingerprint FROM records"
                yield from shaped(connection.sql(query).to_arrow_table(), PRINTS)
                connection.unregister("records")
