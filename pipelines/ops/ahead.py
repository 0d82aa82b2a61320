"""What the next night would do to customers by decisions that wait or another generation; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.errors import UsageError
from pipelines.linkage.adoption import check_fields
from pipelines.linkage.decision_files import SCHEMA as DECISION_ROWS
from pipelines.linkage.decision_files import read_decisions
from pipelines.linkage.decisions import ACTIVE
from pipelines.linkage.effect import effect
from pipelines.linkage.link import link_night
from pipelines.ops.generations import Revenue, current_records, revenue_of

if TYPE_CHECKING:
    from pipelines.identity.foreseen import Key
    from pipelines.linkage.generations import Generation
    from pipelines.ops.desk import Desk, Row
    from pipelines.ops.foreseen import Consequence


@dataclass(frozen=True)
class Ahead:
    """What would change."""

    decisions: int
    """Decisions that the release does not know yet, those that take others back among them."""
    troubled: dict[str, str]
    """Of these, and of older ones that change: the state that they would have, where it is not active."""
    customers_before: int
    customers_after: int
    consequence: Consequence
    revenue: tuple[Revenue, ...]
    """Revenue (``sales``) of the customers touched, by currency."""
    segments: dict[str, int]
    """The customers touched by the RFM segment that they have now."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "decisions": self.decisions,
            "troubled": self.troubled,
            "customers_before": self.customers_before,
            "customers_after": self.customers_after,
            **self.consequence.as_dict(),
            "revenue": [vars(money) for money in self.revenue],
            "segments": self.segments,
        }


def look_ahead(desk: Desk, generation: Generation | None = None, decisions: str | None = None) -> Ahead:
    """What the decisions that wait, those of a file ``decisions`` and a ``generation`` would change.

    New files are not looked at: records are those of the release. Raises UsageError for a file or generation that
    does not fit.
    """
    waiting = _waiting(desk)
    if decisions is not None:
        waiting += written_decisions(desk, decisions)
    if generation is None:
        outlook = desk.outlook(waiting, base=desk.released_decisions)
        states, consequence = outlook.states, outlook.consequence
    else:
        states, consequence = _linked_by(desk, generation, waiting)
    revenue, segments = _touched(
        desk, sorted({moved.was for moved in consequence.moved} | _joined(consequence))
    )
    before = int(str(desk.reader.value("SELECT count(DISTINCT customer_id) FROM identity.assignments")))
    new = {row["decision_id"] for row in waiting}
    troubled = {
        name: str(row["state"])
        for name, row in states.items()
        if row["state"] != ACTIVE and (name in new or row["state"] != _state_now(desk, name))
    }
    after = before + consequence.more
    return Ahead(len(waiting), troubled, before, after, consequence, revenue, segments)


def _joined(consequence: Consequence) -> set[str]:
    return {moved.becomes for moved in consequence.moved if not moved.is_new}


def _state_now(desk: Desk, name: str) -> str | None:
    state = desk.states().get(name)
    return None if state is None else str(state["state"])


def _waiting(desk: Desk) -> list[Row]:
    released = set(desk.released_decisions["decision_id"].to_pylist())
    return [row for row in desk.decisions.to_pylist() if row["decision_id"] not in released]


def written_decisions(desk: Desk, path: str) -> list[Row]:
    """The rows of a file that were not recorded yet. Raises UsageError where it names what is not there."""
    written = read_decisions(path)
    if not written.rows.num_rows:
        raise UsageError(f"{path} holds no decision, or does not exist.")
    decisions = desk.decisions
    known = set(decisions["decision_id"].to_pylist())
    new = [row for row in desk.named_now(written.rows).to_pylist() if row["decision_id"] not in known]
    every = pa.Table.from_pylist([*decisions.to_pylist(), *new], schema=DECISION_ROWS)
    problems = [
        f"{written.places[found.decision_id]}: {found.in_words()}."
        for found in desk.unknown(every)
        if found.decision_id not in known
    ]
    if problems:
        raise UsageError("\n".join(problems))
    return new


def _linked_by(desk: Desk, generation: Generation, waiting: list[Row]) -> tuple[dict[str, Row], Consequence]:
    """The released records linked by another generation, all decisions over them."""
    conf = desk.settings.linkage
    check_fields(generation, conf)
    records, release = current_records(desk.warehouse, conf)
    every = pa.Table.from_pylist([*desk.released_decisions.to_pylist(), *waiting], schema=DECISION_ROWS)
    linked = link_night(records, generation, conf, release.business_date, decisions=every)
    now = desk.reader.arrow("SELECT source, record_id, cluster_final FROM linkage.clusters")
    touched = effect(now, linked.clusters, "cluster_final", "cluster_final").touched["customer"]
    before: dict[Key, str] = {
        (row["source"], row["record_id"]): row["cluster_final"]
        for row in now.filter(pc.is_in(now["cluster_final"], value_set=touched.combine_chunks())).to_pylist()
    }
    after: dict[Key, str] = {
        (row["source"], row["record_id"]): row["cluster_final"]
        for row in linked.clusters.select(["source", "record_id", "cluster_final"]).to_pylist()
        if (row["source"], row["record_id"]) in before
    }
    states = {row["decision_id"]: row for row in linked.decision_states.to_pylist()}
    return states, desk.consequence(before, after)


def _touched(desk: Desk, customers: list[str]) -> tuple[tuple[Revenue, ...], dict[str, int]]:
    if not customers:
        return (), {}
    connection = desk.reader.connection
    connection.register("touched", pa.table({"customer": pa.array(customers, pa.string())}))
    revenue = revenue_of(connection, "touched")
    connection.unregister("touched")
    if not desk.reader.has("gold/rfm"):
        return revenue, {}
    rows: Any = desk.reader.rows(
        """SELECT coalesce(segment, 'none') AS segment, count(DISTINCT customer_id) AS n FROM gold.rfm
        WHERE list_contains($1::VARCHAR[], customer_id) GROUP BY ALL ORDER BY n DESC, segment""",
        [customers],
    )
    return revenue, {str(row["segment"]): int(row["n"]) for row in rows}
