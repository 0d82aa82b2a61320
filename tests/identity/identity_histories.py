"""Random histories of up to eight records: arrivals, deletions, returns, merges, undone merges, splits."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from functools import cache

from identity_world import DAYS, Key, Scene

HISTORIES = 220
SEED = 20260731
RECORDS = "abcdefgh"


@dataclass
class Author:
    """Writes one history, night by night."""

    name: str
    rng: random.Random
    nights: list[Scene] = field(default_factory=list)
    clusters: list[set[Key]] = field(default_factory=list)
    undoable: list[tuple[int, list[set[Key]]]] = field(default_factory=list)
    """Nights before merges with nothing but merges since, and how the clusters were then."""
    undone: dict[int, int] = field(default_factory=dict)
    """Night that undid a merge → night whose ids must be back."""

    def write(self) -> None:
        for night in range(len(DAYS)):
            edited: set[Key] = set()
            step = self._step(night)
            if step == "merge":
                self.undoable.append((night - 1, [set(c) for c in self.clusters]))
                one, other = self.rng.sample(self.clusters, 2)
                self.clusters = [c for c in self.clusters if c not in (one, other)] + [one | other]
            elif step == "undo":
                self.undone[night], self.clusters = self.undoable.pop()
            elif step != "stay":
                self.undoable = []
                edited = self._change(step)
            self.nights.append(Scene(frozenset(frozenset(c) for c in self.clusters), frozenset(edited)))

    def _step(self, night: int) -> str:
        if night == 0 or not self.clusters:
            return "come"
        steps = ["move", "come", "go", "deal", "stay"]
        steps += ["merge"] * 5 if len(self.clusters) > 1 else []
        steps += ["undo"] * 8 if self.undoable else []
        return self.rng.choice(steps)

    def _change(self, step: str) -> set[Key]:
        live = sorted(key for cluster in self.clusters for key in cluster)
        if step == "move":
            key = self.rng.choice(live)
            self._drop({key})
            self._place(key)
            return {key}
        if step == "come":
            away = sorted({(self.name, r) for r in RECORDS} - set(live))
            for key in self.rng.sample(away, min(len(away), self.rng.randint(1, 5))):
                self._place(key)
        if step == "go":
            self._drop(set(self.rng.sample(live, self.rng.randint(1, len(live)))))
        if step == "deal":
            self.clusters = []
            for key in live:
                self._place(key)
        return set()

    def _drop(self, keys: set[Key]) -> None:
        self.clusters = [left for c in self.clusters if (left := c - keys)]

    def _place(self, key: Key) -> None:
        if self.clusters and self.rng.random() < 0.6:
            self.rng.choice(self.clusters).add(key)
        else:
            self.clusters.append({key})


@cache
def authors() -> dict[str, Author]:
    """The histories by name, always the same ones."""
    found = {}
    for number in range(HISTORIES):
        author = Author(f"history{number}", random.Random(SEED + number))
        author.write()
        found[author.name] = author
    return found


def histories() -> dict[str, list[Scene]]:
    """The nights of every history."""
    return {name: author.nights for name, author in authors().items()}
