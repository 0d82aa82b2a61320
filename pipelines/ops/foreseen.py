"""What would become of customers, their orders and their money, in words and figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.linkage.effect import KINDS, effect
from pipelines.ops.sales import VIEW

if TYPE_CHECKING:
    from pipelines.identity.foreseen import Key
    from pipelines.ops.reading import Reader

NEW = "new:"
"""Before the cluster of a customer whose id a night has yet to mint."""


@dataclass(frozen=True)
class Money:
    """Net money in one currency."""

    currency: str
    net: Decimal

    def in_words(self) -> str:
        return f"{self.net:,.2f} {self.currency}"


@dataclass(frozen=True)
class Moved:
    """A live record that would change its customer."""

    record: str
    was: str
    becomes: str
    """Begins with ``NEW`` where the id is yet to be minted."""

    @property
    def is_new(self) -> bool:
        return self.becomes.startswith(NEW)


@dataclass(frozen=True)
class Consequence:
    """What would change for customers."""

    customers: dict[str, int]
    """Customers of now by what becomes of them: merged, split, rearranged."""
    more: int
    """Customers of then less those of now."""
    moved: tuple[Moved, ...]
    orders: int
    """Orders of the records that move, deleted ones of a customer that ends among them; not cancelled ones."""
    money: tuple[Money, ...]
    """Their net money, by currency (``sales``)."""

    @classmethod
    def none(cls) -> Consequence:
        return cls(dict.fromkeys(KINDS[1:], 0), 0, (), 0, ())

    @property
    def is_none(self) -> bool:
        return not any(self.customers.values())

    def in_words(self) -> str:
        """One line, such as ``2 customers merge; 1 record, 14 orders, 3,210.00 MXN move``."""
        if self.is_none:
            return "No customer changes."
        verbs = {"merged": "merge", "split": "split", "rearranged": "are rearranged"}
        told = [
            f"{n:,} customer{_s(n)} {verbs[kind] if n > 1 or kind == 'rearranged' else verbs[kind] + 's'}"
            for kind, n in self.customers.items()
            if n
        ]
        what = [f"{len(self.moved):,} record{_s(len(self.moved))}", f"{self.orders:,} order{_s(self.orders)}"]
        moves = ", ".join([*what, *(money.in_words() for money in self.money)])
        return f"{', '.join(told)}; {moves} move."

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for programs; an id yet to be minted is null."""
        return {
            "customers": self.customers,
            "orders": self.orders,
            "money": [{"currency": m.currency, "net": str(m.net)} for m in self.money],
            "records": [
                {"record": m.record, "was": m.was, "becomes": None if m.is_new else m.becomes}
                for m in self.moved
            ],
        }


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def consequence(reader: Reader, customers: Mapping[Key, tuple[str, str]]) -> Consequence:
    """What it means that each record of ``customers`` goes from the one customer to the other.

    ``customers`` are all live records of the customers in it. The ``reader`` has the view of ``sales``.
    """
    rows = [
        {"source": source, "record_id": record_id, "was": was, "becomes": becomes}
        for (source, record_id), (was, becomes) in sorted(customers.items())
    ]
    if not rows:
        return Consequence.none()
    table = pa.Table.from_pylist(rows)
    found = effect(table, table, "was", "becomes")
    moved = tuple(
        Moved(f"{row['source']}:{row['record_id']}", row["was"], row["becomes"])
        for row in rows
        if row["was"] != row["becomes"]
    )
    ended = sorted({row["was"] for row in rows} - {row["becomes"] for row in rows})
    orders, money = _orders(reader, [m.record for m in moved], ended)
    more = found.customers_after - found.customers_before
    return Consequence({kind: found.customers[kind] for kind in KINDS[1:]}, more, moved, orders, money)


def _orders(reader: Reader, records: list[str], ended: list[str]) -> tuple[int, tuple[Money, ...]]:
    """Orders and net money of the ``records``, and of the deleted records of customers that ``ended``."""
    rows: Any = reader.rows(
        f"""SELECT currency, count(*) AS orders, sum(net) AS net FROM {VIEW}
        WHERE list_contains($1::VARCHAR[], source || ':' || record_id)
            OR (NOT is_live AND list_contains($2::VARCHAR[], customer_id))
        GROUP BY currency ORDER BY currency""",
        [records, ended],
    )
    money = tuple(Money(str(row["currency"]), Decimal(row["net"])) for row in rows)
    return sum(int(row["orders"]) for row in rows), money
