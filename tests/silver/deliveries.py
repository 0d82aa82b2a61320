"""Random deliveries of a feed, and which of their rows are live by a plain replay."""

from __future__ import annotations

import random
import string
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.bronze.batches import BATCHES
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Line = tuple[int, str, str, str, str, str, str]
"""date, file, batch, op, id, name, problem"""


def deliveries(seed: int, days: int = 4, snapshots: float = 0.4) -> list[Line]:
    """Days of deltas, corrections, spoilt rows and that share of full snapshots; the lines of a batch stand together."""
    draw = random.Random(seed)
    lines: list[Line] = []
    for day in range(1, days + 1):
        for file in ("contacts.csv", "contacts-2.csv"):
            for batch in draw.sample("ab", draw.randint(0, 2)):
                is_snapshot = draw.random() < snapshots
                for _ in range(draw.randint(1, 25)):
                    op = "" if is_snapshot else draw.choice(["I", "U", "U", "D", "X"])
                    problem = "nul_byte" if draw.random() < 0.1 else ""
                    key = draw.choice(["", *string.ascii_uppercase])
                    lines.append((day, file, batch, op, key, draw.choice("xy"), problem))
    return lines


def live_by_hand(lines: list[Line]) -> dict[str, tuple[int, str, str]]:
    """Day, file and batch of the current row of each live key."""
    batches: dict[tuple[int, str, str], list[Line]] = {}
    for line in lines:
        batches.setdefault(line[:3], []).append(line)
    snapshots = {
        b for b, rows in batches.items() if not any(r[3] for r in rows) and not all(r[6] for r in rows)
    }
    replaced = {b for b in snapshots if (*b[:2], "b") in snapshots and b[2] == "a"}
    newest = max((day for day, file, batch in snapshots - replaced), default=0)
    last: dict[str, Line] = {}
    for batch in sorted(set(batches) - replaced):
        for row in batches[batch]:
            if row[4] and not row[6] and (batch in snapshots or row[3] in ("I", "U", "D")):
                last[row[4]] = row
    return {key: row[:3] for key, row in last.items() if row[3] != "D" and row[0] >= newest}


def live(classified: DataFrame) -> dict[str, tuple[int, str, str]]:
    """The same of ``classify``."""
    return {
        row["id"]: (
            row["_landing_date"].day,
            row["_file"].rpartition("/")[2],
            row["_batch_id"].split("/")[3][0],
        )
        for row in classified.filter("_outcome = 'current'").collect()
    }


def as_text(lines: list[Line], *, spoilt: str = "") -> str:
    """The lines as ``bronze`` reads them; ``spoilt``: what is left of a row with a problem."""
    return "| date | file | batch | op | id | name | problem | raw |\n" + "\n".join(
        "|" + "|".join(map(str, (*line, spoilt if line[6] else ""))) + "|" for line in lines
    )


def batches_of(lines: list[Line], source: str = "crm") -> pa.Table:
    """bronze/batches of the lines of ``deliveries`` as contacts of a source."""
    rows: dict[str, dict[str, Any]] = {}
    for day, file, batch, *_ in lines:
        of_batch = [line for line in lines if line[:3] == (day, file, batch)]
        name = f"2026-07-{day:02d}/{source}/contacts/{batch * 12}/{file}"
        rows[name] = {
            "batch_id": name,
            "source": source,
            "feed": "contacts",
            "file": f"2026-07-{day:02d}/{source}/{file}",
            "digest": "0",
            "landing_date": date(2026, 7, day),
            "business_date": date(2026, 7, day),
            "is_late": False,
            "is_snapshot": not any(line[3] for line in of_batch) and not all(line[6] for line in of_batch),
            "rows": len(of_batch),
            "ingested_at": datetime(2026, 7, day, 22, ord(batch) - 60, tzinfo=UTC),
            "status": "landed",
        }
    return pa.Table.from_pylist(list(rows.values()), schema=arrow_schema(BATCHES))
