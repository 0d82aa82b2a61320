"""One pair explained: its weights add up, it is judged as the night judged it, and what decided is named."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from linkage_people import CONF, population, record, table

from pipelines.errors import UsageError
from pipelines.linkage.evaluation import Basis, evaluation
from pipelines.linkage.explain import explain_pair, parsed_key
from pipelines.linkage.explanation import VERDICTS, Explanation
from pipelines.linkage.joining import meeting
from pipelines.linkage.link import Linked, link_night

NIGHT = date(2026, 7, 1)
ANA = {"given": "ana", "surname": "garcia", "second_surname": "soto", "birth_date": date(1980, 2, 1)}
LUIS = {
    "given": "luis",
    "surname": "vega",
    "second_surname": "ortona",
    "birth_date": date(1980, 1, 1),
    "emails": ["l@vega.mx"],
    "phones": ["+525577778888"],
}
ROWS = [
    # Ana: two sources say the same, a third knows only what the second knows too.
    record("crm", "A1", **ANA, emails=["ana.garcia@mail.com"], phones=["+525511112222"]),
    record("web", "A2", **ANA, emails=["ana.garcia@mail.com"], phones=["+525533334444"]),
    # Two men of one name with all in common but their tax ids.
    record("crm", "T1", **LUIS, tax_id="VEGL800101AA1", tax_id_type="rfc"),
    record("erp", "T2", **LUIS, tax_id="VEGL800101BB2", tax_id_type="rfc"),
    # Names that resemble.
    record("crm", "N1", given="joana", surname="prado", city="puebla"),
    record("erp", "N2", given="joana", surname="prados", city="puebla"),
    # Two who share a phone and nothing else.
    record(
        "crm", "P1", given="irene", surname="navas", birth_date=date(1950, 3, 3), phones=["+525544440000"]
    ),
    record(
        "web", "P2", given="pablo", surname="ruero", birth_date=date(1999, 9, 9), phones=["+525544440000"]
    ),
    # Somebody else.
    record("pos", "Z1", given="hugo", surname="molina", phones=["+525599990000"]),
    record("erp", "K1", party_type="company", company="vega sa", emails=["l@vega.mx"]),
]


@pytest.fixture(scope="module")
def small() -> tuple[Linked, pa.Table]:
    records = table(ROWS)
    return link_night(records, None, CONF, NIGHT), records


@pytest.fixture(scope="module")
def trained() -> tuple[Linked, pa.Table]:
    records, _ = population(130, seed=7)
    return link_night(records, None, CONF, NIGHT), records


def explained(
    world: tuple[Linked, pa.Table], left: str, right: str, clusters: pa.Table | None = None
) -> Explanation:
    linked, records = world
    made = linked.clusters if clusters is None else clusters
    keys = parsed_key(left), parsed_key(right)
    return explain_pair(records, linked.scored_pairs, made, linked.generation, CONF, *keys)


def total(found: Explanation) -> float:
    return found.waterfall.prior + sum(b.weight + (b.frequency or 0.0) for b in found.waterfall.bars)


def some_pairs(linked: Linked) -> list[dict[str, Any]]:
    """One scored pair of each rule, decision and kind of relation."""
    chosen = {(r["blocked_by"], r["decided_by"], r["relation"]): r for r in linked.scored_pairs.to_pylist()}
    return list(chosen.values())[:5]


def test_a_pair_is_judged_as_the_night_judged_it(trained) -> None:
    pairs = some_pairs(trained[0])
    assert len(pairs) > 3
    for row in pairs:
        left, right = (f"{row[f'source_{s}']}:{row[f'record_id_{s}']}" for s in ("l", "r"))
        found = explained(trained, right, left)
        assert (found.left, found.right) == (left, right)
        assert found.waterfall.match_weight == pytest.approx(row["match_weight"], abs=1e-9)
        assert total(found) == pytest.approx(row["match_weight"], abs=1e-6)
        assert found.same_person_probability == pytest.approx(row["same_person_probability"], abs=1e-12)
        assert found.decided_by == row["decided_by"]
        assert (found.rules or ("component",))[0] == row["blocked_by"]
        assert max(found.relations, key=lambda kind: found.relations[kind]) == row["relation"]
        assert sum(found.relations.values()) == pytest.approx(1)


def test_a_pair_of_one_person_is_linked_by_its_own_evidence(small) -> None:
    found = explained(small, "web:A2", "crm:A1")
    assert found.verdict == "linked"
    assert found.same_cluster == {"cluster_model": True, "cluster_rules": True, "cluster_final": True}
    levels = {b.comparison: b.level for b in found.waterfall.bars}
    assert levels["emails"] == "one in common"
    assert levels["phones"] == "different"
    assert levels["tax_id"] == "unknown"
    assert "email" in found.rules
    assert found.sides is not None
    assert (found.sides.left_records, found.sides.right_records) == (("crm:A1",), ("web:A2",))


def test_never_evidence_is_named(small) -> None:
    found = explained(small, "crm:T1", "erp:T2")
    assert found.verdict == "vetoed"
    assert found.decided_by == "never"
    assert found.sides is not None
    assert found.sides.forbidden_pairs == 1
    assert found.sides.mean_weight is None


def test_two_of_a_source_without_duplicates_were_never_compared() -> None:
    mail = {"emails": ["ana.garcia@mail.com"], "phones": ["+525511112222"]}
    records = table([record(source, f"{n}", **ANA, **mail) for n, source in enumerate(["crm", "crm", "web"])])
    conf = CONF.model_copy(update={"duplicate_free": ("crm",)})
    linked = link_night(records, None, conf, NIGHT)
    parts = records, linked.scored_pairs, linked.clusters, linked.generation, conf
    apart = explain_pair(*parts, ("crm", "0"), ("crm", "1"))
    assert (apart.verdict, apart.rules, apart.same_cluster["cluster_final"]) == ("one_source", (), False)
    assert explain_pair(*parts, ("crm", "0"), ("web", "2")).verdict == "linked"
    beside = explain_pair(*parts, ("crm", "1"), ("web", "2"))
    assert (beside.verdict, beside.sides.forbidden_pairs) == ("one_source", 1)
    truth = pa.table({"source": records["source"], "record_id": records["record_id"], "entity_id": ["a"] * 3})
    found = evaluation(
        linked.clusters,
        truth,
        linked.scored_pairs,
        linked.generation.cut,
        basis=Basis(records, linked.generation, conf),
    )
    assert found.missed.by_reason()["one_source"] == 1


def test_names_that_merely_resemble_are_named(small) -> None:
    found = explained(small, "crm:N1", "erp:N2")
    assert found.verdict == found.decided_by == "name_alone"
    assert found.same_cluster["cluster_final"] is False
    assert (
        next(b for b in found.waterfall.bars if b.comparison == "surname").level == "sounds alike or misspelt"
    )


def test_two_who_have_nothing_to_do_with_each_other(small) -> None:
    found = explained(small, "crm:A1", "pos:Z1")
    assert found.verdict == "not_blocked"
    assert found.rules == ()
    assert found.sides is None
    assert found.through is None
    assert found.as_dict()["blocked"] is False


def test_a_pair_that_was_compared_and_is_unlikely(small) -> None:
    found = explained(small, "crm:P1", "web:P2")
    assert found.rules == ("phone",)
    assert found.verdict == "no_chain"


def moved(clusters: pa.Table, key: str, **layers: str) -> pa.Table:
    """The clusters with other layers for one record."""
    rows = [
        {**row, **layers} if f"{row['source']}:{row['record_id']}" == key else row
        for row in clusters.to_pylist()
    ]
    return pa.Table.from_pylist(rows, schema=clusters.schema)


def test_a_component_that_was_cut_is_named(small) -> None:
    linked, records = small
    without = replace(linked, scored_pairs=linked.scored_pairs.slice(0, 0))
    apart = moved(linked.clusters, "web:A2", cluster_final="x", cluster_rules="x", cluster_model="x")
    assert explained((without, records), "crm:A1", "web:A2", clusters=apart).verdict == "component_cut"


@pytest.mark.parametrize(
    ("pair", "layers", "verdict"),
    [
        (("crm:A1", "web:A2"), {"cluster_final": "alone"}, "split_by_decision"),
        (("crm:A1", "web:A2"), {"cluster_final": "alone", "cluster_rules": "alone"}, "vetoed"),
        (
            ("crm:A1", "web:A2"),
            {"cluster_final": "x", "cluster_rules": "x", "cluster_model": "x"},
            "cut_by_clustering",
        ),
        (("crm:A1", "pos:Z1"), {"cluster_final": "crm:A1"}, "joined_by_decision"),
        (("crm:A1", "pos:Z1"), {"cluster_final": "crm:A1", "cluster_rules": "crm:A1"}, "rule"),
        (
            ("crm:A1", "pos:Z1"),
            {"cluster_final": "crm:A1", "cluster_rules": "crm:A1", "cluster_model": "crm:A1"},
            "through_others",
        ),
    ],
)
def test_the_layer_that_decided_is_named(small, pair, layers, verdict) -> None:
    clusters = moved(small[0].clusters, pair[1], **layers)
    found = explained(small, *pair, clusters=clusters)
    assert found.verdict == verdict
    assert found.as_dict()["because"] == VERDICTS[verdict]


def test_layers_that_are_not_known_are_none(small) -> None:
    bare = small[0].clusters.drop_columns(["cluster_model", "cluster_rules"])
    found = explained(small, "crm:A1", "web:A2", clusters=bare)
    assert found.same_cluster == {"cluster_model": None, "cluster_rules": None, "cluster_final": True}
    assert found.verdict == "linked"


def test_a_generic_value_is_shown_as_one_that_counts_for_nothing() -> None:
    shop = "+525500000000"
    rows = [
        record("crm", f"{i}", given=name, surname="gil", phones=[shop]) for i, name in enumerate("abcdefghi")
    ]
    records = table(rows)
    linked = link_night(records, None, CONF, NIGHT)
    assert ("phones", shop) in linked.generation.generic
    found = explained((linked, records), "crm:0", "crm:1")
    phones = next(v for v in found.values if v.role == "phones")
    assert (phones.left, phones.left_counts) == (shop, False)
    assert next(b for b in found.waterfall.bars if b.comparison == "phones").level == "unknown"


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ("crm:A1", "crm:A1", "is one record"),
        ("crm:A1", "crm:none", "no live record crm:none; the sources with records are crm, erp, pos, web"),
        ("crm:T1", "erp:K1", "never compared"),
    ],
)
def test_what_cannot_be_explained_is_said(small, left: str, right: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        explained(small, left, right)


@pytest.mark.parametrize("text", ["crm", "crm:", ":1", ""])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="source:record_id"):
        parsed_key(text)


def test_a_record_id_may_hold_colons() -> None:
    assert parsed_key("crm:a:b") == ("crm", "a:b")


def test_what_records_say_stays_out_of_json_unless_asked(small) -> None:
    found = explained(small, "crm:A1", "web:A2")
    assert "garcia" not in json.dumps(found.as_dict())
    assert "garcia" in json.dumps(found.as_dict(values=True))


def test_two_sides_meet_at_the_mean_over_all_their_pairs() -> None:
    # 0-1 at 5 bits; 2 has 4 bits with 0 and -1 with 1: 1.5 on the mean.
    weight = np.array([[0.0, 5, 4], [5, 0, -1], [4, -1, 0]])
    never = np.zeros((3, 3), bool)
    met = meeting(weight, never, 2, 0)
    assert met.left.tolist() == [2]
    assert sorted(met.right.tolist()) == [0, 1]
    assert (met.mean_weight, met.pairs, met.forbidden) == (1.5, 2, 0)
    never[1, 2] = never[2, 1] = True
    met = meeting(weight, never, 0, 2)
    assert (met.mean_weight, met.pairs, met.forbidden) == (4.0, 2, 1)
