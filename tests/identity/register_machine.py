"""A small register under everything that may happen to it: records, decisions of stewards, renames, nights.

Who is who is known: a record says which person it is, people are clusters, and linkage's own function puts the
decisions over them. The oracle remembers what was published, by the names of now.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from identity_world import (
    Key,
    Scene,
    State,
    after,
    arrow_frame,
    clusters_frame,
    frames,
    keys_frame,
    rows,
    touched_keys,
)
from linkage_people import CONF, record, table

from pipelines.identity.assign import WORTH_A_LOOK
from pipelines.identity.audit import audit
from pipelines.identity.build import build_identity
from pipelines.identity.frames import ONE_TASK
from pipelines.identity.renamed import named
from pipelines.linkage.decided import decide
from pipelines.linkage.decision_files import SCHEMA as DECISION_ROWS
from pipelines.linkage.decisions import ACTIVE, standing
from pipelines.linkage.generations import Generation
from pipelines.linkage.link import link_night
from pipelines.silver.renames import SCHEMA as RENAME_ROWS
from pipelines.silver.renames import decisions_now

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.identity.assign import Identity

PEOPLE = {
    "ana": {"given": "ana", "surname": "garcia", "emails": ["ana.garcia@mail.com"]},
    "luis": {"given": "luis", "surname": "navez", "emails": ["luis.navez@mail.com"]},
    "eva": {"given": "eva", "surname": "soto", "emails": ["eva.soto@mail.com"]},
}
CONTENT = pa.schema([("source", pa.string()), ("record_id", pa.string()), ("matching_digest", pa.int64())])


@cache
def generation() -> Generation:
    """What decisions are put over clusters with."""
    few = [record("crm", name, **said) for name, said in PEOPLE.items()]
    return link_night(table(few), None, CONF, date(2026, 7, 1)).generation


def text(key: Key) -> str:
    return ":".join(key)


@dataclass
class Register:
    """Live records with their person, what was decided and renamed, and every publication."""

    spark: SparkSession
    live: dict[Key, str] = field(default_factory=dict)
    gone: dict[Key, str] = field(default_factory=dict)
    day: date = date(2026, 7, 1)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    renames: list[dict[str, Any]] = field(default_factory=list)
    published: list[State] = field(default_factory=list)
    _content: dict[Key, str] = field(default_factory=dict)
    """What the records said at the last publication."""
    _known: tuple[int, int] = (0, 0)
    """Decisions and renames that the last publication knew."""
    _audited: tuple[Identity, State, Scene] | None = None
    """The prior state by the names of now, the last publication, and its clusters."""
    _named: dict[Key, Key] = field(default_factory=dict)
    """Former names to the next."""

    def now(self, key: Key) -> Key:
        """What a record is called now."""
        while key in self._named:
            key = self._named[key]
        return key

    @property
    def ids(self) -> dict[Key, str]:
        """The customers of the last publication, by the names of now."""
        return {self.now(k): c for k, c in self.published[-1].ids.items()} if self.published else {}

    def decide(
        self, kind: str, left: Iterable[Key], right: Iterable[Key] = (), revokes: str | None = None
    ) -> str:
        name = f"d{len(self.decisions)}"
        moment = datetime.combine(self.day, datetime.min.time(), UTC) + timedelta(
            hours=12, seconds=len(self.decisions)
        )
        sides = {"left_records": sorted(map(text, left)), "right_records": sorted(map(text, right))}
        said = {"decision_id": name, "kind": kind, **sides, "revokes": revokes}
        self.decisions.append({**said, "decided_by": "ana", "decided_at": moment})
        return name

    def rename(self, old: Key, new: Key, since: date) -> None:
        ends = {"source": old[0], "record_id": old[1], "new_source": new[0], "new_record_id": new[1]}
        self.renames.append({**ends, "since": since, "business_date": since})
        for records in (self.live, self.gone, self._content):
            if old in records:
                records[new] = records.pop(old)
        self._named[old] = new

    def _decided(self) -> pa.Table:
        return pa.Table.from_pylist(self.decisions, schema=DECISION_ROWS)

    def _clusters(self) -> tuple[Scene, dict[str, str]]:
        """The clusters of tonight, and what became of every decision."""
        people = [record(*key, **PEOPLE[person]) for key, person in sorted(self.live.items())]
        first: dict[str, str] = {}
        for key, person in sorted(self.live.items()):
            first.setdefault(person, text(key))
        homes = pa.array([first[person] for _, person in sorted(self.live.items())], pa.string())
        final = {key: first[person] for key, person in self.live.items()}
        records = table(people).append_column("cluster_rules", homes)
        renamed = pa.Table.from_pylist(self.renames, schema=RENAME_ROWS)
        found = decide(records, decisions_now(self._decided(), renamed), generation(), CONF)
        final |= {(r["source"], r["record_id"]): r["cluster_final"] for r in found.final.to_pylist()}
        members: dict[str, set[Key]] = defaultdict(set)
        for key, cluster in final.items():
            members[cluster].add(key)
        clusters = frozenset(frozenset(found) for found in members.values())
        return Scene(clusters), {r["decision_id"]: r["state"] for r in found.states.to_pylist()}

    def night(self, day: date) -> None:
        """Publish ``day``, which may be that of the last publication, and hold the contract against it."""
        self.day = day
        scene, states = self._clusters()
        prior = self.published[-1] if self.published else State()
        before = frames(self.spark, prior)
        told, begun = self._known
        renames = pa.Table.from_pylist(self.renames, schema=RENAME_ROWS)
        renamed = named(before, renames, renames.slice(begun), day) if self.renames else None
        content = {key: PEOPLE[person]["given"] for key, person in self.live.items()}
        decided = self._decided()
        edited = {k for k, said in content.items() if k in self._content and self._content[k] != said}
        touched = touched_keys(prior, scene, edited)
        made = build_identity(
            clusters_frame(self.spark, scene),
            keys_frame(self.spark, touched),
            self._said(content),
            self._said_then(),
            self.spark.createDataFrame(decided),
            self.spark.createDataFrame(decided.slice(0, told)),
            before,
            day,
            renamed=renamed,
            register=WORTH_A_LOOK if len(self.published) % 3 else 0,
        )
        state = after(made, prior)
        self._check(state, scene, states, edited)
        self._audited = (before if renamed is None else renamed.prior, state, scene)
        self.published.append(state)
        self._content, self._known = dict(content), (len(self.decisions), len(self.renames))

    def audit(self) -> None:
        """The night's own audit finds nothing in the last publication."""
        if self._audited is not None:
            prior, state, scene = self._audited
            now = frames(self.spark, state), clusters_frame(self.spark, scene)
            counted = rows(audit(prior, *now, self.day, records=len(self.published) % 2 * (ONE_TASK + 1)))
            broken = {r["invariant"]: r["violations"] for r in counted if r["violations"]}
            assert not broken, broken

    def _said(self, content: dict[Key, Any]) -> DataFrame:
        """silver/customer_records, as far as identity reads it."""
        said = [
            {"source": s, "record_id": r, "matching_digest": int.from_bytes(given.encode()[:7])}
            for (s, r), given in content.items()
        ]
        return arrow_frame(self.spark, said, CONTENT)

    def _said_then(self) -> DataFrame:
        """The same of the last publication, by the names of then."""
        then = {new: old for old, new in self._named.items() if (old, new) in self._begun()}
        content = dict(self._content)
        for new, old in then.items():
            if new in content:
                content[old] = content.pop(new)
        return self._said(content)

    def _begun(self) -> set[tuple[Key, Key]]:
        return {
            ((r["source"], r["record_id"]), (r["new_source"], r["new_record_id"]))
            for r in self.renames[self._known[1] :]
        }

    def _check(self, state: State, scene: Scene, decisions: dict[str, str], edited: set[Key]) -> None:
        """The invariants of the contract, by what was published."""
        before, now = self.ids, state.ids
        holders: dict[str, set[Key]] = defaultdict(set)
        for published in self.published:
            for key, customer in published.ids.items():
                holders[customer].add(self.now(key))
        customers: dict[str, set[Key]] = defaultdict(set)
        for key, customer in now.items():
            customers[customer].add(key)
        assert {frozenset(found) for found in customers.values()} == scene.clusters
        prior: dict[str, set[Key]] = defaultdict(set)
        for key, customer in before.items():
            prior[customer].add(key)
        for customer, records in prior.items():
            if records in scene.clusters:
                assert customers[customer] == records, "customers that nothing touched keep their id"
            parts = [part & records for part in scene.clusters if part & records]
            if len(parts) > 1:
                given = [{now[r] for r in part} for part in parts]
                assert given.count({customer}) <= 1, "of a split one part at most keeps the id"
                assert any(min(ids) in holders for ids in given), "not all parts are new"
        for customer, records in customers.items():
            assert customer not in holders or records & holders[customer], (
                "an id is new, or returns to who held it"
            )
            merged = {before[r] for r in records if r in before}
            whole = {c for c in merged if {r for r in prior[c] if r in now} <= records}
            assert not whole or customer in holders, "a merge keeps one of the ids"
        self._check_log(state, before, edited)
        self._check_decisions(now, decisions)
        open_rows = [a for a in state.aliases if a["valid_to"] is None]
        leads = {a["customer_id"] for a in open_rows} | {r["customer_id"] for r in state.assignment_history}
        assert holders.keys() | customers.keys() <= leads, "every id ever published resolves"

    def _check_log(self, state: State, before: dict[Key, str], edited: set[Key]) -> None:
        """Each change has its event, nothing else has; a rename is told twice; log and history give the map."""
        now, told = state.ids, {(e["source"], e["record_id"]): e for e in state.tonight}
        assert len(told) == len(state.tonight)
        changed = {k for k in before.keys() | now.keys() if before.get(k) != now.get(k)}
        old = {key for key in self.published[-1].ids if self.now(key) != key} if self.published else set()
        assert changed <= told.keys() <= changed | edited | old | {self.now(key) for key in old}
        assert {k for k, e in told.items() if e["event"] == "retired" and e["cause"] == "rename"} == old
        for key, event in told.items():
            assert event["customer_id"] == now.get(key)
            if event["event"] == "added" and event["cause"] == "rename":
                assert event["customer_id"] == before[key]
        stays = [r for r in state.assignment_history if r["valid_to"] is None]
        assert len(stays) == len(now)
        assert {(r["source"], r["record_id"]): r["customer_id"] for r in stays} == now
        replayed: dict[Key, str | None] = {}
        for event in sorted(
            state.events, key=lambda e: (e["business_date"], e["publication"], e["sequence"])
        ):
            replayed[event["source"], event["record_id"]] = event["customer_id"]
        assert {key: customer for key, customer in replayed.items() if customer is not None} == now

    def _check_decisions(self, now: dict[Key, str], states: dict[str, str]) -> None:
        """Decisions that stand hold, also for records that have another name since."""
        for decision in standing(self._decided()):
            if states[decision.decision_id] != ACTIVE:
                continue
            left, right = (
                {now[key] for key in (self.now(_key(name)) for name in side) if key in now}
                for side in (decision.left, decision.right)
            )
            if decision.is_match:
                assert len(left | right) == 1, "who is matched is one customer"
            else:
                assert not left & right, "who is kept apart is"


def _key(name: str) -> Key:
    source, _, record_id = name.partition(":")
    return source, record_id
