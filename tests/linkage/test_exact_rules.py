"""Deterministic rules and sources without duplicates, on tables that a person can read."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from linkage_people import CONF, population, record, table, together

from pipelines.config import Conf
from pipelines.errors import UsageError
from pipelines.linkage.config import Linkage
from pipelines.linkage.evaluate import evaluate
from pipelines.linkage.link import Linked, link_night
from pipelines.settings import load_settings

NIGHT = date(2026, 7, 1)
BORN = date(1980, 5, 4)


def linked(rows: list[dict[str, Any]], **conf: Any) -> Linked:
    return link_night(table(rows), None, Linkage.model_validate({**CONF.model_dump(), **conf}), NIGHT)


def pair(found: Linked, left: str, right: str) -> dict[str, Any]:
    """The scored pair of two records, ``source:record_id`` each."""
    for row in found.scored_pairs.to_pylist():
        ends = (f"{row['source_l']}:{row['record_id_l']}", f"{row['source_r']}:{row['record_id_r']}")
        if ends == (left, right):
            return row
    raise AssertionError(f"{left} and {right} are no scored pair")


SAME_ID_AND_BIRTH = {"name": "same_tax_id_and_birth", "match": ["tax_id", "birth_date"]}


def test_a_rule_links_what_the_model_would_not() -> None:
    # A married name and another first name in use: nothing but the two keys agrees.
    rows = [
        record("crm", "1", given="maria", surname="soto", tax_id="SOVM800504AA1", birth_date=BORN),
        record("erp", "2", given="lola", surname="berg", tax_id="SOVM800504AA1", birth_date=BORN),
        record("web", "3", given="hugo", surname="ruiz", tax_id="SOVM800504AA1"),
    ]
    found = linked(rows, rules=[SAME_ID_AND_BIRTH])
    assert together(found.clusters, "crm:1", "erp:2")
    # The third shares one key only.
    assert not together(found.clusters, "crm:1", "web:3")
    decided = pair(found, "crm:1", "erp:2")
    assert decided["decided_by"] == "rule:same_tax_id_and_birth"
    assert decided["same_person_probability"] == 1.0
    assert decided["blocked_by"] == "tax_id"
    assert found.figures["linked_by_rules"] == 1


def test_a_rules_pairs_need_no_blocking_rule_and_the_models_clusters_do_not_know_them() -> None:
    # No blocking rule is about a city and a street.
    rows = [
        record("crm", "1", given="maria", surname="soto", city="puebla", street="calle 5 10"),
        record("erp", "2", given="hugo", surname="berg", city="puebla", street="calle 5 10"),
    ]
    assert linked(rows).scored_pairs.num_rows == 0
    found = linked(rows, rules=[{"name": "one_house", "match": ["city", "street"]}])
    assert pair(found, "crm:1", "erp:2")["blocked_by"] == "rule:one_house"
    assert together(found.clusters, "crm:1", "erp:2")
    assert not together(found.clusters, "crm:1", "erp:2", column="cluster_model")


def test_lists_agree_by_one_value_in_common_and_link_all_who_share_it() -> None:
    rows = [
        record("crm", "1", given="ana", phones=["+521", "+522"], city="puebla"),
        record("erp", "2", given="eva", phones=["+522", "+523"], city="puebla"),
        record("pos", "3", given="lia", phones=["+522"], city="puebla"),
        record("web", "4", given="ida", phones=["+522"], city="merida"),
    ]
    found = linked(rows, rules=[{"name": "phone_and_city", "match": ["phones", "city"]}])
    assert together(found.clusters, "crm:1", "erp:2", "pos:3")
    assert not together(found.clusters, "crm:1", "web:4")
    # The first and the third are no neighbours in the chain of the key; the rule links them too.
    assert pair(found, "crm:1", "pos:3")["decided_by"] == "rule:phone_and_city"


def test_a_generic_value_or_a_blank_links_nobody() -> None:
    names = ["ada", "bea", "cloe", "dora", "emma", "flor", "gala", "hada"]
    rows = [
        record("crm", f"{i}", given=name, surname=f"s{i}", phones=["+521"]) for i, name in enumerate(names)
    ]
    rows += [record("erp", f"{i}", given=name, surname=f"t{i}") for i, name in enumerate(names)]
    found = linked(rows, rules=[{"name": "same_phone", "match": ["phones"]}])
    assert found.figures["clusters"] == len(rows)
    assert found.figures["linked_by_rules"] == 0


def test_never_evidence_wins_over_a_rule_by_any_chain() -> None:
    # 1 and 3 have two tax ids; the rule links both to 2.
    rows = [
        record("crm", "1", given="ana", surname="soto", tax_id="A1", loyalty_id="L7"),
        record("erp", "2", given="ana", surname="soto", loyalty_id="L7"),
        record("pos", "3", given="ana", surname="soto", tax_id="B2", loyalty_id="L7"),
    ]
    found = linked(rows, rules=[{"name": "same_card", "match": ["loyalty_id"]}])
    assert not together(found.clusters, "crm:1", "pos:3")
    assert together(found.clusters, "crm:1", "erp:2")
    assert pair(found, "crm:1", "erp:2")["decided_by"] == "rule:same_card"
    # The pair that the rule would link and never-evidence forbids is left to people.
    queue = {(r["record_id_l"], r["record_id_r"]): r["reason"] for r in found.review_queue.to_pylist()}
    assert queue[("2", "3")] == "apart"


def test_a_rule_forbids_what_the_model_would_link() -> None:
    house = {"surname": "soto", "birth_date": BORN, "phones": ["+521"], "emails": ["casa@soto.mx"]}
    rows = [
        record("crm", "1", given="ana", **house),
        record("erp", "2", given="ana", **house),
        record("pos", "3", given="ana maria", **house),
    ]
    assert together(linked(rows).clusters, "crm:1", "erp:2", "pos:3")
    twins = {"name": "twins", "match": ["surname", "birth_date", "phones"], "never": ["given_name"]}
    found = linked(rows, rules=[twins])
    assert together(found.clusters, "crm:1", "erp:2")
    assert not together(found.clusters, "crm:1", "pos:3")
    assert together(found.clusters, "crm:1", "pos:3", column="cluster_model")
    assert pair(found, "crm:1", "pos:3")["decided_by"] == "never:twins"
    queue = {(r["record_id_l"], r["record_id_r"]): r["reason"] for r in found.review_queue.to_pylist()}
    assert queue[("1", "3")] == "never"


def test_a_rule_whose_key_is_too_common_links_nobody_and_is_told() -> None:
    rows = [record("crm", f"{i}", given=f"n{i}", city="puebla") for i in range(12)]
    found = linked(rows, rules=[{"name": "one_city", "match": ["city"]}], max_component=10)
    assert found.figures["clusters"] == 12
    assert found.cut_components.to_pylist()[0]["records"] == 12


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rules: [{name: a, match: [tax_idd]}]", "tax_id"),
        ("rules: [{name: a}]", "neither match nor never"),
        ("rules: [{name: a, match: []}]", "neither match nor never"),
        ("rules: [{name: a, never: [emails]}]", "may hold several values"),
        ("rules: [{name: a, match: [city], never: [city]}]", "stands twice"),
        ("rules: [{name: A b, match: [city]}]", "pattern"),
        ("rules: [{name: a, match: [city]}, {name: a, match: [street]}]", "a stands twice"),
        ("rules: [{name: a, match: [city]}]\nfields: {surname: match_surname}", "fields leaves out"),
        ("rules: [{name: a, matches: [city]}]", "match"),
        ("duplicate_free: [crm, crm]", "each source once"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "linkage.yml").write_text(text + "\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"conf/linkage\.yml") as caught:
        Conf(tmp_path).load("linkage.yml", Linkage)
    assert said in str(caught.value)


def test_a_duplicate_free_source_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "linkage.yml").write_text("duplicate_free: [crn]\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"crn is no source of conf/sources\. Did you mean crm"):
        load_settings(tmp_path)


def test_records_of_a_source_without_duplicates_are_never_compared_or_joined() -> None:
    same = {"given": "ramon", "surname": "iturbe", "birth_date": BORN, "emails": ["ramon@iturbe.mx"]}
    rows = [
        record("crm", "1", **same),
        record("crm", "2", **same),
        record("erp", "3", **same),
        record("web", "4", **same),
        record("web", "5", **same),
    ]
    assert together(linked(rows).clusters, "crm:1", "crm:2", "erp:3", "web:4", "web:5")
    found = linked(rows, duplicate_free=["crm"])
    # Of two that fit equally well the first joins; the web shop may have duplicates.
    assert together(found.clusters, "crm:1", "erp:3", "web:4", "web:5")
    assert not together(found.clusters, "crm:1", "crm:2", column="cluster_model")
    sides = {(row["source_l"], row["source_r"]) for row in found.scored_pairs.to_pylist()}
    assert ("crm", "crm") not in sides
    assert ("web", "web") in sides
    assert found.figures["candidate_pairs"] == 9
    # A rule joins them no more than the model does.
    ruled = linked(rows, duplicate_free=["crm"], rules=[{"name": "same_mail", "match": ["emails"]}])
    assert not together(ruled.clusters, "crm:1", "crm:2")


def test_link_only_puts_one_record_of_each_source_in_a_cluster() -> None:
    records, truth = population(250, seed=11)
    found = link_night(
        records, None, CONF.model_copy(update={"duplicate_free": ("crm", "erp", "pos", "web")}), NIGHT
    )
    sizes = pa.TableGroupBy(found.clusters, ["cluster_final", "source"]).aggregate([("record_id", "count")])
    assert set(sizes["record_id_count"].to_pylist()) == {1}
    assert found.figures["largest_cluster"] in (3, 4)
    assert evaluate(found.clusters, truth).f1 >= 0.9
