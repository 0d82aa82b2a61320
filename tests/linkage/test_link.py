"""The night's linkage: what it finds, what it never joins, and that order changes nothing."""

from __future__ import annotations

import random
from datetime import date

import pyarrow as pa
import pytest
from linkage_people import CONF, population, record, table, together

from pipelines.errors import UsageError
from pipelines.linkage import clusters, generations, generic_values, review_queue, scored_pairs
from pipelines.linkage.engine import empty_records
from pipelines.linkage.evaluate import evaluate
from pipelines.linkage.generations import Generation, newest
from pipelines.linkage.link import Linked, link_night

NIGHT = date(2026, 7, 1)


@pytest.fixture(scope="module")
def first() -> tuple[Linked, object, object]:
    records, truth = population(500, seed=3)
    return link_night(records, None, CONF, NIGHT), records, truth


def test_it_trains_and_finds_the_people(first) -> None:
    linked, records, truth = first
    assert linked.generation.kind == "trained"
    assert {name: model.kind for name, model in linked.generation.models.items()} == {
        "person": "trained",
        "company": "starter",
    }
    quality = evaluate(linked.clusters, truth)
    assert quality.records == records.num_rows
    assert quality.precision >= 0.97
    assert quality.recall >= 0.85


def test_every_table_has_its_declared_shape(first) -> None:
    linked, records, _ = first
    assert linked.clusters.schema == clusters.SCHEMA
    assert linked.scored_pairs.schema == scored_pairs.SCHEMA
    assert linked.generic_values.schema == generic_values.SCHEMA
    assert linked.review_queue.schema == review_queue.SCHEMA
    assert linked.generation_row.schema == generations.SCHEMA
    assert linked.clusters.num_rows == records.num_rows
    keys = linked.scored_pairs.select(["source_l", "record_id_l", "source_r", "record_id_r"]).to_pylist()
    assert all((k["source_l"], k["record_id_l"]) < (k["source_r"], k["record_id_r"]) for k in keys)


def test_the_order_of_rows_changes_nothing(first) -> None:
    linked, records, _ = first
    order = list(range(records.num_rows))
    random.Random(1).shuffle(order)
    again = link_night(records.take(order), None, CONF, NIGHT)
    assert again.generation.digest == linked.generation.digest
    assert again.clusters.equals(linked.clusters)
    assert again.scored_pairs.equals(linked.scored_pairs)
    assert again.review_queue.equals(linked.review_queue)


def test_a_later_night_links_by_the_stored_generation_and_trains_nothing(first) -> None:
    linked, records, _ = first
    stored = newest(linked.generation_row)
    assert stored.digest == linked.generation.digest
    later = link_night(records, stored, CONF, date(2026, 7, 2))
    assert later.generation_row is None
    assert later.clusters.equals(linked.clusters)
    assert later.scored_pairs.equals(linked.scored_pairs)


def test_nights_that_lead_to_the_same_records_give_the_same_clusters(first) -> None:
    linked, records, _ = first
    part = link_night(records.slice(0, 700), linked.generation, CONF, date(2026, 7, 2))
    assert part.generation_row is None
    whole = link_night(records, part.generation, CONF, date(2026, 7, 3))
    assert whole.clusters.equals(linked.clusters)


def test_a_generic_value_first_seen_later_revises_the_generation(first) -> None:
    linked, records, _ = first
    shop = [
        record(
            "web",
            f"SHOP{i}",
            given=g,
            surname=s,
            emails=["caja@tienda.com"],
            birth_date=date(1980, 1, i + 1),
        )
        for i, (g, s) in enumerate(
            zip(
                ["ada", "bea", "cloe", "dora", "emma", "flor", "gala", "hada"],
                ["abril", "baez", "cano", "duran", "egea", "fe", "grau", "haro"],
                strict=True,
            )
        )
    ]
    rows = records.to_pylist() + shop
    revised = link_night(table(rows), linked.generation, CONF, date(2026, 7, 2))
    assert revised.generic_values.to_pylist() == [
        {
            "field": "emails",
            "value": "caja@tienda.com",
            "distinct_names": 8,
            "records": 8,
            "reason": "shared_by_names",
        }
    ]
    assert revised.generation.previous_id == linked.generation.generation_id
    assert revised.generation.models == linked.generation.models
    assert revised.generation_row.num_rows == 1
    ends = {(r["record_id_l"], r["record_id_r"]) for r in revised.scored_pairs.to_pylist()}
    assert not any(a.startswith("SHOP") and b.startswith("SHOP") for a, b in ends)


