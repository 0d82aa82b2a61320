"""Records with known answers for the tests of linkage, in the columns of ``read_records``."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipelines.linkage.config import Linkage
from pipelines.linkage.decisions import DECISIONS
from pipelines.linkage.engine import empty_records
from pipelines.storage import arrow_schema

GIVEN = [
    "ana",
    "juan",
    "maria",
    "luis",
    "carmen",
    "jose",
    "laura",
    "pedro",
    "elena",
    "david",
    "sofia",
    "pablo",
    "lucia",
    "jorge",
    "marta",
    "raul",
    "irene",
    "hugo",
    "clara",
    "ivan",
    "rosa",
    "alberto",
    "julia",
    "sergio",
    "nuria",
    "andres",
    "teresa",
    "oscar",
    "pilar",
    "victor",
]
STEMS = [
    "garc",
    "lop",
    "per",
    "ru",
    "mor",
    "di",
    "gil",
    "veg",
    "sot",
    "le",
    "cast",
    "nav",
    "ort",
    "rom",
    "serr",
    "vid",
    "mol",
    "pe",
    "ben",
    "car",
]
ENDS = ["ia", "ez", "illo", "as", "ero", "ona", "ado", "ena", "uro", "ina"]

Row = dict[str, Any]

START = datetime(2026, 7, 1, 12, tzinfo=UTC)
CONF = Linkage.model_validate({"training": {"u_pairs": 200_000}, "threads": 2})


def record(source: str, record_id: str, **values: Any) -> dict[str, Any]:
    """One record: any matching column without ``match_``; name tokens and sounds follow the names."""
    party = values.pop("party_type", "person")
    given, surname = values.get("given"), values.get("surname")
    derived: dict[str, Any] = {
        "given_tokens": given.split() if given else None,
        "given_formal": sorted(given.split()) if given else None,
        "given_phonetic": given.split()[0] if given else None,
        "surname_phonetic": surname.rstrip("s") if surname else None,
        "name_tokens": sorted(f"{given or ''} {surname or ''}".split()) or None,
    }
    if values.get("emails"):
        derived["email_local"] = "".join(c for c in values["emails"][0].split("@")[0] if c.isalpha())
    columns = {f"match_{name}": value for name, value in {**derived, **values}.items()}
    return {"source": source, "record_id": record_id, "party_type": party, **columns}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=empty_records().schema)


def population(entities: int, seed: int) -> tuple[pa.Table, pa.Table]:
    """People with one to four records each, with slips and gaps; and the truth."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    truth: list[dict[str, str]] = []
    for entity in range(entities):
        given = rng.choice(GIVEN) if rng.random() < 0.7 else " ".join(rng.sample(GIVEN, 2))
        surname, second = (rng.choice(STEMS) + rng.choice(ENDS) for _ in range(2))
        born = date(1950, 1, 1) + timedelta(days=rng.randrange(18_000))
        email, phone = f"{given.split()[0]}.{surname}{entity}@mail.com", f"+52555{entity:07d}"
        postal, street = f"{rng.randrange(1000, 1100):05d}", f"calle {rng.randrange(200)} {rng.randrange(99)}"
        for source in rng.sample(["crm", "erp", "pos", "web"], rng.choice([1, 2, 2, 3, 4])):
            slip = rng.random() < 0.1
            rows.append(
                record(
                    source,
                    f"{source[0].upper()}{entity:05d}",
                    given=given,
                    surname=surname[:-1] if slip else surname,
                    second_surname=second if rng.random() < 0.6 else None,
                    birth_date=born if rng.random() < 0.7 else None,
                    emails=[email] if rng.random() < 0.7 else None,
                    phones=[phone] if rng.random() < 0.7 else None,
                    postal_code=postal if rng.random() < 0.6 else None,
                    city="puebla" if rng.random() < 0.6 else None,
                    street=street if rng.random() < 0.5 else None,
                )
            )
            truth.append({"source": source, "record_id": rows[-1]["record_id"], "entity_id": f"P{entity}"})
    return table(rows), pa.Table.from_pylist(truth)


def together(clusters: pa.Table, *keys: str, column: str = "cluster_final") -> bool:
    """True where all the records (``source:record_id``) share one cluster."""
    home = {f"{row['source']}:{row['record_id']}": row[column] for row in clusters.to_pylist()}
    return len({home[key] for key in keys}) == 1


def edited(row: Row, other: Row, dice: random.Random) -> Row:
    """The record with a few of its columns as another one has them: they become, or stop being, alike."""
    columns = [name for name in row if name not in ("source", "record_id")]
    return {**row, **{name: other[name] for name in dice.sample(columns, 6)}}


def night_after(rows: list[Row], dice: random.Random, at: int) -> list[Row]:
    """The records of the next night: some gone, some edited, some new, in another order."""
    kept = [row for row in rows if dice.random() > 0.08]
    kept = [edited(row, dice.choice(rows), dice) if dice.random() < 0.08 else row for row in kept]
    for number in range(dice.randrange(4)):
        twin = dict(dice.choice(rows))
        kept.append({**twin, "source": dice.choice(["crm", "erp", "web"]), "record_id": f"NEW{at}.{number}"})
    if dice.random() < 0.4:
        # One value for many names: it becomes generic tonight, and may stop being so later.
        for row in dice.sample(kept, min(9, len(kept))):
            row["match_phones"] = ["+525500000000"]
    if dice.random() < 0.4:
        for row in dice.sample(kept, min(9, len(kept))):
            row.update(match_street="centro 1", match_postal_code="72000", match_city="puebla")
    dice.shuffle(kept)
    return [dict(row) for row in kept]


def decisions(*rows: tuple[str, str, Any, Any]) -> pa.Table:
    """Rows of linkage/decisions from (id, kind, left, right), in the order in which they were made."""
    made = []
    for number, (name, kind, left, right) in enumerate(rows):
        is_revoke = kind == "revoke"
        made.append(
            {
                "decision_id": name,
                "kind": kind,
                "left_records": [] if is_revoke else left.split(),
                "right_records": [] if is_revoke or right is None else right.split(),
                "revokes": left if is_revoke else None,
                "decided_by": "ana",
                "decided_at": START + timedelta(minutes=number),
                "reason": None,
            }
        )
    return pa.Table.from_pylist(made, schema=arrow_schema(DECISIONS))
