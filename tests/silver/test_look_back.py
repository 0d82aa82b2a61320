"""What lies before a full snapshot is looked at no more, and nothing that stands changes by that."""

from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deliveries import Line, as_text, batches_of, deliveries, live, live_by_hand
from silver_box import CRM, bronze, table

from pipelines.bronze.batches import BATCHES
from pipelines.bronze.tables import bronze_table
from pipelines.config import Project
from pipelines.ops.checks import rows_conserved
from pipelines.renames import DECLARED
from pipelines.silver.history import looked_back_to, rows_before, snapshots_before_last
from pipelines.silver.outcome_counts import OUTCOME_COUNTS, outcome_counts
from pipelines.silver.outcomes import classify
from pipelines.silver.quarantine import QUARANTINE
from pipelines.silver.received import Received
from pipelines.storage import arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from pipelines.stages import Inputs

CONTACTS = ("crm", "contacts")
FEEDS = {CONTACTS: bronze_table(CRM, "contacts")}


def batches(text: str) -> pa.Table:
    """bronze/batches of one file a day, from ``| day | kind | status |`` lines."""
    rows = [
        {
            "batch_id": f"2026-07-{int(line['day'] or 0):02d}/crm/contacts",
            "source": "crm",
            "feed": "contacts",
            "file": f"2026-07-{int(line['day'] or 0):02d}/crm/contacts.csv",
            "digest": "0",
            "landing_date": date(2026, 7, int(line["day"] or 0)),
            "business_date": date(2026, 7, int(line["day"] or 0)),
            "is_late": False,
            "is_snapshot": line["kind"] == "full",
            "rows": 10,
            "ingested_at": datetime(2026, 7, 1, tzinfo=UTC),
            "status": line["status"] or "landed",
        }
        for line in table(text)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(BATCHES))


def counts(since: int | None, feed: str = "contacts") -> pa.Table:
    """silver/outcomes of a feed of which something stands since that day of July."""
    row = {
        "source": "crm",
        "feed": feed,
        "business_date": date(2026, 7, 9),
        **dict.fromkeys(("bronze_rows", "current", "superseded", "deleted", "duplicate", "quarantined"), 0),
        "stands_since": None if since is None else date(2026, 7, since),
    }
    return pa.Table.from_pylist([row], schema=arrow_schema(OUTCOME_COUNTS))


WEEK = """
| day | kind  | status   |
| 1   | full  |          |
| 2   | delta |          |
| 3   | full  |          |
| 4   | delta |          |
| 5   | full  |          |
| 6   | full  | rejected |
"""
SOURCES = {"crm": CRM}


def test_silver_looks_back_to_the_full_snapshot_before_the_newest() -> None:
    assert snapshots_before_last(batches(WEEK), SOURCES) == {CONTACTS: date(2026, 7, 3)}
    once = "| day | kind | status |\n| 1 | full | |\n| 2 | delta | |"
    assert snapshots_before_last(batches(once), SOURCES) == {}
    # Two parts of one day are one state.
    assert snapshots_before_last(batches(once + "\n| 1 | full | |"), SOURCES) == {}
    assert snapshots_before_last(batches(WEEK), {}) == {}
    assert snapshots_before_last(None, SOURCES) == {}


def test_rows_before_are_counted_but_for_rejected_ones() -> None:
    assert rows_before(batches(WEEK), {CONTACTS: date(2026, 7, 3)}) == {CONTACTS: 20}
    assert rows_before(batches(WEEK), {CONTACTS: date(2026, 7, 9)}) == {CONTACTS: 50}
    assert rows_before(batches(WEEK), {CONTACTS: date(2026, 7, 1)}) == {CONTACTS: 0}
    assert rows_before(batches(WEEK), {}) == rows_before(None, {}) == {}


