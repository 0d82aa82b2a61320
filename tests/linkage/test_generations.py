"""Generations: which is in use, what another one changes, and what Splink makes of it."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from linkage_people import CONF, population
from splink import DuckDBAPI, Linker

from pipelines.errors import UsageError
from pipelines.linkage.adoption import check_fields, compared_roles, unused_fields
from pipelines.linkage.blocking_rules import FIXED, Rule
from pipelines.linkage.config import Linkage
from pipelines.linkage.differences import differences
from pipelines.linkage.effect import effect
from pipelines.linkage.engine import empty_records, engine
from pipelines.linkage.exported import frequency_tables, splink_rule, splink_settings
from pipelines.linkage.generations import Generation, came_into_use, generation_of, lineage, newest
from pipelines.linkage.generic_values import find_generic, use_generic
from pipelines.linkage.link import link_night
from pipelines.linkage.records import load, prepare
from pipelines.linkage.scoring import score_pairs

NIGHT = date(2026, 7, 1)


@pytest.fixture(scope="module")
def starter() -> Generation:
    return link_night(empty_records(), None, CONF, NIGHT).generation


@pytest.fixture(scope="module")
def people() -> pa.Table:
    return population(220, seed=3)[0]


@pytest.fixture(scope="module")
def trained(people: pa.Table) -> Generation:
    return link_night(people, None, CONF, NIGHT).generation


def test_the_last_that_came_into_use_is_in_use_whatever_its_date(starter: Generation) -> None:
    other = replace(starter, cut=0.7, created_on=date(2026, 6, 1))
    rows = came_into_use(starter, None, None)
    assert rows["sequence"].to_pylist() == [1]
    assert came_into_use(starter, None, rows) is None
    # An older generation of another warehouse is adopted, revised by tonight's values, and left again.
    revised = other.revised((("emails", "x@x.com"),), (), NIGHT)
    rows = pa.concat_tables([rows, came_into_use(revised, other, rows)])
    assert rows["generation_id"].to_pylist() == [g.generation_id for g in (starter, other, revised)]
    assert newest(rows).digest == revised.digest
    assert lineage(rows) == [revised.generation_id, other.generation_id]
    assert came_into_use(revised, other, rows) is None
    rows = pa.concat_tables([rows, came_into_use(starter, starter, rows)])
    assert newest(rows).digest == starter.digest
    assert lineage(rows) == [starter.generation_id]
    assert rows["sequence"].to_pylist() == [1, 2, 3, 4]


def test_a_revision_does_not_repeat_its_models(trained: Generation) -> None:
    revised = trained.revised((("emails", "x@x.com"),), (), NIGHT)
    other = replace(trained, cut=0.7)
    rows = came_into_use(trained, None, None)
    for now, given in ((revised, None), (other, other), (trained, trained), (revised, None)):
        rows = pa.concat_tables([rows, came_into_use(now, given, rows)])
    lengths = [len(text) for text in rows["content"].to_pylist()]
    # A generation that revises none tells its models; what came into use again does not.
    assert [length > max(lengths) / 2 for length in lengths] == [True, False, True, False, False]
    assert lengths[1] < 1000
    for generation in (trained, revised, other):
        again = generation_of(rows, generation.generation_id)
        assert again == generation
        assert again.to_json() == generation.to_json()
    assert newest(rows) == revised
    with pytest.raises(UsageError, match=r"models of generation .* is missing"):
        newest(rows.slice(1).filter(pc.not_equal(rows.slice(1)["generation_id"], trained.generation_id)))


def test_a_row_that_says_it_revises_another_model_tells_its_own(
    starter: Generation, trained: Generation
) -> None:
    rows = came_into_use(starter, None, None)
    unlike = replace(trained, previous_id=starter.generation_id)
    assert newest(pa.concat_tables([rows, came_into_use(unlike, None, rows)])) == unlike


def test_rows_of_before_there_were_numbers_are_read(starter: Generation) -> None:
    revised = starter.revised((("emails", "x@x.com"),), (), NIGHT)
    rows = pa.concat_tables([revised.row(), starter.row()]).drop_columns(["sequence"])
    assert newest(rows).digest == revised.digest
    assert lineage(rows) == [revised.generation_id, starter.generation_id]
    assert lineage(None) == []
    later = came_into_use(replace(starter, cut=0.7), replace(starter, cut=0.7), rows)
    assert later["sequence"].to_pylist() == [1]


def test_a_file_without_its_digest_is_none_of_ours(starter: Generation) -> None:
    file = json.loads(starter.to_json())
    del file["digest"]
    with pytest.raises(UsageError, match="changed by hand"):
        Generation.from_json(json.dumps(file))


def test_what_training_measured_of_its_rules_travels_along_and_decides_nothing(trained: Generation) -> None:
    report = trained.models["person"].blocking
    assert report is not None
    assert [gain.rule for gain in report.gains] == [rule.name for rule in trained.models["person"].rules]
    unmeasured = replace(trained, models={n: replace(m, blocking=None) for n, m in trained.models.items()})
    assert unmeasured.digest == trained.digest
    # As a file, as the row of a warehouse, and revised by a night.
    for kept in (
        Generation.from_json(trained.to_json()),
        newest(came_into_use(trained, trained, None)),
        Generation.from_json(trained.revised((("emails", "x@x.com"),), (), NIGHT).to_json()),
    ):
        assert kept is not None
        assert kept.models["person"].blocking == report
        assert kept.models["company"].blocking is None
    # A generation of before there were reports.
    file = json.loads(trained.to_json())
    del file["blocking"]
    old = Generation.from_json(json.dumps(file))
    assert (old.digest, old.models["person"].blocking) == (trained.digest, None)


def clusters(text: str, column: str) -> pa.Table:
    """``ab c`` → records a and b in one cluster, c in another."""
    rows = [
        {"source": "crm", "record_id": r, column: f"C{i}"}
        for i, part in enumerate(text.split())
        for r in part
    ]
    return pa.Table.from_pylist(rows)


def test_customers_are_merged_split_rearranged_or_unchanged() -> None:
    found = effect(
        clusters("ab c def gh ij kx", "customer_id"),
        clusters("abc d ef gi hj k y", "cluster_final"),
        "customer_id",
        "cluster_final",
    )
    assert found.customers == {"unchanged": 1, "merged": 2, "split": 1, "rearranged": 2}
    assert found.records == {"unchanged": 1, "merged": 3, "split": 3, "rearranged": 4}
    assert (found.customers_before, found.customers_after) == (6, 6)
    # ac, bc, gi, hj come together; de, df, gh, ij come apart. x and y are on one side only.
    assert (found.pairs_gained, found.pairs_lost) == (4, 4)
    assert dict(zip(*found.touched.to_pydict().values(), strict=True)) == {
        "C0": "merged",
        "C1": "merged",
        "C2": "split",
        "C3": "rearranged",
        "C4": "rearranged",
    }
    assert not found.is_none
    assert found.in_words() == (
        "customers: 2 merged, 1 split, 2 rearranged, 1 unchanged; "
        "records: 3 merged, 3 split, 4 rearranged, 1 unchanged"
    )


def test_the_same_partition_under_other_names_is_no_effect() -> None:
    same = effect(clusters("ab c", "was"), clusters("c ab", "now"), "was", "now")
    assert same.is_none
    assert same.touched.num_rows == 0
    nobody = effect(_none("was"), _none("now"), "was", "now")
    assert nobody.is_none
    assert nobody.customers_after == 0


def _none(column: str) -> pa.Table:
    return pa.table({name: pa.array([], pa.string()) for name in ("source", "record_id", column)})


def test_a_generation_for_other_fields_is_refused_with_the_reason(starter: Generation) -> None:
    check_fields(starter, CONF)
    fewer = Linkage.model_validate(
        {
            "fields": {
                role: column for role, column in CONF.fields.items() if role not in ("tax_id", "phones")
            },
            "never": [],
        }
    )
    with pytest.raises(UsageError, match="compares phones, tax_id, for which"):
        check_fields(starter, fewer)
    small = link_night(empty_records(fewer), None, fewer, NIGHT).generation
    check_fields(small, CONF)
    assert unused_fields(small, CONF) == ["phones", "tax_id"]
    assert unused_fields(starter, CONF) == []
    assert "birth_date" in compared_roles(small)
    with pytest.raises(UsageError, match="no model of company"):
        check_fields(replace(starter, models={"person": starter.models["person"]}), CONF)


def test_differences_name_what_moved_and_nothing_else(starter: Generation) -> None:
    text = starter.to_json().replace('"m_probability": 0.93', '"m_probability": 0.465')
    file = json.loads(text)
    other = Generation.from_json(json.dumps({**file, "digest": _digest(file)}))
    other = replace(other, cut=0.8, generic=(("emails", "x@x.com"),))
    found = differences(starter, other)
    assert found["cut"] == [starter.cut, 0.8]
    assert found["generic_values"] == {"emails": {"added": 1, "removed": 0, "kept": 0}}
    (row,) = found["models"]["person"]["weights"]
    assert (row["comparison"], row["level"]) == ("birth_date", "equal")
    assert row["to"] - row["from"] == pytest.approx(-1)
    assert found["models"]["company"]["weights"] == []
    model = other.models["person"]
    fewer = replace(other, models={**other.models, "person": replace(model, rules=model.rules[1:])})
    assert differences(other, fewer)["models"]["person"]["rules_removed"] == [model.rules[0].name]
    assert differences(fewer, other)["models"]["person"]["rules_added"] == [model.rules[0].name]


def _digest(file: dict) -> str:
    import hashlib

    content = json.dumps(file["content"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def test_splink_alone_gives_the_pairs_of_an_exported_model_the_same_weights(
    people: pa.Table, trained: Generation
) -> None:
    model = trained.models["person"]
    settings = json.loads(json.dumps(splink_settings(model)))
    with engine(CONF) as connection:
        load(connection, people, CONF)
        use_generic(connection, find_generic(connection, CONF))
        prepare(connection, "person")
        api = DuckDBAPI(connection)
        linker = Linker(api.register("people", table_name="records"), settings, log_level=logging.CRITICAL)
        plain = linker.inference.predict()
        connection.execute(
            f"""CREATE TABLE plain AS SELECT node_l AS join_key_l, node_r AS join_key_r, match_key, match_weight
            FROM {plain.physical_name}"""
        )
        ours = score_pairs(connection, model, "plain")
        theirs = connection.execute(
            "SELECT match_weight FROM plain ORDER BY join_key_l, join_key_r"
        ).fetchall()
    assert ours.num_rows == len(theirs) > 200
    # Splink counted the frequencies itself, padron took those of the generation.
    assert ours["match_weight"].to_pylist() == pytest.approx([row[0] for row in theirs], abs=1e-6)


def test_a_rule_is_said_in_splinks_words() -> None:
    rule = Rule("given_birth", "item || birth_text", ("given_formal",), "given_formal")
    assert splink_rule(rule) == {
        "blocking_rule": "(l.given_formal || l.birth_text) = (r.given_formal || r.birth_text)",
        "sql_dialect": "duckdb",
        "arrays_to_explode": ["given_formal"],
    }
    for rules in FIXED.values():
        assert all("item" not in splink_rule(r)["blocking_rule"] for r in rules)


def test_frequencies_are_lookups_that_splink_takes(trained: Generation) -> None:
    lines = frequency_tables(trained.models["person"])["surname"].splitlines()
    assert lines[0] == "surname,tf_surname"
    assert len(lines) == len(trained.models["person"].frequencies["surname"]) + 1
