"""``ops/claims``: which case a steward has open, and what nobody could decide.

Rows are only appended. Of two stewards who open a case at one moment the first row has it: who claims reads
again after writing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.ops.record import check_version
from pipelines.ops.tables import CLAIMS

if TYPE_CHECKING:
    from pipelines.storage import Warehouse

EXPIRY = timedelta(minutes=30)
"""A case that a steward left open is free again after so long."""
CLAIMED, FREED, UNSURE = "claimed", "freed", "unsure"


@dataclass(frozen=True)
class Unsure:
    """A steward looked and could not tell."""

    steward: str
    at: datetime
    reason: str | None


class Claims:
    """The claims of one steward's session."""

    def __init__(self, warehouse: Warehouse, steward: str) -> None:
        self.warehouse, self.steward, self.session = warehouse, steward, uuid.uuid4().hex

    def _rows(self) -> list[dict[str, Any]]:
        there = self.warehouse.arrow(CLAIMS.path)
        return [] if there is None else there.to_pylist()

    def _write(self, case_ids: Iterable[str], state: str, reason: str | None = None) -> None:
        said = {
            "at": datetime.now(UTC),
            "state": state,
            "session": self.session,
            "steward": self.steward,
            "reason": reason,
        }
        rows = [{"case_id": case_id, **said} for case_id in case_ids]
        if rows:
            check_version(self.warehouse)
            self.warehouse.append_rows(CLAIMS, rows)

    def holders(self) -> dict[str, str]:
        """Who else has a case open now, by case."""
        return _holders(self._rows(), datetime.now(UTC), but=self.session)

    def take(self, case_id: str) -> bool:
        """Claim a case; False where somebody else has it."""
        return bool(self.take_all([case_id]))

    def take_all(self, case_ids: Iterable[str]) -> set[str]:
        """Claim cases; those of them that nobody else has."""
        held = self.holders()
        asked = {case_id for case_id in case_ids if case_id not in held}
        self._write(sorted(asked), CLAIMED)
        first = _holders(self._rows(), datetime.now(UTC), key="session")
        lost = {case_id for case_id in asked if first.get(case_id) not in (None, self.session)}
        self.free_all(lost)
        return asked - lost

    def free(self, case_id: str) -> None:
        """Let go of a case."""
        self.free_all([case_id])

    def free_all(self, case_ids: Iterable[str]) -> None:
        """Let go of cases."""
        self._write(sorted(case_ids), FREED)

    def unsure(self, case_id: str, reason: str | None) -> None:
        """Let go of a case that the steward cannot decide; others see it later, and by whom it was left."""
        self._write([case_id], UNSURE, reason)

    def undecided(self) -> dict[str, Unsure]:
        """The cases that somebody could not decide, by case: the newest word."""
        rows = sorted((row for row in self._rows() if row["state"] == UNSURE), key=lambda row: row["at"])
        return {row["case_id"]: Unsure(row["steward"], row["at"], row["reason"]) for row in rows}


def _holders(
    rows: list[dict[str, Any]], now: datetime, but: str = "", key: str = "steward"
) -> dict[str, str]:
    """The ``key`` of the oldest claim that stands, by case; claims of session ``but`` aside."""
    newest: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["at"]):
        newest[row["case_id"], row["session"]] = row
    found: dict[str, str] = {}
    for (case_id, session), row in sorted(newest.items(), key=lambda item: (item[1]["at"], item[0])):
        if session != but and row["state"] == CLAIMED and now - row["at"] < EXPIRY:
            found.setdefault(case_id, row[key])
    return found
