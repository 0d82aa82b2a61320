"""A steward's desk: the newest release, what was decided since, and what one more decision would do.

Nothing here starts Spark. Linkage's own function puts decisions over the released clusters, and the
assignment rule says whose id stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.identity.events import STARTS
from pipelines.identity.foreseen import foreseen_ids
from pipelines.linkage.clusters import CLUSTERS
from pipelines.linkage.decided import around_query, decide, named_records
from pipelines.linkage.decision_files import SCHEMA as DECISION_ROWS
from pipelines.linkage.decisions import DECISIONS, Unknown, standing, unknown
from pipelines.linkage.engine import empty_records
from pipelines.linkage.generations import GENERATIONS, Generation, lineage, newest
from pipelines.ops import stewards
from pipelines.ops.foreseen import Consequence, consequence
from pipelines.ops.reading import Reader
from pipelines.ops.register import as_customer_id, names_of
from pipelines.ops.sales import Basis
from pipelines.silver.renames import RENAMES, decisions_now

if TYPE_CHECKING:
    from pipelines.identity.foreseen import Key
    from pipelines.ops.releases import Release
    from pipelines.settings import Settings
    from pipelines.storage import Warehouse

Row = dict[str, Any]
TABLES = (
    *(f"identity/{name}" for name in ("assignments", "assignment_history", "aliases", "events")),
    *(f"linkage/{name}" for name in ("clusters", "scored_pairs", "review_queue", "decision_states")),
    *("silver/customer_records", "silver/orders", "silver/renames", "gold/xref", "gold/rfm"),
)
"""What a desk reads of a release."""


@dataclass(frozen=True)
class Outlook:
    """What decisions would do in the next night."""

    consequence: Consequence
    states: dict[str, Row]
    """What ``linkage/decision_states`` would say of every decision, by decision_id."""
    turned: dict[str, str]
    """Older decisions that would change their state, and to which."""


class Desk:
    """The newest release as stewards work on it. Raises NoReleaseError, and UsageError where nothing is linked."""

    def __init__(self, warehouse: Warehouse, settings: Settings, release: Release | None = None) -> None:
        self.warehouse, self.settings = warehouse, settings
        self.reader = Reader(warehouse, release, TABLES)
        self.release = self.reader.release
        if not self.reader.has(CLUSTERS.path):
            raise UsageError(
                f"Release {self.release.release_id} has no {CLUSTERS.path}: nothing was linked yet."
            )

        Basis.of(settings).lay_out(self.reader.connection, self.release.tables)

    @cached_property
    def generation(self) -> Generation:
        """The generation in use."""
        version = self.release.tables.get(GENERATIONS.path)
        found = None if version is None else newest(self.warehouse.arrow(GENERATIONS.path, version))
        if found is None:
            raise UsageError(
                f"Release {self.release.release_id} has no generation of linkage: run `padron run` first."
            )
        return found

    @cached_property
    def lineage(self) -> list[str]:
        """The generation in use and those that it is a minor revision of."""
        version = self.release.tables.get(GENERATIONS.path)
        return lineage(None if version is None else self.warehouse.arrow(GENERATIONS.path, version))

    @property
    def decisions(self) -> pa.Table:
        """Every decision so far, recorded or written in the configuration; records by their names of now."""
        there = stewards.recorded(self.warehouse)
        rows = [] if there is None else there.select(DECISION_ROWS.names).to_pylist()
        known = {row["decision_id"] for row in rows}
        written = [r for r in self.settings.decisions.to_pylist() if r["decision_id"] not in known]
        return self.named_now(pa.Table.from_pylist([*rows, *written], schema=DECISION_ROWS))

    def unknown(self, decisions: pa.Table) -> list[Unknown]:
        """What of ``decisions`` names what nobody knows; the records by their names of now."""
        names: list[object] = [
            sorted({name for decision in standing(decisions) for name in decision.records})
        ]
        there = self.reader.rows(
            """SELECT DISTINCT source || ':' || record_id AS name FROM identity.assignment_history
            SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS asked) ON asked = source || ':' || record_id""",
            names,
        )
        return unknown(decisions, {str(row["name"]) for row in there})

    def named_now(self, decisions: pa.Table) -> pa.Table:
        """Rows of ``linkage/decisions`` with the records as they are called now."""
        found = decisions_now(decisions, self._renames)
        return decisions if found is None else found.cast(DECISION_ROWS)

    @cached_property
    def _renames(self) -> pa.Table | None:
        version = self.release.tables.get(RENAMES.path)
        return None if version is None else self.warehouse.arrow(RENAMES.path, version)

    def _all_names(self, keys: Iterable[Key]) -> dict[str, Key]:
        """Every name that the records ever had, source:record_id, with the one of now."""
        if not self._renames:
            return {":".join(key): key for key in keys}
        return {":".join(name): key for key in keys for name in names_of(self.reader, *key)}

    @cached_property
    def released_decisions(self) -> pa.Table:
        """The decisions that the release was made with."""
        version = self.release.tables.get(DECISIONS.path)
        found = None if version is None else self.warehouse.arrow(DECISIONS.path, version)
        rows = DECISION_ROWS.empty_table() if found is None else found.select(DECISION_ROWS.names)
        return self.named_now(rows)

    def states(self) -> dict[str, Row]:
        """``linkage/decision_states`` of the release, by decision_id."""
        if not self.reader.has("linkage/decision_states"):
            return {}
        return {str(r["decision_id"]): r for r in self.reader.rows("SELECT * FROM linkage.decision_states")}

    def records_of(self, name: str) -> list[str]:
        """The live records that ``name`` stands for: one, source:record_id, or all of a customer id.

        Raises UsageError for one that is unknown, deleted, or an id that is no customer any more.
        """
        if ":" in name:
            return [self._record(name)]
        name = as_customer_id(name)
        found = self.reader.rows(
            "SELECT source || ':' || record_id AS name FROM identity.assignments WHERE customer_id = ? ORDER BY ALL",
            [name],
        )
        if found:
            return [str(row["name"]) for row in found]
        became = self.reader.rows(
            "SELECT became FROM identity.aliases WHERE customer_id = ? AND valid_to IS NULL ORDER BY ALL",
            [name],
        )
        if became:
            now = ", ".join(str(row["became"] or "erased") for row in became)
            raise UsageError(f"{name} is no customer any more; it became {now}.")
        known = self.reader.rows(
            "SELECT 1 FROM identity.assignment_history WHERE customer_id = ? LIMIT 1", [name]
        )
        if known:
            raise UsageError(f"customer {name} has no live record: there is nothing to decide about.")
        raise UsageError(
            f"{name} is neither a customer id that was ever published nor a record: write source:record_id, "
            "such as crm:C00017."
        )

    def _record(self, name: str) -> str:
        source, _, record_id = name.partition(":")
        key: list[object] = [source, record_id]
        where = "WHERE source = ? AND record_id = ?"
        if self.reader.rows(f"SELECT 1 FROM identity.assignments {where}", key):
            return name
        if self.reader.rows(f"SELECT 1 FROM identity.assignment_history {where} LIMIT 1", key):
            now = ":".join(names_of(self.reader, source, record_id)[-1])
            if now != name and self.reader.rows(
                "SELECT 1 FROM identity.assignments WHERE source || ':' || record_id = ?", [now]
            ):
                raise UsageError(f"record {name} is called {now} now.")
            raise UsageError(
                f"record {name} is not delivered any more: a decision about it would do nothing."
            )
        sources = self.reader.rows("SELECT DISTINCT source FROM identity.assignments ORDER BY ALL")
        listed = ", ".join(str(row["source"]) for row in sources) or "none"
        raise UsageError(f"there is no record {name}; the sources with live records are {listed}.")

    def outlook(self, new: Iterable[Row] = (), base: pa.Table | None = None) -> Outlook:
        """What ``new`` rows of ``linkage/decisions`` would change beside those of ``base``.

        ``base`` are all decisions so far; those of the release, to see what waits for the next night.
        """
        before = self.decisions if base is None else base
        after = pa.Table.from_pylist([*before.to_pylist(), *new], schema=DECISION_ROWS)
        named = sorted({*named_records(before), *named_records(after)})
        columns = ", ".join(f'r."{name}"' for name in empty_records(self.settings.linkage).column_names)
        records = self.reader.arrow(
            around_query("linkage.clusters", "silver.customer_records", columns), [named]
        )
        states: list[dict[str, Row]] = []
        final: list[dict[Key, str]] = []
        # Without anything new both are the same.
        for decisions in (before, after)[: 1 + (after.num_rows > before.num_rows)]:
            rules = records.select(["source", "record_id", "cluster_rules"]).to_pylist()
            homes = {(row["source"], row["record_id"]): str(row["cluster_rules"]) for row in rules}
            decided = decide(records, decisions, self.generation, self.settings.linkage)
            homes |= {
                (row["source"], row["record_id"]): row["cluster_final"] for row in decided.final.to_pylist()
            }
            states.append({row["decision_id"]: row for row in decided.states.to_pylist()})
            final.append(homes)
        turned = {
            name: str(row["state"])
            for name, row in states[-1].items()
            if name in states[0] and row["state"] != states[0][name]["state"]
        }
        return Outlook(self.consequence(final[0], final[-1]), states[-1], turned)

    def consequence(self, before: Mapping[Key, str], after: Mapping[Key, str]) -> Consequence:
        """What clusters ``after`` would make of customers where ``before`` are the clusters, of all records of both."""
        changed = _changed(before, after)
        if not changed:
            return Consequence.none()
        before = {key: before[key] for key in changed}
        after = {key: after[key] for key in changed}
        around = self._with_rivals(before)
        identity = self._identity({**around, **before})
        was, becomes = (foreseen_ids({**around, **homes}, *identity) for homes in (before, after))
        homes = {**around, **after}
        named = {
            key: (str(customer), becomes[key] or f"new:{homes[key]}")
            for key, customer in was.items()
            if customer
        }
        named |= {
            key: (f"new:{before.get(key, around.get(key))}", becomes[key] or f"new:{homes[key]}")
            for key, customer in was.items()
            if not customer
        }
        return consequence(self.reader, named)

    def _with_rivals(self, homes: Mapping[Key, str]) -> dict[Key, str]:
        """The released clusters of all whose vote may count beside those of ``homes``: who holds an id they held."""
        found: dict[Key, str] = {}
        asked = list(self._all_names(homes))
        while asked:
            rows = self.reader.rows(
                """WITH asked AS (SELECT unnest($1::VARCHAR[]) AS name),
                ids AS (SELECT DISTINCT customer_id FROM identity.events
                    SEMI JOIN asked ON name = source || ':' || record_id WHERE customer_id IS NOT NULL),
                holders AS (SELECT source, record_id FROM identity.assignments SEMI JOIN ids USING (customer_id)),
                places AS (SELECT DISTINCT cluster_final FROM linkage.clusters SEMI JOIN holders USING (source, record_id))
                SELECT source, record_id, cluster_final FROM linkage.clusters SEMI JOIN places USING (cluster_final)""",
                [asked],
            )
            new = {(str(r["source"]), str(r["record_id"])): str(r["cluster_final"]) for r in rows}
            asked = list(self._all_names(key for key in new if key not in found and key not in homes))
            found |= new
        return found

    def _identity(self, homes: Mapping[Key, str]) -> tuple[list[Row], list[Row], dict[str, Any]]:
        """The events of the records, the aliases of ids they held, and when each of these was first published."""
        now = self._all_names(homes)
        # A rename retires the old name, and nobody by that.
        events = self.reader.rows(
            """SELECT business_date, publication, event, source, record_id, customer_id FROM identity.events
            SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS name) ON name = source || ':' || record_id
            WHERE NOT (event = 'retired' AND cause = 'rename')""",
            [list(now)],
        )
        for event in events:
            event["source"], event["record_id"] = now[f"{event['source']}:{event['record_id']}"]
        ids: list[object] = [sorted({str(e["customer_id"]) for e in events if e["customer_id"]})]
        asked = "SEMI JOIN (SELECT unnest($1::VARCHAR[]) AS id) ON id = customer_id"
        aliases = self.reader.rows(f"SELECT * FROM identity.aliases {asked}", ids)
        starts = ", ".join(f"'{kind}'" for kind in STARTS)
        first = self.reader.rows(
            f"""SELECT customer_id, min({{'date': business_date, 'publication': publication}}) AS since
            FROM (SELECT * FROM identity.events WHERE event IN ({starts})) {asked} GROUP BY customer_id""",
            ids,
        )
        published = {}
        for row in first:
            since: Any = row["since"]
            published[str(row["customer_id"])] = (since["date"], since["publication"])
        return events, aliases, published


def _changed(before: Mapping[Key, str], after: Mapping[Key, str]) -> set[Key]:
    """The records of clusters that are not the same in both."""
    parts: list[dict[str, set[Key]]] = [{}, {}]
    for place, homes in enumerate((before, after)):
        for key, cluster in homes.items():
            parts[place].setdefault(cluster, set()).add(key)
    kept = {frozenset(members) for members in parts[0].values()} & {frozenset(m) for m in parts[1].values()}
    same = {key for members in kept for key in members}
    return {key for key in before if key not in same}
