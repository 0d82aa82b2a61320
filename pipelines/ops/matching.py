"""Which customers agree with what was asked, and in what: DuckDB over the released records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipelines.linkage.engine import KEY_COLUMNS
from pipelines.ops.asked import REFERENCES
from pipelines.ops.register import STATES, UnknownIdError, resolve

if TYPE_CHECKING:
    from pipelines.linkage.config import Linkage
    from pipelines.ops.asked import Asked
    from pipelines.ops.reading import Reader

CONTACTS = ("phone", "email", "tax_id", "loyalty_id")
"""Values that tell who somebody is, unless many share them."""

ALIKE = 0.93
ALIKE_AT_BIRTH = 0.85
"""Jaro-Winkler similarity of two names from which they may be one misspelt; with the same birth date."""

_AGREES = {
    "phone": "list_has_any(match_phones, $phone) OR list_has_any(phones, $phone)",
    "email": "list_has_any(match_emails, $email) OR list_has_any(emails, $email)",
    "tax_id": "list_contains($tax_id, tax_id)",
    "loyalty_id": "list_contains($loyalty_id, match_loyalty_id)",
    "birth_date": "match_birth_date = $birth_date OR birth_date = $birth_date",
}
_DIFFERS = {
    "tax_id": "match_tax_id IS NOT NULL",
    "birth_date": "match_birth_date IS NOT NULL",
    "name": "match_name_tokens IS NOT NULL OR match_company IS NOT NULL",
}
"""When a record that does not agree says otherwise: people have several phones and e-mails."""

_SAME_NAME = """list_has_all(match_name_tokens, $name) OR (len(match_name_tokens) > 1 AND list_has_all($name, match_name_tokens))
    OR (match_surname = $surname AND list_has_any(match_given_formal, $given)) OR match_company = $company"""
_LIKE_NAME = """(match_surname_phonetic = $surname_sound AND match_given_phonetic = $given_sound)
    OR jaro_winkler_similarity(coalesce(match_company, array_to_string(match_name_tokens, ' ')), $written) >= $alike"""


@dataclass(frozen=True)
class Hit:
    """What agrees between a customer and what was asked."""

    agrees: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    is_name_alike: bool = False
    """The name is not the same, but may be misspelt."""

    def fits(self, what: Asked) -> bool:
        """True where all that was asked agrees; of alternatives one is enough."""
        if what.alternatives:
            return bool(self.agrees)
        return set(what.values) <= set(self.agrees) and not self.is_name_alike

    def identifies(self, unusable: frozenset[str]) -> bool:
        """True where what agrees tells who it is: ``unusable`` fields are everybody's."""
        named = {"name", "birth_date"} <= set(self.agrees) and not self.is_name_alike
        single = {*REFERENCES, *CONTACTS} & (set(self.agrees) - unusable)
        return bool(single) or (named and "birth_date" not in unusable)

    def joined(self, other: Hit) -> Hit:
        """What either record says; who agrees once does not differ."""
        agrees = tuple(dict.fromkeys((*self.agrees, *other.agrees)))
        differs = tuple(f for f in dict.fromkeys((*self.differs, *other.differs)) if f not in agrees)
        alike = [hit.is_name_alike for hit in (self, other) if "name" in hit.agrees]
        return Hit(agrees, differs, bool(alike) and all(alike))


@dataclass
class Matched:
    """Customers that agree in something."""

    hits: dict[str, Hit] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    records: pa.Table | None = None
    """Their live records that agree, the best first: columns of ``read_records`` and customer_id."""

    def add(self, customer: str, hit: Hit) -> None:
        self.hits[customer] = self.hits[customer].joined(hit) if customer in self.hits else hit


def matching(reader: Reader, what: Asked, conf: Linkage) -> Matched:
    """Every customer that agrees with what was asked: by the register's own keys, and by what records say."""
    found = Matched()
    _by_reference(reader, what, found)
    asked = [name for name in what.values if name not in REFERENCES]
    if asked:
        _by_record(reader, what, asked, conf, found)
        _by_last_known(reader, what, asked, found)
    return found


def _by_reference(reader: Reader, what: Asked, found: Matched) -> None:
    for number in what.values.get("order", ()) if reader.has("silver/orders") else ():
        rows = reader.rows(
            """SELECT DISTINCT x.customer_id FROM silver.orders o
            LEFT JOIN gold.xref x ON x.source = o.source AND x.record_id = o.record_id
            WHERE lower(o.order_id) = lower($1)""",
            [number],
        )
        for row in rows:
            if row["customer_id"] is None:
                found.notes.append("the order is known, and whose it is is not")
            else:
                found.add(str(row["customer_id"]), Hit(("order",)))
    for name in what.values.get("record", ()):
        source, _, record_id = name.partition(":")
        rows = reader.rows(
            "SELECT customer_id FROM gold.xref WHERE source = $1 AND record_id = $2", [source, record_id]
        )
        for row in rows:
            found.add(str(row["customer_id"]), Hit(("record",)))
    for customer in what.values.get("customer_id", ()):
        try:
            resolved = resolve(reader, customer)
        except UnknownIdError as error:
            found.notes.append(str(error).rstrip("."))
            continue
        if resolved.became != (customer,):
            led = f" into {', '.join(resolved.became)}" if resolved.state == "merged" else ""
            split = f"; its people are at {', '.join(resolved.became)}" if resolved.state == "live" else ""
            found.notes.append(f"{customer} is {STATES[resolved.state]}{led}{split}")
        for now in resolved.became:
            found.add(now, Hit(("customer_id",)))


