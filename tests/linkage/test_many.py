"""One process and many tasks give the same pairs, weights and clusters, and Splink's own predict agrees."""

from __future__ import annotations

import random
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from linkage_people import CONF, population, record, table
from splink import DuckDBAPI, Linker

from pipelines.errors import UsageError
from pipelines.linkage.blocking import block, rules_for
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import DoesNotFitError, empty_records, engine, placement
from pipelines.linkage.generic_values import use_generic
from pipelines.linkage.link import Linked, link_night
from pipelines.linkage.many import LinkedFrames, link_many
from pipelines.linkage.records import load, prepare
from pipelines.linkage.scoring import score_pairs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHT = date(2026, 7, 1)
SMALL = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000},
        "threads": 2,
        "blocking": {"max_block": 6},
        "task_pairs": 150,
        "max_component": 20,
    }
)
"""Blocks that are subdivided, tasks of few pairs, components that are cut."""
PAIR = [(key, "ascending") for key in ("source_l", "record_id_l", "source_r", "record_id_r")]
RECORD = [("source", "ascending"), ("record_id", "ascending")]


def people() -> pa.Table:
    """300 records: persons, companies, a generic e-mail, a block of one name that only slices divide."""
    rows = population(95, seed=5)[0].to_pylist()
    names = ["ada", "bea", "cloe", "dora", "emma", "flor", "gala", "hada"]
    rows += [
        record("web", f"SHOP{i}", given=name, surname=f"{name}ez", emails=["caja@tienda.com"])
        for i, name in enumerate(names)
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
    return table(rows)


@pytest.fixture(scope="module")
def one() -> Linked:
    return link_night(people(), None, SMALL, NIGHT)


@pytest.fixture(scope="module")
def many(spark: SparkSession) -> LinkedFrames:
    return link_many(spark.createDataFrame(people()), None, SMALL, NIGHT)


def pairs_of(linked: LinkedFrames) -> pa.Table:
    return linked.scored_pairs.toArrow().sort_by(PAIR)


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


def test_both_placements_give_the_same_tables(one: Linked, many: LinkedFrames) -> None:
    assert one.generation.kind == "trained"
    assert many.generation.digest == one.generation.digest
    assert many.generic_values.equals(one.generic_values)
    assert many.generic_values["value"].to_pylist() == ["caja@tienda.com"]
    assert_same(many, one)
    assert many.review_queue.drop_columns(["same_person_probability"]).equals(
        one.review_queue.drop_columns(["same_person_probability"])
    )
    parties = dict(zip(one.clusters["record_id"].to_pylist(), one.clusters["party_type"].to_pylist(), strict=True))
    found = {parties[key] for key in one.scored_pairs["record_id_l"].to_pylist()}
    assert found == {"person", "company"}


def test_both_placements_report_the_same_figures(one: Linked, many: LinkedFrames) -> None:
    assert one.figures.keys() <= many.figures.keys()
    differing = {key for key, value in one.figures.items() if many.figures[key] != value}
    assert differing == {"placement"}
    blocks = many.figures["blocks"]["person.given_surname"]
    assert blocks["capped_blocks"] > 0
    assert blocks["largest_block"] >= 40
    assert many.figures["cut_components"] == 0 or many.figures["largest_component"] > SMALL.max_component
    assert many.figures["tasks"]["person"] > 3


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
        wide = SMALL.model_copy(update={"task_pairs": 1_000_000})
        linked = link_many(frame, one.generation, wide, NIGHT, said.append)
        assert linked.figures["tasks"] == {"person": 1, "company": 1}
        assert linked.generation_row is None
        assert_same(linked, one)
        assert any(text.startswith("person: scoring about ") for text in said)
    finally:
        spark.conf.set("spark.sql.shuffle.partitions", before or "2")
