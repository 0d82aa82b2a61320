"""``silver/renames``: which sources and records have another name now, and what is said under the old one.

A rename that a night applied stays applied, whether conf/renames.yml still declares it or not: the
event log keeps the old names for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from pipelines.errors import UsageError
from pipelines.storage import arrow_schema
from pipelines.tables import DATE, STRING, Column, Personal, Table

if TYPE_CHECKING:
    from pyspark.sql import Column as SparkColumn
    from pyspark.sql import DataFrame

_P = Personal.PSEUDONYM

RENAMES = Table(
    layer="silver",
    name="renames",
    grain="One renaming of a source, or of a record of it.",
    key=("source", "record_id", "since"),
    owner="data engineering",
    columns=(
        Column("source", STRING, "Name of the source until then.", required=True),
        Column("record_id", STRING, "Key of the record until then; NULL: every record of the source.", _P),
        Column("new_source", STRING, "Name of the source from then on.", required=True),
        Column("new_record_id", STRING, "Key of the record from then on; NULL: as before.", _P),
        Column("since", DATE, "First landing date that uses the new name.", required=True),
        Column("business_date", DATE, "Night that applied it first.", required=True),
    ),
    check="(record_id IS NULL AND new_record_id IS NULL) OR (record_id IS NOT NULL AND new_record_id IS NOT NULL)",
)

SCHEMA: pa.Schema = arrow_schema(RENAMES)
_NAME = ("source", "record_id", "since")


def in_force(stored: pa.Table | None, declared: pa.Table, business_date: date) -> pa.Table:
    """The renames that hold on a night: rows of ``RENAMES``, the stored ones and those that begin.

    A source has its new name as soon as that is declared, for conf/sources knows no other; keys have theirs
    from the night of their date. ``stored``: of the prior state. Raises UsageError where a declared one contradicts what was applied.
    """
    old = SCHEMA.empty_table() if stored is None else stored.select(SCHEMA.names).cast(SCHEMA)
    is_due = pc.less_equal(declared["since"], pa.scalar(business_date))
    begun = declared.filter(pc.or_(pc.is_null(declared["record_id"]), is_due))
    known = {
        tuple(row[name] for name in _NAME): (row["new_source"], row["new_record_id"])
        for row in old.to_pylist()
    }
    new = []
    for row in begun.to_pylist():
        target = known.get(tuple(row[name] for name in _NAME))
        if target is None:
            new.append({**row, "business_date": business_date})
        elif target != (row["new_source"], row["new_record_id"]):
            what = "a key of " if row["record_id"] is not None else ""
            raise UsageError(
                f"conf/renames.yml: {what}{row['source']} was already renamed since {row['since']}, to something "
                "else: what a night applied stays; declare a new rename of the new name."
            )
    return pa.concat_tables([old, pa.Table.from_pylist(new, schema=SCHEMA)])


def begun_on(renames: pa.Table, stored: pa.Table | None) -> pa.Table:
    """The rows of ``renames`` (``in_force``) that the prior state does not have.

    By their names, for a stored table keeps no order.
    """
    if stored is None:
        return renames
    return renames.filter(pc.invert(pc.is_in(_named(renames), value_set=_named(stored))))


def _named(renames: pa.Table) -> pa.Array:
    """The key of each row as one text; a rename of a source has no record id, and none is empty."""
    source, record_id, since = (pc.cast(renames[name], pa.string()) for name in _NAME)
    parts = source, pc.fill_null(record_id, ""), since
    return pc.binary_join_element_wise(*parts, "\n")


def _in_order(renames: pa.Table) -> Iterator[pa.Table]:
    """``renames`` in steps that follow one another: by date; of one date sources first."""
    applied = zip(renames["since"].to_pylist(), renames["business_date"].to_pylist(), strict=True)
    for since, business_date in sorted(set(applied)):
        is_step = pc.and_(
            pc.equal(renames["since"], pa.scalar(since)),
            pc.equal(renames["business_date"], pa.scalar(business_date)),
        )
        of_date = renames.filter(is_step)
        for is_source in (True, False):
            step = of_date.filter(pc.equal(pc.is_null(of_date["record_id"]), is_source))
            if step.num_rows:
                yield step


def named_now(
    frame: DataFrame, renames: pa.Table, said_on: str | None = None, *, begun: date | None = None
) -> DataFrame:
    """``frame`` with ``source`` and ``record_id`` by the names of now.

    ``said_on``: column with the business date on which a row was said: renames applied later concern it.
    None: all do. ``begun``: tonight's date, on which rows that were said before tonight's run stand too.
    """
    for step in _in_order(renames):
        applied = F.lit(True)
        if said_on is not None:
            applied = F.col(said_on) < F.lit(_until(step, begun))
        if step["record_id"].null_count:
            frame = frame.withColumn("source", _of_sources(step, applied))
        else:
            frame = _of_keys(frame, step, applied)
    return frame


def _until(step: pa.Table, begun: date | None) -> date:
    """What was said before this date was said under the old name; all rows of a step began in one night."""
    first: date = step["business_date"][0].as_py()
    return first + timedelta(days=1) if first == begun else first


def _of_sources(step: pa.Table, applied: SparkColumn) -> SparkColumn:
    name = F.col("source")
    chosen = F.when(F.lit(False), name)
    for old, new in zip(step["source"].to_pylist(), step["new_source"].to_pylist(), strict=True):
        chosen = chosen.when(applied & (F.col("source") == old), F.lit(new))
    return chosen.otherwise(name)


def _of_keys(frame: DataFrame, step: pa.Table, applied: SparkColumn) -> DataFrame:
    names = frame.sparkSession.createDataFrame(step.select(["source", "record_id", "new_record_id"]))
    joined = frame.join(names, on=["source", "record_id"], how="left")
    new = F.when(applied & F.col("new_record_id").isNotNull(), F.col("new_record_id"))
    return joined.withColumn("record_id", F.coalesce(new, "record_id")).select(*frame.columns)


def former_names(renames: pa.Table, source: str) -> list[str]:
    """The names that a source had before, the newest first."""
    found, names = [], {source}
    rows = [row for row in renames.to_pylist() if row["record_id"] is None]
    for row in sorted(rows, key=lambda r: r["since"], reverse=True):
        if row["new_source"] in names:
            names.add(row["source"])
            found.append(str(row["source"]))
    return found


def source_now(renames: pa.Table, source: str, since: date | None = None) -> str:
    """What a source is called now; ``since``: of the name that it had on that date."""
    rows = [row for row in renames.to_pylist() if row["record_id"] is None]
    for row in sorted(rows, key=lambda r: r["since"]):
        if row["source"] == source and (since is None or row["since"] > since):
            source = str(row["new_source"])
    return source


def by_names_of_now(found: pa.Table, renames: pa.Table) -> pa.Table:
    """A table with a column ``source`` under the names that sources have now."""
    # Keys may be renamed by the hundred thousand, and say nothing of a source.
    of_sources = renames.filter(pc.is_null(renames["record_id"]))
    if not of_sources.num_rows:
        return found
    names = found["source"].to_pylist()
    now = {name: source_now(of_sources, name) for name in set(names)}
    renamed = pa.array([now[name] for name in names], pa.string())
    return found.set_column(found.column_names.index("source"), "source", renamed)


def decisions_now(decisions: pa.Table | None, renames: pa.Table | None) -> pa.Table | None:
    """linkage/decisions with the records that they name (source:record_id) as they are called now.

    Stewards' decisions are few. A decision knows the names of its time: a rename that began before it was
    made does not concern it.
    """
    if not renames or not decisions:
        return decisions
    steps = [step.to_pylist() for step in _in_order(renames)]
    made = [moment.date() for moment in decisions["decided_at"].to_pylist()]
    for side in ("left_records", "right_records"):
        named = [
            None if names is None else [_name_now(name, day, steps) for name in names]
            for names, day in zip(decisions[side].to_pylist(), made, strict=True)
        ]
        place = decisions.column_names.index(side)
        decisions = decisions.set_column(place, side, pa.array(named, decisions.schema.field(side).type))
    return decisions


def names_now(named: Iterable[tuple[str, date]], renames: pa.Table) -> list[str]:
    """What a few records, each source:record_id as it was called on a date, are called now."""
    steps = [step.to_pylist() for step in _in_order(renames)]
    return [_name_now(name, said, steps) for name, said in named]


def _name_now(name: str, made: date, steps: list[list[dict[str, Any]]]) -> str:
    source, _, record_id = name.partition(":")
    for step in steps:
        for row in step:
            is_meant = row["source"] == source and row["record_id"] in (None, record_id)
            if is_meant and made <= row["business_date"]:
                source, record_id = row["new_source"], row["new_record_id"] or record_id
                break
    return f"{source}:{record_id}"
