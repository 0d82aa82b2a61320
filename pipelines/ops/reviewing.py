"""A steward's way through the cases: one after the other, claimed, answered, undone, many of one pattern at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pipelines.errors import UsageError
from pipelines.linkage.decisions import MATCH, NO_MATCH
from pipelines.linkage.engine import empty_records
from pipelines.linkage.explain import explain_pair, parsed_key
from pipelines.linkage.scored_pairs import SCORED_PAIRS
from pipelines.ops import deciding
from pipelines.ops.cases import Case, cases, members, pattern_of, undecided
from pipelines.ops.claims import Claims, Unsure
from pipelines.ops.deciding import Proposal, now, propose, record, said

if TYPE_CHECKING:
    from pipelines.linkage.explanation import Explanation
    from pipelines.ops.desk import Desk, Row


UNDONE = "undone"
"""Reason of a decision that takes the last answer back."""


@dataclass
class Review:
    """One steward's session over the cases of the newest release."""

    desk: Desk
    steward: str
    answered: list[tuple[Case, tuple[str, ...]]] = field(default_factory=list)
    """Cases and the decisions they were answered with, the last one last."""
    skipped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.claims = Claims(self.desk.warehouse, self.steward)

    @cached_property
    def queue(self) -> list[Case]:
        """The cases, those that nobody could decide last."""
        unsure = self.unsure
        return sorted(cases(self.desk), key=lambda case: case.case_id in unsure)

    @cached_property
    def unsure(self) -> dict[str, Unsure]:
        return self.claims.undecided()

    def left(self) -> list[Case]:
        """The cases that this session has neither answered nor skipped."""
        done = {case.case_id for case, _ in self.answered} | self.skipped
        return [case for case in self.queue if case.case_id not in done]

    def next(self) -> Case | None:
        """The next case, claimed; None where none is free."""
        held = self.claims.holders()
        for case in self.left():
            if case.case_id not in held and undecided(self.desk, [case]) and self.claims.take(case.case_id):
                return case
        return None

    def records(self, case: Case) -> list[Row]:
        """The live records of the case's customers, the two that show it first."""
        rows = members(self.desk, case.customers)
        first = {case.left: 0, case.right: 1}

        def place(row: Row) -> tuple[int, int]:
            name = f"{row['source']}:{row['record_id']}"
            return case.customers.index(str(row["customer_id"])), first.get(name, 2)

        return sorted(rows, key=place)

    def named(self, found: Iterable[Case]) -> dict[str, Row]:
        """The records that the cases name, by source:record_id."""
        customers = {customer for case in found for customer in case.customers}
        return {f"{row['source']}:{row['record_id']}": row for row in members(self.desk, sorted(customers))}

    def explained(self, case: Case) -> Explanation | None:
        """The pair's weights, from the records of its customers; None where the two are not compared at all."""
        names = ", ".join(f'r."{name}"' for name in empty_records(self.desk.settings.linkage).column_names)
        records = self.desk.reader.arrow(
            f"""SELECT {names} FROM silver.customer_records r JOIN identity.assignments USING (source, record_id)
            WHERE list_contains($1::VARCHAR[], customer_id)""",
            [list(case.customers)],
        )
        clusters = self.desk.reader.arrow(
            """SELECT c.* FROM linkage.clusters c JOIN identity.assignments USING (source, record_id)
            WHERE list_contains($1::VARCHAR[], customer_id)""",
            [list(case.customers)],
        )
        scored = self.desk.reader.arrow(
            f"SELECT {', '.join(SCORED_PAIRS.names)} FROM linkage.scored_pairs LIMIT 0"
        )
        try:
            return explain_pair(
                records,
                scored,
                clusters,
                self.desk.generation,
                self.desk.settings.linkage,
                parsed_key(case.left),
                parsed_key(case.right),
            )
        except UsageError:
            # A person and a company have no weights.
            return None

    def answer(self, found: Iterable[Case], answer: str, reason: str | None) -> list[Row]:
        """Rows of ``linkage/decisions`` for match or no_match of the cases.

        Two customers: a match joins them by the pair, a no_match keeps all their records apart. Inside one customer
        a match confirms all its records, a no_match keeps the pair apart, and linkage places the others.
        """
        rows, at = [], now()
        for case in found:
            left, right = [case.left], [case.right]
            if (answer == MATCH) == case.is_inside:
                sides = [self.desk.records_of(customer) for customer in case.customers]
                left, right = (sides[0], []) if case.is_inside else (sides[0], sides[1])
            rows.append(said(answer, left, right, self.steward, reason, at))
        return rows

    def split(self, case: Case, part: Sequence[str], reason: str | None) -> list[Row]:
        """A ``part`` of the case's records, apart from the others. Raises UsageError."""
        every = [f"{row['source']}:{row['record_id']}" for row in self.records(case)]
        rest = [name for name in every if name not in part]
        if not part or not rest:
            raise UsageError("name some of the records, not all.")
        return [said(NO_MATCH, part, rest, self.steward, reason, now())]

    def revoke(self, names: Sequence[str], reason: str | None) -> list[Row]:
        """Rows that take decisions back. Raises UsageError for one that is unknown or revoked already."""
        return deciding.revoke(self.desk, names, self.steward, reason)

    def like(self, case: Case) -> list[Case]:
        """The open cases of the same pattern that nobody else has open."""
        held = self.claims.holders()
        return [other for other in pattern_of(self.left(), case) if other.case_id not in held]

    def take(self, found: Iterable[Case]) -> list[Case]:
        """Claim cases that are answered together; those of them that nobody else has, and nobody decided since."""
        still = undecided(self.desk, found)
        taken = self.claims.take_all(case.case_id for case in still)
        return [case for case in still if case.case_id in taken]

    def propose(self, rows: Sequence[Row]) -> Proposal:
        """Look ahead. Raises UsageError for what stands already."""
        return propose(self.desk, rows)

    def record(self, found: Sequence[Case], proposal: Proposal) -> None:
        """Record the proposal as the answer to the cases. Raises UsageError where it contradicts."""
        made = record(self.desk, proposal)
        names = tuple(row["decision_id"] for row in made)
        for place, case in enumerate(found):
            # Of many cases answered at once each has its own decision.
            own = (names[place],) if len(found) > 1 and len(names) == len(found) else names
            self.answered.append((case, own))
        self.claims.free_all(case.case_id for case in found)

    def set_aside(self, case: Case, reason: str | None) -> None:
        """The steward cannot tell."""
        self.claims.unsure(case.case_id, reason)
        self.skipped.add(case.case_id)

    def skip(self, case: Case) -> None:
        self.claims.free(case.case_id)
        self.skipped.add(case.case_id)

    def undo(self) -> Case | None:
        """Take the last answer back; the case is open again. None where there is none.

        A decision is revoked, a revoke by the same decision made anew. Raises UsageError where that contradicts.
        """
        if not self.answered:
            return None
        case, names = self.answered[-1]
        made = {row["decision_id"]: row for row in self.desk.decisions.to_pylist()}
        at, again = now(), [made[made[name]["revokes"]] for name in names if made[name]["revokes"]]
        rows = [
            said(
                row["kind"],
                row["left_records"],
                row["right_records"],
                self.steward,
                row["reason"] or UNDONE,
                at,
            )
            for row in again
        ]
        rows += self.revoke([name for name in names if not made[name]["revokes"]], UNDONE)
        record(self.desk, propose(self.desk, rows))
        self.answered.pop()
        return case
