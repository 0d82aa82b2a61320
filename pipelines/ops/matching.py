"""Which customers agree with what was asked, and in what: DuckDB over the released records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipelines.ops.asked import REFERENCES
from pipelines.ops.register import STATES, UnknownIdError, resolve

if TYPE_CHECKING:
    from pipelines.ops.asked import Asked
    from pipelines.ops.reading import Reader

Key = tuple[str, str]
"""source and record_id."""
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
_KNOWN = {
    "phone": "match_phones IS NOT NULL OR phones IS NOT NULL",
    "email": "match_emails IS NOT NULL OR emails IS NOT NULL",
    "tax_id": "match_tax_id IS NOT NULL",
    "loyalty_id": "match_loyalty_id IS NOT NULL",
    "birth_date": "match_birth_date IS NOT NULL",
    "name": "match_name_tokens IS NOT NULL OR match_company IS NOT NULL",
}
"""When a record says something about a field, whatever it is."""

_WORDS = "coalesce(match_name_tokens, string_split(match_company, ' '))"
_SAME_NAME = f"""list_has_all({_WORDS}, $words)
    OR (len($words) > 1 AND len(match_name_tokens) > 1 AND list_has_all($words, match_name_tokens))
    OR (match_surname = $surname AND list_has_any(match_given_formal, $given))"""
_LIKE_NAME = """(match_surname_phonetic = $surname_sound AND match_given_phonetic = $given_sound)
    OR (len($words) = 1 AND coalesce($surname_sound, $given_sound) IN (match_surname_phonetic, match_given_phonetic))
    OR jaro_winkler_similarity(coalesce(match_company, array_to_string(match_name_tokens, ' ')), $written)
        >= CASE WHEN coalesce({born}, false) THEN $alike_at_birth ELSE $alike END"""

_LIVE = """SELECT x.customer_id, r.* FROM silver.customer_records r
    JOIN gold.xref x ON x.source = r.source AND x.record_id = r.record_id"""
_LAST_KNOWN = """SELECT customer_id, NULL AS source, NULL AS record_id, phones, phones AS match_phones,
        emails, emails AS match_emails, tax_id, tax_id AS match_tax_id,
        upper(regexp_replace(loyalty_id, '[^\\pL\\pN]', '', 'g')) AS match_loyalty_id,
        birth_date, birth_date AS match_birth_date,
        string_split(strip_accents(lower(full_name)), ' ') AS match_name_tokens, NULL AS match_company,
        NULL AS match_surname, NULL::VARCHAR[] AS match_given_formal,
        NULL AS match_surname_phonetic, NULL AS match_given_phonetic
    FROM gold.customers WHERE NOT is_live"""
"""The golden records of customers without live records, as if they were records."""


@dataclass(frozen=True)
class Hit:
    """What agrees between a customer and what was asked."""

    agrees: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    """What was asked, does not agree, and is known otherwise."""
    is_name_alike: bool = False
    """The name is not the same, but may be misspelt."""
    records: tuple[Key, ...] = ()
    """The live records that agree in something."""

    def fits(self, what: Asked) -> bool:
        """True where all that was asked agrees; of alternatives one is enough."""
        if what.alternatives and not what.alternatives & set(self.agrees):
            return False
        return set(what.values) - what.alternatives <= set(self.agrees) and not self.is_name_alike

    def identifies(self, unusable: frozenset[str]) -> bool:
        """True where what agrees tells who it is: ``unusable`` fields are everybody's."""
        named = {"name", "birth_date"} <= set(self.agrees) and not self.is_name_alike
        return self.identifying(unusable) > 0 or (named and not {"name", "birth_date"} & unusable)

    def identifying(self, unusable: frozenset[str]) -> int:
        """How many values agree that tell who somebody is."""
        return len({*REFERENCES, *CONTACTS} & (set(self.agrees) - unusable))

    def rank(self, unusable: frozenset[str]) -> tuple[float, ...]:
        """Smaller where more speaks for it: what identifies first, then name and birth date, then the rest.

        People have several phones, e-mails and cards: that one is another says nothing against them.
        """
        name = ("name" in self.agrees) * (ALIKE if self.is_name_alike else 1.0)
        person = name + ("birth_date" in self.agrees)
        against = len({"name", "birth_date", "tax_id"} & (set(self.differs) - unusable))
        return -self.identifying(unusable), -person, -len(self.agrees), against


