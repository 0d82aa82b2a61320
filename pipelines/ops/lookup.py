"""Who is this? One customer, or ranked candidates with a match probability; never a silent guess.

Released tables by DuckDB, no Spark. One customer is the answer only where it alone fits everything that
was asked, by something that identifies: a value that too many share, or a name alone, gives candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.engine import KEY_COLUMNS
from pipelines.linkage.generations import GENERATIONS, newest
from pipelines.ops import releases
from pipelines.ops.asked import FIELDS, REFERENCES, Asked, asked
from pipelines.ops.free_text import Said, readings
from pipelines.ops.likeness import likeness
from pipelines.ops.matching import Hit, Matched, matching
from pipelines.ops.reading import Reader
from pipelines.ops.register import UnknownIdError, resolve, standing
from pipelines.settings import load_settings
from pipelines.storage import Warehouse

if TYPE_CHECKING:
    import os

    from pipelines.linkage.generations import Generation
    from pipelines.settings import Settings

TABLES = (
    "silver/customer_records",
    "silver/orders",
    "linkage/generic_values",
    "identity/assignments",
    "identity/assignment_history",
    "identity/aliases",
    "gold/customers",
    "gold/xref",
)
MOST_SCORED = 300
"""Records that the model is asked about; a value that more share says nothing."""

Outcome = Literal["one", "candidates", "nobody"]


@dataclass(frozen=True)
class Candidate:
    """A customer that fits, at least in part."""

    customer_id: str
    name: str | None
    probability: float | None
    """That somebody who says what was asked is this customer, by the model in use; 1 where the register itself
    links the key; None where nobody can say."""
    agrees: tuple[str, ...]
    """What was asked and agrees; similar_name where the name may be misspelt."""
    differs: tuple[str, ...]
    """What was asked and is known otherwise."""
    unknown: tuple[str, ...]
    """What was asked and is not known of them."""
    is_live: bool
    records: int
    sources: tuple[str, ...]
    now: tuple[str, ...]
    """What the id is now; itself, unless an earlier release was asked."""


@dataclass(frozen=True)
class Found:
    """The answer."""

    outcome: Outcome
    candidates: tuple[Candidate, ...]
    """Who agrees with more first, values that identify before names; the one where ``outcome`` is one."""
    total: int
    """Candidates in all; ``candidates`` may be fewer."""
    asked: dict[str, str]
    """What the text or the options were taken for, by field."""
    alternatives: tuple[str, ...]
    """Fields of ``asked`` that are readings of one text: it is one of them."""
    notes: tuple[str, ...]
    release_id: str
    business_date: date

    @property
    def table(self) -> pa.Table:
        """The candidates as Arrow, one row each."""
        return pa.Table.from_pylist([asdict(c) for c in self.candidates], schema=SCHEMA)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "business_date": self.business_date.isoformat()}


_TEXTS = pa.list_(pa.string())
SCHEMA = pa.schema(
    [
        ("customer_id", pa.string()),
        ("name", pa.string()),
        ("probability", pa.float64()),
        ("agrees", _TEXTS),
        ("differs", _TEXTS),
        ("unknown", _TEXTS),
        ("is_live", pa.bool_()),
        ("records", pa.int64()),
        ("sources", _TEXTS),
        ("now", _TEXTS),
    ]
)


class Register:
    """A released register, opened once and asked many times."""

    def __init__(self, warehouse: str, settings: Settings | None = None, as_of: date | None = None) -> None:
        """Open the newest release, or the one that stood at the end of ``as_of``.

        Raises NoReleaseError, UsageError where nothing was released by then or it is not kept any more.
        """
        house = Warehouse(warehouse)
        self.settings = settings or load_settings()
        self.newest = releases.required(house)
        self.release = self.newest if as_of is None else standing(house, as_of)
        try:
            self.reader = Reader(house, self.release, TABLES)
        except Exception:
            if self.release == self.newest:
                raise
            raise UsageError(
                f"The release of {self.release.business_date} is not readable any more (retention_days in "
                "conf/padron.yml): padron history follows ids and records through all nights."
            ) from None
        self.of_now = self.reader if self.release == self.newest else Reader(house, self.newest, TABLES)

    @cached_property
    def generation(self) -> Generation | None:
        """The generation that linked the release."""
        version = self.release.tables.get(GENERATIONS.path)
        return None if version is None else newest(self.reader.warehouse.arrow(GENERATIONS.path, version))

    @cached_property
    def countries(self) -> list[str]:
        """The countries of the records, the most frequent first, the project's before all."""
        rows = self.reader.rows(
            """SELECT country FROM silver.customer_records WHERE country IS NOT NULL
            GROUP BY country ORDER BY count(*) DESC, country"""
        )
        home = self.settings.project.country
        return [home, *(str(row["country"]) for row in rows if row["country"] != home)]

    @cached_property
    def sources(self) -> frozenset[str]:
        rows = self.reader.rows("SELECT DISTINCT source FROM gold.xref")
        return frozenset(str(row["source"]) for row in rows)

    def lookup(self, text: str | None = None, *, limit: int = 10, **said: str | date | None) -> Found:
        """Look up a text of any kind, or values by field (phone, email, tax_id, loyalty_id, order, record,
        customer_id, name, birth_date). At most ``limit`` candidates. Raises UsageError for what cannot be read."""
        given = {name: str(value) for name, value in said.items() if value is not None}
        if text is not None and given:
            raise UsageError("Give one text of any kind, or options that say what is what; not both.")
        today = self.release.business_date
        ways: Sequence[Said] = (Said(given),)
        if text is not None and text.strip():
            ways = readings(text, self.sources, self.countries, today) or ways
        first: tuple[Asked, Matched] | None = None
        for way in ways:
            try:
                what = asked(way, self.countries, today)
            except UsageError:
                if len(ways) == 1:
                    raise
                continue
            found = matching(self.reader, what)
            first = first or (what, found)
            if found.hits or found.notes:
                return self._answer(what, found, limit)
        if first is None:
            raise UsageError("Nothing of the text can be read as a value or a name: nothing is looked up.")
        return self._answer(*first, limit)

    def _answer(self, what: Asked, found: Matched, limit: int) -> Found:
        hits = found.hits
        shared, untaken = self._generic(what), found.untaken(what)
        unusable = frozenset(shared) | what.generic | ({"name"} if len(what.words) == 1 else set())
        ranks = {c: hit.rank(unusable | untaken) for c, hit in hits.items()}
        order = sorted(hits, key=lambda c: (ranks[c], c))
        fits = [customer for customer in order if hits[customer].fits(what)]
        is_one = len(fits) == 1 and hits[fits[0]].identifies(unusable)
        chosen = fits if is_one else order
        probability = self._probabilities(what, chosen, hits, untaken)
        chosen.sort(key=lambda c: (ranks[c], -(probability.get(c) or 0.0), c))
        return Found(
            "one" if is_one else "candidates" if chosen else "nobody",
            self._described(chosen[: max(limit, 1)], what, found, probability),
            len(chosen),
            {name: text for name, text in what.said.items() if name not in untaken},
            tuple(sorted(what.alternatives - untaken, key=FIELDS.index)),
            (*self._notes(what, shared, found), *found.notes),
            self.release.release_id,
            self.release.business_date,
        )

    def _generic(self, what: Asked) -> dict[str, tuple[str, int, int]]:
        """Asked values that too many names share, by field: the value, names, records."""
        roles = {"phone": "phones", "email": "emails", "tax_id": "tax_id", "loyalty_id": "loyalty_id"}
        wanted = {field: what.values[field] for field in roles if field in what.values}
        if not wanted or not self.reader.has("linkage/generic_values"):
            return {}
        found = {}
        for field, values in wanted.items():
            rows = self.reader.rows(
                "SELECT value, distinct_names, records FROM linkage.generic_values "
                "WHERE field = $1 AND list_contains($2, value) ORDER BY value",
                [roles[field], list(values)],
            )
            if rows:
                first = rows[0]
                names, records = (int(str(first[n] or 0)) for n in ("distinct_names", "records"))
                found[field] = str(first["value"]), names, records
        return found

    def _notes(self, what: Asked, shared: Mapping[str, tuple[str, int, int]], found: Matched) -> list[str]:
        said = [
            f"the {field.replace('_', ' ')} is shared by {names:,} names in {records:,} records: "
            "it says nothing about who it is"
            for field, (_, names, records) in sorted(shared.items())
        ]
        said += [
            f"the {field.replace('_', ' ')} is one typed to fill a form: it says nothing about who it is"
            for field in sorted(what.generic - set(shared))
        ]
        if what.alternatives and what.alternatives == found.untaken(what):
            text = what.said[min(what.alternatives)]
            said.append(f"“{text}” is nobody's {any_of(sorted(what.alternatives, key=FIELDS.index))}")
        if what.unused:
            said.append(f"not looked for: {', '.join(what.unused)}")
        named = sum("name" in hit.agrees and not hit.is_name_alike for hit in found.hits.values())
        if set(what.values) == {"name"} and named > 1:
            said.append(
                f"{named:,} customers have that name: give more, such as a birth date, a phone or an e-mail"
            )
        records = sum(len(hit.records) for hit in found.hits.values())
        if records > MOST_SCORED:
            said.append(f"{records:,} records fit; the model was asked about {MOST_SCORED} at most")
        return said

    def _probabilities(
        self, what: Asked, customers: Sequence[str], hits: Mapping[str, Hit], untaken: frozenset[str]
    ) -> dict[str, float]:
        """By customer; of the first in order, as many as the model is asked about."""
        times = {key: sum(key in hit.agrees for hit in hits.values()) for key in REFERENCES}
        found = {c: 1.0 for c in customers if any(times[k] == 1 for k in REFERENCES if k in hits[c].agrees)}
        owner = {key: c for c in customers if c not in found for key in hits[c].records}
        keys = list(owner)[:MOST_SCORED]
        if not keys or self.generation is None:
            return found
        row = dict(what.row)
        columns = {"phone": "match_phones", "tax_id": "match_tax_id", "loyalty_id": "match_loyalty_id"}
        # A number that nobody has as a phone is no phone of anybody's.
        row |= {columns[field]: None for field in untaken if field in columns}
        fields = dict.fromkeys([*KEY_COLUMNS, *self.settings.linkage.fields.values()])
        records = self.reader.arrow(
            f"""SELECT {", ".join(f'"{name}"' for name in fields)} FROM silver.customer_records
            WHERE list_contains($1, source || ':' || record_id)""",
            [[":".join(key) for key in keys]],
        )
        scored = likeness(row, records, self.generation, self.settings.linkage)
        for key, score in scored.items():
            found[owner[key]] = max(found.get(owner[key], 0.0), score)
        return found

    def _described(
        self,
        customers: Sequence[str],
        what: Asked,
        found: Matched,
        probability: Mapping[str, float],
    ) -> tuple[Candidate, ...]:
        untaken = found.untaken(what)
        rows = self.reader.rows(
            """SELECT customer_id, full_name, is_live, record_count, sources_present FROM gold.customers
            WHERE list_contains($1, customer_id)""",
            [list(customers)],
        )
        known: dict[str, dict[str, Any]] = {str(row["customer_id"]): row for row in rows}
        return tuple(
            Candidate(
                customer,
                known.get(customer, {}).get("full_name"),
                probability.get(customer),
                _in_words(found.hits[customer]),
                *_against(found.hits[customer], what, untaken),
                bool(known.get(customer, {}).get("is_live")),
                int(known.get(customer, {}).get("record_count") or 0),
                tuple(known.get(customer, {}).get("sources_present") or ()),
                self._now(customer),
            )
            for customer in customers
        )

    def _now(self, customer: str) -> tuple[str, ...]:
        if self.of_now is self.reader:
            return (customer,)
        try:
            return resolve(self.of_now, customer).became
        except UnknownIdError:
            # Published by a release that was rolled back.
            return ()


