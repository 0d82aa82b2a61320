"""A night that looks at the touched cases alone makes the tables of one that looks at everything."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from pyspark.sql import functions as F
from silver_box import bronze, source, told
from taken_over_tables import whole

from pipelines import night_silver
from pipelines.settings import load_settings
from pipelines.silver import touched_cases as touched
from pipelines.silver.build import build_from, classify_all
from pipelines.silver.cases import CASES
from pipelines.silver.outcome_counts import OUTCOME_COUNTS, outcome_counts
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.touched import LastNight, Touched, rows_of
from pipelines.silver.touched_cases import TouchedCases, touched_cases

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.silver.frames import Feeds
    from pipelines.stages import Inputs

TABLES = (CASES, QUARANTINE, OUTCOME_COUNTS)
TEXT = """
source: desk
owner: service
channel: contact_centre
feeds:
  tickets:
    mode: append
    key: [id]
    target: cases
    columns: [id, who, opened, closed, kind, state]
    map:
      source: {constant: desk}
      record_id: who
      case_id: id
      opened_at: {column: opened, parse: timestamp}
      closed_at: {column: closed, parse: timestamp}
      case_type: kind
      status: state
"""
DERIVED = """
    derive:
      people:
        key: [who]
        target: customer_records
        map: {record_id: who}
