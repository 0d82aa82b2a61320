"""Little tables as bronze, and sources as YAML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyspark.sql import types as T

from pipelines.config import validate
from pipelines.config_yaml import parse
from pipelines.sources import Source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

OWN = ("date", "file", "batch", "row", "problem", "raw")
PROVENANCE = T.StructType(
    [
        T.StructField("_batch_id", T.StringType()),
        T.StructField("_file", T.StringType()),
        T.StructField("_row", T.LongType()),
        T.StructField("_ingested_at", T.TimestampType()),
        T.StructField("_raw", T.StringType()),
        T.StructField("_problem", T.StringType()),
    ]
)


def source(text: str) -> Source:
    """The source that a YAML file declares."""
    content, node = parse(text, "conf/sources/test.yml")
    return validate(Source, content, node, "conf/sources/test.yml")


CRM = source(
    """
    source: crm
    owner: CRM team
    channel: crm
    feeds:
      contacts:
        mode: snapshot
        key: [id]
        target: customer_records
        columns: [id, name, kind]
        map: {record_id: id, full_name_raw: name}
      changes:
        mode: delta
        key: [id]
        target: customer_records
        columns: [id, name]
        map: {record_id: id, full_name_raw: name}
    """
)


def table(text: str) -> list[dict[str, str | None]]:
    """The rows of ``| a | b |`` lines under a header; an empty cell is None."""
    lines = [line.strip()[1:-1].split("|") for line in text.strip().splitlines()]
    header, *rows = [[cell.strip() for cell in line] for line in lines]
    return [{name: cell or None for name, cell in zip(header, row, strict=True)} for row in rows]


def bronze(spark: SparkSession, text: str, *, of: str = "crm/contacts") -> DataFrame:
    """Rows as received. ``date`` is July 2026's day; ``batch`` a, b …: deliveries of one file name.

    Without ``row`` the lines of a batch are numbered from 2; ``file`` is the feed's own.
    """
    source_name, feed = of.split("/")
    read = table(text)
    names = [name for name in read[0] if name not in OWN]
    seen: dict[str, int] = {}
    rows: list[tuple[Any, ...]] = []
    for line in read:
        day, batch = f"2026-07-{int(line.get('date') or 1):02d}", line.get("batch") or "a"
        name = line.get("file") or f"{feed}.csv"
        batch_id = f"{day}/{source_name}/{feed}/{batch * 12}/{name}"
        seen[batch_id] = int(line.get("row") or 0) or seen.get(batch_id, 1) + 1
        ingested = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(hours=22, minutes=ord(batch))
        values = tuple(line[name] for name in names)
        path = f"{day}/{source_name}/{name}"
        rows.append((*values, batch_id, path, seen[batch_id], ingested, line.get("raw"), line.get("problem")))
    schema = T.StructType([*[T.StructField(name, T.StringType()) for name in names], *PROVENANCE.fields])
    return spark.createDataFrame(rows, schema)


def told(frame: DataFrame, *names: str) -> list[str]:
    """The frame's rows as sorted lines of the columns named: a test's answer on one screen."""
    return sorted(
        " ".join("-" if v is None else str(v) for v in row) for row in frame.select(*names).collect()
    )
