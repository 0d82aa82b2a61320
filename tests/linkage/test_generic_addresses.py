"""A shop's own address is no evidence; a family's, a block of flats' and a street of many towns are."""

from __future__ import annotations

import string
from datetime import date
from itertools import product

import pyarrow as pa
import pytest
from linkage_people import CONF, Row, population, record, table
from pydantic import ValidationError

from pipelines.linkage.blocking import block
from pipelines.linkage.blocking_rules import Rule
from pipelines.linkage.config import GENERIC_LIMITS, Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.explain import explain_pair
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.link import link_night
from pipelines.linkage.profile import profile
from pipelines.linkage.recall import Remembered
from pipelines.linkage.records import load, prepare

NIGHT = date(2026, 7, 1)
SHOP = {"street": "insurgentes sur 1602", "postal_code": "03940", "city": "benito juarez"}
NAMES = ["".join(letters) for letters in product(string.ascii_lowercase, repeat=2)]
FEW = CONF.model_copy(update={"generic": CONF.generic.model_copy(update={"distinct_names": {"address": 6}})})
"""As the defaults, but for addresses alone and with a limit that little data reaches."""


def at(address: Row, names: int, source: str = "crm") -> list[Row]:
    """A record each of so many names at one address."""
    return [
        record(source, f"{source}{i:03d}", given=name, surname=f"{name}ez", **address)
        for i, name in enumerate(NAMES[:names])
    ]


def found(rows: list[Row], conf: Linkage = CONF) -> pa.Table:
    with engine(conf) as connection:
        load(connection, table(rows), conf)
        return find_generic(connection, conf)


def test_a_shops_address_is_found_by_its_names() -> None:
    assert found(at(SHOP, 201)).to_pylist() == [
        {
            "field": "address",
            "value": "insurgentes sur 1602, 03940",
            "distinct_names": 201,
            "records": 201,
            "reason": "shared_by_names",
        }
    ]


@pytest.mark.parametrize(
    "rows",
    [
        # A block of sixty flats, three names each, its line without a floor.
        at(SHOP, 180),
        # One name, many records of it.
        [record("crm", f"{i}", given="ana", surname="ruiz", **SHOP) for i in range(300)],
        # A street that every town has.
        [
            record("crm", f"{i}", given=name, surname=name, street="mayor 1", postal_code=f"{i // 50:05d}")
            for i, name in enumerate(NAMES[:300])
        ],
        # A street of which no place is known.
        at({"street": "mayor 1"}, 300),
        # A long street without its numbers.
        at({"street": "gran via", "postal_code": "28013"}, 300),
    ],
    ids=["block_of_flats", "one_name", "one_street_in_many_towns", "no_place", "no_number"],
)
def test_what_few_names_share_or_many_towns_have_stays(rows: list[Row]) -> None:
    assert found(rows).num_rows == 0


def test_without_a_postal_code_the_city_is_the_place() -> None:
    rows = at({"street": "mayor 1", "city": "lugo"}, 8) + at({"street": "mayor 1", "city": "leon"}, 6, "erp")
    assert found(rows, FEW)["value"].to_pylist() == ["mayor 1, lugo"]


def test_street_and_place_of_a_generic_address_count_for_nothing() -> None:
    own = {**SHOP, "street": "mayor 1"}
    rows = [*at(SHOP, 8), *at(own, 2, "web")]
    street = Rule("street", "street", ("street",))
    with engine(FEW) as connection:
        load(connection, table(rows), FEW)
        use_generic(connection, find_generic(connection, FEW))
        prepare(connection, "person")
        left = "SELECT DISTINCT source, street, postal_code, city FROM people ORDER BY source"
        people = connection.execute(left).fetchall()
        (cost,) = block(connection, (street,), FEW.blocking)
    assert people == [("crm", None, None, None), ("web", *own.values())]
    assert cost.pairs == 1


def test_a_generic_address_is_shown_as_one_that_counts_for_nothing() -> None:
    records = table(at(SHOP, 8))
    linked = link_night(records, None, FEW, NIGHT)
    pair = ("crm", "crm000"), ("crm", "crm001")
    said = explain_pair(records, linked.scored_pairs, linked.clusters, linked.generation, FEW, *pair)
    parts = {v.role: (v.left, v.left_counts) for v in said.values if v.role in SHOP}
    assert parts == {role: (value, False) for role, value in SHOP.items()}
    bar = next(bar for bar in said.waterfall.bars if bar.comparison == "postal_code")
    assert (bar.level, bar.weight) == ("unknown", 0)
    assert {p.role: p.generic for p in profile(records, FEW)}["street"] == 1


def test_an_address_that_became_generic_changes_who_carries_it() -> None:
    others = population(60, seed=5)[0].to_pylist()
    # Six names in two sources, whose pairs weigh less without the address; then a seventh.
    before, after = ([*others, *at(SHOP, names), *at(SHOP, 6, "erp")] for names in (6, 7))
    first = link_night(table(before), None, FEW, NIGHT)
    assert first.generic_values.num_rows == 0
    last = Remembered(first.clusters, first.links, first.scored_pairs)
    night = link_night(table(after), first.generation, FEW, NIGHT, last=last)
    assert night.generation.generic == (("address", "insurgentes sur 1602, 03940"),)
    assert night.generation.previous_id == first.generation.generation_id
    # Twelve that nobody touched, and the seventh name's.
    assert night.figures["changed_records"] == 13
    full = link_night(table(after), first.generation, FEW, NIGHT)
    for name in ("scored_pairs", "links", "clusters", "review_queue"):
        assert getattr(night, name).equals(getattr(full, name)), name
    assert not night.scored_pairs.equals(first.scored_pairs)


def test_address_is_a_limit_and_no_field() -> None:
    assert Linkage().generic.distinct_names["address"] == GENERIC_LIMITS["address"]
    assert Linkage.model_validate({"generic": {"distinct_names": {"address": 50}}})
    for wrong in ({"fields": {"address": "match_street"}}, {"generic": {"distinct_names": {"adress": 50}}}):
        with pytest.raises(ValidationError, match="is no role"):
            Linkage.model_validate(wrong)
