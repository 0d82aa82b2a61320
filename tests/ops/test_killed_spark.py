"""A night that dies while a table of Spark's is written, and its rerun: the tables are those of a night undisturbed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import tiny_night
from deltalake.exceptions import CommitFailedError
from tiny_night import PEOPLE, ROOT, STAGES, Killed, dying, tiny

from pipelines import storage
from pipelines.ops import releases
from pipelines.stages import Content, Inputs, Stage
from pipelines.storage import arrow_schema
from pipelines.tables import LONG, Column, Table

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LETTERS = replace(PEOPLE, columns=(*PEOPLE.columns, Column("letters", LONG, "Letters of the name.")))
"""silver/people as a later program declares it."""


def by_spark(people: Table) -> tuple[Stage, ...]:
    """The stages, of which silver.build returns a frame of Spark."""

    def build(inputs: Inputs) -> Content:
        rows = tiny_night._silver(inputs)[PEOPLE.path]
        frame = inputs.spark.createDataFrame(rows)
        return {
            people.path: frame.selectExpr("*", "CAST(length(name) AS BIGINT) AS letters").select(people.names)
        }

    return tuple(replace(s, run=build, writes=(people,)) if s.name == "silver.build" else s for s in STAGES)


def longer_kept(folder: Path) -> Path:
    """The configuration, in which silver's versions are kept for longer."""
    shutil.copytree(ROOT / "conf", folder)
    told = folder / "padron.yml"
    text = told.read_text(encoding="utf-8")
    told.write_text(
        text.replace("retention_by_layer: {}", "retention_by_layer: {silver: 400}"), encoding="utf-8"
    )
    return folder


def test_a_night_that_dies_after_any_commit_of_a_frame_is_made_good_by_its_rerun(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop = replace(tiny(monkeypatch, tmp_path / "shop"), spark=spark)
    tiny_night.install(monkeypatch.setattr, by_spark(PEOPLE), {})
    shop.deliver("2026-07-01", {"1": "ana", "2": "eva", "3": "ana"})
    shop.run()
    first = shop.content()

    # The second night's program has a column more, and its configuration another retention for the table.
    tiny_night.install(monkeypatch.setattr, by_spark(LETTERS), {})
    shop.config = longer_kept(tmp_path / "conf")
    shop.deliver("2026-07-02", {"2": "ada", "4": "iris"})
    undisturbed = shop.copied(tmp_path / "undisturbed")
    with dying(monkeypatch, after=1_000) as commits:
        undisturbed.run()
    second = undisturbed.content()
    assert [(r["name"], r["letters"]) for r in second[PEOPLE.path]] == [
        ("ana", 3),
        ("ada", 3),
        ("ana", 3),
        ("iris", 4),
    ]

    # Stages before this one end before it begins, so its commits follow each other.
    of_people = ["add_columns", "write_files", "create_write_transaction", "set_table_properties"]
    begin = commits.index(of_people[0])
    assert commits[begin : begin + len(of_people)] == of_people
    for after in range(begin, begin + len(of_people) + 1):
        victim = shop.copied(tmp_path / str(after))
        with dying(monkeypatch, after) as reached, pytest.raises(Killed):
            victim.run()
        assert reached == commits[:after]
        assert victim.content() in (first, second), "readers see a whole night or the one before"
        victim.run()
        assert victim.content() == second, f"after commit {after}"
        stored = victim.house.open(PEOPLE.path)
        assert stored is not None
        assert stored.metadata().configuration["delta.logRetentionDuration"] == "interval 400 days"
        assert len(releases.all_releases(victim.house)) == 2


def test_rows_of_spark_beside_which_another_writer_commits_are_a_conflict(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house, table = storage.Warehouse(str(tmp_path)), PEOPLE
    base = house.write(table, arrow_schema(table).empty_table(), None)
    frame, made = house.read(spark, table, base), storage.write_files

    def beside(*given: Any) -> Any:
        found = made(*given)
        storage.write_deltalake(
            f"{tmp_path}/{table.path}", arrow_schema(table).empty_table(), mode="overwrite"
        )
        return found

    monkeypatch.setattr(storage, "write_files", beside)
    with pytest.raises(CommitFailedError):
        house.write(table, frame, base)
