"""Cases through a file, CSV or XLSX: exported for a steward who fills in answers, read back whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

from pipelines.errors import UsageError
from pipelines.linkage.decisions import MATCH, NO_MATCH, standing
from pipelines.linkage.judgements import SAID, digest_of
from pipelines.ops.cases import SHOWN, Case, case_id, cases, members
from pipelines.ops.claims import Claims
from pipelines.ops.deciding import propose, record, said_already
from pipelines.ops.releases import all_releases
from pipelines.ops.reviewing import Review
from pipelines.ops.sheets import FILLED, read_rows, write_rows

if TYPE_CHECKING:
    from pipelines.linkage.decisions import Decision
    from pipelines.ops.deciding import Held, Proposal
    from pipelines.ops.desk import Desk, Row

UNSURE = "unsure"
ANSWERS = {"match": MATCH, "no_match": NO_MATCH, "no match": NO_MATCH, "no-match": NO_MATCH, UNSURE: UNSURE}
FIXED = (
    "case",
    "release",
    "generation",
    "why",
    "left",
    "right",
    "customer_left",
    "customer_right",
    "seen",
    "probability",
)
CHECKED = ("case", "release", "generation", "left", "right", "customer_left", "customer_right", "seen")
"""What tells whether the case still is what the row shows."""
_MOST = 10


@dataclass(frozen=True)
class Answers:
    """What a filled-in file says."""

    rows: tuple[Row, ...]
    """Rows of ``linkage/decisions``."""
    unsure: tuple[tuple[Case, str | None], ...]
    already: int
    """Rows that say what is recorded already: the file was taken in before."""
    blank: int
    """Cases of the file without an answer: they stay open."""
    proposal: Proposal | None
    """None where there is no decision."""


def export(desk: Desk, path: str, limit: int | None = None) -> int:
    """Write the cases to ``path``; how many. The file says what records say: personal data."""
    found = cases(desk)[:limit]
    together = _Shown(desk, found)
    records = together.records
    shown = [name for name in SHOWN if any(name in row for row in records.values())]
    columns = [*FILLED, *FIXED, *(f"{name}_{side}" for name in shown for side in ("left", "right"))]
    rows: list[dict[str, object]] = []
    for case in found:
        row: dict[str, object] = {
            "case": case.case_id,
            "release": desk.release.release_id,
            "generation": desk.generation.generation_id,
            "why": case.reason,
            "left": case.left,
            "right": case.right,
            "customer_left": case.customers[0],
            "customer_right": case.customers[-1],
            "seen": together.seen(case),
            "probability": f"{case.probability:.4f}",
        }
        for side, name in (("left", case.left), ("right", case.right)):
            row |= {f"{column}_{side}": records[name][column] for column in shown}
        rows.append(row)
    write_rows(path, columns, rows, (MATCH, NO_MATCH, UNSURE))
    return len(found)


class _Shown:
    """The live records of the cases' customers."""

    def __init__(self, desk: Desk, found: Iterable[Case]) -> None:
        customers = sorted({customer for case in found for customer in case.customers})
        self.records: dict[str, Row] = {}
        self.held: dict[str, list[str]] = {customer: [] for customer in customers}
        for row in members(desk, customers):
            name = f"{row['source']}:{row['record_id']}"
            self.records[name] = row
            self.held[str(row["customer_id"])].append(name)

    def seen(self, case: Case) -> str:
        """Digest of what a case is about: the records of its customers, and what its two say."""
        held = [[customer, sorted(self.held[customer])] for customer in case.customers]
        pair = [self.records[name] for name in (case.left, case.right)]
        said = [digest_of({name: row.get(name) for name in SAID}) for row in pair]
        digest = hashlib.sha256(json.dumps([held, said], ensure_ascii=False).encode("utf-8")).hexdigest()
        # No spreadsheet takes it for a number.
        return f"s{digest[:11]}"


def read_answers(desk: Desk, path: str, steward: str) -> Answers:
    """The answers of a filled-in file, checked as a whole. Raises UsageError, a line a problem."""
    rows = read_rows(path, (*FILLED, *CHECKED), "padron review --export")
    older = sorted({row["generation"] for _, row in rows}.difference(desk.lineage))
    if older:
        raise UsageError(
            f"{path} was exported with generation {', '.join(older)}, and {desk.generation.generation_id} is in use "
            "now: export again, and carry the answers over. Nothing was recorded."
        )
    reading = _Reading(desk, steward, {row["case"] for _, row in rows})
    problems = [
        f"{path}:{line}: {problem}"
        for line, row in rows
        if (problem := reading.problem(line, row)) is not None
    ]
    _refuse(problems)
    if not (reading.made or reading.unsure or reading.already):
        raise UsageError(f"{path} answers no case: write match, no_match or unsure in its column answer.")
    made = [row for _, row in reading.made]
    proposal = propose(desk, made) if made else None
    if proposal is not None:
        lines = {row["decision_id"]: line for line, row in reading.made}
        _refuse([f"{path}:{lines[held.decision_id]}: {_with_lines(held, lines)}" for held in proposal.held])
    return Answers(tuple(made), tuple(reading.unsure), reading.already, reading.blank, proposal)


