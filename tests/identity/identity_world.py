"""Stories of a few records over some nights, all played at once: one Spark run a night for all of them.

A night of a story is its clusters: ``"a b | c"`` is two. ``a*`` was edited since the night before,
``a!`` is named by a steward's decision. A record that a night leaves out is deleted. Every story has
records of its own, so that none can touch another.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.identity.assign import WORTH_A_LOOK, Identity, assign
from pipelines.identity.tables import ALIASES, ASSIGNMENT_HISTORY, ASSIGNMENTS, EVENTS, RECORD
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

RECORD_SCHEMA = pa.schema([(name, pa.string()) for name in RECORD])
TABLES = (ASSIGNMENTS, ASSIGNMENT_HISTORY, ALIASES, EVENTS)
DAYS = (1, 2, 3, 3, 4, 5)
"""Days of July 2026 on which the nights are published; the third is published twice."""

Rows = list[dict[str, Any]]
Key = tuple[str, str]


def on(night: int) -> date:
    """The business date of the n-th night, from 0."""
    return date(2026, 7, DAYS[night])


@dataclass(frozen=True)
class Scene:
    """What a night brings: clusters of record keys, and the keys edited and decided on."""

    clusters: frozenset[frozenset[Key]]
    edited: frozenset[Key] = frozenset()
    decided: frozenset[Key] = frozenset()

    @property
    def live(self) -> set[Key]:
        return {key for cluster in self.clusters for key in cluster}


def scene(story: str, text: str) -> Scene:
    """The scene that ``"a b* | c"`` tells; the story's name is the source of its records."""
    clusters, marks = set(), {"*": set(), "!": set()}
    for part in text.split("|"):
        names = part.split()
        for name in names:
            for mark, marked in marks.items():
                if mark in name:
                    marked.add((story, name.strip("*!")))
        if names:
            clusters.add(frozenset((story, name.strip("*!")) for name in names))
    return Scene(frozenset(clusters), frozenset(marks["*"]), frozenset(marks["!"]))


@dataclass(frozen=True)
class State:
    """The identity tables after a night, as rows; ``tonight``, ``changes``: events and changes of that night alone."""

    assignments: Rows = field(default_factory=list)
    assignment_history: Rows = field(default_factory=list)
    aliases: Rows = field(default_factory=list)
    events: Rows = field(default_factory=list)
    tonight: Rows = field(default_factory=list)
    changes: Rows = field(default_factory=list)

    @property
    def ids(self) -> dict[Key, str]:
        """customer_id by record."""
        return {(row["source"], row["record_id"]): row["customer_id"] for row in self.assignments}

    def of(self, story: str) -> State:
        """The part that a story's records made."""
        events = [e for e in self.events if e["source"] == story]
        ids = {e[c] for e in events for c in ("customer_id", "old_customer_id")}
        return State(
            [r for r in self.assignments if r["source"] == story],
            [r for r in self.assignment_history if r["source"] == story],
            [r for r in self.aliases if r["customer_id"] in ids],
            events,
            [e for e in self.tonight if e["source"] == story],
            [r for r in self.changes if r["customer_id"] in ids],
        )

    def leads_to(self, customer: str) -> set[str]:
        """What an id is now by its open aliases; itself where it has none."""
        open_rows = [r for r in self.aliases if r["customer_id"] == customer and r["valid_to"] is None]
        return {r["became"] for r in open_rows} or {customer}


def keys_frame(spark: SparkSession, keys: Iterable[Key]) -> DataFrame:
    return arrow_frame(spark, [dict(zip(RECORD, key, strict=True)) for key in keys], RECORD_SCHEMA)


def clusters_frame(spark: SparkSession, scene: Scene) -> DataFrame:
    """linkage/clusters, as far as identity reads it; a cluster is named by its smallest record."""
    rows = [
        {"source": source, "record_id": record, "cluster_final": ":".join(min(cluster))}
        for cluster in scene.clusters
        for source, record in cluster
    ]
    return arrow_frame(spark, rows, RECORD_SCHEMA.append(pa.field("cluster_final", pa.string())))


def arrow_frame(spark: SparkSession, found: Rows, schema: pa.Schema) -> DataFrame:
    """A frame by way of Arrow, which needs no Python worker."""
    return spark.createDataFrame(pa.Table.from_pylist(found, schema=schema))


def frames(spark: SparkSession, state: State) -> Identity:
    """The state as the tables of a prior state."""
    return Identity(*[arrow_frame(spark, getattr(state, t.name), arrow_schema(t)) for t in TABLES])


def rows(frame: DataFrame) -> Rows:
    found: Rows = frame.toArrow().to_pylist()
    return found