def _conditions(what: Asked, asked: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL of what agrees by field, ``name`` and ``name_like`` apart, and the parameters."""
    row = what.row
    sql = {name: _AGREES[name] for name in asked if name in _AGREES}
    values: dict[str, Any] = {name: list(what.values[name]) for name in sql}
    if "birth_date" in sql:
        values["birth_date"] = row["birth_date"]
    if "name" in asked:
        written = row["match_company"] or " ".join(row["match_name_tokens"] or ())
        names = {
            "name": list(row["match_name_tokens"] or ()),
            "surname": row["match_surname"],
            "given": list(row["match_given_formal"] or ()),
            "company": row["match_company"],
            "surname_sound": row["match_surname_phonetic"],
            "given_sound": row["match_given_phonetic"],
            "written": written,
            "alike": ALIKE_AT_BIRTH if "birth_date" in sql else ALIKE,
        }
        values |= names
        sql |= {"name": f"len($name) > 1 AND ({_SAME_NAME})", "name_like": _LIKE_NAME}
        if not names["name"]:
            sql["name"] = "match_company = $company"
            for unused in ("name", "surname", "given"):
                del values[unused]
    return sql, values


def _by_record(reader: Reader, what: Asked, asked: list[str], conf: Linkage, found: Matched) -> None:
    sql, values = _conditions(what, asked)
    fields = list(dict.fromkeys([*KEY_COLUMNS, *conf.fields.values()]))
    marks = ", ".join(f"coalesce({condition}, false) AS agrees_{name}" for name, condition in sql.items())
    differs = ", ".join(
        f"coalesce({_DIFFERS[name]}, false) AS knows_{name}" for name in asked if name in _DIFFERS
    )
    wanted = [f"agrees_{name}" for name in sql if name != "birth_date"]
    places = " + ".join(f"agrees_{name}::INTEGER" for name in sql)
    flags = [f"agrees_{name}" for name in sql] + [f"knows_{name}" for name in asked if name in _DIFFERS]
    chosen = ", ".join(f'r."{name}"' for name in (*fields, *flags))
    table = reader.arrow(
        f"""WITH seen AS (SELECT *, {marks}{", " + differs if differs else ""} FROM silver.customer_records)
        SELECT x.customer_id, {chosen} FROM
            (SELECT *, {places} AS places FROM seen WHERE {" OR ".join(wanted)}) r
        JOIN gold.xref x ON x.source = r.source AND x.record_id = r.record_id
        ORDER BY places DESC, r.source, r.record_id""",
        values,
    )
    for row in table.select(["customer_id", *flags]).to_pylist():
        found.add(row["customer_id"], _hit(row, asked))
    found.records = table.select([*fields, "customer_id"])


def _hit(row: Mapping[str, Any], asked: list[str]) -> Hit:
    is_like = bool(row.get("agrees_name_like"))
    agrees = [name for name in asked if row.get(f"agrees_{name}") or (name == "name" and is_like)]
    differs = [name for name in asked if name not in agrees and row.get(f"knows_{name}")]
    return Hit(tuple(agrees), tuple(differs), is_like and not row.get("agrees_name"))


_LAST_KNOWN = {
    "phone": "list_has_any(phones, $phone)",
    "email": "list_has_any(emails, $email)",
    "tax_id": "list_contains($tax_id, tax_id)",
    "loyalty_id": "list_contains($loyalty_id, loyalty_id)",
    "birth_date": "birth_date = $birth_date",
}


def _by_last_known(reader: Reader, what: Asked, asked: list[str], found: Matched) -> None:
    """Customers without live records, by the golden record that is left of them."""
    sql = {name: _LAST_KNOWN[name] for name in asked if name in _LAST_KNOWN}
    wanted = [f"agrees_{name}" for name in sql if name != "birth_date"]
    if not wanted:
        return
    values: dict[str, Any] = {name: list(what.values[name]) for name in sql}
    if "birth_date" in sql:
        values["birth_date"] = what.row["birth_date"]
    marks = ", ".join(f"coalesce({condition}, false) AS agrees_{name}" for name, condition in sql.items())
    rows = reader.rows(
        f"SELECT * FROM (SELECT customer_id, {marks} FROM gold.customers WHERE NOT is_live) "
        f"WHERE {' OR '.join(wanted)}",
        values,
    )
    for row in rows:
        found.add(str(row["customer_id"]), _hit(row, asked))
