"""Of all records an explanation needs few, and says the same by them as by all."""

from __future__ import annotations

import random
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from linkage_people import population, record, table

from pipelines.errors import UsageError
from pipelines.linkage import conditions
from pipelines.linkage import nearby as module
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import DoesNotFitError
from pipelines.linkage.explain import explain_pair
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.nearby import nearby

NIGHT = date(2026, 7, 1)
CONF = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000},
        "threads": 2,
        "blocking": {"max_block": 6},
        "max_component": 5,
        "duplicate_free": ["erp"],
    }
)
"""Blocks that are subdivided, components that are cut, a source without duplicates."""
Key = tuple[str, str]


@pytest.fixture(scope="module")
def world() -> tuple[Linked, pa.Table]:
    rows = population(95, seed=5)[0].to_pylist()
    # A block of one name, which only slices divide.
    rows += [record("pos", f"ONE{i:02d}", given="ana", surname="perez", city="puebla") for i in range(40)]
    rows += [record("erp", f"K{i}", party_type="company", company_name="vega sa") for i in range(2)]
    records = table(rows)
    return link_night(records, None, CONF, NIGHT), records


def found(world: tuple[Linked, pa.Table], left: Key, right: Key) -> tuple[pa.Table, pa.Table, pa.Table]:
    linked, records = world
    stored = (ds.dataset(t) for t in (records, linked.scored_pairs, linked.clusters))
    return nearby(*stored, linked.generation, CONF, left, right)


def explained(world: tuple[Linked, pa.Table], parts: Any, left: Key, right: Key) -> dict[str, Any]:
    return explain_pair(*parts, world[0].generation, CONF, left, right).as_dict(values=True)


def some_pairs(world: tuple[Linked, pa.Table]) -> list[tuple[Key, Key]]:
    """Pairs by which a kept pair was found, and pairs of anybody, of the block of one name too."""
    rows = world[0].scored_pairs.to_pylist()
    kept = {r["blocked_by"]: r for r in rows}
    pairs = [tuple((r[f"source_{s}"], r[f"record_id_{s}"]) for s in "lr") for r in kept.values()]
    persons = [(r["source"], r["record_id"]) for r in world[1].to_pylist() if r["party_type"] != "company"]
    chance = random.Random(3)
    pairs += [tuple(chance.sample(persons, 2)) for _ in range(4)]
    one = [("pos", f"ONE{i:02d}") for i in range(40)]
    return [*pairs, (one[0], one[1]), (one[0], one[39]), (("erp", "K0"), ("erp", "K1"))]


def test_an_explanation_by_the_records_nearby_is_the_one_by_all(world) -> None:
    linked, records = world
    whole = records, linked.scored_pairs, linked.clusters
    fewest = records.num_rows
    for left, right in some_pairs(world):
        parts = found(world, left, right)
        fewest = min(fewest, parts[0].num_rows)
        assert explained(world, parts, left, right) == explained(world, whole, left, right)
        assert parts[2].num_rows == 2
    assert fewest < records.num_rows / 10


def test_all_records_of_a_block_above_the_cap_are_needed(world, monkeypatch: pytest.MonkeyPatch) -> None:
    linked, records = world
    whole, pair = (records, linked.scored_pairs, linked.clusters), (("pos", "ONE00"), ("pos", "ONE39"))
    with monkeypatch.context() as without:
        without.setattr(module, "_add_capped_blocks", lambda *_: None)
        few = found(world, *pair)
    parts = found(world, *pair)
    assert few[0].num_rows < 40 <= parts[0].num_rows < records.num_rows
    # Alone they would look like a block that is compared whole.
    assert explained(world, few, *pair)["rules"] != explained(world, whole, *pair)["rules"]
    assert explained(world, parts, *pair)["rules"] == explained(world, whole, *pair)["rules"]


def test_a_condition_that_all_records_can_afford_is_no_burden_to_the_few(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The few are those who share a value, so a rule costs each of them more than it costs all.
    rules = [["surname"], {"sql": "l.city = r.city AND l.surname = r.surname"}]
    blocking = {"max_block": 6, "max_comparisons_per_record": 1, "rules": rules}
    conf = CONF.model_copy(update={"blocking": CONF.blocking.model_validate(blocking)})
    monkeypatch.setattr(conditions, "FEW_PAIRS", 100)
    rows = [record("pos", f"ONE{i:03d}", given="ana", surname="perez", city="puebla") for i in range(260)]
    rows += [record("web", f"U{i}", given=f"g{i}", surname=f"s{i}", city=f"c{i}") for i in range(200)]
    records = table(rows)
    world = link_night(records, None, conf, NIGHT), records
    pair = ("pos", "ONE000"), ("pos", "ONE259")
    linked = world[0]
    stored = (ds.dataset(t) for t in (records, linked.scored_pairs, linked.clusters))
    parts = nearby(*stored, linked.generation, conf, *pair)
    assert parts[0].num_rows < 300
    by_all = explain_pair(records, linked.scored_pairs, linked.clusters, linked.generation, conf, *pair)
    assert explain_pair(*parts, linked.generation, conf, *pair).as_dict() == by_all.as_dict()


def test_what_is_not_there_is_said_before_anything_is_read(world, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = ("pos", "ONE00"), ("pos", "ONE01")
    with pytest.raises(
        UsageError, match="no live record crm:none; the sources with records are crm, erp, pos"
    ):
        found(world, one, ("crm", "none"))
    with pytest.raises(UsageError, match="never compared"):
        explained(world, found(world, one, ("erp", "K0")), one, ("erp", "K0"))
    monkeypatch.setattr(module, "free_memory", lambda: 8_192 * 10)
    with pytest.raises(DoesNotFitError, match="whose values fewer others share"):
        found(world, one, other)
