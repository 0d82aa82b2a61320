"""What a feed looks like: counts of every column, values of none that names a person, and what changed."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from pipelines.config import Project
from pipelines.ops.profile_checks import feeds_look_right, judge
from pipelines.ops.profiles import PROFILES, Delivered, build_profiles
from pipelines.storage import arrow_schema

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "silver"))
from silver_box import bronze, source

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SHOP = source("""
source: shop
owner: Shop
channel: orders
feeds:
  sales:
    mode: append
    key: [id]
    target: orders
    columns: {id: {required: true}, who:, at:, money:, cur:, state:}
    map:
      record_id: who
      order_id: id
      ordered_at: {column: at, parse: timestamp}
      amount: {column: money, parse: amount}
      currency: cur
      status: {column: state, codes: {done: completed}, unmapped: keep}
""")
D = date(2026, 7, 2)
HEAD = "| id | who | at | money | cur | state | note |"


def sales(rows: int, *, at: str = "2026-06-{:02d}", bad: int = 0) -> str:
    """``rows`` sales; ``bad`` of them with a status that has no translation."""
    lines = [
        f"| {i} | ana@x.es | {at.format(i)} | {i}.50 | {'EUR' if i > 1 else 'USD'} | "
        f"{'weird' if i <= bad else 'done'} | {'' if i % 2 else 'a note'} |"
        for i in range(1, rows + 1)
    ]
    return "\n".join([HEAD, *lines])


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[tuple[date, str], dict[str, Any]]:
    """Profiles of two nights: in the second the dates came the other way round."""
    night = date(2026, 7, 1)
    first = Delivered(SHOP, "sales", bronze(spark, sales(10), of="shop/sales"))
    before = build_profiles([first], None, night, 60)
    second = Delivered(SHOP, "sales", bronze(spark, sales(12, at="{:02d}/06/2026", bad=3), of="shop/sales"))
    rows = build_profiles([second], before, D, 60).to_pylist()
    return {
        (r["business_date"], r["column"]): {
            **r,
            "forms": dict(r["forms"] or ()),
            "top": r["top"] and dict(r["top"]),
        }
        for r in rows
    }


def test_every_column_is_counted_and_has_a_kind(found: dict[tuple[date, str], dict[str, Any]]) -> None:
    first = date(2026, 7, 1)
    assert {name for day, name in found if day == D} == {"id", "who", "at", "money", "cur", "state", "note"}
    assert found[first, "at"]["kind"] == "date"
    assert found[D, "at"]["kind"] == "day_first_date"
    note = found[D, "note"]
    assert (note["rows"], note["filled"], note["null_share"], note["distinct"]) == (12, 6, 0.5, 1)
    assert (note["shortest"], note["longest"], note["kind"]) == (6, 6, "words")
    assert found[D, "who"]["forms"] == {"email": 1.0}


def test_only_columns_that_say_nothing_of_a_person_show_values(
    found: dict[tuple[date, str], dict[str, Any]],
) -> None:
    assert found[D, "cur"]["top"] == {"EUR": 11}, "one row of USD is too few to be shown"
    assert found[D, "who"]["top"] is None
    assert found[D, "note"]["top"] is None, "nobody said what it holds"
    assert (found[D, "money"]["lowest"], found[D, "money"]["highest"]) == ("1.5", "12.5")
    assert found[D, "id"]["lowest"] is None
    assert found[date(2026, 7, 1), "at"]["highest"] == "2026-06-10"
    assert "ana" not in str(found)


def test_what_changed_since_the_last_profile_is_its_drift(
    found: dict[tuple[date, str], dict[str, Any]],
) -> None:
    assert found[date(2026, 7, 1), "at"]["drift"] is None
    assert (found[D, "at"]["drift"], found[D, "at"]["compared_with"]) == (1.0, date(2026, 7, 1))
    assert found[D, "money"]["drift"] == 0.0


def test_codes_without_a_translation_are_counted(found: dict[tuple[date, str], dict[str, Any]]) -> None:
    assert found[D, "state"]["unmapped"] == 3
    assert found[D, "cur"]["unmapped"] is None


def test_old_profiles_go_and_the_newest_of_a_feed_stays(spark: SparkSession) -> None:
    names = ("business_date", "source", "feed", "column", "rows", "filled", "null_share")
    days = [("web", 1), ("web", 2), ("shop", 1), ("shop", 3)]
    past = pa.Table.from_pylist(
        [dict(zip(names, (date(2026, 5, day), s, "sales", "id", 9, 9, 0.0), strict=True)) for s, day in days],
        schema=arrow_schema(PROFILES),
    )
    second = Delivered(SHOP, "sales", bronze(spark, sales(6), of="shop/sales"))
    rows = build_profiles([second], past, D, 10).to_pylist()
    kept = {(r["source"], r["business_date"]) for r in rows}
    assert kept == {("web", date(2026, 5, 2)), ("shop", date(2026, 5, 3)), ("shop", D)}
    assert {r["compared_with"] for r in rows if r["business_date"] == D} == {date(2026, 5, 3), None}


def test_another_night_of_the_date_leaves_the_profiles_of_what_it_does_not_take_in(
    spark: SparkSession,
) -> None:
    names = ("business_date", "source", "feed", "column", "rows", "filled", "null_share")
    past = pa.Table.from_pylist(
        [dict(zip(names, (D, s, "sales", "id", 9, 9, 0.0), strict=True)) for s in ("shop", "web")],
        schema=arrow_schema(PROFILES),
    )
    rows = build_profiles(
        [Delivered(SHOP, "sales", bronze(spark, sales(6), of="shop/sales"))], past, D, 10
    ).to_pylist()
    assert {(r["source"], r["rows"]) for r in rows if r["column"] == "id"} == {("shop", 6), ("web", 9)}


def test_only_what_the_night_took_in_is_judged() -> None:
    rows = [row("at", drift=0.9), row("at", source="web", drift=0.9)]
    stored = pa.Table.from_pylist(rows, schema=arrow_schema(PROFILES))

    def judged(*sources: str) -> list[str]:
        inputs = SimpleNamespace(
            arrow=lambda table: stored,
            settings=SimpleNamespace(project=Project(), sources={}),
            night=SimpleNamespace(
                business_date=D, files=[SimpleNamespace(source=s, feed="sales") for s in sources]
            ),
        )
        return [v["gate"] for v in feeds_look_right(inputs) if v["status"] == "warned"]  # type: ignore[arg-type]

    assert judged("web") == ["profile_drift web/sales.at"]
    assert judged() == []


def row(column: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(PROFILES.names)
    base = {
        "business_date": D,
        "source": "shop",
        "feed": "sales",
        "column": column,
        "rows": 1_000,
        "filled": 1_000,
    }
    return {**empty, **base, "null_share": 0.0, "kind": "date", "compared_with": date(2026, 7, 1), **more}


def test_gates_name_the_column_and_what_to_do() -> None:
    rows = [row("state", unmapped=30, drift=0.0), row("at", drift=0.9), row("few", rows=20, drift=1.0)]
    verdicts = {v["gate"]: v for v in judge(Project(), rows, D)}
    assert {name: v["status"] for name, v in verdicts.items()} == {
        "unmapped_codes shop/sales.state": "warned",
        "profile_drift shop/sales.at": "warned",
    }
    assert verdicts["unmapped_codes shop/sales.state"]["message"] == (
        "30 of 1,000 values (3.0%) have no translation: add them to `codes` in conf/sources/shop.yml."
    )
    blocking = Project.model_validate({"bounds": {"unmapped_codes": {"fail": 0.02}}})
    assert judge(blocking, rows, D)[0]["status"] == "blocked"


def test_many_columns_are_counted_and_quiet_nights_are_one_line() -> None:
    many = judge(Project(), [row(f"c{i}", drift=0.5) for i in range(5)], D)
    assert len(many) == 3
    assert many[-1]["message"].endswith("And 2 more columns.")
    (quiet,) = judge(Project(), [row("a", drift=0.0), row("b", drift=0.1)], D)
    assert (quiet["gate"], quiet["status"], quiet["message"]) == (
        "profile_drift",
        "passed",
        "feeds look as before",
    )
    assert judge(Project(), [row("a", drift=0.9)], date(2026, 7, 9)) == []


ABROAD = source("""
source: abroad
owner: Abroad
channel: crm
feeds:
  people:
    mode: append
    key: [id]
    target: customer_records
    decimal: ","
    birth_date_formats: ["dd/MM/yyyy", "yyyy-MM-dd"]
    columns: {id: {required: true}, name:, sex:, born:, since:, bought:, when:, pays:}
    map:
      record_id: id
      full_name_raw: name
      birth_date_raw: born
      gender: {column: sex, codes: {h: M, m: F}, unmapped: "null"}
      registered_at: {column: since, formats: ["dd/MM/yyyy"]}
    derive:
      sales:
        key: [id]
        target: orders
        map:
          record_id: id
          order_id: id
          ordered_at: {column: when, parse: timestamp, formats: ["MM/dd/yyyy HH:mm"]}
          amount: {column: bought, parse: amount}