""".removeprefix("\n")
DESK = source(TEXT)
KEY = ("desk", "tickets")
PROJECT = load_settings().project
LAST, TONIGHT = date(2026, 7, 2), date(2026, 7, 4)
HEAD = "date | batch | row | problem | raw | id | who | opened | closed | kind | state |"


def moment(chance: Random) -> str:
    return f"2026-07-{chance.randint(1, 6):02d} {chance.choice(['00:30', '12:00', '23:30'])}:00"


def tickets(spark: SparkSession, seed: int) -> DataFrame:
    """A delivery of the first of July, and one of the third with a late file; few keys, so that they come again."""
    chance, lines = Random(seed), [HEAD]
    for batch, days, rows in (("a", "1", 90), ("b", "13", 12)):
        for number in range(rows):
            # Now and then nothing can be read, or a part is missing.
            problem, raw = ("nul_byte", "spoilt") if chance.random() < 0.05 else ("", "")
            cells = [
                chance.choice(["", *[f"t{n}" for n in range(80)]]),
                f"c{chance.randint(1, 9)}",
                chance.choice([moment(chance), moment(chance), moment(chance), "when?"]),
                chance.choice(["", moment(chance)]),
                chance.choice(["claim", "query"]),
                chance.choice(["open", "solved", "closed", ""]),
            ]
            head = [chance.choice(days), batch, str(number + 2), problem, raw]
            lines.append(" | ".join([*head, *([""] * 6 if problem else cells), ""]).strip())
    made = bronze(spark, "\n".join(lines), of="desk/tickets")
    # Blanks around a key are no part of it.
    with_blanks = F.when(F.col("_row") % 7 == 0, F.concat(F.lit(" "), "id", F.lit("\t"))).otherwise(
        F.col("id")
    )
    return made.withColumn("id", with_blanks).localCheckpoint()


def night(feeds: Feeds, day: date) -> tuple[dict[str, DataFrame], Feeds]:
    classified = {key: rows.localCheckpoint() for key, rows in classify_all(feeds, {"desk": DESK}).items()}
    return build_from(classified, {"desk": DESK}, PROJECT, business_date=day).tables, classified


def last_night(rows: DataFrame) -> LastNight:
    came = rows.filter("_batch_id LIKE '%bbbb%'").select("_batch_id").distinct().toArrow()
    made, _ = night({KEY: rows.filter("_batch_id NOT LIKE '%bbbb%'")}, LAST)
    tables = {table.path: made[table.path].localCheckpoint() for table in TABLES}
    return LastNight(tables, LAST, {KEY: came["_batch_id"].to_pylist()})


def looked_at(rows: DataFrame, last: LastNight, text: str = TEXT, day: date = TONIGHT) -> TouchedCases | None:
    return touched_cases(
        {KEY: rows},
        {"desk": source(text)},
        last,
        timezone=PROJECT.timezone,
        business_date=day,
        keep=type(rows).localCheckpoint,
    )


@pytest.mark.parametrize(
    ("seed", "day", "names_none"),
    [(3, TONIGHT, False), (5, date(2026, 6, 30), True)],
    ids=["later", "an earlier date again"],
)
def test_touched_cases_and_last_nights_rows_are_the_whole_tables(
    spark: SparkSession, seed: int, day: date, *, names_none: bool
) -> None:
    rows = tickets(spark, seed)
    every, _ = night({KEY: rows}, day)
    last = last_night(rows)
    cases = looked_at(rows, last, day=day)
    assert cases is not None
    part = Touched([cases], rows_of([cases]), last, day)
    built, classified = night(part.rows, day)
    earlier = outcome_counts(classify_all(part.earlier(), {"desk": DESK}), business_date=day)
    made = part.completed(built, classified, earlier)
    for table in TABLES:
        names = table.arrow.names
        left = whole(made[table.path], table, last.tables[table.path].toArrow())
        assert told(spark.createDataFrame(left), *names) == told(every[table.path], *names), table.path
    assert 0 < classified[KEY].count() < 0.9 * rows.count()
    came = rows.filter("_batch_id LIKE '%bbbb%'").collect()
    assert any(row.id is None for row in came) is names_none
    # Cases that nothing came of, and that are open no more, or only now.
    was, now = (
        {row.case_id: row.is_open for row in tables[CASES.path].collect()} for tables in (last.tables, every)
    )
    named = {row.id.strip() for row in came if row.id}
    assert any(now[case] != is_open for case, is_open in was.items() if case not in named)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: append", "mode: snapshot"),
        ("key: [id]", "key: [id, who]"),
        ("case_id: id", "case_id: {column: id, codes: {a: b}}"),
        ("    map:\n", f"{DERIVED}    map:\n"),
    ],
)
def test_a_feed_that_does_not_suit_is_looked_at_whole(spark: SparkSession, old: str, new: str) -> None:
    assert looked_at(tickets(spark, 3), LastNight({}, LAST, {}), TEXT.replace(old, new)) is None


def test_many_touched_cases_are_looked_at_whole(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = tickets(spark, 3)
    monkeypatch.setattr(touched, "FEW", 3)
    assert looked_at(rows, last_night(rows)) is None


def test_of_two_feeds_of_cases_all_is_looked_at(spark: SparkSession) -> None:
    rows = tickets(spark, 3)
    two = source(f"{TEXT}{TEXT[TEXT.index('  tickets:') :].replace('  tickets:', '  chats:')}")
    assert set(two.feeds) == {"tickets", "chats"}
    feeds = {KEY: rows, ("desk", "chats"): rows}
    last = LastNight({}, LAST, {})
    assert touched_cases(feeds, {"desk": two}, last, timezone="UTC", business_date=TONIGHT) is None


@pytest.mark.parametrize(
    ("rows", "fits", "is_looked_at"), [(60_000, True, True), (60, True, False), (60_000, False, False)]
)
def test_a_night_looks_at_cases_where_there_are_many(
    spark: SparkSession, rows: int, *, fits: bool, is_looked_at: bool
) -> None:
    bronze_rows = tickets(spark, 3)
    inputs = SimpleNamespace(
        settings=replace(load_settings(), sources={"desk": DESK}),
        night=SimpleNamespace(business_date=TONIGHT),
        keep=type(bronze_rows).localCheckpoint,
        previous_fits=lambda table: fits or table is not CASES,
        previous_rows=lambda table: rows if table is CASES else 0,
    )
    last = last_night(bronze_rows) if is_looked_at else LastNight({}, LAST, {})
    found = night_silver._touched_events(
        touched_cases, (CASES,), cast("Inputs", inputs), {KEY: bronze_rows}, last
    )
    assert (found is not None) is is_looked_at
