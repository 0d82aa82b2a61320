"""What last night made of a record is taken over where it would be made again, and only there."""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import functions as F
from silver_box import bronze, source, told

from pipelines.silver import standard_form
from pipelines.silver.customer_records import CUSTOMER_RECORDS
from pipelines.silver.records import customer_records
from pipelines.silver.standard_form import MADE_BY

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from pipelines.sources import Source

ALL = CUSTOMER_RECORDS.arrow.names
JUNE_30, JULY_1 = date(2026, 6, 30), date(2026, 7, 1)
PEOPLE = """
source: {name}
owner: sales
channel: pos
feeds:
  people:
    mode: snapshot
    key: [id]
    target: customer_records
    name_order: {order}
    birth_date_formats: [dd/MM/yy, yyyy-MM-dd]
    columns: {{id: {{required: true}}, name:, born:, card:, job:}}
    map: {{record_id: id, full_name_raw: name, birth_date_raw: born, loyalty_id: card, occupation: job}}
"""
TILL = """
    | id | name      | born       | card   | job     |
    | a  | ana ruiz  | 1980-05-17 | 4411ab |         |
    | b  | bea soto  | 1981-05-17 | 4412ab |         |
    | c  | cruz leal | 1982-05-17 | 4413ab |         |
    | d  | dora paz  | 1983-05-17 | 4414ab | abogada |
    | f  | fe luna   | 2026-07-01 | 4416ab |         |
    | o  | olga rey  | 1906-06-30 | 4417ab |         |
    | y  | yago gil  | 01/07/26   | 4418ab |         |
"""
"""On the first of July the birth dates of f, o and y read differently than the day before."""
TILL_THEN = TILL.replace("bea soto", "bea soler").replace("4413ab", "4499ab").replace("abogada", "jueza")
WITHOUT_C = TILL.replace("| c  | cruz leal", "| e  | eva leal ")
"""c went, e came."""
WEB = """
    | id | name      | born       | card   | job     |
    | w  | wu li     | 1984-05-17 | 4419ab |         |
"""


def feeds(order: str) -> dict[str, Source]:
    declared = {"till": "given_first", "web": order}
    return {name: source(PEOPLE.format(name=name, order=way)) for name, way in declared.items()}


def records(
    spark: SparkSession, till: str, day: date, before: DataFrame | None = None, order: str = "given_first"
) -> DataFrame:
    received = {"till": till, "web": WEB}
    current = {
        (name, "people"): bronze(spark, rows, of=f"{name}/people").withColumn("_landing_date", F.lit(JUNE_30))
        for name, rows in received.items()
    }
    made = customer_records(
        current,
        feeds(order),
        default_country="ES",
        timezone="Europe/Madrid",
        business_date=day,
        before=before,
    )
    assert made is not None
    return made


@pytest.fixture(scope="module")
def last_night(spark: SparkSession) -> DataFrame:
    """The records of the thirtieth of June, as that night standardised them, held in memory."""
    return records(spark, TILL_THEN, JUNE_30).localCheckpoint()


@pytest.fixture(scope="module")
def anew(spark: SparkSession) -> Callable[[str], list[str]]:
    """The table of the first of July, whole, where nothing is taken over; by what the till delivers."""

    @cache
    def table(till: str) -> list[str]:
        return told(records(spark, till, JULY_1), *ALL)

    return table


@pytest.fixture(params=[standard_form.FEW, 0], ids=["few changed", "most changed"])
def however_many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether what did not change is looked at, record by record, or left alone."""
    monkeypatch.setattr(standard_form, "FEW", request.param)


def marked(frame: DataFrame) -> DataFrame:
    """What shows that a standard form comes from last night."""
    return frame.withColumn("street_name", F.lit("Taken over"))


def taken(frame: DataFrame) -> list[str]:
    return told(frame.filter(F.col("street_name").isNotNull()), "record_id")


def test_only_what_would_be_made_again_is_taken_over(spark: SparkSession, last_night: DataFrame) -> None:
    tonight = records(spark, TILL, JULY_1, marked(last_night))
    assert taken(tonight) == ["a", "d", "w"]
    on_the_same_day = records(spark, TILL, JUNE_30, marked(last_night))
    assert taken(on_the_same_day) == ["a", "d", "f", "o", "w", "y"]


@pytest.mark.usefixtures("however_many")
def test_the_table_is_that_of_a_night_that_takes_nothing_over(
    spark: SparkSession, last_night: DataFrame, anew: Callable[[str], list[str]]
) -> None:
    assert told(records(spark, TILL, JULY_1, last_night), *ALL) == anew(TILL)


def test_each_date_reads_as_on_the_night_of_the_table(spark: SparkSession, last_night: DataFrame) -> None:
    tonight = records(spark, TILL, JULY_1, last_night)
    assert told(tonight, "record_id", "surname", "birth_date", "occupation") == [
        "a Ruiz 1980-05-17 -",
        "b Soto 1981-05-17 -",
        "c Leal 1982-05-17 -",
        "d Paz 1983-05-17 abogada",
        "f Luna 2026-07-01 -",
        "o Rey - -",
        "w Li 1984-05-17 -",
        "y Gil 2026-07-01 -",
    ]


def test_another_program_or_other_hints_of_a_feed_make_it_anew(
    spark: SparkSession, last_night: DataFrame
) -> None:
    swapped = records(spark, TILL, JUNE_30, marked(last_night), order="surname_first")
    assert taken(swapped) == ["a", "d", "f", "o", "y"]
    assert told(swapped.filter("record_id = 'w'"), "given_name", "surname") == ["Li Wu"]
    older = marked(last_night).withColumn(MADE_BY, F.lit("another program"))
    assert taken(records(spark, TILL, JUNE_30, older)) == []


@pytest.mark.usefixtures("however_many")
@pytest.mark.parametrize("program", [None, "another program"])
def test_who_went_is_gone_and_who_came_is_there(
    spark: SparkSession, last_night: DataFrame, anew: Callable[[str], list[str]], program: str | None
) -> None:
    before = last_night if program is None else last_night.withColumn(MADE_BY, F.lit(program))
    tonight = told(records(spark, WITHOUT_C, JULY_1, before), *ALL)
    assert tonight == anew(WITHOUT_C)
    assert [row.split()[1] for row in tonight] == ["a", "b", "d", "e", "f", "o", "y", "w"]


def test_a_record_that_only_its_file_changed_is_told_with_its_new_file(
    spark: SparkSession, last_night: DataFrame
) -> None:
    older = last_night.withColumn(
        "_batch_id", F.concat(F.lit("2026-06-29"), F.substring("_batch_id", 11, 99))
    )
    tonight = records(spark, TILL, JULY_1, marked(older))
    assert taken(tonight) == ["a", "d", "w"], "its form is the same"
    assert told(tonight, "_batch_id") == told(records(spark, TILL, JULY_1), "_batch_id")