@pytest.mark.parametrize("count", [0, 1, 10])
def test_too_few_records_use_the_starter_generation(count: int) -> None:
    records = population(20, seed=5)[0].slice(0, count)
    linked = link_night(records, None, CONF, NIGHT)
    assert linked.generation.kind == "starter"
    assert any("too few" in note for note in linked.figures["notes"])
    assert linked.clusters.num_rows == count
    assert linked.clusters.schema == clusters.SCHEMA
    assert linked.scored_pairs.schema == scored_pairs.SCHEMA
    assert linked.review_queue.schema == review_queue.SCHEMA
    assert linked.generation_row.num_rows == 1


def test_the_starter_generation_joins_what_is_plain() -> None:
    plain = {
        "given": "lucia",
        "surname": "navarro",
        "birth_date": date(1980, 5, 4),
        "emails": ["l.navarro@x.org"],
    }
    records = table(
        [record("crm", "1", **plain), record("erp", "2", **plain), record("web", "3", given="hugo")]
    )
    linked = link_night(records, None, CONF, NIGHT)
    assert together(linked.clusters, "crm:1", "erp:2")
    assert not together(linked.clusters, "crm:1", "web:3")


def test_joan_and_joana_prado_and_prados_never_merge_on_the_name_alone(first) -> None:
    linked, records, _ = first
    rows = [
        record("crm", "Z1", given="joan", surname="prado", second_surname="zubiri", postal_code="01007"),
        record("erp", "Z2", given="joana", surname="prado", second_surname="zubiri", postal_code="01007"),
        record("pos", "Z3", given="joan", surname="prados", second_surname="zubiri", postal_code="01007"),
    ]
    alone = link_night(table(records.to_pylist() + rows), linked.generation, CONF, NIGHT)
    assert not together(alone.clusters, "crm:Z1", "erp:Z2")
    assert not together(alone.clusters, "crm:Z1", "pos:Z3")
    queue = {(r["record_id_l"], r["record_id_r"]): r["reason"] for r in alone.review_queue.to_pylist()}
    assert ("Z1", "Z3") in queue or ("Z1", "Z2") in queue
    strong = {"birth_date": date(1977, 3, 9), "phones": ["+34600111222"], "emails": ["jprado@correo.es"]}
    rows = [{**r, **{f"match_{k}": v for k, v in strong.items()}} for r in rows[::2]]
    proven = link_night(table(records.to_pylist() + rows), linked.generation, CONF, NIGHT)
    assert together(proven.clusters, "crm:Z1", "pos:Z3")


def test_two_different_tax_ids_never_share_a_cluster_by_no_chain() -> None:
    same = {
        "given": "ramon",
        "surname": "iturbe",
        "birth_date": date(1966, 6, 6),
        "emails": ["ramon@iturbe.mx"],
        "phones": ["+525511112222"],
    }
    rows = [record("crm", f"C{i}", **same) for i in range(4)]
    rows += [
        record("erp", "E1", tax_id="IURA660606AA1", **same),
        record("erp", "E2", tax_id="IURB660606BB2", **same),
    ]
    linked = link_night(table(rows), None, CONF, NIGHT)
    assert together(linked.clusters, "erp:E1", "erp:E2", column="cluster_model")
    assert not together(linked.clusters, "erp:E1", "erp:E2", column="cluster_rules")
    assert not together(linked.clusters, "erp:E1", "erp:E2")
    assert linked.figures["split_by_rules"] >= 1


