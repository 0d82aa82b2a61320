"""The review queue as stewards work through it: ranked by what a decision is worth, without what was decided since.

Linkage queues by uncertainty, for it stands before any money; here it meets the release's orders.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.linkage.decisions import standing
from pipelines.linkage.review_queue import REASONS, REVIEW_QUEUE
from pipelines.ops.foreseen import Money
from pipelines.ops.sales import VIEW

if TYPE_CHECKING:
    from pipelines.ops.desk import Desk, Row

LEAST_MONEY = 0.01
"""Of the largest case's revenue: what a case without orders counts as, so that it is still ranked by uncertainty."""
COMPARED = {
    "given_formal": "given name",
    "surname": "surname",
    "company_name": "company",
    "birth_date": "birth date",
    "tax_id": "tax id",
    "emails": "e-mail",
    "phones": "phone",
    "postal_code": "postal code",
}
"""Roles that make a pattern, in words."""
SHOWN = (
    "party_type",
    "given_name",
    "surname",
    "second_surname",
    "company_name",
    "birth_date",
    "tax_id",
    "emails",
    "phones",
    "street_name",
    "street_number",
    "postal_code",
    "city",
    "loyalty_id",
    "registered_at",
)
"""What a steward sees of a record: columns of ``silver/customer_records``."""


@dataclass(frozen=True)
class Case:
    """One case: two records, and the customers that they belong to."""

    case_id: str
    """``source:record_id|source:record_id``: the same in every night that asks about the pair."""
    left: str
    right: str
    reason: str
    probability: float
    uncertainty: float
    relation: str | None
    decision_id: str | None
    customers: tuple[str, ...]
    """One where the case is inside a customer, else two."""
    revenue: tuple[Money, ...]
    """Net money of these customers, by currency."""
    worth: float
    """Uncertainty × the customers' share of the release's revenue, over all currencies."""
    pattern: str
    """Reason, sources and agreement: cases of one pattern look alike."""

    @property
    def because(self) -> str:
        return REASONS.get(self.reason, self.reason)

    @property
    def is_inside(self) -> bool:
        """True where both records are one customer now."""
        return len(self.customers) == 1


def case_id(left: str, right: str) -> str:
    return f"{left}|{right}"


def cases(desk: Desk) -> list[Case]:
    """The cases of the release that nobody decided since, the one that is worth most first.

    Of all cases of the same customers the first: a steward sees these whole. Raises UsageError.
    """
    reader = desk.reader
    if not reader.has(REVIEW_QUEUE.path):
        raise UsageError(
            f"Release {desk.release.release_id} has no {REVIEW_QUEUE.path}: nothing was linked yet."
        )
    columns = {row["column_name"] for row in reader.rows("DESCRIBE SELECT * FROM linkage.review_queue")}
    if "uncertainty" not in columns:
        raise UsageError(
            f"Release {desk.release.release_id} was made by an older version: run a night, and review then."
        )
    rows: Any = reader.rows(
        f"""WITH money AS (SELECT customer_id, currency, sum(net) AS net FROM {VIEW} GROUP BY ALL),
        totals AS (SELECT currency, sum(net) AS total FROM money GROUP BY currency),
        shares AS (SELECT customer_id, CAST(sum(net / nullif(total, 0)) AS DOUBLE) AS share,
                list({{'currency': currency, 'net': net}} ORDER BY currency) AS revenue
            FROM money JOIN totals USING (currency) GROUP BY customer_id),
        sided AS (SELECT q.*, l.customer_id AS customer_l, r.customer_id AS customer_r FROM linkage.review_queue q
            JOIN identity.assignments l ON l.source = source_l AND l.record_id = record_id_l
            JOIN identity.assignments r ON r.source = source_r AND r.record_id = record_id_r)
        SELECT s.*, one.revenue AS revenue_l, other.revenue AS revenue_r, {_agreement(desk)} AS agreement,
            greatest(coalesce(one.share, 0)
                + CASE WHEN customer_l <> customer_r THEN coalesce(other.share, 0) ELSE 0 END, 0) AS share
        FROM sided s LEFT JOIN shares one ON one.customer_id = customer_l
        LEFT JOIN shares other ON other.customer_id = customer_r
        JOIN silver.customer_records l ON l.source = source_l AND l.record_id = record_id_l
        JOIN silver.customer_records r ON r.source = source_r AND r.record_id = record_id_r"""
    )
    largest = max((row["share"] for row in rows), default=0.0) or 1.0
    still = undecided(desk, [_case(row, largest) for row in rows])
    firsts: dict[object, Case] = {}
    for case in sorted(still, key=lambda case: (-case.worth, case.case_id)):
        firsts.setdefault((frozenset(case.customers), case.decision_id), case)
    return list(firsts.values())


