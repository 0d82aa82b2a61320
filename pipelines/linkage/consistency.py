"""Which decisions of stewards hold together: the newest that contradicts older ones, or evidence, is held back.

Decisions are taken in the order in which they were made. Matches make classes of records, everything else
keeps two records apart: no_match decisions, never-evidence, and what no decision can change (a person and
a company, two records of a duplicate-free source).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pipelines.linkage.decisions import Decision


@dataclass(frozen=True)
class Contradiction:
    """Why a decision is held back."""

    against: tuple[str, ...]
    """Ids of the older decisions that stand in its way, and what evidence does, each once."""
    left: str
    right: str
    """The two records that show it."""


@dataclass
class Consistent:
    """What is left of the decisions."""

    accepted: list[Decision] = field(default_factory=list)
    held: dict[str, Contradiction] = field(default_factory=dict)
    """By decision_id."""
    classes: dict[str, str] = field(default_factory=dict)
    """The class of each record that an accepted match names: its first record."""
    apart: list[tuple[str, str]] = field(default_factory=list)
    """Pairs of records that accepted no_match decisions keep apart."""


def consistent(
    decisions: Iterable[Decision],
    impossible: Mapping[tuple[str, str], str],
) -> Consistent:
    """The ``decisions`` (the oldest first, of live records only) that can all be had at once.

    ``impossible``: pairs of their records that no decision can join, either way round, with what keeps them apart.
    """
    taken = _Taken()
    for (left, right), why in sorted(impossible.items()):
        taken.part(left, right, why)
    found = Consistent()
    for decision in decisions:
        against = taken.against(decision)
        if against is not None:
            found.held[decision.decision_id] = against
            continue
        found.accepted.append(decision)
        if decision.is_match:
            taken.join(decision)
        else:
            for left in decision.left:
                for right in decision.right:
                    taken.part(left, right, decision.decision_id)
                    found.apart.append((left, right))
    named = {record for d in found.accepted if d.is_match for record in d.records}
    first: dict[str, str] = {}
    for record in sorted(named):
        found.classes[record] = first.setdefault(taken.root(record), record)
    return found


class _Taken:
    """The decisions that were accepted so far."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._enemies: dict[str, dict[str, tuple[str, str]]] = {}
        """By class and record outside it: the record inside that it is apart from, and why."""
        self._matches: dict[str, list[Decision]] = {}

    def root(self, record: str) -> str:
        above = self._parent.setdefault(record, record)
        while above != self._parent[above]:
            self._parent[above] = self._parent[self._parent[above]]
            above = self._parent[above]
        self._parent[record] = above
        return above

    def _inside(self, root: str) -> list[str]:
        return self._members.setdefault(root, [root])

    def part(self, left: str, right: str, why: str) -> None:
        for one, other in ((left, right), (right, left)):
            self._enemies.setdefault(self.root(one), {}).setdefault(other, (one, why))

    def join(self, decision: Decision) -> None:
        records = decision.records
        for record in records:
            self._matches.setdefault(record, []).append(decision)
        for record in records[1:]:
            small, large = sorted(
                (self.root(records[0]), self.root(record)), key=lambda root: (len(self._inside(root)), root)
            )
            if small == large:
                continue
            self._parent[small] = large
            self._inside(large).extend(self._members.pop(small))
            enemies = self._enemies.setdefault(large, {})
            for other, told in self._enemies.pop(small, {}).items():
                enemies.setdefault(other, told)

    def against(self, decision: Decision) -> Contradiction | None:
        return self._parts(decision) if decision.is_match else self._joins(decision)

    def _parts(self, match: Decision) -> Contradiction | None:
        """What keeps two records of a match apart."""
        named: dict[str, str] = {}
        for record in match.records:
            named.setdefault(self.root(record), record)
        for root, record in sorted(named.items(), key=lambda item: item[1]):
            for other, (inside, why) in sorted(self._enemies.get(root, {}).items()):
                theirs = self.root(other)
                if theirs in named:
                    path = [*self._path(record, inside), why, *self._path(other, named[theirs])]
                    return Contradiction(tuple(dict.fromkeys(path)), inside, other)
        return None

    def _joins(self, no_match: Decision) -> Contradiction | None:
        """What makes one party of a record on the left and one on the right of a no_match."""
        right = {self.root(record): record for record in reversed(no_match.right)}
        for record in no_match.left:
            other = right.get(self.root(record))
            if other is not None:
                return Contradiction(tuple(dict.fromkeys(self._path(record, other))), record, other)
        return None

    def _path(self, start: str, end: str) -> list[str]:
        """Ids of the matches that lead from one record of a class to another, fewest first."""
        came: dict[str, tuple[str, str] | None] = {start: None}
        waiting = deque([start])
        while waiting and end not in came:
            record = waiting.popleft()
            for match in self._matches.get(record, ()):
                for other in match.records:
                    if other not in came:
                        came[other] = (record, match.decision_id)
                        waiting.append(other)
        path: list[str] = []
        step = came.get(end)
        while step is not None:
            path.append(step[1])
            step = came[step[0]]
        return path[::-1]
