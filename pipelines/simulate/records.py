"""Which records exist: each source's ledger of keys, whose they are, and their current columns."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from pipelines.simulate.companies import Companies
from pipelines.simulate.people import People
from pipelines.simulate.sources import KEYS, PREFIXES, RENDER, SOURCES, World, erp_companies, presence
from pipelines.simulate.text import Ints, joined, numbers, scattered

DUPLICATE_SHARES = (0.87, 0.105, 0.02, 0.005)
"""Records of one person in one source: one, two, three, four."""
COMPANY_SHARES = (0.42, 0.36, 0.17, 0.05)
YOUNGEST_DAYS = 14 * 365
"""Nobody has a record at an earlier age."""
FIRST_DAY = {"crm": 6.5, "erp": 7.5, "pos": 8.5, "web": 5.5, "support": 4.5}
"""How many years back a source's records go."""


@dataclass
class Ledger:
    """One source's records, one row each in order of arrival; deleted ones stay."""

    source: str
    is_company: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    owner: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Row of the person, or of the company."""
    created: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    night: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """The night that delivered it first."""
    live: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    position: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    """Where ``versions`` holds the current columns."""
    versions: list[pa.Table] = field(default_factory=list)
    ids: list[pa.StringArray] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def key(self) -> str:
        """The key column."""
        return KEYS[self.source]

    def insert(
        self, columns: dict[str, pa.StringArray], owner: Ints, is_company: bool, created: Ints, night: int
    ) -> Ints:
        """Add records; gives their rows."""
        size, prefix = len(owner), PREFIXES[self.source]
        rows = len(self) + np.arange(size)
        ids = scattered(rows, prefix[1], prefix[0])
        self.ids.append(ids)
        self._store(rows, pa.table({self.key: ids, **columns}), grow=True)
        self.owner = np.concatenate([self.owner, owner])
        self.is_company = np.concatenate([self.is_company, np.full(size, is_company)])
        self.created = np.concatenate([self.created, created])
        self.night = np.concatenate([self.night, np.full(size, night)])
        self.live = np.concatenate([self.live, np.ones(size, bool)])
        return rows

    def current(self, rows: Ints) -> pa.Table:
        """The records at ``rows`` as they are."""
        whole = pa.concat_tables(self.versions)
        return whole.take(pa.array(self.position[rows]))

    def change(self, rows: Ints, columns: dict[str, pa.StringArray]) -> pa.Table:
        """Replace some columns of the records at ``rows``; gives the whole new rows."""
        table = self.current(rows)
        for name, values in columns.items():
            table = table.set_column(table.column_names.index(name), name, pa.chunked_array([values]))
        self._store(rows, table, grow=False)
        return table

    def id_of(self, rows: Ints) -> pa.StringArray:
        """The keys of the records at ``rows``."""
        return pa.concat_arrays(self.ids).take(pa.array(rows))

    def _store(self, rows: Ints, table: pa.Table, *, grow: bool) -> None:
        start = sum(len(t) for t in self.versions)
        at = start + np.arange(len(rows))
        if grow:
            self.position = np.concatenate([self.position, at])
        else:
            self.position[rows] = at
        self.versions.append(table)


def people_records(rng: np.random.Generator, people: People, rows: Ints) -> dict[str, Ints]:
    """Whose records each source makes of the people at ``rows``: everybody has at least one."""
    chances = np.stack([presence(people, source)[rows] for source in SOURCES])
    known = rng.random(chances.shape) < chances
    nowhere = np.flatnonzero(~known.any(axis=0))
    cumulative = np.cumsum(chances[:, nowhere], axis=0)
    drawn = rng.random(len(nowhere)) * cumulative[-1]
    known[(drawn >= cumulative).sum(axis=0), nowhere] = True
    copies = 1 + np.searchsorted(np.cumsum(DUPLICATE_SHARES)[:-1], rng.random(chances.shape), side="right")
    return {source: np.repeat(rows, np.where(known[i], copies[i], 0)) for i, source in enumerate(SOURCES)}


def company_records(rng: np.random.Generator, rows: Ints) -> Ints:
    """Whose ERP records the companies at ``rows`` have."""
    copies = 1 + np.searchsorted(np.cumsum(COMPANY_SHARES)[:-1], rng.random(len(rows)), side="right")
    return np.repeat(rows, copies)


def insert_people(
    rng: np.random.Generator,
    ledgers: dict[str, Ledger],
    world: World,
    owners: dict[str, Ints],
    night: int,
    today: int,
) -> dict[str, Ints]:
    """Render and add the people's records; on the first night they were made over the years before."""
    added: dict[str, Ints] = {}
    for source, rows in owners.items():
        if night == 0:
            years = FIRST_DAY[source]
            created = today - 1 - (rng.random(len(rows)) * years * 365).astype(np.int64)
            rows = rng.permutation(rows)
            created = np.maximum(created, np.minimum(world.people.birth[rows] + YOUNGEST_DAYS, today - 1))
        else:
            created = np.full(len(rows), today - 1, np.int64)
        columns = RENDER[source](rng, world, rows, created, today)
        added[source] = ledgers[source].insert(columns, rows, False, created, night)
    return added


def insert_companies(
    rng: np.random.Generator, ledger: Ledger, world: World, owners: Ints, night: int, today: int
) -> Ints:
    """Render and add the companies' ERP records."""
    back = (rng.random(len(owners)) * FIRST_DAY["erp"] * 365).astype(np.int64) if night == 0 else 0
    created = np.full(len(owners), today - 1, np.int64) - back
    columns = erp_companies(rng, world, owners, created, today)
    return ledger.insert(columns, owners, True, created, night)


def person_ids(people: People, rows: Ints) -> pa.StringArray:
    """The true ids of persons."""
    return joined("P", numbers(people.number[rows], 7))


def company_ids(companies: Companies, rows: Ints) -> pa.StringArray:
    """The true ids of companies."""
    return joined("C", numbers(companies.number[rows], 6))
