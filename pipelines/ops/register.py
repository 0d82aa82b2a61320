"""What an id is, on any date: the register as published on a night, and as it is known now.

``identity/assignment_history`` says whose a record was, ``identity/aliases`` what became of an id.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.errors import PadronError, UsageError
from pipelines.identity.mint import CROCKFORD
from pipelines.ops import releases

if TYPE_CHECKING:
    from pipelines.ops.reading import Reader
    from pipelines.ops.releases import Release
    from pipelines.storage import Warehouse

TABLES = ("identity/assignments", "identity/assignment_history", "identity/aliases")
"""What a ``Reader`` has to have for the functions here."""

STATES = {
    "live": "a customer",
    "dormant": "a customer without live records",
    "merged": "no customer any more: merged",
    "erased": "erased on request",
    "not_yet": "not published yet",
}
"""What an id can be on a date, in words."""

CUSTOMER_ID = re.compile(rf"\bC[{CROCKFORD}]{{24}}\b", re.IGNORECASE)
"""A customer id somewhere in a text, as people write it."""

_HOLDS = "valid_from <= $day AND (valid_to IS NULL OR valid_to > $day)"


def as_customer_id(text: str) -> str:
    """A customer id as the register writes it: people write small letters too, and copy blanks along."""
    text = text.strip()
    return text.upper() if CUSTOMER_ID.fullmatch(text) else text


class UnknownIdError(PadronError):
    """No release ever published the id, or knows the record."""


@dataclass(frozen=True)
class Resolved:
    """What a customer id is on a date."""

    customer_id: str
    state: str
    """One of ``STATES``."""
    became: tuple[str, ...]
    """Where its people are: itself, what it was merged into, also what was split from it; none where erased."""
    records: int
    """Live records that hold the id on that date."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def standing(house: Warehouse, day: date) -> Release:
    """The release that readers saw at the end of a business date. Raises UsageError where there was none."""
    found = [r for r in releases.all_releases(house) if r.status == "released" and r.business_date <= day]
    if not found:
        raise UsageError(f"Nothing was released by {day}: the first release is later.")
    return found[-1]


def last_day(reader: Reader) -> date:
    """The business date that the reader's release describes."""
    return reader.release.business_date


def resolve(reader: Reader, customer_id: str, on: date | None = None) -> Resolved:
    """What ``customer_id`` is at the end of a date (default: the release's). Raises UnknownIdError."""
    day = on or last_day(reader)
    known = {"id": customer_id, "day": day}
    (found,) = reader.rows(
        f"""SELECT count(*) AS stays, min(valid_from) AS since,
            count_if({_HOLDS}) AS records
        FROM identity.assignment_history WHERE customer_id = $id""",
        known,
    )
    aliases = reader.rows(
        f"SELECT became, kind FROM identity.aliases WHERE customer_id = $id AND {_HOLDS} ORDER BY became",
        known,
    )
    if not found["stays"]:
        ever = reader.rows(
            "SELECT 1 FROM identity.aliases WHERE customer_id = $id LIMIT 1", {"id": customer_id}
        )
        if not ever:
            raise UnknownIdError(f"No release ever published the id {customer_id}.")
    kinds = {row["kind"] for row in aliases}
    became = tuple(str(row["became"]) for row in aliases if row["became"] is not None)
    records = int(str(found["records"]))
    if found["since"] is not None and str(found["since"]) > day.isoformat():
        state = "not_yet"
    elif "erased" in kinds:
        state = "erased"
    elif "merged" in kinds and not records:
        state = "merged"
    else:
        state = "live" if records else "dormant"
        became = became or (customer_id,)
    return Resolved(customer_id, state, became if state not in ("not_yet", "erased") else (), records)


def holder(reader: Reader, source: str, record_id: str, on: date | None = None) -> str | None:
    """The customer that a record had at the end of a date; None where it had none, or was deleted."""
    rows = reader.rows(
        f"""SELECT customer_id FROM identity.assignment_history
        WHERE source = $source AND record_id = $record AND {_HOLDS}""",
        {"source": source, "record": record_id, "day": on or last_day(reader)},
    )
    return str(rows[0]["customer_id"]) if rows else None


def names_of(reader: Reader, source: str, record_id: str) -> list[tuple[str, str]]:
    """Every name that a record has had (source, record_id), the oldest first, the one of now last.

    A name that a record bears now is asked for what it was called before; one that nobody bears any more, first
    for what it is called now.
    """
    name = (source, record_id)
    if not reader.has("silver/renames"):
        return [name]
    is_live = reader.rows(
        "SELECT 1 FROM identity.assignments WHERE source = $1 AND record_id = $2", [source, record_id]
    )
    later = [] if is_live else _chain(reader, name, forward=True)
    now = later[-1] if later else name
    return [*reversed(_chain(reader, now, forward=False)), now]


def _chain(reader: Reader, name: tuple[str, str], *, forward: bool) -> list[tuple[str, str]]:
    """The names that follow on ``name`` (or, backwards, that it follows on), the next one first."""
    here, there = ("", "new_") if forward else ("new_", "")
    order = "" if forward else " DESC"
    found: list[tuple[str, str]] = []
    at: list[object] = [date.min, False] if forward else [date.max, True]
    beyond = ">" if forward else "<"
    while True:
        rows = reader.rows(
            f"""SELECT {there}source AS source, coalesce({there}record_id, $2) AS record_id, since,
                record_id IS NOT NULL AS is_key
            FROM silver.renames WHERE {here}source = $1 AND coalesce({here}record_id, $2) = $2
                AND (since, record_id IS NOT NULL) {beyond} ($3, $4)
            ORDER BY since{order}, is_key{order} LIMIT 1""",
            [*name, *at],
        )
        if not rows:
            return found
        name = str(rows[0]["source"]), str(rows[0]["record_id"])
        at = [rows[0]["since"], rows[0]["is_key"]]
        found.append(name)
