"""Decisions written by hand: ``decisions.csv`` of the configuration, as rows of ``linkage/decisions``."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from pipelines import files
from pipelines.access import reading
from pipelines.errors import UsageError
from pipelines.linkage.decisions import DECISIONS, MATCH, NO_MATCH, REVOKE

SCHEMA: pa.Schema = DECISIONS.arrow
COLUMNS = (
    "kind",
    "left_records",
    "right_records",
    "revokes",
    "decided_by",
    "decided_at",
    "reason",
    "decision_id",
)
NEEDED = ("kind", "decided_by", "decided_at", "reason")
BETWEEN = ";"
"""Between the records of a side."""
_SHOWN = 10


@dataclass(frozen=True)
class Written:
    """What a file of decisions says."""

    rows: pa.Table
    """Rows of ``linkage/decisions``."""
    places: dict[str, str]
    """Where each stands, ``file:line``, by decision_id."""


def read_decisions(uri: str) -> Written:
    """``decisions.csv`` as rows of ``linkage/decisions``; no file gives none.

    A side lists its records, source:record_id, with ``;`` between them. A row without decision_id gets
    one from what it says, so that reading the file again adds nothing. Raises UsageError, a line a problem.
    """
    try:
        with reading(uri):
            text = files.read_text(uri)
    except FileNotFoundError:
        return Written(SCHEMA.empty_table(), {})
    except UnicodeDecodeError:
        raise UsageError(f"{uri} is not UTF-8.") from None
    reader = csv.DictReader(io.StringIO(text))
    header = [name.strip() for name in reader.fieldnames or ()]
    missing = [name for name in NEEDED if name not in header]
    unknown = [name for name in header if name not in COLUMNS]
    if missing or unknown:
        # Without a header its first row would be told.
        told = [f"column {n} is missing" for n in missing] or [f"column {n} is unknown" for n in unknown]
        raise UsageError(f"{uri}: {'; '.join(told)}. Columns: {', '.join(COLUMNS)}.")
    reader.fieldnames = header
    problems: list[str] = []
    rows: dict[str, dict[str, Any]] = {}
    places: dict[str, str] = {}
    for row in reader:
        where = f"{uri}:{reader.line_num}"
        try:
            made = decision_row({name: (row.get(name) or "").strip() for name in COLUMNS})
        except ValueError as error:
            problems.append(f"{where}: {error}.")
            continue
        if made["decision_id"] in rows:
            problems.append(f"{where}: its decision_id stands twice.")
        rows[made["decision_id"]], places[made["decision_id"]] = made, where
    if problems:
        more = len(problems) - _SHOWN
        raise UsageError(
            "\n".join([*problems[:_SHOWN], *([f"{uri}: {more} more problems."] if more > 0 else [])])
        )
    return Written(pa.Table.from_pylist(list(rows.values()), schema=SCHEMA), places)


def decision_row(values: dict[str, str]) -> dict[str, Any]:
    """One row of ``linkage/decisions`` from text. Raises ValueError, which says what is wrong and no value: a slip may
    put anything anywhere, and what is said goes to logs and alerts."""
    kind = values["kind"]
    if kind not in (MATCH, NO_MATCH, REVOKE):
        raise ValueError(f"kind is {'unknown' if kind else 'blank'}; it is match, no_match or revoke")
    left, right = (records_of(values[side], side) for side in ("left_records", "right_records"))
    if not values["decided_by"]:
        raise ValueError("decided_by is blank: say who decided")
    if not values["reason"]:
        raise ValueError("reason is blank: say why")
    try:
        decided_at = datetime.fromisoformat(values["decided_at"])
    except ValueError:
        raise ValueError("decided_at is no time such as 2026-07-01T09:30:00+02:00") from None
    if decided_at.tzinfo is None:
        decided_at = decided_at.replace(tzinfo=UTC)
    if kind == REVOKE:
        if not values["revokes"] or left or right:
            raise ValueError("a revoke names in revokes the decision that it takes back, and no records")
    else:
        check_sides(kind, left, right)
        if values["revokes"]:
            raise ValueError(f"a {kind} revokes nothing: leave revokes blank")
    row = {
        "kind": kind,
        "left_records": left,
        "right_records": right,
        "revokes": values["revokes"] or None,
        "decided_by": values["decided_by"],
        "decided_at": decided_at,
        "reason": values["reason"],
    }
    return {"decision_id": values["decision_id"] or decision_id(row), **row}


def check_sides(kind: str, left: list[str], right: list[str]) -> None:
    """Raises ValueError where the sides of a match or no_match cannot be decided about."""
    if not set(left).isdisjoint(right):
        raise ValueError("one record stands on both sides")
    if kind == NO_MATCH and not (left and right):
        raise ValueError("a no_match needs records on both sides")
    if len(left) + len(right) < 2 or not left:
        raise ValueError("a match needs two records")


def records_of(text: str, side: str) -> list[str]:
    """The records of a side, in order, each once. Raises ValueError where one is not source:record_id."""
    names = [name.strip() for name in text.split(BETWEEN)]
    for place, name in enumerate(names, 1):
        source, colon, record_id = name.partition(":")
        if name and not (source and colon and record_id):
            raise ValueError(f"name {place} of {side} is no record: write source:record_id")
    return sorted(set(names) - {""})


def decision_id(row: dict[str, Any]) -> str:
    """An identifier of what a row of ``linkage/decisions`` says: the same words have the same one."""
    said = {name: value for name, value in row.items() if name != "decision_id"}
    text = json.dumps({**said, "decided_at": said["decided_at"].astimezone(UTC).isoformat()}, sort_keys=True)
    return "d" + hashlib.sha256(text.encode()).hexdigest()[:12]
