"""What happened to a customer id or a record, night by night, as published; and what it is now.

Read from ``identity/events`` of a released register, without Spark.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.ops import releases
from pipelines.ops.reading import Reader
from pipelines.ops.register import (
    Resolved,
    UnknownIdError,
    as_customer_id,
    holder,
    names_of,
    resolve,
    standing,
)
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    from pipelines.ops.releases import Release

TABLES = (
    "identity/events",
    "identity/assignments",
    "identity/assignment_history",
    "identity/aliases",
    "silver/renames",
)
_NAMED = "list_contains($names, source || ':' || record_id)"
MOST_RECORDS = 5
"""Records that one line of the timeline names; all are counted."""


@dataclass(frozen=True)
class Happened:
    """The same thing that happened to some records in one publication."""

    business_date: date
    publication: int
    event: str
    records: int
    some_records: tuple[str, ...]
    """source:record_id of the first ``MOST_RECORDS``."""
    old_customer_id: str | None
    customer_id: str | None
    cause: str
    evidence: dict[str, Any]
    """Of the record with the strongest pair; keys as in ``identity/events``."""


@dataclass(frozen=True)
class Stay:
    """A record's stay with a customer, by business date; ``until`` None while it lasts."""

    customer_id: str
    since: date
    until: date | None


@dataclass(frozen=True)
class History:
    """All of it."""

    of: str
    """The customer id or source:record_id that was asked for."""
    as_of: date
    then: Resolved | None
    """What the id, or the record's customer, was at the end of ``as_of``; None for a record that had none."""
    now: Resolved | None
    """What that id is now."""
    current: str | None
    """The customer of a record now; None where it is deleted, and for an id."""
    stays: tuple[Stay, ...]
    """Of a record."""
    timeline: tuple[Happened, ...]
    """Oldest first, up to ``as_of``."""
    names: tuple[str, ...] = ()
    """Of a record that was renamed: all its names, the one of now last."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def history(warehouse: str, what: str, as_of: date | None = None) -> History:
    """The history of a customer id, or of a record written source:record_id, up to a business date.

    ``then`` is what was published: the record's customer on that night, or what the id led to.
    Raises UnknownIdError, NoReleaseError, UsageError where nothing was released by ``as_of``.
    """
    house = Warehouse(warehouse)
    release = releases.required(house)
    day = as_of or release.business_date
    if as_of is not None:
        standing(house, as_of)
    reader = Reader(house, release, TABLES)
    source, colon, record_id = what.partition(":")
    return (
        _of_record(reader, source, record_id, day, release)
        if colon
        else _of_customer(reader, as_customer_id(what), day, release)
    )


def _of_customer(reader: Reader, customer: str, day: date, release: Release) -> History:
    then = resolve(reader, customer, day)
    lines = _timeline(reader, "$id IN (customer_id, old_customer_id)", {"id": customer, "day": day})
    return History(customer, day, then, resolve(reader, customer, release.business_date), None, (), lines)


def _of_record(reader: Reader, source: str, record_id: str, day: date, release: Release) -> History:
    names = names_of(reader, source, record_id)
    labels = [":".join(name) for name in names]
    known: dict[str, object] = {"names": labels}
    rows = reader.rows(
        f"""SELECT customer_id, valid_from, valid_to FROM identity.assignment_history
        WHERE {_NAMED} ORDER BY valid_from""",
        known,
    )
    if not rows:
        raise UnknownIdError(f"No release knows the record {source}:{record_id}.")
    stays = tuple(Stay(*row.values()) for row in rows)  # type: ignore[arg-type]
    held = next((s.customer_id for s in stays if s.since <= day and (s.until is None or s.until > day)), None)
    last = held or next((s.customer_id for s in reversed(stays) if s.since <= day), None)
    return History(
        f"{source}:{record_id}",
        day,
        None if held is None else resolve(reader, held, day),
        None if last is None else resolve(reader, last, release.business_date),
        holder(reader, *names[-1], release.business_date),
        stays,
        _timeline(reader, _NAMED, {**known, "day": day}),
        tuple(labels) if labels[1:] else (),
    )


def _timeline(reader: Reader, condition: str, values: dict[str, object]) -> tuple[Happened, ...]:
    rows = reader.arrow(
        f"""SELECT business_date, publication, event, count(*) AS records,
            list(source || ':' || record_id ORDER BY source, record_id)[:{MOST_RECORDS}] AS some_records,
            old_customer_id, customer_id, cause,
            max_by(evidence, coalesce(TRY_CAST(json_extract_string(evidence, 'match_weight') AS DOUBLE), -1e9))
                AS evidence
        FROM (SELECT * REPLACE (CASE WHEN json_valid(evidence) THEN evidence END AS evidence)
            FROM identity.events WHERE {condition} AND business_date <= $day)
        GROUP BY ALL ORDER BY business_date, publication, min(sequence)""",
        values,
    ).to_pylist()
    return tuple(
        Happened(
            **{
                **row,
                "some_records": tuple(row["some_records"]),
                "evidence": json.loads(str(row["evidence"])) if row["evidence"] else {},
            }
        )
        for row in rows
    )