def test_where_nobody_said_since_when_something_stands_everything_is_looked_at() -> None:
    assert looked_back_to(counts(3), SOURCES) == {CONTACTS: date(2026, 7, 3)}
    assert looked_back_to(counts(None), SOURCES) == {}
    assert looked_back_to(counts(3), {}) == {}, "a source that is not declared any more"
    assert looked_back_to(counts(3, feed="changes"), SOURCES) == {}, "a feed that is no snapshot any more"
    assert looked_back_to(counts(3).drop_columns(["stands_since"]), SOURCES) == {}, "of an older program"
    assert looked_back_to(None, SOURCES) == {}


def received(
    spark: SparkSession,
    lines: list[Line],
    before: pa.Table | None,
    *,
    spoilt: str = "",
    is_full: bool = False,
) -> Received:
    """What came in by tonight; ``before``: silver/outcomes of last night; ``spoilt``: what rows with a problem say."""
    frame, own = bronze(spark, as_text(lines, spoilt=spoilt)), batches_of(lines)
    frames = {FEEDS[CONTACTS].path: frame, BATCHES.path: spark.createDataFrame(own)}
    inputs = SimpleNamespace(
        settings=SimpleNamespace(sources=SOURCES, renames=pa.Table.from_pylist([], schema=DECLARED)),
        night=SimpleNamespace(business_date=date(2026, 7, 9), is_full=is_full, files=()),
        arrow=lambda one: own if one.path == BATCHES.path else None,
        previous_arrow=lambda one: before if one.path == OUTCOME_COUNTS.path else None,
        exists=lambda one: one.path in frames,
        frame=lambda one: frames[one.path],
    )
    return Received(cast("Inputs", inputs), FEEDS)


def outcomes(came: Received, made: DataFrame) -> pa.Table:
    return outcome_counts(
        {CONTACTS: made},
        business_date=date(2026, 7, 9),
        history=came.history_rows(),
        snapshots=came.snapshots_before_last(),
    ).toArrow()


def classified(came: Received) -> DataFrame:
    return classify(came.frame(CONTACTS), CRM, "contacts", batches=came.batches())


@pytest.mark.parametrize("seed", [4, pytest.param(8, marks=pytest.mark.soak)])
def test_night_by_night_what_stands_is_what_a_replay_of_everything_says(
    spark: SparkSession, seed: int
) -> None:
    lines = deliveries(seed, days=7)
    # The second file of a day and the corrections come a night late, be their day history by then or not.
    nights = {line[:3]: line[0] + (line[1] == "contacts-2.csv" or line[2] == "b") for line in lines}
    before, history = None, 0
    for night in range(1, 9):
        there = [line for line in lines if nights[line[:3]] <= night]
        if not there:
            continue
        came = received(spark, there, before)
        made = classified(came).cache()
        current = live(made)
        assert current == live_by_hand(there)
        before = outcomes(came, made)
        (row,) = before.to_pylist()
        assert row["bronze_rows"] + row["history"] == len(there)
        history = max(history, row["history"])
        made.unpersist()
    assert history, "or the seed shows nothing"


def test_a_spoilt_line_keeps_the_delivery_of_the_last_good_one(spark: SparkSession) -> None:
    lines: list[Line] = [
        (1, "contacts.csv", "a", "", "A", "a", ""),
        (1, "contacts.csv", "a", "", "B", "b", ""),
    ]
    before = None
    for day in (2, 3, 4, 5):
        lines.append((day, "contacts.csv", "a", "", "A", f"a{day}", ""))
        lines.append((day, "contacts.csv", "a", "", "", "", "too_many_fields"))
        came = received(spark, lines, before, spoilt="B,b,more")
        made = classified(came)
        before = outcomes(came, made)
        current = made.filter("_outcome = 'current'").orderBy("id").collect()
        assert [(row["id"], row["name"]) for row in current] == [("A", f"a{day}"), ("B", "b")]
    assert before is not None
    assert before["stands_since"].to_pylist() == [date(2026, 7, 1)]


