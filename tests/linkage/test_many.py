"""One process and many tasks give the same pairs, weights and clusters, and Splink's own predict agrees."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from linkage_people import decisions, night_after, population, record, table, together
from pyspark.sql import functions as F
from splink import DuckDBAPI, Linker

from pipelines.errors import UsageError
from pipelines.linkage.blocking import block
from pipelines.linkage.blocking_rules import FIXED, by_condition
from pipelines.linkage.comparisons import frequency_floors
from pipelines.linkage.config import GENERIC_LIMITS, Linkage
from pipelines.linkage.engine import DoesNotFitError, empty_records, engine, placement
from pipelines.linkage.evidence import TooManyLinksError
from pipelines.linkage.generic_values import SCHEMA as GENERIC
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.judge import COMPONENT
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.linked_many import LinkedFrames
from pipelines.linkage.many import link_many
from pipelines.linkage.placed import (
    all_work,
    in_blocks,
    largest_share,
    numbered,
    place,
    task_count,
    task_schema,
)
from pipelines.linkage.recall import Remembered
from pipelines.linkage.recall_many import RememberedFrames
from pipelines.linkage.records import load, prepare
from pipelines.linkage.review_queue import REVIEW_QUEUE
from pipelines.linkage.scoring import LOWEST_WEIGHT, score_pairs
from pipelines.linkage.tasks import People, people_schema
from pipelines.linkage.touched_records import touched_frame, touched_records
from pipelines.linkage.training_run import TrainingRun
from pipelines.ops.training_page import training_page

# Spark begins a worker for each task: minutes for what Spark does in seconds on more records.
pytestmark = pytest.mark.soak

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHT = date(2026, 7, 1)
SMALL = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000},
        "threads": 2,
        "blocking": {"max_block": 6},
        "task_pairs": 300,
        "max_component": 5,
        "generic": {"distinct_names": {**GENERIC_LIMITS, "address": 6}},
        "duplicate_free": ["erp"],
        "rules": [
            {"name": "one_card", "match": ["loyalty_id"]},
            {"name": "two_cities", "match": ["phones"], "never": ["city"]},
        ],
        "comparisons": {
            "surname": {
                "comparison_levels": [
                    {"sql_condition": "surname_l IS NULL OR surname_r IS NULL", "is_null_level": True},
                    {
                        "sql_condition": "surname_l = surname_r",
                        "tf_adjustment_column": "surname",
                        "tf_minimum_u_value": 0.01,
                    },
                    {
                        "sql_condition": "surname_phonetic_l = surname_phonetic_r",
                        "tf_adjustment_column": "surname",
                        "tf_adjustment_weight": 0.5,
                        "tf_minimum_u_value": 0.005,
                    },
                    {"sql_condition": "ELSE"},
                ]
            }
        },
    }
)
"""Blocks that are subdivided, tasks of few pairs, components that are cut, exact rules, a source without duplicates,
a comparison whose levels have minimums of their own for frequencies."""
PAIR = [(key, "ascending") for key in ("source_l", "record_id_l", "source_r", "record_id_r")]
RECORD = [("source", "ascending"), ("record_id", "ascending")]


def people() -> pa.Table:
    """300 records: persons, companies, a generic e-mail and address, a block of one name that only slices divide."""
    rows = population(95, seed=5)[0].to_pylist()
    names = ["ada", "bea", "cloe", "dora", "emma", "flor", "gala", "hada"]
    shop = {"emails": ["caja@tienda.com"], "street": "centro 1", "city": "puebla"}
    rows += [
        record("web", f"SHOP{i}", given=name, surname=f"{name}ez", **shop) for i, name in enumerate(names)
    ]
    rows += [record("pos", f"ONE{i:02d}", given="ana", surname="perez", city="puebla") for i in range(40)]
    for i in range(20):
        name, tax_id = f"{names[i % 8]} comercial {i:02d}", f"B{i:08d}"
        for source in ("crm", "erp"):
            rows.append(
                record(
                    source,
                    f"CO{i:02d}",
                    party_type="company",
                    company_name=name if source == "crm" else name + " mx",
                    tax_id=tax_id if i % 3 else None,
                    phones=[f"+52555{i:07d}"],
                    postal_code="01000",
                )
            )
    rows += [
        record(
            source,
            "CARD",
            given=name,
            surname="soto",
            birth_date=date(1990, 2, 3),
            emails=["jana.soto@mail.com"],
            loyalty_id="card 1",
            city=city,
            phones=["+5255500"],
        )
        for source, name, city in (("crm", "iker", "leon"), ("pos", "jana", "leon"), ("web", "jana", "lugo"))
    ]
    return table(rows)


DECIDED = decisions(
    ("d1", "match", "web:SHOP0", "web:SHOP1"),
    ("d2", "no_match", "crm:CO00", "erp:CO00"),
    ("d3", "match", "crm:CO00", "erp:CO00"),
)
"""A match across clusters, a no_match inside one, and a match that contradicts it."""


@pytest.fixture(scope="module")
def one() -> Linked:
    return link_night(people(), None, SMALL, NIGHT, decisions=DECIDED)


@pytest.fixture(scope="module")
def shown() -> TrainingRun:
    """What the training of ``many`` shows of itself."""
    return TrainingRun()


@pytest.fixture(scope="module")
def many(spark: SparkSession, shown: TrainingRun) -> LinkedFrames:
    return link_many(spark.createDataFrame(people()), None, SMALL, NIGHT, decisions=DECIDED, run=shown)


def pairs_of(linked: LinkedFrames) -> pa.Table:
    return linked.scored_pairs.toArrow().sort_by(PAIR)


def queue_of(linked: LinkedFrames) -> pa.Table:
    """The cases in their order, without what differs by the order of adding."""
    queue = linked.review_queue.toArrow().cast(REVIEW_QUEUE.arrow).sort_by("priority")
    return queue.drop_columns(["same_person_probability"])


def assert_same(linked: LinkedFrames, one: Linked) -> None:
    pairs = pairs_of(linked)
    for name in one.scored_pairs.column_names:
        left, right = pairs[name], one.scored_pairs[name]
        if pa.types.is_floating(right.type):
            assert len(left) == len(right)
            assert pc.max(pc.abs(pc.subtract(left, right))).as_py() < 1e-6, name
        else:
            assert left.to_pylist() == right.to_pylist(), name
    clusters = linked.clusters.toArrow().sort_by(RECORD)
    assert clusters.to_pylist() == one.clusters.to_pylist()
    links = linked.links.toArrow().sort_by(PAIR)
    assert links.drop_columns(["bits"]).to_pylist() == one.links.drop_columns(["bits"]).to_pylist()
    assert links["bits"].to_pylist() == pytest.approx(one.links["bits"].to_pylist(), abs=1e-6)


def test_both_placements_give_the_same_tables(one: Linked, many: LinkedFrames) -> None:
    assert one.generation.kind == "trained"
    assert many.generation.digest == one.generation.digest
    assert many.generic_values.equals(one.generic_values)
    assert many.generic_values["value"].to_pylist() == ["centro 1, puebla", "caja@tienda.com"]
    assert_same(many, one)
    assert queue_of(many).equals(one.review_queue.drop_columns(["same_person_probability"]))
    parties = dict(
        zip(one.clusters["record_id"].to_pylist(), one.clusters["party_type"].to_pylist(), strict=True)
    )
    found = {parties[key] for key in one.scored_pairs["record_id_l"].to_pylist()}
    assert found == {"person", "company"}
    assert many.decision_states.equals(one.decision_states)
    # And the fixture holds what it is there for.
    assert one.decision_states["state"].to_pylist() == ["active", "active", "contradicted"]
    assert together(one.clusters, "web:SHOP0", "web:SHOP1")
    assert not together(one.clusters, "web:SHOP0", "web:SHOP1", column="cluster_rules")
    assert together(one.clusters, "crm:CO00", "erp:CO00", column="cluster_rules")
    assert not together(one.clusters, "crm:CO00", "erp:CO00")
    decided = set(one.scored_pairs["decided_by"].to_pylist())
    assert {"rule:one_card", "never:two_cities"} <= decided
    assert one.cut_components.num_rows > 0
    assert many.cut_components.equals(one.cut_components)
    assert set(one.over_large_keys["is_sliced"].to_pylist()) == {True}
    assert many.over_large_keys.equals(one.over_large_keys)


def test_both_placements_report_the_same_figures(one: Linked, many: LinkedFrames) -> None:
    assert one.figures.keys() <= many.figures.keys()
    differing = {key for key, value in one.figures.items() if many.figures[key] != value}
    assert differing == {"placement"}
    blocks = many.figures["blocks"].values()
    assert any(block["capped_blocks"] and block["largest_block"] >= 40 for block in blocks)
    assert many.figures["tasks"]["person"] > 1


def test_the_number_of_partitions_and_the_order_of_rows_change_nothing(
    spark: SparkSession, one: Linked
) -> None:
    records = people()
    order = list(range(records.num_rows))
    random.Random(2).shuffle(order)
    before = spark.conf.get("spark.sql.shuffle.partitions")
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    try:
        frame = spark.createDataFrame(records.take(order)).repartition(5)
        said: list[str] = []
        # The driver may hold the links of what is cut, and not all at once.
        fewer = one.links.num_rows // 2
        wide = SMALL.model_copy(update={"task_pairs": 1_000_000, "max_links": fewer})
        linked = link_many(frame, one.generation, wide, NIGHT, said.append, decisions=DECIDED)
        assert linked.figures["tasks"] == {"person": 1, "company": 1}
        assert linked.generation_row is None
        assert_same(linked, one)
        assert any(text.startswith("person: scoring about ") for text in said)
        with pytest.raises(TooManyLinksError, match=r"max_component \(\d+\) have \d+ links \(person\)"):
            link_many(frame, one.generation, SMALL.model_copy(update={"max_links": 3}), NIGHT)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before or "2")


def test_only_what_changed_is_scored_and_the_tables_are_the_same(
    spark: SparkSession, one: Linked, many: LinkedFrames
) -> None:
    """Two nights by tasks, the first after one process, the second after tasks; then one process again."""
    last = RememberedFrames(*(spark.createDataFrame(t) for t in (one.clusters, one.links, one.scored_pairs)))
    dice = random.Random(4)
    rows, generation = people().to_pylist(), one.generation
    for at in range(2):
        rows = night_after(rows, dice, at)
        full = link_night(table(rows), generation, SMALL, NIGHT, decisions=DECIDED)
        frame = spark.createDataFrame(table(rows))
        linked = link_many(frame, generation, SMALL, NIGHT, last=last, decisions=DECIDED)
        assert_same(linked, full)
        assert queue_of(linked).equals(full.review_queue.drop_columns(["same_person_probability"]))
        assert linked.cut_components.equals(full.cut_components)
        assert linked.over_large_keys.equals(full.over_large_keys)
        assert linked.generation == full.generation
        assert 0 < linked.figures["changed_records"] < len(rows) / 2
        assert linked.figures["clustered_records"] < len(rows)
        assert linked.figures["candidate_pairs"] < full.figures["candidate_pairs"] / 2
        arrow = Remembered(*(frame.toArrow() for frame in (last.clusters, last.links, last.scored_pairs)))
        by_one = link_night(table(rows), generation, SMALL, NIGHT, last=arrow, decisions=DECIDED)
        touched = touched_records(by_one.clusters, by_one.is_changed, arrow.clusters, SMALL)
        by_many = touched_frame(linked.clusters, linked.changed, last.clusters).toArrow()
        assert by_many.sort_by([("source", "ascending"), ("record_id", "ascending")]).equals(touched)
        assert 0 < touched.num_rows < len(rows)
        last = RememberedFrames(linked.clusters, linked.links, linked.scored_pairs)
        generation = linked.generation
    arrow = Remembered(*(frame.toArrow() for frame in (last.clusters, last.links, last.scored_pairs)))
    again = link_night(table(rows), generation, SMALL, NIGHT, last=arrow, decisions=DECIDED)
    assert again.figures["changed_records"] == 0
    assert_same(LinkedFrames(**{**vars(linked), "figures": {}}), again)


@pytest.mark.parametrize("floor", [None, 0.02])
def test_splinks_own_predict_gives_the_same_pairs_and_weights(
    one: Linked, many: LinkedFrames, floor: float | None
) -> None:
    """The oracle: Splink alone, with its own frequency tables, on the pairs that our blocking brings."""
    model = one.generation.models["person"]
    if floor is not None:
        # As on many records, where most values are rarer than the floor and not in the short list.
        text = json.dumps(model.settings).replace(str(model.floor), str(floor))
        floors = frequency_floors(json.loads(text))
        assert floors["surname"] == 0.005
        short = {c: {v: s for v, s in f.items() if s > floors[c]} for c, f in model.frequencies.items()}
        assert any(len(short[c]) < len(f) for c, f in model.frequencies.items())
        model = replace(model, settings=json.loads(text), floor=floor, frequencies=short)
    with engine(SMALL) as connection:
        nodes = load(connection, people(), SMALL)
        use_generic(connection, one.generic_values)
        prepare(connection, "person")
        block(
            connection,
            model.rules,
            SMALL.blocking,
            duplicate_free=SMALL.duplicate_free,
        )
        ours = score_pairs(connection, model, "blocked")
        persons, blocked = (connection.table(name).to_arrow_table() for name in ("people", "blocked"))
    api = DuckDBAPI()
    linker = Linker(api.register(persons, table_name="persons"), model.settings, validate_settings=False)
    for column in frequency_floors(model.settings):
        linker.table_management.compute_tf_table(column)
    linker.table_management.register_blocked_pairs_for_predict(api.register(blocked, table_name="pairs"))
    predicted = linker.inference.predict(warning_mode="never").as_pyarrow_table()
    theirs = {
        (row["node_l"], row["node_r"]): row["match_weight"]
        for row in predicted.select(["node_l", "node_r", "match_weight"]).to_pylist()
    }
    found = {(row["node_l"], row["node_r"]): row["match_weight"] for row in ours.to_pylist()}
    assert found.keys() == theirs.keys()
    assert len(found) > 200
    for pair, weight in theirs.items():
        assert found[pair] == pytest.approx(max(weight, LOWEST_WEIGHT), abs=1e-6)
    if floor is None:
        # And what many tasks made of them, without the pairs that only a component brings.
        names = nodes.names().tolist()
        known = {(names[a], names[b]): weight for (a, b), weight in theirs.items()}
        tasks = [
            row
            for row in pairs_of(many).to_pylist()
            if row["blocked_by"] != COMPONENT and (by_name(row) in known)
        ]
        assert len(tasks) > 200
        for row in tasks:
            assert row["match_weight"] == pytest.approx(known[by_name(row)], abs=1e-6)


def by_name(row: dict[str, str]) -> tuple[str, str]:
    return f"{row['source_l']}:{row['record_id_l']}", f"{row['source_r']}:{row['record_id_r']}"


def test_no_task_gets_much_more_than_its_share(spark: SparkSession) -> None:
    """Half of all records have one key: it is subdivided and shared out like any other."""
    rows = [
        record("pos", f"R{i:04d}", given="ana", surname="perez", postal_code=f"{i % 7:05d}")
        for i in range(400)
    ] + [record("crm", f"R{i:04d}", given="eva", surname=f"ruiz{i // 8}") for i in range(400)]
    conf = Linkage.model_validate({"blocking": {"max_block": 10}, "task_pairs": 300, "threads": 2})
    schema = people_schema(conf, "person")
    nodes = numbered(spark.createDataFrame(table(rows)), len(rows), ("source", "record_id"), "node")
    frame = nodes.mapInArrow(People(conf, "person", GENERIC.empty_table(), schema), task_schema(schema))
    rules = tuple(rule for rule in FIXED["person"] if rule.name == "given+surname")
    placed = place(frame, rules, conf)
    assert placed.capped[0].largest == 400
    assert placed.pairs <= 800 * 10 / 2
    tasks = task_count(spark, placed.pairs, placed.rows, conf)
    assert tasks > 5
    work = all_work(placed)
    shared = in_blocks(frame, work, ["surname"], tasks)
    sizes = [row["count"] for row in shared.groupBy(F.spark_partition_id()).count().collect()]
    assert max(sizes) <= 2.5 * sum(sizes) / tasks
    # What the run record says is what Spark did.
    pairs = shared.groupBy(F.spark_partition_id(), "block").count()
    filled = pairs.groupBy(pairs[0]).agg(F.sum(F.expr("count * (count - 1) div 2")).alias("n")).collect()
    expected = max(row["n"] for row in filled) / (placed.pairs / tasks)
    assert largest_share(work, tasks) == pytest.approx(expected)


def test_bad_input_is_said_as_in_one_process(spark: SparkSession, one: Linked) -> None:
    frame = spark.createDataFrame(table([record("crm", "A", given="ana")] * 2))
    with pytest.raises(UsageError, match="1 records share"):
        link_many(frame, one.generation, SMALL, NIGHT)
    with pytest.raises(UsageError, match="no column match_emails"):
        link_many(frame.drop("match_emails"), one.generation, SMALL, NIGHT)


def test_no_records_and_one_record(spark: SparkSession, one: Linked) -> None:
    nothing = link_many(spark.createDataFrame(empty_records()), one.generation, SMALL, NIGHT)
    assert (nothing.clusters.count(), nothing.scored_pairs.count(), nothing.figures["clusters"]) == (0, 0, 0)
    single = link_many(
        spark.createDataFrame(table([record("crm", "A", given="ana")])), one.generation, SMALL, NIGHT
    )
    assert [row["cluster_final"] for row in single.clusters.collect()] == ["crm:A"]


def test_the_only_value_of_a_field_is_generic_in_both(spark: SparkSession, one: Linked) -> None:
    rows = [
        record("crm", f"A{i}", given=name, surname=f"{name}ez", birth_date=date(1900, 1, 1))
        for i, name in enumerate(["ada", "bea", "cloe", "dora", "emma", "flor", "gala", "hada"])
    ]
    theirs = link_night(table(rows), one.generation, SMALL, NIGHT).generic_values
    assert theirs["reason"].to_pylist() == ["only_value"]
    assert link_many(spark.createDataFrame(table(rows)), one.generation, SMALL, NIGHT).generic_values.equals(
        theirs
    )


def test_a_training_shows_the_same_in_both(many: LinkedFrames, shown: TrainingRun) -> None:
    run = TrainingRun()
    linked = link_night(people(), None, SMALL, NIGHT, run, decisions=DECIDED)
    assert shown.charts["person"]
    assert shown.charts == run.charts
    assert shown.sessions == run.sessions
    assert training_page(many, shown, "here") == training_page(linked, run, "here")


def test_where_the_night_links() -> None:
    auto, first, second = (Linkage.model_validate({"placement": name}) for name in ("auto", "one", "many"))
    assert placement(auto, 1_000, None) == "one"
    assert placement(auto, 1_000, 10**9) == "one"
    assert placement(auto, 10**9, 10**9) == "many"
    assert placement(second, 1_000, 10**9) == "many"
    with pytest.raises(DoesNotFitError, match="placement: auto or many"):
        placement(first, 10**9, 10**9)


def test_a_condition_on_two_records_has_no_key_to_share_out(spark: SparkSession, one: Linked) -> None:
    written = (by_condition("same_city", "l.city = r.city"),)
    models = {name: replace(model, rules=written) for name, model in one.generation.models.items()}
    with pytest.raises(UsageError, match="same_city are conditions"):
        link_many(
            spark.createDataFrame(people().slice(0, 5)),
            replace(one.generation, models=models),
            SMALL,
            NIGHT,
        )