def after(made: Identity, prior: State) -> State:
    """The state that tonight's tables make of the prior one."""
    tonight = sorted(rows(made.events), key=lambda row: row["sequence"])
    tables = [rows(getattr(made, t.name)) for t in TABLES[:3]]
    assert made.changes is not None
    return State(*tables, prior.events + tonight, tonight, rows(made.changes))


def touched_keys(prior: State, scene: Scene, edited: Iterable[Key] = ()) -> set[Key]:
    """Whom linkage names as touched, and nobody else: a cluster is called after its smallest record."""
    held: dict[str, set[Key]] = defaultdict(set)
    for key, customer in prior.ids.items():
        held[customer].add(key)
    then, now = (
        {key: min(group) for group in groups for key in group} for groups in (held.values(), scene.clusters)
    )
    return set(edited) | scene.edited | {k for k in then.keys() | now.keys() if then.get(k) != now.get(k)}


def play(spark: SparkSession, prior: State, business_date: date, scene: Scene, **options: Any) -> State:
    """The state after a night on top of ``prior``, by the records that it can move."""
    made = assign(
        clusters_frame(spark, scene),
        frames(spark, prior),
        business_date,
        edited=keys_frame(spark, scene.edited),
        decided=keys_frame(spark, scene.decided).selectExpr("*", "'d1' AS decision_id"),
        touched=keys_frame(spark, touched_keys(prior, scene)),
        register=WORTH_A_LOOK,
        **options,
    )
    return after(made, prior)


def together(scenes: Iterable[Scene]) -> Scene:
    """One night of many stories."""
    listed = list(scenes)
    return Scene(
        frozenset(c for s in listed for c in s.clusters),
        frozenset(k for s in listed for k in s.edited),
        frozenset(k for s in listed for k in s.decided),
    )


def play_all(spark: SparkSession, stories: Mapping[str, Sequence[Scene]]) -> list[State]:
    """The state after each night; a story shorter than the nights stays as it ended."""
    states, prior = [], State()
    for night in range(len(DAYS)):
        last = [s[night] if night < len(s) else Scene(s[-1].clusters) for s in stories.values()]
        prior = play(spark, prior, on(night), together(last))
        states.append(prior)
    return states


@cache
def played(spark: SparkSession) -> list[State]:
    """The nights of the written stories and of the random ones: played once for all tests."""
    from identity_histories import histories
    from identity_stories import STORIES

    written = {name: [scene(name, text) for text in nights] for name, nights in STORIES.items()}
    return play_all(spark, {**written, **histories()})


class Told:
    """A story as played, with customers named after the record that they were first given to."""

    def __init__(self, states: Sequence[State], story: str) -> None:
        self.states = [state.of(story) for state in states]
        self.names: dict[str, str] = {}
        for state in self.states:
            for (_, record), customer in sorted(state.ids.items()):
                if customer not in self.names:
                    taken = sum(name.rstrip("23456789") == record.upper() for name in self.names.values())
                    self.names[customer] = record.upper() + (str(taken + 1) if taken else "")

    def nights(self) -> list[str]:
        """``record:customer`` of the live records, night by night."""
        return [" ".join(f"{r}:{self.names[c]}" for (_, r), c in sorted(s.ids.items())) for s in self.states]

    def events(self, night: int) -> list[str]:
        """``record event old>new cause`` of a night."""
        tonight = self.states[night].tonight
        return sorted(
            f"{e['record_id']} {e['event']} {self._name(e['old_customer_id'])}>"
            f"{self._name(e['customer_id'])} {e['cause']}"
            for e in tonight
        )

    def changes(self, night: int) -> list[str]:
        """``id change <from >to in/out/added/deleted/edited cause`` of a night."""
        counts = ("records_in", "records_out", "records_added", "records_deleted", "records_edited")
        ways = (("from_customer_ids", "<"), ("to_customer_ids", ">"))
        return sorted(
            " ".join(
                [
                    self._name(c["customer_id"]),
                    c["change"],
                    *(mark + self._name(i) for name, mark in ways for i in c[name]),
                    "/".join(str(c[name]) for name in counts),
                    c["cause"],
                ]
            )
            for c in self.states[night].changes
        )

    def aliases(self, night: int) -> list[str]:
        """``id kind became`` of the open aliases after a night."""
        return sorted(
            f"{self._name(a['customer_id'])} {a['kind']} {self._name(a['became'])}"
            for a in self.states[night].aliases
            if a["valid_to"] is None
        )

    def history(self, record: str) -> list[str]:
        """``customer from-to`` by days of July of a record's stays, at the end."""
        stays = [r for r in self.states[-1].assignment_history if r["record_id"] == record]
        return [
            f"{self._name(r['customer_id'])} {r['valid_from'].day}-{r['valid_to'].day if r['valid_to'] else ''}"
            for r in sorted(stays, key=lambda r: r["valid_from"])
        ]

    def _name(self, customer: str | None) -> str:
        return "" if customer is None else self.names[customer]