def _with_lines(held: Held, lines: Mapping[str, int]) -> str:
    """What stands against an answer; decisions of the same file by their lines."""
    here = [f"{name} is line {lines[name]} of the file" for name in held.against if name in lines]
    return f"{held.in_words()} {'; '.join(here)}{'.' if here else ''}".rstrip()


def _refuse(problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - _MOST
        told = [*problems[:_MOST], *([f"{more} more problems."] if more > 0 else [])]
        raise UsageError("\n".join([*told, "Nothing was recorded."]))


class _Reading:
    """The rows of a filled-in file, one after the other, beside the cases as they stand."""

    def __init__(self, desk: Desk, steward: str, named: Collection[str]) -> None:
        self.desk, self.steward = desk, steward
        self.open = {case.case_id: case for case in cases(desk) if case.case_id in named}
        self.shown = _Shown(desk, self.open.values())
        self.session = Review(desk, steward)
        self.held = self.session.claims.holders()
        self.releases = {release.release_id for release in all_releases(desk.warehouse)}
        self.decided = [d for d in standing(desk.decisions) if d.revoked_by is None]
        self.seen: set[str] = set()
        self.made: list[tuple[int, Row]] = []
        """New decisions with their lines."""
        self.unsure: list[tuple[Case, str | None]] = []
        self.already = self.blank = 0

    def problem(self, line: int, row: Mapping[str, str]) -> str | None:
        """What is wrong with a row; None where it is taken."""
        text, reason, name = row["answer"].strip().lower(), row["reason"].strip() or None, row["case"]
        is_second, case = name in self.seen, self.open.get(name)
        self.seen.add(name)
        if is_second:
            return "the case stands twice: keep one row of it."
        if not text:
            self.blank += 1
            return reason and "there is a reason and no answer: write match, no_match or unsure."
        if text not in ANSWERS:
            return f"{row['answer']!r} is no answer: write match, no_match or unsure."
        if case_id(row["left"], row["right"]) != name:
            return "left and right are not those of the case: did somebody sort or change single columns?"
        if case is None:
            return self._closed(row, ANSWERS[text])
        if name in self.held:
            return f"{self.held[name]} has the case open now."
        return self._stale(row, case) or self._taken(line, case, ANSWERS[text], reason)

    def _closed(self, row: Mapping[str, str], answer: str) -> str | None:
        """Of a case that is not open: whether a decision that stands says what the row says."""
        decision = next((d for d in reversed(self.decided) if _is_about(d, row["left"], row["right"])), None)
        if decision is None:
            return "the case is not open: the nights since have settled it, or it never stood in the queue."
        if answer in (decision.kind, UNSURE):
            self.already += 1
            return None
        said = next(r for r in self.desk.decisions.to_pylist() if r["decision_id"] == decision.decision_id)
        return (
            f"decision {decision.decision_id} by {said['decided_by']} on {said['decided_at']:%Y-%m-%d} says "
            f"{decision.kind}: `padron decide revoke {decision.decision_id}` first, if that is wrong."
        )

    def _stale(self, row: Mapping[str, str], case: Case) -> str | None:
        """What has changed since the steward saw the case."""
        if row["release"] not in self.releases:
            return f"release {row['release']} is none of this warehouse: was the file exported from another?"
        shown, now = (row["customer_left"], row["customer_right"]), (case.customers[0], case.customers[-1])
        if shown != now:
            return (
                f"the case was about customers {' and '.join(dict.fromkeys(shown))} and is about "
                f"{' and '.join(case.customers)} now: export again, and look at it anew."
            )
        if row["seen"] != self.shown.seen(case):
            return (
                f"since release {row['release']} a record came to these customers or left them, or says something else: "
                "export again, and look at it anew."
            )
        return None

    def _taken(self, line: int, case: Case, answer: str, reason: str | None) -> str | None:
        if answer == UNSURE:
            last = self.session.unsure.get(case.case_id)
            if last is not None and (last.steward, last.reason) == (self.steward, reason):
                self.already += 1
            else:
                self.unsure.append((case, reason))
            return None
        if reason is None:
            return "there is an answer and no reason: write why in the column reason."
        (made,) = self.session.answer([case], answer, reason)
        if said_already(self.decided, made) is None:
            self.made.append((line, made))
        else:
            self.already += 1
        return None


def _is_about(decision: Decision, left: str, right: str) -> bool:
    """True where a decision names the two records as one party, or as two."""
    if decision.is_match:
        return {left, right} <= set(decision.records)
    return any(left in one and right in other for one, other in permutations((decision.left, decision.right)))


def settle(desk: Desk, answers: Answers, steward: str) -> list[str]:
    """Record the answers; the ids of the decisions. Raises UsageError where one contradicts what stands."""
    made = [] if answers.proposal is None else record(desk, answers.proposal)
    claims = Claims(desk.warehouse, steward)
    for case, reason in answers.unsure:
        claims.unsure(case.case_id, reason)
    return [row["decision_id"] for row in made]