@dataclass
class Matched:
    """Customers that agree in something."""

    hits: dict[str, Hit] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def untaken(self, what: Asked) -> frozenset[str]:
        """Alternatives that nobody agrees with, while somebody agrees with something: the text is none of them."""
        said = {name for hit in self.hits.values() for name in hit.agrees}
        return what.alternatives - said if said else frozenset()

    def refer(self, customer: str, key: str, what: Asked) -> None:
        """A key of the register leads to ``customer``."""
        agrees = (*(self.hits[customer].agrees if customer in self.hits else ()), key)
        self.hits[customer] = Hit(
            agrees, tuple(k for k in REFERENCES if k in what.values and k not in agrees)
        )

    def add(self, customer: str, row: Mapping[str, Any], what: Asked) -> None:
        """What records say, by field in ``row``; a key that did not lead to ``customer`` is another's."""
        led = self.hits[customer].agrees if customer in self.hits else ()
        is_like = bool(row.get("agrees_name_like"))
        agrees = [
            name
            for name in what.values
            if name in led or row.get(f"agrees_{name}") or (name == "name" and is_like)
        ]
        differs = [
            name
            for name in what.values
            if name not in agrees and (name in REFERENCES or row[f"knows_{name}"])
        ]
        self.hits[customer] = Hit(
            tuple(agrees),
            tuple(differs),
            is_like and not row["agrees_name"],
            tuple(tuple(key.values()) for key in row["records"] or ()),
        )


def matching(reader: Reader, what: Asked) -> Matched:
    """Every customer that agrees with what was asked: by the register's own keys, and by what records say."""
    found = Matched()
    _by_reference(reader, what, found)
    if set(what.values) - set(REFERENCES):
        _by_record(reader, what, found)
    return found


def _by_reference(reader: Reader, what: Asked, found: Matched) -> None:
    for number in what.values.get("order", ()) if reader.has("silver/orders") else ():
        rows = reader.rows(
            """SELECT DISTINCT x.customer_id FROM silver.orders o
            LEFT JOIN gold.xref x ON x.source = o.source AND x.record_id = o.record_id
            WHERE regexp_replace(lower(o.order_id), '[^\\pL\\pN]', '', 'g') = $1""",
            [number],
        )
        for row in rows:
            if row["customer_id"] is None:
                found.notes.append("the order is known, and whose it is is not")
            else:
                found.refer(str(row["customer_id"]), "order", what)
    for name in what.values.get("record", ()):
        source, _, record_id = name.partition(":")
        rows = reader.rows(
            "SELECT customer_id FROM gold.xref WHERE source = $1 AND record_id = $2", [source, record_id]
        )
        for row in rows:
            found.refer(str(row["customer_id"]), "record", what)
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
            found.refer(now, "customer_id", what)


def _conditions(what: Asked, asked: list[str]) -> tuple[dict[str, str], dict[str, Any]]:
    """SQL of what agrees by field, ``name_like`` apart, and the parameters."""
    row = what.row
    sql = {name: _AGREES[name] for name in asked if name in _AGREES}
    values: dict[str, Any] = {name: list(what.values[name]) for name in sql}
    if "birth_date" in sql:
        values["birth_date"] = row["birth_date"]
    if "name" in asked:
        values |= {
            "words": list(what.words),
            "surname": row["match_surname"],
            "given": list(row["match_given_formal"] or ()),
            "surname_sound": row["match_surname_phonetic"],
            "given_sound": row["match_given_phonetic"],
            "written": " ".join(what.words),
            "alike": ALIKE,
            "alike_at_birth": ALIKE_AT_BIRTH,
        }
        sql |= {"name": _SAME_NAME, "name_like": _LIKE_NAME.format(born=sql.get("birth_date", "false"))}
    return sql, values


def _by_record(reader: Reader, what: Asked, found: Matched) -> None:
    """By the live records, and by the golden record of customers without: one pass, a row a customer."""
    asked = [name for name in what.values if name not in REFERENCES]
    sql, values = _conditions(what, asked)
    marks = [f"coalesce({condition}, false) AS agrees_{name}" for name, condition in sql.items()]
    marks += [f"coalesce({_KNOWN[name]}, false) AS knows_{name}" for name in asked]
    flags = [*(f"agrees_{name}" for name in sql), *(f"knows_{name}" for name in asked)]
    wanted = " OR ".join(f"agrees_{name}" for name in sql if name != "birth_date")
    rows = reader.rows(
        f"""SELECT customer_id, {", ".join(f"bool_or({flag}) AS {flag}" for flag in flags)},
            list((source, record_id) ORDER BY source, record_id)
                FILTER (source IS NOT NULL AND ({wanted} OR list_contains($known, customer_id))) AS records
        FROM (SELECT customer_id, source, record_id, {", ".join(marks)}
            FROM ({_LIVE} UNION ALL BY NAME {_LAST_KNOWN}))
        GROUP BY customer_id HAVING bool_or({wanted}) OR list_contains($known, customer_id)""",
        {**values, "known": list(found.hits)},
    )
    for row in rows:
        found.add(str(row["customer_id"]), row, what)