def test_a_full_night_looks_at_everything(spark: SparkSession) -> None:
    lines: list[Line] = [(day, "contacts.csv", "a", "", "A", str(day), "") for day in (1, 2, 3)]
    came = received(spark, lines, counts(2))
    assert came.history_rows() == {CONTACTS: 1}
    assert came.frame(CONTACTS).count() == 2
    whole = received(spark, lines, counts(2), is_full=True)
    assert whole.history_rows() == {}
    assert whole.frame(CONTACTS).count() == 3


def held(*landed: tuple[int, int]) -> pa.Table:
    """silver/quarantine: so many rows of the feed that landed on a day of July, by (day, rows)."""
    rows = [
        {
            "source": "crm",
            "feed": "contacts",
            "reason": "missing_key",
            "_batch_id": f"2026-07-{day:02d}/crm/contacts",
            "_row": row,
            "_landing_date": date(2026, 7, day),
            "business_date": date(2026, 7, 9),
        }
        for day, count in landed
        for row in range(count)
    ]
    return pa.Table.from_pylist(rows, schema=arrow_schema(QUARANTINE))


def gates(
    before: dict[str, int],
    was_held: pa.Table,
    tonight: dict[str, int],
    is_held: pa.Table,
    *,
    in_log: int = 60,
) -> dict[str, tuple[str, float]]:
    """What the gates after silver say of the fifth night of WEEK; the release before says to look back to its second."""

    def outcome(told: dict[str, int], quarantined: pa.Table) -> pa.Table:
        (row,) = counts(2).to_pylist()
        row |= told | {"quarantined": quarantined.num_rows}
        return pa.Table.from_pylist([row], schema=arrow_schema(OUTCOME_COUNTS))

    now = {OUTCOME_COUNTS.path: outcome(tonight, is_held), BATCHES.path: batches(WEEK)}
    then = {OUTCOME_COUNTS.path: outcome(before, was_held)}
    inputs = SimpleNamespace(
        settings=SimpleNamespace(
            sources=SOURCES, project=Project(), renames=pa.Table.from_pylist([], schema=DECLARED)
        ),
        night=SimpleNamespace(business_date=date(2026, 7, 5), files=()),
        arrow=lambda one: now.get(one.path),
        previous_arrow=lambda one: then.get(one.path),
        rows=lambda one: in_log,
        exists=lambda one: one.path == FEEDS[CONTACTS].path,
        dataset=lambda one: ds.dataset(is_held),
        previous_dataset=lambda one: ds.dataset(was_held),
    )
    verdicts = rows_conserved(FEEDS)(cast("Inputs", inputs))
    return {row["gate"].split()[0]: (row["status"], row["value"]) for row in verdicts}


def test_the_gates_count_what_a_night_leaves_out() -> None:
    # The first day's three are history tonight, and hide nothing that is held back anew.
    before, was_held = {"bronze_rows": 40, "history": 0}, held((1, 3), (2, 5))
    tonight = {"bronze_rows": 40, "history": 10}
    found = gates(before, was_held, tonight, held((2, 5)))
    assert found == {"rows_conserved": ("passed", 0), "quarantine": ("passed", 0)}
    assert gates(before, was_held, tonight, held((2, 5), (5, 2)))["quarantine"] == ("warned", 0.2)
    assert gates(before, was_held, tonight, held((2, 5)), in_log=61)["rows_conserved"] == ("blocked", 1)


def test_a_night_that_looks_at_everything_again_holds_nothing_back_anew() -> None:
    before, was_held = {"bronze_rows": 30, "history": 10}, held((2, 5))
    tonight = {"bronze_rows": 50, "history": 0}
    found = gates(before, was_held, tonight, held((1, 3), (2, 5)))
    assert found == {"rows_conserved": ("passed", 0), "quarantine": ("passed", 0)}
    assert gates(before, was_held, tonight, held((1, 3), (2, 5), (5, 2)))["quarantine"] == ("warned", 0.2)
