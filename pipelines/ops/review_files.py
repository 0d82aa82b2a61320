"""Cases through a file, CSV or XLSX: exported for a steward who fills in answers, read back whole or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import UsageError
from pipelines.linkage.decisions import MATCH, NO_MATCH
from pipelines.ops.cases import SHOWN, Case, cases, members
from pipelines.ops.claims import Claims
from pipelines.ops.deciding import propose, record
from pipelines.ops.reviewing import Review
from pipelines.ops.sheets import FILLED, read_rows, write_rows

if TYPE_CHECKING:
    from pipelines.ops.deciding import Proposal
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
    "probability",
)
_MOST = 10


@dataclass(frozen=True)
class Answers:
    """What a filled-in file says."""

    cases: tuple[Case, ...]
    """Those of ``rows``, in their order."""
    rows: tuple[Row, ...]
    """Rows of ``linkage/decisions``."""
    unsure: tuple[tuple[Case, str | None], ...]
    blank: int
    """Cases of the file without an answer: they stay open."""
    proposal: Proposal | None
    """None where there is no decision."""


def export(desk: Desk, path: str, limit: int | None = None) -> int:
    """Write the cases to ``path``; how many. The file says what records say: personal data."""
    found = cases(desk)[:limit]
    records = {
        f"{row['source']}:{row['record_id']}": row
        for row in members(desk, sorted({customer for case in found for customer in case.customers}))
    }
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
            "probability": f"{case.probability:.4f}",
        }
        for side, name in (("left", case.left), ("right", case.right)):
            row |= {f"{column}_{side}": records[name][column] for column in shown}
        rows.append(row)
    write_rows(path, columns, rows, (MATCH, NO_MATCH, UNSURE))
    return len(found)


def read_answers(desk: Desk, path: str, steward: str) -> Answers:
    """The answers of a filled-in file, checked as a whole. Raises UsageError, a line a problem."""
    rows = read_rows(path, (*FILLED, "case", "release", "generation"), "padron review --export")
    problems: list[str] = []
    older = sorted({row["generation"] for _, row in rows}.difference(desk.lineage))
    if older:
        raise UsageError(
            f"{path} was exported with generation {', '.join(older)}, and {desk.generation.generation_id} is in use "
            "now: export again, and carry the answers over. Nothing was recorded."
        )
    known = {case.case_id: case for case in cases(desk)}
    held = Claims(desk.warehouse, steward).holders()
    session = Review(desk, steward)
    answered: list[Case] = []
    made: list[Row] = []
    unsure: list[tuple[Case, str | None]] = []
    blank, seen = 0, set()
    for line, row in rows:
        where, text = f"{path}:{line}", row["answer"].strip().lower()
        case = known.get(row["case"])
        if row["case"] in seen:
            problems.append(f"{where}: the case stands twice: keep one row of it.")
        elif not text:
            blank += 1
            if row["reason"].strip():
                problems.append(f"{where}: there is a reason and no answer: write match, no_match or unsure.")
        elif text not in ANSWERS:
            problems.append(f"{where}: {row['answer']!r} is no answer: write match, no_match or unsure.")
        elif case is None:
            problems.append(
                f"{where}: the case is not open: it was decided since, or never stood in the queue."
            )
        elif row["case"] in held:
            problems.append(f"{where}: {held[row['case']]} has the case open now.")
        elif ANSWERS[text] == UNSURE:
            unsure.append((case, row["reason"].strip() or None))
        else:
            answered.append(case)
            made += session.answer([case], ANSWERS[text], row["reason"].strip() or None)
        seen.add(row["case"])
    if problems:
        more = len(problems) - _MOST
        told = [*problems[:_MOST], *([f"{more} more problems."] if more > 0 else [])]
        raise UsageError("\n".join([*told, "Nothing was recorded."]))
    if not made and not unsure:
        raise UsageError(f"{path} answers no case: write match, no_match or unsure in its column answer.")
    proposal = propose(desk, made) if made else None
    return Answers(tuple(answered), tuple(made), tuple(unsure), blank, proposal)


def settle(desk: Desk, answers: Answers, steward: str) -> list[str]:
    """Record the answers; the ids of the decisions. Raises UsageError where one contradicts what stands."""
    made = [] if answers.proposal is None else record(desk, answers.proposal)
    claims = Claims(desk.warehouse, steward)
    for case, reason in answers.unsure:
        claims.unsure(case.case_id, reason)
    return [row["decision_id"] for row in made]