def undecided(desk: Desk, found: Iterable[Case]) -> list[Case]:
    """The cases that nobody decided since."""
    pairs, gone = _decided_since(desk)
    return [c for c in found if frozenset((c.left, c.right)) not in pairs and c.decision_id not in gone]


def _agreement(desk: Desk) -> str:
    """SQL: what the two records agree (=) and differ (≠) in."""
    fields = desk.settings.linkage.fields
    there = {
        row["column_name"]: str(row["column_type"])
        for row in desk.reader.rows("DESCRIBE SELECT * FROM silver.customer_records")
    }
    told = []
    for role in COMPARED:
        column = fields.get(role)
        if column in there:
            same = (
                f"list_has_any(l.{column}, r.{column})"
                if there[column].endswith("[]")
                else f"l.{column} = r.{column}"
            )
            told.append(
                f"CASE WHEN {same} THEN '{COMPARED[role]} =' WHEN NOT {same} THEN '{COMPARED[role]} ≠' END"
            )
    return f"concat_ws(', ', {', '.join(told)})" if told else "''"


def _case(row: Row, largest: float) -> Case:
    left, right = (f"{row[f'source_{side}']}:{row[f'record_id_{side}']}" for side in ("l", "r"))
    customers = tuple(dict.fromkeys((str(row["customer_l"]), str(row["customer_r"]))))
    revenue: dict[str, Decimal] = {}
    for side in ("l", "r")[: len(customers)]:
        for money in row[f"revenue_{side}"] or ():
            revenue[money["currency"]] = revenue.get(money["currency"], Decimal(0)) + money["net"]
    sources = "–".join(sorted((str(row["source_l"]), str(row["source_r"]))))
    return Case(
        case_id(left, right),
        left,
        right,
        str(row["reason"]),
        float(row["same_person_probability"]),
        float(row["uncertainty"]),
        row["relation"],
        row["decision_id"],
        customers,
        tuple(Money(currency, net) for currency, net in sorted(revenue.items())),
        float(row["uncertainty"]) * (float(row["share"]) + LEAST_MONEY * largest),
        f"{row['reason']} {sources}: {row['agreement'] or 'nothing to compare'}",
    )


def _decided_since(desk: Desk) -> tuple[set[frozenset[str]], set[str]]:
    """Pairs that decisions name which the release does not know; held decisions that need nobody any more."""
    released = set(desk.released_decisions["decision_id"].to_pylist())
    known = standing(desk.decisions)
    pairs: set[frozenset[str]] = set()
    for decision in known:
        if decision.revoked_by is not None or decision.decision_id in released:
            continue
        named = (
            combinations(decision.records, 2) if decision.is_match else product(decision.left, decision.right)
        )
        pairs |= {frozenset(pair) for pair in named}
    gone = {d.decision_id for d in known if d.revoked_by is not None}
    for name, state in desk.states().items():
        if gone.intersection(state["against"] or ()):
            gone.add(name)
    return pairs, gone


def pattern_of(found: Iterable[Case], case: Case) -> list[Case]:
    """The other cases of the same pattern."""
    return [other for other in found if other.pattern == case.pattern and other.case_id != case.case_id]


def members(desk: Desk, customers: Iterable[str]) -> list[Row]:
    """The live records of customers, in standard form: customer_id, source, record_id and ``SHOWN``."""
    there = {row["column_name"] for row in desk.reader.rows("DESCRIBE SELECT * FROM silver.customer_records")}
    shown = ", ".join(f"r.{name}" for name in SHOWN if name in there)
    return desk.reader.rows(
        f"""SELECT customer_id, source, record_id, {shown} FROM identity.assignments
        JOIN silver.customer_records r USING (source, record_id)
        WHERE list_contains($1::VARCHAR[], customer_id) ORDER BY customer_id, source, record_id""",
        [list(customers)],
    )