def _against(hit: Hit, what: Asked, untaken: frozenset[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was asked and is known otherwise, and what is not known; of alternatives one is enough."""
    settled = what.alternatives if what.alternatives & set(hit.agrees) else untaken
    rest = [field for field in what.values if field not in hit.agrees and field not in settled]
    return tuple(f for f in rest if f in hit.differs), tuple(f for f in rest if f not in hit.differs)


def any_of(fields: Sequence[str], word: str = "or") -> str:
    """Fields in words: phone, tax id or order."""
    names = [field.replace("_", " ") for field in fields]
    return f" {word} ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)


def _in_words(hit: Hit) -> tuple[str, ...]:
    return tuple("similar_name" if f == "name" and hit.is_name_alike else f for f in hit.agrees)


def lookup(
    warehouse: str,
    text: str | None = None,
    *,
    config: str | os.PathLike[str] | None = None,
    as_of: date | None = None,
    limit: int = 10,
    **said: str | date | None,
) -> Found:
    """Who is it? ``lookup("warehouse", phone="+52 55 1234 5678")``, or any text; see ``Register.lookup``.

    Who asks many times opens a ``Register`` once. Raises UsageError, NoReleaseError.
    """
    return Register(warehouse, load_settings(config), as_of).lookup(text, limit=limit, **said)