def test_tax_ids_of_two_kinds_are_no_evidence_against_each_other() -> None:
    same = {
        "given": "ramon",
        "surname": "iturbe",
        "birth_date": date(1966, 6, 6),
        "emails": ["ramon@iturbe.mx"],
    }
    rfc = record("erp", "E1", tax_id="IURA660606AA1", **same) | {"tax_id_type": "rfc"}
    curp = record("crm", "C1", tax_id="IURA660606HDFTRM09", **same) | {"tax_id_type": "curp"}
    other = record("crm", "C2", tax_id="IURB660606HDFTRM01", **same) | {"tax_id_type": "curp"}
    linked = link_night(table([rfc, curp]), None, CONF, NIGHT)
    assert together(linked.clusters, "erp:E1", "crm:C1")
    pair = linked.scored_pairs.to_pylist()[0]
    assert pair["decided_by"] != "never"
    linked = link_night(table([curp, other]), None, CONF, NIGHT)
    assert not together(linked.clusters, "crm:C1", "crm:C2")


def test_a_person_and_a_company_never_share_a_cluster() -> None:
    shared = {"emails": ["hola@perez.mx"], "phones": ["+525511112222"], "tax_id": "PEHJ800101AAA"}
    rows = [
        record("crm", "P", given="juan", surname="perez", **shared),
        record("erp", "K", party_type="company", company="juan perez", **shared),
        record("web", "U", party_type="unknown", given="juan", surname="perez", **shared),
    ]
    linked = link_night(table(rows), None, CONF, NIGHT)
    assert not together(linked.clusters, "crm:P", "erp:K")
    assert together(linked.clusters, "crm:P", "web:U")


def test_records_that_cannot_be_linked_are_named() -> None:
    with pytest.raises(UsageError, match="match_emails"):
        link_night(empty_records().drop_columns(["match_emails"]), None, CONF, NIGHT)
    twice = table([record("crm", "1", given="ana"), record("crm", "1", given="eva")])
    with pytest.raises(UsageError, match="1 records share"):
        link_night(twice, None, CONF, NIGHT)


def test_blank_and_constant_columns_are_no_evidence() -> None:
    rows = [record("crm", f"{i}", given="", surname=" ", city="puebla", emails=[""]) for i in range(30)]
    linked = link_night(table(rows), None, CONF, NIGHT)
    assert len(set(linked.clusters["cluster_final"].to_pylist())) == 30


def test_a_generation_travels_as_a_file(first) -> None:
    text = first[0].generation.to_json()
    assert Generation.from_json(text).digest == first[0].generation.digest
    with pytest.raises(UsageError, match="changed by hand"):
        Generation.from_json(text.replace('"cut": 0.', '"cut": 1.'))
    with pytest.raises(UsageError, match="no file that padron wrote"):
        Generation.from_json("{}")


def test_the_newest_generation_is_the_last_revision() -> None:
    base = link_night(empty_records(), None, CONF, NIGHT)
    revised = base.generation.revised((("emails", "x@x.com"),), (), NIGHT)
    assert newest(None) is None
    assert newest(base.generation_row.slice(0, 0)) is None
    assert newest(pa.concat_tables([revised.row(), base.generation_row])).digest == revised.digest


def test_pairs_inside_components_may_be_scored_a_part_at_a_time() -> None:
    records, _ = population(80, seed=8)
    # Blocks that leave pairs out: they are scored because a component holds both records.
    conf = CONF.model_copy(update={"blocking": CONF.blocking.model_copy(update={"max_block": 2})})
    whole = link_night(records, None, conf, NIGHT)
    parts = link_night(records, None, conf.model_copy(update={"task_pairs": 100}), NIGHT)
    assert "component" in whole.scored_pairs["blocked_by"].to_pylist()
    assert parts.generation == whole.generation
    assert parts.scored_pairs == whole.scored_pairs
    assert parts.clusters == whole.clusters
    assert parts.review_queue == whole.review_queue
