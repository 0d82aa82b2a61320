"""Training on a sample: what it holds, that it stands for all records, and that Spark draws the same."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from linkage_people import CONF, population

from pipelines.linkage.blocking_rules import IDENTIFIERS
from pipelines.linkage.config import Linkage
from pipelines.linkage.engine import engine
from pipelines.linkage.evaluate import evaluate
from pipelines.linkage.generic_values import SCHEMA as GENERIC
from pipelines.linkage.link import link_night
from pipelines.linkage.placed import numbered
from pipelines.linkage.records import load
from pipelines.linkage.sample import Sample, affordable, draw, tried
from pipelines.linkage.sample_many import draw_many

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NIGHT = date(2026, 7, 1)
FEW = Linkage.model_validate(
    {
        "training": {"u_pairs": 200_000, "max_records": 2_000},
        "threads": 2,
        "blocking": {"max_comparisons_per_record": 40},
    }
)


@pytest.fixture(scope="module")
def people() -> tuple[pa.Table, pa.Table]:
    return population(1_200, seed=3)


@pytest.fixture(scope="module")
def sample(people: tuple[pa.Table, pa.Table]) -> Sample:
    return draw(people[0], FEW)[0]


def keys(records: pa.Table) -> set[tuple[str, str]]:
    return set(zip(records["source"].to_pylist(), records["record_id"].to_pylist(), strict=True))


def drawn(sample: Sample, conf: Linkage) -> set[tuple[str, str]]:
    with engine(conf) as connection:
        nodes = load(connection, sample.records, conf)
        sample.mark(connection)
        numbers = [row[0] for row in connection.execute("SELECT node FROM drawn").fetchall()]
    return {(nodes.source[n].as_py(), nodes.record_id[n].as_py()) for n in numbers}


def test_true_pairs_of_drawn_records_stay_together(people: tuple[pa.Table, pa.Table], sample: Sample) -> None:
    records, truth = people
    taken, chosen = keys(sample.records), drawn(sample, FEW)
    assert 20 < len(chosen) < len(taken) < FEW.training.max_records < records.num_rows
    home = {(row["source"], row["record_id"]): row["entity_id"] for row in truth.to_pylist()}
    wanted = {home[key] for key in chosen}
    partners = [key for key, entity in home.items() if entity in wanted and key not in chosen]
    assert len(partners) > 20
    # Of records drawn one by one it would be the share that is drawn, one in fifty.
    assert sum(key in taken for key in partners) >= 0.95 * len(partners)
    assert sample.groups["person"].records == records.num_rows


@pytest.mark.soak
def test_a_model_of_a_sample_links_all_records_as_well(people: tuple[pa.Table, pa.Table]) -> None:
    records, truth = people
    whole = link_night(records, None, CONF, NIGHT)
    said: list[str] = []
    linked = link_night(records, None, FEW, NIGHT, say=said.append)
    assert "drawing a sample to train on" in said
    assert linked.generation_row is not None
    assert (linked.generation.kind, linked.generation.records) == ("trained", records.num_rows)
    prior = "probability_two_random_records_match"
    all_of, part_of = (found.generation.models["person"] for found in (whole, linked))
    assert part_of.settings[prior] == pytest.approx(all_of.settings[prior], rel=0.7)
    assert part_of.frequencies == all_of.frequencies
    # What the rules cost and bring is told of all records, from those that were drawn.
    report, exact = part_of.blocking, all_of.blocking
    assert report is not None
    assert exact is not None
    assert report.records == exact.records == records.num_rows
    assert report.trial < exact.trial
    assert report.gains[1].comparisons == pytest.approx(exact.gains[1].comparisons, rel=0.3)
    # So few pairs leave the cut at its cautious default: less is joined, and nothing more wrongly.
    quality = evaluate(linked.clusters, truth)
    assert quality.precision >= 0.97
    assert quality.f1 >= evaluate(whole.clusters, truth).f1 - 0.05
    # The next night links by it and trains nothing.
    later = link_night(records, linked.generation, FEW, date(2026, 7, 2))
    assert later.generation_row is None
    assert later.clusters.equals(linked.clusters)


@pytest.mark.soak
def test_spark_draws_the_same_sample(
    spark: SparkSession, people: tuple[pa.Table, pa.Table], sample: Sample
) -> None:
    records = people[0]
    nodes = numbered(spark.createDataFrame(records), records.num_rows, ("source", "record_id"), "node")
    theirs = draw_many(nodes, records.num_rows, GENERIC.empty_table(), FEW)
    assert theirs.below == sample.below
    assert theirs.groups == sample.groups
    assert keys(theirs.records) == keys(sample.records)
    assert theirs.records.schema.names == sample.records.schema.names


def test_a_rule_that_alone_spends_the_budget_is_not_tried() -> None:
    rules = tried("person", set(CONF.fields), CONF)
    conf = Linkage.model_validate({"blocking": {"max_comparisons_per_record": 100}})
    pairs = {0: 10**6, 5: 1_001, 6: 1_000}
    kept = affordable("person", rules, pairs, 100, conf)
    assert rules[0] in IDENTIFIERS["person"]
    assert set(range(len(rules))) - set(kept) == {5}
