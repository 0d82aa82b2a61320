"""Who is this? One customer, or ranked candidates with a match probability; never a silent guess.

Released tables by DuckDB, no Spark. One customer is the answer only where it alone fits everything that
was asked, by something that identifies: a value that too many share, or a name alone, gives candidates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from pipelines.errors import UsageError
from pipelines.linkage.generations import GENERATIONS, newest
from pipelines.ops import releases
from pipelines.ops.asked import REFERENCES, Asked, asked, recognised
from pipelines.ops.likeness import likeness
from pipelines.ops.matching import Hit, matching
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
    """The likeliest first; the one where ``outcome`` is one."""
    total: int
    """Candidates in all; ``candidates`` may be fewer."""
    asked: dict[str, str]
    """What the text or the options were taken for."""
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
        alternatives = False
        if text is not None and text.strip():
            given = recognised(text, self.sources)
            alternatives = "birth_date" not in given and len(given) > 1
        what = asked(given, self.countries, self.release.business_date, alternatives=alternatives)
        return self._answer(what, limit)

    def _answer(self, what: Asked, limit: int) -> Found:
        found = matching(self.reader, what, self.settings.linkage)
        hits, records = found.hits, found.records
        shared = self._generic(what)
        notes = [*self._notes(what, shared, records.num_rows if records else 0), *found.notes]
        fits = [customer for customer, hit in hits.items() if hit.fits(what)]
        is_one = len(fits) == 1 and hits[fits[0]].identifies(frozenset(shared) | what.generic)
        probability = self._probabilities(what, records, hits)
        chosen = fits if is_one else list(hits)
        order = sorted(
            chosen,
            key=lambda c: (-len(hits[c].agrees), len(hits[c].differs), -(probability.get(c) or 0.0), c),
        )
        described = self._described(order[: max(limit, 1)], hits, probability)
        outcome: Outcome = "one" if is_one else "candidates" if order else "nobody"
        return Found(
            outcome,
            described,
            len(order),
            what.said,
            tuple(notes),
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

    def _notes(self, what: Asked, shared: Mapping[str, tuple[str, int, int]], total: int) -> list[str]:
        said = [
            f"the {field.replace('_', ' ')} is shared by {names:,} names in {records:,} records: "
            "it says nothing about who it is"
            for field, (_, names, records) in sorted(shared.items())
        ]
        said += [
            f"the {field.replace('_', ' ')} is one typed to fill a form: it says nothing about who it is"
            for field in sorted(what.generic - set(shared))
        ]
        if total > MOST_SCORED:
            said.append(f"{total:,} records fit; the model was asked about the first {MOST_SCORED}")
        return said

    def _probabilities(
        self, what: Asked, records: pa.Table | None, hits: Mapping[str, Hit]
    ) -> dict[str, float]:
        times = {key: sum(key in hit.agrees for hit in hits.values()) for key in REFERENCES}
        found = {
            c: 1.0 for c, hit in hits.items() if any(times[k] == 1 for k in REFERENCES if k in hit.agrees)
        }
        if not records or self.generation is None:
            return found
        row = dict(what.row)
        if what.alternatives:
            # A number that nobody has as a phone is no phone of anybody's.
            said = {field for hit in hits.values() for field in hit.agrees}
            columns = {"phone": "match_phones", "tax_id": "match_tax_id", "loyalty_id": "match_loyalty_id"}
            row |= {column: None for field, column in columns.items() if field not in said}
        some = records.slice(0, MOST_SCORED)
        scored = likeness(row, some.drop_columns(["customer_id"]), self.generation, self.settings.linkage)
        keys = zip(*(some[name].to_pylist() for name in ("source", "record_id", "customer_id")), strict=True)
        for source, record_id, customer in keys:
            if (source, record_id) in scored:
                found[customer] = max(found.get(customer, 0.0), scored[source, record_id])
        return found

    def _described(
        self, customers: list[str], hits: Mapping[str, Hit], probability: Mapping[str, float]
    ) -> tuple[Candidate, ...]:
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
                _in_words(hits[customer]),
                hits[customer].differs,
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