""")


def test_of_a_column_of_codes_no_text_without_a_translation_is_shown(spark: SparkSession) -> None:
    head = "| id | name | sex | born | since | bought | when | pays |"
    lines = [f"| {i} | Ana | {'h' if i < 6 else 'Eva Gil'} | | | | | |" for i in range(20)]
    rows = bronze(spark, "\n".join([head, *lines]), of="abroad/people")
    found = {
        r["column"]: r for r in build_profiles([Delivered(ABROAD, "people", rows)], None, D, 60).to_pylist()
    }
    assert (found["sex"]["top"], found["sex"]["unmapped"]) == ([("h", 6)], 14)


def test_ranges_are_read_as_conf_says_and_codes_are_shown(spark: SparkSession) -> None:
    head = "| id | name | sex | born | since | bought | when | pays |"
    lines = [
        f"| {i} | Ana Ruiz | {'h' if i % 2 else 'm' if i < 8 else 'Eva Gil'} | 02/01/{1980 + i} | {i:02d}/0{1 + i % 2}/2026 | {i}.500,50 | 06/{i + 9}/2026 10:30 | card |"
        for i in range(1, 11)
    ]
    rows = bronze(spark, "\n".join([head, *lines]), of="abroad/people")
    found = {
        r["column"]: r for r in build_profiles([Delivered(ABROAD, "people", rows)], None, D, 60).to_pylist()
    }
    limits = {name: (row["lowest"], row["highest"]) for name, row in found.items()}
    assert limits["since"] == ("2026-01-02", "2026-02-09")
    assert limits["when"] == ("2026-06-10 10:30:00", "2026-06-19 10:30:00")
    assert limits["bought"] == ("1500.5", "10500.5")
    assert (found["since"]["kind"], found["when"]["kind"]) == ("day_first_date", "declared_date")
    assert found["pays"]["kind"] == "words"
    assert found["sex"]["top"] == [("h", 5)], "the others are fewer, or no code"
    assert limits["born"] == ("1981-01-02", "1990-01-02")
    assert (found["name"]["top"], found["pays"]["top"]) == (None, None)


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_a_range_that_says_something_of_persons_rests_on_as_many_values_as_a_value_that_is_shown(
    spark: SparkSession, rows: int
) -> None:
    head = "| id | name | sex | born | since | bought | when | pays |"
    lines = [f"| {i} | Ana | h | 02/01/198{i} | 1{i}/01/2026 | {i},5 | | |" for i in range(rows)]
    # What is no date does not make the dates more.
    lines += [f"| {i} | Ana | h | 30/02/1979 | 1979-02-30 | ? | | |" for i in range(10, 16)]
    delivered = Delivered(ABROAD, "people", bronze(spark, "\n".join([head, *lines]), of="abroad/people"))
    found = {r["column"]: r for r in build_profiles([delivered], None, D, 60).to_pylist()}
    limits = {name: (found[name]["lowest"], found[name]["highest"]) for name in ("born", "since", "bought")}
    assert limits == (
        {
            "born": ("1980-01-02", "1984-01-02"),
            "since": ("2026-01-10", "2026-01-14"),
            "bought": ("0.5", "4.5"),
        }
        if rows == 5
        else dict.fromkeys(limits, (None, None))
    )


def test_the_range_of_a_column_that_says_nothing_of_a_person_rests_on_any_value(spark: SparkSession) -> None:
    rows = bronze(spark, f"{HEAD}\n| 1 | ana@x.es | 2026-06-01 | 9.50 | 978 | done | |", of="shop/sales")
    profiles = build_profiles([Delivered(SHOP, "sales", rows)], None, D, 60).to_pylist()
    limits = {r["column"]: (r["lowest"], r["highest"]) for r in profiles}
    assert limits["cur"] == ("978.0", "978.0")
    assert limits["at"] == limits["money"] == (None, None)
