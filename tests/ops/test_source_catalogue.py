"""The catalogue of sources: who answers for which field of which feed, what it fills, and which fields nobody declared."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.bronze.batches import BATCHES
from pipelines.ops.source_catalogue import SOURCES, source_catalogue

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "silver"))
from silver_box import source

CLUB = source("""
source: club
owner: Loyalty team
channel: loyalty
cadence_days: 7
feeds:
  members:
    mode: snapshot
    key: [id]
    target: customer_records
    columns: {id: {required: true}, "Nombre completo": {required: true, meaning: "As on the card"}, sexo:, puntos:}
    map:
      record_id: id
      full_name_raw: Nombre completo
      gender: {column: sexo, codes: {H: M, M: F}, unmapped: "null"}
  visits:
    mode: append
    cadence_days: null
    key: [id, day]
    target: bronze_only
    columns: {id: {required: true}, day: {required: true}}
""")


def batch(day: int, columns: list[str], new: list[str], status: str = "landed") -> dict[str, Any]:
    made: dict[str, Any] = dict.fromkeys(BATCHES.arrow.names)
    names = {
        "source": "club",
        "feed": "members",
        "file": f"2026-07-{day:02d}/club/members.csv",
        "status": status,
    }
    return made | names | {"landing_date": date(2026, 7, day), "columns": columns, "new_columns": new}


def catalogued(*batches: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = source_catalogue(
        {"club": CLUB}, pa.Table.from_pylist(list(batches), schema=BATCHES.arrow)
    ).to_pylist()
    assert len({tuple(row[name] for name in SOURCES.key) for row in rows}) == len(rows)
    return {(row["feed"], row["column"]): row for row in rows}


def test_every_declared_field_has_its_owner_cadence_and_what_it_fills() -> None:
    found = catalogued()
    assert list(found) == [
        *(("members", name) for name in ("op", "id", "Nombre_completo", "sexo", "puntos")),
        *(("visits", name) for name in ("id", "day")),
    ]
    assert {row["owner"] for row in found.values()} == {"Loyalty team"}
    name = found["members", "Nombre_completo"]
    assert (name["fills"], name["personal"], name["meaning"]) == (
        ["customer_records.full_name_raw"],
        "direct",
        "As on the card",
    )
    assert (name["is_key"], name["is_required"], name["is_declared"], name["is_delivered"]) == (
        False,
        True,
        True,
        None,
    )
    assert found["members", "id"]["is_key"]
    assert (found["members", "sexo"]["personal"], found["members", "puntos"]["personal"]) == (
        "quasi",
        "direct",
    )
    assert (found["members", "puntos"]["fills"], found["members", "puntos"]["becomes"]) == (
        [],
        ["customer_records"],
    )
    assert (found["members", "id"]["cadence_days"], found["visits", "id"]["cadence_days"]) == (7, None)


def test_a_field_of_the_newest_file_that_nobody_declared_is_in_the_catalogue() -> None:
    found = catalogued(
        batch(1, ["id", "Nombre_completo", "sexo", "puntos", "antes"], ["antes"]),
        batch(2, ["id", "nombre_completo", "puntos", "apodo"], ["apodo"]),
        batch(3, ["id", "wrong"], ["wrong"], status="rejected"),
    )
    new = found["members", "apodo"]
    assert (new["is_declared"], new["is_delivered"], new["fills"], new["personal"]) == (
        False,
        True,
        [],
        "direct",
    )
    assert {column for feed, column in found if not found[feed, column]["is_declared"]} == {"apodo"}
    delivered = {c: row["is_delivered"] for (feed, c), row in found.items() if feed == "members"}
    assert not delivered.pop("op"), "a full snapshot says no operation"
    assert delivered == {"id": True, "Nombre_completo": True, "sexo": False, "puntos": True, "apodo": True}
    assert {row["last_delivered"] for (feed, _), row in found.items() if feed == "members"} == {
        date(2026, 7, 2)
    }
    assert found["visits", "id"]["last_delivered"] is None


@pytest.mark.parametrize(
    ("name", "is_delivered"),
    [("members.csv", False), ("members.jsonl", None), ("members.ndjson.gz", None), ("members.JSON", None)],
)
def test_of_json_lines_a_field_may_hide_in_later_rows(name: str, is_delivered: bool | None) -> None:
    found = catalogued({**batch(2, ["id"], []), "file": f"2026-07-02/club/{name}"})
    assert found["members", "sexo"]["is_delivered"] is is_delivered
